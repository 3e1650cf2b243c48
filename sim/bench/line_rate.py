"""Book-changing messages at line rate: what is lost, and which tops of book are wrong.

One run a mix of messages. The table is filled first, as fast as the appliance takes it. Then frames
follow each other with the standard gap of 12 bytes on average, whatever the appliance says. At the
end every order that is left is deleted, the best of each side first and slowly, so every level of
every book comes to the top once and is compared as well.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from hdl.profile import PROFILES
from proto.wire.itch50 import Side
from sim.appliance import Appliance, SymbolSettings
from sim.bench.comparison import Comparison
from sim.bench.flow import Kind, OrderFlow, Symbol
from sim.bench.latency import symbols_of
from sim.framing import FeedAddress, frame_messages
from sim.replay import COLUMNS

__all__ = ["LineFlow", "MIXES", "measure_line_rate", "total"]

#: Random messages of all kinds; adds and deletes; adds, executions and replaces; ladders of 16 best
#: levels that are built, then emptied by 16 Deletes in a row; 64 Replaces in a row of one order.
MIXES = ("mixed", "add_delete", "execute_replace", "delete_runs", "replace_chains")

_TICK = 100
_BATCH = 4096
_QUEUED_FRAMES = 32
_RUN_LEVELS = 16
_CHAIN = 64

#: Counters that must not move.
_LOSSES = ("net.frames_dropped_buffer_full", "net.frames_bad_fcs", "mold.gaps", "mold.malformed",
           "itch.unknown_type", "itch.unwatched", "book.unknown_reference",
           "book.duplicate_reference", "book.overfill", "book.table_overflow", "book.off_grid")

Progress = Callable[[str], None]


class LineFlow:
    """Messages of one mix for watched symbols.

    Parameters
    ----------
    mix : str
        One of `MIXES`.
    symbols : sequence of Symbol
        The books.
    seed : int
        Of everything random.
    resting : int
        Live orders on average.
    spread : int
        Ticks from the centre to the farthest order.
    """

    def __init__(self, mix: str, symbols: list[Symbol], *, seed: int, resting: int,
                 spread: int) -> None:
        self.symbols = symbols
        self._rng = random.Random(seed)
        weights = {"add_delete": {Kind.DELETE: 1},
                   "execute_replace": {Kind.EXECUTE: 3, Kind.REPLACE: 1}}
        # The ladders stand where no other orders are.
        nearest = 1 + _RUN_LEVELS if mix == "delete_runs" else 1
        self.flow = OrderFlow(symbols, seed=seed, resting=resting, spread=spread, nearest=nearest,
                              tick_size=_TICK, weights=weights.get(mix))
        sources = {"delete_runs": self._delete_runs, "replace_chains": self._replace_chains}
        self._source = sources.get(mix, self._random)()

    def filling(self, count: int) -> list[bytes]:
        """Return adds until there are `count` live orders."""
        return [self.flow.random_add() for _ in range(count - len(self.flow.orders))]

    def messages(self, count: int) -> list[bytes]:
        """Return the next messages of the mix."""
        return list(islice(self._source, count))

    def emptying(self) -> list[bytes]:
        """Return the deletion of every live order, the best price of each side first."""
        best_first = sorted(self.flow.orders, key=lambda reference: abs(
            self.flow.orders[reference].price - self.flow.orders[reference].symbol.centre))
        return [self.flow.delete(reference) for reference in best_first]

    def _random(self) -> Iterator[bytes]:
        while True:
            yield self.flow.next_message()

    def _delete_runs(self) -> Iterator[bytes]:
        """Build a ladder of single orders towards the centre, and take its top off rung by rung."""
        rng = self._rng
        while True:
            symbol, side = rng.choice(self.symbols), rng.choice((Side.BUY, Side.SELL))
            step = -_TICK if side is Side.BUY else _TICK
            ladder: list[int] = []
            for rung in reversed(range(_RUN_LEVELS)):
                price = symbol.centre + step * (1 + rung)
                yield self.flow.add(symbol, side, price, rng.randint(1, 1000))
                ladder.append(self.flow.newest)
            for reference in reversed(ladder):
                yield self.flow.delete(reference)

    def _replace_chains(self) -> Iterator[bytes]:
        while True:
            reference = self.flow.random_reference()
            for _ in range(_CHAIN):
                yield self.flow.random_replace(reference)
                reference = self.flow.newest


def measure_line_rate(profile: str, mix: str, *, messages: int, packed: bool, seed: int = 1,
                      cut_through: bool = True, fill: float = 0.45, spread: int = 200,
                      progress: Progress | None = None) -> dict[str, Any]:
    """Send so many messages at line rate, and compare every top of book.

    Parameters
    ----------
    profile : str
        Sizes of the appliance.
    mix : str
        One of `MIXES`.
    messages : int
        How many are sent at line rate.
    packed : bool
        As many messages in a frame as go in, else one each.
    seed : int
        Of the flow.
    cut_through : bool
        The mode of the FCS.
    fill : float
        Part of the order table's slots that is filled first.
    spread : int
        Ticks from the centre to the farthest order.
    """
    address = FeedAddress()
    with Appliance(profile) as appliance:
        simulation = appliance.simulation
        symbols = symbols_of(appliance.symbols)
        flow = LineFlow(mix, symbols, seed=seed, resting=int(fill * PROFILES[profile].orders),
                        spread=spread)
        comparison = Comparison()
        appliance.write("control.fcs_mode", int(cut_through))
        appliance.watch([SymbolSettings(symbol.name, symbol.locate, _TICK) for symbol in symbols])
        appliance.configure_feed(address)
        sequence = 1

        def send(batch: list[bytes], *, packed: bool) -> None:
            nonlocal sequence
            comparison.expect(batch)
            appliance.send_frames([datagram.frame for datagram in frame_messages(
                batch, address, first_sequence=sequence, packed=packed)])
            sequence += len(batch)

        def compare(through: int) -> None:
            events = appliance.events()
            columns = [events[name].tolist() for name in COLUMNS.values()]
            comparison.compare(list(zip(*columns, strict=True)), events["state"].tolist(), through)

        simulation.set_paced(True)
        send(flow.filling(int(fill * PROFILES[profile].orders)), packed=True)
        appliance.settle()
        compare(sequence - 1)
        simulation.set_paced(False)

        before = appliance.counters()
        kinds: Counter[int] = Counter()
        sent, begin = 0, simulation.cycle
        simulation.starts()
        while sent < messages:
            batch = flow.messages(min(_BATCH, messages - sent))
            kinds.update(message[0] for message in batch)
            done = sequence - 1
            send(batch, packed=packed)
            sent += len(batch)
            # The next batch is there before the line runs dry.
            simulation.drain(waiting=_QUEUED_FRAMES)
            compare(done - _BATCH)
            if progress is not None and sent // _BATCH % 16 == 0:
                progress(f"{mix}: {sent:,} of {messages:,} messages")
        simulation.drain()
        cycles = simulation.cycle - begin
        appliance.settle()
        compare(sequence - 1)
        counters = appliance.counters()
        moved = {name: counters[name] - before[name] for name in counters}

        losses = {name: moved[name] for name in _LOSSES if moved[name]}
        dropped_events = moved["book.events_dropped"]
        at_line_rate = _counts(comparison)
        simulation.set_paced(True)
        left = flow.emptying()
        send(left, packed=False)
        appliance.settle()
        compare(sequence - 1)
        final_wrong = comparison.wrong - at_line_rate["wrong"]
        if not losses:
            final_wrong += comparison.missing - at_line_rate["missing"]
        # A gap makes every book stale at once; a row says so only with the symbol's next change.
        unexplained = 0 if losses else max(0, at_line_rate["missing"] - dropped_events)
        return {
            "messages": messages,
            "lost": messages - moved["itch.operations"],
            "book_errors": (at_line_rate["wrong"] + unexplained + final_wrong
                            + comparison.unexpected),
            "rows": at_line_rate["rows"], "rows_matched": at_line_rate["matched"],
            "rows_wrong": at_line_rate["wrong"], "rows_missing": at_line_rate["missing"],
            "rows_while_stale": at_line_rate["withheld"],
            "event_records_dropped": dropped_events,
            "orders_left": len(left), "errors_while_emptying": final_wrong,
            "cycles": cycles, "cycles_per_message": round(cycles / messages, 3),
            "kinds": {chr(kind): count for kind, count in sorted(kinds.items())},
            "losses": losses,
            "rebuilds": moved["book.rebuilds"], "refills": moved["book.refills"],
            "first_wrong": [[list(got), list(wanted)] for got, wanted in comparison.first_wrong],
            "seed": seed,
        }


def _counts(comparison: Comparison) -> dict[str, int]:
    return {name: getattr(comparison, name)
            for name in ("rows", "matched", "wrong", "withheld", "missing")}


def total(mixes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of all mixes added up, and those of each."""
    names = ("messages", "lost", "book_errors", "rows", "rows_while_stale",
             "event_records_dropped", "cycles")
    return {**{name: sum(mix[name] for mix in mixes.values()) for name in names}, "mixes": mixes}
