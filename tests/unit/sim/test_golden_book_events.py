"""Events of books: levels against LOBSTER's own, the rest by hand."""

import csv
import struct
from itertools import groupby

from sim.captures import Capture
from sim.golden.book_events import BookEvents, LevelRow
from tests.support.data import data_path

DEPTH = 5


def message(kind: bytes, body: bytes, *, locate: int = 7, time_ns: int = 0) -> bytes:
    return kind + struct.pack(">HH", locate, 0) + time_ns.to_bytes(6, "big") + body


def add(reference: int, side: bytes, shares: int, price: int, **where: int) -> bytes:
    return message(b"A", struct.pack(">QsI8sI", reference, side, shares, b"TEST    ", price),
                   **where)


def executed(reference: int, shares: int, **where: int) -> bytes:
    return message(b"E", struct.pack(">QIQ", reference, shares, 1), **where)


def lobster_states() -> list[tuple[list[LevelRow], list[LevelRow]]]:
    """Return bids and asks, five levels each, after each event of the first minute."""
    path = data_path("lobster", "AAPL_2012-06-21_34200000_57600000_orderbook_10.first998.csv")
    states = []
    for row in csv.reader(path.read_text(encoding="ascii").splitlines()):
        numbers = list(map(int, row))[:4 * DEPTH]
        asks = [LevelRow(*numbers[n:n + 2]) for n in range(0, 4 * DEPTH, 4)]
        bids = [LevelRow(*numbers[n + 2:n + 4]) for n in range(0, 4 * DEPTH, 4)]
        states.append((bids, asks))
    return states


def test_five_levels_are_those_of_lobster():
    wanted = [state for state, _ in groupby(lobster_states())]
    assert len(wanted) > 600
    events = BookEvents()
    levels: dict[str, list[LevelRow]] = {"B": [], "S": []}
    matched = events_between = 0
    for record in Capture(data_path("derived", "AAPL-20120621-0930-1030.itch.xz")).records():
        event = events.apply(record.data)
        if event is None:
            continue
        levels[event.side] = event.levels
        if (levels["B"], levels["S"]) == wanted[matched]:
            matched += 1
            if matched == len(wanted):
                break
        elif matched and (levels["B"], levels["S"]) != wanted[matched - 1]:
            events_between += 1     # a state that LOBSTER does not have
    assert matched == len(wanted) and events_between == 0


def test_an_execution_trades_what_is_open_and_says_which_side_rested():
    events = BookEvents()
    events.apply(add(1, b"S", 300, 1_000_100))
    event = events.apply(executed(1, 100, time_ns=5_000))
    assert (event.event.execution, event.event.sells, event.event.traded) == (True, True, 100)
    assert (event.event.ask_depth, event.event.bid_depth, event.event.time_ns) == (200, 0, 5_000)
    event = events.apply(executed(1, 900))
    assert event.event.traded == 200 and event.levels == [] and not event.touch.usable


def test_trades_of_hidden_orders_count_with_the_next_event_of_their_symbol():
    events = BookEvents()
    hidden = message(b"P", bytes(33))
    for _ in range(2):
        assert events.apply(hidden) is None
    other = events.apply(add(1, b"B", 1, 1, locate=8))
    first = events.apply(add(2, b"B", 1, 1))
    second = events.apply(add(3, b"B", 1, 1))
    assert [event.event.hidden_trades for event in (other, first, second)] == [0, 2, 0]


def test_an_unknown_order_ends_exactness_of_its_symbol_alone():
    events = BookEvents()
    for locate, reference in ((7, 1), (8, 2)):
        events.apply(add(reference, b"B", 5, 100, locate=locate))
    event = events.apply(executed(99, 5))
    assert (event.side, event.event.traded, event.event.execution) == ("", 0, True)
    assert not event.touch.exact and event.touch.bid_quantity == 5
    assert events.apply(add(3, b"S", 5, 200, locate=8)).touch.usable
    assert not events.apply(add(4, b"S", 5, 200)).touch.usable
