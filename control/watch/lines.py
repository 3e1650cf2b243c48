"""The dashboard for a pipe or a dumb terminal: a line a look, and each alert once."""

from typing import Any

from control.units import format_price
from control.watch.figures import Figures
from control.watch.snapshot import Snapshot

__all__ = ["gate_of", "money", "plain_line", "plain_view"]


def gate_of(snapshot: Snapshot) -> str:
    """Return the state of the gate in a word."""
    return ("killed" if snapshot.status.killed else
            "armed" if snapshot.status.armed else "disarmed")


def money(value_e4: int | None) -> str:
    """Return an amount with its sign, to the cent; a dash for none."""
    if value_e4 is None:
        return "-"
    cents = (abs(value_e4) + 50) // 100
    sign = "-" if value_e4 < 0 and cents else "+" if cents else ""
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"


def plain_line(snapshot: Snapshot, found: Figures) -> str:
    """Return a snapshot as one line."""
    status, log = snapshot.status, snapshot.log
    parts = [
        f"{snapshot.at:%H:%M:%S}", gate_of(snapshot), f"feed={_up(status.feed_up)}",
        f"session={_up(status.session_up)}", f"profit={money(found.profit_e4)}",
        f"orders={log.total}", f"open={len(log.orders)}", f"fills={log.fills}",
        f"refused={log.refused}",
    ]
    if snapshot.latency.percentiles:
        parts += [f"p{row.share_e4 / 100:g}={row.latency_ns}ns"
                  for row in snapshot.latency.percentiles if row.share_e4 in (5000, 9900)]
    for row in found.symbols:
        bid, ask = (format_price(level.price_e4) if level else "-"
                    for level in (row.book.bid, row.book.ask))
        parts.append(f"{row.book.symbol}={bid}/{ask}:{row.position:+d}")
    return " ".join(parts)


def plain_view(snapshot: Snapshot, found: Figures) -> dict[str, Any]:
    """Return a snapshot and what it amounts to as data for JSON."""
    return {
        **snapshot.plain(), "profit_e4": found.profit_e4,
        "symbol_profit_e4": {row.book.symbol: row.profit_e4 for row in found.symbols},
        "refusals_per_second": {rate.name: round(rate.per_second, 3) for rate in found.refusals},
        "counters_per_second": {rate.name: round(rate.per_second, 3) for rate in found.moving},
        "alerts": list(found.alerts),
    }


def _up(up: bool) -> str:
    return "up" if up else "down"
