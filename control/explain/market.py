"""Market data of a recorded run: every message once, and the touch that the books made of each.

Messages come from the frames that went in, best bids and offers from the event records: nothing
here builds a book.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from control.broker import DecodedEvent
from control.explain.history import LineFrame
from proto.events import BookState, EventKind
from proto.wire import itch50, moldudp64
from proto.wire.itch50 import EventCode, TradingState
from proto.wire.message import Message, Value

__all__ = ["FeedMessage", "Market", "Touch"]

#: Messages that change a book: each is one event of its symbol.
_BOOK_CHANGES = frozenset(message.type for message in (
    itch50.ADD_ORDER, itch50.ADD_ORDER_MPID, itch50.ORDER_EXECUTED,
    itch50.ORDER_EXECUTED_WITH_PRICE, itch50.ORDER_CANCEL, itch50.ORDER_DELETE,
    itch50.ORDER_REPLACE))
#: Messages that change whether a symbol may be traded; they make no record of a touch.
_STATE_CHANGES = frozenset((itch50.STOCK_TRADING_ACTION.type, itch50.SYSTEM_EVENT.type))
_SPOILT = BookState.STALE | BookState.INCOMPLETE


@dataclass(frozen=True)
class FeedMessage:
    """A message of the feed.

    Attributes
    ----------
    sequence : int
        Its number in the session.
    session : str
        The session.
    frame : LineFrame
        The frame that brought it first.
    offset : int
        Offset of its first byte in the frame.
    body : bytes
        The message.
    in_frame : int
        Messages in that frame.
    """

    sequence: int
    session: str
    frame: LineFrame
    offset: int
    body: bytes
    in_frame: int

    @property
    def layout(self) -> Message | None:
        """Its table, None for an unknown type or a wrong length."""
        layout = itch50.MESSAGES.get(self.body[0]) if self.body else None
        return layout if layout is not None and layout.size == len(self.body) else None

    @cached_property
    def fields(self) -> dict[str, Value]:
        """Its fields by the names of the specification; none of an unknown type."""
        return {} if self.layout is None else self.layout.decode(self.body)

    @property
    def locate(self) -> int | None:
        """Number of its stock on this day, None without one."""
        if len(self.body) < itch50.HEADER.size:
            return None
        value = itch50.HEADER.decode_from(self.body)["stock_locate"]
        assert isinstance(value, int)
        return value or None

    @property
    def timestamp_ns(self) -> int | None:
        """The exchange's time of it, ns since midnight."""
        value = self.fields.get("timestamp")
        return value if isinstance(value, int) else None

    @property
    def changes_book(self) -> bool:
        """Whether it is an event of a book."""
        return self.body[:1] in _BOOK_CHANGES and self.layout is not None

    @property
    def first_cycle(self) -> int:
        """Cycle of its first byte at the pins."""
        return self.frame.cycle_of(self.offset)

    @property
    def last_cycle(self) -> int:
        """Cycle of its last byte at the pins."""
        return self.frame.cycle_of(self.offset + len(self.body) - 1)


@dataclass(frozen=True)
class Touch:
    """Best bid and offer of a symbol as the hardware published them; prices in 1e-4 USD.

    Attributes
    ----------
    fields : dict of str to int
        Those of the record.
    """

    fields: dict[str, int]

    @property
    def state(self) -> BookState:
        """State of the symbol in the record."""
        return BookState(self.fields["state"])

    @property
    def usable(self) -> bool:
        """Whether the book was exact and had both sides."""
        return (not self.state & _SPOILT and self.fields["bid_count"] > 0
                and self.fields["ask_count"] > 0)

    @property
    def mid_e4(self) -> int:
        """Half of bid and ask, rounded down."""
        return (self.fields["bid_price"] + self.fields["ask_price"]) // 2


def _after(state: BookState, message: FeedMessage, locate: int | None) -> BookState:
    """Return the state of a symbol after a message that changes states."""
    fields = message.fields
    if message.body[:1] == itch50.SYSTEM_EVENT.type:
        opened = fields["event_code"] == EventCode.START_OF_MARKET_HOURS
        return state & ~BookState.CLOSED if opened else state | BookState.CLOSED
    if message.locate != locate:
        return state
    trades = fields["trading_state"] == TradingState.TRADING
    return state & ~BookState.HALTED if trades else state | BookState.HALTED


