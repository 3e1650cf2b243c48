"""``tickwire explain``: the life of one order, or why there was none."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from control.cli.environment import Output, environment_of
from control.cli.output import render_json
from control.cli.replay import run_process
from control.client.appliance import Appliance
from control.client.connection import DEFAULT_SERVER
from control.errors import ControlError, ExitStatus, Reason
from control.explain.explanation import explain_order, explain_refusal, list_run
from control.explain.live import live_run
from control.explain.run import Run, open_run
from control.explain.silence import explain_message
from control.explain.text import render

__all__ = ["EXPLAIN_HELP", "explain"]

EXPLAIN_HELP = """Example: tickwire explain 17

Print the life of an order of a recorded run, such as that of `make demo`: the message that caused
it, every stage with its cycles, the book and the features that it saw, each check's value beside
its limit, every byte of its frame, what the venue said, position and cash. --refusal tells the
same of what the risk gate held back, --message why a message made no order. Without any, list what
can be explained.

The keys of JSON are `what`, `recording`, `order` or `refusal`, `trigger`, `stages`, `book`,
`signal`, `checks`, `frame`, `venue` and `account`; of a message also `caused` and `reasons`.
"""

#: Cycles of a waveform before the first stamp and after the last.
_BEFORE_CYCLES, _AFTER_CYCLES = 8, 24
#: What `make demo` writes.
_DEFAULT_RUN = Path("build/demo")


def explain(
    context: typer.Context,
    order: Annotated[str | None, typer.Argument(
        metavar="[ORDER]", help="UserRefNum of an order that was sent, or its ClOrdID.")] = None,
    refusal: Annotated[str | None, typer.Option(
        metavar="NUMBER", help="Explain a refusal instead: event_sequence of its record, or "
                               "'last'.")] = None,
    message: Annotated[int | None, typer.Option(
        min=0, metavar="SEQUENCE", help="Explain what became of a message of the feed.")] = None,
    run: Annotated[Path, typer.Option(
        metavar="FOLDER", help="Folder of the run, or its recording.")] = _DEFAULT_RUN,
    live: Annotated[bool, typer.Option(
        "--live", help="Explain what a running management service knows: without the feed, the "
                       "features and the frame, and with the limits of now.")] = False,
    server: Annotated[str | None, typer.Option(
        metavar="HOST:PORT", help="Its address, with --live; else TICKWIRE_SERVER, else "
                                  f"{DEFAULT_SERVER}.")] = None,
    waves: Annotated[Path | None, typer.Option(
        metavar="FST", help="Run the recorded run again up to that moment, and write the waveform "
                            "of its cycles, and beside it a saved view for GTKWave.")] = None,
    output: Annotated[Output, typer.Option(help="Form of what is printed.")] = Output.TEXT,
) -> None:
    """Explain an order or a refusal."""
    given = [what for what in (order, refusal, message) if what is not None]
    if len(given) > 1:
        raise ControlError(Reason.INVALID_FIELD, "give one of an order, --refusal and --message")
    if waves is not None and not given:
        raise ControlError(Reason.INVALID_FIELD, "--waves needs an order, --refusal or --message")
    environment = environment_of(context)
    environment.output = output
    if live or server is not None:
        if message is not None or waves is not None:
            raise ControlError(Reason.INVALID_FIELD, "--message and --waves need a recorded run, "
                                                     "not a server")
        with Appliance(server, variables=environment.variables) as appliance:
            opened = live_run(appliance)
    else:
        opened = open_run(run)
    if order is not None:
        found = explain_order(opened, order)
    elif refusal is not None:
        found = explain_refusal(opened, refusal)
    elif message is not None:
        found = explain_message(opened, message)
    else:
        found = list_run(opened)
    text = render_json(found) if output is Output.JSON else render(found)
    environment.line(text)
    if waves is not None:
        raise typer.Exit(_write_waves(context, opened, found, waves))


def _write_waves(context: typer.Context, run: Run, found: dict[str, Any], waves: Path) -> int:
    """Let the simulation run up to the moment; return its exit status."""
    stamps = [(run.history.pins(row["cycle"]), row["name"]) for row in found["stages"]]
    if not stamps:
        raise ControlError(Reason.INVALID_FIELD, "no message caused it: there is no moment to run "
                                                 "to")
    view = waves.with_suffix(".gtkw")
    start, end = stamps[0][0] - _BEFORE_CYCLES, stamps[-1][0] + _AFTER_CYCLES
    command = [sys.executable, "-m", "sim", "rerun", str(run.history.path), "--waves", str(waves),
               "--cycles", f"{start}:{end}", "--view", str(view)]
    for cycle, name in stamps:
        command += ["--mark", f"{cycle}={name}"]
    environment = environment_of(context)
    environment.say(f"cycles {start:,} to {end:,} at the pins; the simulation that writes "
                    f"waveforms is built the first time, which takes some minutes")
    status = run_process(command)
    if status == ExitStatus.DONE:
        environment.say(f"written: {waves}, {view}; `gtkwave {waves} {view}` shows them")
    return status
