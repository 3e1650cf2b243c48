"""The best level after a replace, known with its first half."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import CachedLevel, CacheRow
from hdl.carry_save import carry_save
from hdl.one_hot import pick
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
    bids : ``In(1)``
        It is one of bids.
    new_price, new_quantity : ``In(32)``
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
            "bids":         In(1),
            "new_price":    In(32),
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
        moved = Signal(32, reset_less=True)     # one order left the level, the other joined it
        more = [Signal.like(self.best.count, name=f"more_{n}", reset_less=True) for n in looked_at]
        fewer = Signal.like(self.best.count, reset_less=True)
        new = Signal(CachedLevel(self.profile), reset_less=True)
        held = self.row.levels
        without_carry, carry = carry_save(held[0].quantity, self.new_quantity, ~self.quantity)
        m.d.sync += [
            *(better[n].eq(Mux(self.bids, self.new_price > held[n].price,
                               self.new_price < held[n].price)) for n in looked_at),
            *(same[n].eq(self.row.valid[n] & (self.new_price == held[n].price))
              for n in looked_at),
            *(joined[n].eq(held[n].quantity + self.new_quantity) for n in looked_at),
            *(more[n].eq(held[n].count + 1) for n in looked_at),
            fewer.eq(held[0].count - 1),
            left.eq(held[0].quantity - self.quantity),
            moved.eq(without_carry + Cat(C(1, 1), carry[1:])),      # minus is not, and one
            new.price.eq(self.new_price), new.quantity.eq(self.new_quantity), new.count.eq(1),
        ]

        # Each choice by a bit of its own, from registers.
        first, second = (self.row_2.levels[n] for n in looked_at)
        gone = self.best_gone
        opens = Signal()            # a level of its own, before all others
        follows = Signal()          # the second level is the best one
        stays = Signal()
        m.d.comb += [
            opens.eq(Mux(gone, ~self.row_2.valid[1] | better[1], better[0])),
            follows.eq(gone & self.row_2.valid[1] & ~better[1]),
            stays.eq(~gone & ~better[0]),
        ]
        alone = stays & ~same[0]
        changed = self.best_changed
        m.d.comb += [
            self.best.price.eq(pick(
                (opens, new.price), (follows, second.price), (stays, first.price))),
            self.best.quantity.eq(pick(
                (opens, new.quantity),
                (follows & same[1], joined[1]), (follows & ~same[1], second.quantity),
                (stays & same[0] & changed, moved), (stays & same[0] & ~changed, joined[0]),
                (alone & changed, left), (alone & ~changed, first.quantity))),
            self.best.count.eq(pick(
                (opens, new.count),
                (follows & same[1], more[1]), (follows & ~same[1], second.count),
                (stays & same[0] & ~changed, more[0]), (alone & changed, fewer),
                (stays & ~(same[0] ^ changed), first.count))),
        ]
        return m
