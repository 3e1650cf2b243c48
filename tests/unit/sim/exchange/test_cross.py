"""Crosses: the price against a search of all prices, what is executed, what the feed tells."""

from collections import Counter
from random import Random

import pytest

from proto.wire.itch50 import CrossType, ImbalanceDirection
from sim.exchange.cross import Clearing, clearing
from sim.exchange.itch_feed import encode_event
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import (
    Added,
    Cancelled,
    Crossed,
    ExecutedWithPrice,
    Fill,
    Instrument,
    NewOrder,
    Reduced,
    Replaced,
    Side,
    TimeInForce,
)
from sim.golden.book import Books

AAPL = Instrument(symbol="AAPL", locate=1)
P = 1_000_000
SEED = 20260212


def order(side, quantity, price_e4, **more):
    return NewOrder(symbol="AAPL", side=Side(side), quantity=quantity, price_e4=price_e4, **more)


def searched(buys, sells, reference_e4, tick_e4=100):
    """Return price, paired and surplus by trying every price on the grid."""
    tried = []
    for price in range(P - 2000, P + 2001, tick_e4):
        wanted = sum(shares for limit, shares in buys if limit >= price)
        offered = sum(shares for limit, shares in sells if limit <= price)
        key = (-min(wanted, offered), abs(wanted - offered), abs(price - reference_e4))
        tried.append((key, Clearing(price, min(wanted, offered), wanted - offered)))
    _, found = min(tried, key=lambda one: one[0])
    return found if found.paired else None


@pytest.mark.parametrize("seed", range(SEED, SEED + 30))
def test_price_is_that_of_a_search_of_all_prices(seed):
    random = Random(seed)

    def orders():
        return [(P + 100 * random.randrange(-10, 11), 100 * random.randrange(1, 6))
                for _ in range(random.randrange(12))]

    buys, sells, reference = orders(), orders(), P + 100 * random.randrange(-10, 11)
    assert clearing(buys, sells, reference, 100) == searched(buys, sells, reference)


@pytest.mark.parametrize("seed", range(SEED, SEED + 20))
def test_collected_orders_cross_at_one_price_and_the_feed_gives_the_same_book(seed):
    random = Random(seed)
    engine, books = MatchingEngine([AAPL]), Books()
    engine.collect("AAPL", True)
    entered, reports = {}, []

    def take(outcome):
        for event in outcome.events:
            books.apply(encode_event(event, 1))
        reports.extend(outcome.reports)
        return outcome

    for now_ns in range(80):
        new = order(random.choice("BS"), 100 * random.randrange(1, 6),
                    P + 100 * random.randrange(-10, 11), account=random.choice(("", "A", "B")),
                    displayed=random.random() < 0.8, mpid=random.choice(("", "MAKR")),
                    time_in_force=random.choice((TimeInForce.DAY, TimeInForce.CROSS)))
        outcome = take(engine.enter(new, now_ns))
        assert outcome.open_quantity == new.quantity and not outcome.trades
        entered[outcome.reference] = new
    bid, ask = (engine.best("AAPL", side)[0] for side in (Side.BUY, Side.SELL))
    assert bid > ask, "nothing meets while orders collect"
    told = engine.imbalance("AAPL", CrossType.HALT_OR_IPO, 99)
    outcome = take(engine.cross("AAPL", CrossType.HALT_OR_IPO, 100))
    engine.collect("AAPL", False)

    *executions, crossed = outcome.events
    traded = Counter()
    for trade in outcome.trades:
        assert trade.price_e4 == crossed.price_e4 and trade.taker is None
        for party, side in ((trade.buyer, Side.BUY), (trade.seller, Side.SELL)):
            new = entered[party.reference]
            sign = 1 if side is Side.BUY else -1
            assert new.side is side and sign * new.price_e4 >= sign * trade.price_e4
            assert new.account == party.account
            traded[party.reference] += trade.quantity
    assert all(shares <= entered[reference].quantity for reference, shares in traded.items())
    assert sum(traded.values()) == 2 * crossed.quantity == 2 * told.paired
    assert (crossed.price_e4, crossed.cross_type) == (told.near_price_e4, CrossType.HALT_OR_IPO)
    shown = Counter()
    for event in executions:
        assert isinstance(event, ExecutedWithPrice) and not event.printable
        assert event.price_e4 == crossed.price_e4
        shown[event.reference] += event.quantity
    assert shown == Counter({reference: shares for reference, shares in traded.items()
                             if entered[reference].displayed
                             and entered[reference].time_in_force is TimeInForce.DAY})
    fills = Counter()
    for report in reports:
        if isinstance(report, Fill):
            assert report.cross is CrossType.HALT_OR_IPO
            fills[report.reference] += report.quantity
    assert fills == Counter({reference: shares for reference, shares in traded.items()
                             if entered[reference].account})
    # What waited for the cross is gone; what was left of the rest no longer crosses.
    for reference, new in entered.items():
        live = engine.order(reference)
        open_shares = new.quantity - traded[reference]
        assert (0 if live is None else live.quantity) == (
            0 if new.time_in_force is TimeInForce.CROSS else open_shares)
    cancelled = {report.reference for report in reports if isinstance(report, Cancelled)}
    assert cancelled == {reference for reference, new in entered.items()
                         if new.account and new.time_in_force is TimeInForce.CROSS
                         and traded[reference] < new.quantity}
    bests = [engine.best("AAPL", side) for side in (Side.BUY, Side.SELL)]
    assert not bests[0][0] or not bests[1][0] or bests[0][0] < bests[1][0]
    assert books.top(1) == bests[0] + bests[1] and books.unknown == 0
    numbers = [trade.match_number for trade in outcome.trades] + [crossed.match_number]
    assert len(set(numbers)) == len(numbers)


