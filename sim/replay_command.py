"""The command line ``python -m sim replay``."""

import argparse
import json
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import Any

from hdl.profile import PROFILES
from sim.progress import Progress
from sim.replay import Replay
from sim.replay_details import DetailFiles
from sim.replay_report import note_lines, summary_lines, tick_lines
from sim.replay_rows import RowFile
from sim.replay_summary import Waves

__all__ = ["add_replay", "cycles", "run_replay"]

_NS_PER_SECOND = 1_000_000_000
_DAY_NS = 86_400 * _NS_PER_SECOND

_EXAMPLES = """Example: python -m sim replay capture.itch.xz --bbo rows.csv

More examples:
  python -m sim replay a.pcap --line-b b.pcap --symbols AAPL,MSFT --bbo rows.csv
  python -m sim replay capture.pcapng --speed 1 --from 09:30 --to 09:30:01.5 --bbo open.csv --state

Replay a capture through the simulated appliance. The rows come from the appliance's event
records. More symbols than it has books take several passes."""


class _InterruptedError(Exception):
    """A signal has come where nothing is half done."""


def _tick(text: str) -> tuple[str, int]:
    """Return (symbol or ``*``, tick size in 1e-4 USD) of ``SYMBOL=0.01`` or ``0.01``."""
    symbol, _, decimal = text.rpartition("=")
    whole, _, fraction = decimal.partition(".")
    if not (whole.isdigit() or not whole) or not (fraction.isdigit() or not fraction) or \
            len(fraction) > 4 or not (whole or fraction):
        raise argparse.ArgumentTypeError(
            f"tick size must be dollars with at most four decimals, was {decimal!r}")
    size = int(whole or 0) * 10_000 + int(fraction.ljust(4, "0"))
    if not 1 <= size <= 65535:
        raise argparse.ArgumentTypeError(f"tick size must be 0.0001 to 6.5535, was {decimal}")
    return symbol or "*", size


def cycles(text: str) -> tuple[int, int]:
    """Return the cycles of ``START:END``."""
    start, colon, end = text.partition(":")
    if not (colon and start.isdigit() and end.isdigit() and int(start) < int(end)):
        raise argparse.ArgumentTypeError(
            f"cycles must be START:END with START < END, was {text!r}")
    return int(start), int(end)


def _clock(text: str) -> int:
    """Return ns since midnight of ``HH:MM[:SS[.fraction]]``."""
    whole, dot, fraction = text.partition(".")
    parts = whole.split(":")
    good = (2 + bool(dot) <= len(parts) <= 3 and all(len(part) == 2 and part.isdigit()
                                                     for part in parts)
            and (fraction.isdigit() or not dot) and len(fraction) <= 9)
    hours, minutes, seconds = (*map(int, parts), 0)[:3] if good else (24, 0, 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise argparse.ArgumentTypeError(
            f"time must be HH:MM, HH:MM:SS or HH:MM:SS.fraction, was {text!r}")
    return ((hours * 60 + minutes) * 60 + seconds) * _NS_PER_SECOND + int(fraction.ljust(9, "0"))


def _speed(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not Fraction(1, 1_000_000) <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"speed must be 0.000001 to 1000000, was {text!r}")
    return value


def add_replay(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "replay", formatter_class=argparse.RawDescriptionHelpFormatter, description=_EXAMPLES)
    parser.add_argument("capture", type=Path,
                        help=".itch, .pcap or .pcapng, plain or .gz, .xz, .zst")
    parser.add_argument("--line-b", type=Path, metavar="CAPTURE",
                        help="line B of the same feed, merged by time of capture; may be the same "
                             "file")
    parser.add_argument("--bbo", type=Path, metavar="CSV", help="write the rows to this file")
    parser.add_argument("--depth", type=Path, metavar="CSV",
                        help="write the five best levels of a side after each message to this file")
    parser.add_argument("--features", type=Path, metavar="CSV",
                        help="write the features after each message to this file")
    parser.add_argument("--state", action="store_true",
                        help="give the rows a column with the state of the book")
    parser.add_argument("--resume", action="store_true",
                        help="go on with the file of --bbo where a replay was interrupted")
    parser.add_argument("--profile", default="sim", choices=sorted(PROFILES),
                        help="sizes (default: %(default)s)")
    parser.add_argument("--symbols",
                        help="only these, by name or stock locate, separated by commas")
    parser.add_argument("--from", type=_clock, dest="from_ns", metavar="TIME",
                        help="only rows from this exchange time on, HH:MM:SS.nnn; the books are "
                             "built from the start")
    parser.add_argument("--to", type=_clock, dest="until_ns", metavar="TIME",
                        help="end before the first message of this exchange time or later")
    parser.add_argument("--speed", type=_speed, metavar="N",
                        help="send frames when they are due, N times faster than captured, "
                             "whether the appliance is ready or not")
    parser.add_argument("--tick", action="append", type=_tick, default=[],
                        metavar="[SYMBOL=]DOLLARS", help="tick size instead of the one found")
    parser.add_argument("--lenient", action="store_true",
                        help="accept zeroed addresses and checksums and any sequence number")
    parser.add_argument("--single", action="store_true",
                        help="one message a frame (of a BinaryFILE), not as many as go in")
    parser.add_argument("--waves", type=Path, metavar="FST",
                        help="write a waveform of the first pass to this file")
    parser.add_argument("--cycles", type=cycles, default=(0, 20_000), metavar="START:END",
                        help="cycles of the waveform (default: 0:20000)")
    parser.add_argument("--strict", action="store_true",
                        help="fail if the end of the file is truncated")
    parser.add_argument("--quiet", action="store_true",
                        help="nothing on standard error but warnings and errors")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="form of the summary (default: %(default)s)")


