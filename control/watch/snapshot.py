"""What an appliance is doing at one moment, as a watcher sees it."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from control.client import (
    Account,
    Appliance,
    Book,
    Counter,
    Fill,
    Latency,
    Order,
    OrderLog,
    Risk,
    Status,
)

__all__ = ["LadderView", "Snapshot", "see", "see_ladder"]

#: Executions and open orders that are looked at.
_FILLS = 20
_ORDERS = 100


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Readings of one moment, or nearly so: they are asked for one after the other.

    Attributes
    ----------
    at : datetime
        Local time.
    seconds : float
        The same moment on a clock that never jumps.
    status, risk, books, account, log, fills, latency, counters
        As the client gives them; `log` has only open orders.
    """

    at: datetime
    seconds: float
    status: Status
    risk: Risk
    books: tuple[Book, ...]
    account: Account
    log: OrderLog
    fills: tuple[Fill, ...]
    latency: Latency
    counters: tuple[Counter, ...]

    def plain(self) -> dict[str, Any]:
        """Return the readings as data for JSON; histogram bins and zero counters left out."""
        values = asdict(self)
        del values["seconds"], values["latency"]["bins"]
        values["at"] = self.at.isoformat(timespec="milliseconds")
        values["counters"] = {counter.name: counter.value for counter in self.counters}
        values["positions"] = values.pop("account")
        values["orders"] = values.pop("log")
        return values


@dataclass(frozen=True, kw_only=True)
class LadderView:
    """A book with our own open orders.

    Attributes
    ----------
    book : Book
        The book.
    own : tuple of Order
        Our open orders of its symbol.
    """

    book: Book
    own: tuple[Order, ...]


def see(appliance: Appliance) -> Snapshot:
    """Read an appliance.

    Raises
    ------
    ControlError
        What the service says, DEVICE_UNREACHABLE without an answer.
    """
    return Snapshot(
        at=datetime.now().astimezone(), seconds=time.monotonic(), status=appliance.status(),
        risk=appliance.risk(), books=appliance.books(), account=appliance.positions(),
        log=appliance.orders(only_open=True, limit=_ORDERS), fills=appliance.fills(limit=_FILLS),
        latency=appliance.latency(), counters=appliance.counters())


def see_ladder(appliance: Appliance, symbol: str) -> LadderView:
    """Read a book and our own orders in it; raises as :func:`see`."""
    book = appliance.book(symbol)
    log = appliance.orders(only_open=True, limit=1000)
    return LadderView(book=book, own=tuple(order for order in log.orders
                                           if order.symbol == book.symbol))
