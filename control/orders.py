"""Our orders as the event records tell them: the order log, apart from the appliance's own sums."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proto.checks import failed_checks
from proto.events import AnswerCode, EventKind, OrderFlag

__all__ = ["LoggedOrder", "OrderLog", "OrderStatus"]

_MOST_ORDERS = 100_000


class OrderStatus(StrEnum):
    """What has become of an order."""

    SENT = "sent"            #: the venue has not answered
    LIVE = "live"
    EXECUTED = "executed"    #: wholly
    CANCELED = "canceled"    #: what was left of it
    REJECTED = "rejected"
    DEAD = "dead"            #: accepted and dead on arrival


@dataclass(kw_only=True)
class LoggedOrder:
    """An order, from its frame to its end.

    Attributes
    ----------
    user_ref_num, symbol_index : int
        Its number; its symbol's book.
    sell, day : bool
        Side and time in force.
    quantity, price_e4 : int
        Shares, 1e-4 USD.
    status : OrderStatus
        What has become of it.
    open_quantity, executed_quantity : int
        Shares at the venue, and executed.
    executed_value_e4 : int
        Price times quantity of all executions, 1e-4 USD.
    cancel_sent : bool
        A cancel was sent.
    latency_cycles : int
        Start of the trigger's frame to Start of the order's.
    epoch : int
        Of the model.
    reason : int
        Of a cancel or rejection; 0 for none.
    """

    user_ref_num: int
    symbol_index: int
    sell: bool
    day: bool
    quantity: int
    price_e4: int
    status: OrderStatus = OrderStatus.SENT
    open_quantity: int = 0
    executed_quantity: int = 0
    executed_value_e4: int = 0
    cancel_sent: bool = False
    latency_cycles: int = 0
    epoch: int = 0
    reason: int = 0


@dataclass
class OrderLog:
    """All orders since the control plane began to listen.

    Attributes
    ----------
    orders : dict of int to LoggedOrder
        By UserRefNum, oldest first; finished ones are forgotten when there are too many.
    positions : Counter
        Shares bought minus sold, by symbol_index.
    fills : int
        Executions.
    cash_e4, turnover_e4 : int
        What sales brought minus what purchases cost; value of all executions; 1e-4 USD.
    refusals : Counter
        Orders and cancels that failed a check, by its name in lower case; in a record of several
        refusals each check that any of them failed counts them all.
    refused : int
        Refusals in all.
    unexplained : int
        Answers to orders that were not seen to be sent.
    """

    orders: dict[int, LoggedOrder] = field(default_factory=dict[int, LoggedOrder])
    positions: Counter[int] = field(default_factory=Counter[int])
    fills: int = 0
    cash_e4: int = 0
    turnover_e4: int = 0
    refusals: Counter[str] = field(default_factory=Counter[str])
    refused: int = 0
    unexplained: int = 0

    def take(self, kind: str, fields: Mapping[str, int]) -> None:
        """Follow an event record, given its kind in lower case and its fields."""
        if kind == EventKind.ORDER_SENT.name.lower():
            self._sent(fields)
        elif kind == EventKind.VENUE_ANSWER.name.lower():
            self._answered(fields)
        elif kind == EventKind.ORDER_REFUSED.name.lower():
            self.refused += fields["count"]
            for check in failed_checks(fields["mask"]):
                self.refusals[check.name.lower()] += fields["count"]

    def open_orders(self) -> Iterable[LoggedOrder]:
        """Return the orders that may still be executed."""
        return (order for order in self.orders.values() if order.open_quantity)

    def _sent(self, fields: Mapping[str, int]) -> None:
        number, flags = fields["user_ref_num"], OrderFlag(fields["flags"])
        if OrderFlag.CANCEL in flags:
            if number in self.orders:
                self.orders[number].cancel_sent = True
            return
        self.orders.pop(number, None)
        self.orders[number] = LoggedOrder(
            user_ref_num=number, symbol_index=fields["symbol_index"],
            sell=OrderFlag.SELL in flags, day=OrderFlag.DAY in flags,
            quantity=fields["quantity"], open_quantity=fields["quantity"],
            price_e4=fields["price"], latency_cycles=fields["latency"], epoch=fields["epoch"])
        if len(self.orders) > _MOST_ORDERS:
            done = next((number for number, order in self.orders.items()
                         if not order.open_quantity), None)
            if done is not None:
                del self.orders[done]

    def _answered(self, fields: Mapping[str, int]) -> None:
        order = self.orders.get(fields["user_ref_num"])
        if order is None:
            self.unexplained += 1
            return
        quantity = fields["quantity"]
        match fields["answer"]:
            case AnswerCode.ACCEPTED:
                order.status = OrderStatus.LIVE
            case AnswerCode.EXECUTED:
                self._executed(order, quantity, fields["price"])
            case AnswerCode.CANCELED:
                order.open_quantity = max(0, order.open_quantity - quantity)
                order.reason = fields["reason"]
                if not order.open_quantity:
                    order.status = OrderStatus.CANCELED
            case AnswerCode.REJECTED | AnswerCode.DEAD:
                order.open_quantity = 0
                order.reason = fields["reason"]
                order.status = (OrderStatus.REJECTED if fields["answer"] == AnswerCode.REJECTED
                                else OrderStatus.DEAD)
            case _:
                pass

    def _executed(self, order: LoggedOrder, quantity: int, price_e4: int) -> None:
        value_e4 = quantity * price_e4
        order.executed_quantity += quantity
        order.executed_value_e4 += value_e4
        order.open_quantity = max(0, order.open_quantity - quantity)
        if not order.open_quantity and order.status in (OrderStatus.SENT, OrderStatus.LIVE):
            order.status = OrderStatus.EXECUTED
        self.positions[order.symbol_index] += -quantity if order.sell else quantity
        self.fills += 1
        self.cash_e4 += value_e4 if order.sell else -value_e4
        self.turnover_e4 += value_e4
