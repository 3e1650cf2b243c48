"""The life of orders as event records: sent, refused, answered, and the state round them."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.order.soupbin_session import SessionState
from hdl.orders import IntentKind, OrderSent, VenueAnswer
from hdl.profile import Profile
from hdl.records import TAG_BITS, MessageContext
from hdl.risk.gate import Verdict
from hdl.telemetry.event_ring import EventRing
from hdl.telemetry.refusal_journal import RefusalJournal, order_flags
from proto import events
from proto.events import (
    EVENT_BYTES,
    HEADER,
    NO_SYMBOL,
    SCHEMA_VERSION,
    EventKind,
    OrderFlag,
    StateFlag,
)

__all__ = ["OrderRecorder", "TradingState"]

_BODY_BITS = 8 * (EVENT_BYTES - HEADER.size)
_LATENCY_BITS = 16
#: Refusals that were only counted are reported when this bit of the time changes, or a higher one
#: of `_SLOT_BITS`: within 0.53 ms.
_SLOT_BIT, _SLOT_BITS = 18, 8

#: What a record of the state tells.
TradingState = data.StructLayout({
    "armed": 1, "killed": 1, "feed_up": 1, "session_up": 1, "model_loaded": 1,
    "cause": 8,
    "tcp_state": TcpState, "close_reason": CloseReason, "session_state": SessionState,
    "reject_reason": 8,
    "epoch": 16, "limits_version": 16,
})

#: What the ring keeps of a record.
_Stored = data.StructLayout({
    "kind": 3, "symbol_index": 16, "event_sequence": 32, "cycle": 48, "body": _BODY_BITS,
})


class OrderRecorder(wiring.Component):
    """Record orders, refusals, answers and changes of state; class 1: nothing may be lost.

    Latency: 6 cycles, `sent` transfer to ``events.valid``, ring empty, nothing else to record.
    Throughput: 1 record per cycle in, 1 per 2 cycles out; at most one order in 4 cycles, one answer
    in 4 cycles and one refusal in 2 cycles.

    `nearly_full` asks to stop trading; half of the ring is left then for what is still under way.
    Should that not be enough, `lost` pulses.

    Parameters
    ----------
    profile : :class:`Profile`
        ``event_ring_bytes``: a quarter of it is the size of this ring.
    ingress_cycles : int
        From the pins to the stamp of a frame's Start.

    Members
    -------
    sent : ``In(stream.Signature(OrderSent(profile), always_ready=True))``
        Frames that have begun.
    verdicts : ``In(stream.Signature(Verdict(profile), always_ready=True))``
        What was decided; that an intent passed comes together with its `sent`.
    answers : ``In(stream.Signature(VenueAnswer, always_ready=True))``
        What the venue said.
    decided : ``In(1)``
        Pulse: the gate takes an intent of the strategy.
    context_tag : ``Out(TAG_BITS)``
        Tag of the order at `sent`.
    context : ``In(MessageContext)``
        Its context, one cycle later.
    state, cash, turnover, session_sequence, next_user_ref_num : ``In``
        State; a change of `state` makes a record.
    now_cycles, now_ns : ``In(48)``, ``In(64)``
        Cycle counter and time.
    events : ``Out(stream.Signature(512))``
        Records, byte 0 in the lowest bits.
    measured, latency_cycles : ``Out(1)``, ``Out(48)``
        Pulse: an order to enter took so long, Start to Start at the pins.
    nearly_full, empty, lost : ``Out(1)``
        See above; nothing is left to report.
    """

    def __init__(self, profile: Profile, *, ingress_cycles: int):
        self.profile = profile
        self.ingress_cycles = ingress_cycles
        super().__init__({
            "sent": In(stream.Signature(OrderSent(profile), always_ready=True)),
            "verdicts": In(stream.Signature(Verdict(profile), always_ready=True)),
            "answers": In(stream.Signature(VenueAnswer, always_ready=True)),
            "decided": In(1),
            "context_tag": Out(TAG_BITS), "context": In(MessageContext),
            "state": In(TradingState),
            "cash": In(signed(64)), "turnover": In(64),
            "session_sequence": In(64), "next_user_ref_num": In(32),
            "now_cycles": In(48), "now_ns": In(64),
            "events": Out(stream.Signature(8 * EVENT_BYTES)),
            "measured": Out(1), "latency_cycles": Out(48),
            "nearly_full": Out(1), "empty": Out(1), "lost": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.journal = journal = RefusalJournal(self.profile)
        m.submodules.ring = ring = EventRing(
            _Stored, self.profile.event_ring_bytes // EVENT_BYTES // 4)
        m.d.comb += [
            journal.verdicts.valid.eq(self.verdicts.valid),
            Value.cast(journal.verdicts.p).eq(Value.cast(self.verdicts.p)),
        ]

        order_waits, order_lost, order = self._order(m)
        answer_waits = Signal()
        answer = Signal(VenueAnswer, reset_less=True)
        answer_ns = Signal(64, reset_less=True)
        answer_cycles = Signal(48, reset_less=True)
        reported = Signal(TradingState)
        changed = Signal()
        m.d.comb += changed.eq(Value.cast(self.state) != Value.cast(reported))

        slot = Signal(_SLOT_BITS)
        new_slot = Signal()
        m.d.sync += [slot.eq(self.now_ns[_SLOT_BIT:]),
                     new_slot.eq(self.now_ns[_SLOT_BIT:][:_SLOT_BITS] != slot)]

        # One a cycle; refusals first, as only they come often.
        chosen = Signal(_Stored)
        store = Signal()
        take_order, take_answer = Signal(), Signal()
        refused = journal.refusals.p
        m.d.comb += [
            journal.flush.eq(order_waits | answer_waits | changed | new_slot),
            store.eq(1), chosen.symbol_index.eq(NO_SYMBOL), chosen.cycle.eq(self.now_cycles),
        ]
        with m.If(journal.refusals.valid):
            m.d.comb += [
                journal.refusals.ready.eq(1),
                chosen.kind.eq(int(EventKind.ORDER_REFUSED)),
                chosen.symbol_index.eq(refused.symbol_index),
                chosen.body.eq(_body(events.ORDER_REFUSED, refused)),
            ]
        with m.Elif(order_waits):
            m.d.comb += [
                take_order.eq(1),
                chosen.kind.eq(int(EventKind.ORDER_SENT)),
                chosen.symbol_index.eq(order["symbol_index"]),
                chosen.cycle.eq(order["cycle"]),
                chosen.body.eq(_body(events.ORDER_SENT, order)),
            ]
        with m.Elif(answer_waits):
            m.d.comb += [
                take_answer.eq(1),
                chosen.kind.eq(int(EventKind.VENUE_ANSWER)),
                chosen.cycle.eq(answer_cycles),
                chosen.body.eq(_body(events.VENUE_ANSWER, {
                    "now_ns": answer_ns, "venue_ns": answer.timestamp_ns,
                    "order_reference": answer.order_reference,
                    "session_sequence": answer.sequence, "user_ref_num": answer.user_ref_num,
                    "quantity": answer.quantity, "price": answer.price,
                    "reason": answer.reason, "answer": answer.kind,
                })),
            ]
        with m.Elif(changed):
            flags = Cat(self.state.armed, self.state.killed, self.state.feed_up,
                        self.state.session_up, self.state.model_loaded)
            assert [flag.value for flag in StateFlag] == [1 << bit for bit in range(len(flags))]
            m.d.comb += [
                chosen.kind.eq(int(EventKind.STATE)),
                chosen.body.eq(_body(events.STATE, {
                    "now_ns": self.now_ns, "cash": self.cash, "turnover": self.turnover,
                    "session_sequence": self.session_sequence,
                    "next_user_ref_num": self.next_user_ref_num, "flags": flags,
                    **{name: self.state[name] for name in (
                        "epoch", "limits_version", "cause", "tcp_state", "close_reason",
                        "session_state", "reject_reason")},
                })),
            ]
            m.d.sync += Value.cast(reported).eq(Value.cast(self.state))
        with m.Else():
            m.d.comb += store.eq(0)

        with m.If(take_order):
            m.d.sync += order_waits.eq(0)
        with m.If(self.answers.valid):
            m.d.sync += [
                answer_waits.eq(1), Value.cast(answer).eq(Value.cast(self.answers.p)),
                answer_ns.eq(self.now_ns), answer_cycles.eq(self.now_cycles),
            ]
        with m.Elif(take_answer):
            m.d.sync += answer_waits.eq(0)

        # Number and keep.
        sequence = Signal(32)
        record = Signal(_Stored, reset_less=True)
        writing = Signal()
        m.d.sync += [
            Value.cast(record).eq(Value.cast(chosen)), record.event_sequence.eq(sequence),
            sequence.eq(sequence + store), writing.eq(store),
        ]
        shown = ring.records.p
        m.d.comb += [
            ring.store.eq(writing), Value.cast(ring.record).eq(Value.cast(record)),
            self.events.valid.eq(ring.records.valid), ring.records.ready.eq(self.events.ready),
            self.events.payload.eq(_pack(HEADER, {
                "schema_version": C(SCHEMA_VERSION, 8), "kind": shown.kind,
                "symbol_index": shown.symbol_index, "event_sequence": shown.event_sequence,
                "cycle": shown.cycle}, more=shown.body)),
            self.nearly_full.eq(ring.nearly_full),
            self.empty.eq(ring.empty & ~writing & ~store & ~order_lost["busy"] & journal.empty),
        ]
        m.d.sync += self.lost.eq(ring.lost | journal.lost | order_lost["lost"]
                                 | (self.answers.valid & answer_waits & ~take_answer))

        return m

    def _order(self, m):
        """Gather what is known of an order that has begun; return whether it waits, and it."""
        intent_cycle = Signal(48, reset_less=True)
        with m.If(self.decided):
            m.d.sync += intent_cycle.eq(self.now_cycles)

        sent = self.sent.p
        began = Signal(OrderSent(self.profile), reset_less=True)
        score = Signal.like(self.verdicts.p.intent.score, reset_less=True)
        epoch = Signal.like(self.verdicts.p.intent.epoch, reset_less=True)
        version = Signal.like(self.verdicts.p.limits_version, reset_less=True)
        flags = Signal(8, reset_less=True)
        decision = Signal(48, reset_less=True)
        fresh, waits = Signal(), Signal()
        feed_sequence = Signal(64, reset_less=True)
        caused = Signal()
        m.d.comb += [self.context_tag.eq(sent.tag), caused.eq(began.start_cycles != 0)]
        m.d.sync += fresh.eq(self.sent.valid)
        with m.If(self.sent.valid):
            verdict = self.verdicts.p
            m.d.sync += [
                Value.cast(began).eq(Value.cast(sent)),
                score.eq(verdict.intent.score), epoch.eq(verdict.intent.epoch),
                version.eq(verdict.limits_version),
                flags.eq(order_flags(sent, waited=verdict.waited)
                         | Mux(sent.short, int(OrderFlag.SHORT), 0)),
                decision.eq(Mux(sent.start_cycles == 0, 0, intent_cycle)),
            ]
        latency = Signal(48, reset_less=True)
        with m.If(fresh):
            remembered = self.context.start_cycles == began.start_cycles
            m.d.sync += [
                waits.eq(1),
                feed_sequence.eq(Mux(caused & remembered, self.context.sequence, 0)),
                latency.eq(Mux(caused, began.egress_cycles - began.start_cycles
                               + self.ingress_cycles, 0)),
            ]
        m.d.sync += self.measured.eq(fresh & caused & (began.kind == IntentKind.ENTER))
        m.d.comb += self.latency_cycles.eq(latency)

        lost = Signal()
        m.d.comb += lost.eq(self.sent.valid & (fresh | waits))
        return waits, {"lost": lost, "busy": fresh | self.sent.valid}, {
            "symbol_index": began.symbol_index, "cycle": began.egress_cycles,
            "feed_sequence": feed_sequence, "ingress_cycle": began.start_cycles,
            "decision_cycle": decision, "user_ref_num": began.user_ref_num,
            "quantity": began.quantity, "price": began.price, "score": score, "epoch": epoch,
            "limits_version": version, "flags": flags,
            "latency": Mux(latency[_LATENCY_BITS:].any(), (1 << _LATENCY_BITS) - 1,
                           latency[:_LATENCY_BITS]),
        }


def _pack(fields, values, *, more=None) -> Value:
    """Return `values` laid out as a table of fields has them, and `more` after them."""
    parts = []
    for field in fields:
        value = C(0, field.bits) if field.name == "reserved" else Value.cast(values[field.name])
        parts.append(value[:field.bits] if len(value) >= field.bits
                     else Cat(value, C(0, field.bits - len(value))))
    return Value.cast(Cat(*parts) if more is None else Cat(*parts, more))


def _body(message, values) -> Value:
    """Return what follows the header of a record."""
    return _pack(message.fields[len(HEADER.fields):], values)
