"""A run as one HTML page that needs nothing else: opened from disk, without a network."""

import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from control.analysis.run import RunAnalysis
from control.report.data import Settings, plot_data
from control.report.method import METHOD
from control.report.order_section import orders_section
from control.report.sections import (
    equity_section,
    latency_section,
    quality_section,
    refusals_section,
    result_section,
    states_section,
)
from control.units import format_clock

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
    sections = [
        ("result", "Result", result_section(run, report)),
        ("equity", "Equity and positions", equity_section(run)),
        ("orders", "Orders", orders_section(run)),
        ("quality", "Fill quality", quality_section(run)),
        ("latency", "Latency", latency_section(run)),
        ("refusals", "Refusals", refusals_section(run)),
        ("states", "States", states_section(run)),
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
    told = [f"{format_clock(run.began_ns)} to {format_clock(run.ended_ns)}, exchange time",
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
