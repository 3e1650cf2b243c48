"""The matching engine against a list of orders that is searched from end to end."""

from dataclasses import dataclass
from random import Random

import pytest

from sim.exchange.itch_feed import encode_event
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import (
    Added,
    Cancelled,
    Deleted,
    Executed,
    ExecutedWithPrice,
    Fill,
    Instrument,
    NewOrder,
    OrderError,
    Reduced,
    Replaced,
    Side,
    TimeInForce,
    Traded,
)
from sim.golden.book import Books

INSTRUMENTS = [Instrument(symbol="AAPL", locate=1), Instrument(symbol="MSFT", locate=7, tick_e4=50)]
TICKS = {item.symbol: item.tick_e4 for item in INSTRUMENTS}
SEED = 20240607


def order(side, quantity, price_e4, **more):
    return NewOrder(symbol="AAPL", side=Side(side), quantity=quantity, price_e4=price_e4, **more)


@dataclass
class Simple:
    """An order of the reference."""

    reference: int
    new: NewOrder
    open: int
    arrival: int


class Naive:
    """Price, displayed before hidden, time: by sorting everything for each execution."""

    def __init__(self):
        self.orders, self.arrivals, self.fills = [], 0, []

    def enter(self, reference, new):
        self.arrivals += 1
        taker = Simple(reference, new, new.quantity, self.arrivals)
        sign = 1 if new.side is Side.BUY else -1

        def crossing():
            found = [o for o in self.orders
                     if o.new.symbol == new.symbol and o.new.side is not new.side
                     and sign * o.new.price_e4 <= sign * new.price_e4]
            return sorted(found, key=lambda o: (sign * o.new.price_e4, not o.new.displayed,
                                                o.arrival))

        if new.post_only and crossing():
            return
        while taker.open and (queue := crossing()):
            first = queue[0]
            if new.account and new.account == first.new.account:
                self.orders.remove(first)
                continue
            shares = min(taker.open, first.open)
            better = first.new.improvement_e4
            price = first.new.price_e4 - sign * better
            self.fills.append((reference, first.reference, shares, price))
            taker.open -= shares
            first.open -= shares
            if not first.open:
                self.orders.remove(first)
        if taker.open and new.time_in_force is TimeInForce.DAY:
            self.orders.append(taker)

    def find(self, reference):
        return next((o for o in self.orders if o.reference == reference), None)

    def reduce(self, reference, shares):
        found = self.find(reference)
        found.open -= min(shares, found.open)
        if not found.open:
            self.orders.remove(found)

    def best(self, symbol, side):
        shown = [o for o in self.orders
                 if (o.new.symbol, o.new.side, o.new.displayed) == (symbol, side, True)]
        if not shown:
            return (0, 0, 0)
        price = (max if side is Side.BUY else min)(o.new.price_e4 for o in shown)
        level = [o for o in shown if o.new.price_e4 == price]
        return price, sum(o.open for o in level), len(level)


