"""Frames to GMII bytes: preamble, padding, FCS and the gap between frames.

Ref: IEEE 802.3, clauses 3.2, 4.2.3, 35.
"""

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net import fcs
from hdl.net.xgmii_transmitter import GAP_BYTES, HEAD_BYTES, MINIMUM_BYTES, FrameStart
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import FCS_BYTES, PREAMBLE, SFD

__all__ = ["GmiiTransmitter"]

_PREAMBLE_BYTES = 8
_LAST_PADDED_BEAT = MINIMUM_BYTES // BEAT_BYTES


class _StoredBeat(data.Struct):
    data: 64
    last: 1


class GmiiTransmitter(wiring.Component):
    """Send frames byte by byte; the decision to send comes first, the beats follow at once.

    Latency: 1 cycle, `starts` transfer to the first byte of preamble at `data`; frame byte ``n``
    follows ``8 + n`` cycles after that. Beats are taken from the cycle after the `starts` transfer
    on, one a cycle until there are `buffered_beats` of them, then one in eight cycles: who cannot
    wait sends frames that are no longer. Between two frames there are 12 bytes or more of gap.

    A beat that is not there in time cannot be waited for: eight bytes with an error end the frame,
    the rest of its beats is thrown away, and it is counted.

    Parameters
    ----------
    buffered_beats : int
        Beats taken ahead of the line; at least 2.

    Members
    -------
    starts : ``In(stream.Signature(FrameStart))``
        A transfer starts a frame; ready when the line is free.
    heads : ``In(ArrayLayout(128, 2))``
        The first sixteen bytes of frames, lane 0 first; taken as a frame starts.
    beats : ``In(FrameStream())``
        The bytes from the seventeenth on, without padding and FCS; at least one beat a frame.
    data, control : ``Out(8)``, ``Out(2)``
        The line, as of :class:`~hdl.net.gmii.GmiiByte`, from registers.
    stat_frames : ``Out(1)``
        Pulse per frame sent whole.
    stat_underrun : ``Out(1)``
        Pulse per frame whose beats came too late.

    Raises
    ------
    ValueError
        If `buffered_beats` is too small.
    """

    def __init__(self, *, buffered_beats: int = 16):
        if buffered_beats < 2:
            raise ValueError(f"buffered_beats must be >= 2, was {buffered_beats}")
        self.buffered_beats = buffered_beats
        super().__init__({
            "starts":        In(stream.Signature(FrameStart)),
            "heads":         In(data.ArrayLayout(8 * HEAD_BYTES, 2)),
            "beats":         In(FrameStream()),
            "data":          Out(8),
            "control":       Out(2),
            "stat_frames":   Out(1),
            "stat_underrun": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        taking = Signal()
        m.submodules.queue = queue = fifo.SyncFIFO(
            width=_StoredBeat.as_shape().size, depth=self.buffered_beats)
        stored, beat = Signal(_StoredBeat), self.beats.p
        m.d.comb += [
            stored.data.eq(beat.data & Cat(bit.replicate(8) for bit in beat.keep)),
            stored.last.eq(beat.last), queue.w_data.eq(stored),
            self.beats.ready.eq(taking & queue.w_rdy), queue.w_en.eq(taking & self.beats.valid),
        ]
        with m.If(self.beats.ready & self.beats.valid & beat.last):
            m.d.sync += taking.eq(0)
        waiting = Signal(_StoredBeat)
        m.d.comb += Value.cast(waiting).eq(queue.r_data)

        # The word on its way, the lane that leaves next, and what is known of its end.
        word = Signal(64, reset_less=True)
        second = Signal(64, reset_less=True)
        lane = Signal(range(BEAT_BYTES))
        index = Signal(range(_LAST_PADDED_BEAT + 1))    # of the word in its frame; stays at its end
        last = Signal()                 # the word is the frame's last one before padding, or behind
        tail = Signal(3, reset_less=True)
        final = last & (index == _LAST_PADDED_BEAT) & (lane == (tail - 1)[:3])

        enable, error = self.control[0], self.control[1]
        byte = Signal(8)
        crc = Signal(32, reset_less=True)
        folded = fcs.apply(fcs.linear_map(lambda state: fcs.advance(state, 1)),
                           crc ^ Cat(byte, C(0, 24)))
        count = Signal(range(max(_PREAMBLE_BYTES, GAP_BYTES)))
        m.d.sync += [count.eq(count + 1), self.stat_frames.eq(0), self.stat_underrun.eq(0),
                     self.data.eq(byte), enable.eq(1), error.eq(0)]

        def next_state(name: str) -> None:
            m.d.sync += count.eq(0)
            m.next = name

        with m.FSM(name="line"):
            with m.State("IDLE"):
                words = Mux(self.starts.p.head, self.heads[1], self.heads[0])
                m.d.comb += [self.starts.ready.eq(1), byte.eq(PREAMBLE)]
                m.d.sync += [word.eq(words[:64]), second.eq(words[64:]),
                             tail.eq(self.starts.p.tail), lane.eq(0), index.eq(0), last.eq(0),
                             crc.eq(fcs.PRESET), count.eq(1)]
                with m.If(self.starts.valid):
                    m.d.sync += taking.eq(1)
                    m.next = "PREAMBLE"
                with m.Else():
                    m.d.comb += byte.eq(0)
                    m.d.sync += enable.eq(0)
            with m.State("PREAMBLE"):
                m.d.comb += byte.eq(Mux(count == _PREAMBLE_BYTES - 1, SFD, PREAMBLE))
                with m.If(count == _PREAMBLE_BYTES - 1):
                    next_state("DATA")
            with m.State("DATA"):
                m.d.comb += byte.eq(word[:8])
                m.d.sync += [word.eq(word[8:]), crc.eq(folded), lane.eq(lane + 1)]
                with m.If(final):
                    next_state("FCS")
                with m.Elif(lane == BEAT_BYTES - 1):
                    m.d.sync += index.eq(index + (index != _LAST_PADDED_BEAT))
                    with m.If(index == 0):
                        m.d.sync += word.eq(second)
                    with m.Elif(~last):
                        m.d.comb += queue.r_en.eq(1)
                        m.d.sync += [word.eq(waiting.data), last.eq(waiting.last)]
                        with m.If(~queue.r_rdy):
                            m.d.sync += self.stat_underrun.eq(1)
                            next_state("ERROR")
            with m.State("FCS"):
                m.d.comb += byte.eq(~crc[:8])
                m.d.sync += crc.eq(crc[8:])
                with m.If(count == FCS_BYTES - 1):
                    m.d.sync += self.stat_frames.eq(1)
                    next_state("GAP")
            with m.State("ERROR"):
                m.d.sync += error.eq(1)
                with m.If(count == BEAT_BYTES - 1):
                    next_state("DRAIN")
            with m.State("DRAIN"):
                m.d.sync += enable.eq(0)
                m.d.comb += queue.r_en.eq(1)
                with m.If(queue.r_rdy & waiting.last):
                    next_state("GAP")
            with m.State("GAP"):
                m.d.sync += enable.eq(0)
                with m.If(count == GAP_BYTES - 1):
                    m.next = "IDLE"

        return m
