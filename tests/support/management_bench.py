"""A management port with a few registers and a source of event records, to be Verilated."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect

from hdl.csr.bus import READ_LATENCY, CsrBus
from hdl.csr.bus_arbiter import BusArbiter
from hdl.csr.management_port import ManagementPort
from hdl.csr.management_session import SESSION_STATS
from hdl.net.elastic_buffer import ElasticBuffer
from hdl.platform.simulation import SimulationTop
from hdl.profile import PROFILES

__all__ = [
    "ADDED", "BEATS", "LOG", "LOG_WORDS", "MAKE_RECORDS", "NOW_HIGH", "NOW_LOW", "RAM_BYTES",
    "ManagementBench", "bench", "record_bytes",
]

#: Memory from address 0 on, then registers.
RAM_BYTES = 4096
ADDED, BEATS, NOW_LOW, NOW_HIGH, MAKE_RECORDS = range(RAM_BYTES, RAM_BYTES + 20, 4)
#: Of each datagram with records: how many datagrams of hosts had been dealt with before it.
LOG, LOG_WORDS = 2 * RAM_BYTES, 1024

_MIX = 0x9E3779B97F4A7C15


def record_bytes(number: int) -> bytes:
    """Return record `number` of the source."""
    return b"".join(((8 * number + word) * _MIX % 2**64).to_bytes(8, "little")
                    for word in range(8))


class ManagementBench(wiring.Component):
    """The port behind its elastic buffer, on a bus that a test uses as well.

    Members
    -------
    time_ns, now_ns : ``In(64)``, ``Out(64)``
        Added to the clock of the registers; the sum.
    management_* : lines
        XGMII.
    csr_* : see :data:`~hdl.csr.bus.CsrBus`
        The first master. ``ADDED`` is the sum of what was written there, ``BEATS`` the number of
        heartbeats, ``NOW_LOW`` and ``NOW_HIGH`` the clock, ``MAKE_RECORDS`` makes that many;
        from ``LOG`` on stands in which order things were done.
    """

    def __init__(self, window_records: int = 32):
        self.port = ManagementPort(PROFILES["bench"], window_records=window_records)
        super().__init__({
            "management_rx_data":    In(64),
            "management_rx_control": In(8),
            "management_tx_data":    Out(64),
            "management_tx_control": Out(8),
            **{f"csr_{name}": (In if member.flow == Out else Out)(member.shape)
               for name, member in CsrBus.members.items()},
            "now_cycles":            Out(48),
            "time_ns":               In(64),
            "now_ns":                Out(64),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.port = port = self.port
        m.submodules.elastic = elastic = ElasticBuffer()
        m.submodules.arbiter = arbiter = BusArbiter()
        m.submodules.ram = ram = Memory(shape=32, depth=RAM_BYTES // 4, init=[])
        connect(m, port.bus, arbiter.second)
        bus = arbiter.bus
        m.d.sync += self.now_cycles.eq(self.now_cycles + 1)
        m.d.comb += [
            elastic.line.data.eq(self.management_rx_data),
            elastic.line.control.eq(self.management_rx_control),
            port.word.eq(elastic.word), port.taken.eq(arbiter.taken),
            self.management_tx_data.eq(port.tx_data),
            self.management_tx_control.eq(port.tx_control),
            *(getattr(arbiter.first, name).eq(getattr(self, f"csr_{name}"))
              for name in ("address", "write_data", "write", "read")),
            self.csr_read_data.eq(arbiter.first.read_data),
        ]

        # The registers, at the latency of the bus: memory, then the registers that make it up.
        writing, reading = ram.write_port(), ram.read_port()
        in_ram = bus.address < RAM_BYTES
        added, beats, pending = Signal(32), Signal(32), Signal(32)
        now = Signal(64)
        address = Signal.like(bus.address)
        late = [Signal(32, name=f"late_{n}") for n in range(READ_LATENCY - 1)]
        made = Signal(29)

        # Each datagram of a host makes one pulse of these.
        handled, logged = Signal(32), Signal(range(LOG_WORDS))
        m.submodules.log = log = Memory(shape=32, depth=LOG_WORDS, init=[])
        noting, recalling = log.write_port(), log.read_port()
        m.d.comb += [
            noting.addr.eq(logged), noting.data.eq(handled),
            noting.en.eq(port.stat_event_datagrams),
            recalling.addr.eq(bus.address >> 2), recalling.en.eq(1),
        ]
        m.d.sync += [
            logged.eq(logged + port.stat_event_datagrams),
            handled.eq(handled + Cat(
                getattr(port, f"stat_{name}") for name in SESSION_STATS
                if name not in ("event_datagrams", "sent_again")).any()),
        ]
        m.d.sync += [address.eq(bus.address), self.now_ns.eq(now + self.time_ns)]
        registers = {ADDED: added, BEATS: beats, NOW_LOW: now[:32], NOW_HIGH: now[32:]}
        m.d.comb += [
            writing.addr.eq(bus.address >> 2), writing.data.eq(bus.write_data),
            writing.en.eq(bus.write & in_ram & (bus.address[:2] == 0)),
            reading.addr.eq(bus.address >> 2), reading.en.eq(1),
            bus.read_data.eq(late[-1]),
        ]
        m.d.sync += [after.eq(before) for before, after in pairwise(late)]
        with m.Switch(address):
            for where, register in registers.items():
                with m.Case(where):
                    m.d.sync += late[0].eq(register)
            with m.Default():
                with m.If((address >= LOG) & (address < LOG + 4 * LOG_WORDS)):
                    m.d.sync += late[0].eq(recalling.data)
                with m.Else():
                    m.d.sync += late[0].eq(Mux((address < RAM_BYTES) & (address[:2] == 0),
                                               reading.data, 0))
        with m.If(bus.write), m.Switch(bus.address):
            with m.Case(ADDED):
                m.d.sync += added.eq(added + bus.write_data)
            with m.Case(NOW_LOW):
                m.d.sync += now[:32].eq(bus.write_data)
            with m.Case(NOW_HIGH):
                m.d.sync += now[32:].eq(bus.write_data)
        m.d.sync += beats.eq(beats + port.stat_heartbeats)
        asked = bus.write & (bus.address == MAKE_RECORDS)
        row = Signal(2)
        taken = port.events.valid & port.events.ready
        ends = taken & port.events.p.last
        m.d.sync += [pending.eq(pending + Mux(asked, bus.write_data, 0) - ends),
                     made.eq(made + ends), row.eq(row + taken)]
        m.d.comb += [
            port.now_ns.eq(self.now_ns), port.events.valid.eq(pending != 0),
            port.events.p.data.eq(Cat(
                (Cat(C(number, 1), row, made) * C(_MIX, 64))[:64] for number in range(2))),
            port.events.p.last.eq(row.all()),
        ]
        return m


def bench(*, window_records: int = 32) -> SimulationTop:
    """Return the bench as `sim.verilate` takes it."""
    return SimulationTop(ManagementBench(window_records), domains=("rx",))
