"""The threshold strategy in plain Python: the specification of :mod:`hdl.strategy`."""

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Intent", "Parameters", "Strategy", "candidate_prices"]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A symbol's row; see ``hdl.strategy.parameters``."""

    buy_threshold: int
    sell_threshold: int
    cancel_buy_threshold: int = -2**31
    cancel_sell_threshold: int = -2**31
    quantity: int = 100
    offset: int = 0
    cooldown_ns: int = 0
    near: bool = False
    day: bool = False
    enable: bool = True


class Intent(NamedTuple):
    """An intent; ``side`` is 0 to buy and 1 to sell, ``reference`` that of a cancel."""

    kind: str
    symbol: int
    side: int
    quantity: int
    price: int
    day: bool
    reference: int


def candidate_prices(row: Parameters, bid: int, ask: int) -> tuple[int | None, int | None]:
    """Return the prices of a buy and of a sell; None where the price would not fit."""
    buy = (bid if row.near else ask) + row.offset
    sell = (ask if row.near else bid) - row.offset
    return (buy if 0 < buy < 2**32 else None, sell if 0 < sell < 2**32 else None)


@dataclass
class Strategy:
    """All symbols; the caller keeps `working`, `resting` and `references` as the order table does.

    Keys of the maps are (symbol, side).
    """

    rows: dict[int, Parameters]
    working: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    resting: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    references: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    entering: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    cancelling: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    cooldown: dict[int, int] = field(default_factory=dict[int, int])

    def decide(self, symbol: int, score: int, bid: int, ask: int, *, usable: bool = True,
               busy: bool = False, now_ns: int = 0) -> Intent | None:
        """Return the intent of one score, if any."""
        row = self.rows.get(symbol)
        if row is None or not row.enable or not usable or busy:
            return None
        self.cancelling &= self.working
        for side, wanted in ((0, score < row.cancel_buy_threshold),
                             (1, score > -row.cancel_sell_threshold)):
            key = (symbol, side)
            if wanted and key in self.working & self.resting and key not in self.cancelling:
                self.cancelling.add(key)
                return Intent("CANCEL", symbol, side, 0, 0, False, self.references[key])
        if score >= row.buy_threshold:
            side = 0
        elif score <= -row.sell_threshold:
            side = 1
        else:
            return None
        price = candidate_prices(row, bid, ask)[side]
        if price is None or (symbol, side) in self.working | self.entering:
            return None
        if now_ns < self.cooldown.get(symbol, 0):
            return None
        self.entering.add((symbol, side))
        self.cooldown[symbol] = now_ns + row.cooldown_ns
        return Intent("ENTER", symbol, side, row.quantity, price, row.day, 0)

    def refused(self, symbol: int, side: int) -> None:
        """Forget the intent that the gate refused."""
        self.entering.discard((symbol, side))
        self.cancelling.discard((symbol, side))

    def absorbed(self, symbol: int, side: int) -> None:
        """Forget the intent that has become an order."""
        self.entering.discard((symbol, side))
