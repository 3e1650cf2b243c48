"""Our orders as the event records tell them: the order log, apart from the appliance's own sums."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proto.checks import failed_checks
from proto.events import AnswerCode, EventKind, OrderFlag

__all__ = ["MOST_FILLS", "LoggedFill", "LoggedOrder", "OrderLog", "OrderStatus", "SymbolAccount"]

#: Executions that are kept.
MOST_FILLS = 1000
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


@dataclass(frozen=True, kw_only=True)
class LoggedFill:
    """An execution.

    Attributes
    ----------
    user_ref_num, symbol_index : int
        Number of its order; its symbol's book.
    sell : bool
        The order sells.
    quantity, price_e4 : int
        Shares, 1e-4 USD.
    venue_ns : int
        The venue's timestamp, ns since midnight.
    """

    user_ref_num: int
    symbol_index: int
    sell: bool
    quantity: int
    price_e4: int
    venue_ns: int


@dataclass
class SymbolAccount:
    """What executions of a symbol have left.

    Attributes
    ----------
    position : int
        Shares bought minus sold.
    cash_e4, turnover_e4 : int
        What sales brought minus what purchases cost; value of all executions; 1e-4 USD.
    fills : int
        Executions.
    """

    position: int = 0
    cash_e4: int = 0
    turnover_e4: int = 0
    fills: int = 0

    def take(self, fill: LoggedFill) -> None:
        """Add an execution."""
        value_e4 = fill.quantity * fill.price_e4
        self.position += -fill.quantity if fill.sell else fill.quantity
        self.cash_e4 += value_e4 if fill.sell else -value_e4
        self.turnover_e4 += value_e4
        self.fills += 1


@dataclass
class OrderLog:
    """All orders since the control plane began to listen.

    Attributes
    ----------
    orders : dict of int to LoggedOrder
        By UserRefNum, oldest first; finished ones are forgotten when there are too many.
    accounts : dict of int to SymbolAccount
        What executions have left, by symbol_index.
    latest_fills : deque of LoggedFill
        The latest executions, oldest first.
    refusals : Counter
        Orders and cancels that failed a check, by its name in lower case; in a record of several
        refusals each check that any of them failed counts them all.
    refused : int
        Refusals in all.
    unexplained : int
        Answers to orders that were not seen to be sent.
    """

    orders: dict[int, LoggedOrder] = field(default_factory=dict[int, LoggedOrder])
    accounts: dict[int, SymbolAccount] = field(default_factory=dict[int, SymbolAccount])
    latest_fills: deque[LoggedFill] = field(
        default_factory=lambda: deque[LoggedFill](maxlen=MOST_FILLS))
    refusals: Counter[str] = field(default_factory=Counter[str])
    refused: int = 0
    unexplained: int = 0

    @property
    def total(self) -> SymbolAccount:
        """What all executions have left; its position adds shares of different symbols."""
        accounts = self.accounts.values()
        return SymbolAccount(position=sum(account.position for account in accounts),
                             cash_e4=sum(account.cash_e4 for account in accounts),
                             turnover_e4=sum(account.turnover_e4 for account in accounts),
                             fills=sum(account.fills for account in accounts))

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
                self._executed(order, fields)
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

    def _executed(self, order: LoggedOrder, fields: Mapping[str, int]) -> None:
        fill = LoggedFill(user_ref_num=order.user_ref_num, symbol_index=order.symbol_index,
                          sell=order.sell, quantity=fields["quantity"], price_e4=fields["price"],
                          venue_ns=fields["venue_ns"])
        order.executed_quantity += fill.quantity
        order.executed_value_e4 += fill.quantity * fill.price_e4
        order.open_quantity = max(0, order.open_quantity - fill.quantity)
        if not order.open_quantity and order.status in (OrderStatus.SENT, OrderStatus.LIVE):
            order.status = OrderStatus.EXECUTED
        self.accounts.setdefault(order.symbol_index, SymbolAccount()).take(fill)
        self.latest_fills.append(fill)
