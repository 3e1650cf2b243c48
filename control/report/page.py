"""A run as one HTML page that needs nothing else: opened from disk, without a network."""

import html
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from control.analysis.markouts import markout_rows
from control.analysis.refusals import by_check, by_symbol_and_check
from control.analysis.run import RunAnalysis, summary
from control.report.data import MOST_ORDERS, Settings, detailed, plot_data
from control.report.method import METHOD
from control.report.words import Raw, amount, clock_time, duration, status_of, table
from control.units import format_price

__all__ = ["render_page"]

#: Nothing may be fetched from anywhere.
_POLICY = ("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
           "base-uri 'none'; form-action 'none'")
_ASSETS = files("control.report")


def render_page(run: RunAnalysis, *, title: str, report: Mapping[str, Any] | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    run : RunAnalysis
        What is shown.
    title : str
        Its title.
    report : mapping, optional
        The ``report.json`` of a demo: what all sides said in the end, and its settings.
    """
    settings: Settings = (report or {}).get("strategy") or {}
    numbers = summary(run)
    sections = [
        ("result", "Result", _result(run, numbers, report)),
        ("equity", "Equity and positions", _equity(run)),
        ("orders", "Orders", _orders(run)),
        ("quality", "Fill quality", _quality(run)),
        ("latency", "Latency", _latency(run)),
        ("refusals", "Refusals", _refusals(run)),
        ("states", "States", _states(run)),
        ("method", "How it is reckoned", METHOD),
    ]
    links = "".join(f'<a href="#{name}">{html.escape(text)}</a>' for name, text, _ in sections)
    body = "".join(f'<section id="{name}"><h2>{html.escape(text)}</h2>\n{content}</section>\n'
                   for name, text, content in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n"
        f"<style>\n{_asset('uplot', 'uPlot.min.css')}\n{_asset('report.css')}</style>\n"
        f"</head>\n<body>\n<header><h1>{html.escape(title)}</h1>\n{_source(run, report)}"
        f"{_warnings(run)}<nav>{links}</nav></header>\n<main>\n{body}</main>\n"
        '<noscript><p class="warning">Plots need JavaScript; tables do not.</p></noscript>\n'
        '<script type="application/json" id="data">'
        f"{_embedded(plot_data(run, settings))}</script>\n"
        f"<!-- uPlot\n{_asset('uplot', 'LICENSE')}-->\n"
        f"<script>\n{_asset('uplot', 'uPlot.iife.min.js')}\n</script>\n"
        f"<script>\n{_asset('report.js')}</script>\n</body>\n</html>\n")


def _asset(*names: str) -> str:
    return _ASSETS.joinpath(*names).read_text(encoding="utf-8")


def _embedded(data: Mapping[str, Any]) -> str:
    """Return data that no text in them can end."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _source(run: RunAnalysis, report: Mapping[str, Any] | None) -> str:
    origin = run.recording.origin
    told = [f"{clock_time(run.began_ns)} to {clock_time(run.ended_ns)}, exchange time",
            f"{sum(run.records.values()):,} event records",
            f"appliance {origin.version}, register map {origin.map_hash:08x}, "
            f"{origin.core_hz / 1e6:g} MHz"]
    if origin.commit:
        commit, _, dirty = origin.commit.partition("-")
        told.append(f"commit {commit[:12]}{', sources changed' if dirty else ''}")
    if origin.began:
        told.append(f"recorded from {origin.began}")
    simulated = [f"{name} {report[name]}" for name in ("seed", "profile", "model")
                 if report is not None and name in report]
    if simulated:
        told.append(", ".join(["simulated", *simulated]))
    return f'<p class="soft">{html.escape(" · ".join(told))}</p>\n'


def _warnings(run: RunAnalysis) -> str:
    recording, found = run.recording, list[str]()
    if not recording.closed:
        found.append("The recorder did not end in order: the last records may be missing.")
    if recording.unfinished:
        found.append(f"{len(recording.unfinished)} file(s) were not complete and are left out.")
    if recording.dropped:
        found.append(f"{recording.dropped:,} records were dropped: the reader was too slow.")
    if run.orders.log.unexplained:
        found.append(f"{run.orders.log.unexplained:,} answers are to orders that were sent before "
                     f"the recording: positions and cash count from its beginning.")
    if run.orders.broken:
        found.append(f"The venue has undone {run.orders.broken:,} execution(s); they are still "
                     f"counted here, as in the appliance.")
    return "".join(f'<p class="warning">{html.escape(text)}</p>\n' for text in found)


def _figure(plot: str, title: str, told: str, *, number: str = "") -> str:
    small = f"<small{number}>{html.escape(told)}</small>"
    return (f"<figure><figcaption>{html.escape(title)} {small}</figcaption>"
            f'<div class="plot" id="{plot}"></div></figure>\n')


def _nothing(text: str) -> str:
    return f'<p class="soft">{html.escape(text)}</p>\n'


def _result(run: RunAnalysis, numbers: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    profit, whole = numbers["profit_e4"], run.stages[-1]
    filled = sum(1 for life in run.orders.lives if life.fills)
    rate = f"{filled / len(run.orders.lives):.0%} of the orders" if run.orders.lives else "-"
    tiles = [
        ("P&L", Raw(f'<b class="{"good" if profit >= 0 else "bad"}">'
                    f"{amount(profit, sign=True)}</b>"), "USD, positions at the mid, no fees"),
        ("largest drawdown", amount(numbers["drawdown_e4"]), "USD, from the highest equity"),
        ("orders", f"{numbers['orders']:,}", f"and {numbers['cancels']:,} cancels"),
        ("executions", f"{numbers['fills']:,}", f"{numbers['shares']:,} shares, {rate}"),
        ("turnover", amount(numbers["turnover_e4"]), "USD"),
        ("refused", f"{numbers['refused']:,}", "orders and cancels, by the risk gate"),
    ]
    if whole.percentiles:
        median, most = whole.percentiles[5000], whole.percentiles[10_000]
        ns = median * 1e9 / run.recording.origin.core_hz
        tiles.append(("tick to trade", f"{median} cycles",
                      f"{ns:.1f} ns median, at most {most}; n = {whole.orders:,}"))
    found = '<div class="tiles">' + "".join(
        f'<div class="tile"><span>{html.escape(name)}</span>'
        f"{value if isinstance(value, Raw) else f'<b>{html.escape(value)}</b>'}"
        f"<span>{html.escape(told)}</span></div>" for name, value, told in tiles) + "</div>\n"
    return found + _by_symbol(run) + _comparison(report)


def _by_symbol(run: RunAnalysis) -> str:
    rows: list[list[str]] = []
    for symbol in sorted(set(run.quotes) | set(run.curve.positions)):
        quotes = run.quotes.get(symbol)
        lives = [life for life in run.orders.lives if life.symbol == symbol]
        fills = [fill for fill in run.fills if fill.symbol == symbol]
        bought = sum(fill.quantity for fill in fills if not fill.sell)
        last = ("-", "-")
        if quotes is not None and len(quotes):
            last = (format_price(int(quotes.bid_e4[-1])), format_price(int(quotes.ask_e4[-1])))
        held = run.curve.positions.get(symbol)
        rows.append([symbol, f"{len(quotes) if quotes is not None else 0:,}", *last,
                     f"{len(lives):,}", f"{len(fills):,}", f"{bought:,}",
                     f"{sum(fill.quantity for fill in fills) - bought:,}",
                     f"{int(held[-1]) if held is not None and len(held) else 0:+,}"])
    if not rows:
        return _nothing("No best bid or offer and no order was recorded.")
    return '<div class="scroll">' + table(
        ("symbol", "changes of the best", "last bid", "last ask", "orders", "executions",
         "bought", "sold", "position"), rows, caption="By symbol: prices in USD, shares") + "</div>"


def _comparison(report: Mapping[str, Any] | None) -> str:
    if not report or "comparison" not in report:
        return ""
    rows: list[list[str]] = []
    for row in report["comparison"]:
        money = row["what"].endswith("_e4")
        rows.append([row["what"].removesuffix("_e4"), *(
            amount(row[side]) if money else f"{row[side]:,}"
            for side in ("exchange", "order_log", "appliance")),
            Raw('<span class="good">equal</span>' if row["equal"] else
                '<span class="bad">DIFFERENT</span>')])
    return '<div class="scroll">' + table(
        ("", "exchange", "order log", "appliance", ""), rows,
        caption="In the end, as the exchange, the event records and the appliance's registers "
                "have it; cash and turnover in USD") + "</div>"


def _equity(run: RunAnalysis) -> str:
    if not len(run.curve.ts_ns):
        return _nothing("Nothing was recorded that could be valued.")
    return (
        '<p class="note screen">Drag over a plot to look closer, double-click to see all of it '
        "again; the line under it shows the values at the pointer.</p>\n" +
        _figure("plot-equity", "Equity", f"USD: cash and positions at the mid, no fees; n = "
                f"{len(run.curve.ts_ns):,} changes, {len(run.fills):,} executions") +
        _figure("plot-positions", "Position",
                f"shares held, by symbol; n = {len(run.fills):,} executions"))


def _orders(run: RunAnalysis) -> str:
    lives = detailed(run)
    if not lives:
        return _nothing("No order was recorded.") + _market(run)
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
            _figure("plot-market", "Best bid and offer", "",
                    number=' id="market-n"') +
            '<p class="note">&#9650; bought, &#9660; sold; USD.</p>\n')


def _quality(run: RunAnalysis) -> str:
    if not run.fills:
        return _nothing("Nothing was executed.")
    rows = [[duration(row.horizon_ns), f"{row.fills:,}", f"{row.shares:,}",
             "" if np.isnan(row.mean_e4) else f"{row.mean_e4 / 100:+.3f}",
             "" if np.isnan(row.error_e4) else f"{row.error_e4 / 100:.3f}",
             amount(row.total_e4, sign=True)]
            for row in markout_rows(run.fills, run.markouts_x2)]
    groups: list[list[str]] = []
    for symbol in sorted({fill.symbol for fill in run.fills}):
        for sell in (False, True):
            chosen = np.array([fill.symbol == symbol and fill.sell == sell for fill in run.fills])
            if not chosen.any():
                continue
            cost = run.half_spreads_x2[chosen]
            groups.append([
                symbol, "sell" if sell else "buy", f"{int(chosen.sum()):,}",
                "" if cost.mask.all() else f"{float(cost.mean()) / 200:+.3f}",
                *("" if np.isnan(row.mean_e4) else f"{row.mean_e4 / 100:+.3f}"
                  for row in markout_rows(run.fills, run.markouts_x2, chosen=chosen))])
    horizons = [row[0] for row in rows]
    return (
        _figure("plot-markouts", "Markout", "cents a share: what the mid had gained some time "
                f"after the execution; mean and its standard error; n = {len(run.fills):,} "
                "executions, fewer where the recording ends before") +
        '<div class="scroll">' +
        table(("after", "executions", "shares", "mean, cents a share", "standard error",
               "total, USD"), rows, caption="Markout of all executions") + "</div>"
        '<div class="scroll">' +
        table(("symbol", "side", "executions", "cost", *horizons), groups, text=(0, 1),
              caption="By symbol and side, cents a share: cost against the mid just before, and "
                      "markouts") + "</div>")


def _latency(run: RunAnalysis) -> str:
    stages = [stage for stage in run.stages if stage.bins]
    if not stages:
        return _nothing("No order that a market message caused was recorded.")
    rows: list[list[str]] = []
    core_hz = run.recording.origin.core_hz
    for stage in stages:
        of = stage.percentiles
        rows.append([stage.stage.name, f"{stage.stage.begins} to {stage.stage.ends}",
                     f"{stage.orders:,}", f"{min(stage.bins)}",
                     *(f"{of[share]}" for share in (5000, 9000, 9900, 10_000)),
                     f"{of[5000] * 1e9 / core_hz:.1f}", f"{of[10_000] * 1e9 / core_hz:.1f}"])
    figures = "".join(
        _figure(f"plot-latency-{number}", stage.stage.name.capitalize(),
                f"orders by core cycles; n = {stage.orders:,}")
        for number, stage in enumerate(stages))
    return (
        f'<p class="note">Core cycles at {core_hz / 1e6:g} MHz, from the stamps in the orders\' '
        "own records; orders that a market message caused, cancels left out.</p>\n"
        '<div class="scroll">' +
        table(("stage", "from, to", "orders", "minimum", "50 %", "90 %", "99 %", "maximum",
               "50 %, ns", "maximum, ns"), rows, text=(0, 1)) +
        f'</div>\n<div class="grid">{figures}</div>')


def _refusals(run: RunAnalysis) -> str:
    if not run.refusals:
        return _nothing("Nothing was refused.")
    checks = by_check(run.refusals)
    most = max(checks.values())
    symbols = sorted({refusal.symbol for refusal in run.refusals})
    cells = by_symbol_and_check(run.refusals)
    rows = [[check, f"{count:,}", *(f"{cells[symbol, check]:,}" for symbol in symbols),
             Raw(f'<span class="bar" style="width:{100 * count / most:.1f}%"></span>')]
            for check, count in checks.most_common()]
    total = sum(refusal.count for refusal in run.refusals)
    heads = [symbol or "several" for symbol in symbols]
    shown = table(("check", "refused", *heads, ""), rows, text=(0, len(symbols) + 2)).replace(
        '<td class="t"><span class="bar"', '<td class="t bars"><span class="bar"')
    return (
        f'<p class="note">n = {total:,} orders and cancels; one that failed several checks counts '
        "for each of them.</p>\n"
        f'<div class="scroll">{shown}</div>\n' +
        _figure("plot-refusals", "Refusals so far", f"orders and cancels, by check; n = "
                                                    f"{total:,}"))


def _states(run: RunAnalysis) -> str:
    rows = [[clock_time(change.now_ns), ", ".join(change.changes), amount(change.cash_e4),
             amount(change.turnover_e4)] for change in run.states if change.changes]
    if not rows:
        return _nothing("No change of the state was recorded.")
    return ('<div class="scroll">' + table(
        ("hardware clock", "what changed", "cash, USD", "turnover, USD"), rows, text=(0, 1)) +
        "</div>")
