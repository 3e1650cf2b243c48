"""cocotb tests of the whole core at its pins, driven as software does; run by test_top.py."""

import random
from collections import Counter
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.eth import XgmiiFrame, XgmiiSink, XgmiiSource
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from hdl.csr.bus import READ_LATENCY
from proto.events import EVENT_BYTES, EventKind
from proto.registers import MAGIC, VERSION, register_map
from sim.appliance import Appliance, SymbolSettings
from sim.captures import Capture
from sim.framing import FeedAddress
from sim.golden.book import bbo_rows
from sim.library import Line, Received
from sim.order_entry import LimitSettings, StrategySettings, arm, configure_risk, load_linear_model
from tests.cosim.appliance_top import PROFILE
from tests.support.data import data_path
from tests.support.order_flow import OrderFlow
from tests.support.order_line import Market, OrderLine, accepted, canceled
from tests.unit.hdl.feed.frames import packet

PERIOD_PS = 6400
TICK = 100
BID, ASK = 1_000_000, 1_000_100
ADDRESS = FeedAddress(session="000010059B")
GROUP = "233.54.12.111"
INPUTS = ("csr_address", "csr_write_data", "csr_write", "csr_read", "time_ns",
          "time_hold")
PORTS = {Line.FEED_A: "feed_a", Line.ORDER: "order", Line.MANAGEMENT: "management"}


class Pins:
    """What :class:`sim.library.Simulation` offers, on the pins of cocotb's simulation.

    Its methods are for a thread beside the simulation; see :func:`cocotb.task.bridge`.
    """

    def __init__(self, dut):
        self.dut = dut
        self.cycle = 0
        self.sources = {line: XgmiiSource(getattr(dut, f"{port}_rx_data"),
                                          getattr(dut, f"{port}_rx_control"), dut.rx_clk)
                        for line, port in PORTS.items()}
        self.sink = XgmiiSink(dut.order_tx_data, dut.order_tx_control, dut.clk)
        for model in (*self.sources.values(), self.sink):
            model.log.setLevel("WARNING")
        self._records = []
        for name in INPUTS:
            getattr(dut, name).value = 0
        for port in PORTS.values():
            getattr(dut, f"{port}_rx_data").value = 0x0707070707070707
            getattr(dut, f"{port}_rx_control").value = 0xFF
        dut.events_ready.value = 1
        dut.words_ready.value = 1

    async def start(self):
        """Start the clocks and reset."""
        dut = self.dut
        dut.rst.value = dut.rx_rst.value = 1
        Clock(dut.clk, PERIOD_PS, unit="ps").start()
        # The lines are 100 ppm slower than the core.
        Clock(dut.rx_clk, PERIOD_PS + 2, unit="ps").start()
        await ClockCycles(dut.clk, 4)
        dut.rst.value = dut.rx_rst.value = 0
        cocotb.start_soon(self._watch())
        await ClockCycles(dut.clk, 20)

    async def _watch(self):
        while True:
            await FallingEdge(self.dut.clk)
            self.cycle += 1
            if self.dut.events_valid.value:
                self._records.append(
                    int(self.dut.events_payload.value).to_bytes(EVENT_BYTES, "little"))

    @resume
    async def run(self, cycles):
        await ClockCycles(self.dut.clk, cycles)

    @resume
    async def csr_write(self, address, data):
        dut = self.dut
        dut.csr_address.value, dut.csr_write_data.value, dut.csr_write.value = address, data, 1
        await RisingEdge(dut.clk)
        dut.csr_write.value = 0
        await RisingEdge(dut.clk)

    @resume
    async def csr_read(self, address):
        dut = self.dut
        dut.csr_address.value, dut.csr_read.value = address, 1
        await RisingEdge(dut.clk)
        dut.csr_read.value = 0
        await ClockCycles(dut.clk, READ_LATENCY - 1)
        await FallingEdge(dut.clk)
        return int(dut.csr_read_data.value)

    @resume
    async def _settle(self, quiet):
        for source in self.sources.values():
            await source.wait()
        still = 0
        while still < quiet:
            await FallingEdge(self.dut.clk)
            still = still + 1 if self.dut.idle.value else 0

    def settle(self, *, quiet=64, most=0):
        self._settle(quiet)

    @resume
    async def _time(self):
        return int(self.dut.now_ns.value)

    @property
    def time_ns(self):
        return self._time()

    def events(self):
        records, self._records = self._records, []
        return b"".join(records), None

    @resume
    async def _send(self, frames, line):
        for frame in frames:
            await self.sources[line].send(frame)

    def send(self, frames, line=Line.FEED_A):
        self._send([frame if isinstance(frame, XgmiiFrame) else XgmiiFrame.from_payload(frame)
                    for frame in frames], line)

    def received(self, line=Line.ORDER):
        assert line is Line.ORDER
        frames = []
        while not self.sink.empty():
            frame = self.sink.recv_nowait()
            check_frame(frame)
            frames.append(Received(bytes(frame.get_payload(strip_fcs=False)), 0, 0,
                                   frame.check_fcs()))
        return frames


