"""``tickwire report``: what a recording tells, as numbers and as a page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from control.analysis.run import analyse, summary
from control.analysis.tables import write_tables
from control.cli.environment import Output, environment_of
from control.errors import ControlError, Reason
from control.recorder.reader import find_recording, open_recording
from control.report.page import render_page
from control.report.signals import recorded_signals
from control.units import format_price

__all__ = ["REPORT_HELP", "report"]

REPORT_HELP = """Example: tickwire report build/demo --html report.html

Print what a recording of `tickwire record` or `make demo` tells: P&L, orders, executions,
positions, refusals, latency, markouts. With --html also write it as a page with plots, one file
that needs no network, with --tables orders, executions and equity as Parquet files.
"""

#: What a demo writes beside its recording.
_DEMO_REPORT = "report.json"
_SUFFIX = "_e4"


def report(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The recording, or a demo's "
                                                              "folder.")],
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE",
                                              help="Write the page to this file.")] = None,
    tables: Annotated[Path | None, typer.Option(metavar="DIR", help=(
        "Write orders.parquet, fills.parquet and equity.parquet to this folder."))] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    output: Annotated[Output, typer.Option(help="Form of the numbers.")] = Output.TEXT,
) -> None:
    """Analyse a recording."""
    environment = environment_of(context)
    recording = open_recording(folder)
    run = analyse(recording, recorded_signals(recording))
    if page is not None:
        text = render_page(run, title=title or f"Tickwire: {folder}", report=_demo(folder))
        try:
            page.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ControlError(Reason.INVALID_FIELD, f"html must be a file that can be written: "
                                                     f"{error}", field="html") from error
        environment.say(f"written {page}, {len(text) / 1e6:.1f} MB")
    if tables is not None:
        try:
            written = write_tables(run, tables)
        except OSError as error:
            raise ControlError(Reason.INVALID_FIELD, f"tables must be a folder that can be "
                                                     f"written: {error}", field="tables") from error
        environment.say(f"written {', '.join(map(str, written))}")
    found = summary(run)
    print(json.dumps(found) if output is Output.JSON else _text(found), file=environment.stdout,
          flush=True)


def _demo(folder: Path) -> dict[str, Any] | None:
    """Return the report of the demo whose recording it is, None if it is of no demo."""
    recording = find_recording(folder)
    path = recording.parent / _DEMO_REPORT
    if recording.name != "events" or not path.is_file():
        return None
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ControlError(Reason.INVALID_RECORDING, f"{path} must be a demo's report: {error}") \
            from error
    return cast(dict[str, Any], found) if isinstance(found, dict) else None


def _text(found: Mapping[str, Any]) -> str:
    """Return the numbers as lines; what belongs together stands in one."""
    lines: list[str] = []
    for name, value in found.items():
        of_money = name.endswith(_SUFFIX)
        if isinstance(value, dict):
            parts = cast(dict[str, Any], value)
            text = ", ".join(f"{part} {_one(number, of_money)}"
                             for part, number in parts.items()) or "none"
        else:
            text = _one(value, of_money)
        lines.append(f"{name.removesuffix(_SUFFIX).replace('_', ' '):18}{text}")
    return "\n".join(lines)


def _one(value: Any, of_money: bool) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if of_money and isinstance(value, int):
        return format_price(value)
    if of_money:
        return f"{value / 10_000:+.5f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
