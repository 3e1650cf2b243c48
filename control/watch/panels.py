"""The panels of the dashboard: a snapshot as tables and texts for a terminal."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from control.client import Order
from control.units import format_price
from control.watch.figures import Figures, SymbolFigures
from control.watch.ladder import LADDER_TITLES, clock, rungs
from control.watch.lines import gate_of, money
from control.watch.snapshot import LadderView, Snapshot

__all__ = ["alerts", "books", "fills", "head", "ladder", "latency", "moving", "orders", "refusals"]

_T = TypeVar("_T")

_GATE_STYLES = {"armed": "bold white on green", "disarmed": "bold black on yellow",
                "killed": "bold white on red"}


def head(snapshot: Snapshot, found: Figures, server: str, *, paused: bool) -> Text:
    """Return the line at the top: the gate, and whether all is up."""
    status, gate = snapshot.status, gate_of(snapshot)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f" {gate.upper()} ", _GATE_STYLES[gate])
    if paused:
        line.append(" PAUSED ", "bold black on cyan")
    for name, up in (("feed", status.feed_up), ("session", status.session_up)):
        line.append(f"  {name} ")
        line.append("up" if up else "down", "green" if up else "bold red")
    model = (f"{status.model_name or 'loaded'} #{status.model_epoch}" if status.model_loaded
             else "none")
    line.append(f"  model {model}")
    line.append("  P&L ").append(money(found.profit_e4), _money_style(found.profit_e4))
    line.append(f"  {snapshot.at:%H:%M:%S}  {server}", "dim")
    return line


def books(found: Figures) -> Table:
    """Return a row a symbol: its book, what is held, and what it has brought."""
    table = _table(("symbol", "<"), ("bid", ">"), ("shares", ">"), ("ask", ">"), ("shares", ">"),
                   ("spread", ">"), ("position", ">"), ("open", ">"), ("P&L", ">"), ("state", "<"))
    for row in found.symbols:
        bid, ask, spread_e4 = row.book.bid, row.book.ask, row.book.spread_e4
        table.add_row(
            row.book.symbol, *(text for level in (bid, ask) for text in (
                (format_price(level.price_e4), f"{level.quantity:,}") if level else ("-", "-"))),
            "-" if spread_e4 is None else format_price(spread_e4), f"{row.position:+,}"
            if row.position else "0", str(row.open_orders),
            Text(money(row.profit_e4), _money_style(row.profit_e4)), _state(row))
    return table


def _state(row: SymbolFigures) -> Text:
    if not row.book.known:
        return Text("unknown", "yellow")
    if row.book.states:
        return Text(", ".join(row.book.states), "bold red")
    return Text("trading" if row.trading else "exact", "green")


def orders(snapshot: Snapshot, rows: int) -> Table:
    """Return the open orders, the latest first."""
    table = _table(("order", ">"), ("side", "<"), ("shares", ">"), ("symbol", "<"),
                   ("price", ">"), ("status", "<"))
    for order in _latest(snapshot.log.orders, rows):
        table.add_row(str(order.user_ref_num), _side(order.sell), f"{order.open_quantity:,}",
                      _stock(order.symbol), format_price(order.price_e4), _order_status(order))
    return table


def _order_status(order: Order) -> str:
    return "canceling" if order.cancel_sent else order.status


def fills(snapshot: Snapshot, rows: int) -> Table:
    """Return the latest executions, the latest first."""
    table = _table(("time", "<"), ("side", "<"), ("shares", ">"), ("symbol", "<"), ("price", ">"))
    for fill in _latest(snapshot.fills, rows):
        table.add_row(clock(fill.venue_ns)[:8], _side(fill.sell), f"{fill.quantity:,}",
                      _stock(fill.symbol), format_price(fill.price_e4))
    return table


def refusals(found: Figures, rows: int) -> Table:
    """Return the refusals by check, the fastest first."""
    table = _table(("check", "<"), ("refused", ">"), ("/s", ">"))
    for rate in found.refusals[:rows]:
        table.add_row(rate.name, f"{rate.count:,}", _rate(rate.per_second))
    return table


def latency(snapshot: Snapshot) -> Table:
    """Return percentiles of the latency."""
    table = _table(("share", ">"), ("cycles", ">"), ("ns", ">"))
    for row in snapshot.latency.percentiles:
        table.add_row(f"{row.share_e4 / 100:g} %", str(row.cycles), f"{row.latency_ns:,}")
    return table


def moving(found: Figures, rows: int) -> Table:
    """Return the counters that move, the fastest first; those that our own looks move, last."""
    rates = sorted(found.moving, key=lambda rate: rate.name.startswith("management."))
    table = _table(("counter", "<"), ("/s", ">"))
    for rate in rates[:rows]:
        table.add_row(rate.name, _rate(rate.per_second))
    return table


def alerts(texts: Iterable[str], rows: int) -> Text:
    """Return what is wrong."""
    lines = list(texts)
    if not lines:
        return Text("nothing is wrong", "green")
    shown = lines if len(lines) <= rows else [*lines[:rows - 1],
                                              f"and {len(lines) - rows + 1} more"]
    return Text("\n".join(shown), "bold red", no_wrap=True, overflow="ellipsis")


def ladder(view: LadderView) -> Table:
    """Return a ladder."""
    table = _table(*((title, ">") for title in LADDER_TITLES))
    for rung in rungs(view):
        table.add_row(*(Text(text, style) for text, style in zip(rung.cells(), (
            "bold yellow", "dim", "green", "bold", "red", "dim", "bold yellow"), strict=True)))
    return table


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for title, side in columns:
        table.add_column(title, justify="right" if side == ">" else "left", no_wrap=True)
    return table


def _latest(items: Sequence[_T], rows: int) -> list[_T]:
    return list(items[:-rows - 1:-1]) if rows > 0 else []


def _side(sell: bool) -> Text:
    return Text("sell", "red") if sell else Text("buy", "green")


def _stock(symbol: str) -> str:
    return symbol.partition("@")[0]


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def _money_style(value_e4: int | None) -> str:
    return "dim" if not value_e4 else "green" if value_e4 > 0 else "red"