def check_frame(frame):
    """Check a frame of the order port by scapy."""
    packet = Ether(bytes(frame.get_payload()))
    assert frame.check_fcs() and len(frame.get_payload()) >= 60
    if ARP in packet:
        return
    again = IP(bytes(packet[IP])[:packet[IP].len])
    del again.chksum, again[TCP].chksum
    again = IP(bytes(again))
    assert (again.chksum, again[TCP].chksum) == (packet[IP].chksum, packet[TCP].chksum)


async def with_appliance(dut, scenario):
    """Run a function of an appliance, which waits for the simulation, beside it."""
    pins = Pins(dut)
    await pins.start()

    def thread():
        scenario(Appliance(library=Path(), make=lambda _: pins))

    await bridge(thread)()


def build(payload, *, tags=0):
    """Return a frame of the feed made by scapy."""
    frame = Ether(src="00:11:22:33:44:55", dst="01:00:5e:36:0c:6f")
    for tag in range(tags):
        frame /= Dot1Q(vlan=141 + tag)
    frame /= IP(src="206.200.127.138", dst=GROUP, ttl=20, flags="DF")
    return bytes(frame / UDP(sport=4711, dport=ADDRESS.udp_port) / payload)


def packets(rng, messages, sequence):
    """Yield payloads of a few messages each."""
    while messages:
        taken = messages[:rng.randrange(1, 20)]
        yield packet(sequence, taken, session=ADDRESS.session.encode())
        sequence += len(taken)
        messages = messages[len(taken):]


def identity(appliance):
    """The registers tell what the appliance is, and keep what is written."""
    assert appliance.read("identity.magic") == MAGIC
    assert tuple(appliance.read("identity.version", name)
                 for name in ("major", "minor", "patch")) == VERSION
    assert appliance.read("identity.map_hash") == register_map(symbols=PROFILE.symbols).hash
    for name, value in (("symbols", PROFILE.symbols), ("window_ticks", PROFILE.window_ticks),
                        ("orders", PROFILE.orders)):
        assert appliance.read(f"identity.profile_{name}") == value
    assert appliance.read("identity.core_hz") == PROFILE.core_hz
    for value in (0xDEADBEEF, 0x12345678):
        appliance.write("feed.group_ip", value)
        assert appliance.read("feed.group_ip") == value


def check_books(appliance, messages, locates, first):
    """Send messages from sequence number `first` on; compare the records with the golden rows."""
    rng = random.Random(first)
    appliance.send_frames([build(payload, tags=rng.randrange(3))
                           for payload in packets(rng, messages, first)])
    appliance.settle()
    records = appliance.events()
    rows = [row for row in bbo_rows(messages) if row.locate in locates]
    assert len(records) == len(rows) > 50
    for record, row in zip(records, rows, strict=True):
        found = [int(record[name]) for name in (
            "feed_sequence", "ts_ns", "locate", "bid_price", "bid_quantity", "bid_count",
            "ask_price", "ask_quantity", "ask_count")]
        assert found == [first - 1 + row.seq, *row[1:]]
        assert record["symbol_index"] == locates[row.locate]
        assert record["ingress_cycle"] < record["cycle"]


