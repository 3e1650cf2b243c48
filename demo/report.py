"""What the demo found: numbers of the three sides, compared, as data and as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.units import format_price
from proto.counters import COUNTERS

__all__ = ["Comparison", "Readings", "compare", "make_report", "render"]

_COUNTED = {
    "packets": "mold.packets", "messages": "mold.messages", "gaps": "mold.gaps",
    "book_changes": "itch.operations", "unknown_references": "book.unknown_reference",
    "rebuilds": "book.rebuilds",
}
assert set(_COUNTED.values()) <= {counter.name for counter in COUNTERS}


@dataclass(frozen=True)
class Readings:
    """What each side says at the same moment, all as JSON has it.

    Attributes
    ----------
    exchange : dict
        The exchange's status.
    orders : dict
        The order log: ``tickwire orders``.
    positions, counters, latency, status : dict
        The appliance's registers: the commands of these names.
    """

    exchange: Mapping[str, Any]
    orders: Mapping[str, Any]
    positions: Mapping[str, Any]
    counters: Mapping[str, int]
    latency: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def account(self) -> Mapping[str, Any]:
        """The account at the exchange."""
        account, = self.exchange["accounts"].values()
        return account


@dataclass(frozen=True)
class Comparison:
    """One number as the exchange, the order log and the appliance's registers have it."""

    what: str
    exchange: int
    order_log: int
    appliance: int

    @property
    def equal(self) -> bool:
        """Whether all three are the same."""
        return self.exchange == self.order_log == self.appliance


def compare(readings: Readings) -> list[Comparison]:
    """Return every number that all three sides must agree on."""
    account, log, registers = readings.account, readings.orders, readings.positions
    logged = {row["symbol"]: row["position"] for row in log["positions"]}
    rows = [
        Comparison("orders", readings.exchange["orders"].get("entered", 0), log["total"],
                   readings.counters.get("order.enters", 0)),
        Comparison("fills", account["fills"], log["fills"],
                   readings.counters.get("order.executions", 0)),
    ]
    for row in registers["positions"]:
        symbol = row["symbol"]
        rows.append(Comparison(f"position {symbol}",
                               account["positions"].get(symbol.partition("@")[0], 0),
                               logged.get(symbol, 0), row["position"]))
    rows += [
        Comparison("open orders", len(account["open_orders"]),
                   sum(bool(order["open_quantity"]) for order in log["orders"]),
                   sum(row["orders_buy"] + row["orders_sell"] for row in registers["positions"])),
        Comparison("cash_e4", account["cash_e4"], log["cash_e4"], registers["cash_e4"]),
        Comparison("turnover_e4", account["turnover_e4"], log["turnover_e4"],
                   registers["turnover_e4"]),
    ]
    return rows


def _profit_e4(readings: Readings) -> int:
    """Return cash and positions at the mid of the exchange's best bid and offer."""
    total = readings.account["cash_e4"]
    for symbol, shares in readings.account["positions"].items():
        best = readings.exchange["symbols"][symbol]
        total += shares * (best["bid_price_e4"] + best["ask_price_e4"]) // 2
    return total


