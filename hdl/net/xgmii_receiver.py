"""XGMII words to frame beats, and the verdict on each frame."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net import fcs
from hdl.net.xgmii import IDLE_WORD, LANES, XgmiiChar, XgmiiWord
from hdl.records import FrameInfo
from hdl.stream import BEAT_BYTES, FrameBeat, FrameStream
from proto.wire.ethernet import MAXIMUM_FRAME_BYTES, MINIMUM_FRAME_BYTES, PREAMBLE, SFD

__all__ = ["LENGTH_BITS", "VERDICT_CYCLES", "FcsCheck", "FrameVerdict", "XgmiiReceiver",
           "judge_frames"]

#: Cycles from a frame's last beat to its verdict.
VERDICT_CYCLES = 2

#: Width of a frame length; jumbo frames are possible.
LENGTH_BITS = 14

_START_WORD = bytes([XgmiiChar.START] + [PREAMBLE] * 6 + [SFD])


class FrameVerdict(data.Struct):
    """``good``: correct FCS, legal length, no coding error."""

    good: 1


class FcsCheck(wiring.Component):
    """Check the FCS of frames, the bytes past whose end are zero.

    Latency: 1 cycle, `beat` with ``last`` to `matches`. Throughput: 1 beat per cycle.

    Members
    -------
    beat, valid : ``In(FrameBeat)``, ``In(1)``
        Beats with FCS; lanes outside ``keep`` must be zero.
    matches : ``Out(1)``
        In the cycle after a beat with ``last``: the frame's FCS is correct. Combinational, about
        four levels past registers.
    """

    beat: In(FrameBeat)
    valid: In(1)
    matches: Out(1)

    def elaborate(self, platform):
        m = Module()

        # State after a word w is advance(state ^ fold(w), 8); fold does not depend on the state
        # and is registered, so that only the state's own feedback is in the loop.
        back = fcs.linear_map(lambda word: fcs.retreat(word, 4))
        ahead = fcs.linear_map(lambda state: fcs.advance(state, BEAT_BYTES))

        low, high = self.beat.data[:32], self.beat.data[32:]
        folded = Signal(32, reset_less=True)
        goal = Signal(32, reset_less=True)
        valid = Signal()
        last = Signal()
        m.d.sync += [
            folded.eq(low ^ fcs.apply(back, high)),
            valid.eq(self.valid),
            last.eq(self.beat.last),
        ]
        keep = self.beat.keep
        ends = [keep[count - 1] & (~keep[count] if count < BEAT_BYTES else 1)
                for count in range(1, BEAT_BYTES + 1)]
        goals = [fcs.expected_before_last_word(count) for count in range(1, BEAT_BYTES + 1)]
        m.d.sync += goal.eq(Cat(
            Cat(end for end, value in zip(ends, goals, strict=True) if (value >> bit) & 1).any()
            for bit in range(32)))

        state = Signal(32, init=fcs.PRESET)
        m.d.comb += self.matches.eq((state ^ folded ^ goal) == 0)
        with m.If(valid):
            m.d.sync += state.eq(Mux(last, fcs.PRESET, fcs.apply(ahead, state ^ folded)))

        return m


def judge_frames(m: Module, line, *, spoilt, over, short, empty, empty_spoilt) -> None:
    """Give the verdicts of `line`, a receiver, two cycles after a frame's last beat.

    A frame without a byte has no beat, and so no verdict; it is counted three cycles after its end,
    when no verdict of a frame before or behind it is given: that of one before comes at most
    two cycles after the empty frame's end, that of one behind at least four.

    Parameters
    ----------
    m : Module
        The receiver's.
    line : wiring.Component
        Its ``beats``, ``verdicts`` and five of its pulses are used.
    spoilt, over, short : Value
        Faults of the frame, with its last beat.
    empty, empty_spoilt : Value
        A frame has ended before its first byte; by something else than it should.
    """
    m.submodules.fcs = check = FcsCheck()
    m.d.comb += [check.valid.eq(line.beats.valid), check.beat.eq(line.beats.payload)]

    ended = Signal()
    was_spoilt = Signal(reset_less=True)
    was_over = Signal(reset_less=True)
    was_short = Signal(reset_less=True)
    m.d.sync += [
        ended.eq(line.beats.valid & line.beats.payload.last),
        was_spoilt.eq(spoilt), was_over.eq(over), was_short.eq(short),
    ]
    faults = (
        (was_spoilt, line.stat_error_char), (was_over, line.stat_oversize),
        (was_short, line.stat_runt), (~check.matches, line.stat_bad_fcs),
    )
    clean = ended
    for fault, pulse in faults:
        m.d.sync += pulse.eq(clean & fault)
        clean = clean & ~fault
    was_empty, was_empty_spoilt = Signal(2), Signal(2, reset_less=True)
    m.d.sync += [was_empty.eq(Cat(empty, was_empty)),
                 was_empty_spoilt.eq(Cat(empty_spoilt, was_empty_spoilt))]
    with m.If(was_empty[-1]):
        m.d.sync += [line.stat_error_char.eq(was_empty_spoilt[-1]),
                     line.stat_runt.eq(~was_empty_spoilt[-1])]
    m.d.sync += [
        line.stat_frames_good.eq(clean),
        line.verdicts.valid.eq(ended),
        line.verdicts.payload.good.eq(clean),
    ]


class XgmiiReceiver(wiring.Component):
    """Find frames in XGMII words; deliver their bytes from the destination address to the FCS.

    Latency: 1 cycle, the word that completes a beat at `word` to `beats.valid` (Start in lane 0:
    the beat's own word; in lane 4: the word with its upper half). Throughput: 1 word per cycle.
    ``last`` of a full beat depends combinationally on the lanes of the following word.

    A frame begins with Start in lane 0 or 4, six bytes of preamble and the delimiter; with
    anything else there it is not delivered and `stat_bad_preamble` pulses. It ends with Terminate,
    with any other control character (bad), or where it exceeds `cfg_max_frame_bytes` (bad; cut in
    the beat that exceeds it). A new Start ends the frame before as bad and begins the next. A frame
    that ends before its first byte is counted, and neither delivered nor judged.

    Members
    -------
    word : ``In(XgmiiWord)``
        One word each cycle.
    now_cycles : ``In(48)``
        The core's cycle counter.
    cfg_max_frame_bytes : ``In(14)``
        Longest legal frame with FCS, at least 64; sampled during frames.
    beats : ``Out(FrameStream(always_ready=True))``
        Bytes of the frames; lanes outside ``keep`` are zero. The beats of a frame come without
        gaps.
    frame_info : ``Out(FrameInfo)``
        Valid with the first beat: the cycle in which the word with Start was at `word`.
    verdicts : ``Out(stream.Signature(FrameVerdict, always_ready=True))``
        One for each frame, in order, exactly ``VERDICT_CYCLES`` cycles after its last beat.
    stat_frames_good, stat_bad_fcs, stat_runt, stat_oversize, stat_error_char : ``Out(1)``
        Exactly one of them pulses with each verdict: good, or the first that applies of a control
        character other than Terminate in the frame, over the maximum, below 64 bytes, wrong FCS;
        and `stat_error_char` or `stat_runt` without one for a frame that has no byte.
    stat_bad_preamble : ``Out(1)``
        A Start without correct preamble and delimiter.
    stat_fault : ``Out(1)``
        A word held a sequence ordered set (link fault).
    """

    word: In(XgmiiWord, init=IDLE_WORD)
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

        started, start_lane_4 = self._find_start(m)

        # The frame's own words: those of the line, or for a Start in lane 4 made of two halves.
        shifted = Signal()
        before = Signal(XgmiiWord, reset_less=True)
        m.d.sync += before.eq(self.word)
        m.d.sync += shifted.eq(Mux(started, start_lane_4, shifted))
        lanes = Signal(64)
        control = Signal(LANES)
        m.d.comb += lanes.eq(
            Mux(shifted, Cat(before.data[32:], self.word.data[:32]), self.word.data))
        m.d.comb += control.eq(
            Mux(shifted, Cat(before.control[4:], self.word.control[:4]), self.word.control))
        keep = Signal(LANES)
        m.d.comb += keep.eq(Cat(~control[:lane + 1].any() for lane in range(LANES)))
        terminated = Cat(
            control[lane] & (keep[lane - 1] if lane else 1)
            & (lanes.word_select(lane, 8) == XgmiiChar.TERMINATE) for lane in range(LANES)).any()

        # Length so far, in words; compared one word ahead.
        active = Signal()
        index = Signal(LENGTH_BITS - 3)
        next_index = Signal(LENGTH_BITS - 3)
        at_limit = Signal()
        allowed = Signal(LANES)     # lanes up to the one that would be a byte too many
        limit_words, limit_lanes = self.cfg_max_frame_bytes[3:], self.cfg_max_frame_bytes[:3]
        m.d.comb += next_index.eq(Mux(active, index + 1, index))
        m.d.sync += index.eq(Mux(started, 0, next_index))
        m.d.sync += at_limit.eq(~started & (next_index == limit_words))
        m.d.sync += allowed.eq(Cat(lane <= limit_lanes for lane in range(LANES)))
        over = at_limit & ~(control & allowed).any()
        shortest_index = MINIMUM_FRAME_BYTES // BEAT_BYTES - 1
        long_enough = (index > shortest_index) | ((index == shortest_index) & keep.all())

        with m.If(started):
            m.d.sync += active.eq(1)
        with m.Elif(control.any() | over):
            m.d.sync += active.eq(0)

        # A beat is held for a cycle, as only the next word tells whether a full one is the last.
        held = Signal(FrameBeat, reset_less=True)
        held_valid = Signal()
        held_spoilt = Signal(reset_less=True)
        held_over = Signal(reset_less=True)
        held_short = Signal(reset_less=True)
        fresh = Signal()
        taken = active & ~control[0]
        m.d.sync += [
            held_valid.eq(taken),
            held.data.eq(lanes & Cat(bit.replicate(8) for bit in keep)),
            held.keep.eq(keep),
            held.first.eq(fresh),
            held.last.eq(control.any() | over),
            held_spoilt.eq(control.any() & ~terminated),
            held_over.eq(over),
            held_short.eq(~long_enough),
            fresh.eq(started | (fresh & ~taken)),
        ]
        m.d.comb += [
            self.beats.valid.eq(held_valid),
            self.beats.payload.eq(held),
            self.beats.payload.last.eq(held.last | control[0]),
        ]

        stamp = Signal(48, reset_less=True)
        with m.If(self._starts(0) | self._starts(4)):
            m.d.sync += stamp.eq(self.now_cycles)
        m.d.sync += self.frame_info.start_cycles.eq(stamp)

        spoilt = Mux(held.last, held_spoilt, control[0] & ~terminated)
        judge_frames(m, self, spoilt=spoilt, over=held_over, short=held_short,
                     empty=active & fresh & control[0],
                     empty_spoilt=lanes.word_select(0, 8) != XgmiiChar.TERMINATE)
        return m

    def _starts(self, lane: int) -> Value:
        """Return whether Start is in `lane`."""
        return self.word.control[lane] & (
            self.word.data.word_select(lane, 8) == XgmiiChar.START)

    def _find_start(self, m):
        """Return whether the next word begins a frame, and whether its Start was in lane 4."""
        data_, control = self.word.data, self.word.control
        low, high = (int.from_bytes(half, "little") for half in (_START_WORD[:4], _START_WORD[4:]))
        low_0 = (control[:4] == 1) & (data_[:32] == low)
        low_4 = (control[4:] == 1) & (data_[32:] == low)
        high_0 = (control[4:] == 0) & (data_[32:] == high)
        high_4 = (control[:4] == 0) & (data_[:32] == high)
        halfway = Signal()
        in_lane_0 = low_0 & high_0
        in_lane_4 = halfway & high_4
        m.d.sync += halfway.eq(low_4)
        m.d.sync += self.stat_bad_preamble.eq(
            (self._starts(0) & ~in_lane_0) | (self._starts(4) & ~low_4) | (halfway & ~high_4))
        m.d.sync += self.stat_fault.eq(Cat(
            control[lane] & (data_.word_select(lane, 8) == XgmiiChar.SEQUENCE)
            for lane in (0, 4)).any())
        return in_lane_0 | in_lane_4, in_lane_4
