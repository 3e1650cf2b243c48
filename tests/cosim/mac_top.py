"""The receive path behind plain ports, for the bus models of cocotb."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.net.datagram_receiver import DatagramInfo, DatagramReceiver
from hdl.net.elastic_buffer import ElasticBuffer
from hdl.stream import FrameBeat

__all__ = ["REASONS", "MacTop"]

#: Pulses, in the order of their bits in ``reasons``.
REASONS = ("frames_good", "bad_fcs", "runt", "oversize", "error_char", "not_ipv4", "options",
           "bad_header_checksum", "fragments", "not_udp", "other_destination", "bad_length",
           "bad_udp_checksum", "dropped", "bad_preamble")


class MacTop(wiring.Component):
    """Elastic buffer and datagram receiver; XGMII in domain ``rx``, all else in ``sync``.

    Latency: 5 cycles, ``rxd`` to ``beat_valid``, cut-through, equal clocks.
    """

    rxd: In(64)
    rxc: In(8)
    cut_through: In(1)
    strict: In(1)
    group_ip: In(32)
    udp_port: In(16)
    beat: Out(FrameBeat)
    beat_valid: Out(1)
    beat_ready: In(1)
    datagram: Out(DatagramInfo)
    outcome_valid: Out(1)
    outcome_good: Out(1)
    reasons: Out(len(REASONS))
    slips: Out(4)

    def __init__(self, *, buffer_bytes: int):
        self.buffer_bytes = buffer_bytes
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.elastic = elastic = ElasticBuffer()
        m.submodules.receiver = receiver = DatagramReceiver(buffer_bytes=self.buffer_bytes)
        now_cycles = Signal(48)
        m.d.sync += now_cycles.eq(now_cycles + 1)
        m.d.comb += [
            elastic.line.data.eq(self.rxd),
            elastic.line.control.eq(self.rxc),
            receiver.word.eq(elastic.word),
            receiver.now_cycles.eq(now_cycles),
            receiver.cfg_cut_through.eq(self.cut_through),
            receiver.cfg_strict.eq(self.strict),
            receiver.cfg_group_ip.eq(self.group_ip),
            receiver.cfg_udp_port.eq(self.udp_port),
            self.beat.eq(receiver.beats.payload),
            self.beat_valid.eq(receiver.beats.valid),
            receiver.beats.ready.eq(self.beat_ready),
            self.datagram.eq(receiver.datagram),
            self.outcome_valid.eq(receiver.outcomes.valid),
            self.outcome_good.eq(receiver.outcomes.payload.good),
            self.reasons.eq(Cat(getattr(receiver, f"stat_{name}") for name in REASONS)),
            self.slips.eq(Cat(elastic.stat_inserted, elastic.stat_deleted,
                              elastic.stat_overrun, elastic.stat_underrun)),
        ]
        return m
