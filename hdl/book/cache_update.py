"""What one operation makes of the best levels of a side."""

from amaranth import *
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import CachedLevel, CacheRow
from hdl.profile import Profile

__all__ = ["CacheAction", "CacheUpdate"]


class CacheAction(enum.Enum, shape=2):
    """What happens to a row."""

    NONE = 0
    ADD = 1      #: an order joins, or opens, a level
    REMOVE = 2   #: shares leave a level; with ``final`` an order as well
    APPEND = 3   #: a whole level is known to be the next worse one


class CacheUpdate(wiring.Component):
    """Apply one operation to the best levels of a side.

    Latency: 1 cycle, `row` sampled to `result` (which is combinational from registers in the
    cycle after). Throughput: 1 operation per cycle.

    A level that improves on a full row pushes the worst one out. A price worse than every level
    here is counted in ``beyond``, unless the row holds the whole side and has room.

    Members
    -------
    row : ``In(CacheRow)``
    action : ``In(CacheAction)``
    level : ``In(CachedLevel)``
        ADD, REMOVE: key and shares of the order. APPEND: the level.
    final : ``In(1)``
        REMOVE: the order is gone.
    allow : ``In(1)``
        APPEND: sampled in the second cycle; low discards it.
    result : ``Out(CacheRow)``
    missed : ``Out(1)``
        The operation concerned a level that is not here (``beyond`` may have changed).
    pushed : ``Out(1)``, pushed_key : ``Out(32)``
        The worst level was pushed out.
    appended : ``Out(1)``
        The APPEND took place.
    emptied : ``Out(1)``, may_empty : ``Out(1)``
        The last level here is gone, though the side has others; that could happen (earlier).
    more : ``Out(1)``
        The side has orders in levels that are not in `result`.
    worst_key : ``Out(32)``
        Key of the worst level of `row` as sampled; undefined when it has none.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "row":        In(CacheRow(profile)),
            "action":     In(CacheAction),
            "level":      In(CachedLevel(profile)),
            "final":      In(1),
            "allow":      In(1),
            "result":     Out(CacheRow(profile)),
            "missed":     Out(1),
            "pushed":     Out(1),
            "pushed_key": Out(32),
            "appended":   Out(1),
            "emptied":    Out(1),
            "may_empty":  Out(1),
            "more":       Out(1),
            "worst_key":  Out(32),
        })

    def elaborate(self, platform):
        m = Module()

        depth = self.profile.cached_levels
        level_shape = CachedLevel(self.profile)

        # First cycle: compare with every level, and add to every level, at once.
        row = Signal(CacheRow(self.profile), reset_less=True)
        level = Signal(level_shape, reset_less=True)
        action = Signal(CacheAction)
        final = Signal(reset_less=True)
        equal = Signal(depth, reset_less=True)       # the level is here
        before = Signal(depth, reset_less=True)      # the operation's key belongs before it
        changed = [Signal(level_shape, name=f"changed_{n}", reset_less=True)
                   for n in range(depth)]
        ending = Signal(depth, reset_less=True)      # its last order leaves
        hit = Signal(reset_less=True)
        improves = Signal(reset_less=True)           # some level here is worse
        removing = self.action == CacheAction.REMOVE
        matches = Signal(depth)
        worse = Signal(depth)
        m.d.comb += [
            matches.eq(Cat(self.row.valid[n] & (self.row.levels[n].key == self.level.key)
                           for n in range(depth))),
            worse.eq(Cat(self.level.key < self.row.levels[n].key for n in range(depth))),
        ]
        m.d.sync += [
            Value.cast(row).eq(Value.cast(self.row)),
            Value.cast(level).eq(Value.cast(self.level)),
            action.eq(self.action),
            final.eq(self.final),
            hit.eq(matches.any()),
            improves.eq((self.row.valid & worse).any()),
            self.may_empty.eq(removing & self.final & ~self.row.valid[1] &
                              (self.row.beyond != 0)),
        ]
        for n in range(depth):
            here = self.row.levels[n]
            m.d.sync += [
                equal[n].eq(matches[n]),
                before[n].eq(~self.row.valid[n] | worse[n]),
                ending[n].eq(matches[n] & removing & self.final & (here.count == 1)),
                changed[n].key.eq(here.key),
                changed[n].quantity.eq(Mux(removing, here.quantity - self.level.quantity,
                                           here.quantity + self.level.quantity)),
                changed[n].count.eq(Mux(removing, here.count - self.final, here.count + 1)),
            ]
        more = Signal(reset_less=True)
        more_down = Signal(reset_less=True)
        more_found = Signal(reset_less=True)
        beyond_up = Signal.like(row.beyond, reset_less=True)
        beyond_down = Signal.like(row.beyond, reset_less=True)
        beyond_pushed = Signal.like(row.beyond, reset_less=True)
        beyond_found = Signal.like(row.beyond, reset_less=True)
        m.d.sync += [
            more.eq(self.row.beyond != 0),
            more_down.eq(self.row.beyond != 1),
            more_found.eq(self.row.beyond != self.level.count),
            beyond_up.eq(self.row.beyond + 1),
            beyond_down.eq(self.row.beyond - 1),
            beyond_pushed.eq(self.row.beyond + self.row.levels[depth - 1].count),
            beyond_found.eq(self.row.beyond - self.level.count),
        ]

        # Second cycle: choose for each place what goes there.
        here_first = before & ~(before << 1)[:depth]
        adds = action == CacheAction.ADD
        removes = action == CacheAction.REMOVE
        appends = action == CacheAction.APPEND
        full = row.valid[depth - 1]
        inserts = Signal()
        deletes = Signal()
        m.d.comb += [
            self.appended.eq(appends & self.allow & ~full),
            inserts.eq(self.appended | (adds & ~hit & (improves | ~(more | full)))),
            deletes.eq(ending.any()),
            self.missed.eq(~hit & ((adds & ~inserts) | removes)),
            self.pushed.eq(inserts & full),
            self.pushed_key.eq(row.levels[depth - 1].key),
            self.emptied.eq(deletes & ~row.valid[1] & more),
        ]
        new_level = Signal(level_shape)
        m.d.comb += [
            Value.cast(new_level).eq(Value.cast(level)),
            new_level.count.eq(Mux(adds, 1, level.count)),
        ]
        gone = Signal(depth)    # this level and every worse one move up
        m.d.comb += gone.eq(Cat(ending[:n + 1].any() for n in range(depth)))
        for n in range(depth):
            here = Value.cast(row.levels[n])
            out = Value.cast(self.result.levels[n])
            with m.If(inserts & here_first[n]):
                m.d.comb += out.eq(Value.cast(new_level))
            with m.Elif(inserts & before[n]):
                m.d.comb += out.eq(Value.cast(row.levels[n - 1]) if n else here)
            with m.Elif(gone[n]):
                m.d.comb += out.eq(Value.cast(row.levels[n + 1]) if n + 1 < depth else here)
            with m.Elif((adds | removes) & equal[n]):
                m.d.comb += out.eq(Value.cast(changed[n]))
            with m.Else():
                m.d.comb += out.eq(here)
        m.d.comb += [
            self.result.valid.eq(Mux(inserts, Cat(C(1, 1), row.valid)[:depth],
                                     Mux(deletes, row.valid >> 1, row.valid))),
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
                m.d.comb += self.worst_key.eq(row.levels[n].key)

        return m