class Market:
    """Messages and touches of a run.

    Parameters
    ----------
    frames : iterable of LineFrame
        Frames of the feed, oldest first.
    records : iterable of DecodedEvent
        Event records, oldest first.

    Attributes
    ----------
    messages : dict of int to FeedMessage
        By sequence number, each as it came first.
    dropped : int
        Records of best bids and offers that are missing: what is recomputed may be wrong then.
    """

    def __init__(self, frames: Iterable[LineFrame], records: Iterable[DecodedEvent]) -> None:
        self.messages: dict[int, FeedMessage] = {}
        self.dropped = 0
        self._by_frame: dict[int, list[FeedMessage]] = {}
        self._starts: list[int] = []
        self._by_locate: dict[int, list[FeedMessage]] = defaultdict(list)
        self._states: list[FeedMessage] = []
        self._touches: dict[int, list[Touch]] = defaultdict(list)
        self._locates: dict[int, int] = {}
        for frame in frames:
            self._take_frame(frame)
        expected: int | None = None
        for event in records:
            if event.kind == EventKind.TOP_OF_BOOK.name.lower():
                number = event.fields["event_sequence"]
                if expected is not None:
                    self.dropped += (number - expected) % (1 << 32)
                expected = number + 1
                self._locates[event.fields["symbol_index"]] = event.fields["locate"]
                self._touches[event.fields["symbol_index"]].append(Touch(event.fields))

    def _take_frame(self, frame: LineFrame) -> None:
        offset, payload = frame.datagram() or (0, b"")
        if len(payload) < moldudp64.HEADER.size:
            return
        head = moldudp64.HEADER.decode_from(payload)
        sequence, count, session = (head["sequence_number"], head["message_count"],
                                    head["session"])
        assert isinstance(sequence, int) and isinstance(count, int) and isinstance(session, str)
        if count > moldudp64.MAXIMUM_COUNT:
            return
        found: list[FeedMessage] = []
        at = moldudp64.HEADER.size
        for number in range(sequence, sequence + count):
            length = moldudp64.BLOCK.decode_from(payload, at)["message_length"] \
                if at + moldudp64.BLOCK.size <= len(payload) else None
            if not isinstance(length, int) or at + moldudp64.BLOCK.size + length > len(payload):
                break
            at += moldudp64.BLOCK.size
            found.append(FeedMessage(number, session, frame, offset + at,
                                     payload[at:at + length], count))
            at += length
        self._starts.append(frame.cycle)
        self._by_frame[frame.cycle] = found
        for message in found:
            if message.sequence not in self.messages:
                self.messages[message.sequence] = message
                if message.body[:1] in _STATE_CHANGES and message.layout is not None:
                    self._states.append(message)
                if message.changes_book and message.locate is not None:
                    self._by_locate[message.locate].append(message)

    def began_at(self, ingress_cycle: int) -> list[FeedMessage]:
        """Return the messages of the frame whose stamp of Start is `ingress_cycle`."""
        # The stamp is taken behind the elastic buffer, a few cycles after the pins, and frames are
        # further apart than that.
        place = bisect_right(self._starts, ingress_cycle) - 1
        return self._by_frame[self._starts[place]] if place >= 0 else []

    def locate_of(self, symbol_index: int) -> int | None:
        """Return the stock locate of a symbol whose book has been seen."""
        return self._locates.get(symbol_index)

    def symbol_of(self, locate: int | None) -> int | None:
        """Return the number of the book of a stock locate."""
        return next((index for index, other in self._locates.items() if other == locate), None)

    def touch(self, symbol_index: int, sequence: int) -> Touch | None:
        """Return the best bid and offer of a symbol after a message, None if there was none.

        Its state is that of the record, brought up to the message: a halt and the start of market
        hours change no book, and so make no record.
        """
        touches = self._touches.get(symbol_index, [])
        place = bisect_right(touches, sequence, key=lambda touch: touch.fields["feed_sequence"])
        if not place:
            return None
        touch = touches[place - 1]
        state, locate = touch.state, self._locates.get(symbol_index)
        first = bisect_right(self._states, touch.fields["feed_sequence"],
                             key=lambda message: message.sequence)
        for message in self._states[first:]:
            if message.sequence > sequence:
                break
            state = _after(state, message, locate)
        return touch if state == touch.state else replace(
            touch, fields={**touch.fields, "state": int(state)})

    def book_messages(self, symbol_index: int) -> list[FeedMessage]:
        """Return the messages that are events of a symbol's book, oldest first."""
        locate = self._locates.get(symbol_index)
        return [] if locate is None else self._by_locate[locate]