def random_order(random):
    symbol = random.choice(INSTRUMENTS).symbol
    tick = TICKS[symbol]
    return NewOrder(
        symbol=symbol, side=random.choice(list(Side)), quantity=random.randrange(1, 500),
        price_e4=1_000_000 + tick * random.randrange(-6, 7),
        time_in_force=random.choices((TimeInForce.DAY, TimeInForce.IOC), (4, 1))[0],
        account=random.choice(("", "", "", "A", "B")), displayed=random.random() < 0.9,
        improvement_e4=random.choice((0, 0, 0, 0, tick // 2)),
        post_only=random.random() < 0.05)


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_random_orders_match_as_in_the_naive_reference_and_the_feed_gives_the_same_books(seed):
    random = Random(seed)
    engine, naive, books = MatchingEngine(INSTRUMENTS), Naive(), Books()
    locates = {item.symbol: item.locate for item in INSTRUMENTS}
    fills, kinds = [], set()

    def check(outcome):
        for event in outcome.events:
            kinds.add(type(event))
            books.apply(encode_event(event, locates[event.symbol]))
        for symbol, locate in locates.items():
            bests = [engine.best(symbol, side) for side in (Side.BUY, Side.SELL)]
            assert bests == [naive.best(symbol, side) for side in (Side.BUY, Side.SELL)]
            assert books.top(locate) == bests[0] + bests[1]

    for now_ns in range(1500):
        live = [o.reference for o in naive.orders]
        action = random.random()
        if action < 0.65 or not live:
            new = random_order(random)
            outcome = engine.enter(new, now_ns)
            naive.enter(outcome.reference, new)
        elif action < 0.8:
            reference, shares = random.choice(live), random.randrange(1, 400)
            outcome = engine.reduce(reference, shares, now_ns)
            naive.reduce(reference, shares)
        else:
            old = naive.find(random.choice(live))
            quantity = random.randrange(1, 500)
            price_e4 = 1_000_000 + TICKS[old.new.symbol] * random.randrange(-6, 7)
            outcome = engine.replace(old.reference, quantity, price_e4, now_ns)
            naive.orders.remove(old)
            naive.enter(outcome.reference, NewOrder(
                symbol=old.new.symbol, side=old.new.side, quantity=quantity, price_e4=price_e4,
                account=old.new.account, displayed=old.new.displayed,
                improvement_e4=old.new.improvement_e4))
        fills += [(f.ts_ns, f.account, f.reference, f.quantity, f.price_e4)
                  for f in outcome.reports if isinstance(f, Fill)]
        check(outcome)

    assert books.unknown == 0
    assert kinds == {Added, Executed, ExecutedWithPrice, Reduced, Deleted, Replaced, Traded}
    assert len(naive.fills) > 300
    told = [(reference, shares, price) for _, _, reference, shares, price in fills]
    for taker, resting, shares, price in naive.fills:
        for reference in (resting, taker):
            if (reference, shares, price) in told:
                told.remove((reference, shares, price))
    assert told == [], "every reported fill is one of the reference"


def test_a_taker_walks_prices_and_time_and_the_rest_of_an_ioc_is_cancelled():
    engine = MatchingEngine(INSTRUMENTS, first_reference=10, first_match_number=100)
    for quantity, price_e4 in ((100, 1_000_100), (200, 1_000_000), (300, 1_000_000)):
        engine.enter(order("S", quantity, price_e4), 1)
    outcome = engine.enter(order("B", 1000, 1_000_000, time_in_force=TimeInForce.IOC,
                                 account="A"), 5)
    assert outcome.events == [Executed(5, "AAPL", 11, 200, 100), Executed(5, "AAPL", 12, 300, 101)]
    assert outcome.reports == [
        Fill(5, "A", 13, "AAPL", Side.BUY, 200, 1_000_000, 100, False),
        Fill(5, "A", 13, "AAPL", Side.BUY, 300, 1_000_000, 101, False),
        Cancelled(5, "A", 13, 500, "I")]
    assert outcome.open_quantity == 0
    assert engine.best("AAPL", Side.SELL) == (1_000_100, 100, 1)
    assert engine.best("AAPL", Side.BUY) == (0, 0, 0)


def test_own_displayed_order_is_in_the_feed_under_its_reference():
    engine = MatchingEngine(INSTRUMENTS)
    outcome = engine.enter(order("B", 100, 1_000_000, account="A"), 3)
    assert outcome.events == [Added(3, "AAPL", outcome.reference, Side.BUY, 100, 1_000_000)]
    assert (outcome.reports, outcome.open_quantity) == ([], 100)


def test_hidden_order_trades_without_a_reference_and_after_displayed_ones():
    engine = MatchingEngine(INSTRUMENTS)
    assert engine.enter(order("S", 100, 1_000_000, displayed=False), 1).events == []
    shown = engine.enter(order("S", 100, 1_000_000), 2).reference
    outcome = engine.enter(order("B", 150, 1_000_000), 3)
    assert outcome.events == [Executed(3, "AAPL", shown, 100, 1),
                              Traded(3, "AAPL", 50, 1_000_000, 2)]


def test_improving_order_executes_at_the_better_price():
    engine = MatchingEngine(INSTRUMENTS)
    shown = engine.enter(order("B", 100, 1_000_000, improvement_e4=50), 1).reference
    outcome = engine.enter(order("S", 100, 999_900), 2)
    assert outcome.events == [ExecutedWithPrice(2, "AAPL", shown, 100, 1, 1_000_050)]


def test_orders_of_one_account_do_not_meet():
    engine = MatchingEngine(INSTRUMENTS)
    mine = engine.enter(order("S", 100, 1_000_000, account="A"), 1).reference
    outcome = engine.enter(order("B", 100, 1_000_000, account="A"), 2)
    assert outcome.reports == [Cancelled(2, "A", mine, 100, "Q")]
    assert outcome.events == [Deleted(2, "AAPL", mine),
                              Added(2, "AAPL", outcome.reference, Side.BUY, 100, 1_000_000)]


def test_replacement_that_trades_is_a_deletion_and_what_follows():
    engine = MatchingEngine(INSTRUMENTS)
    offer = engine.enter(order("S", 100, 1_000_000), 1).reference
    bid = engine.enter(order("B", 50, 999_900), 2).reference
    outcome = engine.replace(bid, 300, 1_000_000, 3)
    assert outcome.events == [Deleted(3, "AAPL", bid), Executed(3, "AAPL", offer, 100, 1),
                              Added(3, "AAPL", outcome.reference, Side.BUY, 200, 1_000_000)]


@pytest.mark.parametrize(("new", "message"), [
    (order("B", 0, 1_000_000), "quantity must be >= 1, was 0"),
    (order("B", 1, 1_000_001), "multiple of 100, was 1000001"),
    (order("B", 1, 0), "multiple of 100, was 0"),
    (NewOrder(symbol="IBM", side=Side.BUY, quantity=1, price_e4=100), "'IBM' is not traded"),
])
def test_impossible_orders_are_refused(new, message):
    with pytest.raises(OrderError, match=message):
        MatchingEngine(INSTRUMENTS).enter(new, 0)


def test_an_order_that_is_not_live_cannot_be_changed():
    engine = MatchingEngine(INSTRUMENTS)
    live = engine.enter(order("B", 1, 100), 0).reference
    with pytest.raises(OrderError, match="not live"):
        engine.reduce(99, 1, 0)
    with pytest.raises(OrderError, match="not live"):
        engine.replace(99, 1, 100, 0)
    with pytest.raises(OrderError, match="must be >= 1"):
        engine.reduce(live, 0, 0)
