"""The command line: ``tickwire``."""

import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from typing import Any

import typer

from control.cli.arp import arp
from control.cli.environment import Environment, Output
from control.cli.explain import EXPLAIN_HELP, explain
from control.cli.feed import feed
from control.cli.limits import limits
from control.cli.model import model
from control.cli.operation import add_to
from control.cli.record import RECORD_HELP, record
from control.cli.replay import REPLAY_HELP, replay
from control.cli.report import REPORT_HELP, report
from control.cli.serve import SERVE_HELP, serve
from control.cli.session import session
from control.cli.strategy import strategy
from control.cli.symbols import symbols
from control.cli.watch import BOOK_HELP, WATCH, book
from control.errors import ControlError, ExitStatus

__all__ = ["ExitStatus", "app", "main", "run"]

_ROOT_HELP = """Example: tickwire status

Manage a Tickwire appliance, simulated or real.
"""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False,
                  rich_markup_mode=None, help=_ROOT_HELP)


@app.callback(help=_ROOT_HELP)
def root() -> None:
    """Manage a Tickwire appliance, simulated or real."""


app.command(help=REPLAY_HELP)(replay)
app.command(help=RECORD_HELP)(record)
app.command(help=REPORT_HELP)(report)
app.command(help=SERVE_HELP)(serve)
app.command(help=EXPLAIN_HELP)(explain)
add_to(app)
app.command("book", help=BOOK_HELP)(book)
app.add_typer(WATCH, name="watch")
app.add_typer(symbols, name="symbols")
app.add_typer(feed, name="feed")
app.add_typer(limits, name="limits")
app.add_typer(model, name="model")
app.add_typer(strategy, name="strategy")
app.add_typer(session, name="session")
app.add_typer(arp, name="arp")


def run(arguments: Sequence[str], environment: Environment | None = None) -> int:
    """Run a command in a given world and return its exit status."""
    environment = environment or Environment()
    if _wants_json(arguments):
        environment.output = Output.JSON
    try:
        with redirect_stdout(environment.stdout), redirect_stderr(environment.stderr):
            _summarised(typer.main.get_command(app)).main(
                args=list(arguments), prog_name="tickwire", obj=environment)
    except ControlError as error:
        environment.complain(error)
        return error.reason.exit_status
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.DONE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    return ExitStatus.DONE


def _summarised(command: Any) -> Any:
    """Return a command whose groups list what their commands do, not their examples."""
    _, _, text = (command.help or "").partition("\n\n")
    command.short_help = re.split(r"[.:;](?:\s|$)", " ".join(text.split()))[0] + "."
    for child in getattr(command, "commands", {}).values():
        _summarised(child)
    return command


def _wants_json(arguments: Sequence[str]) -> bool:
    """Return whether a command was asked for JSON; it may fail before it knows that itself."""
    return "--output=json" in arguments or ("--output", "json") in pairwise(arguments)


def main() -> None:
    """Run the command line and leave with its status."""
    sys.exit(run(sys.argv[1:]))
