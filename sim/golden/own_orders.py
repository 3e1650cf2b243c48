"""Our own orders in plain Python: the specification of :mod:`hdl.order.own_orders`."""

from dataclasses import dataclass, field

__all__ = ["OpenOrder", "OwnOrders", "SymbolExposure"]


@dataclass
class OpenOrder:
    """An order by its UserRefNum; ``side`` is 0 to buy, 1 to sell; ``open`` in shares."""

    number: int
    symbol: int
    side: int
    price: int
    open: int
    day: bool = False
    live: bool = True


@dataclass
class SymbolExposure:
    """Position, and open quantity and count by side."""

    position: int = 0
    open: list[int] = field(default_factory=lambda: [0, 0])
    count: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def worst_long(self) -> int:
        """Position if every open buy executes and no open sell."""
        return self.position + self.open[0]

    @property
    def worst_short(self) -> int:
        """Position if every open sell executes and no open buy."""
        return self.position - self.open[1]


@dataclass
class OwnOrders:
    """The table; ``slots`` maps the low bits of a number to the latest order there."""

    size: int = 256
    slots: dict[int, OpenOrder] = field(default_factory=dict[int, OpenOrder])
    exposures: dict[int, SymbolExposure] = field(default_factory=dict[int, SymbolExposure])
    cash: int = 0
    turnover: int = 0
    unexpected: int = 0
    overfilled: int = 0
    broken: int = 0

    def exposure(self, symbol: int) -> SymbolExposure:
        """Return a symbol's exposure."""
        return self.exposures.setdefault(symbol, SymbolExposure())

    def sent(self, number: int, symbol: int, side: int, quantity: int, price: int,
             day: bool = False) -> None:
        """Take over an order whose frame has begun."""
        slot = number % self.size
        before = self.slots.get(slot)
        if before is not None and before.live:
            self.unexpected += 1
        self.slots[slot] = OpenOrder(number, symbol, side, price, quantity, day)
        exposure = self.exposure(symbol)
        exposure.open[side] += quantity
        exposure.count[side] += 1

    def slot_free(self, number: int) -> bool:
        """Return whether an order of this number would find a slot."""
        order = self.slots.get(number % self.size)
        return order is None or not order.live

    def answer(self, kind: str, number: int, quantity: int = 0, price: int = 0) -> None:
        """Apply one answer; `kind` is a name of ``AnswerKind``."""
        order = self.slots.get(number % self.size)
        if order is None or order.number != number:
            self.unexpected += kind != "OTHER"
            return
        exposure = self.exposure(order.symbol)
        left = order.open if order.live else 0
        taken = 0
        if kind == "EXECUTED":
            exposure.position += quantity if order.side == 0 else -quantity
            value = quantity * price
            self.cash += -value if order.side == 0 else value
            self.turnover += value
            self.overfilled += quantity > left
            taken = min(quantity, left)
        elif kind == "CANCELED":
            self.unexpected += quantity > left
            taken = min(quantity, left)
        elif kind in ("DEAD", "REJECTED"):
            taken = left
        elif kind == "BROKEN":
            self.broken += 1
        order.open = left - taken
        exposure.open[order.side] -= taken
        if order.live and kind in ("EXECUTED", "CANCELED", "DEAD", "REJECTED") and not order.open:
            order.live = False
            exposure.count[order.side] -= 1

    def live(self) -> list[OpenOrder]:
        """Return the live orders by slot, as a walk finds them."""
        return [order for _, order in sorted(self.slots.items()) if order.live]