def test_opening_cross_joins_what_waited_with_the_continuous_book():
    engine = MatchingEngine([AAPL])
    bid = engine.enter(order("B", 300, P - 100), 1).reference
    offer = engine.enter(order("S", 300, P + 100), 1).reference
    engine.enter(order("B", 500, 2 * P, time_in_force=TimeInForce.CROSS), 2)
    engine.enter(order("S", 100, P - 200, time_in_force=TimeInForce.CROSS), 2)
    assert engine.best("AAPL", Side.BUY) == (P - 100, 300, 1), "nobody sees what waits"
    told = engine.imbalance("AAPL", CrossType.OPENING, 3)
    assert (told.paired, told.imbalance, told.direction) == (400, 100, ImbalanceDirection.BUY)
    assert (told.near_price_e4, told.far_price_e4, told.reference_price_e4) == (
        P + 100, P, P + 100)
    outcome = engine.cross("AAPL", CrossType.OPENING, 4)
    assert outcome.events == [ExecutedWithPrice(4, "AAPL", offer, 300, 2, P + 100, False),
                              Crossed(4, "AAPL", 400, P + 100, 3, CrossType.OPENING)]
    assert engine.order(bid).quantity == 300
    assert engine.best("AAPL", Side.SELL) == (0, 0, 0)


def test_cross_without_interest_is_told_with_nothing():
    engine = MatchingEngine([AAPL])
    told = engine.imbalance("AAPL", CrossType.OPENING, 3)
    assert (told.paired, told.direction) == (0, ImbalanceDirection.NOT_ENOUGH_ORDERS)
    assert engine.cross("AAPL", CrossType.OPENING, 4).events == [
        Crossed(4, "AAPL", 0, 0, 1, CrossType.OPENING)]


def test_order_for_the_cross_can_be_reduced_and_replaced_and_nobody_sees_it():
    engine = MatchingEngine([AAPL])
    waits = engine.enter(order("B", 300, P, time_in_force=TimeInForce.CROSS, account="A"), 1)
    assert engine.reduce(waits.reference, 100, 2).events == []
    again = engine.replace(waits.reference, 150, P + 100, 3)
    assert again.events == [] and engine.order(waits.reference) is None
    engine.enter(order("S", 100, P), 4)
    assert engine.order(again.reference).quantity == 150, "it takes part in the cross only"
    assert engine.cross("AAPL", CrossType.OPENING, 5).events[-1].quantity == 100


def test_order_that_may_not_rest_is_cancelled_while_orders_collect():
    engine = MatchingEngine([AAPL])
    engine.enter(order("S", 100, P), 1)
    engine.collect("AAPL", True)
    outcome = engine.enter(order("B", 100, P, time_in_force=TimeInForce.IOC, account="A"), 2)
    assert outcome.reports == [Cancelled(2, "A", outcome.reference, 100, "I")]
    assert engine.enter(order("B", 100, P, post_only=True), 3).open_quantity == 100


def test_attribution_is_told_once_and_stays_with_the_order():
    engine = MatchingEngine([AAPL])
    outcome = engine.enter(order("B", 300, P, mpid="MAKR"), 1)
    assert outcome.events == [Added(1, "AAPL", 1, Side.BUY, 300, P, "MAKR")]
    assert encode_event(outcome.events[0], 1)[-4:] == b"MAKR"
    assert engine.replace(1, 200, P - 100, 2).events == [Replaced(2, "AAPL", 1, 2, 200, P - 100)]
    assert engine.order(2).mpid == "MAKR"
    assert engine.reduce(2, 50, 3).events == [Reduced(3, "AAPL", 2, 50)]
