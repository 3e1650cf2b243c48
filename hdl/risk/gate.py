"""The risk gate: the last block that may hold an order back; nothing goes round it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import Exposure
from hdl.orders import IntentKind, OrderIntent, OrderRequest
from hdl.profile import Profile
from hdl.records import Side, TopOfBook
from hdl.risk.book_state import BookState
from hdl.risk.evaluation import Evaluation, EvaluationState, OrderTerms
from hdl.risk.limits import CHECK_LATENCY, LimitRow
from hdl.risk.message_rate import MessageRate
from proto.checks import Check

__all__ = ["RiskGate", "Verdict"]


def Verdict(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what was decided about an intent, and what the decision knew."""
    return data.StructLayout({
        "intent": OrderIntent(profile),
        "mask": 64,                     # failed checks; 0 = the request has left
        "limits_version": 16,           # of the limit table, as the verdict fell
        "state": EvaluationState,       # ENTER only
        "waited": 1,                    # the intent did not leave, or fail, at once
    })


class RiskGate(wiring.Component):
    """Let an order out if every check passes in the cycle before it leaves.

    Latency: 0 cycles, `intents` transfer of an ENTER to ``requests.valid``, if nothing below makes
    it wait; 2 cycles for a CANCEL.

    An ENTER is the order of its side that `orders` announced 2 cycles before; the checks have run
    on both sides while the model scored, so it gets its verdict in the cycle in which it comes, and
    what leaves is the order that was judged. It waits in the slot (`busy`) if it meets a
    reservation not yet absorbed, a cancel of a sweep or a transmitter that is not ready, or comes
    in the cycle after another intent. There it is judged anew each cycle, by the limits, positions,
    prices and flags of 5 cycles ago at most, and by the rate of 1 cycle ago. ``requests.valid``
    **falls without a transfer** when an order that has not been taken must be judged again, or no
    longer passes: nothing stale leaves. After `cfg_hold_ns` a waiting order is refused (check 33);
    when killed or disarmed at once.

    A transfer of an ENTER reserves: no further one leaves until `absorbed` says that the table of
    own orders shows it, and 3 more cycles. No ENTER transfers in a cycle in which `killed` is high,
    or `armed` or `session_up` low. A CANCEL passes whatever the checks say, before every ENTER, and
    fails (check 32) only when the session is down.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    tops : ``In(stream.Signature(TopOfBook(profile), always_ready=True))``
        Books; the announced orders of an event come 2 cycles later.
    orders : ``In(OrderTerms)``
        Announced orders.
    orders_symbol : ``In(profile.symbol_bits)``
        Symbol of `orders` in the next cycle.
    intents : ``In(stream.Signature(OrderIntent(profile), always_ready=True))``
        Intents of the strategy; none while `busy`, it would be lost.
    cancels : ``In(stream.Signature(OrderIntent(profile)))``
        CANCEL intents of a sweep; an ENTER here is refused as killed. Not `ready` in the first
        cycle.
    requests : ``Out(stream.Signature(OrderRequest(profile)))``
        Orders to send; see above for ``valid``.
    verdicts : ``Out(stream.Signature(Verdict(profile), always_ready=True))``
        Exactly one an intent: the cycle after its transfer on `requests`, or after its refusal.
    busy : ``Out(1)``
        An intent waits in the slot.
    refused, refused_symbol, refused_side : ``Out``
        Pulse: an intent was refused; beside its verdict.
    symbol_index : ``Out(profile.symbol_bits)``
        Symbol whose limits and exposure are wanted in the same cycle.
    limits, limits_loaded, limits_version : ``In``
        Limits of the symbol.
    exposure, slot_free : ``In``
        Own orders of the symbol.
    absorbed : ``In(1)``
        Pulse: the last reservation shows in `exposure` from this cycle on; 2 cycles after its
        transfer at the earliest.
    tradable, spoilt, short_restricted, feed_up : ``In``
        Symbols that may be traded, whose book is stale or incomplete, and whose short sales are
        restricted; the feed is healthy.
    session_up, armed, killed : ``In(1)``
        Flags.
    now_ns : ``In(64)``
        Hardware time.
    cfg_hold_ns, cfg_interval_ns, cfg_burst_ns : ``In(32)``
        Longest wait of an intent; message rate.
    stat_waited : ``Out(1)``
        Pulse: an intent to enter could not be judged, or had to be judged again.
    stat_reserved_wait : ``Out(1)``
        High each cycle in which an intent waits for a reservation to be absorbed.
    """

    #: Cycles from `intents` transfer of an ENTER to ``requests.valid``.
    latency = 0
    #: The same of a CANCEL.
    cancel_latency = 2
    #: Cycles from `orders` to the intent to enter one of them.
    notice = CHECK_LATENCY

    def __init__(self, profile: Profile):
        self.profile = profile
        symbol = profile.symbol_bits
        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "orders": In(OrderTerms), "orders_symbol": In(symbol),
            "intents": In(stream.Signature(OrderIntent(profile), always_ready=True)),
            "cancels": In(stream.Signature(OrderIntent(profile))),
            "requests": Out(stream.Signature(OrderRequest(profile))),
            "verdicts": Out(stream.Signature(Verdict(profile), always_ready=True)),
            "busy": Out(1),
            "refused": Out(1), "refused_symbol": Out(symbol), "refused_side": Out(Side),
            "symbol_index": Out(symbol),
            "limits": In(LimitRow), "limits_loaded": In(1), "limits_version": In(16),
            "exposure": In(Exposure), "slot_free": In(1),
            "absorbed": In(1),
            "tradable": In(profile.symbols), "spoilt": In(profile.symbols),
            "short_restricted": In(profile.symbols), "feed_up": In(1),
            "session_up": In(1), "armed": In(1), "killed": In(1),
            "now_ns": In(64),
            "cfg_hold_ns": In(32), "cfg_interval_ns": In(32), "cfg_burst_ns": In(32),
            "stat_waited": Out(1), "stat_reserved_wait": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        slot = Signal(OrderIntent(self.profile), reset_less=True)
        held = Signal()           # the slot holds an intent without a verdict
        enter_held = held & (slot.kind == IntentKind.ENTER)
        out = Signal(OrderIntent(self.profile), reset_less=True)
        offered = Signal()        # `out` is offered to the transmitter, if the gate is open
        open_now = Signal()
        offers = Signal()
        from_slot = Signal(reset_less=True)   # it is the intent in the slot
        fast_passes = Signal()    # the intent that arrives is offered at once
        transfer = Signal()
        taken = Signal()          # a transfer of `out`
        intent = self.intents.p
        selling = Value.cast(intent.side)
        m.d.comb += [
            self.busy.eq(held),
            open_now.eq(self.session_up & self.armed & ~self.killed),
            offers.eq(offered & ((out.kind == IntentKind.CANCEL) | open_now)),
            self.requests.valid.eq(offers | fast_passes),
            transfer.eq(self.requests.valid & self.requests.ready),
            taken.eq(offers & self.requests.ready),
        ]

        judge, stages, rate = self._checks(m, slot, enter_held)

        # What was judged leaves, whatever the intent says of it. If it was judged at once that is
        # what was announced, as then no stage of the checks holds the slot.
        judged = Signal(OrderTerms, reset_less=True)
        announced = Signal(OrderTerms, reset_less=True)
        m.d.sync += [Value.cast(announced).eq(Value.cast(self.orders)),
                     Value.cast(judged).eq(Value.cast(announced))]
        direct = Signal(OrderRequest(self.profile))
        common = [name for name, _ in OrderRequest(self.profile) if name != "short"]
        m.d.comb += [direct[name].eq(intent[name]) for name in common]
        m.d.comb += [
            direct.kind.eq(IntentKind.ENTER),
            direct.short.eq(selling & judge.short),
            direct.symbol_index.eq(judge.judged_symbol),
            direct.price.eq(Mux(selling, judged.sell_price, judged.buy_price)),
            direct.quantity.eq(Mux(selling, judged.sell_quantity, judged.buy_quantity)),
        ]
        out_short = Signal(reset_less=True)
        m.d.comb += self.requests.p.short.eq(Mux(offered, out_short, direct.short))
        m.d.comb += [
            Value.cast(self.requests.p[name]).eq(
                Mux(offered, Value.cast(out[name]), Value.cast(direct[name])))
            for name in common]

        # No verdict on an ENTER while what it would be judged by may still change because of an
        # order that has left, nor after reset, when the checks hold nothing that was judged.
        absorbing = Signal()
        counted = Signal()        # a transfer, a cycle later: whatever leaves, leaves first
        reserved = Signal()       # the same of an ENTER
        settled = Signal()
        quiet = Signal()
        unsettled = Signal(range(Evaluation.latency + 1), init=Evaluation.latency)
        pending = Signal(range(Evaluation.latency + 2))
        arrives = Signal()
        m.d.comb += [
            arrives.eq(self.intents.valid & ~held),
            self.stat_reserved_wait.eq(enter_held & (absorbing | reserved)),
            quiet.eq(settled & ~counted),
            rate.counted.eq(counted),
        ]
        m.d.sync += [
            counted.eq(transfer),
            reserved.eq((fast_passes & self.requests.ready)
                        | (taken & (out.kind == IntentKind.ENTER))),
        ]
        with m.If(reserved):
            m.d.sync += absorbing.eq(1)
        with m.Elif(self.absorbed):
            m.d.sync += absorbing.eq(0)
        with m.If(counted | self.absorbed):
            m.d.sync += [settled.eq(0), unsettled.eq(Evaluation.latency)]
        with m.Elif((unsettled != 0) & ~absorbing):
            m.d.sync += [unsettled.eq(unsettled - 1), settled.eq(unsettled == 1)]

        # Flags that hold now.
        waited_ns = Signal(64, reset_less=True)
        since_ns = Signal(64, reset_less=True)
        old = Signal()
        with m.If(arrives):
            m.d.sync += [since_ns.eq(self.now_ns), waited_ns.eq(0), old.eq(0)]
        with m.Else():
            m.d.sync += [waited_ns.eq(self.now_ns - since_ns),
                         old.eq(held & (waited_ns > self.cfg_hold_ns))]
        shut = Signal()
        now_mask = Signal(64)
        closed = Signal()
        for check, flag in ((Check.MESSAGE_RATE, rate.failed), (Check.SESSION, ~self.session_up),
                            (Check.DISARMED, ~self.armed), (Check.KILLED, self.killed)):
            m.d.comb += now_mask[check - 1].eq(flag)
        m.d.comb += [
            closed.eq(rate.failed | ~open_now),
            shut.eq(~self.armed | self.killed | old),
        ]

        # What waits is judged a cycle later than what arrives: it has time, the other has not.
        known = Signal()          # the next three concern the slot
        slot_fails = Signal(reset_less=True)
        slot_short = Signal(reset_less=True)
        slot_mask = Signal(64, reset_less=True)
        with m.If(arrives):
            m.d.sync += pending.eq(Evaluation.latency + 1)
        with m.Elif(pending != 0):
            m.d.sync += pending.eq(pending - 1)
        m.d.sync += [
            known.eq(enter_held & quiet & (pending == 0) & stages[-1]),
            slot_fails.eq(judge.failed.bit_select(Value.cast(slot.side), 1)),
            slot_short.eq(judge.short & Value.cast(slot.side)),
            slot_mask.eq(self._mask(judge, slot)),
        ]

        # What an intent meets is known a cycle before: a sweep's cancel counts from its second
        # cycle on, and an intent in the cycle after another one waits.
        sweep = Signal()
        able = Signal()           # an intent that comes now is judged at once
        m.d.comb += self.cancels.ready.eq(sweep & ~offered)
        m.d.sync += [
            sweep.eq(self.cancels.valid & ~self.cancels.ready),
            able.eq(quiet & ~offered & ~held & ~stages[-2] & ~self.intents.valid
                    & ~self.absorbed & ~self.cancels.valid),
        ]

        # Verdicts: at most one a cycle. While something is offered, only that gets one.
        out_is_sweep = offered & ~from_slot
        cancel_dead = ~self.session_up | (self.cancels.p.kind == IntentKind.ENTER)
        out_refused = Signal()
        cancel_taken = Signal()
        cancel_refused = Signal()
        slot_refused = Signal()
        slot_passes = Signal()
        fast = Signal()
        fast_refused = Signal()
        m.d.comb += [
            out_refused.eq(out_is_sweep & ~taken & ~self.session_up),
            cancel_taken.eq(sweep & ~cancel_dead & ~offered),
            cancel_refused.eq(sweep & cancel_dead & ~offered),
            fast.eq(able & self.intents.valid & (intent.kind == IntentKind.ENTER)),
            fast_passes.eq(fast & ~closed & Mux(selling, ~judge.failed[1], ~judge.failed[0])),
            fast_refused.eq(fast & (closed | Mux(selling, judge.failed[1], judge.failed[0]))),
        ]
        with m.If(held & ~taken & ~out_is_sweep & ~cancel_refused):
            with m.If(slot.kind == IntentKind.CANCEL):
                m.d.comb += [slot_refused.eq(~self.session_up), slot_passes.eq(self.session_up)]
            with m.Elif(shut):
                m.d.comb += slot_refused.eq(1)
            with m.Elif(known & quiet):
                m.d.comb += [slot_refused.eq(slot_fails | closed),
                             slot_passes.eq(~slot_fails & ~closed & ~sweep)]

        # The way out of what waited. An order that is offered steps aside for a sweep's cancel.
        with m.If(~out_is_sweep):
            m.d.sync += from_slot.eq(~sweep | offered)
            m.d.sync += Value.cast(out).eq(Mux(
                sweep & ~offered, Value.cast(self.cancels.p), Value.cast(slot)))
        with m.If(out_is_sweep):
            m.d.sync += offered.eq(
                ~taken & self.session_up & (out.kind == IntentKind.CANCEL))
        with m.Else():
            m.d.sync += offered.eq(slot_passes | cancel_taken)
        m.d.sync += out_short.eq(slot_short & ~(sweep & ~offered))
        out_state = Signal(EvaluationState, reset_less=True)
        m.d.sync += Value.cast(out_state).eq(Value.cast(judge.state))

        # The slot: an intent stays until its verdict.
        leaves = fast_passes & self.requests.ready
        again = enter_held & offered & from_slot & ~taken
        with m.If(arrives):
            m.d.sync += held.eq(~fast_refused & ~leaves)
        with m.Elif((taken & from_slot) | slot_refused):
            m.d.sync += held.eq(0)
        with m.If(~held):
            m.d.sync += Value.cast(slot).eq(Value.cast(intent))
        m.d.sync += self.stat_waited.eq(again | (
            arrives & (intent.kind == IntentKind.ENTER) & ~fast_refused & ~leaves))

        # The record. The mask of an order that passes at once is zero by itself.
        verdict = self.verdicts.p
        session = Mux(self.session_up, 0, Check.SESSION.mask)
        refused = out_refused | cancel_refused | slot_refused | fast_refused
        slot_all = (now_mask | Mux(known & quiet, slot_mask, 0) | Mux(old, Check.AGE.mask, 0))
        # The cycle after, the intent is in the slot still; that of a sweep is in `out`.
        of_sweep = Signal(reset_less=True)
        m.d.sync += of_sweep.eq(out_is_sweep | (sweep & cancel_dead & ~offered))
        m.d.comb += Value.cast(verdict.intent).eq(
            Mux(of_sweep, Value.cast(out), Value.cast(slot)))
        m.d.sync += [
            self.verdicts.valid.eq(transfer | refused),
            self.refused.eq(refused),
            verdict.limits_version.eq(self.limits_version),
            verdict.waited.eq(held),
        ]
        with m.If(offered):
            m.d.sync += Value.cast(verdict.state).eq(Value.cast(out_state))
            with m.If(taken):
                m.d.sync += verdict.mask.eq(0)
            with m.Elif(out.kind == IntentKind.CANCEL):
                m.d.sync += verdict.mask.eq(session)
            with m.Else():
                m.d.sync += verdict.mask.eq(slot_all)
        with m.Else():
            m.d.sync += Value.cast(verdict.state).eq(
                Mux(held, Value.cast(out_state), Value.cast(judge.state)))
            with m.If(sweep & cancel_dead):
                entry = self.cancels.p.kind == IntentKind.ENTER
                m.d.sync += verdict.mask.eq(session | Mux(entry, Check.KILLED.mask, 0))
            with m.Elif(held):
                with m.If(slot.kind == IntentKind.CANCEL):
                    m.d.sync += verdict.mask.eq(session)
                with m.Else():
                    m.d.sync += verdict.mask.eq(slot_all)
            with m.Else():
                m.d.sync += verdict.mask.eq(now_mask | self._mask(judge, intent))
        m.d.comb += [self.refused_symbol.eq(verdict.intent.symbol_index),
                     self.refused_side.eq(verdict.intent.side)]
        return m

    def _mask(self, judge, intent):
        """Return the failed checks of an intent that the evaluation concerns."""
        return Mux(Value.cast(intent.side), judge.masks[1], judge.masks[0])

    def _checks(self, m, slot, enter_held):
        """Join the checks; return evaluation, whether its stages hold the slot, and rate."""
        m.submodules.books = books = BookState(self.profile)
        m.submodules.evaluation = judge = Evaluation(self.profile)
        m.submodules.message_rate = rate = MessageRate()
        m.d.comb += [
            books.tops.valid.eq(self.tops.valid),
            Value.cast(books.tops.p).eq(Value.cast(self.tops.p)),
            books.tradable.eq(self.tradable),
            books.spoilt.eq(self.spoilt),
            books.short_restricted.eq(self.short_restricted),
            books.feed_up.eq(self.feed_up),
            books.symbol_index.eq(self.symbol_index),
            judge.symbol_index.eq(self.symbol_index),
            Value.cast(judge.limits).eq(Value.cast(self.limits)),
            judge.loaded.eq(self.limits_loaded),
            Value.cast(judge.exposure).eq(Value.cast(self.exposure)),
            judge.slot_free.eq(self.slot_free),
            judge.reference.eq(books.reference),
            judge.best_bid.eq(books.best_bid),
            judge.price_test.eq(books.price_test),
            judge.halted.eq(books.halted),
            judge.unusable.eq(books.unusable),
            rate.now_ns.eq(self.now_ns),
            rate.cfg_interval_ns.eq(self.cfg_interval_ns),
            rate.cfg_burst_ns.eq(self.cfg_burst_ns),
        ]

        # An intent that waits is judged instead of what is announced; a register says so, as the
        # symbol's choice is before every look-up.
        turn = Signal(init=1)
        stages = [Signal(name=f"of_slot_{n}", init=1) for n in range(Evaluation.latency)]
        m.d.sync += Cat(turn, stages).eq(Cat(enter_held, turn, *stages[:-1]))
        m.d.comb += [self.symbol_index.eq(self.orders_symbol),
                     Value.cast(judge.orders).eq(Value.cast(self.orders))]
        with m.If(turn):
            m.d.comb += self.symbol_index.eq(slot.symbol_index)
        with m.If(stages[0]):
            m.d.comb += [
                judge.orders.buy_price.eq(slot.price), judge.orders.sell_price.eq(slot.price),
                judge.orders.buy_quantity.eq(slot.quantity),
                judge.orders.sell_quantity.eq(slot.quantity),
            ]
        return judge, stages, rate
