"""Event records: what the appliance reports, 64 bytes each, little-endian.

A record begins with a header that tells its kind; gateware packs it and Python unpacks it from the
same table, which also says which numbers are in two's complement. Field names equal the columns
of a recording and the fields of the service.
"""

from enum import IntEnum, IntFlag

from proto.errors import ProtoError
from proto.features import DEPTH_LEVELS, FEATURES
from proto.wire.message import Field, Kind, Message, sint, uint

__all__ = [
    "ASK_DEPTH", "BID_DEPTH", "CONTENT_WORDS", "EVENTS", "EVENT_BYTES", "FEATURE_VECTOR",
    "FEED_MESSAGE", "FEED_MESSAGE_REST", "HEADER", "NO_SYMBOL", "ORDER_REFUSED", "ORDER_SENT",
    "SCHEMA_VERSION", "STATE", "TOP_OF_BOOK", "UNKNOWN_PRICE", "VENUE_ANSWER", "AnswerCode",
    "BookState", "EventKind", "OrderFlag", "Sequence", "StateFlag", "VectorFlag", "numpy_dtype",
    "struct_format",
]

#: Bytes of every record, and version of this module's layouts, in every record.
EVENT_BYTES = 64
SCHEMA_VERSION = 1

#: Price of a level that exists and is not known, in a record of a side's levels.
UNKNOWN_PRICE = 0xFFFFFFFF

#: ``symbol_index`` of a record that concerns no symbol, or several.
NO_SYMBOL = 0xFFFF


class EventKind(IntEnum):
    """Kind of a record; a reader skips those it does not know.

    Kinds 1 and 6 to 10 are of class 2: records are dropped when the host is too slow. The others
    are of class 1: trading stops before one is lost. ``sequence`` tells which of them are counted
    together by ``event_sequence``.
    """

    TOP_OF_BOOK = 1
    ORDER_SENT = 2
    ORDER_REFUSED = 3
    VENUE_ANSWER = 4
    STATE = 5
    FEED_MESSAGE = 6
    FEED_MESSAGE_REST = 7
    BID_DEPTH = 8
    ASK_DEPTH = 9
    FEATURE_VECTOR = 10

    @property
    def sequence(self) -> "Sequence":
        """The count that a record of this kind is a part of."""
        match self:
            case EventKind.TOP_OF_BOOK:
                return Sequence.BOOKS
            case EventKind.FEED_MESSAGE | EventKind.FEED_MESSAGE_REST:
                return Sequence.MESSAGES
            case EventKind.BID_DEPTH | EventKind.ASK_DEPTH | EventKind.FEATURE_VECTOR:
                return Sequence.DETAILS
            case _:
                return Sequence.ORDERS


class Sequence(IntEnum):
    """Records that are counted together: a step of ``event_sequence`` shows that some are missing.

    ``ORDERS`` is class 1, of which none may be missing; the others are class 2.
    """

    ORDERS = 1
    BOOKS = 2
    MESSAGES = 3
    DETAILS = 4


class BookState(IntFlag):
    """State of a symbol in a :data:`TOP_OF_BOOK` record; none set = exact and tradable."""

    STALE = 1 << 0             #: the book is wrong until it is rebuilt
    INCOMPLETE = 1 << 1        #: messages were lost; the book publishes, and never trades
    HALTED = 1 << 2            #: halted, paused or quotation only, on all markets
    OPERATIONAL_HALT = 1 << 3  #: halted on this market
    MARKET_HALT = 1 << 4       #: the market-wide circuit breaker is on
    CLOSED = 1 << 5            #: outside of the session phases in which trading is allowed
    SHORT_RESTRICTED = 1 << 6  #: the short sale price test is active; blocks short sales only


