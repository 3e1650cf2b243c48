"""The population as a whole: repeats by seed, keeps the books straight, can be read a little."""

import bisect
from collections import Counter
from random import Random

import pytest

from proto.wire.itch50 import TradingState
from sim.errors import SimulationError
from sim.exchange.itch_feed import encode_event
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder, Side, TimeInForce
from sim.exchange.population import OTHERS, Population
from sim.exchange.population_settings import AAPL_2012, PopulationSettings
from sim.exchange.randomness import exponential, heavy_tailed
from sim.golden.book import Books

INSTRUMENTS = [Instrument(symbol="AAPL", locate=1), Instrument(symbol="INTC", locate=2, tick_e4=50)]
OPENINGS = {INSTRUMENTS[0]: 1_895_000, INSTRUMENTS[1]: 314_000}
MS_NS = 1_000_000
#: Makers who show what they think, and do not foresee.
READABLE = {"lean_percent": 90, "impact_sixteenths": 8, "foresight_percent": 0, "watch_percent": 0,
            "news_per_mille": 10}


class Run:
    """A market that has run for a while: its events, and (time, bid + ask, sizes) at each."""

    def __init__(self, seed, milliseconds, **settings):
        self.engine = MatchingEngine(INSTRUMENTS)
        self.population = Population(self.engine, OPENINGS, seed=seed, start_ns=0,
                                     settings=PopulationSettings(**settings))
        self.events, self.trades, self.added = [], [], {}
        self.tops = {item.symbol: [] for item in INSTRUMENTS}
        self.take(self.population.opening())
        self.until(milliseconds)

    def until(self, milliseconds):
        while self.population.next_ns < milliseconds * MS_NS:
            now_ns = self.population.next_ns
            self.take(self.population.step())
            for symbol, tops in self.tops.items():
                bid, ask = (self.engine.best(symbol, side) for side in (Side.BUY, Side.SELL))
                if 0 < ask[0] < 2 * bid[0]:
                    tops.append((now_ns, bid[0] + ask[0], bid[1], ask[1], ask[0] - bid[0]))

    def take(self, outcomes):
        for outcome in outcomes:
            self.events += outcome.events
            self.trades += outcome.trades
            self.population.observe(outcome)

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


@pytest.fixture(scope="module")
def market():
    return Run(1, 600)


def test_same_seed_same_market_other_seed_another():
    first, again, other = Run(5, 100), Run(5, 100), Run(6, 100)
    assert first.events == again.events
    assert first.events != other.events


def test_every_kind_of_event_occurs_and_the_feed_rebuilds_the_books(market):
    kinds = Counter(type(event).__name__ for event in market.events)
    assert set(kinds) == {"Added", "Executed", "ExecutedWithPrice", "Reduced", "Deleted",
                          "Replaced", "Traded"}
    assert all(kinds[name] > 200 for name in ("Added", "Executed", "Reduced", "Deleted",
                                              "Replaced")), kinds
    books, locates = Books(), {item.symbol: item.locate for item in INSTRUMENTS}
    for event in market.events:
        books.apply(encode_event(event, locates[event.symbol]))
    assert books.unknown == 0
    for symbol, locate in locates.items():
        assert books.top(locate) == (market.engine.best(symbol, Side.BUY)
                                     + market.engine.best(symbol, Side.SELL))


def test_shares_are_conserved_and_references_are_used_once(market):
    """Whatever was added and not executed or cancelled still rests; nothing comes from nowhere."""
    open_shares, seen = {}, set()
    for event in market.events:
        name = type(event).__name__
        if name in ("Added", "Replaced"):
            assert event.reference not in seen
            seen.add(event.reference)
            open_shares[event.reference] = event.quantity
        if name == "Replaced":
            open_shares.pop(event.original_reference)
        elif name == "Deleted":
            open_shares.pop(event.reference)
        elif name in ("Executed", "ExecutedWithPrice", "Reduced"):
            open_shares[event.reference] -= event.quantity
            assert open_shares[event.reference] >= 0
            if not open_shares[event.reference]:
                del open_shares[event.reference]
    for reference, shares in open_shares.items():
        assert market.engine.order(reference).quantity == shares
    numbers = [trade.match_number for trade in market.trades]
    assert numbers == sorted(set(numbers))


def test_what_some_have_bought_others_have_sold(market):
    for symbol in market.tops:
        inventories = market.population.inventories(symbol)
        assert sum(inventories.values()) == 0 and inventories[OTHERS]
        for maker in market.population.makers(symbol):
            assert inventories.get(f"maker {maker.number}", 0) == maker.inventory


def test_our_trades_are_in_the_inventories_too():
    run = Run(1, 20)
    outcome = run.engine.enter(NewOrder(
        symbol="AAPL", side=Side.BUY, quantity=500, price_e4=2_000_000, account="US",
        time_in_force=TimeInForce.IOC), 20 * MS_NS)
    run.take([outcome])
    inventories = run.population.inventories("AAPL")
    assert inventories["US"] == 500 and sum(inventories.values()) == 0


