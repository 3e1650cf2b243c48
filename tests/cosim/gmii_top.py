"""The receive path and the transmitter of a GMII line behind plain ports, for cocotb's models."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.net.datagram_receiver import DatagramInfo, DatagramReceiver
from hdl.net.gmii_buffer import GmiiBuffer
from hdl.net.gmii_transmitter import GmiiTransmitter
from hdl.net.xgmii_transmitter import HEAD_BYTES, FrameStart
from hdl.stream import FrameBeat
from tests.cosim.mac_top import REASONS

__all__ = ["GmiiTop"]


class GmiiTop(wiring.Component):
    """Buffer and datagram receiver; a transmitter. GMII in is of domain ``rx``, all else ``sync``.

    Latency: 6 cycles, the byte behind a beat at ``rxd`` to ``beat_valid``: 3 of the buffer, 1 of
    the receiver, 1 of the frame buffer, and the byte's own.
    """

    rxd: In(8)
    rx_dv: In(1)
    rx_er: In(1)
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
    overrun: Out(1)

    txd: Out(8)
    tx_en: Out(1)
    tx_er: Out(1)
    send: In(FrameStart)
    send_valid: In(1)
    send_ready: Out(1)
    head: In(8 * HEAD_BYTES)
    part: In(FrameBeat)
    part_valid: In(1)
    part_ready: Out(1)
    sent: Out(1)

    def __init__(self, *, buffer_bytes: int):
        self.buffer_bytes = buffer_bytes
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.crossing = crossing = GmiiBuffer()
        m.submodules.receiver = receiver = DatagramReceiver(
            buffer_bytes=self.buffer_bytes, line="gmii")
        m.submodules.transmitter = transmitter = GmiiTransmitter()
        m.d.comb += [
            crossing.line.data.eq(self.rxd),
            crossing.line.control.eq(Cat(self.rx_dv, self.rx_er)),
            Value.cast(receiver.word).eq(Value.cast(crossing.word)),
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
            self.overrun.eq(crossing.stat_overrun),

            self.txd.eq(transmitter.data),
            Cat(self.tx_en, self.tx_er).eq(transmitter.control),
            transmitter.starts.payload.eq(self.send), transmitter.starts.valid.eq(self.send_valid),
            self.send_ready.eq(transmitter.starts.ready),
            Value.cast(transmitter.heads).eq(self.head.replicate(2)),
            transmitter.beats.payload.eq(self.part), transmitter.beats.valid.eq(self.part_valid),
            self.part_ready.eq(transmitter.beats.ready),
            self.sent.eq(transmitter.stat_frames),
        ]
        return m
