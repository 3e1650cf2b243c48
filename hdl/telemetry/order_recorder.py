"""The life of orders as event records: sent, refused, answered, and the state round them."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.one_hot import pick
from hdl.order.soupbin_session import SessionState
from hdl.orders import IntentKind, OrderSent, VenueAnswer
from hdl.profile import Profile
from hdl.records import TAG_BITS, MessageContext
from hdl.risk.gate import Verdict
from hdl.telemetry.event_ring import EventRing, RecordRow
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

_BODIES = tuple(message.fields[len(HEADER.fields):] for message in (
    events.ORDER_SENT, events.ORDER_REFUSED, events.VENUE_ANSWER, events.STATE))
#: Bits behind the header; those at the end are the same of all and reserved.
_BODY_BITS = 8 * (EVENT_BYTES - HEADER.size) - min(
    body[-1].bits if body[-1].name == "reserved" else 0 for body in _BODIES)
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


class OrderRecorder(wiring.Component):
    """Record orders, refusals, answers and changes of state; class 1: nothing may be lost.

    Latency: 6 cycles, `sent` transfer to ``events.valid``, ring empty, nothing else to record,
    context not busy.
    Throughput: 1 record per cycle in, 1 row per cycle out; at most one order in 4 cycles, one
    answer in 4 cycles and one refusal in 2 cycles.

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
    context_busy : ``In(1)``
        It cannot be looked up in this cycle; `context_tag` stays.
    context : ``In(MessageContext)``
        Its context, one cycle later.
    state, cash, turnover, session_sequence, next_user_ref_num : ``In``
        State; a change of `state` makes a record.
    now_cycles, now_ns : ``In(48)``, ``In(64)``
        Cycle counter and time.
    events : ``Out(stream.Signature(RecordRow))``
        Records, row by row.
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
            "context_tag": Out(TAG_BITS), "context_busy": In(1), "context": In(MessageContext),
            "state": In(TradingState),
            "cash": In(signed(64)), "turnover": In(64),
            "session_sequence": In(64), "next_user_ref_num": In(32),
            "now_cycles": In(48), "now_ns": In(64),
            "events": Out(stream.Signature(RecordRow)),
            "measured": Out(1), "latency_cycles": Out(48),
            "nearly_full": Out(1), "empty": Out(1), "lost": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.journal = journal = RefusalJournal(self.profile)
        records = self.profile.event_ring_bytes // EVENT_BYTES // 4
        m.submodules.ring = ring = EventRing(records, high_mark=records // 2)
        connect(m, ring.rows, flipped(self.events))
        m.d.comb += [
            journal.verdicts.valid.eq(self.verdicts.valid),
            Value.cast(journal.verdicts.p).eq(Value.cast(self.verdicts.p)),
        ]

        symbol_bits = self.profile.symbol_bits
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

        # One a cycle; refusals first, as only they come often. What it is made of are the sources,
        # each behind its own gate: whether the state has changed is not known in time to choose.
        refused = journal.refusals.p
        refusal_waits = journal.refusals.valid
        take_refusal, take_order, take_answer, take_state = (
            Signal(name=name)
            for name in ("take_refusal", "take_order", "take_answer", "take_state"))
        store = Signal()
        m.d.comb += [
            journal.flush.eq(order_waits | answer_waits | changed | new_slot),
            journal.refusals.ready.eq(1),
            take_refusal.eq(refusal_waits), take_order.eq(order_waits & ~refusal_waits),
            take_answer.eq(answer_waits & ~order_waits & ~refusal_waits),
            take_state.eq(~answer_waits & ~order_waits & ~refusal_waits),
            store.eq(refusal_waits | order_waits | answer_waits | changed),
        ]
        with m.If(take_state):
            m.d.sync += Value.cast(reported).eq(Value.cast(self.state))
        flags = Cat(self.state.armed, self.state.killed, self.state.feed_up,
                    self.state.session_up, self.state.model_loaded)
        assert [flag.value for flag in StateFlag] == [1 << bit for bit in range(len(flags))]
        bodies = (
            (take_refusal, _body(events.ORDER_REFUSED, {
                name: refused[name] for name, _ in refused.shape()})),
            *((take_order & known, _body(events.ORDER_SENT, fields))
              for known, fields in order["bodies"]),
            (take_answer, _body(events.VENUE_ANSWER, {
                "now_ns": answer_ns, "venue_ns": answer.timestamp_ns,
                "order_reference": answer.order_reference,
                "session_sequence": answer.sequence, "user_ref_num": answer.user_ref_num,
                "quantity": answer.quantity, "price": answer.price,
                "reason": answer.reason, "answer": answer.kind,
            })),
            (take_state, _body(events.STATE, {
                "now_ns": self.now_ns, "cash": self.cash, "turnover": self.turnover,
                "session_sequence": self.session_sequence,
                "next_user_ref_num": self.next_user_ref_num, "flags": flags,
                **{name: self.state[name] for name in (
                    "epoch", "limits_version", "cause", "tcp_state", "close_reason",
                    "session_state", "reject_reason")},
            })),
        )

        # Number and keep.
        sequence = Signal(32)
        with m.If(store):
            m.d.sync += sequence.eq(sequence + 1)
        no_symbol = Signal()
        header = {
            "schema_version": C(SCHEMA_VERSION, 8),
            "kind": pick(*((take, C(int(kind), 8)) for take, kind in (
                (take_refusal, EventKind.ORDER_REFUSED), (take_order, EventKind.ORDER_SENT),
                (take_answer, EventKind.VENUE_ANSWER), (take_state, EventKind.STATE)))),
            "symbol_index": no_symbol.replicate(16) | pick(
                (take_refusal, refused.symbol_index[:symbol_bits]),
                (take_order, order["symbol_index"])),
            "event_sequence": sequence,
            "cycle": pick((take_order, order["cycle"]), (take_answer, answer_cycles),
                          (take_refusal | take_state, self.now_cycles)),
        }
        m.d.comb += [
            no_symbol.eq(~take_order & ~(take_refusal & (refused.symbol_index != NO_SYMBOL))),
            ring.store.eq(store), ring.record.eq(Cat(_pack(HEADER.fields, header), pick(*bodies))),
        ]

        with m.If(take_order):
            m.d.sync += order_waits.eq(0)
        # Whether there is one is known late: what is offered is taken in as long as none waits.
        with m.If(~answer_waits | take_answer):
            m.d.sync += [
                answer_waits.eq(self.answers.valid),
                Value.cast(answer).eq(Value.cast(self.answers.p)),
                answer_ns.eq(self.now_ns), answer_cycles.eq(self.now_cycles),
            ]

        m.d.comb += [
            self.nearly_full.eq(ring.nearly_full),
            self.empty.eq(ring.empty & ~store & ~order_lost["busy"] & journal.empty),
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
        looking, fresh, waits = Signal(), Signal(), Signal()
        with m.If(self.sent.valid):
            verdict = self.verdicts.p
            m.d.sync += [
                Value.cast(began).eq(Value.cast(sent)),
                score.eq(verdict.intent.score), epoch.eq(verdict.intent.epoch),
                version.eq(verdict.limits_version),
                flags.eq(order_flags(sent, waited=verdict.waited)
                         | Mux(sent.short, int(OrderFlag.SHORT), 0)),
                decision.eq(intent_cycle),
            ]

        # Its context, as soon as nobody else looks for one; `fresh`: it is there.
        looks = self.sent.valid | looking
        m.d.comb += self.context_tag.eq(Mux(looking, began.tag, sent.tag))
        m.d.sync += [looking.eq(looks & self.context_busy), fresh.eq(looks & ~self.context_busy)]
        feed_sequence = Signal(64, reset_less=True)
        same = Signal(len(began.start_cycles) // 8, reset_less=True)    # of each byte of the stamp
        caused = began.start_cycles != 0
        was_caused = Signal(reset_less=True)
        latency = Signal(48, reset_less=True)
        with m.If(fresh):
            m.d.sync += [
                waits.eq(1), feed_sequence.eq(self.context.sequence),
                same.eq(Cat(
                    self.context.start_cycles.word_select(byte, 8)
                    == began.start_cycles.word_select(byte, 8) for byte in range(len(same)))),
                was_caused.eq(caused),
                latency.eq(began.egress_cycles - began.start_cycles + self.ingress_cycles),
            ]
        m.d.sync += self.measured.eq(fresh & caused & (began.kind == IntentKind.ENTER))
        m.d.comb += self.latency_cycles.eq(latency)

        lost = Signal()
        m.d.comb += lost.eq(self.sent.valid & (looking | fresh | waits))
        return waits, {"lost": lost, "busy": fresh | looks}, {
            "symbol_index": began.symbol_index, "cycle": began.egress_cycles,
            "bodies": (
                (C(1), {
                    "ingress_cycle": began.start_cycles, "user_ref_num": began.user_ref_num,
                    "quantity": began.quantity, "price": began.price, "score": score,
                    "epoch": epoch, "limits_version": version, "flags": flags}),
                (was_caused, {
                    "decision_cycle": decision,
                    "latency": latency[:_LATENCY_BITS]
                    | latency[_LATENCY_BITS:].any().replicate(_LATENCY_BITS)}),
                (was_caused & same.all(), {"feed_sequence": feed_sequence}),
            ),
        }


def _pack(fields, values) -> Value:
    """Return `values` laid out as a table of fields has them; what has no value is zero."""
    parts = []
    for field in fields:
        value = Value.cast(values.get(field.name, 0))
        parts.append(value[:field.bits] if len(value) >= field.bits
                     else Cat(value, C(0, field.bits - len(value))))
    return Value.cast(Cat(*parts))


def _body(message, values: dict) -> Value:
    """Return what follows the header of a record, as far as it is kept."""
    return Value.cast(_pack(message.fields[len(HEADER.fields):], values)[:_BODY_BITS])
