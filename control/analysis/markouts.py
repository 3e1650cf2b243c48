"""Fill quality: what the mid did after our executions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control.analysis.orders import Fill
from control.analysis.quotes import Quotes

__all__ = ["HORIZONS_NS", "MarkoutRow", "effective_half_spread_x2", "markout_rows", "markouts_x2"]

#: Times after an execution: 0 (the book that the execution leaves), 0.1 ms to 1 s.
HORIZONS_NS = (0, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)

Masked = np.ma.MaskedArray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class MarkoutRow:
    """Markouts of some executions at one horizon.

    Attributes
    ----------
    horizon_ns : int
        Time after the execution.
    fills : int
        Executions for which the mid is known then.
    shares : int
        Their shares.
    mean_e4 : float
        Gain a share, weighted by shares, 1e-4 USD; NaN without executions.
    error_e4 : float
        Standard error of the unweighted mean, 1e-4 USD; NaN for fewer than two.
    total_e4 : int
        Gain of all shares, 1e-4 USD, rounded down.
    """

    horizon_ns: int
    fills: int
    shares: int
    mean_e4: float
    error_e4: float
    total_e4: int


def markouts_x2(fills: Sequence[Fill], quotes: Mapping[str, Quotes],
                horizons_ns: Sequence[int] = HORIZONS_NS) -> Masked:
    """Return twice the gain a share of each execution at each horizon, 1e-4 USD.

    The gain of a purchase is the mid then minus the price, that of a sale the opposite. Masked
    where the book has no mid, or where its symbol was not recorded so long.

    Returns
    -------
    masked array of int64, shape (fills, horizons)
    """
    values = np.zeros((len(fills), len(horizons_ns)), np.int64)
    known = np.zeros(values.shape, bool)
    end_ns = max((int(of.ts_ns[-1]) for of in quotes.values() if len(of)), default=0)
    for row, fill in enumerate(fills):
        of = quotes.get(fill.symbol)
        if of is None:
            continue
        when = fill.venue_ns + np.array(horizons_ns, np.int64)
        mid_x2 = of.mid_x2_at(when)
        values[row] = (mid_x2 - 2 * fill.price_e4) * (-1 if fill.sell else 1)
        known[row] = (mid_x2 > 0) & (when <= end_ns)
    return np.ma.MaskedArray(values, mask=~known)


def effective_half_spread_x2(fills: Sequence[Fill], quotes: Mapping[str, Quotes]) -> Masked:
    """Return twice the cost a share against the mid just before each execution, 1e-4 USD.

    Negative for an execution at a price better than the mid, such as that of a resting order.
    """
    values, known = np.zeros(len(fills), np.int64), np.zeros(len(fills), bool)
    for row, fill in enumerate(fills):
        of = quotes.get(fill.symbol)
        if of is None:
            continue
        mid_x2 = int(of.mid_x2_at(np.array([fill.venue_ns]), before=True)[0])
        values[row] = (2 * fill.price_e4 - mid_x2) * (-1 if fill.sell else 1)
        known[row] = mid_x2 > 0
    return np.ma.MaskedArray(values, mask=~known)


def markout_rows(fills: Sequence[Fill], values_x2: Masked,
                 horizons_ns: Sequence[int] = HORIZONS_NS,
                 chosen: NDArray[np.bool_] | None = None) -> list[MarkoutRow]:
    """Return a row a horizon, of all executions or those `chosen`."""
    shares = np.array([fill.quantity for fill in fills], np.int64)
    take = np.ones(len(fills), bool) if chosen is None else chosen
    rows: list[MarkoutRow] = []
    for number, horizon_ns in enumerate(horizons_ns):
        known = take & ~np.ma.getmaskarray(values_x2)[:, number]
        gains_x2 = np.ma.getdata(values_x2)[known, number]
        total_x2, held = int(np.sum(gains_x2 * shares[known])), int(np.sum(shares[known]))
        count = int(np.sum(known))
        error = float(np.std(gains_x2, ddof=1)) / 2 / count**0.5 if count > 1 else float("nan")
        rows.append(MarkoutRow(
            horizon_ns=horizon_ns, fills=count, shares=held, total_e4=total_x2 // 2,
            mean_e4=total_x2 / 2 / held if held else float("nan"), error_e4=error))
    return rows
