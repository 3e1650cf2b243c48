"""Compare stage of the order table: which stored order a slot means."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.order_slot import RESULTS, Matches, OrderResult, Slot, SlotKind, slots_of_row
from hdl.book.order_store import OrderKey, OrderPayload, StoredOrder
from hdl.profile import Profile

__all__ = ["OrderCompare"]


class OrderCompare(wiring.Component):
    """Compare a slot with the ways of its rows, the CAM and the kept results.

    Latency: 1 cycle with `enable`, `slot` to `matches`. A step of a walk may match several ways:
    then `hold` asks for the slot to stay, and with each `step` `matches.hits` shows one of them,
    lowest first, with `walk_hit`; the first step shows none.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    enable : ``In(1)``
        Take the next slot.
    clear : ``In(1)``
        Forget the matches of a walk.
    step : ``In(1)``
        Show the next match of a walk; never with `enable`.
    slot_kind, slot, passed : ``In``
        The slot and whether the walker has been at its row, a bit a bank.
    victim : ``In``
        Way that a relocation swaps with, a bit a way; as the slot says.
    ways : ``In(StoredOrder)`` array
        Both rows as read, bank 0 first.
    cam_hit, cam_index, cam_symbol_index, cam_payload : ``In``
        What the CAM found.
    results, results_valid : ``In``
        Results of the last operations, youngest first: newer than what was read.
    matches : ``Out(Matches)``
        What was found.
    victim_key, victim_rows : ``Out``
        Order in the way that a relocation swaps with, and its rows; without the register.
    hold, walk_hit : ``Out(1)``
        See above.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        matches = Matches(profile)
        super().__init__({
            "enable":           In(1),
            "clear":            In(1),
            "step":             In(1),
            "slot_kind":        In(SlotKind),
            "slot":             In(Slot(profile)),
            "passed":           In(profile.order_banks),
            "victim":           In(slots_of_row(profile)),
            "ways":             In(StoredOrder(profile)).array(slots_of_row(profile)),
            "cam_hit":          In(1),
            "cam_index":        In(matches["cam_index"].shape),
            "cam_symbol_index": In(profile.symbol_bits),
            "cam_payload":      In(OrderPayload),
            "results":          In(OrderResult(profile)).array(RESULTS),
            "results_valid":    In(RESULTS),
            "matches":          Out(matches),
            "victim_key":       Out(OrderKey(profile)),
            "victim_rows":      Out(Slot(profile)["rows"].shape),
            "hold":             Out(1),
            "walk_hit":         Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        ways = slots_of_row(self.profile)
        found = Signal(Matches(self.profile))
        scanned = Signal(ways + 1)
        m.d.comb += [
            found.cam_index.eq(self.cam_index),
            found.passed.eq(self.passed),
        ]
        for index in range(ways):
            self._way(m, index, found, scanned)
        self._victim(m, found)
        self._cam(m, ways, found, scanned)
        for index, result in enumerate(self.results):
            m.d.comb += found.forward[index].eq(
                (self.slot_kind.operation | self.slot_kind.move) & self.results_valid[index]
                & (result.key.as_value() == self.slot.key.as_value()))
            self._measure(m, found.forwarded[index], result.payload)

        pending = Signal(ways + 1)
        matches = Signal(Matches(self.profile), reset_less=True)
        m.d.comb += self.matches.eq(matches)
        with m.If(self.enable):
            m.d.sync += [
                matches.eq(found),
                pending.eq(scanned),
                self.hold.eq(scanned.any()),
                self.walk_hit.eq(0),
            ]
        with m.Elif(self.step):
            lowest = pending & (~pending + 1)[:ways + 1]
            m.d.sync += [
                matches.hits.eq(lowest),
                pending.eq(pending & ~lowest),
                self.hold.eq(pending.any()),
                self.walk_hit.eq(pending.any()),
            ]
        with m.If(self.clear):
            m.d.sync += [pending.eq(0), self.hold.eq(0), self.walk_hit.eq(0)]

        return m

    def _measure(self, m: Module, candidate: data.View, payload: data.View) -> None:
        """Compare the open shares of an order with those of the slot."""
        m.d.comb += [
            candidate.payload.eq(payload),
            Cat(candidate.remaining, candidate.overfill).eq(payload.shares - self.slot.shares),
            candidate.exact.eq(payload.shares == self.slot.shares),
        ]

    def _way(self, m: Module, index: int, found: data.View, scanned: Signal) -> None:
        """Compare the slot with one way, as the kept results have left it."""
        bank = index // self.profile.order_ways
        stored = self.ways[index]
        written = [
            self.results_valid[age] & result.ways[index]
            & (result.rows[bank] == self.slot.rows[bank])
            for age, result in enumerate(self.results)
        ]
        used = stored.valid
        for by_result, result in reversed(list(zip(written, self.results, strict=True))):
            used = Mux(by_result, result.present, used)
        m.d.comb += [
            found.used[index].eq(used),
            found.victim[index].eq(self.slot_kind.move & self.victim[index]),
            found.hits[index].eq(
                (self.slot_kind.operation & stored.valid & ~Cat(written).any()
                 & (stored.key.as_value() == self.slot.key.as_value()))
                | (self.slot_kind.evict & self.victim[index])),
            scanned[index].eq(
                self.slot_kind.walk_row & stored.valid
                & (stored.key.symbol_index == self.slot.key.symbol_index)
                & (stored.payload.side == self.slot.side)),
        ]
        self._measure(m, found.candidates[index], stored.payload)

    def _cam(self, m: Module, index: int, found: data.View, scanned: Signal) -> None:
        """Take over what the CAM found."""
        m.d.comb += [
            found.hits[index].eq(
                (self.slot_kind.operation | self.slot_kind.move) & self.cam_hit),
            scanned[index].eq(
                self.slot_kind.walk_cam & self.cam_hit
                & (self.cam_symbol_index == self.slot.key.symbol_index)
                & (self.cam_payload.side == self.slot.side)),
        ]
        self._measure(m, found.candidates[index], self.cam_payload)

    def _victim(self, m: Module, found: data.View) -> None:
        """Show the order in the way to swap with; and whether the kept results have changed it."""
        rows = self.slot.rows
        second = self.slot.victim >= self.profile.order_ways
        other_row = Array(way.other_row for way in self.ways)[self.slot.victim]
        m.d.comb += [
            Value.cast(self.victim_key).eq(
                Array(way.key.as_value() for way in self.ways)[self.slot.victim]),
            self.victim_rows[0].eq(Mux(second, other_row, rows[0])),
            self.victim_rows[1].eq(Mux(second, rows[1], other_row)),
            found.victim_stale.eq(Cat(
                self.results_valid[age] & (result.ways & self.victim).any()
                & Mux(second, result.rows[1] == rows[1], result.rows[0] == rows[0])
                for age, result in enumerate(self.results)).any()),
        ]
