"""Fills against a replayed market: each assumption has a test."""

import lzma

import pytest

from proto.wire import itch50
from sim.exchange.itch_feed import ItchFeed
from sim.exchange.orders import Cancelled, Fill, Instrument, NewOrder, OrderError, Side, TimeInForce
from sim.exchange.replay_background import ReplayBackground, instruments_of
from sim.exchange.replay_fills import ASSUMPTIONS, ReplayFills, ReplayMarket
from sim.exchange.tcp_connection import NEVER_NS
from sim.golden.book import Books
from tests.support.data import data_path

P = 1_000_000


class Bench:
    """A market of one symbol with messages made by hand."""

    def __init__(self, latency_ns=0):
        self.market = ReplayMarket([Instrument(symbol="AAPL", locate=1)])
        self.fills = ReplayFills(self.market, latency_ns)
        self.now_ns = 0
        self.reports = []

    def note(self, *outcomes):
        found = [report for outcome in outcomes for report in outcome.reports]
        self.reports += found
        return [(r.quantity, r.price_e4) if isinstance(r, Fill) else (r.quantity, str(r.reason))
                for r in found]

    def send(self, table, **values):
        self.now_ns += 10
        message = table.encode({"stock_locate": 1, "tracking_number": 0,
                                "timestamp": self.now_ns, **values})
        return self.note(*self.fills.message(message))

    def add(self, reference, side, shares, price_e4):
        return self.send(itch50.ADD_ORDER, order_reference_number=reference, stock="AAPL",
                         buy_sell_indicator=side, shares=shares, price=price_e4)

    def execute(self, reference, shares):
        return self.send(itch50.ORDER_EXECUTED, order_reference_number=reference,
                         executed_shares=shares, match_number=1)

    def delete(self, reference):
        return self.send(itch50.ORDER_DELETE, order_reference_number=reference)

    def cancel(self, reference, shares):
        return self.send(itch50.ORDER_CANCEL, order_reference_number=reference,
                         cancelled_shares=shares)

    def replace(self, old, new, shares, price_e4):
        return self.send(itch50.ORDER_REPLACE, original_order_reference_number=old,
                         new_order_reference_number=new, shares=shares, price=price_e4)

    def trade(self, shares, price_e4):
        return self.send(itch50.TRADE, order_reference_number=0, buy_sell_indicator="B",
                         shares=shares, stock="AAPL", price=price_e4, match_number=2)

    def enter(self, side, quantity, price_e4, tif=TimeInForce.DAY, **more):
        outcome = self.market.enter(NewOrder(
            symbol="AAPL", side=Side(side), quantity=quantity, price_e4=price_e4,
            time_in_force=tif, account="ME", **more), self.now_ns)
        self.reference = outcome.reference
        return self.note(outcome)


def test_taking_consumes_displayed_size_once():
    bench = Bench()
    bench.add(1, "S", 100, P)
    bench.add(2, "S", 100, P)
    bench.add(3, "S", 100, P + 100)
    assert bench.enter("B", 150, P + 100, TimeInForce.IOC) == [(100, P), (50, P)]
    assert bench.enter("B", 500, P, TimeInForce.IOC) == [(50, P), (450, "I")]
    assert bench.market.best("AAPL", Side.SELL) == (P, 200, 2), "the capture is not changed"
    bench.cancel(2, 60)
    assert bench.enter("B", 10, P, TimeInForce.IOC) == [(10, "I")]
    bench.replace(2, 4, 30, P)
    assert bench.enter("B", 99, P, TimeInForce.IOC) == [(30, P), (69, "I")], "replaced is new"


def test_resting_order_waits_behind_the_queue():
    bench = Bench()
    bench.add(1, "B", 100, P)
    bench.add(2, "B", 100, P)
    bench.enter("B", 80, P)
    bench.add(3, "B", 100, P)
    assert bench.execute(1, 100) == []
    assert bench.execute(2, 40) == []
    assert bench.execute(3, 50) == [(50, P)], "behind us: it was our turn"
    assert bench.delete(2) == []
    assert bench.execute(3, 50) == [(30, P)]


def test_replaced_order_ahead_has_lost_its_place():
    bench = Bench()
    bench.add(1, "B", 100, P)
    bench.enter("B", 80, P)
    bench.replace(1, 2, 100, P)
    assert bench.execute(2, 10) == [(10, P)]


def test_execution_at_a_worse_price_fills_better_own_orders_first():
    bench = Bench()
    bench.add(1, "B", 500, P - 200)
    bench.enter("B", 100, P - 100)
    bench.enter("B", 100, P)
    assert bench.execute(1, 150) == [(100, P), (50, P - 100)]


