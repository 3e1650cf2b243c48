"""What one operation makes of the best levels of a side."""

from amaranth import *
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import CachedLevel, CacheRow
from hdl.one_hot import pick
from hdl.profile import Profile

__all__ = ["CacheAction", "CacheUpdate"]


class CacheAction(enum.Enum, shape=2):
    """What happens to a row."""

    NONE = 0
    ADD = 1      #: an order joins, or opens, a level
    REMOVE = 2   #: shares leave a level; with ``final`` an order as well


class CacheUpdate(wiring.Component):
    """Apply one operation to the best levels of a side, and append a level that is the next worse.

    Latency: 1 cycle, `row` sampled to `result` (which is combinational from registers in the
    cycle after). Throughput: 1 operation per cycle.

    A level that improves on a full row pushes the worst one out. A price worse than every level
    here is counted in ``beyond``, unless the row holds the whole side and has room.

    Members
    -------
    row : ``In(CacheRow)``
    bids : ``In(1)``
        The row is one of bids: the higher price is the better one.
    price : ``In(32)``
    action : ``In(CacheAction)``
    quantity : ``In(32)``
        Shares of the order.
    final : ``In(1)``
        REMOVE: the order is gone.
    append, found : ``In``
        This level is the next worse one; alone, or with a REMOVE.
    allow : ``In(1)``
        Sampled in the second cycle; low: do not append.
    row_2, price_2 : ``Out``
        The row that was sampled, and the operation's price, in the second cycle.
    result : ``Out(CacheRow)``
        Of a row without levels the best one is all zeros.
    missed : ``Out(1)``
        The operation concerned a level that is not here (``beyond`` may have changed).
    pushed : ``Out(1)``, pushed_price : ``Out(32)``
        The worst level was pushed out.
    appended : ``Out(1)``
        The level was appended: there was room, and the REMOVE concerned a level that is here.
    bares, emptied : ``Out(1)``
        The REMOVE ends the last level here, though the side has others; and none was appended.
    unknown : ``Out(1)``
        The side has orders, and none of their levels is in `result`.
    best_changed, best_gone : ``Out(1)``
        A REMOVE took shares from the best level of the row; it took that level away.
    more : ``Out(1)``
        The side has orders in levels that are not in `result`.
    worst_price : ``Out(32)``
        Price of the worst level of the row; undefined when it has none.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "row":        In(CacheRow(profile)),
            "bids":       In(1),
            "price":      In(32),
            "action":     In(CacheAction),
            "quantity":   In(32),
            "final":      In(1),
            "append":     In(1),
            "found":      In(CachedLevel(profile)),
            "allow":      In(1),
            "row_2":      Out(CacheRow(profile)),
            "price_2":    Out(32),
            "result":     Out(CacheRow(profile)),
            "missed":     Out(1),
            "pushed":     Out(1),
            "pushed_price": Out(32),
            "appended":   Out(1),
            "bares":      Out(1),
            "emptied":    Out(1),
            "unknown":    Out(1),
            "best_changed": Out(1),
            "best_gone":  Out(1),
            "more":       Out(1),
            "worst_price": Out(32),
        })

    def elaborate(self, platform):
        m = Module()

        depth = self.profile.cached_levels
        row_shape = CacheRow(self.profile)
        level_shape = CachedLevel(self.profile)
        adding = self.action == CacheAction.ADD
        removing = self.action == CacheAction.REMOVE

        # First cycle: compare with every level.
        row = Signal(row_shape, reset_less=True)
        incoming = Signal(level_shape, reset_less=True)     # the level that an ADD opens, or found
        append = Signal(reset_less=True)
        adds = Signal()
        removes = Signal()
        final = Signal(reset_less=True)
        equal = Signal(depth, reset_less=True)      # the operation's level
        before = Signal(depth, reset_less=True)     # levels that the operation's goes before
        ending = Signal(depth, reset_less=True)     # the level that the operation ends
        changed = Signal(data.ArrayLayout(level_shape, depth), reset_less=True)  # but for the key
        # A level that is worse than the operation's: for bids, one that is not higher or the same.
        same = Signal(depth)
        worse = Signal(depth)
        for n in range(depth):
            lower = self.price < self.row.levels[n].price
            m.d.comb += [same[n].eq(self.price == self.row.levels[n].price),
                         worse[n].eq(Mux(self.bids, ~(lower | same[n]), lower))]
        matches = Signal(depth)
        m.d.comb += matches.eq(self.row.valid & same)
        # Whether any level is meant is worked out half in this cycle, half in the next.
        quarter = (depth + 1) // 2
        parts = [range(n, min(n + quarter, depth)) for n in range(0, depth, quarter)]
        hits = Signal(len(parts), reset_less=True)
        betters = Signal(len(parts), reset_less=True)
        m.d.sync += [
            Value.cast(row).eq(Value.cast(self.row)),
            self.price_2.eq(self.price),
            incoming.price.eq(Mux(adding, self.price, self.found.price)),
            incoming.quantity.eq(Mux(adding, self.quantity, self.found.quantity)),
            incoming.count.eq(Mux(adding, 1, self.found.count)),
            append.eq(self.append),
            adds.eq(adding), removes.eq(removing),
            final.eq(self.final),
            equal.eq(matches),
            before.eq(~self.row.valid | worse),
            *(hits[k].eq(Cat(matches[n] for n in part).any()) for k, part in enumerate(parts)),
            *(betters[k].eq(Cat(self.row.valid[n] & worse[n] for n in part).any())
              for k, part in enumerate(parts)),
        ]
        for n in range(depth):
            here = self.row.levels[n]
            m.d.sync += [
                ending[n].eq(matches[n] & removing & self.final & (here.count == 1)),
                changed[n].quantity.eq(Mux(removing, here.quantity - self.quantity,
                                           here.quantity + self.quantity)),
                changed[n].count.eq(Mux(removing, here.count - self.final, here.count + 1)),
            ]
        more = Signal(reset_less=True)
        roomy = Signal(reset_less=True)     # the row holds the whole side and has room
        more_down = Signal(reset_less=True)
        more_found = Signal(reset_less=True)
        beyond_up = Signal.like(row.beyond, reset_less=True)
        beyond_down = Signal.like(row.beyond, reset_less=True)
        beyond_pushed = Signal.like(row.beyond, reset_less=True)
        beyond_found = Signal.like(row.beyond, reset_less=True)
        m.d.sync += [
            more.eq(self.row.beyond != 0),
            roomy.eq((self.row.beyond == 0) & ~self.row.valid[depth - 1]),
            more_down.eq(self.row.beyond != 1),
            more_found.eq(self.row.beyond != self.found.count),
            beyond_up.eq(self.row.beyond + 1),
            beyond_down.eq(self.row.beyond - 1),
            beyond_pushed.eq(self.row.beyond + self.row.levels[depth - 1].count),
            beyond_found.eq(self.row.beyond - self.found.count),
        ]

        # Second cycle: choose for each place what goes there.
        here_first = before & ~(before << 1)[:depth]
        full = row.valid[depth - 1]
        hit = Signal()
        inserts = Signal()
        deletes = Signal()
        m.d.comb += [
            hit.eq(hits.any()),
            Value.cast(self.row_2).eq(Value.cast(row)),
            self.appended.eq(append & self.allow & ~full & (hit | ~removes)),
            inserts.eq(adds & ~hit & (betters.any() | roomy)),
            deletes.eq(ending.any()),
            self.missed.eq(~hit & ((adds & ~inserts) | removes)),
            self.pushed.eq(inserts & full),
            self.pushed_price.eq(row.levels[depth - 1].price),
            self.bares.eq(ending[0] & ~row.valid[1] & more),
            self.emptied.eq(self.bares & ~self.appended),
            self.best_changed.eq(removes & equal[0]),
            self.best_gone.eq(ending[0]),
        ]
        # As `result` has it, but with less to wait for: with no level here an ADD is inserted if
        # it is the only order, and a REMOVE concerns an order beyond.
        none_left = ~row.valid[0] | (ending[0] & ~row.valid[1])
        m.d.comb += self.unknown.eq(
            none_left & ~self.appended & Mux(removes & final & ~row.valid[0], more_down, more))

        gone = Signal(depth)    # this level and every worse one move up
        m.d.comb += gone.eq(Cat(ending[:n + 1].any() for n in range(depth)))
        for n in range(depth):
            free = ~row.valid[n] & (row.valid[n - 1] if n else 1)
            last = row.valid[n] & (~row.valid[n + 1] if n + 1 < depth else 1)
            moves_down = inserts & before[n]
            stays = row.valid[n] & ~moves_down & ~gone[n]
            changes = (adds | removes) & equal[n] & ~ending[n]     # a level that changes stays
            # At most one of them; of a place that is not valid none need be.
            moved = [((inserts & here_first[n]) | (self.appended & Mux(deletes, last, free)),
                      incoming)]
            if n:
                moved.append((moves_down & ~here_first[n], row.levels[n - 1]))
            if n + 1 < depth:
                moved.append((gone[n] & ~last, row.levels[n + 1]))
            own = row.levels[n]
            m.d.comb += [
                self.result.levels[n].price.eq(pick((stays, own.price), *(
                    (select, level.price) for select, level in moved))),
                *(self.result.levels[n][name].eq(pick(
                    (stays & ~changes, own[name]), (changes, changed[n][name]),
                    *((select, level[name]) for select, level in moved)))
                  for name in ("quantity", "count")),
            ]
        m.d.comb += [
            self.result.valid.eq(Mux(inserts | (self.appended & ~deletes),
                                     Cat(C(1, 1), row.valid)[:depth],
                                     Mux(deletes & ~self.appended, row.valid >> 1, row.valid))),
            self.result.beyond.eq(row.beyond),
            self.more.eq(more),
        ]
        with m.If(self.pushed):
            m.d.comb += [self.result.beyond.eq(beyond_pushed), self.more.eq(1)]
        with m.Elif(self.appended):
            m.d.comb += [self.result.beyond.eq(beyond_found), self.more.eq(more_found)]
        with m.Elif(self.missed & adds):
            m.d.comb += [self.result.beyond.eq(beyond_up), self.more.eq(1)]
        with m.Elif(self.missed & final):
            m.d.comb += [self.result.beyond.eq(beyond_down), self.more.eq(more_down)]

        worst = row.valid & ~(row.valid >> 1)
        for n in range(depth):
            with m.If(worst[n]):
                m.d.comb += self.worst_price.eq(row.levels[n].price)

        return m