class OrderFlag(IntFlag):
    """What an order or cancel is, in :data:`ORDER_SENT` and :data:`ORDER_REFUSED`."""

    CANCEL = 1 << 0    #: a cancel, not an order to enter
    SELL = 1 << 1      #: sells, or cancels a sale
    DAY = 1 << 2       #: may rest; else immediate-or-cancel
    WAITED = 1 << 3    #: was not judged, or could not leave, at once
    SHORT = 1 << 4     #: sells more than the position covers and is marked so; orders sent only


class StateFlag(IntFlag):
    """State of the appliance in a :data:`STATE` record."""

    ARMED = 1 << 0
    KILLED = 1 << 1
    FEED_UP = 1 << 2
    SESSION_UP = 1 << 3
    MODEL_LOADED = 1 << 4


class VectorFlag(IntFlag):
    """What may be done with a vector, in a :data:`FEATURE_VECTOR` record."""

    USABLE = 1 << 0    #: the book is exact and has both sides
    SCORED = 1 << 1    #: and a model was loaded: the score may make an order


class AnswerCode(IntEnum):
    """What the venue said, in a :data:`VENUE_ANSWER` record."""

    ACCEPTED = 0    #: live
    DEAD = 1        #: accepted and dead on arrival
    EXECUTED = 2
    CANCELED = 3    #: shares taken off, self-match included
    REJECTED = 4
    BROKEN = 5      #: an execution is undone
    OTHER = 6


_HEADER_FIELDS: tuple[Field, ...] = (
    uint("schema_version", 1), uint("kind", 1, description="see EventKind"),
    uint("symbol_index", 2, description="0xFFFF = none"),
    uint("event_sequence", 4, description="one more a record of those counted together (orders and "
                                           "state, books, feed messages, "
                                           "levels and vectors); a step shows records "
                                           "dropped"),
    uint("cycle", 8, unit="core cycles", description="when the record was made"),
)

#: What all records begin with.
HEADER = Message("event_header", size=16, byteorder="little", source="event record",
                 fields=_HEADER_FIELDS)

TOP_OF_BOOK = Message(
    "top_of_book", size=EVENT_BYTES, byteorder="little", source="event record, kind 1", fields=(
        *_HEADER_FIELDS,
        uint("feed_sequence", 8, description="sequence number of the message that caused it"),
        uint("ts_ns", 8, unit="ns since midnight", description="the message's timestamp"),
        uint("locate", 2), uint("state", 2, description="see BookState"),
        uint("bid_price", 4, unit="1e-4 USD", description="0 = side empty"),
        uint("bid_quantity", 4, unit="shares"),
        uint("ask_price", 4, unit="1e-4 USD", description="0 = side empty"),
        uint("ask_quantity", 4, unit="shares"),
        uint("bid_count", 2, unit="orders"), uint("ask_count", 2, unit="orders"),
        uint("ingress_cycle", 8, unit="core cycles",
             description="Start of the frame, after the elastic buffer"),
    ))

#: A frame with an order or a cancel has begun; ``cycle`` is that of its Start at the pins.
ORDER_SENT = Message(
    "order_sent", size=EVENT_BYTES, byteorder="little", source="event record, kind 2", fields=(
        *_HEADER_FIELDS,
        uint("feed_sequence", 8,
             description="of the message that caused it; 0 = none, or forgotten while it waited"),
        uint("ingress_cycle", 8, unit="core cycles",
             description="Start of the frame that caused it, after the elastic buffer; 0 = none"),
        uint("decision_cycle", 8, unit="core cycles",
             description="when the strategy asked the gate; 0 = a cancel of a sweep"),
        uint("user_ref_num", 4), uint("quantity", 4, unit="shares"),
        uint("price", 4, unit="1e-4 USD"),
        sint("score", 4, description="in the unit of the model"),
        uint("epoch", 2, description="of the model"), uint("limits_version", 2),
        uint("latency", 2, unit="core cycles",
             description="Start to Start at the pins, saturated; 0 = no trigger"),
        uint("flags", 1, description="see OrderFlag"), uint("reserved", 1),
    ))

