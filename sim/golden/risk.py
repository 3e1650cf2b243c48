"""The pre-trade checks in plain Python: the specification of :mod:`hdl.risk`."""

from dataclasses import dataclass

__all__ = ["Book", "Exposure", "Flags", "Limits", "MessageRate", "mask",
           "sells_short"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a symbol, inclusive; prices and values in 1e-4 USD."""

    maximum_quantity: int
    maximum_value: int
    collar_fraction: int
    collar_minimum: int
    maximum_long: int
    maximum_short: int
    maximum_open_orders: int
    restricted: bool = False


@dataclass(frozen=True, kw_only=True)
class Book:
    """Touch of the symbol, and whether it may be acted on."""

    bid: int
    ask: int
    usable: bool = True
    tradable: bool = True
    price_test: bool = False

    @property
    def reference(self) -> int:
        """Mid of the book, rounded down."""
        return (self.bid + self.ask) // 2


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Own orders of the symbol before the order."""

    worst_long: int = 0
    worst_short: int = 0
    open_orders: int = 0
    slot_free: bool = True


@dataclass(frozen=True, kw_only=True)
class Flags:
    """State of the whole appliance."""

    session_up: bool = True
    armed: bool = True
    killed: bool = False
    rate_exceeded: bool = False


def mask(side: int, price: int, quantity: int, limits: Limits | None, book: Book,
         exposure: Exposure, flags: Flags) -> int:
    """Return the mask of failed checks of an order; bit n-1 is check n.

    A quantity of 2**20 or more fails the checks of quantity, value and position, whatever the
    limits, and no position covers it. Without limits, which of the checks 1, 2, 4, 9, 12 and 17
    fail is not defined: only check 58 is returned, and 22.
    """
    failed: set[int] = set()
    if limits is None:
        failed.add(58)
    else:
        oversize = quantity >= 2**20
        if not 1 <= quantity <= limits.maximum_quantity or oversize:
            failed.add(1)
        if quantity * price > limits.maximum_value or oversize:
            failed.add(2)
        band = max(book.reference * limits.collar_fraction // 65536, limits.collar_minimum)
        if side == 0 and price > book.reference + band:
            failed.add(4)
        if side == 1 and price < book.reference - band:
            failed.add(4)
        if oversize or (exposure.worst_long + quantity > limits.maximum_long if side == 0
                        else quantity - exposure.worst_short > limits.maximum_short):
            failed.add(9)
        if exposure.open_orders >= limits.maximum_open_orders or not exposure.slot_free:
            failed.add(12)
        if limits.restricted:
            failed.add(17)
    short_sale = side == 1 and sells_short(quantity, exposure)
    for number, fails in ((13, flags.rate_exceeded), (19, not book.tradable),
                          (22, short_sale and book.price_test and price <= book.bid),
                          (31, not book.usable), (32, not flags.session_up),
                          (56, not flags.armed), (57, flags.killed)):
        if fails:
            failed.add(number)
    return sum(1 << number - 1 for number in failed)


def sells_short(quantity: int, exposure: Exposure) -> bool:
    """Return whether a sale is beyond the position less what open orders may sell of it."""
    return quantity > exposure.worst_short or quantity >= 2**20


@dataclass
class MessageRate:
    """Virtual scheduling form of a token bucket; times in ns."""

    interval_ns: int
    burst_ns: int
    full_ns: int = 0

    def exceeded(self, now_ns: int) -> bool:
        """Return whether an order fails at a time."""
        return self.interval_ns == 0 or self.full_ns > now_ns + self.burst_ns

    def count(self, now_ns: int) -> None:
        """Count a message that leaves."""
        self.full_ns = max(self.full_ns, now_ns) + self.interval_ns
