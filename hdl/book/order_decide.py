"""Decision stage of the order table: the level update and the new state of the order."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.order_slot import RESULTS, Matches, OrderResult, Slot, SlotKind, slots_of_row
from hdl.profile import Profile
from hdl.records import LevelUpdate, OperationKind, UpdateKind

__all__ = ["OrderDecide"]


class OrderDecide(wiring.Component):
    """Turn a slot and what was found into an update and a result; combinational.

    A relocation gives no update, and up to two results: an order of the CAM is now in a way, and
    the order that was there is now in the CAM. It gives none if one of the last operations named
    the first order or wrote the way: memory does not show yet what it made of them.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    slot_kind, slot, matches : ``In``
        The slot and what :class:`OrderCompare` found.
    results : ``In(OrderResult)`` array
        Results of the last operations, youngest first.
    cam_full, cam_free : ``In``
        Whether the CAM is full, else its first free slot.
    walk_side : ``In(1)``
        Side that is walked.
    update, update_valid : ``Out``
        The update, walk steps aside (see ``walk_hit`` of :class:`OrderCompare`); price, quantity,
        side and ``touch_levels`` of a NONE are undefined.
    decides : ``Out(1)``
        The slot is one that may change an order.
    result, commit : ``Out``
        The new state of the order, and whether there is one.
    unknown, duplicate, overfill, overflow : ``Out(1)``
        What was wrong with an operation.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        result = OrderResult(profile)
        super().__init__({
            "slot_kind":    In(SlotKind),
            "slot":         In(Slot(profile)),
            "matches":      In(Matches(profile)),
            "results":      In(result).array(RESULTS),
            "cam_full":     In(1),
            "cam_free":     In(result["cam_index"].shape),
            "walk_side":    In(1),
            "update":       Out(LevelUpdate(profile)),
            "update_valid": Out(1),
            "result":       Out(result),
            "commit":       Out(1),
            "decides":      Out(1),
            "unknown":      Out(1),
            "duplicate":    Out(1),
            "overfill":     Out(1),
            "overflow":     Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        slot = self.slot
        is_walk = self.slot_kind.walk_row | self.slot_kind.walk_cam | self.slot_kind.walk_end
        found = self._found(m)
        full, insert_ways, insert_passed = self._place(m)
        kind, matches = self.slot_kind, self.matches
        move = kind.move & matches.hits[-1] & ~matches.forward.any() & ~matches.victim_stale
        operates = Signal()
        relocates = kind.move | kind.evict
        stays = found.present & ~relocates

        take_all = Signal()
        m.d.comb += take_all.eq((slot.kind != OperationKind.REDUCE) | found.overfill | found.exact)
        side = Mux(slot.insert, Mux(slot.second, self.results[0].payload.side, slot.side),
                   found.payload.side)
        passed = Mux(found.present, found.passed, insert_passed)

        m.d.comb += [
            self.decides.eq(kind.operation | relocates),
            operates.eq(kind.operation & ~(slot.second & ~self.results[0].known)),
            self.commit.eq(operates | move | (kind.evict & self.results[0].evicts)),
            self.unknown.eq(operates & ~slot.insert & ~found.present),
            self.duplicate.eq(operates & slot.insert & found.present),
            self.overfill.eq(operates & (slot.kind == OperationKind.REDUCE)
                             & found.present & found.overfill),
            self.overflow.eq(operates & slot.insert & ~found.present & full & self.cam_full),

            self.result.key.eq(slot.key),
            self.result.known.eq(found.present),
            self.result.present.eq(Mux(slot.insert, found.present | ~(full & self.cam_full),
                                       found.present & (relocates | ~take_all))),
            self.result.payload.side.eq(side),
            self.result.payload.price.eq(Mux(slot.insert, slot.price, found.payload.price)),
            self.result.payload.shares.eq(Mux(slot.insert, slot.shares, found.remaining)),
            self.result.rows.eq(slot.rows),
            self.result.ways.eq(Mux(stays, found.ways, Mux(
                slot.insert | kind.move,
                insert_ways | (matches.victim & full.replicate(len(matches.victim))), 0))),
            self.result.cam.eq(Mux(stays, found.cam,
                                   (slot.insert & full & ~self.cam_full) | kind.evict)),
            self.result.cam_index.eq(Mux(found.present, found.cam_index, self.cam_free)),
            self.result.moved.eq(kind.move),
            self.result.evicts.eq(move & full),

            self.update_valid.eq((operates & ~slot.fast) | self.slot_kind.walk_end),
            self.update.symbol_index.eq(slot.key.symbol_index),
            Value.cast(self.update.side).eq(Mux(self.slot_kind.walk_end, slot.side, side)),
            self.update.price.eq(self.result.payload.price),
            self.update.quantity.eq(Mux(slot.insert | ~take_all, slot.shares,
                                        found.payload.shares)),
            self.update.new_price.eq(slot.price),
            self.update.new_quantity.eq(slot.shares),
            self.update.final.eq(~is_walk & ~slot.insert & found.present & take_all),
            self.update.event_last.eq(
                ~is_walk & ((slot.kind != OperationKind.REPLACE) | slot.second | ~found.present)),
            self.update.suspect.eq(~is_walk & Mux(
                slot.insert, found.present,
                ~found.present | ((slot.kind == OperationKind.REDUCE) & found.overfill))),
            self.update.overflow.eq(~is_walk & slot.insert & ~found.present
                                    & full & self.cam_full),
            self.update.execution.eq(slot.execution),
            self.update.walk.eq(is_walk),
            self.update.touch_levels.eq(
                is_walk | ~(slot.watched & (side == self.walk_side)) | passed),
            self.update.tag.eq(slot.tag),
        ]
        with m.If(self.slot_kind.walk_end):
            m.d.comb += self.update.kind.eq(UpdateKind.WALK_END)
        with m.Elif(is_walk | slot.insert):
            m.d.comb += self.update.kind.eq(UpdateKind.ADD)
        with m.Elif(found.present):
            m.d.comb += self.update.kind.eq(UpdateKind.REMOVE)
        with m.Else():
            m.d.comb += self.update.kind.eq(UpdateKind.NONE)

        return m

    def _banks_passed(self, ways: Value) -> Value:
        """Return whether the walker has been at the row of the way that is set in `ways`."""
        return Cat(
            ways[bank * self.profile.order_ways:(bank + 1) * self.profile.order_ways].any()
            & self.matches.passed[bank] for bank in range(self.profile.order_banks)).any()

    def _found(self, m: Module) -> data.View:
        """Select the order that the key means: a kept result if there is one, else the stored."""
        matches = self.matches
        ways = slots_of_row(self.profile)
        layout = data.StructLayout({
            "candidate": matches.candidates[0].shape().size,
            "present": 1, "ways": ways, "cam": 1, "cam_index": len(matches.cam_index), "passed": 1,
        })
        stored = Signal(layout)
        m.d.comb += [
            stored.candidate.eq(_one_hot(
                matches.hits, [candidate.as_value() for candidate in matches.candidates])),
            stored.present.eq(matches.hits.any()),
            stored.ways.eq(matches.hits[:ways]),
            stored.cam.eq(matches.hits[ways]),
            stored.cam_index.eq(matches.cam_index),
            stored.passed.eq(self._banks_passed(matches.hits[:ways])),
        ]
        chosen = stored.as_value()
        for age, result in reversed(list(enumerate(self.results))):
            kept = Signal(layout, name=f"kept_{age}")
            m.d.comb += [
                kept.candidate.eq(matches.forwarded[age].as_value()),
                kept.present.eq(result.present),
                kept.ways.eq(result.ways),
                kept.cam.eq(result.cam),
                kept.cam_index.eq(result.cam_index),
                kept.passed.eq(self._banks_passed(result.ways)),
            ]
            chosen = Mux(matches.forward[age], kept.as_value(), chosen)

        candidate = matches.candidates[0].shape()
        fields = data.StructLayout({
            **{name: field.shape for name, field in candidate},
            **{name: field.shape for name, field in layout if name != "candidate"},
        })
        found = Signal(fields.size)
        m.d.comb += found.eq(chosen)
        return data.View(fields, found)

    def _place(self, m: Module) -> tuple[Value, Value, Value]:
        """Choose a way for a new order: the emptier bank, and its first free way.

        Returns
        -------
        tuple
            Both rows are full; the way, none if they are; the walker has been there.
        """
        width = self.profile.order_ways
        used = [Signal(width, name=f"used_{bank}") for bank in range(self.profile.order_banks)]
        m.d.comb += Cat(used).eq(self.matches.used)
        counts = [_count(bits) for bits in used]
        second = Signal()
        m.d.comb += second.eq(counts[1] < counts[0])
        free = [~bits & (bits + 1)[:width] for bits in used]
        full = Signal()
        m.d.comb += full.eq(Cat(used).all())
        ways = Value.cast(
            Cat(Mux(second, 0, free[0])[:width], Mux(second, free[1], 0)[:width]))
        passed = ~full & Mux(second, self.matches.passed[1], self.matches.passed[0])
        return full, ways, passed


def _count(bits: Value) -> Value:
    """Return how many of `bits` are set."""
    return sum((bit for bit in bits[1:]), start=bits[0])


def _one_hot(select: Value, values: list[Value]) -> Value:
    """Return the value whose select bit is set, 0 if none is."""
    masked = [value & bit.replicate(len(value)) for bit, value in zip(select, values, strict=True)]
    while len(masked) > 1:
        masked = [masked[i] | masked[i + 1] if i + 1 < len(masked) else masked[i]
                  for i in range(0, len(masked), 2)]
    return masked[0]