#: One or several equal refusals of the risk gate.
#:
#: Those in a row are one record if symbol, flags and mask are the same; also all cancels in a row,
#: and all orders refused while disarmed or killed. Then ``mask`` has the checks that any of them
#: failed, and everything else is of the last one.
ORDER_REFUSED = Message(
    "order_refused", size=EVENT_BYTES, byteorder="little", source="event record, kind 3", fields=(
        *_HEADER_FIELDS,
        uint("ingress_cycle", 8, unit="core cycles",
             description="Start of the frame that caused it, after the elastic buffer; 0 = none"),
        uint("mask", 8, description="failed checks: bit n-1 is check n"),
        uint("quantity", 4, unit="shares"), uint("price", 4, unit="1e-4 USD"),
        sint("score", 4, description="in the unit of the model"),
        uint("reference_price", 4, unit="1e-4 USD",
             description="mid that the collar was put round"),
        sint("worst_position", 4, unit="shares",
             description="before the order: position if every open order of its side executes, "
                         "saturated"),
        uint("count", 4, description="refusals in this record"),
        uint("open_orders", 2), uint("limits_version", 2),
        uint("epoch", 2, description="of the model"), uint("flags", 1, description="see OrderFlag"),
        uint("reserved", 1),
    ))

#: The venue said something about an order of ours; the record has no ``symbol_index``.
VENUE_ANSWER = Message(
    "venue_answer", size=EVENT_BYTES, byteorder="little", source="event record, kind 4", fields=(
        *_HEADER_FIELDS,
        uint("now_ns", 8, unit="ns", description="hardware time"),
        uint("venue_ns", 8, unit="ns since midnight", description="the venue's timestamp"),
        uint("order_reference", 8, description="of an acceptance"),
        uint("session_sequence", 8, description="SoupBinTCP sequence number"),
        uint("user_ref_num", 4), uint("quantity", 4, unit="shares"),
        uint("price", 4, unit="1e-4 USD"),
        uint("reason", 2, description="of a cancel (a character) or a rejection (a code)"),
        uint("answer", 1, description="see AnswerCode"), uint("reserved", 1),
    ))

#: Arming, kill, session, model or limits have changed.
STATE = Message(
    "state", size=EVENT_BYTES, byteorder="little", source="event record, kind 5", fields=(
        *_HEADER_FIELDS,
        uint("now_ns", 8, unit="ns", description="hardware time"),
        sint("cash", 8, unit="1e-4 USD", description="see account.cash"),
        uint("turnover", 8, unit="1e-4 USD"),
        uint("session_sequence", 8, description="next SoupBinTCP sequence number"),
        uint("next_user_ref_num", 4),
        uint("epoch", 2, description="of the model"), uint("limits_version", 2),
        uint("cause", 2, description="bits as in the register risk.cause"),
        uint("flags", 1, description="see StateFlag"),
        uint("tcp_state", 1, description="as in session.state"),
        uint("close_reason", 1, description="as in session.state"),
        uint("session_state", 1, description="as in session.state"),
        uint("reject_reason", 1, description="as in session.reject_reason"),
        uint("reserved", 1),
    ))

#: Words of a feed message in a record.
CONTENT_WORDS = 5


def _content(words: int, first_byte: int) -> tuple[Field, ...]:
    return tuple(uint(
        f"content_{word}", 8,
        description=f"bytes {first_byte + 8 * word} to {first_byte + 8 * word + 7} of the message")
        for word in range(words))


#: A message of the feed as it came, but for its length: bytes in the order of the wire, the first
#: one lowest; those behind the message mean nothing. ``proto.feed_records`` reads its fields.
FEED_MESSAGE = Message(
    "feed_message", size=EVENT_BYTES, byteorder="little", source="event record, kind 6", fields=(
        *_HEADER_FIELDS,
        uint("feed_sequence", 8, description="sequence number of the message"),
        *_content(CONTENT_WORDS, 0),
    ))