def make_report(readings: Readings, *, tops: Mapping[str, Mapping[str, int]],
                **more: Any) -> dict[str, Any]:
    """Return the report as JSON has it.

    Parameters
    ----------
    readings : Readings
        What the three sides say.
    tops : mapping of str to mapping
        Last best bid and offer of the hardware's event records, by symbol.
    more : dict
        What else belongs into it.
    """
    latency, log = readings.latency, readings.orders
    orders = readings.exchange["orders"]
    books: dict[str, Any] = {}
    for symbol, best in readings.exchange["symbols"].items():
        top = tops.get(f"{symbol}@XNAS", {})
        hardware = {f"{side}_{what}": top.get(f"{side}_{field}") for side in ("bid", "ask")
                    for what, field in (("price_e4", "price"), ("quantity", "quantity"))}
        books[symbol] = {**hardware, "equal": all(
            value == best[name] for name, value in hardware.items())}
    return {
        **more,
        "messages": {name: readings.counters.get(counter, 0)
                     for name, counter in _COUNTED.items()},
        "books": books,
        "signals": {"orders": readings.counters.get("order.enters", 0),
                    "cancels": readings.counters.get("order.cancels", 0),
                    "refused": readings.counters.get("risk.refused", 0)},
        "orders": {"entered": orders.get("entered", 0), "accepted": orders.get("accepted", 0),
                   "rejected": orders.get("rejected", 0)},
        "fills": {"count": readings.account["fills"], "shares": readings.account["shares"]},
        "positions": {row["symbol"]: row["position"]
                      for row in readings.positions["positions"]},
        "cash_e4": readings.positions["cash_e4"],
        "profit_e4": _profit_e4(readings),
        "refusals": {row["check"]: row["count"] for row in log["refusals"]},
        "tick_to_trade": {
            "from": "Start of the frame with the trigger, feed pins of the core",
            "to": "Start of the frame with the order, order pins of the core",
            "source": "simulated, not timing-closed at this frequency",
            "clock_hz": latency["core_hz"], "orders": latency["orders"],
            "percentiles": [{"share": row["share_e4"] / 10_000, "cycles": row["cycles"],
                             "ns": round(row["cycles"] * 1e9 / latency["core_hz"], 1)}
                            for row in latency["percentiles"]],
        },
        "comparison": [{"what": row.what, "exchange": row.exchange, "order_log": row.order_log,
                        "appliance": row.appliance, "equal": row.equal}
                       for row in compare(readings)],
    }


def render(report: Mapping[str, Any]) -> str:
    """Return a report as text."""
    messages, signals, orders = report["messages"], report["signals"], report["orders"]
    latency = report["tick_to_trade"]
    lines = [
        f"messages    {messages['messages']:,} in {messages['packets']:,} packets, "
        f"{messages['book_changes']:,} changed a book, {messages['gaps']} gaps",
        "books       " + ", ".join(_book(symbol, book)
                                   for symbol, book in report["books"].items()),
        f"signals     {signals['orders']:,} orders, {signals['cancels']:,} cancels, "
        f"{signals['refused']:,} refused",
        "refusals    " + (", ".join(f"{check} {count:,}" for check, count in
                                    report["refusals"].items()) or "none"),
        f"orders      {orders['entered']:,} entered, {orders['accepted']:,} accepted, "
        f"{orders['rejected']:,} rejected",
        f"fills       {report['fills']['count']:,} with {report['fills']['shares']:,} shares",
        "positions   " + ", ".join(f"{symbol} {shares:+,}" for symbol, shares in
                                   report["positions"].items()),
        f"cash        {format_price(report['cash_e4'])} USD",
        f"P&L         {format_price(report['profit_e4'])} USD, positions at the mid, no fees",
        f"tick to trade, start of the trigger's frame to start of the order's, at "
        f"{latency['clock_hz'] / 1e6:g} MHz;",
        f"{latency['source']}:",
        *(f"{100 * row['share']:10g} %{row['cycles']:6,} cycles{row['ns']:9.1f} ns"
          for row in latency["percentiles"]),
        "",
        _row("", "exchange", "order log", "appliance"),
        *(_row(row["what"], *(_amount(row["what"], row[side]) for side in
                              ("exchange", "order_log", "appliance")),
               "equal" if row["equal"] else "DIFFERENT") for row in report["comparison"]),
    ]
    return "\n".join(lines)


def _book(symbol: str, book: Mapping[str, Any]) -> str:
    sides = [format_price(book[name]) if book[name] else "-"
             for name in ("bid_price_e4", "ask_price_e4")]
    return f"{symbol} {' / '.join(sides)}" + ("" if book["equal"] else " (NOT the exchange's)")


def _amount(what: str, value: int) -> str:
    return format_price(value) if what.endswith("_e4") else f"{value:,}"


def _row(what: str, *cells: str) -> str:
    title = what.removesuffix("_e4")
    return f"{title:20}" + "".join(f"{cell:>18}" for cell in cells)
