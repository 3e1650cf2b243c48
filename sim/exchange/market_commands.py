"""Commands and options about the market itself: who trades, the day, the lines, records, facts."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from sim.captures import Capture
from sim.errors import SimulationError
from sim.exchange.day import DaySettings
from sim.exchange.facts import Facts, measure
from sim.exchange.facts_plot import plot
from sim.exchange.facts_table import table
from sim.exchange.lines import Impairment, parse_impairment
from sim.exchange.pcap import PcapWriter
from sim.exchange.population_settings import MARKETS, PopulationSettings
from sim.exchange.venue import Exchange, ExchangeSettings, simulated_exchange
from sim.library import Line
from sim.prescan import packet_of, prescan

__all__ = ["SYMBOLS", "add_facts", "add_lines", "add_market", "add_record", "day_of", "openings",
           "population_of"]

SYMBOLS = "AAPL=189.50,MSFT=412.25,INTC=31.40,AMD=158.75"

_SLICE_NS = 100_000_000
_SECOND_NS = 1_000_000_000
#: Of the facts' own market: the price of AAPL on 2012-06-21.
_FACTS_OPENING_E4 = 5_858_000
_LENGTH_BYTES = 2

Commands = Any  # argparse does not name the type of its subparsers


def openings(text: str) -> dict[str, int]:
    """Return the opening prices of ``AAPL=189.50,MSFT=412.25`` in 1e-4 USD."""
    found: dict[str, int] = {}
    for item in text.split(","):
        symbol, _, dollars = item.partition("=")
        whole, _, cents = dollars.partition(".")
        good = whole.isdigit() and len(cents) <= 2 and (cents.isdigit() or not cents)
        if not symbol or len(symbol) > 8 or symbol in found or not good:
            raise argparse.ArgumentTypeError(
                f"symbols must be SYMBOL=DOLLARS.CENTS, each once, was {item!r}")
        found[symbol] = (100 * int(whole) + int(cents.ljust(2, "0"))) * 100
    return found


def _impairment(text: str) -> Impairment:
    try:
        return parse_impairment(text)
    except SimulationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_market(parser: argparse.ArgumentParser) -> None:
    """Add the options about who trades and what happens in the day."""
    population = parser.add_argument_group(
        "population", "who trades; what each number means: sim/exchange/population_settings.py")
    population.add_argument("--market", choices=sorted(MARKETS), default="default",
                            help="what the others are by default (default: %(default)s)")
    day = parser.add_argument_group(
        "day", "opening cross, halts and broken trades; see sim/exchange/day.py")
    for group, kind in ((population, PopulationSettings), (day, DaySettings)):
        for item in fields(kind):
            group.add_argument(f"--{item.name.replace('_', '-')}", type=int, metavar="N",
                               help=f"(default: {_defaults(item.name, item.default, kind)})")


def _defaults(name: str, default: object, kind: type) -> str:
    """Return the default, and those of the other markets that have another one."""
    others = [f"{getattr(settings, name)} in {market}" for market, settings in MARKETS.items()
              if kind is PopulationSettings and getattr(settings, name) != default]
    return ", ".join([str(default), *others])


def _given(kind: type[PopulationSettings] | type[DaySettings],
           options: argparse.Namespace) -> dict[str, int]:
    return {item.name: value for item in fields(kind)
            if (value := getattr(options, item.name)) is not None}


def population_of(options: argparse.Namespace) -> PopulationSettings:
    """Return who trades."""
    return replace(MARKETS[options.market], **_given(PopulationSettings, options))


def day_of(options: argparse.Namespace) -> DaySettings:
    """Return what happens in the day."""
    return replace(DaySettings(), **_given(DaySettings, options))


def add_lines(parser: argparse.ArgumentParser) -> None:
    """Add the options about the lines of the feed."""
    group = parser.add_argument_group(
        "lines", "what the network does to the feed: NAME=NUMBER,... with the names loss, "
        "duplicate, reorder (packets per million), burst (packets), delay-ns, jitter-ns, hold-ns; "
        "see sim/exchange/lines.py")
    group.add_argument("--impair-a", type=_impairment, default=Impairment(), metavar="WHAT",
                       help="happens to line A, as loss=1000,jitter-ns=500 (default: nothing)")
    group.add_argument("--line-b", dest="impair_b", action="store_const", const=Impairment(),
                       help="send the feed on line B too, to a group of its own")
    group.add_argument("--impair-b", dest="impair_b", type=_impairment, metavar="WHAT",
                       help="send it on line B too, and this happens to it")


def add_record(commands: Commands) -> None:
    """Add the command that records a simulated market."""
    record = commands.add_parser(
        "record", formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python -m sim.exchange record FILE [--b PCAP] [options]",
        description="Example: python -m sim.exchange record market.itch --seconds 2 --seed 7\n\n"
                    "Simulate a market without an appliance and write its feed: messages to .itch,"
                    " frames to .pcap.")
    record.add_argument("file", type=Path, help=".itch or .pcap; frames are those of line A")
    record.add_argument("--b", type=Path, metavar="PCAP", help="file for the frames of line B")
    record.add_argument("--seconds", type=_seconds, default=1.0, help="(default: %(default)s)")
    record.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    record.add_argument("--symbols", type=openings, default=SYMBOLS, metavar="SYMBOL=DOLLARS,...",
                        help="opening prices (default: %(default)s)")
    add_market(record)
    add_lines(record)
    record.set_defaults(run=_record)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"seconds must be 0.001 to 86400, was {text!r}")
    return value


def _record(options: argparse.Namespace) -> str:
    """Write a simulated market; return what was written."""
    suffix = options.file.suffix
    if suffix not in (".itch", ".pcap"):
        raise SimulationError(f"the file must end in .itch or .pcap, was {options.file.name!r}")
    if suffix == ".itch" and (options.b is not None or options.impair_a != Impairment()):
        raise SimulationError("messages have no lines: impairments and line B need a .pcap")
    if options.b is not None and options.impair_b is None:
        options.impair_b = Impairment()
    settings = ExchangeSettings(line_a=options.impair_a, line_b=options.impair_b)
    exchange = simulated_exchange(options.symbols, seed=options.seed, settings=settings,
                                  population=population_of(options), day=day_of(options))
    files: dict[Line, Path | None] = {Line.FEED_A: options.file, Line.FEED_B: options.b}
    with ExitStack() as stack:
        raw = stack.enter_context(options.file.open("wb")) if suffix == ".itch" else None
        writers = {line: stack.enter_context(PcapWriter(path)) for line, path in files.items()
                   if path is not None and not (raw and line is Line.FEED_A)}
        for line, time_ns, frame in _frames(exchange, round(options.seconds * _SECOND_NS)):
            if line in writers:
                writers[line].write(time_ns, frame)
            elif raw is not None and (packet := packet_of(frame)) is not None:
                for message in packet.messages:
                    raw.write(len(message).to_bytes(_LENGTH_BYTES, "big") + message)
    return json.dumps({"file": str(options.file), "messages": exchange.feed.messages,
                       "lines": exchange.status()["lines"]})


def _frames(exchange: Exchange, duration_ns: int) -> Iterator[tuple[Line, int, bytes]]:
    """Yield (line, time, frame) of a day of that length."""
    exchange.start()
    end_ns = exchange.now_ns + duration_ns
    # A network may hold frames back beyond the slice that they were sent in.
    waiting: list[tuple[int, Line, bytes]] = []
    while exchange.now_ns < end_ns:
        exchange.advance(min(end_ns, exchange.now_ns + _SLICE_NS))
        if exchange.now_ns >= end_ns:
            exchange.finish()
        waiting += [(frame.time_ns, frame.line, frame.frame) for frame in exchange.take_frames()]
        waiting.sort(key=lambda item: item[0])
        over_ns = exchange.now_ns
        due = [item for item in waiting if item[0] < over_ns or over_ns >= end_ns]
        waiting = waiting[len(due):]
        yield from ((line, time_ns, frame) for time_ns, line, frame in due)


def add_facts(commands: Commands) -> None:
    """Add the command that measures stylised facts."""
    facts = commands.add_parser(
        "facts", formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python -m sim.exchange facts [CAPTURE ...] [--plot SVG] [options]",
        description="Example: python -m sim.exchange facts capture.itch.xz --market aapl2012\n\n"
                    "Measure the stylised facts of a simulated market and of captures, with the "
                    "same code, and\nput them side by side; what they mean: docs/market.md.")
    facts.add_argument("captures", nargs="*", type=Path, metavar="CAPTURE",
                       help=".itch or .pcap files; their busiest symbol is measured")
    facts.add_argument("--messages", type=int, default=60_000, metavar="N",
                       help="length of the simulated market; 0 for none (default: %(default)s)")
    facts.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    facts.add_argument("--output", choices=("text", "json"), default="text",
                       help="(default: %(default)s)")
    facts.add_argument("--plot", type=Path, metavar="SVG", help="draw them to this file")
    add_market(facts)
    facts.set_defaults(run=_facts)


def _facts(options: argparse.Namespace) -> str:
    """Measure; return what is to be shown."""
    if options.messages < 0 or (not options.messages and not options.captures):
        raise SimulationError("there is nothing to measure: give a capture, or --messages N")
    columns: dict[str, Facts] = {}
    for path in options.captures:
        sys.stderr.write(f"measuring {path.name}\n")
        columns[path.name.partition(".")[0]] = _facts_of(path)
    if options.messages:
        sys.stderr.write(f"simulating {options.messages:,} messages\n")
        columns[f"simulated {options.market}"] = measure(_simulated(options), locate=1)
    if options.plot is not None:
        options.plot.write_text(plot(columns), encoding="utf-8")
    if options.output == "json":
        return json.dumps({name: found.as_json() for name, found in columns.items()}, indent=1)
    return table(columns)


def _facts_of(path: Path) -> Facts:
    busiest = max(prescan(Capture(path)).symbols.values(), key=lambda item: item.adds)
    capture = Capture(path)
    messages = ([record.data] if capture.kind == "itch" else
                getattr(packet_of(record.data), "messages", ()) for record in capture.records())
    return measure((message for group in messages for message in group), locate=busiest.locate,
                   tick_e4=busiest.tick_size)


def _simulated(options: argparse.Namespace) -> Iterator[bytes]:
    """Yield the messages of one simulated symbol."""
    exchange = simulated_exchange({"AAPL": _FACTS_OPENING_E4}, seed=options.seed,
                                  population=population_of(options), day=day_of(options))
    exchange.start()
    while exchange.feed.messages < options.messages:
        exchange.advance(exchange.now_ns + _SLICE_NS)
        for frame in exchange.take_frames():
            if frame.line is Line.FEED_A and (packet := packet_of(frame.frame)) is not None:
                yield from packet.messages
