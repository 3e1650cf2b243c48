"""The exchange as one thing: order of events, halts, refusals, the ledger and the hash."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from proto.wire.itch50 import TradingState
from proto.wire.ouch50_codes import RejectReason
from sim.errors import SimulationError
from sim.exchange.itch_feed import ItchFeed
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder, Side
from sim.exchange.tcp_connection import NEVER_NS
from sim.exchange.venue import Exchange, ExchangeSettings, TimedFrame
from sim.library import Line
from sim.prescan import packet_of
from tests.unit.sim.exchange.test_ouch_session import decode, enter, login, split, unsequenced

AAPL = Instrument(symbol="AAPL", locate=1)
START_NS = ExchangeSettings.start_ns
P = 1_000_000


class Script:
    """A background that enters given orders at given times."""

    def __init__(self, engine, orders):
        self.engine, self.orders, self.states = engine, list(orders), {}

    @property
    def next_ns(self):
        return START_NS + self.orders[0][0] if self.orders else NEVER_NS

    def opening(self):
        return []

    def set_state(self, symbol, state, now_ns):
        self.states[symbol] = state

    def observe(self, outcome):
        pass

    def step(self):
        after_ns, side, quantity, price_e4 = self.orders.pop(0)
        return [self.engine.enter(NewOrder(symbol="AAPL", side=Side(side), quantity=quantity,
                                           price_e4=price_e4), START_NS + after_ns)]


class Bench:
    """An exchange with a client that is logged in from START on."""

    def __init__(self, *orders):
        engine = MatchingEngine([AAPL])
        self.background = Script(engine, orders)
        self.exchange = Exchange([AAPL], engine, ExchangeSettings(), ItchFeed([AAPL]),
                                 self.background, seed=1)
        self.exchange.start()
        self.sequence, self.acknowledged, self.stream = 10, 0, b""
        self.messages = []
        self.send(0, "S")
        self.sequence += 1
        self.send(0, "A")
        self.send(0, "PA", login("TICKW", "WIRETICK"))

    def send(self, after_ns, flags, payload=b""):
        frame = bytes(Ether(src="02:00:00:00:00:99", dst="02:00:00:00:00:02")
                      / IP(src="192.0.2.9", dst="192.0.2.2")
                      / TCP(sport=40000, dport=26400, flags=flags, seq=self.sequence,
                            ack=self.acknowledged) / payload)
        self.sequence += len(payload)
        self.exchange.receive(TimedFrame(START_NS + after_ns, Line.ORDER, frame))
        return self.take()

    def take(self):
        """Return the OUCH messages that have come out since; keep the feed's."""
        data = b""
        for _, line, frame in self.exchange.take_frames():
            if line is Line.FEED_A:
                self.messages += packet_of(frame).messages
                continue
            segment = Ether(frame)[TCP]
            length = Ether(frame)[IP].len - 20 - 4 * segment.dataofs
            data += bytes(segment.payload)[:length]
            self.acknowledged = segment.seq + length + ("S" in segment.flags)
        return [decode(body) for kind, body in split(data) if kind == b"S"]

    def order(self, after_ns, *arguments, **more):
        return self.send(after_ns, "PA", unsequenced(enter(*arguments, **more)))


def test_what_the_background_does_at_the_instant_of_arrival_comes_first():
    for at_ns, kinds in ((1000, ["A", "E"]), (1001, ["A", "C"])):
        bench = Bench((at_ns, "S", 100, P))
        assert [kind for kind, _ in bench.order(1000, 1, tif="3")] == kinds


def test_fill_of_a_resting_order_leaves_by_itself_and_is_in_the_ledger():
    bench = Bench((5000, "S", 60, P))
    [(_, accepted)] = bench.order(1000, 1, quantity=100)
    bench.exchange.advance(START_NS + 5001)
    [(kind, fields)] = bench.take()
    assert (kind, fields["quantity"], fields["timestamp"]) == ("E", 60, START_NS + 5000)
    account = bench.exchange.status()["accounts"]["TICKW"]
    assert account["positions"] == {"AAPL": 60} and account["cash_e4"] == -60 * P
    assert account["open_orders"] == [{"user_ref_num": 1, "symbol": "AAPL", "side": "B",
                                       "open_quantity": 40, "price_e4": P}]
    kinds = [message[0:1] for message in bench.messages if message[0:1] in b"AE"]
    assert kinds == [b"A", b"E"]
    added = next(message for message in bench.messages if message[0:1] == b"A")
    assert int.from_bytes(added[11:19], "big") == accepted["order_reference_number"]


def test_halt_is_told_refuses_orders_and_is_lifted():
    bench = Bench()
    bench.exchange.set_halted("AAPL", True)
    [(kind, fields)] = bench.order(10, 1)
    assert (kind, fields["reason"]) == ("J", RejectReason.HALTED)
    bench.exchange.set_halted("AAPL", False)
    assert [kind for kind, _ in bench.order(20, 2)] == ["A"]
    states = [message[19:20] for message in bench.messages if message[0:1] == b"H"]
    assert states == [b"T", b"H", b"T"]
    assert bench.background.states == {"AAPL": TradingState.TRADING}
    with pytest.raises(SimulationError, match="was 'IBM'"):
        bench.exchange.set_halted("IBM", True)


def test_end_of_day_cancels_and_ends_both_streams():
    bench = Bench((1, "B", 100, P - 100))
    bench.order(10, 1)
    bench.exchange.finish()
    bench.exchange.finish()
    assert [kind for kind, _ in bench.take()] == ["C", "S"]
    assert [message[11:12] for message in bench.messages if message[0:1] == b"S"] == [
        b"O", b"S", b"Q", b"M", b"E", b"C"]
    assert bench.order(20, 2) == []
    assert not bench.exchange.status()["open"]


def test_hash_covers_frames_in_and_out():
    digests = set()
    for quantity in (100, 100, 200):
        bench = Bench()
        bench.order(10, 1, quantity=quantity)
        digests.add(bench.exchange.status()["digest"])
    assert len(digests) == 2


def test_frame_of_another_line_is_not_for_the_order_port():
    bench = Bench()
    before = bench.exchange.server.counters["received"]
    bench.exchange.receive(TimedFrame(START_NS + 1, Line.MANAGEMENT, bytes(60)))
    assert bench.exchange.server.counters["received"] == before
