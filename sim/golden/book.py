"""Order books from TotalView-ITCH 5.0 messages, in the plainest Python: the specification.

Ref: Nasdaq TotalView-ITCH 5.0, sections 1.3 to 1.6. Offsets are typed here by hand, so that the
model shares nothing with the tables that the hardware and the captures' readers are built from.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Book", "Books", "CSV_HEADER", "Order", "Row", "bbo_rows"]

CSV_HEADER = "seq,ts_ns,locate,bid_px,bid_sz,bid_ct,ask_px,ask_sz,ask_ct"


class Row(NamedTuple):
    """Best bid and offer of one locate after one message; zeros where a side is empty."""

    seq: int
    ts_ns: int
    locate: int
    bid_px: int
    bid_sz: int
    bid_ct: int
    ask_px: int
    ask_sz: int
    ask_ct: int


@dataclass
class Order:
    """One resting order; ``price`` in 1e-4 USD, ``shares`` what is still open."""

    locate: int
    side: str
    price: int
    shares: int


@dataclass
class Book:
    """Price levels of one locate: side ``B`` or ``S`` -> price -> [shares, orders]."""

    levels: dict[str, dict[int, list[int]]] = field(default_factory=lambda: {"B": {}, "S": {}})

    def change(self, order: Order, shares: int, count: int) -> None:
        """Add `shares` and `count` orders (either may be negative) to the level of `order`."""
        side = self.levels[order.side]
        level = side.setdefault(order.price, [0, 0])
        level[0] += shares
        level[1] += count
        if level[1] == 0:
            del side[order.price]

    def best(self, side: str) -> tuple[int, int, int]:
        """Return price, shares and order count of the best level; zeros if there is none."""
        levels = self.levels[side]
        if not levels:
            return 0, 0, 0
        price = max(levels) if side == "B" else min(levels)
        return price, levels[price][0], levels[price][1]


class Books:
    """All books of one stream.

    An execution, cancel, delete or replace of an unknown reference changes nothing but
    ``unknown``. More shares than are open take what is open.
    """

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.books: dict[int, Book] = {}
        self.unknown = 0

    def _insert(self, reference: int, order: Order) -> None:
        self.orders[reference] = order
        self.books.setdefault(order.locate, Book()).change(order, order.shares, 1)

    def _take(self, reference: int, shares: int | None) -> Order | None:
        order = self.orders.get(reference)
        if order is None:
            self.unknown += 1
            return None
        taken = order.shares if shares is None else min(shares, order.shares)
        order.shares -= taken
        gone = order.shares == 0 or shares is None
        self.books[order.locate].change(order, -taken, -1 if gone else 0)
        if gone:
            del self.orders[reference]
        return order

    def apply(self, message: bytes) -> int | None:
        """Apply one message; return the locate whose book it changed, or None."""
        kind = message[0:1]
        if kind not in b"AFECXDU":
            return None
        locate, = struct.unpack_from(">H", message, 1)
        reference, = struct.unpack_from(">Q", message, 11)
        if kind in b"AF":
            side = message[19:20].decode("ascii")
            shares, = struct.unpack_from(">I", message, 20)
            price, = struct.unpack_from(">I", message, 32)
            self._insert(reference, Order(locate, side, price, shares))
            return locate
        if kind in b"ECX":
            shares, = struct.unpack_from(">I", message, 19)
            order = self._take(reference, shares)
            return None if order is None else order.locate
        order = self._take(reference, None)
        if order is None:
            return None
        if kind == b"U":
            new_reference, shares, price = struct.unpack_from(">QII", message, 19)
            self._insert(new_reference, Order(order.locate, order.side, price, shares))
        return order.locate

    def top(self, locate: int) -> tuple[int, int, int, int, int, int]:
        """Return best bid and best offer of a locate."""
        book = self.books.get(locate, Book())
        return book.best("B") + book.best("S")


def bbo_rows(messages: Iterable[bytes]) -> Iterator[Row]:
    """Yield a row for each message that changes price or shares of a best level.

    Parameters
    ----------
    messages : iterable of bytes
        ITCH messages without their length field, in order; the first is number 1.
    """
    books = Books()
    published: dict[int, tuple[int, ...]] = {}
    for seq, message in enumerate(messages, start=1):
        locate = books.apply(message)
        if locate is None:
            continue
        top = books.top(locate)
        seen = top[0:2] + top[3:5]  # the order counts alone make no row
        if seen == published.get(locate, (0, 0, 0, 0)):
            continue
        published[locate] = seen
        ts_ns = int.from_bytes(message[5:11], "big")
        yield Row(seq, ts_ns, locate, *top)
