"""Frames to XGMII words: preamble, padding, FCS and the gap between frames.

Ref: IEEE 802.3, clauses 3.2, 4.2.3, 46.
"""

from collections.abc import Iterable

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.net import fcs
from hdl.net.xgmii import IDLE_WORD, LANES, XgmiiChar
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import FCS_BYTES, MINIMUM_FRAME_BYTES, PREAMBLE, SFD

__all__ = ["GAP_BYTES", "HEAD_BYTES", "HEAD_SETTLE_CYCLES", "MINIMUM_BYTES", "FrameStart",
           "XgmiiTransmitter"]

#: Bytes of a frame that are given in parallel, ahead of its beats.
HEAD_BYTES = 2 * BEAT_BYTES
#: Cycles for which a head must be stable before a frame may start with it.
HEAD_SETTLE_CYCLES = 80
#: Bytes between two frames on average, Terminate included.
GAP_BYTES = 12
#: Bytes of a frame without FCS; shorter ones are padded.
MINIMUM_BYTES = MINIMUM_FRAME_BYTES - FCS_BYTES


class FrameStart(data.Struct):
    """Which frame begins.

    ``head`` selects the first sixteen bytes; ``tail`` is the number of bytes in the last beat, 0
    meaning 8, after padding (so 4 for every frame that is padded).
    """

    head: 1
    tail: 3


