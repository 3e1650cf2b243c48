"""Stylised facts as a table, one column a market."""

from collections.abc import Mapping, Sequence

from sim.exchange.facts import LAGS, SCALES, Facts

__all__ = ["table"]

_NAME_WIDTH = 44
_TYPES = "AFUDXECP"


def table(columns: Mapping[str, Facts]) -> str:
    """Return the facts side by side, as text."""
    rows = [_rows(facts) for facts in columns.values()]
    widths = [max(len(name), *(len(value) for _, value in found))
              for name, found in zip(columns, rows, strict=True)]
    lines = [_line("", list(columns), widths)]
    lines += [_line(name, [found[number][1] for found in rows], widths)
              for number, (name, _) in enumerate(rows[0])]
    return "\n".join(lines)


def _line(name: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"{name:{_NAME_WIDTH}}" + "".join(
        f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _rows(facts: Facts) -> list[tuple[str, str]]:
    """Return names and values of one column."""
    spread, life = facts.spread_ticks, facts.life_messages
    order, trade = facts.order_shares, facts.trade_shares
    return [
        ("messages, trades", f"{facts.messages:,}, {facts.trades:,}"),
        *((f"share of {kind} messages, %", f"{100 * facts.mix.get(kind, 0.0):.1f}")
          for kind in _TYPES),
        ("spread: mean, median, 90 %, ticks",
         f"{spread['mean']:.1f}, {spread['median']:.0f}, {spread['p90']:.0f}"),
        *((f"autocorrelation of trade signs, lag {lag}",
           f"{facts.sign_autocorrelation[lag]:+.2f}") for lag in LAGS),
        ("its decay, exponent", f"{facts.sign_decay:.2f}"),
        *((f"excess kurtosis of moves over {scale:,}", f"{facts.kurtosis[scale]:.1f}")
          for scale in SCALES),
        ("tail exponent of moves over 100", f"{facts.return_tail:.1f}"),
        ("autocorrelation of moves over 100, lag 1", f"{facts.return_autocorrelation[1]:+.2f}"),
        ("  of their absolute values, lags 1, 3, 10",
         ", ".join(f"{facts.volatility_autocorrelation[lag]:+.2f}" for lag in (1, 3, 10))),
        ("life of orders: 10, 50, 90 %, messages",
         f"{life['p10']:.0f}, {life['p50']:.0f}, {life['p90']:.0f}"),
        ("  shorter than 10 messages, %", f"{100 * life['fleeting']:.0f}"),
        ("ends: deleted, replaced, executed, %",
         ", ".join(f"{100 * facts.fate.get(end, 0.0):.0f}"
                   for end in ("deleted", "replaced", "executed"))),
        ("size of orders: mean, median, shares", f"{order['mean']:.0f}, {order['median']:.0f}"),
        ("  100 shares, odd lots, %",
         f"{100 * order['round_lot']:.0f}, {100 * order['odd_lot']:.0f}"),
        ("size of trades: mean, median, shares", f"{trade['mean']:.0f}, {trade['median']:.0f}"),
        ("tail exponents: orders, trades", f"{order['tail']:.1f}, {trade['tail']:.1f}"),
        ("hidden volume, %", f"{100 * facts.hidden_volume:.0f}"),
        ("burstiness", f"{facts.burstiness:.1f}"),
    ]
