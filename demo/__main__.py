"""The demo, and a market to play with: ``python -m demo --help``."""

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from control.errors import ControlError, ExitStatus
from control.server import DEFAULT_ADDRESS
from demo.background import UpSettings, bring_down, bring_up, keep
from demo.errors import DemoError
from demo.model import write_model
from demo.report import render
from demo.story import DemoSettings, failures, play
from proto.features import FEATURES
from proto.recording import FILE_NAME as RECORDED_RUN
from sim.errors import SimulationError

#: Where set-up has put the command line.
_TICKWIRE = ".venv/bin/tickwire"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m demo run --seed 7\n\nA simulated exchange, a simulated "
                    "appliance and its control plane, in lockstep.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m demo run --seed 7 --seconds 1\n\nTrade for a while, kill, "
                    "and compare what exchange, order log and appliance say.")
    run.add_argument("--seed", type=int, default=DemoSettings.seed,
                     help="of the market (default: %(default)s)")
    run.add_argument("--seconds", type=_seconds, default=DemoSettings.seconds,
                     help="simulated time of trading (default: %(default)s)")
    run.add_argument("--profile", default=DemoSettings.profile,
                     help="sizes of the appliance (default: %(default)s)")
    run.add_argument("--folder", type=Path, default=DemoSettings.folder,
                     help="for report, frames, events and logs (default: %(default)s)")
    run.add_argument("--output", choices=("text", "json"), default="text",
                     help="form of the report on standard output (default: %(default)s)")
    up = commands.add_parser(
        "up", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m demo up\n\nStart a market, an appliance and a control "
                    "plane in the background.")
    keeper = commands.add_parser("keep", description="What `up` starts; not for people.")
    for command in (up, keeper):
        command.add_argument("--seed", type=int, default=UpSettings.seed,
                             help="of the market (default: %(default)s)")
        command.add_argument("--profile", default=UpSettings.profile,
                             help="sizes of the appliance (default: %(default)s)")
        command.add_argument("--listen", default=UpSettings.listen, metavar="HOST:PORT",
                             help="where the management service listens (default: %(default)s)")
    down = commands.add_parser(
        "down", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m demo down\n\nEnd what `up` has started.")
    for command in (up, keeper, down):
        command.add_argument("--folder", type=Path, default=UpSettings.folder,
                             help="for logs and state (default: %(default)s)")
    model = commands.add_parser(
        "model", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m demo model build/demo/model.json\n\nFit the demo's model "
                    "to a simulated market and write its file.")
    model.add_argument("file", type=Path, help="where to write it")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"seconds must be 0.01 to 3600, was {text!r}")
    return value


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(options: argparse.Namespace) -> ExitStatus:
    settings = DemoSettings(seed=options.seed, seconds=options.seconds, profile=options.profile,
                            folder=options.folder)
    report = play(settings, _tell)
    print(json.dumps(report) if options.output == "json" else
          f"\n{render(report)}\n\nhash of events  {report['events_sha256']}", flush=True)
    for failure in (found := failures(report)):
        _tell(f"error: {failure}")
    _tell(f"written         {options.folder}/report.html (open it in a browser), report.json, "
          f"events/*/*.parquet,\n                events.jsonl, orders.pcap, drop-copy.pcap, "
          f"model.json, {RECORDED_RUN}")
    if found:
        return ExitStatus.FAILED
    run = "" if options.folder == DemoSettings.folder else f" --run {options.folder}"
    _tell(f"\nNow try:\n"
          f"  {_TICKWIRE} explain{run}     its orders and refusals; `explain 5` tells all of one\n"
          f"  make up                        a market that goes on, and everything to trade in it\n"
          f"  {_TICKWIRE} arm --yes   let it trade; then status, orders, positions, kill\n"
          f"  make down                      end them\n"
          f"docs/first-hour.md goes on from here, command by command.")
    return ExitStatus.DONE


def _up(options: argparse.Namespace) -> ExitStatus:
    settings = UpSettings(seed=options.seed, profile=options.profile, listen=options.listen,
                          folder=options.folder)
    if not bring_up(settings, _tell):
        print("It is up already; `make down` ends it.")
        return ExitStatus.DONE
    server = "" if settings.listen == DEFAULT_ADDRESS else f" --server {settings.listen}"
    print(f"\nUp. The management service listens on {settings.listen}; logs: {settings.folder}. "
          f"Disarmed; try:\n"
          f"  {_TICKWIRE} status{server}\n"
          f"  {_TICKWIRE} arm --yes{server}\n"
          f"  {_TICKWIRE} watch{server}\n"
          f"  {_TICKWIRE} orders --limit 5{server}\n"
          f"  {_TICKWIRE} positions{server}\n"
          f"  {_TICKWIRE} kill --reason 'enough'{server}\n"
          f"  make down")
    return ExitStatus.DONE


def _down(options: argparse.Namespace) -> ExitStatus:
    print("Down." if bring_down(options.folder, _tell) else "Nothing was up.")
    return ExitStatus.DONE


def _keep(options: argparse.Namespace) -> ExitStatus:
    keep(UpSettings(seed=options.seed, profile=options.profile, listen=options.listen,
                    folder=options.folder), _tell)
    return ExitStatus.DONE


def _model(options: argparse.Namespace) -> ExitStatus:
    calibration = write_model(options.file)
    weights = ", ".join(f"{feature.name} {weight}" for feature, weight in
                        zip(FEATURES, calibration.model.weights, strict=True))
    print(f"{options.file}: {weights}; 2**-{calibration.model.fraction_bits} ticks; explains "
          f"{calibration.explained:.1%} of the variance of {calibration.rows:,} other moves")
    return ExitStatus.DONE


_COMMANDS = {"run": _run, "up": _up, "down": _down, "keep": _keep, "model": _model}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)      # no process may be left over
    options = _arguments().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except (DemoError, SimulationError, ControlError, OSError) as error:
        _tell(f"error: {error}")
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        _tell("interrupted; all processes were ended")
        return ExitStatus.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
