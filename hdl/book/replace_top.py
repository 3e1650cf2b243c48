"""The best level after a replace, known with its first half."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import CachedLevel, CacheRow
from hdl.book.tick import KEY_BITS
from hdl.profile import Profile

__all__ = ["ReplaceTop"]


class ReplaceTop(wiring.Component):
    """Work out the best level that a side has when an order has left it and another one has come.

    Latency: 1 cycle, `row` sampled to `best` (which is combinational from registers in the cycle
    after). Throughput: 1 replace per cycle. It looks at the two best levels only; `best` means
    nothing if the row has no level, or if the removal takes the last one and the side has others.

    Members
    -------
    row : ``In(CacheRow)``
        The side.
    quantity : ``In(32)``
        Shares that leave, with their order.
    new_key, new_quantity : ``In(32)``
        The new order.
    row_2 : ``In(CacheRow)``
        The row that was sampled, in the second cycle.
    best_changed, best_gone : ``In(1)``
        What the removal does to its best level, in the second cycle.
    best : ``Out(CachedLevel)``
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "row":          In(CacheRow(profile)),
            "quantity":     In(32),
            "new_key":      In(KEY_BITS),
            "new_quantity": In(32),
            "row_2":        In(CacheRow(profile)),
            "best_changed": In(1),
            "best_gone":    In(1),
            "best":         Out(CachedLevel(profile)),
        })

    def elaborate(self, platform):
        m = Module()

        looked_at = range(2)
        better = Signal(len(looked_at), reset_less=True)    # the new order, than the level
        same = Signal(len(looked_at), reset_less=True)
        joined = Signal(data.ArrayLayout(32, len(looked_at)), reset_less=True)
        left = Signal(32, reset_less=True)
        new = Signal(CachedLevel(self.profile), reset_less=True)
        m.d.sync += [
            *(better[n].eq(self.new_key < self.row.levels[n].key) for n in looked_at),
            *(same[n].eq(self.row.valid[n] & (self.new_key == self.row.levels[n].key))
              for n in looked_at),
            *(joined[n].eq(self.row.levels[n].quantity + self.new_quantity) for n in looked_at),
            left.eq(self.row.levels[0].quantity - self.quantity),
            new.key.eq(self.new_key), new.quantity.eq(self.new_quantity), new.count.eq(1),
        ]

        first, second = (self.row_2.levels[n] for n in looked_at)
        m.d.comb += Value.cast(self.best).eq(Value.cast(first))
        with m.If(self.best_gone):
            m.d.comb += Value.cast(self.best).eq(Value.cast(second))
            with m.If(~self.row_2.valid[1] | better[1]):
                m.d.comb += Value.cast(self.best).eq(Value.cast(new))
            with m.Elif(same[1]):
                m.d.comb += [self.best.quantity.eq(joined[1]), self.best.count.eq(second.count + 1)]
        with m.Elif(better[0]):
            m.d.comb += Value.cast(self.best).eq(Value.cast(new))
        with m.Elif(same[0] & self.best_changed):
            m.d.comb += self.best.quantity.eq(left + new.quantity)
        with m.Elif(same[0]):
            m.d.comb += [self.best.quantity.eq(joined[0]), self.best.count.eq(first.count + 1)]
        with m.Elif(self.best_changed):
            m.d.comb += [self.best.quantity.eq(left), self.best.count.eq(first.count - 1)]
        return m
