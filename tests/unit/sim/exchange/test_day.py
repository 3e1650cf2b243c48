"""The venue's own day: opening cross, halts, broken trades; told by the feed in order."""

import struct
from collections import Counter

import pytest

from proto.wire.itch50 import TradingState
from sim.errors import SimulationError
from sim.exchange.day import DaySettings
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.venue import ExchangeSettings, simulated_exchange
from sim.golden.book import Books
from sim.library import Line
from sim.prescan import packet_of

START_NS = ExchangeSettings.start_ns
MS_NS = 1_000_000
OPENINGS = {"AAPL": 1_895_000, "INTC": 314_000}
BUSY = DaySettings(halt_every_ns=60 * MS_NS, breaks_per_mille=100)


class Day:
    """A simulated day: (time, message) of everything that the feed told."""

    def __init__(self, seed=1, milliseconds=250, day=BUSY, **population):
        self.exchange = simulated_exchange(
            OPENINGS, seed=seed, day=day, population=PopulationSettings(**population))
        self.exchange.start()
        self.told = []
        self.run(milliseconds)

    def run(self, milliseconds):
        self.exchange.advance(self.exchange.now_ns + milliseconds * MS_NS)
        for frame in self.exchange.take_frames():
            if frame.line is Line.FEED_A:
                self.told += [(frame.time_ns, message)
                              for message in packet_of(frame.frame).messages]
        return self

    def of(self, kinds, locate=None):
        return [(time_ns, message) for time_ns, message in self.told if message[0:1] in kinds
                and locate in (None, int.from_bytes(message[1:3], "big"))]


@pytest.fixture(scope="module")
def busy():
    return Day()


def test_a_day_opens_with_indications_market_hours_and_crosses(busy):
    opening_ns = START_NS + BUSY.preopen_ns
    codes = [(time_ns - START_NS, message[11:12]) for time_ns, message in busy.of(b"S")]
    assert codes == [(0, b"O"), (0, b"S"), (BUSY.preopen_ns, b"Q")]
    for locate in (1, 2):
        indications = [time_ns for time_ns, message in busy.of(b"I", locate)
                       if message[48:49] == b"O"]
        assert indications == [START_NS + n * BUSY.imbalance_ns for n in range(1, 10)]
        crosses = [(time_ns, message[39:40]) for time_ns, message in busy.of(b"Q", locate)]
        assert crosses[0] == (opening_ns, b"O")
        assert {kind for _, kind in crosses[1:]} == {b"H"}
    # System event, then the crosses.
    kinds = [message[0:1] for time_ns, message in busy.told if time_ns == opening_ns]
    assert kinds[0] == b"S" and kinds.count(b"Q") == 2


def test_a_halt_is_a_state_a_quotation_period_a_cross_and_trading_again(busy):
    for locate in (1, 2):
        states = [(time_ns, message[19:20], message[21:25])
                  for time_ns, message in busy.of(b"H", locate)]
        assert [state for _, state, _ in states[:4]] == [b"T", b"H", b"Q", b"T"]
        assert [reason for *_, reason in states[1:4]] == [b"T1  ", b"T3  ", b"T3  "]
        (_, _, _), (halt_ns, _, _), (quote_ns, _, _), (trade_ns, _, _) = states[:4]
        assert (quote_ns - halt_ns, trade_ns - quote_ns) == (BUSY.halt_ns, BUSY.quotation_ns)
        told = [(time_ns, message[0:1]) for time_ns, message in busy.told
                if int.from_bytes(message[1:3], "big") == locate]
        halted = Counter(kind for time_ns, kind in told if halt_ns < time_ns < quote_ns)
        assert set(halted) <= {b"B", b"D", b"X"}, "nobody trades; orders may end"
        quoting = Counter(kind for time_ns, kind in told if quote_ns < time_ns < trade_ns)
        assert not set(quoting) & {b"E", b"P", b"C"} and quoting[b"I"] == 19
        at_resumption = [kind for time_ns, kind in told if time_ns == trade_ns]
        assert at_resumption[-2:] == [b"Q", b"H"]
        assert set(at_resumption[:-2]) <= {b"C"}


def test_broken_trades_are_trades_of_before_each_once(busy):
    offsets = {b"E": 23, b"C": 23, b"P": 36}
    known, broken = set(), []
    for _, message in busy.told:
        kind = message[0:1]
        if kind in offsets:
            known.add(struct.unpack_from(">Q", message, offsets[kind])[0])
        elif kind == b"B":
            number, = struct.unpack_from(">Q", message, 11)
            broken.append(number)
            assert number in known
    assert len(broken) > 5 and len(set(broken)) == len(broken)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_feed_gives_the_books_of_the_exchange_through_crosses_and_halts(seed):
    day, books = Day(seed), Books()
    for _, message in day.told:
        books.apply(message)
    assert books.unknown == 0
    for locate, (symbol, best) in enumerate(day.exchange.status()["symbols"].items(), start=1):
        bid, bid_q, bid_n, ask, ask_q, ask_n = books.top(locate)
        assert (bid, bid_q, bid_n, ask, ask_q, ask_n) == tuple(
            best[f"{side}_{what}"] for side in ("bid", "ask")
            for what in ("price_e4", "quantity", "orders")), symbol


def test_same_seed_same_day_and_another_day_has_other_halts():
    first, again, other = Day(5, 150), Day(5, 150), Day(6, 150)
    assert first.told == again.told
    assert [at for at, _ in first.of(b"H")] != [at for at, _ in other.of(b"H")]


def test_without_settings_the_day_opens_at_once_and_nothing_happens():
    day = Day(day=None, milliseconds=100)
    assert not day.of(b"QIB") and len(day.of(b"H")) == 2
    assert [message[11:12] for _, message in day.of(b"S")] == [b"O", b"S", b"Q"]


def test_a_halt_by_hand_waits_for_the_venues_own():
    day = Day(milliseconds=0)
    exchange = day.exchange
    state = "T"
    while state == "T":
        day.run(1)
        state = exchange.status()["symbols"]["AAPL"]["state"]
    assert exchange.status()["symbols"]["AAPL"]["halted"]
    for halted in (True, False):
        with pytest.raises(SimulationError, match="AAPL is in a halt of the venue's own, state H"):
            exchange.set_halted("AAPL", halted)
    while exchange.status()["symbols"]["AAPL"]["state"] != "T":
        day.run(1)
    exchange.set_halted("AAPL", True)
    before = len(day.of(b"H", 1))
    day.run(200)
    assert len(day.of(b"H", 1)) == before + 1, "only the one by hand"
    assert exchange.status()["symbols"]["AAPL"]["state"] == TradingState.HALTED.value
    exchange.set_halted("AAPL", False)
    day.run(250)
    assert len(day.of(b"H", 1)) > before + 2


@pytest.mark.parametrize(("name", "value", "least"), [
    ("preopen_ns", -1, 0), ("imbalance_ns", 0, 1), ("halt_ns", 0, 1), ("breaks_per_mille", -2, 0)])
def test_impossible_settings_are_refused(name, value, least):
    with pytest.raises(SimulationError, match=f"{name} must be >= {least}, was {value}"):
        DaySettings(**{name: value})
