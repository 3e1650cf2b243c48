"""``tickwire watch`` and ``tickwire book``: look at a running appliance, again and again."""

import time
from typing import Annotated

import typer
from tickwire.v1 import (
    status_service_pb2,
    status_service_pb2_grpc,
    telemetry_service_pb2,
    telemetry_service_pb2_grpc,
)

from control.cli.completion import complete_kind
from control.cli.environment import Output
from control.cli.forms import SymbolArgument
from control.cli.options import Invocation, asking
from control.cli.output import plain
from control.client import Appliance
from control.watch.figures import figures
from control.watch.ladder import ladder_data, ladder_text
from control.watch.lines import plain_line, plain_view
from control.watch.snapshot import LadderView, Snapshot, see, see_ladder

__all__ = ["BOOK_HELP", "WATCH", "book"]

_TELEMETRY = telemetry_service_pb2_grpc.TelemetryServiceStub

#: A watcher gives up a look after this time, and looks again.
_PATIENCE_S = 5.0

WATCH = typer.Typer(rich_markup_mode=None, invoke_without_command=True, help=(
    "Example: tickwire watch\n\nShow gate, books, positions, orders, fills, refusals, latency and "
    "alerts, live, on the whole terminal. Keys: p pauses, k kills (it asks), q quits. In a pipe, a "
    "dumb terminal, or with --plain or --count: a line a look."))

_IntervalOption = Annotated[int, typer.Option(min=10, max=60000, help="Time between looks.")]
_CountOption = Annotated[int, typer.Option(min=0, help="End after so many; 0 goes on for ever.")]


@WATCH.callback()
@asking
def watch(
    how: Invocation,
    interval_ms: _IntervalOption = 1000,
    count: _CountOption = 0,
    plain_lines: Annotated[bool, typer.Option("--plain", help="Print lines.")] = False,
) -> None:
    """Follow everything, unless a command of the group follows."""
    if how.context.invoked_subcommand is not None:
        return
    with how.appliance(timeout_s=_PATIENCE_S) as appliance:
        first = see(appliance)     # what cannot be reached is told before the screen is taken
        if how.whole_screen and not plain_lines and not count:
            from control.watch.dashboard import Dashboard  # takes a while: only when needed

            how.take_screen(Dashboard(
                look=lambda: see(appliance), kill=appliance.kill,
                server=appliance.connection.server, first=first, interval_s=interval_ms / 1000))
        else:
            _print_lines(how, appliance, first, interval_ms / 1000, count)


def _print_lines(how: Invocation, appliance: Appliance, first: Snapshot, interval_s: float,
                 count: int) -> None:
    before: Snapshot | None = None
    now, told, seen = first, frozenset[str](), 0
    while True:
        found = figures(now, before)
        if how.output is Output.JSON:
            how.show(plain_view(now, found))
        else:
            how.environment.line(plain_line(now, found))
            for alert in found.alerts:
                if alert not in told:
                    how.environment.line(f"{now.at:%H:%M:%S} alert: {alert}")
            told = frozenset(found.alerts)
        seen += 1
        if seen == count:
            return
        time.sleep(interval_s)
        before, now = now, see(appliance)


@WATCH.command("status", help="Example: tickwire watch status\n\nPrint the status, and again each "
                              "time that it changes.")
@asking
def watch_status(
    how: Invocation,
    interval_ms: _IntervalOption = 500,
    count: _CountOption = 0,
) -> None:
    """Follow the status."""
    seen = 0

    def take(answer: status_service_pb2.WatchStatusResponse) -> bool:
        nonlocal seen
        how.show(answer)
        seen += 1
        return seen != count

    how.follow(status_service_pb2_grpc.StatusServiceStub, "WatchStatus",
           status_service_pb2.WatchStatusRequest(interval_ms=interval_ms), take)


@WATCH.command("events", help="Example: tickwire watch events --kind top_of_book --count 10\n\n"
                              "Print event records as they come, one a line.")
@asking
def watch_events(
    how: Invocation,
    kind: Annotated[list[str] | None, typer.Option(
        autocompletion=complete_kind,
        help="Only this kind, such as top_of_book; may be repeated.")] = None,
    count: _CountOption = 0,
) -> None:
    """Follow the event records."""
    seen = 0

    def take(answer: telemetry_service_pb2.WatchEventsResponse) -> bool:
        nonlocal seen
        environment = how.environment
        if answer.dropped:
            environment.say(f"{answer.dropped} records dropped: this reader is too slow")
        for event in answer.events:
            values = plain(event)
            fields = values["fields"] | values.pop("signed_fields")
            values["fields"] = dict(sorted(fields.items()))
            if how.output is Output.JSON:
                how.show(values)
            else:
                named = " ".join(f"{name}={value}" for name, value in
                                 {**values["fields"], **values["texts"]}.items())
                message = f"message={event.message} " if event.message else ""
                environment.line(f"{event.kind} {event.symbol or '-'} {message}{named}")
            seen += 1
            if seen == count:
                return False
        return True

    how.follow(_TELEMETRY, "WatchEvents",
           telemetry_service_pb2.WatchEventsRequest(kinds=kind or []), take)


BOOK_HELP = """Example: tickwire book AAPL@XNAS --once

Show the book of a symbol as a ladder, live, with our own open orders marked: the best price of each
side, and four more after `tickwire feed set --record-depth`. Keys: p pauses, k kills (it asks), q
quits. In a pipe or a dumb terminal the ladder is printed each time that it changes.
"""


@asking
def book(
    how: Invocation, symbol: SymbolArgument,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    interval_ms: _IntervalOption = 250,
    plain_lines: Annotated[bool, typer.Option("--plain", help="Print, do not draw.")] = False,
) -> None:
    """Show a ladder."""
    with how.appliance(timeout_s=_PATIENCE_S) as appliance:
        view = see_ladder(appliance, symbol)
        if how.whole_screen and not once and not plain_lines:
            from control.watch.dashboard import LadderApp  # takes a while: only when needed

            how.take_screen(LadderApp(
                look=lambda: see_ladder(appliance, symbol), kill=appliance.kill,
                server=appliance.connection.server, first=view, interval_s=interval_ms / 1000))
            return
        _show_ladder(how, view)
        while not once:
            time.sleep(interval_ms / 1000)
            before, view = view, see_ladder(appliance, symbol)
            if view != before:
                if how.output is Output.TEXT:
                    how.environment.line("")
                _show_ladder(how, view)


def _show_ladder(how: Invocation, view: LadderView) -> None:
    if how.output is Output.JSON:
        how.show(ladder_data(view))
    else:
        how.environment.line(ladder_text(view))