class _Signals:
    """Remembers that the process shall end; a second Ctrl-C ends it at once."""

    def __init__(self) -> None:
        self.come = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.come and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.come = True

    def go_on(self) -> bool:
        return not self.come


@contextmanager
def _signals() -> Generator[_Signals]:
    taken = _Signals()
    before = {number: signal.signal(number, taken) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_replay(options: argparse.Namespace, show: Callable[[str], None],
               say: Callable[[str], None]) -> tuple[bool, bool]:
    """Run the command.

    Parameters
    ----------
    options : argparse.Namespace
        What :func:`add_replay` has added.
    show, say : callable
        Take lines of the result, and about it.

    Returns
    -------
    tuple of bool
        Whether all is well, and whether it was interrupted.

    Raises
    ------
    argparse.ArgumentTypeError
        If options contradict each other.
    SimulationError
        If the capture cannot be replayed.
    """
    if options.resume and (options.bbo is None or options.lenient):
        # Lenient captures repeat sequence numbers, by which a replay goes on.
        raise argparse.ArgumentTypeError("--resume needs --bbo and goes without --lenient")
    if options.resume and (options.depth or options.features):
        raise argparse.ArgumentTypeError("--resume goes without --depth and --features")
    if options.from_ns is not None and (options.until_ns or _DAY_NS) <= options.from_ns:
        raise argparse.ArgumentTypeError("--from must be before --to")
    with _signals() as signals:
        try:
            return _run(options, signals, show, say)
        except _InterruptedError:
            say("interrupted before anything was sent")
            return True, True


def _run(options: argparse.Namespace, signals: _Signals, show: Callable[[str], None],
         say: Callable[[str], None]) -> tuple[bool, bool]:
    looking = Progress("messages" if options.capture.name.count(".itch") else "records",
                       quiet=options.quiet)

    def looked(records: int, fraction: float) -> None:
        if signals.come:
            looking.end()
            raise _InterruptedError
        looking.looked(records, fraction)

    details = DetailFiles(options.depth, options.features)
    replay = Replay(
        options.capture, line_b=options.line_b, profile=options.profile,
        symbols=tuple(filter(None, options.symbols.split(","))) if options.symbols else None,
        ticks=dict(options.tick), lenient=options.lenient, packed=not options.single,
        speed=options.speed, from_ns=options.from_ns, until_ns=options.until_ns,
        details=details,
        waves=Waves(options.waves, *options.cycles) if options.waves is not None else None,
        looked=looked)
    looking.end()
    for line in () if options.quiet else tick_lines(replay):
        say(line)
    progress = Progress("messages", quiet=options.quiet)
    if options.bbo is None:
        _, summary = replay.run(progress, sink=_Nothing(), go_on=signals.go_on)
    else:
        with RowFile(options.bbo, _identity(options, replay), replay.passes, states=options.state,
                     resume=options.resume) as file:
            _, summary = replay.run(progress, sink=file, go_on=signals.go_on)
            if summary.interrupted_at is None:
                file.finish()
    details.finish()
    progress.end()
    lines = [json.dumps(summary.as_dict(), sort_keys=True)] if options.output == "json" else (
        summary_lines(summary))
    for line in lines:
        show(line)
    for line in note_lines(replay, summary, options.bbo):
        say(line)
    truncated = any(capture.truncated_at is not None for capture in replay.captures)
    failed = summary.losses or (options.strict and truncated)
    return not failed, summary.interrupted_at is not None


class _Nothing:
    """Takes rows and forgets them."""

    def begin(self, number: int) -> int | None:
        return 0

    def write(self, key: int, records: Any) -> None:
        pass

    def end(self, number: int) -> None:
        pass


def _identity(options: argparse.Namespace, replay: Replay) -> dict[str, Any]:
    """Return all that decides which rows there are."""
    captures = [options.capture, *([options.line_b] if options.line_b else [])]
    return {
        "captures": [[str(path.resolve()), path.stat().st_size] for path in captures],
        "profile": options.profile, "lenient": options.lenient, "single": options.single,
        "speed": None if options.speed is None else str(options.speed),
        "from_ns": options.from_ns, "until_ns": options.until_ns,
        "ticks": {str(locate): tick for locate, tick in replay.ticks.items()},
    }
