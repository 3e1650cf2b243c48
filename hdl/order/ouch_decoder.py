"""OUCH 5.0 messages of the exchange as answers about our orders.

Ref: Nasdaq OUCH 5.0 Order Entry Specification, Outbound Messages. The length of a message comes
from its packet: an appendage, where there is one, is passed over.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.order.soupbin_session import SequencedOctet
from hdl.order.wire import type_code
from hdl.orders import AnswerKind, VenueAnswer
from proto.wire import ouch50
from proto.wire.ouch50_codes import OrderState

__all__ = ["OuchDecoder"]

_NUMBER = "user_ref_num"
_LAYOUTS = {type_code(layout.layout): layout.layout for layout in ouch50.OUTBOUND.values()}
_KINDS = {
    ouch50.ORDER_ACCEPTED: AnswerKind.ACCEPTED, ouch50.ORDER_EXECUTED: AnswerKind.EXECUTED,
    ouch50.ORDER_CANCELED: AnswerKind.CANCELED, ouch50.AIQ_CANCELED: AnswerKind.CANCELED,
    ouch50.REJECTED: AnswerKind.REJECTED, ouch50.BROKEN_TRADE: AnswerKind.BROKEN,
}
#: Field of an answer by the names it has in the messages whose fields are taken.
_FIELDS = {
    "user_ref_num": (_NUMBER,), "quantity": ("quantity", "decrement_shares"), "price": ("price",),
    "order_reference": ("order_reference_number",), "reason": ("reason",),
    "state": ("order_state",),
}


class OuchDecoder(wiring.Component):
    """Take the fields of an answer as its bytes pass.

    Latency: 3 cycles, last byte at `messages` to `answers.valid`. Throughput: 1 byte per cycle, at
    least two cycles between messages. A message that is shorter than its type demands, or of an
    unknown type, is counted and dropped.

    Members
    -------
    messages : ``In(stream.Signature(SequencedOctet, always_ready=True))``
        Sequenced messages, byte by byte.
    answers : ``Out(stream.Signature(VenueAnswer, always_ready=True))``
        One for each message that names an order. Fields that the kind does not have are 0.
    next_user_ref_num, queried : ``Out(32)``, ``Out(1)``
        Answer to an Account Query, and its pulse.
    ended : ``Out(1)``
        Pulse: System Event, end of day.
    stat_malformed, stat_unknown : ``Out(1)``
        Pulse per message dropped.
    """

    messages: In(stream.Signature(SequencedOctet, always_ready=True))
    answers: Out(stream.Signature(VenueAnswer, always_ready=True))
    next_user_ref_num: Out(32)
    queried: Out(1)
    ended: Out(1)
    stat_malformed: Out(1)
    stat_unknown: Out(1)

    def elaborate(self, platform):
        m = Module()
        message, answer = self.messages.p, self.answers.p

        # Place of the byte in its message, saturating past every fixed part; a cycle later the byte
        # is looked at.
        most = max(layout.size for layout in _LAYOUTS.values())
        following, kind = Signal(range(most + 2)), Signal(8, reset_less=True)
        place, octet = Signal.like(following), Signal(8, reset_less=True)
        valid, first, last = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        sequence = Signal(64, reset_less=True)
        at = Mux(message.first, 0, following)
        m.d.sync += [place.eq(at), octet.eq(message.octet), valid.eq(self.messages.valid),
                     first.eq(message.first), last.eq(message.last)]
        with m.If(self.messages.valid):
            m.d.sync += [following.eq(at + (at <= most)), sequence.eq(message.sequence)]
            with m.If(message.first):
                m.d.sync += kind.eq(message.octet)
        ended = Signal()
        m.d.sync += ended.eq(valid & last)

        taken = {type_code(layout.layout) for layout in _KINDS}
        widths = {"reason": 16, "state": 8, "order_reference": 64}
        beyond = Signal()       # the price does not fit
        held = {}
        for name, names in _FIELDS.items():
            value = Signal(widths.get(name, 32), name=f"{name}_held", reset_less=True)
            spans: dict[tuple[int, int], list[int]] = {}
            for code, layout in _LAYOUTS.items():
                if name != _NUMBER and code not in taken:
                    continue
                for wire_name in names:
                    broken = code == type_code(ouch50.BROKEN_TRADE.layout) and name != _NUMBER
                    if wire_name in layout and not broken:
                        field = layout.field(wire_name)
                        spans.setdefault((field.offset, field.end), []).append(code)
            inside = Cat(kind.matches(*codes) & (place >= start) & (place < end)
                         for (start, end), codes in spans.items()).any()
            with m.If(valid):
                with m.If(first):
                    m.d.sync += value.eq(0)
                with m.Elif(inside):
                    m.d.sync += value.eq(Cat(octet, value))
                if name == "price":
                    with m.If(first):
                        m.d.sync += beyond.eq(0)
                    with m.Elif(inside):
                        m.d.sync += beyond.eq(beyond | value[-8:].any())
            held[name] = value
        timestamp = ouch50.ORDER_ACCEPTED.layout.field("timestamp")
        time = Signal(timestamp.bits, reset_less=True)
        with m.If(valid & (place >= timestamp.offset) & (place < timestamp.end)):
            m.d.sync += time.eq(Cat(octet, time))
        query = ouch50.ACCOUNT_QUERY_RESPONSE.layout
        number = query.field("next_user_ref_num")
        with m.If(valid & (kind == type_code(query)) & (place >= number.offset)
                  & (place < number.end)):
            m.d.sync += self.next_user_ref_num.eq(Cat(octet, self.next_user_ref_num))

        # Judge the whole message after its last byte; `following` is its length.
        event = ouch50.SYSTEM_EVENT.layout
        event_code = Signal(8, reset_less=True)
        with m.If(valid & (place == event.field("event_code").offset)):
            m.d.sync += event_code.eq(octet)
        m.d.comb += [
            answer.user_ref_num.eq(held["user_ref_num"]), answer.quantity.eq(held["quantity"]),
            answer.price.eq(Mux(beyond, 0xFFFFFFFF, held["price"])),
            answer.order_reference.eq(held["order_reference"]), answer.reason.eq(held["reason"]),
            answer.timestamp_ns.eq(time), answer.sequence.eq(sequence),
        ]
        m.d.sync += [
            self.answers.valid.eq(0), self.queried.eq(0), self.ended.eq(0),
            self.stat_malformed.eq(0), self.stat_unknown.eq(0), answer.kind.eq(AnswerKind.OTHER),
        ]
        with m.If(ended):
            with m.Switch(kind):
                for code, layout in _LAYOUTS.items():
                    with m.Case(code):
                        m.d.sync += self.stat_malformed.eq(following < layout.size)
                        whole = following >= layout.size
                        if _NUMBER in layout:
                            m.d.sync += self.answers.valid.eq(whole)
                        elif layout is query:
                            m.d.sync += self.queried.eq(whole)
                        elif layout is event:
                            m.d.sync += self.ended.eq(
                                whole & (event_code == ouch50.EventCode.END_OF_DAY.byte))
                with m.Default():
                    m.d.sync += self.stat_unknown.eq(1)
        with m.Switch(kind):
            for layout, meaning in _KINDS.items():
                with m.Case(type_code(layout.layout)):
                    m.d.sync += answer.kind.eq(meaning)
                    if meaning is AnswerKind.ACCEPTED:
                        with m.If(held["state"] == OrderState.DEAD.byte):
                            m.d.sync += answer.kind.eq(AnswerKind.DEAD)
        return m
