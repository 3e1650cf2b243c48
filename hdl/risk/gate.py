"""The risk gate: the last block that may hold an order back; nothing goes round it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import Exposure
from hdl.orders import IntentKind, OrderIntent, OrderRequest
from hdl.profile import Profile
from hdl.records import Side, TopOfBook
from hdl.risk.book_state import BookState
from hdl.risk.evaluation import Evaluation, EvaluationState, OrderPair
from hdl.risk.limits import LimitRow
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

    Latency: 1 cycle, `intents` transfer to ``requests.valid``, if the intent is one of the two
    orders that `orders` announced at least 4 cycles before, and nothing below makes it wait.

    The checks run on the announced orders while the model scores. An intent that matches price,
    quantity, symbol and side gets its verdict at once. Any other waits in the slot (`busy`), and so
    does one that meets a reservation not yet absorbed or a transmitter that is not ready: there it
    is judged anew each cycle, by the limits, positions, prices and flags of 6 cycles ago at most;
    arming, kill, session and rate of 1 cycle ago. ``requests.valid`` **falls without a transfer**
    when an order that has not been taken must be judged again, or no longer passes: nothing stale
    leaves. After `cfg_hold_ns` a waiting order is refused (check 33); when killed or disarmed at
    once.

    A transfer of an ENTER reserves: no further one leaves until `absorbed` says that the table of
    own orders shows it, and 4 more cycles. With `killed` high in cycle t no ENTER
    transfers from t + 1 on. A CANCEL passes whatever the checks say, before every ENTER, and fails
    (check 32) only when the session is down.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    tops : ``In(stream.Signature(TopOfBook(profile), always_ready=True))``
        Books; the announced orders of an event come 2 cycles later.
    orders : ``In(OrderPair(profile))``
        Announced orders; they stay until the next ones.
    intents : ``In(stream.Signature(OrderIntent(profile)))``
        Intents of the strategy; ``ready`` while the slot is free.
    cancels : ``In(stream.Signature(OrderIntent(profile)))``
        CANCEL intents of a sweep; an ENTER here is refused as killed.
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
        Pulse: the last reservation shows in `exposure` from this cycle on.
    tradable, feed_up : ``In``
        Symbols that may be traded; the feed is healthy.
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

    #: Cycles from `intents` transfer to ``requests.valid``.
    latency = 1

    def __init__(self, profile: Profile):
        self.profile = profile
        symbol = profile.symbol_bits
        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "orders": In(OrderPair(profile)),
            "intents": In(stream.Signature(OrderIntent(profile))),
            "cancels": In(stream.Signature(OrderIntent(profile))),
            "requests": Out(stream.Signature(OrderRequest(profile))),
            "verdicts": Out(stream.Signature(Verdict(profile), always_ready=True)),
            "busy": Out(1),
            "refused": Out(1), "refused_symbol": Out(symbol), "refused_side": Out(Side),
            "symbol_index": Out(symbol),
            "limits": In(LimitRow), "limits_loaded": In(1), "limits_version": In(16),
            "exposure": In(Exposure), "slot_free": In(1),
            "absorbed": In(1),
            "tradable": In(profile.symbols), "feed_up": In(1),
            "session_up": In(1), "armed": In(1), "killed": In(1),
            "now_ns": In(64),
            "cfg_hold_ns": In(32), "cfg_interval_ns": In(32), "cfg_burst_ns": In(32),
            "stat_waited": Out(1), "stat_reserved_wait": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        slot = Signal(OrderIntent(self.profile), reset_less=True)
        held = Signal()           # the slot holds an intent without a verdict
        late = Signal(reset_less=True)        # it could not leave at once
        enter_held = held & (slot.kind == IntentKind.ENTER)
        out = Signal(OrderIntent(self.profile), reset_less=True)
        offered = Signal()        # `out` is offered to the transmitter
        from_slot = Signal(reset_less=True)   # it is the intent in the slot
        transfer = Signal()
        m.d.comb += [
            self.busy.eq(held & late),
            self.intents.ready.eq(~held),
            self.requests.valid.eq(offered),
            transfer.eq(offered & self.requests.ready),
        ]
        m.d.comb += [self.requests.p[name].eq(out[name])
                     for name, _ in OrderRequest(self.profile)]

        judge, rate = self._checks(m, slot, enter_held, transfer)

        # No verdict on an ENTER while what it would be judged by may still change because of an
        # order that has left, nor after reset, when the checks hold nothing that was judged.
        absorbing = Signal()
        quiet = Signal()
        unsettled = Signal(range(Evaluation.latency + 1), init=Evaluation.latency)
        pending = Signal(range(Evaluation.latency))
        arrives = Signal()
        m.d.comb += [
            arrives.eq(self.intents.valid & ~held),
            self.stat_reserved_wait.eq(enter_held & absorbing),
        ]
        with m.If(transfer & (out.kind == IntentKind.ENTER)):
            m.d.sync += absorbing.eq(1)
        with m.Elif(self.absorbed):
            m.d.sync += absorbing.eq(0)
        with m.If(transfer | self.absorbed):
            m.d.sync += [quiet.eq(0), unsettled.eq(Evaluation.latency)]
        with m.Elif((unsettled != 0) & ~absorbing):
            m.d.sync += [unsettled.eq(unsettled - 1), quiet.eq(unsettled == 1)]

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
            closed.eq(rate.failed | ~self.session_up | ~self.armed | self.killed),
            shut.eq(~self.armed | self.killed | old),
        ]

        intent = self.intents.p
        enters = arrives & (intent.kind == IntentKind.ENTER)
        intent_fails = judge.failed.bit_select(Value.cast(intent.side), 1)

        # What waits is judged a cycle later than what arrives: it has time, the other has not.
        known = Signal()          # the next three concern the slot
        slot_fails = Signal(reset_less=True)
        slot_mask = Signal(64, reset_less=True)
        with m.If(arrives):
            m.d.sync += pending.eq(Evaluation.latency - 1)
        with m.Elif(pending != 0):
            m.d.sync += pending.eq(pending - 1)
        m.d.sync += [
            known.eq(enter_held & quiet & (pending == 0) & self._fits(m, judge, slot, "slot")),
            slot_fails.eq(judge.failed.bit_select(Value.cast(slot.side), 1)),
            slot_mask.eq(self._mask(judge, slot)),
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
            out_refused.eq(out_is_sweep & ~transfer & ~self.session_up),
            cancel_taken.eq(self.cancels.valid & ~cancel_dead & ~offered),
            cancel_refused.eq(self.cancels.valid & cancel_dead & ~offered),
            self.cancels.ready.eq(~offered),
            # An intent that arrives is judged at once only if nothing else wants the way out.
            fast.eq(self._fits(m, judge, intent, "intent")
                    & (enters & quiet & ~offered & ~self.cancels.valid)),
            fast_refused.eq(fast & (intent_fails | closed)),
        ]
        with m.If(held & ~transfer & ~out_is_sweep & ~cancel_refused):
            with m.If(slot.kind == IntentKind.CANCEL):
                m.d.comb += [slot_refused.eq(~self.session_up), slot_passes.eq(self.session_up)]
            with m.Elif(shut):
                m.d.comb += slot_refused.eq(1)
            with m.Elif(known & quiet):
                m.d.comb += [slot_refused.eq(slot_fails | closed),
                             slot_passes.eq(~slot_fails & ~closed & ~self.cancels.valid)]

        # The way out. An order that is offered steps aside for a sweep's cancel.
        with m.If(~out_is_sweep):
            m.d.sync += from_slot.eq(~self.cancels.valid | offered)
            m.d.sync += Value.cast(out).eq(Mux(
                self.cancels.valid & ~offered, Value.cast(self.cancels.p),
                Mux(held, Value.cast(slot), Value.cast(intent))))
        with m.If(out_is_sweep):
            m.d.sync += offered.eq(
                ~transfer & self.session_up & (out.kind == IntentKind.CANCEL))
        with m.Elif(held):
            m.d.sync += offered.eq(slot_passes | cancel_taken)
        with m.Else():
            m.d.sync += offered.eq((fast & ~intent_fails & ~closed) | cancel_taken)
        out_state = Signal(EvaluationState, reset_less=True)
        m.d.sync += Value.cast(out_state).eq(Value.cast(judge.state))

        # The slot: an intent stays until its verdict.
        again = enter_held & offered & from_slot & ~transfer
        with m.If(arrives):
            m.d.sync += [held.eq(~fast_refused), late.eq(~fast)]
        with m.Else():
            m.d.sync += late.eq(late | again)
            with m.If((transfer & from_slot) | slot_refused):
                m.d.sync += held.eq(0)
        with m.If(~held):
            m.d.sync += Value.cast(slot).eq(Value.cast(intent))
        m.d.sync += self.stat_waited.eq((enters & ~fast) | again)

        # The record.
        verdict = self.verdicts.p
        session = Mux(self.session_up, 0, Check.SESSION.mask)
        refused = out_refused | cancel_refused | slot_refused | fast_refused
        slot_all = (now_mask | Mux(known & quiet, slot_mask, 0) | Mux(old, Check.AGE.mask, 0))
        m.d.sync += [
            self.verdicts.valid.eq(transfer | refused),
            self.refused.eq(refused),
            verdict.limits_version.eq(self.limits_version),
            verdict.waited.eq(late & held),
        ]
        with m.If(offered):
            m.d.sync += [Value.cast(verdict.intent).eq(Value.cast(out)),
                         Value.cast(verdict.state).eq(Value.cast(out_state))]
            with m.If(transfer):
                m.d.sync += verdict.mask.eq(0)
            with m.Elif(out.kind == IntentKind.CANCEL):
                m.d.sync += verdict.mask.eq(session)
            with m.Else():
                m.d.sync += verdict.mask.eq(slot_all)
        with m.Else():
            m.d.sync += Value.cast(verdict.state).eq(
                Mux(held, Value.cast(out_state), Value.cast(judge.state)))
            with m.If(self.cancels.valid & cancel_dead):
                entry = self.cancels.p.kind == IntentKind.ENTER
                m.d.sync += [Value.cast(verdict.intent).eq(Value.cast(self.cancels.p)),
                             verdict.mask.eq(session | Mux(entry, Check.KILLED.mask, 0))]
            with m.Elif(held):
                m.d.sync += Value.cast(verdict.intent).eq(Value.cast(slot))
                with m.If(slot.kind == IntentKind.CANCEL):
                    m.d.sync += verdict.mask.eq(session)
                with m.Else():
                    m.d.sync += verdict.mask.eq(slot_all)
            with m.Else():
                m.d.sync += [Value.cast(verdict.intent).eq(Value.cast(intent)),
                             verdict.mask.eq(now_mask | self._mask(judge, intent))]
        m.d.comb += [self.refused_symbol.eq(verdict.intent.symbol_index),
                     self.refused_side.eq(verdict.intent.side)]
        return m

    def _mask(self, judge, intent):
        """Return the failed checks of an intent that the evaluation concerns."""
        return Mux(Value.cast(intent.side), judge.masks[1], judge.masks[0])

    def _checks(self, m, slot, enter_held, transfer):
        """Join the checks; return the evaluation and the rate check."""
        m.submodules.books = books = BookState(self.profile)
        m.submodules.evaluation = judge = Evaluation(self.profile)
        m.submodules.message_rate = rate = MessageRate()
        m.d.comb += [
            books.tops.valid.eq(self.tops.valid),
            Value.cast(books.tops.p).eq(Value.cast(self.tops.p)),
            books.tradable.eq(self.tradable),
            books.feed_up.eq(self.feed_up),
            books.symbol_index.eq(judge.symbol_index),
            self.symbol_index.eq(judge.symbol_index),
            Value.cast(judge.limits).eq(Value.cast(self.limits)),
            judge.loaded.eq(self.limits_loaded),
            Value.cast(judge.exposure).eq(Value.cast(self.exposure)),
            judge.slot_free.eq(self.slot_free),
            judge.reference.eq(books.reference),
            judge.halted.eq(books.halted),
            judge.unusable.eq(books.unusable),
            rate.now_ns.eq(self.now_ns),
            rate.counted.eq(transfer),
            rate.cfg_interval_ns.eq(self.cfg_interval_ns),
            rate.cfg_burst_ns.eq(self.cfg_burst_ns),
            Value.cast(judge.orders).eq(Value.cast(self.orders)),
        ]
        with m.If(enter_held):
            m.d.comb += [
                judge.orders.symbol_index.eq(slot.symbol_index),
                judge.orders.buy_price.eq(slot.price), judge.orders.sell_price.eq(slot.price),
                judge.orders.buy_quantity.eq(slot.quantity),
                judge.orders.sell_quantity.eq(slot.quantity),
            ]
        return judge, rate

    def _fits(self, m, judge, intent, name):
        """Return whether the evaluation concerns an intent."""
        selling = Value.cast(intent.side)
        judged = judge.judged
        fits = Signal(name=f"{name}_fits")
        m.d.comb += fits.eq(
            Cat(intent.price, intent.quantity, intent.symbol_index) == Cat(
                Mux(selling, judged.sell_price, judged.buy_price),
                Mux(selling, judged.sell_quantity, judged.buy_quantity),
                judged.symbol_index))
        return fits
