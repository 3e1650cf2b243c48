"""A matching engine: price, then displayed before hidden, then time; for several symbols.

Every action returns what it caused; nothing is called back. An execution is at the price of the
order that rested, made better for the other party by that order's improvement.

While a symbol *collects*, its orders rest without meeting, until a cross executes all that can be
at one price; orders for the next cross wait for that out of sight.
"""

from collections.abc import Iterable, Iterator

from proto.wire.itch50 import CrossType, ImbalanceDirection
from proto.wire.ouch50_codes import CancelReason
from sim.exchange.cross import Clearing, clearing
from sim.exchange.orders import (
    Added,
    Cancelled,
    Crossed,
    Deleted,
    Executed,
    ExecutedWithPrice,
    Fill,
    Imbalance,
    Instrument,
    NewOrder,
    OrderError,
    Outcome,
    Party,
    Reduced,
    Replaced,
    Side,
    TimeInForce,
    Trade,
    Traded,
    other_side,
)
from sim.exchange.resting import BookSide, RestingOrder

__all__ = ["MatchingEngine"]


def _added(order: RestingOrder, now_ns: int) -> Added:
    return Added(now_ns, order.symbol, order.reference, order.side, order.quantity,
                 order.price_e4, order.mpid)


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
        self._sides = {symbol: {side: BookSide(side) for side in Side}
                       for symbol in self._instruments}
        self._orders: dict[int, RestingOrder] = {}
        self._waiting: dict[str, dict[int, RestingOrder]] = {
            symbol: {} for symbol in self._instruments}     # for the next cross
        self._collecting: set[str] = set()
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
            if resting.displayed:
                outcome.events.append(_added(resting, now_ns))
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
                         improvement_e4=old.improvement_e4, mpid=old.mpid,
                         time_in_force=TimeInForce.CROSS if old.for_cross else TimeInForce.DAY)
        self._remove(old)
        outcome = Outcome(self._take_reference(), quantity)
        untouched = self._first_for(order) is None
        if not untouched and old.displayed:
            outcome.events.append(Deleted(now_ns, old.symbol, reference))
        self._match(order, outcome, now_ns)
        if outcome.open_quantity:
            resting = self._rest(order, outcome)
            if old.displayed:
                outcome.events.append(
                    Replaced(now_ns, old.symbol, reference, outcome.reference, quantity, price_e4)
                    if untouched else _added(resting, now_ns))
        return outcome

    def collect(self, symbol: str, collecting: bool) -> None:
        """Let the orders of a symbol rest without meeting, or let them meet again.

        A cross must come before they meet again, or orders that crossed stay as they are.
        """
        (self._collecting.add if collecting else self._collecting.discard)(symbol)

    def imbalance(self, symbol: str, cross_type: CrossType, now_ns: int) -> Imbalance:
        """Return how a cross would end now."""
        near, far = self._clearing(symbol), self._clearing(symbol, waiting_only=True)
        if near is None:
            return Imbalance(now_ns, symbol, 0, 0, ImbalanceDirection.NOT_ENOUGH_ORDERS,
                             0 if far is None else far.price_e4, 0, 0, cross_type)
        inside = near.price_e4
        if symbol not in self._collecting:
            bid_e4, ask_e4 = (self.best(symbol, side)[0] for side in (Side.BUY, Side.SELL))
            inside = max(inside, bid_e4)
            inside = min(inside, ask_e4) if ask_e4 else inside
        direction = (ImbalanceDirection.BUY if near.surplus > 0 else
                     ImbalanceDirection.SELL if near.surplus < 0 else ImbalanceDirection.NONE)
        return Imbalance(now_ns, symbol, near.paired, abs(near.surplus), direction,
                         0 if far is None else far.price_e4, near.price_e4, inside, cross_type)

    def cross(self, symbol: str, cross_type: CrossType, now_ns: int) -> Outcome:
        """Execute all that meets at one price; cancel what waited for it and was left.

        Better prices come first, then displayed orders, then those that came earlier. The feed
        tells of each displayed order that was executed, not printable, and then of the cross.
        """
        outcome = Outcome(0)
        found = self._clearing(symbol)
        price_e4 = 0 if found is None else found.price_e4
        left = 0 if found is None else found.paired
        queues = [self._queue(symbol, side, price_e4) if left else [] for side in Side]
        while left:
            buyer, seller = (queue[-1] for queue in queues)
            shares = min(left, buyer.quantity, seller.quantity)
            left -= shares
            self._execute_in_cross(buyer, seller, shares, price_e4, cross_type, outcome, now_ns)
            for queue in queues:
                if not queue[-1].quantity:
                    self._remove(queue.pop())
        outcome.events.append(Crossed(now_ns, symbol, 0 if found is None else found.paired,
                                      price_e4, self._take_match_number(), cross_type))
        for order in list(self._waiting[symbol].values()):
            self._reduce(order, order.quantity, now_ns, CancelReason.IMMEDIATE_OR_CANCEL, outcome)
        return outcome

    def _clearing(self, symbol: str, *, waiting_only: bool = False) -> Clearing | None:
        sides: dict[Side, list[tuple[int, int]]] = {side: [] for side in Side}
        for side in Side:
            for order in self._all(symbol, side):
                if order.for_cross or not waiting_only:
                    sides[side].append((order.price_e4, order.quantity))
        bid_e4, ask_e4 = (self.best(symbol, side)[0] for side in (Side.BUY, Side.SELL))
        tick_e4 = self._instruments[symbol].tick_e4
        middle_e4 = (bid_e4 + ask_e4) // 2 // tick_e4 * tick_e4 if bid_e4 and ask_e4 else 0
        return clearing(sides[Side.BUY], sides[Side.SELL], middle_e4, tick_e4)

    def _all(self, symbol: str, side: Side) -> Iterator[RestingOrder]:
        """Yield every order of a side, those for the next cross too."""
        for level in self._sides[symbol][side].levels.values():
            yield from level.displayed.values()
            yield from level.hidden.values()
        yield from (order for order in self._waiting[symbol].values() if order.side is side)

    def _queue(self, symbol: str, side: Side, price_e4: int) -> list[RestingOrder]:
        """Return the orders of a side that trade at a price, the first one last."""
        sign = 1 if side is Side.BUY else -1
        within = [order for order in self._all(symbol, side)
                  if sign * order.price_e4 >= sign * price_e4]
        within.sort(key=lambda order: (-sign * order.price_e4, not order.displayed,
                                       order.reference), reverse=True)
        return within

    def _execute_in_cross(self, buyer: RestingOrder, seller: RestingOrder, shares: int,
                          price_e4: int, cross_type: CrossType, outcome: Outcome,
                          now_ns: int) -> None:
        match = self._take_match_number()
        for order in (buyer, seller):
            order.quantity -= shares
            if order.displayed:
                outcome.events.append(ExecutedWithPrice(
                    now_ns, order.symbol, order.reference, shares, match, price_e4,
                    printable=False))
            if order.account:
                outcome.reports.append(Fill(now_ns, order.account, order.reference, order.symbol,
                                            order.side, shares, price_e4, match, True,
                                            cross_type))
        outcome.trades.append(Trade(now_ns, buyer.symbol, shares, price_e4, match, buyer.party,
                                    seller.party, None))

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

    def _take_match_number(self) -> int:
        self._next_match_number += 1
        return self._next_match_number - 1

    def _live(self, reference: int) -> RestingOrder:
        order = self._orders.get(reference)
        if order is None:
            raise OrderError(f"order {reference} is not live")
        return order

    def _first_for(self, order: NewOrder) -> RestingOrder | None:
        """Return what an order trades with next, or None."""
        if order.symbol in self._collecting or order.time_in_force is TimeInForce.CROSS:
            return None
        return self._sides[order.symbol][other_side(order.side)].first_within(order.price_e4)

    def _match(self, order: NewOrder, outcome: Outcome, now_ns: int) -> None:
        """Execute what can be at once; then cancel what may not rest."""
        if order.post_only and self._first_for(order) is not None:
            self._cancel_rest(order, outcome, now_ns, CancelReason.POST_ONLY_CONTRA)
            return
        while outcome.open_quantity and (resting := self._first_for(order)) is not None:
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
        match = self._take_match_number()
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
        taker = Party(outcome.reference, order.account)
        buyer, seller = ((taker, resting.party) if order.side is Side.BUY
                         else (resting.party, taker))
        outcome.trades.append(Trade(now_ns, symbol, quantity, price_e4, match, buyer, seller,
                                    order.side))
        if not resting.quantity:
            self._remove(resting)

    def _rest(self, order: NewOrder, outcome: Outcome) -> RestingOrder:
        for_cross = order.time_in_force is TimeInForce.CROSS
        resting = RestingOrder(outcome.reference, order.symbol, order.side, outcome.open_quantity,
                               order.price_e4, order.account, order.displayed and not for_cross,
                               order.improvement_e4, order.mpid, for_cross)
        self._orders[resting.reference] = resting
        if for_cross:
            self._waiting[order.symbol][resting.reference] = resting
        else:
            self._sides[order.symbol][order.side].add(resting)
        return resting

    def _remove(self, order: RestingOrder) -> None:
        del self._orders[order.reference]
        if order.for_cross:
            del self._waiting[order.symbol][order.reference]
        else:
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
