"""Find the occupied ticks of a side, best first, in its occupancy words."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.layouts import FoundLevel, row_bits
from hdl.book.tick import KEY_BITS, OFFSET_BITS, TICK_BITS
from hdl.profile import Profile

__all__ = ["LevelSearch", "lowest"]

#: Cycles until every operation older than the search has been stored.
_DRAIN_CYCLES = 3

#: Answers that may be on their way or wait.
_ANSWERS = 4

_Answer = data.StructLayout({"found": 1, "end": 1, "dry": 1})


def lowest(m: Module, bits: Value, name: str) -> Value:
    """Return the index of the lowest set bit (undefined if there is none)."""
    index = Signal(range(len(bits)), name=name)
    width = len(bits)
    group = 8
    groups = [bits[n:n + group] for n in range(0, width, group)]
    chosen = Signal(range(max(2, len(groups))), name=f"{name}_group")
    for n, part in reversed(list(enumerate(groups))):
        with m.If(part.any()):
            m.d.comb += chosen.eq(n)
    inner = Signal(group, name=f"{name}_inner")
    m.d.comb += inner.eq(Cat(*groups).word_select(chosen, group))
    low = Signal(range(group), name=f"{name}_low")
    for n in reversed(range(group)):
        with m.If(inner[n]):
            m.d.comb += low.eq(n)
    m.d.comb += index.eq(Cat(low, chosen))
    return index


class LevelSearch(wiring.Component):
    """Search one side for levels worse than a given tick, or from its best one.

    Latency: 11 cycles, `start` to the first `found.valid`, when the memories are free and the
    level is in the occupancy word of the given tick; 6 more when the summary has to be asked
    for another word, 2 between two levels of one word. It goes on until there is no worse level,
    or until it is stopped. Operations younger than the search may
    change the levels meanwhile; who asked discards the answers that these could have touched.

    Parameters
    ----------
    profile : Profile
    leaf_width : int
        Width of an occupancy word.

    Members
    -------
    start : ``In(1)``
        Begin; the inputs below are sampled with it.
    row, base, tick_size : ``In``
        Side, base key of its window, tick size in 1e-4 USD.
    index : ``In``
        Tick after which to search.
    from_best : ``In(1)``
        Search from the best tick of the window instead.
    nothing : ``In(1)``
        The given price is worse than the window: nothing can be found.
    stop : ``In(1)``
        No more levels are wanted: drop those that wait and close the search. Ignored when the last
        answer is already on its way.
    memory_free : ``In(1)``
        The memories take the addresses below in this cycle; two cycles later the answers are
        in `leaf_word`, `quantity` and `count`.
    level_address, leaf_address : ``Out``
    leaf_word, quantity, count : ``In``
    row_searched : ``Out``, summary : ``In``
        Occupied words of that row, in the same cycle.
    found : ``Out(stream.Signature(FoundLevel))``
    """

    def __init__(self, profile: Profile, leaf_width: int):
        self.profile = profile
        self.leaf_width = leaf_width
        self.leaves = profile.window_ticks // leaf_width
        rows = row_bits(profile)
        index_bits = ceil_log2(profile.window_ticks)
        super().__init__({
            "start":         In(1),
            "row":           In(rows),
            "base":          In(signed(OFFSET_BITS)),
            "tick_size":     In(TICK_BITS),
            "index":         In(index_bits),
            "from_best":     In(1),
            "nothing":       In(1),
            "stop":          In(1),
            "memory_free":   In(1),
            "level_address": Out(rows + index_bits),
            "leaf_address":  Out(rows + ceil_log2(self.leaves)),
            "leaf_word":     In(leaf_width),
            "quantity":      In(32),
            "count":         In(profile.count_bits),
            "row_searched":  Out(rows),
            "summary":       In(self.leaves),
            "found":         Out(stream.Signature(FoundLevel(profile))),
        })

    def elaborate(self, platform):
        m = Module()

        low_bits = ceil_log2(self.leaf_width)
        base = Signal.like(self.base)
        tick_size = Signal.like(self.tick_size)
        nothing = Signal()
        from_best = Signal()
        index = Signal.like(self.index)         # the tick found last
        leaf_index = Signal(ceil_log2(self.leaves))
        remaining = Signal(self.leaf_width)     # bits of the word still to be given
        masked = Signal()                       # the word is the one of the given tick
        wait = Signal(range(_DRAIN_CYCLES))

        words_after = Signal(self.leaves)       # occupied words after (or from) leaf_index
        m.d.comb += [
            self.level_address.eq(Cat(index, self.row_searched)),
            self.leaf_address.eq(Cat(leaf_index, self.row_searched)),
        ]
        bit_found = lowest(m, remaining, "bit_found")
        word_found = lowest(m, words_after, "word_found")
        beyond_bit = Cat(~masked | (n > index[:low_bits]) for n in range(self.leaf_width))
        beyond_word = Cat(n > leaf_index for n in range(self.leaves))

        issue = Signal()            # an answer begins: a level, or the end
        answer = Signal(_Answer)
        flush = Signal()
        distance = (index * tick_size)[:OFFSET_BITS]
        room = self._answers(m, issue, answer, flush, base=base, distance=distance)
        m.d.comb += answer.found.eq(1)

        with m.FSM(name="search") as fsm:
            m.d.comb += flush.eq(self.stop & ~fsm.ongoing("IDLE") & ~fsm.ongoing("STOP"))

            def go(state):
                """Enter the state, unless the search is stopped."""
                m.next = state
                with m.If(self.stop):
                    m.next = "STOP"

            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [
                        self.row_searched.eq(self.row), base.eq(self.base),
                        tick_size.eq(self.tick_size), nothing.eq(self.nothing),
                        from_best.eq(self.from_best), index.eq(self.index),
                        leaf_index.eq(self.index[low_bits:]),
                        wait.eq(_DRAIN_CYCLES - 1), masked.eq(~self.from_best),
                    ]
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += [wait.eq(wait - 1), words_after.eq(self.summary)]
                go("DRAIN")
                with m.If((wait == 0) & ~self.stop):
                    with m.If(nothing):
                        m.next = "DRY"
                    with m.Elif(from_best):
                        m.next = "CHOOSE WORD"
                    with m.Else():
                        m.next = "READ WORD"
            with m.State("NEXT WORD"):
                m.d.sync += words_after.eq(self.summary & beyond_word)
                go("CHOOSE WORD")
            with m.State("CHOOSE WORD"):
                m.d.sync += [leaf_index.eq(word_found), masked.eq(0)]
                go("READ WORD")
                with m.If(~words_after.any() & ~self.stop):
                    m.next = "DRY"
            with m.State("READ WORD"):
                go("READ WORD")
                with m.If(self.memory_free & ~self.stop):
                    m.next = "WAIT WORD"
            with m.State("WAIT WORD"):
                go("TAKE WORD")
            with m.State("TAKE WORD"):
                m.d.sync += remaining.eq(self.leaf_word & beyond_bit)
                go("CHOOSE BIT")
            with m.State("CHOOSE BIT"):
                m.d.sync += [index.eq(Cat(bit_found, leaf_index)),
                             remaining.eq(remaining & (remaining - 1))]
                go("READ LEVEL")
                with m.If(~remaining.any() & ~self.stop):
                    m.next = "NEXT WORD"
            with m.State("READ LEVEL"):
                go("READ LEVEL")
                with m.If(self.memory_free & room & ~self.stop):
                    m.d.comb += issue.eq(1)
                    m.next = "CHOOSE BIT"
            with m.State("DRY"):
                m.d.comb += [answer.found.eq(0), answer.dry.eq(1), answer.end.eq(1)]
                go("DRY")
                with m.If(room & ~self.stop):
                    m.d.comb += issue.eq(1)
                    m.next = "IDLE"
            with m.State("STOP"):
                m.d.comb += [answer.found.eq(0), answer.end.eq(1), issue.eq(1)]
                m.next = "IDLE"
        return m

    def _answers(self, m: Module, issue: Value, answer: data.View, flush: Value, *, base: Value,
                 distance: Value) -> Value:
        """Take each answer along with its level, and keep it until it is taken.

        Returns
        -------
        Value
            One more answer may begin.
        """
        begun = Signal(2)           # on the way from the memory
        answers = [Signal(_Answer, name=f"answer_{n}", reset_less=True) for n in range(2)]
        offset = Signal(OFFSET_BITS, reset_less=True)
        arrived = Signal(self.found.p.shape())
        m.d.sync += [
            begun.eq(Mux(flush, 0, Cat(issue, begun))),
            answers[0].eq(answer), answers[1].eq(answers[0]),
            offset.eq(distance),
        ]
        key = Signal(KEY_BITS, reset_less=True)
        m.d.sync += key.eq((base + offset)[:KEY_BITS])
        m.d.comb += [
            arrived.key.eq(key),
            arrived.quantity.eq(self.quantity), arrived.count.eq(self.count),
            arrived.found.eq(answers[1].found), arrived.end.eq(answers[1].end),
            arrived.dry.eq(answers[1].dry),
        ]

        kept = [Signal(arrived.shape(), name=f"kept_{n}", reset_less=True)
                for n in range(_ANSWERS)]
        waiting = Signal(_ANSWERS)      # a thermometer
        due = Signal(range(_ANSWERS + 1))
        taken = self.found.valid & self.found.ready
        push = begun[1] & ~flush
        m.d.comb += [self.found.valid.eq(waiting[0]),
                     Value.cast(self.found.p).eq(Value.cast(kept[0]))]
        staying = Mux(taken, waiting >> 1, waiting)
        m.d.sync += [
            waiting.eq(Mux(flush, 0, Mux(push, Cat(C(1, 1), staying)[:_ANSWERS], staying))),
            due.eq(Mux(flush, 0, due + issue - taken)),
        ]
        for n in range(_ANSWERS):
            behind = kept[n + 1] if n + 1 < _ANSWERS else arrived
            m.d.sync += Value.cast(kept[n]).eq(Mux(
                staying[n], Mux(taken, Value.cast(behind), Value.cast(kept[n])),
                Value.cast(arrived)))
        return due != _ANSWERS
