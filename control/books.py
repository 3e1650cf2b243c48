"""Books as the event records tell them: of each symbol the last one."""

import struct
from dataclasses import dataclass, field

from proto.events import EVENTS, BookState, EventKind, struct_format

__all__ = ["BookLog", "BookView", "Level"]

_LAYOUT = EVENTS[EventKind.TOP_OF_BOOK]
_READ = struct.Struct(struct_format(_LAYOUT))
_NAMES = tuple(part.name for part in _LAYOUT)
_SYMBOL = _LAYOUT.field("symbol_index")


@dataclass(frozen=True)
class Level:
    """A price with orders.

    Attributes
    ----------
    price_e4 : int
        1e-4 USD.
    quantity, orders : int
        Shares, orders.
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
        Best first.
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
    """The last record of each book; it is decoded when somebody asks."""

    _records: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def take(self, record: bytes) -> None:
        """Take a record of the kind TOP_OF_BOOK."""
        end = _SYMBOL.offset + _SYMBOL.size
        self._records[int.from_bytes(record[_SYMBOL.offset:end], "little")] = record

    def forget(self, symbol_index: int | None = None) -> None:
        """Forget a book, or all: records may have been missed, or it is another symbol's now."""
        if symbol_index is None:
            self._records.clear()
        else:
            self._records.pop(symbol_index, None)

    def view(self, symbol_index: int) -> BookView | None:
        """Return a book, None if no record of it has come."""
        record = self._records.get(symbol_index)
        if record is None:
            return None
        fields: dict[str, int] = dict(zip(_NAMES, _READ.unpack(record), strict=True))
        return BookView(
            states=tuple(state.name.lower() for state in BookState(fields["state"])
                         if state.name is not None),
            bids=_side(fields, "bid"), asks=_side(fields, "ask"), ts_ns=fields["ts_ns"],
            feed_sequence=fields["feed_sequence"])


def _side(fields: dict[str, int], side: str) -> tuple[Level, ...]:
    price_e4 = fields[f"{side}_price"]
    if not price_e4:
        return ()
    return (Level(price_e4, fields[f"{side}_quantity"], fields[f"{side}_count"]),)
