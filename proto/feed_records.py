"""Messages of the feed in event records: which are recorded, and how a reader gets their fields.

A record carries the bytes of the message as they came; the tables of the exchange's format say what
they mean, so each field is read the same way from a record as from the line.
"""

from dataclasses import dataclass

from proto.events import CONTENT_WORDS, EVENTS, NO_SYMBOL, EventKind
from proto.wire import itch50
from proto.wire.message import Message, Value

__all__ = ["CONTENT_BYTES", "RECORDED_MESSAGES", "FeedMessageReader", "RecordedMessage"]

#: Bytes of a message in one record.
CONTENT_BYTES = 8 * CONTENT_WORDS

#: What an appliance records unless told otherwise: what is rare and not in the books.
RECORDED_MESSAGES = (
    itch50.SYSTEM_EVENT, itch50.STOCK_TRADING_ACTION, itch50.REG_SHO_RESTRICTION,
    itch50.MWCB_DECLINE_LEVEL, itch50.MWCB_STATUS, itch50.IPO_QUOTING_PERIOD_UPDATE,
    itch50.LULD_AUCTION_COLLAR, itch50.OPERATIONAL_HALT, itch50.TRADE, itch50.CROSS_TRADE,
    itch50.BROKEN_TRADE, itch50.NOII, itch50.RETAIL_PRICE_IMPROVEMENT_INDICATOR,
    itch50.DIRECT_LISTING_WITH_CAPITAL_RAISE,
)

_RECORD_KINDS = (EventKind.FEED_MESSAGE, EventKind.FEED_MESSAGE_REST)


@dataclass(frozen=True)
class RecordedMessage:
    """A message of the feed, put together from its records.

    Attributes
    ----------
    layout : Message
        Its type.
    feed_sequence : int
        Its sequence number.
    symbol_index : int or None
        Number of its symbol's book; None if it has none.
    content : bytes
        The message.
    record : bytes
        Its records.
    """

    layout: Message
    feed_sequence: int
    symbol_index: int | None
    content: bytes
    record: bytes

    def fields(self) -> dict[str, Value]:
        """Return every field of the message but its type, by its name in the specification."""
        return {name: value for name, value in self.layout.decode(self.content).items()
                if name != "message_type"}


class FeedMessageReader:
    """Puts messages together from records, which come in order; some may be missing."""

    def __init__(self) -> None:
        self._begun: RecordedMessage | None = None

    def take(self, kind: int, record: bytes) -> RecordedMessage | None:
        """Take a record; return the message that it completes, if it does.

        Records of other kinds, of an unknown type of message, and the rest of a message whose
        beginning is missing, complete nothing.
        """
        if kind not in _RECORD_KINDS:
            return None
        table = EVENTS[EventKind(kind)]
        sequence, symbol = _numbers(table, record)
        content = record[table.field("content_0").offset:]
        begun, self._begun = self._begun, None
        if kind == EventKind.FEED_MESSAGE:
            layout = itch50.MESSAGES.get(content[0])
            if layout is None:
                return None
            found = RecordedMessage(layout, sequence, symbol, content, record)
        elif begun is not None and begun.feed_sequence == sequence:
            found = RecordedMessage(begun.layout, sequence, symbol, begun.content + content,
                                    begun.record + record)
        else:
            return None
        if len(found.content) < found.layout.size:
            self._begun = found
            return None
        return RecordedMessage(found.layout, sequence, symbol, found.content[:found.layout.size],
                               found.record)


def _numbers(table: Message, record: bytes) -> tuple[int, int | None]:
    """Return the sequence number of the message, and its symbol's book."""
    def number(name: str) -> int:
        return int.from_bytes(record[table.field(name).span], table.byteorder)

    symbol = number("symbol_index")
    return number("feed_sequence"), None if symbol == NO_SYMBOL else symbol
