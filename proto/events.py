"""Event records: what the appliance reports, 64 bytes each, little-endian.

A record begins with a header that tells its kind; gateware packs it and Python unpacks it from the
same table. Field names equal the columns of a recording and the fields of the service.
"""

from enum import IntEnum, IntFlag

from proto.errors import ProtoError
from proto.wire.message import Field, Kind, Message, uint

__all__ = [
    "EVENTS", "EVENT_BYTES", "HEADER", "SCHEMA_VERSION", "TOP_OF_BOOK", "BookState", "EventKind",
    "numpy_dtype", "struct_format",
]

#: Bytes of every record, and version of this module's layouts, in every record.
EVENT_BYTES = 64
SCHEMA_VERSION = 1


class EventKind(IntEnum):
    """Kind of a record; a reader skips those it does not know."""

    TOP_OF_BOOK = 1


class BookState(IntFlag):
    """State of a symbol in a :data:`TOP_OF_BOOK` record; none set = exact and tradable."""

    STALE = 1 << 0             #: the book is wrong until it is rebuilt
    INCOMPLETE = 1 << 1        #: messages were lost; the book publishes, and never trades
    HALTED = 1 << 2            #: halted, paused or quotation only, on all markets
    OPERATIONAL_HALT = 1 << 3  #: halted on this market
    MARKET_HALT = 1 << 4       #: the market-wide circuit breaker is on
    CLOSED = 1 << 5            #: outside of the session phases in which trading is allowed
    SHORT_RESTRICTED = 1 << 6  #: the short sale price test is active; blocks short sales only


_HEADER_FIELDS: tuple[Field, ...] = (
    uint("schema_version", 1), uint("kind", 1, description="see EventKind"),
    uint("symbol_index", 2, description="0xFFFF = none"),
    uint("event_sequence", 4, description="one more a record; a step shows records dropped"),
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

#: The layout of every kind of record.
EVENTS: dict[EventKind, Message] = {EventKind.TOP_OF_BOOK: TOP_OF_BOOK}

_STRUCT_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def struct_format(message: Message) -> str:
    """Return the format of :mod:`struct` that unpacks `message`.

    Raises
    ------
    ProtoError
        If a field is no unsigned integer of 1, 2, 4 or 8 bytes.
    """
    return "<" + "".join(_STRUCT_CODES[_integer_size(message, field)] for field in message)


def numpy_dtype(message: Message) -> list[tuple[str, str]]:
    """Return the structured type of NumPy that reads `message`: names and formats.

    Raises
    ------
    ProtoError
        As :func:`struct_format`.
    """
    return [(field.name, f"<u{_integer_size(message, field)}") for field in message]


def _integer_size(message: Message, field: Field) -> int:
    if field.kind is not Kind.UINT or field.size not in _STRUCT_CODES:
        raise ProtoError(f"{message.name}.{field.name} is no unsigned integer of 1, 2, 4 or 8 "
                         f"bytes")
    return field.size
