"""What the plots of a report draw, as JSON.

Times are ns since the first message, amounts integers in 1e-4 USD: whoever draws converts them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.analysis.columns import Ints
from control.analysis.markouts import markout_rows
from control.analysis.orders import OrderLife
from control.analysis.quotes import Quotes
from control.analysis.run import RunAnalysis
from control.analysis.signals import Signals
from control.report.words import duration, order_facts, status_of

__all__ = ["MOST_ORDERS", "MOST_POINTS", "Settings", "detailed", "plot_data", "thinned"]

#: Points of a line over the whole run; orders shown one by one; rows of books kept for them.
MOST_POINTS = 4000
MOST_ORDERS = 1000
MOST_ROWS = 200_000
_WINDOW_NS = 20_000_000

Settings = Mapping[str, Any]


def thinned(most: int, *lines: Ints) -> Ints:
    """Return the rows that stand for lines with common times: all, or the extremes of intervals.

    Parameters
    ----------
    most : int
        So many rows are kept whole; of more, each interval's first, last, lowest and highest.
    lines : arrays
        Values.
    """
    rows = len(lines[0])
    if rows <= most:
        return np.arange(rows)
    edges = np.linspace(0, rows, max(2, most // (2 + 2 * len(lines))) + 1).astype(np.int64)
    kept = {0, rows - 1}
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        kept |= {begin, end - 1}
        for line in lines:
            part = line[begin:end]
            kept |= {begin + int(np.argmin(part)), begin + int(np.argmax(part))}
    return np.array(sorted(kept), np.int64)


def detailed(run: RunAnalysis) -> list[OrderLife]:
    """Return the orders that are shown one by one: all, or the last ones."""
    return run.orders.lives[-MOST_ORDERS:]


def plot_data(run: RunAnalysis, settings: Settings) -> dict[str, Any]:
    """Return everything that the plots need.

    Parameters
    ----------
    run : RunAnalysis
        The run.
    settings : mapping of str to value
        What the run was set to, where that is known: `threshold` of the score, largest `position`.
    """
    zero_ns = run.began_ns
    symbols = sorted(set(run.quotes) | set(run.curve.positions))
    curve, lives = run.curve, detailed(run)
    drawn = thinned(MOST_POINTS, curve.equity_e4) if len(curve.ts_ns) else np.zeros(0, np.int64)
    return {
        "symbols": symbols, "window_ns": _WINDOW_NS, "core_hz": run.recording.origin.core_hz,
        "threshold": settings.get("threshold"), "position_limit": settings.get("position"),
        "equity": {"t": (curve.ts_ns[drawn] - zero_ns).tolist(),
                   "v": curve.equity_e4[drawn].tolist()},
        "positions": _positions(run, symbols, zero_ns),
        "marks": [{"t": change.ts_ns - zero_ns, "text": ", ".join(change.trading)}
                  for change in run.states if change.trading and change.ts_ns >= zero_ns],
        "overview": [_overview(run.quotes.get(symbol), zero_ns) for symbol in symbols],
        "quotes": [_rows(run.quotes.get(symbol),
                         [life for life in lives if life.symbol == symbol], zero_ns,
                         whole=sum(map(len, run.quotes.values())) <= MOST_ROWS)
                   for symbol in symbols],
        "signals": [_scores(run.signals.get(symbol),
                            [life for life in lives if life.symbol == symbol], zero_ns)
                    for symbol in symbols] if run.signals else None,
        "orders": [_order(run, life, symbols.index(life.symbol), zero_ns) for life in lives],
        "refused": [[refusal.ts_ns - zero_ns, symbols.index(refusal.symbol), refusal.score]
                    for refusal in run.refusals[-MOST_POINTS:]
                    if refusal.symbol in symbols and not refusal.cancel],
        "markouts": [{"text": duration(row.horizon_ns), "n": row.fills,
                      "mean": _cents(row.mean_e4), "error": _cents(row.error_e4)}
                     for row in markout_rows(run.fills, run.markouts_x2)],
        "latency": [{"cycles": list(stage.bins), "orders": list(stage.bins.values())}
                    for stage in run.stages if stage.bins],
        "refusals": _refusals(run, zero_ns),
    }


def _cents(price_e4: float) -> float | None:
    return None if np.isnan(price_e4) else round(price_e4 / 100, 4)


def _positions(run: RunAnalysis, symbols: Sequence[str], zero_ns: int) -> dict[str, Any]:
    """Return the positions where any of them changes, and at both ends."""
    curve = run.curve
    if not len(curve.ts_ns):
        return {"t": [], "v": [[] for _ in symbols]}
    held = [curve.positions[symbol] for symbol in symbols]
    changed: NDArray[np.bool_] = np.zeros(len(curve.ts_ns), bool)
    changed[[0, -1]] = True
    for shares in held:
        changed[1:] |= np.diff(shares) != 0
    rows = np.flatnonzero(changed)
    rows = rows[thinned(MOST_POINTS, *(shares[rows] for shares in held))]
    return {"t": (curve.ts_ns[rows] - zero_ns).tolist(),
            "v": [shares[rows].tolist() for shares in held]}


def _prices(values: Ints) -> list[int | None]:
    return [value or None for value in values.tolist()]


def _overview(quotes: Quotes | None, zero_ns: int) -> dict[str, Any]:
    if quotes is None or not len(quotes):
        return {"n": 0, "t": [], "bid": [], "ask": []}
    rows = thinned(MOST_POINTS, quotes.bid_e4, quotes.ask_e4)
    return {"n": len(quotes), "t": (quotes.ts_ns[rows] - zero_ns).tolist(),
            "bid": _prices(quotes.bid_e4[rows]), "ask": _prices(quotes.ask_e4[rows])}


def _end_ns(life: OrderLife) -> int:
    """Return when nothing more happens to an order."""
    fills = [fill.venue_ns for fill in life.fills]
    return max([life.sent_ns, life.accepted_ns or 0, life.ended_ns or 0, *fills])


def _rows(quotes: Quotes | None, lives: Sequence[OrderLife], zero_ns: int, *, whole: bool
          ) -> dict[str, Any]:
    """Return the book round some orders; all of it if it is not too much."""
    if quotes is None:
        return {"t": [], "bid": [], "ask": [], "bidq": [], "askq": [], "micro": []}
    rows = np.arange(len(quotes)) if whole else _round(quotes.ts_ns, lives)
    micro = quotes.microprice_e4[rows]
    return {
        "t": (quotes.ts_ns[rows] - zero_ns).tolist(), "bid": _prices(quotes.bid_e4[rows]),
        "ask": _prices(quotes.ask_e4[rows]), "bidq": quotes.bid_quantity[rows].tolist(),
        "askq": quotes.ask_quantity[rows].tolist(),
        "micro": [None if np.isnan(value) else round(value, 1) for value in micro.tolist()],
    }


def _round(ts_ns: Ints, lives: Sequence[OrderLife]) -> Ints:
    """Return the rows in the windows of orders, and the one before each."""
    chosen = np.zeros(len(ts_ns), bool)
    for life in lives:
        first = np.searchsorted(ts_ns, life.sent_ns - _WINDOW_NS, side="right") - 1
        last = np.searchsorted(ts_ns, _end_ns(life) + _WINDOW_NS, side="right")
        chosen[max(int(first), 0):int(last)] = True
    return np.flatnonzero(chosen)


def _scores(signals: Signals | None, lives: Sequence[OrderLife], zero_ns: int
            ) -> dict[str, list[int]]:
    if signals is None:
        return {"t": [], "score": []}
    rows = _round(signals.ts_ns, lives)
    return {"t": (signals.ts_ns[rows] - zero_ns).tolist(), "score": signals.score[rows].tolist()}


def _order(run: RunAnalysis, life: OrderLife, symbol: int, zero_ns: int) -> dict[str, Any]:
    def since(ts_ns: int | None) -> int | None:
        return None if ts_ns is None else ts_ns - zero_ns

    logged = life.logged
    return {
        "n": logged.user_ref_num, "s": symbol, "sell": logged.sell, "day": logged.day,
        "q": logged.quantity, "p": logged.price_e4, "score": life.score,
        "status": status_of(life), "sent": since(life.sent_ns), "acc": since(life.accepted_ns),
        "cancel": since(life.cancel_sent_ns), "ended": since(life.ended_ns),
        "end": since(_end_ns(life)),
        "fills": [[fill.venue_ns - zero_ns, fill.quantity, fill.price_e4] for fill in life.fills],
        "facts": order_facts(life, run.quotes.get(life.symbol), run.recording.origin.core_hz),
    }


def _refusals(run: RunAnalysis, zero_ns: int) -> dict[str, Any]:
    """Return how often each check had failed after each refusal."""
    checks = sorted({check for refusal in run.refusals for check in refusal.checks})
    ordered = sorted(run.refusals, key=lambda refusal: refusal.ts_ns)
    times = np.array([refusal.ts_ns - zero_ns for refusal in ordered], np.int64)
    sums = [np.cumsum([refusal.count if check in refusal.checks else 0 for refusal in ordered])
            .astype(np.int64) for check in checks]
    if not len(times):
        return {"checks": [], "t": [], "sums": []}
    rows = thinned(MOST_POINTS, *sums)
    return {"checks": checks, "t": times[rows].tolist(),
            "sums": [line[rows].tolist() for line in sums]}
