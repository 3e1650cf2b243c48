"""GMII bytes to frame beats, and the verdict on each frame."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.gmii import ReceivedByte
from hdl.net.xgmii_receiver import LENGTH_BITS, FrameVerdict, judge_frames
from hdl.records import FrameInfo
from hdl.stream import BEAT_BYTES, FrameBeat, FrameStream
from proto.wire.ethernet import MAXIMUM_FRAME_BYTES, MINIMUM_FRAME_BYTES, PREAMBLE, SFD

__all__ = ["GmiiReceiver"]


class GmiiReceiver(wiring.Component):
    """Find frames in GMII bytes; deliver them from the destination address to the FCS.

    Latency: 1 cycle, the byte or end that follows a beat's last byte at `word` to `beats.valid`:
    only then it is known whether the beat is the frame's last one. Throughput: 1 byte per cycle.

    A frame begins with any number of bytes of preamble, which a receiver may shorten (35.2.3.2.2),
    and the delimiter; with anything else there, or an error, it is not delivered and
    `stat_bad_preamble` pulses. It ends with its enable, or with the byte that exceeds
    `cfg_max_frame_bytes` (bad). An error makes it bad and does not end it. A frame that ends before
    its first byte is counted, and neither delivered nor judged.

    Members
    -------
    word : ``In(ReceivedByte)``
        At most one byte each cycle, from the buffer.
    now_cycles : ``In(48)``
        The core's cycle counter.
    cfg_max_frame_bytes : ``In(14)``
        Longest legal frame with FCS, at least 64; sampled during frames.
    beats : ``Out(FrameStream(always_ready=True))``
        Bytes of the frames; lanes outside ``keep`` are zero. The beats of a frame come eight
        cycles or more apart, the last one after one or more.
    frame_info : ``Out(FrameInfo)``
        Valid with the first beat: the cycle in which the first byte of preamble was at `word`.
    verdicts : ``Out(stream.Signature(FrameVerdict, always_ready=True))``
        One for each frame, in order, exactly ``VERDICT_CYCLES`` cycles after its last beat.
    stat_frames_good, stat_bad_fcs, stat_runt, stat_oversize, stat_error_char : ``Out(1)``
        Exactly one of them pulses with each verdict: good, or the first that applies of an error
        in the frame, over the maximum, below 64 bytes, wrong FCS; and `stat_runt` without one for a
        frame that has no byte.
    stat_bad_preamble : ``Out(1)``
        A frame without correct preamble and delimiter.
    stat_fault : ``Out(1)``
        Never: the line does not tell of link faults.
    """

    word: In(ReceivedByte)
    now_cycles: In(48)
    cfg_max_frame_bytes: In(LENGTH_BITS, init=MAXIMUM_FRAME_BYTES)
    beats: Out(FrameStream(always_ready=True))
    frame_info: Out(FrameInfo)
    verdicts: Out(stream.Signature(FrameVerdict, always_ready=True))
    stat_frames_good: Out(1)
    stat_bad_fcs: Out(1)
    stat_runt: Out(1)
    stat_oversize: Out(1)
    stat_error_char: Out(1)
    stat_bad_preamble: Out(1)
    stat_fault: Out(1)

    def elaborate(self, platform):
        m = Module()

        # By what is at `word`: a byte, or the end behind the last one.
        byte = Signal()
        end = Signal()
        error = self.word.error
        m.d.comb += [byte.eq(self.word.present & self.word.enable),
                     end.eq(self.word.present & ~self.word.enable)]

        fresh, inside, skipping = Signal(init=1), Signal(), Signal()
        opens = Signal()                # the byte is the delimiter
        unknown = Signal()              # the byte is not what may be before a frame
        before = ~inside & ~skipping
        m.d.comb += [
            opens.eq(byte & before & ~error & (self.word.data == SFD)),
            unknown.eq(byte & before & (error | ((self.word.data != PREAMBLE)
                                                 & (self.word.data != SFD)))),
        ]
        # An end without a delimiter before is as bad.
        m.d.sync += self.stat_bad_preamble.eq(unknown | (end & before))
        with m.If(byte):
            m.d.sync += fresh.eq(0)
        with m.If(end):
            m.d.sync += fresh.eq(1)

        stamp = Signal(48, reset_less=True)
        with m.If(byte & fresh):
            m.d.sync += stamp.eq(self.now_cycles)

        # The beat in the making; a full one waits for what follows.
        made = Signal(64, reset_less=True)
        lanes = Signal(BEAT_BYTES)      # of it that hold a byte
        first = Signal(reset_less=True)
        length = Signal(LENGTH_BITS, reset_less=True)
        next_length = Signal(LENGTH_BITS)
        limit_reached = Signal(reset_less=True)
        spoilt, over = Signal(reset_less=True), Signal(reset_less=True)
        full = lanes.all()
        leaves = Signal()
        m.d.comb += leaves.eq(inside & ((byte & (full | over)) | (end & lanes[0])))

        m.d.comb += next_length.eq(length + 1)
        with m.If(byte & inside):
            m.d.sync += [
                lanes.eq(Mux(full, 1, Cat(C(1, 1), lanes))),
                length.eq(next_length), limit_reached.eq(next_length == self.cfg_max_frame_bytes),
                spoilt.eq(spoilt | error), over.eq(limit_reached),
            ]
            for lane in range(BEAT_BYTES):
                chosen = full if lane == 0 else lanes[lane - 1] & ~lanes[lane]
                with m.If(chosen | (~lanes[0] if lane == 0 else 0)):
                    m.d.sync += made.word_select(lane, 8).eq(self.word.data)
                with m.Elif(full):
                    m.d.sync += made.word_select(lane, 8).eq(0)
            with m.If(leaves):
                m.d.sync += first.eq(0)
            with m.If(over):
                m.d.sync += [inside.eq(0), skipping.eq(1)]
        with m.If(unknown):
            m.d.sync += skipping.eq(1)
        with m.If(opens):
            m.d.sync += [inside.eq(1), made.eq(0), lanes.eq(0), first.eq(1), length.eq(0),
                         limit_reached.eq(0), spoilt.eq(0), over.eq(0)]
        with m.If(end):
            m.d.sync += [inside.eq(0), skipping.eq(0)]

        beat = Signal(FrameBeat, reset_less=True)
        valid = Signal()
        was_spoilt, was_over = Signal(reset_less=True), Signal(reset_less=True)
        was_short = Signal(reset_less=True)
        m.d.sync += [
            valid.eq(leaves), beat.data.eq(made), beat.keep.eq(lanes), beat.first.eq(first),
            beat.last.eq(end | over), was_spoilt.eq(spoilt), was_over.eq(over),
            was_short.eq(length < MINIMUM_FRAME_BYTES),
        ]
        m.d.comb += [self.beats.valid.eq(valid), self.beats.payload.eq(beat)]
        with m.If(leaves & first):
            m.d.sync += self.frame_info.start_cycles.eq(stamp)

        judge_frames(m, self, spoilt=was_spoilt, over=was_over, short=was_short,
                     empty=end & inside & ~lanes[0], empty_spoilt=C(0))
        return m
