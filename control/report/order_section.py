"""The section of a report with every order, and with the market round one of them."""

import html
from collections.abc import Iterable

import numpy as np

from control.analysis.markouts import markout_rows
from control.analysis.run import RunAnalysis
from control.report.data import MOST_ORDERS, detailed
from control.report.words import figure, nothing, status_of, table
from control.units import format_price

__all__ = ["orders_section"]


def orders_section(run: RunAnalysis) -> str:
    """Return the section of every order, and the market round one."""
    lives = detailed(run)
    if not lives:
        return nothing("No order was recorded.") + _market(run)
    rows, attributes = list[list[str]](), list[str]()
    markouts = {fill: row for row, fill in enumerate(run.fills)}
    for number, life in enumerate(lives):
        logged = life.logged
        own = [markouts[fill] for fill in life.fills]
        average = (format_price(round(logged.executed_value_e4 / logged.executed_quantity))
                   if logged.executed_quantity else "")
        rows.append([
            f"{logged.user_ref_num}", f"{(life.sent_ns - run.began_ns) / 1e9:.6f}", life.symbol,
            "sell" if logged.sell else "buy", f"{logged.quantity:,}",
            format_price(logged.price_e4), "day" if logged.day else "IOC", f"{life.score:,}",
            f"{logged.latency_cycles or ''}", status_of(life), average,
            *(_gain(run, own, column) for column in (3, 4))])
        attributes.append(f' data-order="{number}" tabindex="0"')
    left_out = len(run.orders.lives) - len(lives)
    more = (f"; the last {MOST_ORDERS:,} of {len(run.orders.lives):,}" if left_out else
            f"; n = {len(lives):,}")
    shown = table(
        ("number", "sent, s", "symbol", "side", "shares", "limit", "", "score", "cycles", "status",
         "executed at", "10 ms later", "100 ms later"), rows, text=(2, 3, 6, 9),
        attributes=attributes)
    return (
        f"{_score_check(run)}"
        f'<p class="note">Prices in USD; cycles of tick to trade; what the mid had gained 10 and '
        f"100 ms after the executions, in cents a share{more}."
        f'<span class="screen"> Choose a row to see the market round it.</span></p>\n'
        f'<div class="tall scroll">{shown}</div>\n{_ORDER}' + _market(run))


#: What is drawn round the order that is looked at; the script fills it in.
_PANELS = (
    ("price", "Best bid and offer, mid and microprice", "USD"),
    ("spread", "Spread", "cents"),
    ("imbalance", "Imbalance of the best sizes",
     "octaves: 1 = twice as many shares on the bid as on the ask"),
    ("score", "Signal", "scores of this symbol, in the model's unit"),
)
_ORDER = (
    '<div class="tools screen"><button id="order-before">previous</button>'
    '<button id="order-next">next</button><span class="soft" id="order-position"></span></div>\n'
    '<h3 id="order-title"></h3>\n<dl id="order-facts"></dl>\n'
    "<figure><figcaption>The market round it <small>from 20 ms before its frame began until 20 ms "
    'after its end</small></figcaption>\n<div class="keys">'
    "<span>&#9651; limit of a purchase, &#9650; its executions</span>"
    "<span>&#9661; limit of a sale, &#9660; its executions</span>"
    "<span>dotted: threshold of the score, where it is known</span></div>\n" +
    "".join(f'<h4>{title} <small>{unit}; <span id="n-{name}"></span></small></h4>'
            f'<div class="plot" id="plot-{name}"></div>\n' for name, title, unit in _PANELS) +
    "</figure>\n")


def _score_check(run: RunAnalysis) -> str:
    """Return a sentence about the scores that were computed."""
    check = run.score_check
    if not check.equal and not check.different:
        return ""
    if check.different:
        return (f'<p class="warning">Scores were computed from the recorded messages; those of '
                f"{check.different:,} of {check.different + check.equal:,} orders differ from the "
                f"hardware's.</p>\n")
    return (f'<p class="note">Scores between orders were computed from the recorded messages; after'
            f" those that caused {check.equal:,} orders they equal the hardware's.</p>\n")


def _gain(run: RunAnalysis, rows: Iterable[int], column: int) -> str:
    """Return the markout of one order's executions, in cents a share."""
    chosen = np.zeros(len(run.fills), bool)
    chosen[list(rows)] = True
    found = markout_rows(run.fills, run.markouts_x2, chosen=chosen)[column]
    return "" if np.isnan(found.mean_e4) else f"{found.mean_e4 / 100:+.2f}"


def _market(run: RunAnalysis) -> str:
    symbols = sorted(set(run.quotes) | set(run.curve.positions))
    if not symbols:
        return ""
    options = "".join(f'<option value="{number}">{html.escape(symbol)}</option>'
                      for number, symbol in enumerate(symbols))
    return ('<h3>The market, and own executions</h3>\n'
            '<div class="tools screen"><label>Symbol <select id="market-symbol">'
            f"{options}</select></label></div>\n" +
            figure("plot-market", "Best bid and offer", "",
                    number=' id="market-n"') +
            '<p class="note">&#9650; bought, &#9660; sold; USD.</p>\n')
