"""Books as the event records tell them: of each symbol the last of each kind."""

import struct
from dataclasses import dataclass, field

from proto.events import (
    EVENTS,
    HEADER,
    UNKNOWN_PRICE,
    BookState,
    EventKind,
    Sequence,
    struct_format,
)
from proto.features import DEPTH_LEVELS

__all__ = ["BookLog", "BookView", "Level"]

_SIDES = {EventKind.BID_DEPTH: "bid", EventKind.ASK_DEPTH: "ask"}
_READ = {kind: struct.Struct(struct_format(EVENTS[kind]))
         for kind in (EventKind.TOP_OF_BOOK, *_SIDES)}
_SYMBOL, _NUMBER = HEADER.field("symbol_index"), HEADER.field("event_sequence")
_KIND = HEADER.field("kind").offset
_DETAILS = frozenset(kind for kind in EventKind if kind.sequence is Sequence.DETAILS)


@dataclass(frozen=True)
class Level:
    """A price with orders.

    Attributes
    ----------
    price_e4 : int
        1e-4 USD.
    quantity, orders : int
        Shares, orders; 0 orders: their number is not told.
    """

    price_e4: int
    quantity: int
    orders: int


@dataclass(frozen=True, kw_only=True)
class BookView:
    """A book, as far as records tell it.

    Attributes
    ----------
    states : tuple of str
        What keeps it from being traded or believed; none: it is exact and may be traded.
    bids, asks : tuple of Level
        Best first; those behind the best one if levels are recorded.
    ts_ns, feed_sequence : int
        Timestamp, ns since midnight, and sequence number of the message that changed it last.
    """

    states: tuple[str, ...]
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts_ns: int
    feed_sequence: int


@dataclass
class BookLog:
    """The last records of each book; they are decoded when somebody asks.

    Levels behind the best one count as long as no record of them can have been lost: until the next
    event of their side if one was.
    """

    _tops: dict[int, bytes] = field(default_factory=dict[int, bytes])
    _depths: dict[int, dict[EventKind, bytes]] = field(
        default_factory=dict[int, dict[EventKind, bytes]])
    _next_detail: int | None = None

    def take(self, record: bytes) -> None:
        """Take a record; those that are not about books are passed over."""
        kind = record[_KIND]
        symbol_index = int.from_bytes(record[_SYMBOL.span], "little")
        if kind == EventKind.TOP_OF_BOOK:
            self._tops[symbol_index] = record
        elif kind in _DETAILS:
            number = int.from_bytes(record[_NUMBER.span], "little")
            if number != self._next_detail:
                self._depths.clear()
            self._next_detail = (number + 1) % (1 << _NUMBER.bits)
            if kind in _SIDES:
                self._depths.setdefault(symbol_index, {})[EventKind(kind)] = record

    def forget(self, symbol_index: int | None = None) -> None:
        """Forget a book, or all: records may have been missed, or it is another symbol's now."""
        if symbol_index is None:
            self._tops.clear()
            self._depths.clear()
        else:
            self._tops.pop(symbol_index, None)
            self._depths.pop(symbol_index, None)

    def view(self, symbol_index: int) -> BookView | None:
        """Return a book, None if no record of its best prices has come."""
        record = self._tops.get(symbol_index)
        if record is None:
            return None
        fields = _fields(EventKind.TOP_OF_BOOK, record)
        depths = {side: _fields(kind, self._depths[symbol_index][kind])
                  for kind, side in _SIDES.items() if kind in self._depths.get(symbol_index, {})}
        return BookView(
            states=tuple(state.name.lower() for state in BookState(fields["state"])
                         if state.name is not None),
            bids=_side(fields, "bid", depths.get("bid")),
            asks=_side(fields, "ask", depths.get("ask")),
            ts_ns=fields["ts_ns"], feed_sequence=fields["feed_sequence"])


def _fields(kind: EventKind, record: bytes) -> dict[str, int]:
    return dict(zip((part.name for part in EVENTS[kind]), _READ[kind].unpack(record), strict=True))


def _side(top: dict[str, int], side: str, depth: dict[str, int] | None) -> tuple[Level, ...]:
    price_e4, quantity = top[f"{side}_price"], top[f"{side}_quantity"]
    if not price_e4:
        return ()
    best = Level(price_e4, quantity, top[f"{side}_count"])
    # The records of the best prices and of the levels come by different ways: these must agree.
    if depth is None or (depth["price_0"], depth["quantity_0"]) != (price_e4, quantity):
        return (best,)
    return (best, *(Level(depth[f"price_{n}"], depth[f"quantity_{n}"], 0)
                    for n in range(1, DEPTH_LEVELS)
                    if depth[f"price_{n}"] not in (0, UNKNOWN_PRICE)))
