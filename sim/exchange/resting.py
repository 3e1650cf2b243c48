"""Orders that rest, and one side of a book: what the matching engine is made of."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from sim.exchange.orders import Party, Side

__all__ = ["BookSide", "RestingOrder"]


@dataclass(slots=True)
class RestingOrder:
    """A live order; ``quantity`` is what is open."""

    reference: int
    symbol: str
    side: Side
    quantity: int
    price_e4: int
    account: str
    displayed: bool
    improvement_e4: int
    mpid: str = ""
    for_cross: bool = False

    @property
    def party(self) -> Party:
        """Whose it is, as a trade tells it."""
        return Party(self.reference, self.account)

    @property
    def execution_price_e4(self) -> int:
        """Price at which it trades."""
        sign = 1 if self.side is Side.BUY else -1
        return self.price_e4 + sign * self.improvement_e4


class _Level:
    """The orders at one price, each kind in order of arrival."""

    __slots__ = ("displayed", "hidden")

    def __init__(self) -> None:
        self.displayed: dict[int, RestingOrder] = {}
        self.hidden: dict[int, RestingOrder] = {}

    def first(self) -> RestingOrder:
        """Return the order that is executed next."""
        return next(iter((self.displayed or self.hidden).values()))

    def queue(self, order: RestingOrder) -> dict[int, RestingOrder]:
        """Return the queue that `order` stands in."""
        return self.displayed if order.displayed else self.hidden


class BookSide:
    """One side of a book; a key is the price, negative for bids, so that the least is the best."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = -1 if side is Side.BUY else 1
        self.keys: list[int] = []
        self.levels: dict[int, _Level] = {}

    def add(self, order: RestingOrder) -> None:
        """Put an order behind all others of its kind and price."""
        key = self.sign * order.price_e4
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = _Level()
            insort(self.keys, key)
        level.queue(order)[order.reference] = order

    def remove(self, order: RestingOrder) -> None:
        """Take an order out."""
        key = self.sign * order.price_e4
        level = self.levels[key]
        del level.queue(order)[order.reference]
        if not level.displayed and not level.hidden:
            del self.levels[key]
            del self.keys[bisect_left(self.keys, key)]

    def first_within(self, limit_e4: int) -> RestingOrder | None:
        """Return the first order that an order of the other side at `limit_e4` trades with."""
        if not self.keys or self.keys[0] > self.sign * limit_e4:
            return None
        return self.levels[self.keys[0]].first()

    def displayed_levels(self) -> Iterator[tuple[int, int, int]]:
        """Yield price, shares and orders of what is displayed, best first."""
        for key in self.keys:
            orders = self.levels[key].displayed.values()
            if orders:
                yield self.sign * key, sum(order.quantity for order in orders), len(orders)
