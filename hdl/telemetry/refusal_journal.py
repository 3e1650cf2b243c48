"""Refusals of the risk gate, those in a row that are alike as one."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import WORST_BITS
from hdl.orders import SCORE_BITS, IntentKind, TimeInForce
from hdl.profile import Profile
from hdl.risk.gate import Verdict
from hdl.risk.limits import OPEN_ORDER_BITS
from proto.checks import Check
from proto.events import NO_SYMBOL, OrderFlag

__all__ = ["Refusals", "RefusalJournal", "order_flags"]

#: Refusals that are reported together; fields as in the record.
Refusals = data.StructLayout({
    "symbol_index": 16,
    "ingress_cycle": 48,
    "mask": 64,
    "quantity": 32, "price": 32,
    "score": SCORE_BITS,
    "reference_price": 32,
    "worst_position": 32,
    "count": 32,
    "open_orders": OPEN_ORDER_BITS,
    "limits_version": 16,
    "epoch": 16,
    "flags": max(OrderFlag).bit_length(),
})


#: Bits of the checks' mask that are compared together.
_COMPARED_BITS = 16


def order_flags(order, *, waited) -> Value:
    """Return the `OrderFlag` bits of an intent, a request or the like."""
    return (Mux(order.kind == IntentKind.CANCEL, int(OrderFlag.CANCEL), 0)
            | Mux(Value.cast(order.side), int(OrderFlag.SELL), 0)
            | Mux(order.time_in_force == TimeInForce.DAY, int(OrderFlag.DAY), 0)
            | Mux(waited, int(OrderFlag.WAITED), 0))


class RefusalJournal(wiring.Component):
    """Hold the last refusals until something else happens, and count those that are alike.

    Latency: 2 cycles, `verdicts` transfer of a refusal unlike the one before to `refusals.valid`.
    One that is like the one before waits until another kind of refusal, or `flush`. Alike are: same
    symbol, flags and mask; two cancels; two orders refused while disarmed or killed. Throughput: 1
    refusal per 2 cycles while `refusals` are taken at once.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    verdicts : ``In(stream.Signature(Verdict(profile), always_ready=True))``
        Verdicts; those that passed are ignored.
    flush : ``In(1)``
        Report what was counted now.
    refusals : ``Out(stream.Signature(Refusals))``
        What to report; while ``valid`` waits, ``count`` and the values may still move on.
    empty : ``Out(1)``
        Nothing is held that was not reported.
    lost : ``Out(1)``
        Pulse: refusals unlike each other came faster than they were taken.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "verdicts": In(stream.Signature(Verdict(profile), always_ready=True)),
            "flush": In(1),
            "refusals": Out(stream.Signature(Refusals)),
            "empty": Out(1), "lost": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # The verdict as it will be reported.
        verdict = self.verdicts.p
        intent = verdict.intent
        selling = Value.cast(intent.side)
        worst = Signal(signed(WORST_BITS))
        m.d.comb += worst.eq(Mux(selling, verdict.state.worst_short, verdict.state.worst_long))

        def fits(value):
            return ~value[31:].any() | value[31:].all()

        flags = Signal(Refusals["flags"].shape)
        m.d.comb += flags.eq(order_flags(intent, waited=verdict.waited))
        # The worst position as it is; what it saturates at is found out in the next cycle.
        new = Signal(Refusals, reset_less=True)
        negative, whole = Signal(reset_less=True), Signal(reset_less=True)
        arrived = Signal()
        refused = self.verdicts.valid & verdict.mask.any()
        m.d.sync += arrived.eq(refused)
        with m.If(refused):
            m.d.sync += [
                new.symbol_index.eq(intent.symbol_index),
                new.ingress_cycle.eq(intent.start_cycles),
                new.mask.eq(verdict.mask),
                new.quantity.eq(intent.quantity), new.price.eq(intent.price),
                new.score.eq(intent.score), new.epoch.eq(intent.epoch),
                new.reference_price.eq(verdict.state.reference),
                new.worst_position.eq(worst[:32]), negative.eq(worst[-1]),
                whole.eq(Mux(selling, fits(verdict.state.worst_short),
                             fits(verdict.state.worst_long))),
                new.open_orders.eq(verdict.state.open_orders),
                new.limits_version.eq(verdict.limits_version),
                new.flags.eq(flags),
            ]

        # Alike? All that are counted together are of one group, or the same: so each is compared
        # with the one before it, as it comes.
        held = Signal(Refusals, reset_less=True)
        holds = Signal()            # `held` has something that was not reported
        cancel, waited = int(OrderFlag.CANCEL), int(OrderFlag.WAITED)
        stops = Check.DISARMED.mask | Check.KILLED.mask

        def group(flags, mask):
            cancels = (flags & cancel) != 0
            return Cat(cancels, ~cancels & ((mask & stops) != 0))

        same_symbol, same_flags, same_group = (Signal(name=name, reset_less=True) for name in (
            "same_symbol", "same_flags", "same_group"))
        same_mask = Signal(len(verdict.mask) // _COMPARED_BITS, reset_less=True)
        m.d.sync += [
            same_symbol.eq(new.symbol_index == intent.symbol_index),
            same_flags.eq((new.flags & ~waited) == (flags & ~waited)),
            same_group.eq((group(new.flags, new.mask) & group(flags, verdict.mask)).any()),
            *(same_mask[part].eq(new.mask.word_select(part, _COMPARED_BITS)
                                 == verdict.mask.word_select(part, _COMPARED_BITS))
              for part in range(len(same_mask))),
        ]
        known = Signal()
        mixed = Signal()            # `held` has several symbols
        alike = Signal()
        m.d.comb += alike.eq(known & ((same_symbol & same_flags & same_mask.all()) | same_group))

        # `held` is reported when `due`. If another kind comes while it counts, that stays in `new`
        # until `held` has been taken: `follows`.
        due, follows = Signal(), Signal()
        taken = Signal()
        counted = Signal()          # `held` has something that is not being reported
        moves, adds = Signal(), Signal()
        m.d.comb += [
            self.refusals.valid.eq(due), Value.cast(self.refusals.p).eq(Value.cast(held)),
            taken.eq(self.refusals.ready & due),
            counted.eq(holds & ~taken),
            self.empty.eq(~arrived & ~holds),
        ]
        m.d.sync += self.lost.eq(arrived & follows)
        with m.If(taken):
            m.d.sync += [due.eq(0), holds.eq(0)]
        with m.Elif(holds & self.flush):
            m.d.sync += due.eq(1)
        with m.If(arrived & ~follows):
            m.d.sync += known.eq(1)
            m.d.comb += [moves.eq(alike | ~counted), adds.eq(alike & counted)]
            with m.If(~alike):
                m.d.sync += [due.eq(1), follows.eq(counted)]
        with m.Elif(taken & follows):
            m.d.sync += [due.eq(1), follows.eq(0)]
            m.d.comb += moves.eq(1)
        with m.If(moves):
            m.d.sync += [
                Value.cast(held).eq(Value.cast(new)), holds.eq(1),
                held.count.eq(Mux(adds, held.count, 0) + 1),
                held.mask.eq(Mux(adds, held.mask, 0) | new.mask),
                held.worst_position.eq(Mux(whole, new.worst_position,
                                           Cat((~negative).replicate(31), negative))),
                mixed.eq(adds & (mixed | ~same_symbol)),
            ]
            with m.If(adds & (mixed | ~same_symbol)):
                m.d.sync += held.symbol_index.eq(NO_SYMBOL)

        return m
