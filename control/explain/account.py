"""Own orders, money and flags as they were at a moment, from the event records before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from control.broker import DecodedEvent
from control.explain.history import History
from control.explain.settings import SettingsInForce
from control.orders import LoggedOrder, OrderLog
from proto.events import EventKind, StateFlag

__all__ = ["Account", "account_at"]

_SENT = EventKind.ORDER_SENT.name.lower()
_STATE = EventKind.STATE.name.lower()
_TOP = EventKind.TOP_OF_BOOK.name.lower()


@dataclass(frozen=True)
class Account:
    """What the appliance held and had open, and how it stood.

    Attributes
    ----------
    log : OrderLog
        Orders before the moment.
    loaded : dict of int to int
        Positions that software had loaded, by symbol.
    flags : StateFlag
        Armed, killed, feed and session.
    full_ns : int or None
        Time at which the bucket of the message rate would be full; None if time is not known well
        enough.
    """

    log: OrderLog
    loaded: dict[int, int]
    flags: StateFlag
    full_ns: int | None

    def position(self, symbol_index: int) -> int:
        """Return the shares held of a symbol."""
        return self.loaded.get(symbol_index, 0) + _executed(self.log, symbol_index)

    def open_orders(self, symbol_index: int) -> list[LoggedOrder]:
        """Return the open orders of a symbol."""
        return [order for order in self.log.open_orders() if order.symbol_index == symbol_index]

    def open_quantity(self, symbol_index: int, *, sell: bool) -> int:
        """Return the shares that orders of one side may still execute."""
        return sum(order.open_quantity for order in self.open_orders(symbol_index)
                   if order.sell == sell)

    def worst_position(self, symbol_index: int, *, sell: bool) -> int:
        """Return the position if every open order of a side executes and none of the other."""
        open_quantity = self.open_quantity(symbol_index, sell=sell)
        return self.position(symbol_index) + (-open_quantity if sell else open_quantity)


def _executed(log: OrderLog, symbol_index: int) -> int:
    """Return the shares bought minus those sold."""
    account = log.accounts.get(symbol_index)
    return 0 if account is None else account.position


def account_at(history: History, settings: SettingsInForce, before: int, *,
               through: Sequence[DecodedEvent] = ()) -> Account:
    """Return the account after all records that are stamped before a cycle.

    Parameters
    ----------
    history : History
        The run.
    settings : SettingsInForce
        For the rate of messages and loaded positions.
    before : int
        The cycle.
    through : sequence of DecodedEvent
        Records of that cycle or later that count as well.
    """
    log = OrderLog()
    flags = history.flags
    full_ns = 0
    interval_ns = settings.registers["risk.message_interval"]
    loads = dict(settings.loads)
    loaded: dict[int, int] = {}
    for event in history.records:
        if event.kind == _TOP:
            continue
        cycle = event.fields["cycle"]
        if cycle >= before and not any(event is other for other in through):
            continue
        for index, (at, position) in list(loads.items()):
            if cycle >= at:
                del loads[index]
                loaded[index] = position - _executed(log, index)
        log.take(event.kind, event.fields)
        if event.kind == _STATE:
            flags = StateFlag(event.fields["flags"])
        elif event.kind == _SENT:
            full_ns = max(full_ns, history.time_ns(cycle)) + interval_ns
    loaded |= {index: position - _executed(log, index) for index, (_, position) in loads.items()}
    return Account(log, loaded, flags, full_ns if history.recorded else None)
