"""Fills for orders against a replayed capture, and the assumptions that they rest on.

The capture's orders are the market. Ours are matched against them and never change what the
capture does next.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from proto.wire import itch50
from proto.wire.message import Message, Value
from proto.wire.ouch50_codes import CancelReason
from sim.exchange.orders import (
    Cancelled,
    Fill,
    Instrument,
    NewOrder,
    OrderError,
    Outcome,
    Side,
    TimeInForce,
    other_side,
)

__all__ = ["ASSUMPTIONS", "ReplayFills", "ReplayMarket", "assumptions"]

#: Own references, far from those of a capture.
_FIRST_OWN_REFERENCE = 1 << 62

ASSUMPTIONS = (
    "The capture goes on as if our orders did not exist; nobody reacts to them.",
    "Taking executes against displayed orders only, best price first, in order of time, each at "
    "its own price. A displayed share is consumed once: it stays taken until its order is gone; "
    "a replaced order is new.",
    "A resting order stands behind every displayed order that is at its price when it arrives, "
    "and moves up only as those are executed, cancelled or replaced.",
    "It is executed, at its own price, when the capture executes an order behind it at its price, "
    "executes any order of its side at a worse price, trades a hidden order at a worse price, or "
    "shows an order of the other side that crosses it; each captured share fills one own share at "
    "most.",
    "A hidden trade at exactly its price does not execute it.",
    "An own order that is not displayed is treated as if it were.",
    "Two own orders never trade with each other: the one that rested is cancelled.",
    "There are no fees.",
)


def assumptions(latency_ns: int) -> str:
    """Return the assumptions as text for a report."""
    lines = (f"An order or a cancel reaches the venue {latency_ns} ns after it was sent; messages "
             "of the capture with the stamp of its arrival come before it.", *ASSUMPTIONS)
    return "\n".join(f"- {line}" for line in lines)


@dataclass(slots=True)
class _Real:
    """A displayed order of the capture."""

    locate: int
    side: Side
    price_e4: int
    shares: int
    taken: int = 0      # shares that we have consumed

    @property
    def available(self) -> int:
        return self.shares - self.taken


@dataclass(slots=True)
class _Own:
    """A resting order of ours."""

    reference: int
    order: NewOrder
    open_quantity: int
    ahead: set[int]     # references of the capture that are executed before it


@dataclass
class _Half:
    """One side of one book."""

    levels: dict[int, dict[int, _Real]] = field(default_factory=dict[int, dict[int, _Real]])
    own: list[_Own] = field(default_factory=list[_Own])     # best price first, then time


def _better_or_equal(side: Side, price_e4: int, other_e4: int) -> bool:
    """Tell whether an order of `side` at `price_e4` is at least as aggressive as at `other_e4`."""
    return price_e4 >= other_e4 if side is Side.BUY else price_e4 <= other_e4


class ReplayMarket:
    """The books of a capture, and our orders in them.

    Parameters
    ----------
    instruments : iterable of Instrument
        What may be traded.

    Attributes
    ----------
    counters : Counter
        ``unknown`` references, and messages of a wrong length as ``malformed``.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.counters: Counter[str] = Counter()
        self._instruments = {item.symbol: item for item in instruments}
        self._symbols = {item.locate: item.symbol for item in self._instruments.values()}
        self._real: dict[int, _Real] = {}
        self._own: dict[int, _Own] = {}
        self._halves: dict[tuple[int, Side], _Half] = {}
        self._next_reference = _FIRST_OWN_REFERENCE
        self._match_number = 0
        self._handlers: dict[Message, Callable[[dict[str, Value], Outcome], None]] = {
            itch50.ADD_ORDER: self._add, itch50.ADD_ORDER_MPID: self._add,
            itch50.ORDER_EXECUTED: self._executed,
            itch50.ORDER_EXECUTED_WITH_PRICE: self._executed,
            itch50.ORDER_CANCEL: self._cancel, itch50.ORDER_DELETE: self._delete,
            itch50.ORDER_REPLACE: self._replace, itch50.TRADE: self._trade,
        }

    # The market's side: messages of the capture.

    def apply(self, message: bytes) -> Outcome:
        """Take in one ITCH message; the outcome holds what it does to our orders."""
        outcome = Outcome(0)
        table = itch50.MESSAGES.get(message[0]) if message else None
        handler = None if table is None else self._handlers.get(table)
        if table is None or handler is None:
            return outcome
        if len(message) != table.size:
            self.counters["malformed"] += 1
            return outcome
        handler(table.decode(message), outcome)
        return outcome

    def best(self, symbol: str, side: Side) -> tuple[int, int, int]:
        """Return price, shares and orders of the best level of the capture; zeros if none."""
        levels = self._half(self._instruments[symbol].locate, side).levels
        if not levels:
            return 0, 0, 0
        price_e4 = max(levels) if side is Side.BUY else min(levels)
        orders = levels[price_e4].values()
        return price_e4, sum(order.shares for order in orders), len(orders)

    def _half(self, locate: int, side: Side) -> _Half:
        key = (locate, side)
        if key not in self._halves:
            self._halves[key] = _Half()
        return self._halves[key]

    def _insert(self, reference: int, real: _Real, ts_ns: int, outcome: Outcome) -> None:
        self._real[reference] = real
        half = self._half(real.locate, real.side)
        half.levels.setdefault(real.price_e4, {})[reference] = real
        opposite = self._half(real.locate, other_side(real.side))
        for own in list(opposite.own):
            if not real.available or not _better_or_equal(real.side, real.price_e4,
                                                          own.order.price_e4):
                break
            real.taken += self._fill(opposite, own, real.available, ts_ns, outcome)

    def _remove(self, reference: int) -> None:
        real = self._real.pop(reference)
        half = self._half(real.locate, real.side)
        level = half.levels[real.price_e4]
        del level[reference]
        if not level:
            del half.levels[real.price_e4]
        for own in half.own:
            own.ahead.discard(reference)

    def _known(self, values: dict[str, Value],
               name: str = "order_reference_number") -> tuple[int, _Real | None]:
        reference = int(values[name])
        real = self._real.get(reference)
        self.counters["unknown"] += real is None
        return reference, real

    def _add(self, values: dict[str, Value], outcome: Outcome) -> None:
        real = _Real(int(values["stock_locate"]), Side(str(values["buy_sell_indicator"])),
                     int(values["price"]), int(values["shares"]))
        self._insert(int(values["order_reference_number"]), real, int(values["timestamp"]),
                     outcome)

    def _executed(self, values: dict[str, Value], outcome: Outcome) -> None:
        reference, real = self._known(values)
        if real is None:
            return
        shares = min(real.shares, int(values["executed_shares"]))
        half = self._half(real.locate, real.side)
        left = shares
        for own in list(half.own):
            worse = own.order.price_e4 == real.price_e4 and reference in own.ahead
            if not left or worse or not _better_or_equal(real.side, own.order.price_e4,
                                                         real.price_e4):
                break
            left -= self._fill(half, own, left, int(values["timestamp"]), outcome)
        self._take_off(reference, real, shares)

    def _take_off(self, reference: int, real: _Real, shares: int) -> None:
        real.shares -= min(real.shares, shares)
        real.taken = min(real.taken, real.shares)
        if not real.shares:
            self._remove(reference)

    def _cancel(self, values: dict[str, Value], outcome: Outcome) -> None:
        reference, real = self._known(values)
        if real is not None:
            self._take_off(reference, real, int(values["cancelled_shares"]))

    def _delete(self, values: dict[str, Value], outcome: Outcome) -> None:
        reference, real = self._known(values)
        if real is not None:
            self._remove(reference)

    def _replace(self, values: dict[str, Value], outcome: Outcome) -> None:
        reference, real = self._known(values, "original_order_reference_number")
        if real is not None:
            self._remove(reference)
            self._insert(int(values["new_order_reference_number"]),
                         _Real(real.locate, real.side, int(values["price"]),
                               int(values["shares"])), int(values["timestamp"]), outcome)

    def _trade(self, values: dict[str, Value], outcome: Outcome) -> None:
        left, price_e4 = int(values["shares"]), int(values["price"])
        for side in Side:
            half = self._half(int(values["stock_locate"]), side)
            for own in list(half.own):
                if not left or own.order.price_e4 == price_e4 or \
                        not _better_or_equal(side, own.order.price_e4, price_e4):
                    break
                left -= self._fill(half, own, left, int(values["timestamp"]), outcome)

    # Our side.

    def instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument, or None if it is not in the capture."""
        return self._instruments.get(symbol)

    def enter(self, order: NewOrder, now_ns: int) -> Outcome:
        """Enter an order that has arrived.

        Raises
        ------
        OrderError
            If the symbol is not in the capture, or there is nothing to buy or sell.
        """
        instrument = self._instruments.get(order.symbol)
        if instrument is None or order.quantity < 1 or order.price_e4 < 1:
            raise OrderError(f"no such order is possible: {order}")
        outcome = Outcome(self._next_reference, order.quantity)
        self._next_reference += 1
        self._cancel_crossed(instrument.locate, order, now_ns, outcome)
        takes = self._within(instrument.locate, order)
        if order.post_only and takes:
            self._cancel_rest(order, outcome, now_ns, CancelReason.POST_ONLY_CONTRA)
        for real in takes:
            quantity = min(real.available, outcome.open_quantity)
            if not quantity:
                break
            real.taken += quantity
            outcome.open_quantity -= quantity
            self._tell_fill(order, outcome.reference, quantity, real.price_e4, now_ns, outcome,
                            added=False)
        if outcome.open_quantity and order.time_in_force is TimeInForce.IOC:
            self._cancel_rest(order, outcome, now_ns, CancelReason.IMMEDIATE_OR_CANCEL)
        if outcome.open_quantity:
            self._rest(instrument.locate, order, outcome)
        return outcome

    def reduce(self, reference: int, quantity: int, now_ns: int,
               reason: CancelReason = CancelReason.USER_REQUESTED) -> Outcome:
        """Take `quantity` shares, or all that are open if those are fewer, off an own order.

        Raises
        ------
        OrderError
            If there is no such order.
        """
        own = self._own.get(reference)
        if own is None or quantity < 1:
            raise OrderError(f"order {reference} is not live, or nothing is to be taken off")
        outcome = Outcome(reference)
        quantity = min(quantity, own.open_quantity)
        own.open_quantity -= quantity
        outcome.open_quantity = own.open_quantity
        outcome.reports.append(Cancelled(now_ns, own.order.account, reference, quantity, reason))
        self._forget_if_done(own)
        return outcome

    def replace(self, reference: int, quantity: int, price_e4: int, now_ns: int) -> Outcome:
        """Replace an own order by one of `quantity` shares at another price, last in its queue.

        Raises
        ------
        OrderError
            If there is no such order.
        """
        own = self._own.get(reference)
        if own is None:
            raise OrderError(f"order {reference} is not live")
        own.open_quantity = 0
        self._forget_if_done(own)
        order = own.order
        return self.enter(NewOrder(symbol=order.symbol, side=order.side, quantity=quantity,
                                   price_e4=price_e4, account=order.account), now_ns)

    def _within(self, locate: int, order: NewOrder) -> list[_Real]:
        """Return the displayed orders that an order can take, in the order in which it does."""
        side = other_side(order.side)
        levels = self._half(locate, side).levels
        prices = sorted((price for price in levels
                         if _better_or_equal(order.side, order.price_e4, price)),
                        reverse=side is Side.BUY)
        return [real for price in prices for real in levels[price].values() if real.available]

    def _cancel_crossed(self, locate: int, order: NewOrder, now_ns: int, outcome: Outcome) -> None:
        for own in list(self._half(locate, other_side(order.side)).own):
            if own.order.account == order.account and \
                    _better_or_equal(order.side, order.price_e4, own.order.price_e4):
                outcome.reports += self.reduce(own.reference, own.open_quantity, now_ns,
                                               CancelReason.SELF_MATCH_PREVENTION).reports

    def _cancel_rest(self, order: NewOrder, outcome: Outcome, now_ns: int,
                     reason: CancelReason) -> None:
        outcome.reports.append(Cancelled(now_ns, order.account, outcome.reference,
                                         outcome.open_quantity, reason))
        outcome.open_quantity = 0

    def _rest(self, locate: int, order: NewOrder, outcome: Outcome) -> None:
        half = self._half(locate, order.side)
        own = _Own(outcome.reference, order, outcome.open_quantity,
                   {reference for reference, real in half.levels.get(order.price_e4, {}).items()
                    if real.available})
        self._own[own.reference] = own
        half.own.append(own)
        half.own.sort(key=lambda item: item.order.price_e4, reverse=order.side is Side.BUY)

    def _fill(self, half: _Half, own: _Own, most: int, ts_ns: int, outcome: Outcome) -> int:
        """Execute a resting order against `most` shares; return how many it took."""
        quantity = min(most, own.open_quantity)
        own.open_quantity -= quantity
        self._tell_fill(own.order, own.reference, quantity, own.order.price_e4, ts_ns, outcome,
                        added=True)
        self._forget_if_done(own)
        return quantity

    def _forget_if_done(self, own: _Own) -> None:
        if not own.open_quantity:
            del self._own[own.reference]
            locate = self._instruments[own.order.symbol].locate
            self._half(locate, own.order.side).own.remove(own)

    def _tell_fill(self, order: NewOrder, reference: int, quantity: int, price_e4: int,
                   ts_ns: int, outcome: Outcome, *, added: bool) -> None:
        self._match_number += 1
        outcome.reports.append(Fill(ts_ns, order.account, reference, order.symbol, order.side,
                                    quantity, price_e4, self._match_number, added))


class ReplayFills:
    """A replayed market that our orders reach after a latency.

    Parameters
    ----------
    market : ReplayMarket
        The market.
    latency_ns : int
        From sending an order or a cancel to its arrival.
    """

    def __init__(self, market: ReplayMarket, latency_ns: int) -> None:
        if latency_ns < 0:
            raise ValueError(f"latency must be >= 0 ns, was {latency_ns}")
        self.market = market
        self.latency_ns = latency_ns
        self._ticket = 0
        self._due: list[tuple[int, int, NewOrder | tuple[int, int]]] = []
        self._references: dict[int, int] = {}

    @property
    def assumptions(self) -> str:
        """The assumptions as text for a report."""
        return assumptions(self.latency_ns)

    def enter(self, order: NewOrder, sent_ns: int) -> int:
        """Send an order; return the ticket by which it can be cancelled."""
        self._ticket += 1
        heappush(self._due, (sent_ns + self.latency_ns, self._ticket, order))
        return self._ticket

    def cancel(self, ticket: int, quantity: int, sent_ns: int) -> None:
        """Send a cancel of `quantity` shares; it does nothing if the order is done by then."""
        self._ticket += 1
        heappush(self._due, (sent_ns + self.latency_ns, self._ticket, (ticket, quantity)))

    def message(self, message: bytes) -> list[Outcome]:
        """Take in the next message of the capture; orders that arrive before it come first."""
        field_ = itch50.HEADER.field("timestamp")
        ts_ns = int.from_bytes(message[field_.span], "big")
        outcomes = self.advance(ts_ns)
        outcomes.append(self.market.apply(message))
        return outcomes

    def advance(self, now_ns: int) -> list[Outcome]:
        """Let everything arrive that does so before `now_ns`."""
        outcomes: list[Outcome] = []
        while self._due and self._due[0][0] < now_ns:
            at_ns, ticket, what = heappop(self._due)
            if isinstance(what, NewOrder):
                outcome = self.market.enter(what, at_ns)
                self._references[ticket] = outcome.reference
            else:
                reference = self._references.get(what[0], 0)
                try:
                    outcome = self.market.reduce(reference, what[1], at_ns)
                except OrderError:
                    continue    # too late: the fill has told the story
            outcomes.append(outcome)
        return outcomes
