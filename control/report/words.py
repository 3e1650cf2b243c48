"""Words of a report: amounts, times and what is known of an order."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from control.analysis.orders import OrderLife
from control.analysis.quotes import Quotes
from control.orders import OrderStatus
from control.units import format_clock, format_price
from proto.events import OrderFlag

__all__ = [
    "Raw", "amount", "duration", "figure", "nothing", "order_facts", "status_of", "table",
]

_SECOND_NS = 1_000_000_000


class Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


def amount(amount_e4: int, *, sign: bool = False) -> str:
    """Return dollars with commas between thousands."""
    whole, _, part = format_price(abs(amount_e4)).partition(".")
    before = "-" if amount_e4 < 0 else "+" if sign and amount_e4 else ""
    return f"{before}{int(whole):,}.{part}"


def duration(ns: int) -> str:
    """Return a time in the unit that suits it."""
    for unit, size in (("s", _SECOND_NS), ("ms", 1_000_000), ("us", 1000)):
        if abs(ns) >= size:
            return f"{ns / size:.6g} {unit}"
    return f"{ns} ns"


def status_of(life: OrderLife) -> str:
    """Return what has become of an order, in a word or two."""
    logged = life.logged
    if logged.executed_quantity and logged.status is not OrderStatus.EXECUTED:
        return f"{logged.status.value}, {logged.executed_quantity:,} executed"
    return logged.status.value


def order_facts(life: OrderLife, quotes: Quotes | None, core_hz: int) -> list[tuple[str, str]]:
    """Return what is known of an order, by name."""
    sent, logged = life.sent, life.logged
    flags = OrderFlag(sent["flags"])
    exact = life.trigger_ns is not None
    # Without its trigger an order's time is that of the answer less some cycles: no use to tell
    # how much later that was.
    facts = [("frame began", format_clock(life.sent_ns) if exact else
              f"shortly before {format_clock(life.sent_ns)}")]
    if sent["feed_sequence"]:
        trigger = f"message {sent['feed_sequence']:,} of the feed"
        facts.append(("caused by", f"{trigger}, {format_clock(life.trigger_ns)}"
                      if life.trigger_ns is not None else
                      f"{trigger}, which changed no best bid or offer"))
    if logged.latency_cycles:
        ns = logged.latency_cycles * _SECOND_NS / core_hz
        facts.append(("tick to trade", f"{logged.latency_cycles} cycles, {ns:.1f} ns" +
                      (", waited" if OrderFlag.WAITED in flags else "")))
    facts.append(("score", f"{life.score:,}, model epoch {logged.epoch}"))
    if OrderFlag.SHORT in flags:
        facts.append(("marked", "short"))
    if quotes is not None and len(quotes):
        facts.append(("book then", _book(quotes, life.sent_ns)))
    for title, ts_ns in (("accepted", life.accepted_ns), ("cancel sent", life.cancel_sent_ns)):
        if ts_ns is not None:
            facts.append((title, _later(life, ts_ns)))
    facts += [("executed", f"{fill.quantity:,} at {format_price(fill.price_e4)}, "
                           f"{_later(life, fill.venue_ns)}") for fill in life.fills]
    if life.ended_ns is not None and logged.status is not OrderStatus.EXECUTED:
        facts.append((logged.status.value, _later(life, life.ended_ns)))
    return facts


def _later(life: OrderLife, ts_ns: int) -> str:
    """Return a time, and how much later than an order's frame it was if that is known."""
    after = f", {duration(ts_ns - life.sent_ns)} later" if life.trigger_ns is not None else ""
    return format_clock(ts_ns) + after


def _book(quotes: Quotes, ts_ns: int) -> str:
    row = int(quotes.row_at(np.array([ts_ns], np.int64))[0])
    if row < 0:
        return "not known yet"
    bid, ask = int(quotes.bid_e4[row]), int(quotes.ask_e4[row])
    text = (f"{quotes.bid_quantity[row]:,} x {format_price(bid) if bid else '-'} / "
            f"{format_price(ask) if ask else '-'} x {quotes.ask_quantity[row]:,}")
    return text if quotes.exact[row] else f"{text}, not exact"


def figure(plot: str, title: str, told: str, *, number: str = "") -> str:
    """Return the place of a plot that the script fills.

    Parameters
    ----------
    plot : str
        Its id.
    title, told : str
        What it shows; unit and n.
    number : str
        More of the tag round `told`.
    """
    small = f"<small{number}>{html.escape(told)}</small>"
    return (f"<figure><figcaption>{html.escape(title)} {small}</figcaption>"
            f'<div class="plot" id="{plot}"></div></figure>\n')


def nothing(text: str) -> str:
    """Return a sentence that stands for a plot or table without content."""
    return f'<p class="soft">{html.escape(text)}</p>\n'


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, text: Sequence[int] = (0,),
          caption: str = "", attributes: Iterable[str] = ()) -> str:
    """Return a table as HTML; cells are escaped unless they are :class:`Raw`.

    Parameters
    ----------
    titles : sequence of str
        Heads of the columns.
    rows : iterable of sequence
        Cells.
    text : sequence of int
        Columns that are text, set to the left.
    caption : str
        What the table shows.
    attributes : iterable of str
        More of each row's tag, in order.
    """
    def cell(tag: str, column: int, value: Any) -> str:
        content = value if isinstance(value, Raw) else html.escape(str(value))
        kind = ' class="t"' if column in text else ""
        return f"<{tag}{kind}>{content}</{tag}>"

    more = iter(attributes)
    head = "".join(cell("th", column, title) for column, title in enumerate(titles))
    body = "".join(
        f"<tr{next(more, '')}>" + "".join(cell("td", column, value)
                                          for column, value in enumerate(row)) + "</tr>\n"
        for row in rows)
    told = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{told}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"
