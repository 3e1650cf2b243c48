"""The exchange as a process of its own, and its commands: ``python -m sim.exchange --help``."""

import argparse
import json
import sys
import time
from contextlib import ExitStack
from enum import IntEnum
from pathlib import Path
from typing import Any

from sim.captures import CaptureError
from sim.errors import SimulationError
from sim.exchange.lockstep import LockstepController, listen_socket
from sim.exchange.market_commands import (
    SYMBOLS,
    add_facts,
    add_lines,
    add_market,
    add_record,
    day_of,
    openings,
    population_of,
)
from sim.exchange.master import Master, MasterSettings
from sim.exchange.pcap import PcapWriter
from sim.exchange.replay_background import ReplayBackground, instruments_of
from sim.exchange.replay_fills import ReplayMarket, assumptions
from sim.exchange.soup_server import SoupSettings
from sim.exchange.venue import Exchange, ExchangeSettings, TimedFrame, feed_of, simulated_exchange
from sim.library import Line


class ExitStatus(IntEnum):
    """How the process ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 4
    INTERRUPTED = 130


class _Progress:
    """A line on standard error every second: simulated time, messages, orders, fills."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def __call__(self, master: Master) -> None:
        now = time.monotonic()
        if now - self._shown < 1.0:
            return
        self._shown = now
        exchange = master.exchange
        past_us = (master.now_ns - exchange.settings.start_ns) // 1000
        fills = sum(account.fills for account in exchange.ledger.accounts.values())
        print(f"{past_us:,} us simulated, {exchange.feed.messages:,} feed messages, "
              f"{exchange.session.port.counters['accepted']:,} orders, {fills:,} fills",
              file=sys.stderr)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.exchange", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.exchange serve --listen /tmp/exchange.sock --seed 7\n\n"
                    "Run an exchange in lockstep with an appliance, or command one that runs; "
                    "record its\nmarket; measure the facts of a market.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve", formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python -m sim.exchange serve --listen ADDRESS [options]",
        description="Example: python -m sim.exchange serve --listen /tmp/exchange.sock --seed 7\n\n"
                    "Serve one appliance and controllers until a controller says finish; then\n"
                    "print the final status as JSON.")
    serve.add_argument("--listen", required=True, metavar="ADDRESS",
                       help="path of a Unix socket, or 127.0.0.1:PORT")
    serve.add_argument("--seed", type=int, default=1, help="of everything (default: %(default)s)")
    serve.add_argument("--symbols", type=openings, default=SYMBOLS,
                       metavar="SYMBOL=DOLLARS,...", help="opening prices (default: %(default)s)")
    serve.add_argument("--replay", type=Path, metavar="CAPTURE",
                       help="replay this .itch, .pcap or .pcapng, plain or packed, instead of a "
                            "simulated market")
    serve.add_argument("--start-ns", type=int, default=ExchangeSettings.start_ns,
                       help="ns since midnight (default: %(default)s)")
    serve.add_argument("--username", default=SoupSettings.username, help="(default: %(default)s)")
    serve.add_argument("--password", default=SoupSettings.password, help="(default: %(default)s)")
    serve.add_argument("--feed-latency-ns", type=int, default=MasterSettings.feed_latency_ns,
                       help="(default: %(default)s)")
    serve.add_argument("--order-latency-ns", type=int, default=MasterSettings.order_latency_ns,
                       help="one way; also the shortest grant (default: %(default)s)")
    serve.add_argument("--cancel-on-disconnect", action="store_true",
                       help="cancel all orders when the connection is lost")
    serve.add_argument("--pcap", type=Path, metavar="FILE",
                       help="write the frames of the order line, as the exchange sees them")
    serve.add_argument("--alone", action="store_true", help="run without an appliance")
    add_market(serve)
    add_lines(serve)
    add_record(commands)
    add_facts(commands)
    control = commands.add_parser(
        "control", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.exchange control /tmp/exchange.sock run 34200500000000"
                    "\n\nSend one command to an exchange that runs; print the reply as JSON.")
    control.add_argument("address", help="where the exchange listens")
    control.add_argument("verb", choices=("run", "pause", "status", "halt", "resume", "finish"))
    control.add_argument("argument", nargs="?",
                         help="run: until when, ns since midnight, or +NS from now; "
                              "halt, resume: the symbol")
    return parser


def _exchange(options: argparse.Namespace) -> Exchange:
    soup = SoupSettings(username=options.username, password=options.password)
    settings = ExchangeSettings(soup=soup, start_ns=options.start_ns,
                                cancel_on_disconnect=options.cancel_on_disconnect,
                                line_a=options.impair_a, line_b=options.impair_b)
    if options.replay is None:
        return simulated_exchange(options.symbols, seed=options.seed, settings=settings,
                                  population=population_of(options), day=day_of(options))
    instruments = instruments_of(options.replay)
    market = ReplayMarket(instruments)
    feed = feed_of(instruments, settings)
    background = ReplayBackground(options.replay, market, feed, settings.start_ns)
    print("Fills are those of a replay. Assumptions:\n"
          + assumptions(options.order_latency_ns), file=sys.stderr)
    return Exchange(instruments, market, settings, feed, background, seed=options.seed,
                    opens_feed=False)


def _serve(options: argparse.Namespace) -> ExitStatus:
    exchange = _exchange(options)
    settings = MasterSettings(feed_latency_ns=options.feed_latency_ns,
                              order_latency_ns=options.order_latency_ns)
    path = Path(options.listen)
    with ExitStack() as stack:
        if options.pcap is not None:
            writer = stack.enter_context(PcapWriter(options.pcap))

            def observe(frame: TimedFrame) -> None:
                if frame.line is Line.ORDER:
                    writer.write(frame.time_ns, frame.frame)

            exchange.observer = observe
        listener = stack.enter_context(listen_socket(options.listen))
        if "/" in options.listen:
            stack.callback(path.unlink, missing_ok=True)
        print(f"listening on {options.listen}", file=sys.stderr)
        final = Master(exchange, listener, settings, alone=options.alone,
                       progress=_Progress()).serve()
    print(json.dumps(final, sort_keys=True))
    return ExitStatus.DONE


def _control(options: argparse.Namespace) -> ExitStatus:
    verb, argument = options.verb, options.argument
    if (argument is not None) != (verb in ("run", "halt", "resume")):
        print(f"error: {verb} takes {'no' if argument else 'one'} argument", file=sys.stderr)
        return ExitStatus.USAGE
    reply: dict[str, Any] = {}
    try:
        controller = LockstepController(options.address, "command line")
    except OSError as error:
        print(f"error: no exchange at {options.address}: {error}", file=sys.stderr)
        return ExitStatus.UNREACHABLE
    with controller:
        match verb:
            case "run":
                base = int(controller.welcome["now_ns"]) if argument.startswith("+") else 0
                reply["now_ns"] = controller.run_until(base + int(argument))
            case "pause":
                reply["now_ns"] = controller.pause()
            case "status":
                reply = controller.status()
            case "halt":
                controller.halt(argument)
            case "resume":
                controller.resume(argument)
            case _:
                reply = controller.finish()
    print(json.dumps(reply, sort_keys=True))
    return ExitStatus.DONE


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        match options.command:
            case "serve":
                return _serve(options)
            case "control":
                return _control(options)
            case _:
                print(options.run(options))
                return ExitStatus.DONE
    except (CaptureError, SimulationError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
