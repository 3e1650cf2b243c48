"""What the control plane starts as a process: ``python -m sim --help``."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from enum import IntEnum
from pathlib import Path
from types import FrameType

from hdl.profile import PROFILES
from proto.wire.management import UDP_PORT
from sim.appliance import Appliance
from sim.captures import CaptureError
from sim.errors import SimulationError
from sim.exchange.lockstep import LockstepPeer
from sim.lockstep import LockstepRun, run_lockstep
from sim.management_bridge import ManagementBridge
from sim.replay import Replay, Summary, Waves, write_rows
from sim.running import run_managed


class ExitStatus(IntEnum):
    """How the process ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2


class _Progress:
    """A line on standard error every second: how far, how fast, how long still."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def __call__(self, sent: int, total: int, seconds: float) -> None:
        now = time.monotonic()
        if now - self._shown < 1.0 or not seconds:
            return
        self._shown = now
        rate = sent / seconds
        left = (total - sent) / rate if rate else 0.0
        print(f"{sent:,} of {total:,} records, {rate:,.0f} a second, {left:.0f} s to go",
              file=sys.stderr)


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


def _cycles(text: str) -> tuple[int, int]:
    """Return the cycles of ``START:END``."""
    start, colon, end = text.partition(":")
    if not (colon and start.isdigit() and end.isdigit() and int(start) < int(end)):
        raise argparse.ArgumentTypeError(
            f"cycles must be START:END with START < END, was {text!r}")
    return int(start), int(end)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser(
        "replay", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim replay capture.itch.xz --bbo rows.csv\n\n"
                    "Replay a capture through the simulated appliance.")
    replay.add_argument("capture", type=Path,
                        help=".itch, .pcap or .pcapng, plain or .gz, .xz, .zst")
    replay.add_argument("--bbo", type=Path, metavar="CSV", help="write the rows to this file")
    replay.add_argument("--profile", default="sim", choices=sorted(PROFILES),
                        help="sizes (default: %(default)s)")
    replay.add_argument("--symbols", help="only these, separated by commas")
    replay.add_argument("--tick", action="append", type=_tick, default=[],
                        metavar="[SYMBOL=]DOLLARS", help="tick size instead of the one found")
    replay.add_argument("--lenient", action="store_true",
                        help="accept zeroed addresses and checksums and any sequence number")
    replay.add_argument("--single", action="store_true",
                        help="one message a frame (of a BinaryFILE), not as many as go in")
    replay.add_argument("--waves", type=Path, metavar="FST",
                        help="write a waveform of the first pass to this file")
    replay.add_argument("--cycles", type=_cycles, default=(0, 20_000), metavar="START:END",
                        help="cycles of the waveform (default: 0:20000)")
    replay.add_argument("--strict", action="store_true",
                        help="fail if the end of the file is truncated")
    replay.add_argument("--output", choices=("text", "json"), default="text",
                        help="form of the summary (default: %(default)s)")
    run = commands.add_parser(
        "run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim run --profile bench --port 5449\n\n"
                    "Run the simulated appliance, managed over UDP on loopback, until it is "
                    "interrupted or terminated.")
    run.add_argument("--profile", default="sim", choices=sorted(PROFILES),
                     help="sizes (default: %(default)s)")
    run.add_argument("--port", type=int, default=UDP_PORT,
                     help="UDP port at 127.0.0.1; 0 takes a free one (default: %(default)s)")
    run.add_argument("--exchange", metavar="ADDRESS",
                     help="share time with the exchange that listens there, see `python -m "
                          "sim.exchange serve`; else there is no market, and time is wall time")
    return parser


def _print_text(summary: Summary) -> None:
    print(f"{summary.messages:,} messages in {summary.records:,} records, {summary.symbols:,} "
          f"symbols, {summary.passes:,} passes: {summary.rows:,} rows")
    print(f"{summary.seconds:.1f} s, {summary.messages_per_second:,.0f} messages and "
          f"{summary.cycles_per_second:,.0f} cycles a second")
    for name, count in sorted(summary.counters.items()):
        print(f"  {name} {count:,}")


def _talk(replay: Replay, summary: Summary) -> None:
    """Say on standard error what a reader of the rows must know."""
    if summary.truncated_at is not None:
        print(f"truncated_at {summary.truncated_at}: the record there is incomplete",
              file=sys.stderr)
    if summary.other_packets:
        print(f"{summary.other_packets:,} packets of other streams were sent and must be refused",
              file=sys.stderr)
    if summary.sliced_frames:
        print(f"{summary.sliced_frames:,} frames are incomplete in the capture, not sent",
              file=sys.stderr)
    for name, count in summary.losses.items():
        print(f"lost: {name} is {count:,}; {replay.capture.path} was not replayed exactly",
              file=sys.stderr)


def _replay(options: argparse.Namespace) -> ExitStatus:
    symbols = tuple(options.symbols.split(",")) if options.symbols else None
    waves = Waves(options.waves, *options.cycles) if options.waves is not None else None
    replay = Replay(options.capture, profile=options.profile, symbols=symbols,
                    ticks=dict(options.tick), lenient=options.lenient, packed=not options.single,
                    waves=waves)
    by_tick: dict[int, list[str]] = {}
    for info in replay.books:
        by_tick.setdefault(replay.ticks[info.locate], []).append(info.stock or str(info.locate))
    for tick, names in sorted(by_tick.items()):
        print(f"tick {tick // 10_000}.{tick % 10_000:04d}: {', '.join(names)}", file=sys.stderr)
    rows, summary = replay.run(_Progress())
    if options.bbo is not None:
        write_rows(rows, options.bbo)
    if options.output == "json":
        print(json.dumps(summary.as_dict(), sort_keys=True))
    else:
        _print_text(summary)
    _talk(replay, summary)
    failed = summary.losses or (options.strict and summary.truncated_at is not None)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _run(options: argparse.Namespace) -> ExitStatus:
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    def go_on() -> bool:
        return not stop.is_set()

    with ExitStack() as stack:
        bridge = stack.enter_context(ManagementBridge(port=options.port))
        peer = _peer(options.exchange, stack)
        appliance = stack.enter_context(Appliance(options.profile))
        # Records wait in the ring for a control plane.
        appliance.simulation.set_events_ready(False)
        if peer is None:
            print(f"managed at 127.0.0.1:{bridge.port}", flush=True)
            run_managed(appliance.simulation, bridge, go_on)
        else:
            run = LockstepRun(appliance.simulation, bridge, peer,
                              core_hz=appliance.read("identity.core_hz"))
            print(f"managed at 127.0.0.1:{bridge.port}, in lockstep with {options.exchange}",
                  flush=True)
            run_lockstep(run, go_on)
    return ExitStatus.DONE


def _peer(address: str | None, stack: ExitStack) -> LockstepPeer | None:
    if address is None:
        return None
    try:
        return stack.enter_context(LockstepPeer(address))
    except OSError as error:
        raise SimulationError(f"no exchange at {address}: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        return _run(options) if options.command == "run" else _replay(options)
    except OSError as error:
        print(f"error: {error.filename}: {(error.strerror or str(error)).lower()}",
              file=sys.stderr)
        return ExitStatus.FAILED
    except (CaptureError, SimulationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitStatus.FAILED


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the native library's memory goes with the process