def test_crossing_order_of_the_capture_fills_and_is_used_up():
    bench = Bench()
    bench.enter("B", 100, P)
    assert bench.add(1, "S", 60, P - 100) == [(60, P)]
    assert bench.enter("B", 100, P, TimeInForce.IOC) == [(100, "I")]
    assert bench.add(2, "S", 60, P + 100) == []
    assert bench.replace(2, 3, 60, P) == [(40, P)]
    assert bench.enter("B", 100, P, TimeInForce.IOC) == [(20, P), (80, "I")]


def test_hidden_trade_fills_only_through_the_price():
    bench = Bench()
    bench.enter("B", 100, P)
    assert bench.trade(70, P) == []
    assert bench.trade(70, P + 100) == []
    assert bench.trade(70, P - 100) == [(70, P)]


def test_sell_side_is_the_mirror():
    bench = Bench()
    bench.add(1, "S", 100, P)
    bench.enter("S", 50, P)
    bench.enter("S", 50, P + 100)
    bench.add(2, "S", 100, P + 200)
    assert bench.execute(1, 100) == []
    assert bench.execute(2, 70) == [(50, P), (20, P + 100)]
    assert bench.trade(100, P + 200) == [(30, P + 100)]


def test_own_orders_do_not_meet_and_post_only_does_not_take():
    bench = Bench()
    bench.enter("S", 100, P)
    assert bench.enter("B", 50, P) == [(100, "Q")]
    bench.add(1, "S", 10, P + 100)
    assert bench.enter("B", 50, P + 100, post_only=True) == [(50, "G")]


def test_cancel_and_replace_of_own_orders():
    bench = Bench()
    bench.enter("B", 100, P)
    assert bench.note(bench.market.reduce(bench.reference, 30, 5)) == [(30, "U")]
    outcome = bench.market.replace(bench.reference, 200, P + 100, 6)
    assert outcome.open_quantity == 200 and outcome.reports == []
    with pytest.raises(OrderError, match="not live"):
        bench.market.reduce(bench.reference, 1, 7)
    assert bench.add(1, "S", 500, P + 100) == [(200, P + 100)]


def test_orders_and_cancels_arrive_after_the_latency():
    bench = Bench(latency_ns=25)
    bench.add(1, "S", 100, P)                       # at 10
    order = NewOrder(symbol="AAPL", side=Side.BUY, quantity=100, price_e4=P, account="ME")
    bench.fills.enter(order, bench.now_ns)          # arrives at 35
    assert bench.delete(1) == []                    # at 20: gone before the order arrives
    ticket = bench.fills.enter(order, 12)           # arrives at 37
    bench.fills.cancel(ticket, 100, 14)             # arrives at 39
    assert bench.add(2, "S", 30, P) == []           # at 30
    assert bench.add(3, "S", 500, P) == [(30, P), (100, "U"), (70, P)]      # at 40
    assert isinstance(bench.reports[1], Cancelled) and bench.reports[1].ts_ns == 39
    bench.fills.cancel(ticket, 100, 41)
    assert bench.note(*bench.fills.advance(100)) == []
    assert "25 ns" in bench.fills.assumptions
    assert all(line in bench.fills.assumptions for line in ASSUMPTIONS)


def test_unknown_references_and_malformed_messages_are_counted():
    bench = Bench()
    bench.execute(9, 10)
    bench.market.apply(b"A" + bytes(20))
    assert bench.market.counters == {"unknown": 1, "malformed": 1}


def test_a_whole_capture_gives_the_books_of_the_golden_model():
    path = data_path("derived", "AAPL-20120621-0930-1030.itch.xz")
    [instrument] = instruments_of(path)
    assert (instrument.symbol, instrument.locate, instrument.tick_e4) == ("AAPL", 1, 100)
    market, books = ReplayMarket([instrument]), Books()
    data, at, count = lzma.decompress(path.read_bytes()), 0, 0
    while at < len(data) and count < 20_000:
        length = int.from_bytes(data[at:at + 2], "big")
        message = data[at + 2:at + 2 + length]
        at += 2 + length
        count += 1
        market.apply(message)
        books.apply(message)
        if count % 50 == 0:
            assert books.top(1) == market.best("AAPL", Side.BUY) + market.best("AAPL", Side.SELL)
    assert market.counters == {"unknown": 0}


def test_background_sends_the_capture_at_its_times():
    path = data_path("nasdaq-itch50", "20191230-0930-open-1000.itch")
    instruments = instruments_of(path)
    market, feed = ReplayMarket(instruments), ItchFeed(instruments)
    start_ns = 34_200_000_000_000
    background = ReplayBackground(path, market, feed, start_ns)
    times = []
    while background.next_ns != NEVER_NS:
        times.append(background.next_ns)
        background.step()
    feed.flush()
    assert times == sorted(times) and times[0] >= start_ns
    assert feed.messages == len(times) == 1000 or feed.messages == len(times)
    assert {frame_ns for frame_ns, _ in feed.take_frames()} == set(times)
