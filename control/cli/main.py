"""The command line: ``tickwire``."""

import subprocess
import sys
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ExitStatus", "app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None, help="Manage a Tickwire appliance, simulated or real.")


class ExitStatus(IntEnum):
    """How every command ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    CONFLICT = 5
    INTERRUPTED = 130


class Output(StrEnum):
    """Form of what a command prints."""

    TEXT = "text"
    JSON = "json"


@app.callback()
def root() -> None:
    """Manage a Tickwire appliance, simulated or real."""


_REPLAY_HELP = """Example: tickwire replay capture.itch.xz --bbo rows.csv

Replay a capture through the simulated appliance, as fast as that goes, and print what it did.
The rows come from the appliance's event records. Captures with more symbols than the appliance
has books are replayed in several passes.
"""


@app.command(help=_REPLAY_HELP)
def replay(
    capture: Annotated[Path, typer.Argument(help=".itch or .pcap, plain, .gz or .xz.")],
    bbo: Annotated[Path | None, typer.Option(
        help="Write a row for each change of a best bid or offer to this CSV file.")] = None,
    profile: Annotated[str, typer.Option(help="Sizes of the appliance.")] = "sim",
    tick: Annotated[list[str] | None, typer.Option(
        metavar="[SYMBOL=]DOLLARS", help="Tick size instead of the one found.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Only these, separated by commas.")] = None,
    lenient: Annotated[bool, typer.Option(
        "--lenient",
        help="Accept zeroed addresses and checksums and any sequence number.")] = False,
    strict: Annotated[bool, typer.Option(
        "--strict", help="Fail if the end of the file is truncated.")] = False,
    output: Annotated[Output, typer.Option(help="Form of the summary.")] = Output.TEXT,
) -> None:
    """Run the replay of the simulation as a process of its own."""
    command = [sys.executable, "-m", "sim", "replay", str(capture), "--profile", profile,
               "--output", output.value]
    for option, value in (("--bbo", bbo), ("--symbols", symbols)):
        if value is not None:
            command += [option, str(value)]
    for value in tick or []:
        command += ["--tick", value]
    command += ["--lenient"] * lenient + ["--strict"] * strict
    raise typer.Exit(_run(command))


def _run(command: list[str]) -> int:
    """Run a process of the simulation on our own standard streams; return its status."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return ExitStatus.INTERRUPTED


def main() -> None:
    """Run the command line and leave with its status."""
    app()