def test_rate_and_spread_are_those_of_the_settings():
    run = Run(2, 500, actions_per_second=4000)
    assert 0.8 < len(run.events) / (2 * 4000 * 0.5) < 1.8
    for instrument in INSTRUMENTS:
        tops = run.tops[instrument.symbol]
        spreads = Counter(top[4] // instrument.tick_e4 for top in tops)
        assert min(spreads) >= 1
        assert sum(spreads[ticks] for ticks in (1, 2, 3)) > 0.85 * len(tops)


def test_a_busier_market_is_the_same_one_faster():
    slow, fast = Run(4, 400, actions_per_second=500), Run(4, 40, actions_per_second=5000)
    assert len(slow.events) == pytest.approx(len(fast.events), rel=0.2)


def test_stub_quotes_are_far_away_and_attributed():
    run = Run(1, 1)
    stubs = [event for event in run.events if getattr(event, "mpid", "") == "STUB"]
    assert [(event.side, event.price_e4) for event in stubs[:2]] == [
        (Side.BUY, 100), (Side.SELL, 1_999_999_900)]
    assert len(stubs) == 4
    without = Run(1, 1, stub_quotes=0)
    assert not [event for event in without.events if getattr(event, "mpid", "") == "STUB"]


@pytest.mark.parametrize("seed", [1, 2])
def test_imbalance_tells_the_next_moves(seed):
    run = Run(seed, 1000, **READABLE)
    for symbol in run.tops:
        hits, moves, mean_ticks = run.forecast(symbol, 4 * MS_NS)
        assert moves > 100
        assert hits > 0.62 * moves
        assert mean_ticks > 0.3


def test_without_lean_and_information_only_the_bounce_is_left():
    _, _, told = Run(3, 1000, **READABLE).forecast("AAPL", 4 * MS_NS)
    _, _, bounce = Run(3, 1000, lean_percent=0, informed_percent=0, impact_sixteenths=0,
                       news_per_mille=0, walk_per_mille=0).forecast("AAPL", 4 * MS_NS)
    assert 3 * bounce < told


def test_nobody_acts_in_a_halted_symbol_and_news_was_the_reason():
    run = Run(1, 50)
    before = len(run.events)
    value = run.population.ground("AAPL").value.value
    run.population.set_state("AAPL", TradingState.HALTED, 50 * MS_NS)
    assert abs(run.population.ground("AAPL").value.value - value) >= 16 * 4
    run.until(100)
    halted = [event for event in run.events[before:] if event.symbol == "AAPL"]
    assert {type(event).__name__ for event in halted} <= {"Deleted", "Reduced"}, \
        "only what was planned before: orders end"
    run.population.set_state("AAPL", TradingState.QUOTATION_ONLY, 100 * MS_NS)
    assert run.population.ground("AAPL").estimate == run.population.ground("AAPL").value.value
    run.population.set_state("AAPL", TradingState.TRADING, 100 * MS_NS)
    run.until(120)
    assert any(event.symbol == "AAPL" and type(event).__name__ == "Executed"
               for event in run.events[before:])


def test_exponential_numbers_have_their_mean_and_spread():
    random = Random(4)
    drawn = [exponential(random, 1000) for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    variance = sum((value - mean) ** 2 for value in drawn) / len(drawn)
    assert 970 < mean < 1030
    assert 0.93 < variance / mean**2 < 1.07


@pytest.mark.parametrize(("per_mille", "exponent"), [(500, 1.0), (354, 1.5), (250, 2.0)])
def test_heavy_tails_have_their_exponent(per_mille, exponent):
    random = Random(5)
    drawn = [heavy_tailed(random, per_mille, 20) for _ in range(50_000)]
    assert min(drawn) == 1
    for low, high in ((2, 8), (4, 16)):
        share = sum(value >= high for value in drawn) / sum(value >= low for value in drawn)
        assert share == pytest.approx((low / high) ** exponent, rel=0.12)
    assert max(heavy_tailed(random, 999, 3) for _ in range(100)) < 16


@pytest.mark.parametrize(("wrong", "message"), [
    ({"makers": 0}, "makers must be >= 1, was 0"),
    ({"news_ticks": -1}, "news_ticks must be >= 1, was -1"),
    ({"lean_percent": 101}, "lean_percent must be <= 100, was 101"),
    ({"rester_percent": 90}, "at most 100 percent of the actions, had 104"),
])
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(SimulationError, match=message):
        PopulationSettings(**wrong)


def test_the_market_of_2012_has_a_wide_spread():
    engine = MatchingEngine(INSTRUMENTS[:1])
    population = Population(engine, {INSTRUMENTS[0]: 5_800_000}, seed=1, start_ns=0,
                            settings=AAPL_2012)
    for outcome in population.opening():
        population.observe(outcome)
    bid, ask = (engine.best("AAPL", side)[0] for side in (Side.BUY, Side.SELL))
    assert 15 < (ask - bid) // 100 < 60
