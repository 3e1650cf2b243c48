"""A matching engine: price, then displayed before hidden, then time; for several symbols.

Every action returns what it caused; nothing is called back. An execution is at the price of the
order that rested, made better for the other party by that order's improvement.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proto.wire.ouch50_codes import CancelReason
from sim.exchange.orders import (
    Added,
    Cancelled,
    Deleted,
    Executed,
    ExecutedWithPrice,
    Fill,
    Instrument,
    NewOrder,
    OrderError,
    Outcome,
    Reduced,
    Replaced,
    Side,
    TimeInForce,
    Traded,
    other_side,
)

__all__ = ["MatchingEngine", "RestingOrder"]


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


class _BookSide:
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


class MatchingEngine:
    """Books of several symbols and the rules by which orders meet.

    Two orders of one account (other than the background's) do not trade with each other: the one
    that rested is cancelled.

    Parameters
    ----------
    instruments : iterable of Instrument
        What is traded.
    first_reference, first_match_number : int
        First order reference number and first match number given out; both count up.
    """

    def __init__(self, instruments: Iterable[Instrument], *, first_reference: int = 1,
                 first_match_number: int = 1) -> None:
        self._instruments = {item.symbol: item for item in instruments}
        self._sides = {symbol: {side: _BookSide(side) for side in Side}
                       for symbol in self._instruments}
        self._orders: dict[int, RestingOrder] = {}
        self._next_reference = first_reference
        self._next_match_number = first_match_number

    def instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument, or None if it is not traded here."""
        return self._instruments.get(symbol)

    def order(self, reference: int) -> RestingOrder | None:
        """Return a live order, or None."""
        return self._orders.get(reference)

    def levels(self, symbol: str, side: Side) -> Iterator[tuple[int, int, int]]:
        """Yield price, shares and orders of the displayed levels, best first."""
        return self._sides[symbol][side].displayed_levels()

    def best(self, symbol: str, side: Side) -> tuple[int, int, int]:
        """Return price, shares and orders of the best displayed level; zeros if there is none."""
        return next(self.levels(symbol, side), (0, 0, 0))

    def enter(self, order: NewOrder, now_ns: int) -> Outcome:
        """Enter an order.

        Raises
        ------
        OrderError
            If symbol, quantity or price cannot be.
        """
        self._check(order.symbol, order.quantity, order.price_e4)
        outcome = Outcome(self._take_reference(), order.quantity)
        self._match(order, outcome, now_ns)
        if outcome.open_quantity:
            resting = self._rest(order, outcome)
            if order.displayed:
                outcome.events.append(Added(now_ns, order.symbol, outcome.reference, order.side,
                                            resting.quantity, order.price_e4))
        return outcome

    def reduce(self, reference: int, quantity: int, now_ns: int,
               reason: CancelReason = CancelReason.USER_REQUESTED) -> Outcome:
        """Take `quantity` shares, or all that are open if those are fewer, off a live order.

        Raises
        ------
        OrderError
            If there is no such order, or nothing is to be taken.
        """
        order = self._live(reference)
        if quantity < 1:
            raise OrderError(f"order {reference}: shares to cancel must be >= 1, were {quantity}")
        outcome = Outcome(reference)
        self._reduce(order, min(quantity, order.quantity), now_ns, reason, outcome)
        outcome.open_quantity = order.quantity
        return outcome

    def replace(self, reference: int, quantity: int, price_e4: int, now_ns: int) -> Outcome:
        """Replace a live order by one of `quantity` shares at another price, last in its queue.

        The feed tells of a replacement if the new order rests untouched, else of a deletion and of
        what follows it.

        Raises
        ------
        OrderError
            If there is no such order, or the new one cannot be.
        """
        old = self._live(reference)
        self._check(old.symbol, quantity, price_e4)
        order = NewOrder(symbol=old.symbol, side=old.side, quantity=quantity, price_e4=price_e4,
                         account=old.account, displayed=old.displayed,
                         improvement_e4=old.improvement_e4)
        self._remove(old)
        outcome = Outcome(self._take_reference(), quantity)
        untouched = self._opposite(order).first_within(price_e4) is None
        if not untouched and old.displayed:
            outcome.events.append(Deleted(now_ns, old.symbol, reference))
        self._match(order, outcome, now_ns)
        if outcome.open_quantity:
            resting = self._rest(order, outcome)
            if old.displayed:
                outcome.events.append(
                    Replaced(now_ns, old.symbol, reference, outcome.reference, quantity, price_e4)
                    if untouched else
                    Added(now_ns, old.symbol, outcome.reference, old.side, resting.quantity,
                          price_e4))
        return outcome

    def _check(self, symbol: str, quantity: int, price_e4: int) -> None:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise OrderError(f"symbol {symbol!r} is not traded")
        if quantity < 1:
            raise OrderError(f"{symbol}: quantity must be >= 1, was {quantity}")
        if price_e4 < 1 or price_e4 % instrument.tick_e4:
            raise OrderError(f"{symbol}: price must be a positive multiple of {instrument.tick_e4},"
                             f" was {price_e4}")

    def _take_reference(self) -> int:
        self._next_reference += 1
        return self._next_reference - 1

    def _live(self, reference: int) -> RestingOrder:
        order = self._orders.get(reference)
        if order is None:
            raise OrderError(f"order {reference} is not live")
        return order

    def _opposite(self, order: NewOrder) -> _BookSide:
        return self._sides[order.symbol][other_side(order.side)]

    def _match(self, order: NewOrder, outcome: Outcome, now_ns: int) -> None:
        """Execute what can be at once; then cancel what may not rest."""
        opposite = self._opposite(order)
        if order.post_only and opposite.first_within(order.price_e4) is not None:
            self._cancel_rest(order, outcome, now_ns, CancelReason.POST_ONLY_CONTRA)
            return
        while outcome.open_quantity:
            resting = opposite.first_within(order.price_e4)
            if resting is None:
                break
            if order.account and order.account == resting.account:
                self._reduce(resting, resting.quantity, now_ns, CancelReason.SELF_MATCH_PREVENTION,
                             outcome)
            else:
                self._execute(order, resting, outcome, now_ns)
        if outcome.open_quantity and order.time_in_force is TimeInForce.IOC:
            self._cancel_rest(order, outcome, now_ns, CancelReason.IMMEDIATE_OR_CANCEL)

    def _cancel_rest(self, order: NewOrder, outcome: Outcome, now_ns: int,
                     reason: CancelReason) -> None:
        if order.account:
            outcome.reports.append(Cancelled(now_ns, order.account, outcome.reference,
                                             outcome.open_quantity, reason))
        outcome.open_quantity = 0

    def _execute(self, order: NewOrder, resting: RestingOrder, outcome: Outcome,
                 now_ns: int) -> None:
        quantity = min(outcome.open_quantity, resting.quantity)
        price_e4 = resting.execution_price_e4
        match = self._next_match_number
        self._next_match_number += 1
        outcome.open_quantity -= quantity
        resting.quantity -= quantity
        symbol = order.symbol
        if not resting.displayed:
            outcome.events.append(Traded(now_ns, symbol, quantity, price_e4, match))
        elif price_e4 != resting.price_e4:
            outcome.events.append(ExecutedWithPrice(now_ns, symbol, resting.reference, quantity,
                                                    match, price_e4))
        else:
            outcome.events.append(Executed(now_ns, symbol, resting.reference, quantity, match))
        if resting.account:
            outcome.reports.append(Fill(now_ns, resting.account, resting.reference, symbol,
                                        resting.side, quantity, price_e4, match, True))
        if order.account:
            outcome.reports.append(Fill(now_ns, order.account, outcome.reference, symbol,
                                        order.side, quantity, price_e4, match, False))
        if not resting.quantity:
            self._remove(resting)

    def _rest(self, order: NewOrder, outcome: Outcome) -> RestingOrder:
        resting = RestingOrder(outcome.reference, order.symbol, order.side, outcome.open_quantity,
                               order.price_e4, order.account, order.displayed,
                               order.improvement_e4)
        self._orders[resting.reference] = resting
        self._sides[order.symbol][order.side].add(resting)
        return resting

    def _remove(self, order: RestingOrder) -> None:
        del self._orders[order.reference]
        self._sides[order.symbol][order.side].remove(order)

    def _reduce(self, order: RestingOrder, quantity: int, now_ns: int, reason: CancelReason,
                outcome: Outcome) -> None:
        order.quantity -= quantity
        if not order.quantity:
            self._remove(order)
        if order.displayed:
            outcome.events.append(Reduced(now_ns, order.symbol, order.reference, quantity)
                                  if order.quantity else
                                  Deleted(now_ns, order.symbol, order.reference))
        if order.account:
            outcome.reports.append(Cancelled(now_ns, order.account, order.reference, quantity,
                                             reason))
