"""``tickwire replay``: a capture through the simulated appliance, in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from control.cli.environment import Output
from control.errors import ExitStatus

__all__ = ["REPLAY_HELP", "replay", "run_process"]

REPLAY_HELP = """Example: tickwire replay capture.itch.xz --bbo rows.csv

Replay a capture through the simulated appliance, as fast as that goes, and print what it did.
The rows come from the appliance's event records. Captures with more symbols than the appliance
has books are replayed in several passes.
"""


def replay(
    capture: Annotated[Path, typer.Argument(
        help=".itch, .pcap or .pcapng, plain or .gz, .xz, .zst.")],
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
    raise typer.Exit(run_process(command))


def run_process(command: list[str]) -> int:
    """Run a process of the simulation on our own standard streams; return its status."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return ExitStatus.INTERRUPTED
