"""The management port beside another master of the bus and another reader of the events."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.csr.bus import CsrBus
from hdl.csr.bus_arbiter import BusArbiter
from hdl.csr.management_port import ManagementPort
from hdl.net.line import LINES
from hdl.profile import Profile
from hdl.telemetry.event_ring import RecordRow
from hdl.telemetry.message_recorder import RecordWord
from proto.counters import COUNTERS

__all__ = ["ManagementSide"]

#: Counters whose names differ from those of the pulses, with all pulses that they count.
_COUNTERS = {
    "frames_bad_fcs": ("bad_fcs",),
    "frames_runt": ("runt",),
    "frames_oversize": ("oversize",),
    "frames_error_char": ("error_char",),
    "not_for_us": ("not_ipv4", "not_udp", "other_destination", "other_mac"),
    "bad_headers": ("tagged", "options", "fragments", "bad_header_checksum", "bad_length"),
    "bad_checksums": ("bad_udp_checksum", "no_checksum"),
}
_ELASTIC = {"words_inserted": "inserted", "words_deleted": "deleted",
            "elastic_overrun": "overrun", "elastic_underrun": "underrun"}
_STAGE = "management."


class ManagementSide(wiring.Component):
    """Join the management port to the line, to the registers and to the event records.

    Latency: 0 cycles, `direct` to `bus`; 3 cycles, word at `management_rx_data` to the port.

    `direct` is another master, that of a simulation, and has precedence. Records go to the host
    while there is a session, else to `events`; each goes to one of them, whole.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    management_rx_data, management_rx_control : ``In``
        The line, as the profile says; domain ``rx``.
    management_tx_data, management_tx_control : ``Out``
        The line, from registers.
    direct, bus : ``In(CsrBus)``, ``Out(CsrBus)``
        The other master; the registers.
    records, events : ``In(stream.Signature(RecordRow))``, ``Out(stream.Signature(RecordRow))``
        Event records: all of them, and those that no host gets.
    words, feed_words : ``In(stream.Signature(RecordWord))``, ``Out(stream.Signature(RecordWord))``
        The same for records of feed messages.
    now_ns : ``In(64)``
        The nanosecond clock.
    mac, address, udp_port : ``In(48)``, ``In(32)``, ``In(16)``
        Own addresses and UDP port.
    open : ``Out(1)``
        A host has a session.
    counts : ``Out``
        Pulses for `counters`, a bit each.

    Attributes
    ----------
    counters : tuple of str
        Names of the counters of this side, in the order of the registers.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.counters = tuple(counter.name for counter in COUNTERS
                              if counter.name.startswith(_STAGE))
        self._port = ManagementPort(profile)
        port = self._port.signature.members
        line = LINES[profile.line]
        super().__init__({
            **line.inputs("management_rx"),
            **line.outputs("management_tx"),
            "direct":   In(CsrBus),
            "bus":      Out(CsrBus),
            "records":  In(stream.Signature(RecordRow)),
            "events":   Out(stream.Signature(RecordRow)),
            "words":      In(stream.Signature(RecordWord)),
            "feed_words": Out(stream.Signature(RecordWord)),
            "now_ns":   In(64),
            "mac":      port["cfg_mac"],
            "address":  port["cfg_address"],
            "udp_port": port["cfg_port"],
            "open":     Out(1),
            "counts":   Out(len(self.counters)),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.elastic = elastic = LINES[self.profile.line].crossing()
        m.submodules.port = port = self._port
        m.submodules.arbiter = arbiter = BusArbiter()
        connect(m, flipped(self.direct), arbiter.first)
        connect(m, port.bus, arbiter.second)
        connect(m, arbiter.bus, flipped(self.bus))
        m.d.comb += [
            elastic.line.data.eq(self.management_rx_data),
            elastic.line.control.eq(self.management_rx_control),
            Value.cast(port.word).eq(Value.cast(elastic.word)),
            port.taken.eq(arbiter.taken), port.now_ns.eq(self.now_ns),
            port.cfg_mac.eq(self.mac), port.cfg_address.eq(self.address),
            port.cfg_port.eq(self.udp_port), self.open.eq(port.open),
            self.management_tx_data.eq(port.tx_data),
            self.management_tx_control.eq(port.tx_control),
        ]

        for name, source, host, other in (
                ("records", self.records, port.events, self.events),
                ("words", self.words, port.words, self.feed_words)):
            # Who has begun a record gets the rest of it, and the port what it has been offered.
            to_host, begun = Signal(name=f"{name}_to_host"), Signal(name=f"{name}_begun")
            moved = source.valid & source.ready
            with m.If(moved):
                m.d.sync += begun.eq(~source.p.last)
            with m.If(Mux(moved, source.p.last, ~begun & (~to_host | ~source.valid))):
                m.d.sync += to_host.eq(port.open)
            m.d.comb += [
                Value.cast(host.p).eq(Value.cast(source.p)),
                Value.cast(other.p).eq(Value.cast(source.p)),
                host.valid.eq(source.valid & to_host), other.valid.eq(source.valid & ~to_host),
                source.ready.eq(Mux(to_host, host.ready, other.ready)),
            ]

        for bit, counter in enumerate(self.counters):
            name = counter.removeprefix(_STAGE)
            pulses = [getattr(elastic, f"stat_{_ELASTIC[name]}")] if name in _ELASTIC else [
                getattr(port, f"stat_{pulse}") for pulse in _COUNTERS.get(name, (name,))]
            m.d.comb += self.counts[bit].eq(Cat(pulses).any())
        return m
