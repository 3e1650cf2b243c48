"""The background: repeats by seed, makes every kind of event, and can be read a little ahead."""

import bisect
from collections import Counter
from random import Random

import pytest

from sim.exchange.itch_feed import encode_event
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, Side
from sim.exchange.population import Population, PopulationSettings
from sim.exchange.randomness import exponential
from sim.golden.book import Books

INSTRUMENTS = [Instrument(symbol="AAPL", locate=1), Instrument(symbol="INTC", locate=2, tick_e4=50)]
OPENINGS = {INSTRUMENTS[0]: 1_895_000, INSTRUMENTS[1]: 314_000}
MS_NS = 1_000_000


class Run:
    """A market that has run for a while: its events, and (time, bid + ask, sizes) at each."""

    def __init__(self, seed, milliseconds, **settings):
        self.engine = MatchingEngine(INSTRUMENTS)
        self.population = Population(self.engine, OPENINGS, seed=seed, start_ns=0,
                                     settings=PopulationSettings(**settings))
        self.events, self.tops = [], {item.symbol: [] for item in INSTRUMENTS}
        self.take(self.population.opening())
        while self.population.next_ns < milliseconds * MS_NS:
            now_ns = self.population.next_ns
            self.take(self.population.step())
            for symbol, tops in self.tops.items():
                bid, ask = (self.engine.best(symbol, side) for side in (Side.BUY, Side.SELL))
                if bid[0] and ask[0]:
                    tops.append((now_ns, bid[0] + ask[0], bid[1], ask[1], ask[0] - bid[0]))

    def take(self, outcomes):
        for outcome in outcomes:
            self.events += outcome.events

    def forecast(self, symbol, ahead_ns):
        """Return what follows a lopsided touch: moves its way, all moves, mean move in ticks."""
        tops = self.tops[symbol]
        times = [top[0] for top in tops]
        moves = []
        for index in range(0, len(tops), 5):
            later = bisect.bisect(times, times[index] + ahead_ns)
            if later == len(tops):
                break
            heavy, light = tops[index][2], tops[index][3]
            if heavy > 3 * light or light > 3 * heavy:
                move = tops[later][1] - tops[index][1]
                moves.append(move if heavy > light else -move)
        tick = next(item.tick_e4 for item in INSTRUMENTS if item.symbol == symbol)
        return (sum(move > 0 for move in moves), sum(move != 0 for move in moves),
                sum(moves) / len(moves) / (2 * tick))


def test_same_seed_same_market_other_seed_another():
    first, again, other = Run(5, 100), Run(5, 100), Run(6, 100)
    assert first.events == again.events
    assert first.events != other.events


def test_every_kind_of_event_occurs_and_the_feed_rebuilds_the_books():
    run = Run(1, 600)
    kinds = Counter(type(event).__name__ for event in run.events)
    assert set(kinds) == {"Added", "Executed", "ExecutedWithPrice", "Reduced", "Deleted",
                          "Replaced", "Traded"}
    assert all(kinds[name] > 200 for name in ("Added", "Executed", "Reduced", "Deleted",
                                              "Replaced")), kinds
    books, locates = Books(), {item.symbol: item.locate for item in INSTRUMENTS}
    for event in run.events:
        books.apply(encode_event(event, locates[event.symbol]))
    assert books.unknown == 0
    for symbol, locate in locates.items():
        assert books.top(locate) == (run.engine.best(symbol, Side.BUY)
                                     + run.engine.best(symbol, Side.SELL))


def test_rate_and_spread_are_those_of_the_settings():
    run = Run(2, 500, actions_per_second=4000)
    assert 0.6 < len(run.events) / (2 * 4000 * 0.5) < 1.5
    for instrument in INSTRUMENTS:
        tops = run.tops[instrument.symbol]
        spreads = Counter(top[4] // instrument.tick_e4 for top in tops)
        assert min(spreads) >= 1
        assert sum(spreads[ticks] for ticks in (1, 2, 3)) > 0.85 * len(tops)


@pytest.mark.parametrize("seed", [1, 2])
def test_imbalance_tells_the_next_moves(seed):
    run = Run(seed, 1500)
    for symbol in run.tops:
        hits, moves, mean_ticks = run.forecast(symbol, 20 * MS_NS)
        assert moves > 100
        assert hits > 0.62 * moves
        assert mean_ticks > 0.5


def test_without_lean_and_information_only_the_bounce_is_left():
    _, _, told = Run(3, 1500).forecast("AAPL", 50 * MS_NS)
    _, _, bounce = Run(3, 1500, lean_percent=0, informed_percent=0,
                       drift_ticks=0).forecast("AAPL", 50 * MS_NS)
    assert 4 * bounce < told


def test_nobody_acts_in_a_halted_symbol():
    run = Run(1, 50)
    run.population.set_halted("AAPL", True)
    before = len(run.events)
    while run.population.next_ns < 100 * MS_NS:
        run.take(run.population.step())
    halted = [event for event in run.events[before:] if event.symbol == "AAPL"]
    assert {type(event).__name__ for event in halted} <= {"Deleted"}, "orders may still expire"
    run.population.set_halted("AAPL", False)
    while run.population.next_ns < 120 * MS_NS:
        run.take(run.population.step())
    assert any(event.symbol == "AAPL" and type(event).__name__ == "Added"
               for event in run.events[before:])


def test_exponential_numbers_have_their_mean_and_spread():
    random = Random(4)
    drawn = [exponential(random, 1000) for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    variance = sum((value - mean) ** 2 for value in drawn) / len(drawn)
    assert 970 < mean < 1030
    assert 0.93 < variance / mean**2 < 1.07
