"""What the control plane starts as a process: ``python -m sim --help``."""

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack
from enum import IntEnum
from pathlib import Path
from types import FrameType

from hdl.profile import PROFILES
from proto.recording import RecordingError
from proto.wire.management import UDP_PORT
from sim.appliance import Appliance
from sim.captures import CaptureError
from sim.errors import SimulationError
from sim.exchange.lockstep import LockstepPeer
from sim.lockstep import LockstepRun, run_lockstep
from sim.management_bridge import ManagementBridge
from sim.order_capture import OrderCapture
from sim.recording import RecordedSimulation
from sim.replay_command import add_replay, run_replay
from sim.rerun_command import add_rerun, run_rerun
from sim.running import run_managed


class ExitStatus(IntEnum):
    """How the process ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_replay(commands)
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
    run.add_argument("--record", type=Path, metavar="FILE",
                     help="record what goes in and comes out, so that it can be explained and run "
                          "again")
    run.add_argument("--orders", type=Path, metavar="PCAP",
                     help="with --exchange: write every frame that the order port sends")
    run.add_argument("--drop-copy", type=Path, metavar="PCAP",
                     help="with --exchange: write every answer of the venue, each once")
    add_rerun(commands)
    return parser


def _replay(options: argparse.Namespace, parser: argparse.ArgumentParser) -> ExitStatus:
    try:
        good, interrupted = run_replay(
            options, print, lambda line: print(line, file=sys.stderr))
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    if interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.DONE if good else ExitStatus.FAILED


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
        appliance = stack.enter_context(_appliance(options.profile, options.record))
        # Records wait in the ring for a control plane.
        appliance.simulation.set_events_ready(False)
        if peer is None:
            print(f"managed at 127.0.0.1:{bridge.port}", flush=True)
            run_managed(appliance.simulation, bridge, go_on)
        else:
            capture = stack.enter_context(
                OrderCapture(orders=options.orders, drop_copy=options.drop_copy))
            run = LockstepRun(appliance.simulation, bridge, peer,
                              core_hz=appliance.read("identity.core_hz"), observer=capture.take)
            print(f"managed at 127.0.0.1:{bridge.port}, in lockstep with {options.exchange}",
                  flush=True)
            run_lockstep(run, go_on)
    return ExitStatus.DONE


def _appliance(profile: str, record: Path | None) -> Appliance:
    if record is None:
        return Appliance(profile)
    appliance = Appliance(profile, make=RecordedSimulation)
    assert isinstance(appliance.simulation, RecordedSimulation)
    try:
        appliance.simulation.record(record, profile=profile, symbols=appliance.symbols,
                                    core_hz=appliance.read("identity.core_hz"),
                                    map_hash=appliance.map.hash)
    except BaseException:
        appliance.close()
        raise
    return appliance


def _peer(address: str | None, stack: ExitStack) -> LockstepPeer | None:
    if address is None:
        return None
    try:
        return stack.enter_context(LockstepPeer(address))
    except OSError as error:
        raise SimulationError(f"no exchange at {address}: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    if options.command == "run" and options.exchange is None and (
            options.orders is not None or options.drop_copy is not None):
        parser.error("--orders and --drop-copy need --exchange: else there is no order session")
    try:
        if options.command == "run":
            return _run(options)
        if options.command == "rerun":
            print(run_rerun(options), file=sys.stderr)
            return ExitStatus.DONE
        return _replay(options, parser)
    except OSError as error:
        print(f"error: {error.filename}: {(error.strerror or str(error)).lower()}",
              file=sys.stderr)
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        print("interrupted at once", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except (CaptureError, RecordingError, SimulationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitStatus.FAILED


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the native library's memory goes with the process