def _crc(m: Module, state: Value, chunk: Value) -> Value:
    """Return the CRC register after the bytes of `chunk`."""
    def after(value: int) -> int:
        register = 0
        for _ in range(count // 8):
            register, value = fcs.advance(register ^ value & 0xFF, 1), value >> 8
        return register ^ value

    # The register enters as the bytes do, or what the bytes do not meet of it is shifted.
    count = len(chunk)
    both = Signal(max(32, count))
    m.d.comb += both.eq(state ^ chunk)
    return fcs.apply(fcs.linear_map(after, len(both)), both)


class _HeadSums(wiring.Component):
    """Keep the CRC after 9 to 16 bytes of either head at hand, a byte a cycle in the background.

    The entry that `missing` selects is the CRC after ``16 - missing`` bytes.
    """

    heads: In(data.ArrayLayout(8 * HEAD_BYTES, 2))
    head: In(1)
    missing: In(3)
    state: Out(32)

    def elaborate(self, platform):
        m = Module()

        m.submodules.table = table = Memory(shape=32, depth=16, init=[])
        write, read = table.write_port(), table.read_port(domain="comb")
        m.d.comb += [read.addr.eq(Cat(self.missing, self.head)), self.state.eq(read.data)]

        # A byte is picked, then summed: the CRC of the first `taken` bytes is in `state`.
        current, following = Signal(), Signal()
        byte = Signal(8, reset_less=True)
        picked = Signal(range(HEAD_BYTES + 2))
        taken = Signal.like(picked)
        state = Signal(32, init=fcs.PRESET)
        chosen = Mux(following, self.heads[1], self.heads[0])
        m.d.sync += [byte.eq(chosen.word_select(picked[:4], 8)),
                     taken.eq(picked), current.eq(following)]
        with m.If(picked == HEAD_BYTES + 1):
            m.d.sync += [picked.eq(0), following.eq(~following)]
        with m.Else():
            m.d.sync += picked.eq(picked + 1)
        with m.If(taken == HEAD_BYTES + 1):
            m.d.sync += state.eq(fcs.PRESET)
        with m.Else():
            m.d.sync += state.eq(_crc(m, state, byte))
        m.d.comb += [
            write.addr.eq(Cat((HEAD_BYTES - taken)[:3], current)),
            write.data.eq(state),
            write.en.eq((taken > BEAT_BYTES) & (taken <= HEAD_BYTES)),
        ]
        return m


class XgmiiTransmitter(wiring.Component):
    """Send frames; the decision to send comes first, the bytes follow as they are needed.

    Latency: 1 cycle, `starts` transfer to the Start word at `data`; frame byte ``n`` follows
    ``1 + n // 8`` cycles after Start in lane 0, ``1 + (n + 4) // 8`` after Start in lane 4. Beats
    are taken from the cycle after the `starts` transfer on, one a cycle, while the transmitter
    still sends the preamble and the head. Throughput: one beat per cycle.

    Frames that follow each other as closely as may be have gaps of 9 to 15 bytes, 12 on average
    (deficit idle count): Start is in lane 0 or 4, whichever comes first. So no frame starts later
    than it would in lane 0 behind a gap of at least 12, and half of them start a word sooner. A
    frame that comes later than it might starts in lane 0, and clears the deficit.

    A beat that is not there in time cannot be waited for: the frame ends in error characters, the
    rest of its beats is thrown away, and it is counted. The FCS needs no shifter behind the CRC:
    the bytes are shifted, in front of it, to end on a whole word, and the CRC begins with its value
    after the bytes of the head before that alignment, which is kept ready for every alignment.

    Parameters
    ----------
    deficit_idle_count : bool
        If not, Start is in lane 0 only, behind a gap of 12 bytes or more, and `data` and `control`
        are registers; else there is a multiplexer behind them, of two words by a register.
    tails : iterable of int
        The values of `FrameStart.tail` that occur; 4, that of padded frames, must be one of them.

    Members
    -------
    starts : ``In(stream.Signature(FrameStart))``
        A transfer starts a frame; ready when the line is free.
    heads : ``In(ArrayLayout(128, 2))``
        The first sixteen bytes of frames, lane 0 first; each must have been stable for
        ``HEAD_SETTLE_CYCLES`` when a frame starts with it.
    beats : ``In(FrameStream())``
        The bytes from the seventeenth on, without padding and FCS; at least one beat a frame.
    data, control : ``Out(64)``, ``Out(8)``
        XGMII words.
    stat_frames : ``Out(1)``
        Pulse per frame sent whole.
    stat_underrun : ``Out(1)``
        Pulse per frame whose beats came too late.

    Raises
    ------
    ValueError
        If `tails` are no such values.
    """

    def __init__(self, *, deficit_idle_count: bool = True, tails: Iterable[int] = range(LANES)):
        self.deficit_idle_count = deficit_idle_count
        self.tails = tuple(sorted(set(tails)))
        if MINIMUM_BYTES % LANES not in self.tails or not set(self.tails) <= set(range(LANES)):
            raise ValueError(f"tails must be numbers from 0 to {LANES - 1}, "
                             f"{MINIMUM_BYTES % LANES} among them, was {list(self.tails)}")
        super().__init__({
            "starts":        In(stream.Signature(FrameStart)),
            "heads":         In(data.ArrayLayout(8 * HEAD_BYTES, 2)),
            "beats":         In(FrameStream()),
            "data":          Out(64, init=IDLE_WORD["data"]),
            "control":       Out(8, init=0xFF),
            "stat_frames":   Out(1),
            "stat_underrun": Out(1),
        })

    def _case(self, m, value: int):
        """Return the case of a tail; the last one stands for all that do not occur."""
        return m.Default() if value == self.tails[-1] else m.Case(value)

    def _shift(self, m, line_data, line_control):
        """Put the words of the line at the pins, later by half a word behind Start in lane 4.

        Returns whether the next Start goes to lane 4, and whether that of this frame did.
        """
        next_shifted, shifted = Signal(), Signal()
        if not self.deficit_idle_count:
            m.d.comb += [self.data.eq(line_data), self.control.eq(line_control)]
            return next_shifted, shifted
        half = Signal(4 * LANES, init=IDLE_WORD["data"] & 0xFFFF_FFFF)
        half_control = Signal(LANES // 2, init=0xF)
        m.d.sync += [half.eq(line_data[4 * LANES:]), half_control.eq(line_control[LANES // 2:])]
        m.d.comb += [
            self.data.eq(Mux(shifted, Cat(half, line_data), line_data)),
            self.control.eq(Mux(shifted, Cat(half_control, line_control), line_control)),
        ]
        return next_shifted, shifted

    def _gap(self, m, tail, shifted, deficit):
        """Return a frame's idle words behind that of Terminate, and the lane and deficit after.

        They are known from the second cycle after the frame's Start on.
        """
        words = Signal(2, reset_less=True)
        lane_4 = Signal(reset_less=True)
        after = Signal(2, reset_less=True)
        if not self.deficit_idle_count:
            with m.Switch(tail):
                for value in self.tails:
                    with self._case(m, value):
                        end = ((value or LANES) + FCS_BYTES) % LANES
                        m.d.sync += words.eq(-(-(end + GAP_BYTES) // LANES) - 1)
            return words, lane_4, after
        # Terminate is so many bytes past a half of a word; taking them off the gap is the deficit.
        owed = Signal(3)
        halves = Signal(3)      # from the word with Terminate to Start
        m.d.comb += [
            owed.eq(deficit + tail[:2]),
            halves.eq(GAP_BYTES // 4 + (~tail[2]) + shifted + owed[2]),
        ]
        m.d.sync += [words.eq(halves[1:] - 1), lane_4.eq(halves[0]), after.eq(owed[:2])]
        return words, lane_4, after

    def elaborate(self, platform):
        m = Module()

        m.submodules.head_sums = head_sums = _HeadSums()
        m.d.comb += head_sums.heads.eq(self.heads)

        tail = Signal(3, reset_less=True)
        head = Signal(reset_less=True)
        m.d.comb += [head_sums.head.eq(head), head_sums.missing.eq(-tail)]

        running = Signal()              # a beat, or a pad, goes into the first stage this cycle
        draining = Signal()             # beats of a failed frame are thrown away
        padding = Signal()
        index = Signal(range(MINIMUM_BYTES // BEAT_BYTES + 1))  # of that beat; stays at its end
        first = Signal()
        m.d.sync += first.eq(0)

        # Stage 0: the beat as it comes, masked, or padding.
        beat = self.beats.p
        source = Signal(64)
        source_last = Signal()
        missed = Signal()
        full = index == MINIMUM_BYTES // BEAT_BYTES
        m.d.comb += [
            source.eq(beat.data & Cat(bit.replicate(8) for bit in beat.keep
                                      & (~padding).replicate(8))),
            self.beats.ready.eq((running & ~padding) | draining),
            missed.eq(running & ~padding & ~self.beats.valid),
            source_last.eq(missed | ((padding | beat.last) & full)),
        ]
        with m.If(running):
            m.d.sync += [padding.eq(padding | beat.last), index.eq(index + ~full)]
            with m.If(source_last):
                m.d.sync += running.eq(0)
            with m.If(missed):
                m.d.sync += draining.eq(1)
        with m.If(draining & self.beats.valid & beat.last):
            m.d.sync += draining.eq(0)
        m.d.sync += self.stat_underrun.eq(missed)

        # Stages 1 and 2 before the pins; the CRC in step with them.
        young, young_last, young_bad = Signal(64, reset_less=True), Signal(), Signal()
        old, old_last, old_bad = Signal(64, reset_less=True), Signal(), Signal()
        aligned = Signal(64, reset_less=True)
        crc = Signal(32, reset_less=True)
        pair = Cat(young, source)
        m.d.sync += [
            young.eq(source), young_last.eq(running & source_last), young_bad.eq(missed),
            old.eq(young), old_last.eq(young_last), old_bad.eq(young_bad),
        ]
        with m.If(~old_last):       # then the sum of the frame stays for the word after its end
            m.d.sync += crc.eq(Mux(first, head_sums.state, _crc(m, crc, aligned)))
        with m.Switch(tail):
            for value in self.tails:
                with self._case(m, value):
                    m.d.sync += aligned.eq(pair.bit_select(8 * (value or 8), 64))

        self._words(m, tail, old, old_last, old_bad, crc, head, first, running, padding, index,
                    young, draining)
        return m

    def _words(self, m, tail, old, old_last, old_bad, crc, head, first, running, padding, index,
               young, draining):
        """Fill the output registers; start, end and space the frames."""
        line_data = Signal(64, init=IDLE_WORD["data"])
        line_control = Signal(LANES, init=IDLE_WORD["control"])
        next_shifted, shifted = self._shift(m, line_data, line_control)
        deficit = Signal(2)
        gap_words, gap_lane_4, gap_deficit = self._gap(m, tail, shifted, deficit)
        gap = Signal(2)
        m.d.sync += self.stat_frames.eq(0)

        def finish():
            """Leave the word with Terminate."""
            m.d.sync += [gap.eq(gap_words), deficit.eq(gap_deficit), next_shifted.eq(gap_lane_4)]
            with m.If(gap_words == 0):
                m.next = "IDLE"
            with m.Else():
                m.next = "GAP"

        # The lane of the byte after the frame tells those of its FCS and of Terminate, in the word
        # of the frame's end and in the next one. The FCS bytes are turned: both words are alike.
        def lanes(base: int, low: int, high: int) -> Value:
            """Return by `tail` the lanes whose bytes are `low` to ``high - 1`` past the frame."""
            chosen = Signal(LANES)
            with m.Switch(tail):
                for value in self.tails:
                    with self._case(m, value):
                        m.d.comb += chosen.eq(sum(
                            1 << lane for lane in range(LANES)
                            if low <= base + lane - (value or LANES) < high))
            return chosen

        turned = Signal(32)
        quarters = sorted({value % 4 for value in self.tails})
        with m.Switch(tail[:2]):
            for value in quarters:
                with m.Default() if value == quarters[-1] else m.Case(value):
                    m.d.comb += turned.eq((~crc).rotate_left(8 * value))
        of_frame, of_sum, of_end = Signal(LANES), Signal(LANES), Signal(LANES)
        symbols = Signal(64)            # what no frame has
        end, forever = FCS_BYTES, 2 * LANES
        of_last = [lanes(0, low, high) for low, high in (
            (-LANES, 0), (0, end), (end, end + 1), (end, forever))]
        of_next = [lanes(LANES, low, high) for low, high in (
            (0, end), (end, end + 1), (end, forever))]
        idle, errors = IDLE_WORD["data"], int.from_bytes(bytes([XgmiiChar.ERROR] * LANES))
        preamble = bytes([XgmiiChar.START, *[PREAMBLE] * 6, SFD])
        ended = Cat(Mux(of_end[lane], C(XgmiiChar.TERMINATE, 8), C(XgmiiChar.IDLE, 8))
                    for lane in range(LANES))

        def spread(chosen):
            return Cat(bit.replicate(8) for bit in chosen)

        # Whether a frame begins is known last.
        begins = Signal()
        word, word_control = Signal.like(line_data), Signal.like(line_control)
        m.d.comb += [
            word.eq((old & spread(of_frame)) | (turned.replicate(2) & spread(of_sum))
                    | (symbols & ~spread(of_frame | of_sum))),
            symbols.eq(idle), word_control.eq(0xFF),
        ]
        m.d.sync += [
            line_data.eq(Mux(begins, int.from_bytes(preamble, "little"), word)),
            line_control.eq(Mux(begins, 1, word_control)),
        ]

        with m.FSM(name="line"):
            with m.State("IDLE"):
                m.d.comb += [self.starts.ready.eq(~draining),
                             begins.eq(self.starts.valid & ~draining)]
                m.d.sync += [padding.eq(0), index.eq(HEAD_BYTES // BEAT_BYTES),
                             tail.eq(self.starts.p.tail), head.eq(self.starts.p.head)]
                # Which head it will be is known before it is known whether a frame starts.
                words = Mux(self.starts.p.head, self.heads[1], self.heads[0])
                m.d.sync += [old.eq(words[:64]), young.eq(words[64:])]
                with m.If(begins):
                    m.d.sync += [running.eq(1), first.eq(1), shifted.eq(next_shifted)]
                    m.next = "DATA"
                with m.Else():
                    m.d.sync += [next_shifted.eq(0), deficit.eq(0)]
            with m.State("DATA"):
                m.d.comb += [of_frame.eq(~C(0, LANES)), symbols.eq(ended)]
                m.d.comb += word_control.eq(0)
                with m.If(old_last):
                    m.d.comb += Cat(of_frame, of_sum, of_end, word_control).eq(Cat(*of_last))
                    with m.Switch(tail):
                        for value in self.tails:
                            with self._case(m, value):
                                if (value or LANES) + end < LANES:
                                    finish()
                                else:
                                    m.next = "SPILL"
                    m.d.sync += self.stat_frames.eq(~old_bad)
                    with m.If(old_bad):
                        # Terminate comes alone, as after a beat of four bytes.
                        m.d.comb += [of_frame.eq(0), of_sum.eq(0), symbols.eq(errors)]
                        m.d.comb += word_control.eq(0xFF)
                        m.d.sync += [tail.eq(MINIMUM_BYTES % LANES),
                                     gap_deficit.eq(deficit),
                                     gap_words.eq(shifted if self.deficit_idle_count else 1),
                                     gap_lane_4.eq(~shifted & self.deficit_idle_count)]
                        m.next = "SPILL"
            with m.State("SPILL"):
                m.d.comb += [Cat(of_sum, of_end, word_control).eq(Cat(*of_next)),
                             symbols.eq(ended)]
                finish()
            with m.State("GAP"):
                m.d.sync += gap.eq(gap - 1)
                with m.If(gap == 1):
                    m.next = "IDLE"