#: What a message of more than 40 bytes has besides; follows its :data:`FEED_MESSAGE`.
FEED_MESSAGE_REST = Message(
    "feed_message_rest", size=EVENT_BYTES, byteorder="little", source="event record, kind 7",
    fields=(
        *_HEADER_FIELDS,
        uint("feed_sequence", 8, description="sequence number of the message"),
        *_content(CONTENT_WORDS, 8 * CONTENT_WORDS),
    ))


def _levels(name: str, kind: EventKind) -> Message:
    return Message(
        name, size=EVENT_BYTES, byteorder="little", source=f"event record, kind {int(kind)}",
        fields=(
            *_HEADER_FIELDS,
            uint("feed_sequence", 8, description="sequence number of the message that caused it"),
            *(field for n in range(DEPTH_LEVELS) for field in (
                uint(f"price_{n}", 4, unit="1e-4 USD",
                     description="0 = no such level; 0xFFFFFFFF = there is one, not known"),
                uint(f"quantity_{n}", 4, unit="shares"))),
        ))


#: The five best levels of a side after an event that concerned it, best first; again for the same
#: event when more of them have become known.
BID_DEPTH = _levels("bid_depth", EventKind.BID_DEPTH)
ASK_DEPTH = _levels("ask_depth", EventKind.ASK_DEPTH)

#: The features of an event as the model saw them, and its score; see ``proto/features.py``.
FEATURE_VECTOR = Message(
    "feature_vector", size=EVENT_BYTES, byteorder="little", source="event record, kind 10", fields=(
        *_HEADER_FIELDS,
        uint("feed_sequence", 8, description="sequence number of the message that caused it"),
        uint("ts_ns", 8, unit="ns since midnight", description="the message's timestamp"),
        *(sint(feature.name, 2, unit=feature.unit) for feature in FEATURES),
        sint("score", 4, description="in the unit of the model"),
        uint("epoch", 2, description="of the model"),
        uint("flags", 1, description="see VectorFlag"), uint("reserved", 1),
    ))

#: The layout of every kind of record.
EVENTS: dict[EventKind, Message] = {
    EventKind.TOP_OF_BOOK: TOP_OF_BOOK, EventKind.ORDER_SENT: ORDER_SENT,
    EventKind.ORDER_REFUSED: ORDER_REFUSED, EventKind.VENUE_ANSWER: VENUE_ANSWER,
    EventKind.STATE: STATE, EventKind.FEED_MESSAGE: FEED_MESSAGE,
    EventKind.FEED_MESSAGE_REST: FEED_MESSAGE_REST, EventKind.BID_DEPTH: BID_DEPTH,
    EventKind.ASK_DEPTH: ASK_DEPTH, EventKind.FEATURE_VECTOR: FEATURE_VECTOR,
}

_UNSIGNED_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def struct_format(message: Message) -> str:
    """Return the format of :mod:`struct` that unpacks `message`.

    Raises
    ------
    ProtoError
        If a field is no integer of 1, 2, 4 or 8 bytes.
    """
    codes = [(_UNSIGNED_CODES[_integer_size(message, field)], field.kind) for field in message]
    return "<" + "".join(code.lower() if kind is Kind.SINT else code for code, kind in codes)


def numpy_dtype(message: Message) -> list[tuple[str, str]]:
    """Return the structured type of NumPy that reads `message`: names and formats.

    Raises
    ------
    ProtoError
        As :func:`struct_format`.
    """
    return [(field.name, f"<{'i' if field.kind is Kind.SINT else 'u'}"
                         f"{_integer_size(message, field)}") for field in message]


def _integer_size(message: Message, field: Field) -> int:
    if field.kind not in (Kind.UINT, Kind.SINT) or field.size not in _UNSIGNED_CODES:
        raise ProtoError(f"{message.name}.{field.name} is no integer of 1, 2, 4 or 8 bytes")
    return field.size
