"""Find the occupied ticks of a side, best first, in its occupancy words."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.layouts import FoundLevel, row_bits, want_bits
from hdl.book.tick import KEY_BITS, OFFSET_BITS, TICK_BITS
from hdl.profile import Profile

__all__ = ["LevelSearch", "lowest"]

#: Cycles until every operation older than the search has been stored.
_DRAIN_CYCLES = 8


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

    Latency: 20 cycles, `start` to the first `found.valid`, when the memories are free and the
    level is in the occupancy word of the given tick; 4 more when the summary has to be asked
    for another word, 9 between two levels of one word. Operations younger than the search may
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
    row, base, tick_size, want : ``In``
        Side, base key of its window, tick size in 1e-4 USD, levels wanted at most.
    index : ``In``
        Tick after which to search.
    from_best : ``In(1)``
        Search from the best tick of the window instead.
    nothing : ``In(1)``
        The given price is worse than the window: nothing can be found.
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
            "want":          In(want_bits(profile)),
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
        want = Signal.like(self.want)
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
        distance = Signal(OFFSET_BITS)
        beyond_bit = Cat(~masked | (n > index[:low_bits]) for n in range(self.leaf_width))
        beyond_word = Cat(n > leaf_index for n in range(self.leaves))
        level = self.found.p.level

        with m.FSM(name="search"):
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [
                        self.row_searched.eq(self.row), base.eq(self.base), want.eq(self.want),
                        tick_size.eq(self.tick_size), nothing.eq(self.nothing),
                        from_best.eq(self.from_best), index.eq(self.index),
                        leaf_index.eq(self.index[low_bits:]),
                        wait.eq(_DRAIN_CYCLES - 1), masked.eq(~self.from_best),
                    ]
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += [wait.eq(wait - 1), words_after.eq(self.summary)]
                with m.If(wait == 0):
                    with m.If(nothing):
                        m.next = "DRY"
                    with m.Elif(from_best):
                        m.next = "CHOOSE WORD"
                    with m.Else():
                        m.next = "READ WORD"
            with m.State("NEXT WORD"):
                m.d.sync += words_after.eq(self.summary & beyond_word)
                m.next = "CHOOSE WORD"
            with m.State("CHOOSE WORD"):
                m.d.sync += [leaf_index.eq(word_found), masked.eq(0)]
                with m.If(words_after.any()):
                    m.next = "READ WORD"
                with m.Else():
                    m.next = "DRY"
            with m.State("READ WORD"):
                with m.If(self.memory_free):
                    m.next = "WAIT WORD"
            with m.State("WAIT WORD"):
                m.next = "TAKE WORD"
            with m.State("TAKE WORD"):
                m.d.sync += remaining.eq(self.leaf_word & beyond_bit)
                m.next = "CHOOSE BIT"
            with m.State("CHOOSE BIT"):
                m.d.sync += index.eq(Cat(bit_found, leaf_index))
                with m.If(remaining.any()):
                    m.next = "READ LEVEL"
                with m.Else():
                    m.next = "NEXT WORD"
            with m.State("READ LEVEL"):
                m.d.sync += [remaining.eq(remaining & (remaining - 1)),
                             distance.eq(index * tick_size)]
                with m.If(self.memory_free):
                    m.next = "WAIT LEVEL"
                with m.Else():
                    m.next = "READ LEVEL AGAIN"
            with m.State("READ LEVEL AGAIN"):
                with m.If(self.memory_free):
                    m.next = "WAIT LEVEL"
            with m.State("WAIT LEVEL"):
                m.next = "TAKE LEVEL"
            with m.State("TAKE LEVEL"):
                m.d.sync += [
                    level.key.eq((base + distance)[:KEY_BITS]),
                    level.quantity.eq(self.quantity), level.count.eq(self.count),
                    self.found.p.found.eq(1), self.found.p.dry.eq(0),
                    self.found.p.end.eq(want == 1),
                    self.found.valid.eq(1), want.eq(want - 1),
                ]
                m.next = "GIVE"
            with m.State("GIVE"):
                with m.If(self.found.ready):
                    m.d.sync += self.found.valid.eq(0)
                    with m.If(self.found.p.end):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "CHOOSE BIT"
            with m.State("DRY"):
                m.d.sync += [
                    self.found.p.found.eq(0), self.found.p.dry.eq(1), self.found.p.end.eq(1),
                    self.found.valid.eq(1),
                ]
                m.next = "GIVE"
        return m