def watch(appliance, locates):
    appliance.watch([SymbolSettings(f"SYM{locate}", locate, TICK) for locate in locates])


def on_grid(messages):
    """Return the locates with the most orders, of those whose prices are whole ticks."""
    adds = [message for message in messages if message[:1] in b"AF"]
    off = {message[1:3] for message in adds if int.from_bytes(message[32:36], "big") % TICK}
    found = Counter(message[1:3] for message in adds if message[1:3] not in off)
    return {int.from_bytes(locate, "big"): index
            for index, (locate, _) in enumerate(found.most_common(PROFILE.symbols))}


def real_books(appliance):
    """The first book messages of a day, then those of 09:30, store-and-forward."""
    messages = [
        bytes(record.data)
        for name in ("20191230-0400-first-500-book-messages", "20191230-0930-open-1000")
        for record in Capture(data_path("nasdaq-itch50", f"{name}.itch")).records()]
    locates = on_grid(messages)
    watch(appliance, locates)
    appliance.write("control.hold_on_rebuild", 1)
    appliance.configure_feed(ADDRESS)
    check_books(appliance, messages, locates, 1)
    counters = appliance.counters()
    assert counters["mold.messages"] == len(messages)
    for name in ("mold.gaps", "mold.malformed", "net.frames_bad_fcs", "book.events_dropped"):
        assert counters[name] == 0, name


def random_books(appliance):
    """Random order flow back to back, cut-through."""
    locates = {10 + index: index for index in range(PROFILE.symbols)}
    messages = OrderFlow(seed=7, locates=tuple(locates), spread=30, resting=100).messages(600)
    watch(appliance, locates)
    appliance.write("control.fcs_mode", 1)
    appliance.configure_feed(ADDRESS, next_sequence=1000)
    check_books(appliance, messages, locates, 1000)
    assert appliance.counters()["mold.gaps"] == 0


def order(appliance):
    """A session is brought up; a message of the feed makes an order, which is answered."""
    appliance.write("control.fcs_mode", 1)
    market = Market(appliance)
    line = OrderLine(appliance, lambda message: [
        accepted(message), canceled(message, int.from_bytes(message[6:10], "big"))])
    line.connect()
    load_linear_model(appliance, {"imbalance_top1": 16}, 0, epoch=1)
    configure_risk(appliance, [LimitSettings()],
                   [StrategySettings(buy_threshold=1000, sell_threshold=1 << 30)])
    market.send([market.add(b"B", BID, 800), market.add(b"S", ASK, 100),
                 market.add(b"S", ASK, 700)])
    appliance.settle()
    assert arm(appliance)
    appliance.order_events()
    # The imbalance of the touch turns.
    market.send([market.change(b"E", market.reference, 690)])
    line.until(lambda: len(line.messages) == 2)
    for _ in range(4):
        line.step()
    request, = line.requests
    assert (request[:1], request[5:6], request[10:18]) == (b"O", b"B", b"SYM1    ")
    assert (int.from_bytes(request[6:10], "big"), int.from_bytes(request[18:26], "big")) == (
        100, ASK)
    records = appliance.order_events()
    sent, = [record for kind, record in records if kind is EventKind.ORDER_SENT]
    assert (sent["user_ref_num"], sent["quantity"], sent["price"]) == (1, 100, ASK)
    answers = [record for kind, record in records if kind is EventKind.VENUE_ANSWER]
    assert [answer["user_ref_num"] for answer in answers] == [1, 1]
    appliance.write("session.enable", 0)
    line.until(lambda: not appliance.read("session.state", "up"))


@cocotb.test()
async def registers_and_books(dut):
    def scenario(appliance):
        identity(appliance)
        real_books(appliance)
        appliance.write("control.feed_reset", 1)
        appliance.simulation.run(16)
        while not appliance.read("control.status", "memories_cleared"):
            appliance.simulation.run(100)
        random_books(appliance)

    await with_appliance(dut, scenario)


@cocotb.test()
async def tick_to_order(dut):
    await with_appliance(dut, order)
