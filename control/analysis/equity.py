"""Equity and positions over time: cash, and what is held at the mid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from control.analysis.columns import Ints
from control.analysis.orders import Fill
from control.analysis.quotes import Quotes

__all__ = ["Curve", "drawdown_e4", "equity_curve"]


@dataclass(frozen=True)
class Curve:
    """The account at every moment at which it changed.

    Attributes
    ----------
    ts_ns : Ints
        Moments, ns since midnight, each once.
    cash_e4 : Ints
        What sales brought minus what purchases cost, 1e-4 USD.
    equity_e4 : Ints
        Cash and positions at the mid, 1e-4 USD; what is half of 1e-4 USD is rounded down, a symbol
        each.
    positions : dict of str to Ints
        Shares held, by symbol.
    """

    ts_ns: Ints
    cash_e4: Ints
    equity_e4: Ints
    positions: dict[str, Ints]


def equity_curve(fills: Sequence[Fill], quotes: Mapping[str, Quotes]) -> Curve:
    """Return the account after each execution and each change of a mid; no fees.

    A position is marked at the last mid of its symbol, before the first one at the price of its
    own last execution.
    """
    traded = sorted({fill.symbol for fill in fills} | set(quotes))
    times = [np.array([fill.venue_ns for fill in fills], np.int64)]
    times += [of.ts_ns[of.usable] for of in quotes.values()]
    ts_ns = np.unique(np.concatenate(times))
    cash_e4, equity_e4 = np.zeros(len(ts_ns), np.int64), np.zeros(len(ts_ns), np.int64)
    positions: dict[str, Ints] = {}
    for symbol in traded:
        own = [fill for fill in fills if fill.symbol == symbol]
        when = np.array([fill.venue_ns for fill in own], np.int64)
        shares = np.array([fill.signed_quantity for fill in own], np.int64)
        paid = np.array([fill.signed_quantity * fill.price_e4 for fill in own], np.int64)
        position = _running(ts_ns, when, shares)
        cash = -_running(ts_ns, when, paid)
        positions[symbol] = position
        cash_e4 += cash
        equity_e4 += cash + position * _mark_x2(ts_ns, own, quotes.get(symbol)) // 2
    return Curve(ts_ns, cash_e4, equity_e4, positions)


def drawdown_e4(curve: Curve) -> int:
    """Return the largest fall of the equity from a highest value, the start's 0 included."""
    if not len(curve.equity_e4):
        return 0
    highest = np.maximum.accumulate(np.maximum(curve.equity_e4, 0))
    return int(np.max(highest - curve.equity_e4))


def _running(ts_ns: Ints, when: Ints, amounts: Ints) -> Ints:
    """Return the sum of amounts up to each moment."""
    order = np.argsort(when, kind="stable")
    sums = np.concatenate([[0], np.cumsum(amounts[order])])
    return sums[np.searchsorted(when[order], ts_ns, side="right")]


def _mark_x2(ts_ns: Ints, fills: Sequence[Fill], quotes: Quotes | None) -> Ints:
    """Return twice the price that a position is marked at."""
    usable = quotes.usable if quotes is not None else np.zeros(0, bool)
    mids_ns = quotes.ts_ns[usable] if quotes is not None else np.zeros(0, np.int64)
    mids_x2 = quotes.mid_x2[usable] if quotes is not None else np.zeros(0, np.int64)
    first_ns = mids_ns[0] if len(mids_ns) else np.iinfo(np.int64).max
    early = [fill for fill in fills if fill.venue_ns < first_ns]
    when = np.concatenate([np.array([fill.venue_ns for fill in early], np.int64), mids_ns])
    marks = np.concatenate([np.array([2 * fill.price_e4 for fill in early], np.int64), mids_x2])
    if not len(when):
        return np.zeros(len(ts_ns), np.int64)
    row = np.searchsorted(when, ts_ns, side="right") - 1
    return np.where(row >= 0, marks[np.maximum(row, 0)], 0)
