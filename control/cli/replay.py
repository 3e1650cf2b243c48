"""``tickwire replay``: a capture through the simulated appliance, in a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from control.cli.environment import Output

__all__ = ["REPLAY_HELP", "replay", "run_process"]

REPLAY_HELP = """Example: tickwire replay capture.itch.xz --bbo rows.csv

Replay a capture through the simulated appliance, as fast as that goes without losing anything, and
print what it did. The rows come from the appliance's event records. Captures with more symbols than
the appliance has books are replayed in several passes.

Ctrl-C ends it with every row written that there is; `--resume` goes on from there.

\b
More examples:
  tickwire replay a.pcap --line-b b.pcap --symbols AAPL,MSFT
  tickwire replay day.pcapng --from 09:30 --to 09:31:30.5 --bbo open.csv
  tickwire replay capture.itch.xz --depth levels.csv --features features.csv
  tickwire replay day.pcapng --speed 1 --to 09:30:05 --bbo live.csv --state
"""


def replay(
    capture: Annotated[Path, typer.Argument(
        help=".itch, .pcap or .pcapng, plain or .gz, .xz, .zst.")],
    bbo: Annotated[Path | None, typer.Option(
        help="Write a row for each change of a best bid or offer to this CSV file.")] = None,
    depth: Annotated[Path | None, typer.Option(
        help="Write the five best levels of a side after each message to this CSV file.")] = None,
    features: Annotated[Path | None, typer.Option(
        help="Write what a model sees after each message to this CSV file.")] = None,
    line_b: Annotated[Path | None, typer.Option(
        metavar="CAPTURE", help="Line B of the same feed, merged by time of capture; may be the "
                                "same file.")] = None,
    symbols: Annotated[str | None, typer.Option(
        help="Only these, by name or stock locate, separated by commas.")] = None,
    begin: Annotated[str | None, typer.Option(
        "--from", metavar="TIME", help="Only rows from this exchange time on, HH:MM:SS.nnn; the "
                                       "books are built from the start.")] = None,
    end: Annotated[str | None, typer.Option(
        "--to", metavar="TIME",
        help="End before the first message of this exchange time or later.")] = None,
    speed: Annotated[str | None, typer.Option(
        metavar="N", help="Send frames when they are due, N times faster than captured, whether "
                          "the appliance is ready or not; 1 is as in the market.")] = None,
    state: Annotated[bool, typer.Option(
        "--state", help="Give the rows a column with the state of the book.")] = False,
    resume: Annotated[bool, typer.Option(
        "--resume", help="Go on with the file of --bbo where a replay was interrupted.")] = False,
    profile: Annotated[str, typer.Option(help="Sizes of the appliance.")] = "sim",
    tick: Annotated[list[str] | None, typer.Option(
        metavar="[SYMBOL=]DOLLARS", help="Tick size instead of the one found.")] = None,
    lenient: Annotated[bool, typer.Option(
        "--lenient",
        help="Accept zeroed addresses and checksums and any sequence number.")] = False,
    strict: Annotated[bool, typer.Option(
        "--strict", help="Fail if the end of the file is truncated.")] = False,
    quiet: Annotated[bool, typer.Option(
        "--quiet", help="Nothing on standard error but warnings and errors.")] = False,
    output: Annotated[Output, typer.Option(help="Form of the summary.")] = Output.TEXT,
) -> None:
    """Run the replay of the simulation as a process of its own."""
    command = [sys.executable, "-m", "sim", "replay", str(capture), "--profile", profile,
               "--output", output.value]
    for option, value in (("--bbo", bbo), ("--depth", depth), ("--features", features),
                          ("--line-b", line_b), ("--symbols", symbols),
                          ("--from", begin), ("--to", end), ("--speed", speed)):
        if value is not None:
            command += [option, str(value)]
    for value in tick or []:
        command += ["--tick", value]
    for option, given in (("--state", state), ("--resume", resume), ("--lenient", lenient),
                          ("--strict", strict), ("--quiet", quiet)):
        command += [option] * given
    raise typer.Exit(run_process(command))


def run_process(command: list[str]) -> int:
    """Run a process of the simulation on our own standard streams; return its status.

    Ctrl-C reaches the process as well, which ends what it does in good order.
    """
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGTERM)
