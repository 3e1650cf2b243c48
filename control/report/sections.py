"""Sections of a report but that of the orders."""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from control.analysis.markouts import markout_rows
from control.analysis.refusals import by_check, by_symbol_and_check
from control.analysis.run import RunAnalysis, summary
from control.report.words import Raw, amount, duration, figure, nothing, table
from control.units import format_clock, format_price

__all__ = [
    "equity_section", "latency_section", "quality_section", "refusals_section", "result_section",
    "states_section",
]


def result_section(run: RunAnalysis, report: Mapping[str, Any] | None) -> str:
    """Return the section of what came of the run."""
    numbers = summary(run)
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
        return nothing("No best bid or offer and no order was recorded.")
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


def equity_section(run: RunAnalysis) -> str:
    """Return the section of the account over time."""
    if not len(run.curve.ts_ns):
        return nothing("Nothing was recorded that could be valued.")
    return (
        '<p class="note screen">Drag over a plot to look closer, double-click to see all of it '
        "again; the line under it shows the values at the pointer.</p>\n" +
        figure("plot-equity", "Equity", f"USD: cash and positions at the mid, no fees; n = "
                f"{len(run.curve.ts_ns):,} changes, {len(run.fills):,} executions") +
        figure("plot-positions", "Position",
                f"shares held, by symbol; n = {len(run.fills):,} executions; dotted: the "
                "limit, where it is known"))


def quality_section(run: RunAnalysis) -> str:
    """Return the section of costs and markouts of the executions."""
    if not run.fills:
        return nothing("Nothing was executed.")
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
        figure("plot-markouts", "Markout", "cents a share: what the mid had gained some time "
                f"after the execution; mean and its standard error; n = {len(run.fills):,} "
                "executions, fewer where the recording ends before") +
        '<div class="scroll">' +
        table(("after", "executions", "shares", "mean, cents a share", "standard error",
               "total, USD"), rows, caption="Markout of all executions") + "</div>"
        '<div class="scroll">' +
        table(("symbol", "side", "executions", "cost", *horizons), groups, text=(0, 1),
              caption="By symbol and side, cents a share: cost against the mid just before, and "
                      "markouts") + "</div>")


def latency_section(run: RunAnalysis) -> str:
    """Return the section of the latency of the orders by stage."""
    stages = [stage for stage in run.stages if stage.bins]
    if not stages:
        return nothing("No order that a market message caused was recorded.")
    rows: list[list[str]] = []
    core_hz = run.recording.origin.core_hz
    for stage in stages:
        of = stage.percentiles
        rows.append([stage.stage.name, f"{stage.stage.begins} to {stage.stage.ends}",
                     f"{stage.orders:,}", f"{min(stage.bins)}",
                     *(f"{of[share]}" for share in (5000, 9000, 9900, 10_000)),
                     f"{of[5000] * 1e9 / core_hz:.1f}", f"{of[10_000] * 1e9 / core_hz:.1f}"])
    figures = "".join(
        figure(f"plot-latency-{number}", stage.stage.name.capitalize(),
                f"orders by core cycles; n = {stage.orders:,}")
        for number, stage in enumerate(stages))
    return (
        f'<p class="note">Core cycles at {core_hz / 1e6:g} MHz, from the stamps in the orders\' '
        "own records; orders that a market message caused, cancels left out.</p>\n"
        '<div class="scroll">' +
        table(("stage", "from, to", "orders", "minimum", "50 %", "90 %", "99 %", "maximum",
               "50 %, ns", "maximum, ns"), rows, text=(0, 1)) +
        f'</div>\n<div class="grid">{figures}</div>')


def refusals_section(run: RunAnalysis) -> str:
    """Return the section of what the risk gate refused."""
    if not run.refusals:
        return nothing("Nothing was refused.")
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
        figure("plot-refusals", "Refusals so far", f"orders and cancels, by check; n = "
                                                    f"{total:,}"))


def states_section(run: RunAnalysis) -> str:
    """Return the section of what changed in the appliance."""
    rows = [[format_clock(change.now_ns), ", ".join(change.changes), amount(change.cash_e4),
             amount(change.turnover_e4)] for change in run.states if change.changes]
    if not rows:
        return nothing("No change of the state was recorded.")
    return ('<div class="scroll">' + table(
        ("hardware clock", "what changed", "cash, USD", "turnover, USD"), rows, text=(0, 1)) +
        "</div>")
