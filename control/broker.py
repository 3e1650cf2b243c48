"""Event records to many readers, the slow ones without harm to the others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from proto.events import EVENTS, HEADER, EventKind, Sequence
from proto.feed_records import FeedMessageReader, RecordedMessage
from proto.wire.message import Kind, Message

__all__ = ["RECENT_RECORDS", "DecodedEvent", "EventBroker", "EventDecoder", "Subscription",
           "decode_event"]

#: Records that are kept for readers who come later.
RECENT_RECORDS = 65_536

_NO_SYMBOL = 0xFFFF
_SEQUENCES = 1 << 32


@dataclass(frozen=True)
class DecodedEvent:
    """A record by the names of its fields.

    Attributes
    ----------
    kind : str
        Its kind, ``unknown`` if there is no layout for it.
    fields : dict of str to int
        Its fields, signed where the table of its kind says so; of an unknown kind those of the
        header.
    record : bytes
        As it came.
    message : str
        Type of a message of the feed; its numbers are among `fields`.
    texts : dict of str to str
        Its texts and codes.
    signed : frozenset of str
        Names of those among `fields` that may be negative.
    """

    kind: str
    fields: dict[str, int]
    record: bytes
    message: str = ""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    signed: frozenset[str] = frozenset()

    @property
    def symbol_index(self) -> int | None:
        """Number of the symbol's book, None if the record concerns none."""
        index = self.fields["symbol_index"]
        return None if index == _NO_SYMBOL else index


def decode_event(record: bytes) -> DecodedEvent:
    """Return the fields of a record."""
    number = record[HEADER.field("kind").offset]
    known = number in list(EventKind) and EventKind(number) in EVENTS
    layout = EVENTS[EventKind(number)] if known else HEADER
    fields = {name: value for name, value in layout.decode_from(record).items()
              if isinstance(value, int)}
    return DecodedEvent(EventKind(number).name.lower() if known else "unknown", fields, record,
                        signed=_signed(layout))


def _signed(layout: Message) -> frozenset[str]:
    return frozenset(field.name for field in layout if field.kind is Kind.SINT)


class EventDecoder:
    """Decodes the records of one reader; tells the fields of messages of the feed by name.

    A message that takes two records is decoded when both have come: the first one then has its
    fields, the second only words.
    """

    def __init__(self) -> None:
        self._messages = FeedMessageReader()
        self._held: DecodedEvent | None = None

    def decode(self, record: bytes) -> list[DecodedEvent]:
        """Return what a record tells, after what was kept back until it came."""
        event = decode_event(record)
        kind = record[HEADER.field("kind").offset]
        if kind not in (EventKind.FEED_MESSAGE, EventKind.FEED_MESSAGE_REST):
            return [event]
        held, self._held = self._held, None
        message = self._messages.take(kind, record)
        if message is None:
            if kind == EventKind.FEED_MESSAGE:
                self._held, event = event, None
            return [found for found in (held, event) if found is not None]
        first = event if held is None or kind == EventKind.FEED_MESSAGE else held
        lost = [] if held is None or first is held else [held]
        rest = [] if first is event else [event]
        return [*lost, _named(first, message), *rest]


def _named(event: DecodedEvent, message: RecordedMessage) -> DecodedEvent:
    """Return the event of a message with the message's own fields instead of its words."""
    values = message.fields()
    numbers = {name: value for name, value in values.items() if isinstance(value, int)}
    texts = {name: str(value) for name, value in values.items() if name not in numbers}
    head = {name: value for name, value in event.fields.items() if not name.startswith("content_")}
    return DecodedEvent(event.kind, head | numbers, event.record, message.layout.name, texts,
                        event.signed | _signed(message.layout))


class Subscription:
    """What one reader has not read yet.

    Iterating gives batches: how many records this reader was too slow for, and those after them.

    Parameters
    ----------
    capacity : int
        Records kept for this reader.
    """

    def __init__(self, capacity: int) -> None:
        self._records: deque[bytes] = deque()
        self._capacity = capacity
        self._dropped = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def put(self, record: bytes) -> None:
        """Take a record; the oldest one goes if there is no room."""
        if len(self._records) >= self._capacity:
            self._records.popleft()
            self._dropped += 1
        self._records.append(record)
        self._arrived.set()

    def close(self) -> None:
        """End the reader's loop once it has read the rest."""
        self._closed = True
        self._arrived.set()

    async def batches(self) -> AsyncIterator[tuple[int, list[bytes]]]:
        """Return (records dropped, records) again and again."""
        while True:
            if self._records or self._dropped:
                batch = (self._dropped, list(self._records))
                self._dropped = 0
                self._records.clear()
                yield batch
            elif self._closed:
                return
            else:
                self._arrived.clear()
                await self._arrived.wait()


class EventBroker:
    """Hand every record to every subscription.

    Attributes
    ----------
    lost : int
        Records of class 1 missing, by their own sequence numbers: must be 0.
    skipped : int
        Records of class 2 missing: the appliance could not send them all.
    received : int
        Records that came.
    recent : deque of bytes
        The latest of them, oldest first.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.skipped = 0
        self.received = 0
        self.recent: deque[bytes] = deque(maxlen=RECENT_RECORDS)
        self._next: dict[Sequence, int] = {}
        self._subscriptions: set[Subscription] = set()

    def publish(self, record: bytes) -> None:
        """Take a record of the appliance."""
        head = HEADER.decode_from(record)
        number, kind = head["event_sequence"], head["kind"]
        assert isinstance(number, int)
        counted = EventKind(kind).sequence if kind in list(EventKind) else Sequence.ORDERS
        missing = (number - self._next.get(counted, number)) % _SEQUENCES
        if counted is Sequence.ORDERS:
            self.lost += missing
        else:
            self.skipped += missing
        self._next[counted] = (number + 1) % _SEQUENCES
        self.received += 1
        self.recent.append(record)
        for subscription in self._subscriptions:
            subscription.put(record)

    def restart(self) -> None:
        """Expect any sequence numbers next: the way to the appliance was interrupted."""
        self._next.clear()

    @contextmanager
    def subscribe(self, capacity: int = 16384) -> Generator[Subscription]:
        """Return a subscription for the length of a block."""
        subscription = Subscription(capacity)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End the loops of all readers."""
        for subscription in self._subscriptions:
            subscription.close()
