"""The price of a cross: where most shares meet.

Of all prices at which most shares would trade, the one that leaves fewest over is taken, and of
those the one nearest to a reference.

Ref: Nasdaq, Opening and Closing Crosses; the tie-breakers for collars are left out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["Clearing", "clearing"]


@dataclass(frozen=True, slots=True)
class Clearing:
    """Where a cross would take place.

    Attributes
    ----------
    price_e4 : int
        Its price.
    paired : int
        Shares that trade, at least 1.
    surplus : int
        Shares to buy at that price less shares to sell.
    """

    price_e4: int
    paired: int
    surplus: int


class _Curve:
    """Shares on one side as a function of the price."""

    def __init__(self, orders: Iterable[tuple[int, int]], *, buys: bool) -> None:
        ordered = sorted(orders)
        self.prices = [price for price, _ in ordered]
        self._sums = list(accumulate((shares for _, shares in ordered), initial=0))
        self._buys = buys

    def at(self, price_e4: int) -> int:
        """Return the shares that would trade at a price."""
        if self._buys:
            return self._sums[-1] - self._sums[bisect_left(self.prices, price_e4)]
        return self._sums[bisect_right(self.prices, price_e4)]


def clearing(buys: Iterable[tuple[int, int]], sells: Iterable[tuple[int, int]],
             reference_e4: int, tick_e4: int) -> Clearing | None:
    """Return where a cross would take place, or None if nobody meets.

    Parameters
    ----------
    buys, sells : iterable of (int, int)
        Limit price in 1e-4 USD and shares of every order.
    reference_e4 : int
        Price that is preferred among equals; 0 if there is none.
    tick_e4 : int
        All prices are multiples of it.
    """
    demand, supply = _Curve(buys, buys=True), _Curve(sells, buys=False)
    if not demand.prices or not supply.prices:
        return None
    lowest, highest = supply.prices[0], demand.prices[-1]
    # Between two limits all prices are equal: their ends and the reference are all it takes.
    ends = {limit + step for limit in (*demand.prices, *supply.prices)
            for step in (-tick_e4, 0, tick_e4)}
    prices = {price for price in ends | {reference_e4} if lowest <= price <= highest}
    best: tuple[int, int, int, int] | None = None
    for price in prices:
        wanted, offered = demand.at(price), supply.at(price)
        key = (-min(wanted, offered), abs(wanted - offered), abs(price - reference_e4), price)
        if best is None or key < best:
            best = key
    if best is None or not best[0]:
        return None
    price = best[3]
    return Clearing(price, -best[0], demand.at(price) - supply.at(price))
