"""Each kind of trader alone, in a book that the test has made."""


import itertools
from collections import Counter
from random import Random

import pytest

from sim.exchange.ground import STEPS, Fundamental, Ground, Phase
from sim.exchange.makers import MarketMaker
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder, Side
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.traders import InformedTrader, NoiseTaker, PatientTrader

AAPL = Instrument(symbol="AAPL", locate=1)
P, TICK = 1_000_000, 100


def ground(*, value=P, seed=1, **settings):
    """Return a ground whose estimate is P."""
    chosen = PopulationSettings(**settings)
    return Ground(MatchingEngine([AAPL]), AAPL, Random(seed), chosen,
                  Fundamental(STEPS * value // TICK, Random(seed), chosen), STEPS * P // TICK)


def book(place, bid=P - TICK, ask=P + TICK, shares=100_000):
    """Put one large order on each side."""
    for side, price in ((Side.BUY, bid), (Side.SELL, ask)):
        place.engine.enter(NewOrder(symbol="AAPL", side=side, quantity=shares, price_e4=price), 0)


def quotes(place, maker):
    """Return the prices of a maker's quotes of each side, best first."""
    return {side: [place.engine.order(maker.quotes[side, level]).price_e4
                   for level in range(place.settings.maker_levels)
                   if (side, level) in maker.quotes] for side in Side}


def test_maker_quotes_every_level_round_the_estimate():
    place = ground(maker_levels=3)
    maker = MarketMaker(place, 0, "MKR0")
    events = [event for outcome in maker.open(5) for event in outcome.events]
    assert [(event.side, event.price_e4 // TICK - P // TICK) for event in events] == [
        (Side.BUY, -1), (Side.BUY, -2), (Side.BUY, -3), (Side.SELL, 1), (Side.SELL, 2),
        (Side.SELL, 3)]
    assert [event.mpid for event in events] == ["MKR0", "", "", "MKR0", "", ""]


def test_maker_moves_its_quotes_with_the_estimate_and_against_its_inventory():
    place = ground(maker_levels=1, half_spread_ticks=3, skew_sixteenths=16, cancelling_percent=0)
    maker = MarketMaker(place, 0)
    maker.open(0)
    before = quotes(place, maker)
    place.estimate += 5 * STEPS
    [first, second] = maker.react(1)
    after = quotes(place, maker)
    assert all(after[side][0] - before[side][0] == 5 * TICK for side in Side)
    assert [type(event).__name__ for event in first.events + second.events] == ["Replaced"] * 2
    maker.inventory = 200       # two lots long: quotes two ticks lower
    maker.react(2)
    skewed = quotes(place, maker)
    assert all(skewed[side][0] - after[side][0] == -2 * TICK for side in Side)


def test_a_chain_of_replacements_ends_in_one_order():
    place = ground(maker_levels=1, cancelling_percent=0)
    maker = MarketMaker(place, 0)
    maker.open(0)
    references = [maker.quotes[Side.BUY, 0]]
    for step in range(1, 30):
        place.estimate += STEPS * (1 if step % 2 else -1) * step
        maker.react(step)
        references.append(maker.quotes[Side.BUY, 0])
    assert len(set(references)) == 30
    assert [reference for reference in references if place.engine.order(reference)] == \
        references[-1:]
    assert len(maker.owned) == 2


def test_maker_with_too_much_takes_the_side_away_that_would_add_to_it():
    place = ground(inventory_lots=5)
    maker = MarketMaker(place, 0)
    maker.open(0)
    maker.inventory = 500
    for level in range(place.settings.maker_levels):
        maker.look_after(Side.BUY, level, 1)
    assert not quotes(place, maker)[Side.BUY] and len(quotes(place, maker)[Side.SELL]) == 4
    assert place.engine.best("AAPL", Side.BUY) == (0, 0, 0)
    maker.inventory = 499
    maker.look_after(Side.BUY, 0, 2)
    assert len(quotes(place, maker)[Side.BUY]) == 1


def test_maker_leans_with_the_trades():
    sizes = Counter()
    for pressure in (1024, 0, -1024):
        place = ground(lean_percent=80, quote_lots=10)
        place.pressure = pressure
        maker = MarketMaker(place, 0)
        for _ in range(300):
            sizes[pressure] += maker._wanted_quantity(Side.BUY)
    assert sizes[1024] > 1.6 * sizes[0] > 1.6 * 2 * sizes[-1024]


def test_maker_learns_of_its_executions():
    place = ground(maker_levels=1)
    maker = MarketMaker(place, 0)
    maker.open(0)
    reference = maker.quotes[Side.SELL, 0]
    shares = place.engine.order(reference).quantity
    place.engine.enter(NewOrder(symbol="AAPL", side=Side.BUY, quantity=shares, price_e4=2 * P), 1)
    maker.note_trade(reference, Side.SELL, shares)
    assert maker.inventory == -shares and reference not in maker.owned
    assert (Side.SELL, 0) not in maker.quotes


def test_quotes_that_cross_are_only_made_while_orders_collect():
    for phase, crossed in ((Phase.CONTINUOUS, False), (Phase.COLLECTING, True)):
        place = ground(maker_levels=1)
        place.engine.collect("AAPL", phase is Phase.COLLECTING)
        place.phase = phase
        MarketMaker(place, 0).open(0)
        place.estimate += 50 * STEPS
        MarketMaker(place, 1).open(1)
        bid, ask = (place.engine.best("AAPL", side)[0] for side in (Side.BUY, Side.SELL))
        assert (bid >= ask) == crossed


@pytest.mark.parametrize(("value", "side"), [(P + 10 * TICK, "B"), (P - 10 * TICK, "S")])
def test_informed_trader_takes_towards_the_value(value, side):
    place = ground(value=value)
    book(place)
    [outcome] = InformedTrader(place).act(1)
    [trade] = outcome.trades
    assert trade.taker == Side(side) and outcome.open_quantity == 0
    assert trade.price_e4 == (P + TICK if side == "B" else P - TICK)


def test_informed_trader_waits_for_a_margin():
    place = ground(value=P + TICK, margin_sixteenths=0)
    book(place)
    assert InformedTrader(place).act(1) == [], "no profit at all"
    place.value.value += 1
    assert len(InformedTrader(place).act(2)) == 1
    place = ground(value=P + 2 * TICK, margin_sixteenths=STEPS)
    book(place)
    assert InformedTrader(place).act(3) == [], "just the margin is not more than it"


def test_noise_taker_works_large_orders_in_pieces():
    place = ground(parents=1, parent_doubling=700)
    book(place, shares=10_000_000)
    taker = NoiseTaker(place)
    sides = [outcome.trades[0].taker for at in range(3000) for outcome in taker.act(at)]
    same = sum(one is two for one, two in itertools.pairwise(sides)) / (len(sides) - 1)
    assert same > 0.75, "the side of a trade tells the next"
    assert 0.3 < sides.count(Side.BUY) / len(sides) < 0.7, "but nothing in the long run"
    alone = ground(parents=1, parent_doubling=0)
    book(alone, shares=10_000_000)
    taker = NoiseTaker(alone)
    sides = [outcome.trades[0].taker for at in range(3000) for outcome in taker.act(at)]
    same = sum(one is two for one, two in itertools.pairwise(sides)) / (len(sides) - 1)
    assert 0.45 < same < 0.55, "orders of one piece are coin tosses"


def test_noise_taker_has_nothing_to_take_from_a_stub_quote():
    place = ground()
    book(place, bid=TICK, ask=place.stub_offer_e4)
    assert NoiseTaker(place).act(1) == [] and InformedTrader(place).act(1) == []


def test_patient_order_rests_is_cut_and_ends():
    place = ground(partial_percent=100, chase_percent=0, hidden_percent=0, odd_lot_percent=0)
    book(place)
    patient = PatientTrader(place)
    outcome, number, wait = patient.act(1)
    assert wait >= 1 and outcome.open_quantity >= 100 and not outcome.trades
    [cut], again = patient.wake(number, 2)
    assert type(cut.events[0]).__name__ == "Reduced" and again >= 1
    [end], never = patient.wake(number, 3)
    assert type(end.events[0]).__name__ == "Deleted" and never == 0
    assert place.engine.order(outcome.reference) is None


def test_patient_order_that_was_executed_is_forgotten():
    place = ground(hidden_percent=100)
    patient = PatientTrader(place)
    outcome, number, _ = patient.act(1)
    assert not outcome.events, "nobody sees it"
    place.engine.reduce(outcome.reference, 1_000_000, 2)
    assert patient.wake(number, 3) == ([], 0)


def test_patient_order_chases_the_touch_by_replacing():
    place = ground(chase_percent=100, partial_percent=0, hidden_percent=0)
    book(place)
    patient = PatientTrader(place)
    chains = []
    for _ in range(60):
        _, number, wait = patient.act(1)
        length = 0
        while wait:
            outcomes, wait = patient.wake(number, 2)
            length += any(type(event).__name__ == "Replaced"
                          for outcome in outcomes for event in outcome.events)
        chains.append(length)
    assert max(chains) >= 5 and sum(chains) > 60


def test_patient_order_is_not_replaced_in_a_halt_but_may_end():
    place = ground(chase_percent=100, partial_percent=0, hidden_percent=0)
    book(place)
    patient = PatientTrader(place)
    outcome, number, _ = patient.act(1)
    place.phase = Phase.HALTED
    outcomes, wait = patient.wake(number, 2)
    assert outcomes == [] and wait >= 1
    assert place.engine.order(outcome.reference) is not None


def test_patient_orders_stay_behind_the_opposite_touch():
    place = ground(inside_percent=100, hidden_percent=0)
    book(place, bid=P - 10 * TICK, ask=P + 10 * TICK)
    patient = PatientTrader(place)
    inside = 0
    for _ in range(200):
        outcome, _, _ = patient.act(1)
        assert not outcome.trades
        inside += P - 10 * TICK < outcome.events[0].price_e4 < P + 10 * TICK
    assert inside > 60


def test_orders_for_the_cross_have_limits_near_the_estimate_and_nobody_sees_them():
    place = ground(half_spread_ticks=2)
    for at in range(50):
        outcome = place.enter_for_cross(at)
        order = place.engine.order(outcome.reference)
        assert order.for_cross and not outcome.events
        assert abs(order.price_e4 - P) <= 6 * TICK


def test_makers_learn_more_from_a_trade_that_they_did_not_expect():
    place = ground(impact_sixteenths=100, foresight_percent=100)
    moves = []
    for _ in range(20):
        before = place.estimate
        place.note_trade(Side.BUY, 100)
        moves.append(place.estimate - before)
    assert moves == sorted(moves, reverse=True) and moves[0] > 10 * moves[-1] >= 0
    before = place.estimate
    place.note_trade(Side.SELL, 100)
    assert before - place.estimate > 1.8 * moves[0]


def test_impact_grows_slower_than_the_size():
    def impact(shares):
        place = ground(impact_sixteenths=100)
        before = place.estimate
        place.note_trade(Side.BUY, shares)
        return place.estimate - before

    assert impact(100) < impact(400) < 2.1 * impact(100)


def test_value_walks_jumps_and_depends_on_nobody():
    settings = PopulationSettings(walk_per_mille=500, news_per_mille=20, news_ticks=4)
    first, second = (Fundamental(100_000, Random(3), settings) for _ in range(2))
    moves = []
    for _ in range(5000):
        before = first.value
        first.move()
        second.move()
        moves.append(first.value - before)
    assert first.value == second.value
    assert set(map(abs, moves)) >= {0, 1} and max(map(abs, moves)) >= 4 * STEPS * 8
    small = Fundamental(1, Random(3), settings)
    for _ in range(100):
        small.news()
    assert small.value > 0


def test_time_in_force_of_takers_leaves_nothing_behind():
    place = ground()
    book(place, shares=1)
    outcome = NoiseTaker(place).act(1)[0]
    assert outcome.open_quantity == 0
    assert place.engine.order(outcome.reference) is None
