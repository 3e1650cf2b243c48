"""Events of books from messages: what the features of :mod:`sim.golden.feature` are made of.

Ref: Nasdaq TotalView-ITCH 5.0, sections 1.4 to 1.6. Offsets are typed here by hand, as in
:mod:`sim.golden.book`.
"""

import heapq
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.golden.book import Book, Books
from sim.golden.feature import BookEvent, Touch

__all__ = ["BookEvents", "LevelRow", "NamedEvent", "best_levels"]

_DEPTH = 5


class LevelRow(NamedTuple):
    """A price level: price in 1e-4 USD, shares."""

    price: int
    shares: int


class NamedEvent(NamedTuple):
    """An event of the book of a locate; ``side`` is ``B`` or ``S``, empty if it is not known."""

    locate: int
    side: str
    touch: Touch
    event: BookEvent
    levels: list[LevelRow]


def best_levels(book: Book, side: str) -> list[LevelRow]:
    """Return the five best levels of a side, best first."""
    levels = book.levels[side]
    prices = heapq.nsmallest(_DEPTH, levels, key=lambda price: -price if side == "B" else price)
    return [LevelRow(price, levels[price][0]) for price in prices]


@dataclass
class BookEvents:
    """Books, and what else the features need of each message.

    From the first message with an unknown reference on, a book is not exact.
    """

    books: Books = field(default_factory=Books)
    _levels: dict[tuple[int, str], list[LevelRow]] = field(
        default_factory=dict[tuple[int, str], list[LevelRow]])
    _hidden: dict[int, int] = field(default_factory=dict[int, int])
    _incomplete: set[int] = field(default_factory=set[int])

    def apply(self, message: bytes) -> NamedEvent | None:
        """Apply a message; return the event that it is, None if it changes no book."""
        kind = message[0:1]
        locate, = struct.unpack_from(">H", message, 1)
        if kind == b"P":
            self._hidden[locate] = self._hidden.get(locate, 0) + 1
        if kind not in b"AFECXDU":
            return None
        reference, = struct.unpack_from(">Q", message, 11)
        order = self.books.orders.get(reference)
        side = "" if order is None else order.side
        before = 0 if order is None else order.shares
        if kind in b"AF":
            side = message[19:20].decode("ascii")
        elif order is None:
            self._incomplete.add(locate)
        self.books.apply(message)
        if side:
            self._levels[locate, side] = best_levels(self.books.books[locate], side)
        traded = 0
        if kind in b"EC" and order is not None:
            executed, = struct.unpack_from(">I", message, 19)
            traded = min(executed, before)
        event = BookEvent(
            time_ns=int.from_bytes(message[5:11], "big"), traded=traded, execution=kind in b"EC",
            sells=side == "S", hidden_trades=self._hidden.pop(locate, 0),
            bid_depth=sum(level.shares for level in self._levels.get((locate, "B"), ())),
            ask_depth=sum(level.shares for level in self._levels.get((locate, "S"), ())))
        touch = Touch(*self.books.top(locate), exact=locate not in self._incomplete)
        return NamedEvent(locate, side, touch, event, self._levels.get((locate, side), []))
