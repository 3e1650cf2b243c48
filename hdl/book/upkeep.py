"""Keep the cached levels filled and the windows where the market is."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import row_bits
from hdl.book.tick import KEY_BITS
from hdl.profile import Profile
from hdl.records import Side

__all__ = ["RebuildControl", "RefillControl"]


class RefillControl(wiring.Component):
    """Ask for the next worse levels of sides whose cache has room, one search at a time.

    A search goes on until the cache is full; what it finds is appended in idle cycles, or together
    with the removals of the side. A side whose cache ran empty is served before all
    others. An answer is refused when an
    operation younger than its search could have changed it: one that missed the cache at a price
    not worse than the answer's, or a level pushed out of the cache that is not worse. Then the
    rest of that search is refused too, and the side is searched again.

    Members
    -------
    settled : ``In(1)``, settled_row, settled_wants, settled_low, settled_empty : ``In``
        An operation has left a side: it has room and more levels exist; less than half of its
        places are used then; none is cached though the side has orders.
    settled_added : ``In(1)``
        That operation was an add that missed the cache.
    missed : ``In(1)``, missed_key : ``In``
        It concerned a level that is not (or no longer) cached.
    urgent : ``In(1)``, urgent_row : ``In``
        This side has nothing cached and operations wait for it.
    barred : ``In(1 << row_bits)``
        Sides that cannot be searched now.
    request : ``Out(1)``, row : ``Out``
        Wants the side read and a search started; held until `taken`.
    taken, started : ``In(1)``
        The request is on its way; the search takes its place among the operations.
    offer_key : ``In(32)``, allow : ``Out(1)``
        Key of an answer; one cycle later, whether it may be used.
    refused : ``In(1)``
        An answer was not used.
    stop : ``Out(1)``
        The search has brought enough, or has to be done again, or another one is more urgent.
    ended, ended_dry : ``In(1)``
        The search is over; the window holds nothing worse.
    dry : ``Out(1 << row_bits)``
        Sides whose window is known to hold nothing worse than what is cached.
    any_low : ``Out(1)``
        Some side uses less than half of its places, though more levels exist.
    searching : ``Out(1)``
        Some side has room and more levels that a search can find, or is being searched; a cycle
        late.
    exhausted : ``Out(1)``, exhausted_row : ``Out``
        A search of a side with nothing cached found nothing: its window is in the wrong place.
    hopeless : ``Out(1)``
        As `exhausted`, but the window is new: orders are counted that nobody has.
    rebuilt : ``In(1)``, rebuilt_row : ``In``
        The window of a side is new.
    stat_refill : ``Out(1)``
        A search has begun.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        rows = row_bits(profile)
        super().__init__({
            "settled": In(1), "settled_row": In(rows), "settled_wants": In(1),
            "settled_low": In(1), "settled_empty": In(1), "settled_added": In(1),
            "missed": In(1), "missed_key": In(KEY_BITS),
            "urgent": In(1), "urgent_row": In(rows),
            "barred": In(1 << rows),
            "request": Out(1), "row": Out(rows), "taken": In(1), "started": In(1),
            "offer_key": In(KEY_BITS), "allow": Out(1), "refused": In(1),
            "stop": Out(1), "ended": In(1), "ended_dry": In(1),
            "dry": Out(1 << rows),
            "exhausted": Out(1), "exhausted_row": Out(rows), "hopeless": Out(1),
            "rebuilt": In(1), "rebuilt_row": In(rows),
            "clear": In(1),
            "any_low": Out(1), "searching": Out(1),
            "empty": Out(1 << rows),
            "stat_refill": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        wants = Signal(1 << len(self.row))
        lows = Signal(1 << len(self.row))
        fresh = Signal(1 << len(self.row))     # rebuilt, and nothing found or added since
        scan = Signal.like(self.row)
        running = Signal()
        suspect = Signal()             # something missed the cache since the search began
        suspect_key = Signal(KEY_BITS, reset_less=True)
        suspect_add = Signal()
        refusing = Signal()

        def bit(vector, row):
            return vector.bit_select(row, 1)

        with m.If(self.settled):
            m.d.sync += [bit(wants, self.settled_row).eq(self.settled_wants),
                         bit(lows, self.settled_row).eq(self.settled_low),
                         bit(self.empty, self.settled_row).eq(self.settled_empty)]
            with m.If(self.settled_added):
                m.d.sync += bit(self.dry, self.settled_row).eq(0)
            with m.If(self.settled_added | ~self.settled_empty):
                m.d.sync += bit(fresh, self.settled_row).eq(0)
        with m.If(self.rebuilt):
            m.d.sync += [bit(self.dry, self.rebuilt_row).eq(0),
                         bit(fresh, self.rebuilt_row).eq(1)]

        m.d.comb += self.any_low.eq(lows.any())
        m.d.sync += self.searching.eq(
            (wants & ~self.dry & ~self.barred).any() | self.request | running)

        candidate = Signal.like(self.row)
        worth = Signal()
        # Every other cycle the side that changed last: that is where levels are used up.
        recent = Signal.like(self.row)
        look_back = Signal()
        with m.If(self.settled):
            m.d.sync += recent.eq(self.settled_row)
        m.d.sync += [look_back.eq(~look_back), scan.eq(scan + look_back)]
        m.d.comb += candidate.eq(
            Mux(self.urgent, self.urgent_row, Mux(look_back, recent, scan)))
        m.d.comb += worth.eq(bit(wants & ~self.dry & ~self.barred, candidate))
        with m.If(~self.request & ~running & worth):
            m.d.sync += [self.request.eq(1), self.row.eq(candidate)]
        with m.If(self.taken):
            m.d.sync += [self.request.eq(0), running.eq(1)]
        with m.If(self.started):
            m.d.sync += [suspect.eq(0), suspect_add.eq(0), refusing.eq(0)]
        m.d.comb += self.stat_refill.eq(self.started)

        concerns = self.missed & running & (self.settled_row == self.row)
        with m.If(concerns & ~self.started):
            m.d.sync += suspect.eq(1)
            with m.If(~suspect | (self.missed_key < suspect_key)):
                m.d.sync += suspect_key.eq(self.missed_key)
            with m.If(self.settled_added):
                m.d.sync += suspect_add.eq(1)
        m.d.sync += self.allow.eq(
            ~refusing & ~self.refused & ~bit(self.barred, self.row) &
            ~(suspect & ~(self.offer_key < suspect_key)) &
            ~(concerns & ~(self.offer_key < self.missed_key)))
        with m.If(self.refused):
            m.d.sync += refusing.eq(1)

        m.d.sync += self.stop.eq(running & (
            self.refused | (self.urgent & (self.urgent_row != self.row))
            | (self.settled & (self.settled_row == self.row) & ~self.settled_wants)))

        m.d.comb += self.exhausted_row.eq(self.row)
        with m.If(self.ended):
            m.d.sync += running.eq(0)
            with m.If(self.ended_dry & ~suspect_add & ~refusing & ~self.refused):
                m.d.sync += bit(self.dry, self.row).eq(1)
                m.d.comb += [
                    self.exhausted.eq(bit(self.empty & ~fresh, self.row)),
                    self.hopeless.eq(bit(self.empty & fresh, self.row)),
                ]

        with m.If(self.clear):
            m.d.sync += [wants.eq(0), lows.eq(0), self.dry.eq(0), self.empty.eq(0), running.eq(0),
                         self.request.eq(0)]
        return m


class RebuildControl(wiring.Component):
    """Move the window of a side whose touch has left it: empty it, place it, walk the orders.

    One side at a time. The window is placed round the best cached price; if there is none, a
    first walk finds the best price of the side's orders and a second one adds them.

    Members
    -------
    need : ``In(1)``, need_row : ``In``
        A search found the window empty though the side has orders.
    outside : ``In(1)``, outside_row, outside_key : ``In``
        An order was added at a price better than the window.
    walk : ``Out(stream.Signature({symbol_index, side}))``
        Ask the order table for all orders of a side.
    placed : ``In(1)``
        The window is being placed now (the mark that begins the walk has arrived).
    candidate, candidate_valid : ``Out``
        Best price outside the window since it was placed last.
    walk_ended : ``In(1)``
        Every order has been added.
    needed : ``Out(1 << row_bits)``
        Sides to rebuild, or being rebuilt.
    rebuilt : ``Out(1)``, row : ``Out``
        The side's window is exact again.
    stat_rebuild : ``Out(1)``
        A walk has begun.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        rows = row_bits(profile)
        super().__init__({
            "need": In(1), "need_row": In(rows),
            "outside": In(1), "outside_row": In(rows), "outside_key": In(KEY_BITS),
            "walk": Out(stream.Signature(data.StructLayout({
                "symbol_index": profile.symbol_bits, "side": Side}))),
            "placed": In(1),
            "candidate": Out(KEY_BITS), "candidate_valid": Out(1),
            "walk_ended": In(1),
            "needed": Out(1 << rows),
            "rebuilt": Out(1), "row": Out(rows),
            "clear": In(1),
            "stat_rebuild": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        scan = Signal.like(self.row)
        walking = Signal()
        m.d.sync += scan.eq(scan + 1)

        with m.If(self.need):
            m.d.sync += self.needed.bit_select(self.need_row, 1).eq(1)
        with m.If(self.outside):
            m.d.sync += self.needed.bit_select(self.outside_row, 1).eq(1)
            with m.If(walking & (self.outside_row == self.row)):
                m.d.sync += self.candidate_valid.eq(1)
                with m.If(~self.candidate_valid | (self.outside_key < self.candidate)):
                    m.d.sync += self.candidate.eq(self.outside_key)

        m.d.comb += [
            self.walk.p.symbol_index.eq(self.row >> 1),
            Value.cast(self.walk.p.side).eq(self.row[0]),
        ]
        with m.FSM(name="rebuild"):
            with m.State("IDLE"):
                m.d.sync += self.row.eq(scan)
                with m.If(self.needed.bit_select(scan, 1)):
                    m.d.sync += self.candidate_valid.eq(0)
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += self.walk.valid.eq(~self.clear)
                m.d.sync += walking.eq(1)
                with m.If(self.walk.ready):
                    m.d.comb += self.stat_rebuild.eq(1)
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                with m.If(self.placed):
                    m.d.sync += self.candidate_valid.eq(0)
                    m.next = "WALK"
            with m.State("WALK"):
                with m.If(self.walk_ended):
                    m.next = "CHECK"
            with m.State("CHECK"):
                with m.If(self.candidate_valid):
                    m.next = "ASK"
                with m.Else():
                    m.d.sync += [self.needed.bit_select(self.row, 1).eq(0), walking.eq(0)]
                    m.d.comb += self.rebuilt.eq(1)
                    m.next = "IDLE"
        return m
