"""Stylised facts: the estimators on series whose answer is known, and the markets themselves."""

import math

import numpy as np
import pytest

from sim.captures import Capture
from sim.errors import SimulationError
from sim.exchange.day import DaySettings
from sim.exchange.facts import autocorrelation, excess_kurtosis, hill_index, measure
from sim.exchange.facts_plot import plot
from sim.exchange.facts_table import table
from sim.exchange.itch_feed import encode_event
from sim.exchange.orders import Added, Deleted, Executed, Replaced, Side, SystemTold, Traded
from sim.exchange.population_settings import AAPL_2012
from sim.exchange.venue import simulated_exchange
from sim.library import Line
from sim.prescan import packet_of
from tests.support.data import data_path

P = 1_000_000
RANDOM = np.random.default_rng(20120621)


def test_autocorrelation_of_known_series():
    assert autocorrelation(np.tile([1.0, -1.0], 500), 1) == pytest.approx(-0.999)
    assert autocorrelation(np.ones(100), 3) == 0
    noise = RANDOM.normal(size=20_000)
    assert abs(autocorrelation(noise, 1)) < 0.03
    smooth = noise[1:] + noise[:-1]
    assert autocorrelation(smooth, 1) == pytest.approx(0.5, abs=0.03)


def test_kurtosis_of_known_distributions():
    assert abs(excess_kurtosis(RANDOM.normal(size=200_000))) < 0.1
    assert excess_kurtosis(RANDOM.laplace(size=200_000)) == pytest.approx(3, abs=0.4)
    assert excess_kurtosis(RANDOM.uniform(size=200_000)) == pytest.approx(-1.2, abs=0.05)
    assert excess_kurtosis(np.zeros(10)) == 0


@pytest.mark.parametrize("exponent", [1.5, 3.0])
def test_hill_index_finds_the_exponent(exponent):
    sample = RANDOM.pareto(exponent, size=200_000) + 1
    assert hill_index(sample) == pytest.approx(exponent, rel=0.05)
    assert hill_index(np.ones(100)) == math.inf and hill_index(np.zeros(5)) == math.inf


def story():
    """Yield messages of a market whose facts can be counted by hand."""
    yield encode_event(SystemTold(1, "Q"), 0)
    reference, now_ns = 0, 1
    for turn in range(5100):
        bid, ask = reference + 1, reference + 2
        reference += 3
        now_ns += 10
        yield encode_event(Added(now_ns, "AAPL", bid, Side.BUY, 100, P), 1)
        yield encode_event(Added(now_ns, "AAPL", ask, Side.SELL, 300, P + 400), 1)
        if turn % 2:
            # Two executions of an instant and a side are one trade.
            yield encode_event(Executed(now_ns, "AAPL", ask, 100, turn), 1)
            yield encode_event(Executed(now_ns, "AAPL", ask, 50, turn), 1)
        else:
            yield encode_event(Traded(now_ns, "AAPL", 50, P + 100, turn), 1)
        yield encode_event(Replaced(now_ns, "AAPL", bid, reference, 100, P - 100), 1)
        yield encode_event(Deleted(now_ns, "AAPL", reference), 1)
        yield encode_event(Deleted(now_ns, "AAPL", ask), 1)


def test_facts_of_a_market_that_is_counted_by_hand():
    facts = measure(story(), locate=1)
    assert facts.messages == 5100 * 6 + 2550 and facts.trades == 5100
    assert facts.mix["A"] == pytest.approx(2 * 5100 / facts.messages)
    assert set(facts.spread_share) == {4, 5} and facts.spread_ticks["median"] == 4
    # Buyers and sellers (below the mid) in turn.
    assert facts.sign_autocorrelation[1] == pytest.approx(-1, abs=0.01)
    assert facts.sign_autocorrelation[2] == pytest.approx(1, abs=0.01)
    assert facts.hidden_volume == pytest.approx(50 / 200)
    assert facts.trade_shares["mean"] == pytest.approx(100)
    assert facts.fate == pytest.approx({"deleted": 2 / 3, "replaced": 1 / 3})
    assert facts.order_shares["round_lot"] == pytest.approx(2 / 3)
    assert facts.order_sizes[200] == pytest.approx(1 / 3)


def test_too_little_is_told():
    with pytest.raises(SimulationError, match="locate 1: facts need 200 trades and 10,000"):
        measure([], locate=1)


@pytest.fixture(scope="module")
def simulated():
    exchange = simulated_exchange({"AAPL": 5_858_000}, seed=1, population=AAPL_2012,
                                  day=DaySettings())
    exchange.start()
    while exchange.feed.messages < 50_000:
        exchange.advance(exchange.now_ns + 500_000_000)
    return measure((message for frame in exchange.take_frames() if frame.line is Line.FEED_A
                    for message in packet_of(frame.frame).messages), locate=1)


def check_facts(facts):
    """Check what docs/market.md says of both the real and the simulated market."""
    assert 12 < facts.spread_ticks["median"] < 35
    assert 0.3 < facts.sign_autocorrelation[1] < 0.7, "signs of trades are persistent"
    assert facts.sign_autocorrelation[1] > facts.sign_autocorrelation[5] \
        > facts.sign_autocorrelation[50]
    assert abs(facts.return_autocorrelation[1]) < 0.25, "moves hardly are"
    assert facts.kurtosis[10] > 3 > abs(facts.kurtosis[1000]), "tails are fat, less so in the long"
    assert 2 < facts.return_tail < 7
    assert 0.02 < facts.trades / facts.messages < 0.09
    assert 0.2 < facts.hidden_volume < 0.5
    assert 0.25 < facts.life_messages["fleeting"] < 0.45
    assert 10 < facts.life_messages["p50"] < 40 and 100 < facts.life_messages["p90"] < 400
    assert 0.4 < facts.order_shares["round_lot"] < 0.7
    assert 0.2 < facts.order_shares["odd_lot"] < 0.5
    assert facts.burstiness > 1.5


@pytest.mark.slow
def test_the_simulated_market_has_the_stylised_facts(simulated):
    check_facts(simulated)
    assert simulated.mix["U"] > 0.1 and simulated.mix["F"] > 0.01


@pytest.mark.slow
def test_the_real_market_has_them_in_the_same_ranges():
    path = data_path("derived", "AAPL-20120621-0930-1030.itch.xz")
    check_facts(measure((record.data for record in Capture(path).records()), locate=1))


def test_table_and_plot_show_every_market():
    facts = measure(story(), locate=1)
    text = table({"one": facts, "another market": facts}).splitlines()
    assert text[0].split() == ["one", "another", "market"]
    assert len({len(line) for line in text}) == 1, "columns stand below each other"
    drawn = plot({"one & only": facts, "another": facts})
    assert drawn.count("<polyline") == 12 and "one &amp; only" in drawn
