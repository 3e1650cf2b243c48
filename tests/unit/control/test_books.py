"""Books out of event records."""

import pytest

from control.books import BookLog, Level
from proto.events import EVENTS, UNKNOWN_PRICE, BookState, EventKind
from proto.features import DEPTH_LEVELS

LEVELS = [(1_000_000 - 100 * n, 10 * (n + 1)) for n in range(DEPTH_LEVELS)]


def record(kind, symbol_index=1, number=0, **values):
    layout = EVENTS[kind]
    return layout.encode({**{field.name: 0 for field in layout}, "schema_version": 1,
                          "kind": int(kind), "symbol_index": symbol_index,
                          "event_sequence": number, **values})


def top(symbol_index=1, **values):
    return record(EventKind.TOP_OF_BOOK, symbol_index, **{
        "bid_price": 1_000_000, "bid_quantity": 10, "bid_count": 2,
        "ask_price": 1_000_100, "ask_quantity": 7, "ask_count": 1, "ts_ns": 5, "feed_sequence": 9,
        **values})


def depth(number, levels=LEVELS, *, kind=EventKind.BID_DEPTH, symbol_index=1):
    return record(kind, symbol_index, number, **{
        f"{name}_{n}": value for n, level in enumerate(levels)
        for name, value in zip(("price", "quantity"), level, strict=True)})


def logged(*records):
    log = BookLog()
    for found in records:
        log.take(found)
    return log


def test_the_best_prices_alone_are_a_book_and_nothing_is_none():
    view = logged(top(state=int(BookState.STALE))).view(1)
    assert (view.bids, view.asks) == ((Level(1_000_000, 10, 2),), (Level(1_000_100, 7, 1),))
    assert (view.states, view.ts_ns, view.feed_sequence) == (("stale",), 5, 9)
    assert logged(top(bid_price=0)).view(1).bids == ()
    assert logged(depth(0)).view(1) is None and logged(top()).view(2) is None


def test_levels_stand_behind_the_best_one_of_their_own_book_and_side():
    log = logged(top(), top(2), depth(0), depth(1, [(1_000_100, 7), (1_000_300, 1)],
                                                kind=EventKind.ASK_DEPTH))
    assert log.view(1).bids == (Level(1_000_000, 10, 2), *(
        Level(price, shares, 0) for price, shares in LEVELS[1:]))
    assert log.view(1).asks == (Level(1_000_100, 7, 1), Level(1_000_300, 1, 0))
    assert len(log.view(2).bids) == len(log.view(2).asks) == 1
    log.forget(2)
    assert log.view(2) is None and len(log.view(1).bids) == DEPTH_LEVELS
    log.forget()
    log.take(top())
    assert len(log.view(1).bids) == 1


def test_levels_that_are_there_and_not_known_are_left_out():
    log = logged(top(), depth(0, [*LEVELS[:2], *[(UNKNOWN_PRICE, 0)] * 3]))
    assert log.view(1).bids[1:] == (Level(*LEVELS[1], 0),)


@pytest.mark.parametrize("best", [(999_900, 20), (1_000_000, 11)])
def test_levels_of_another_moment_than_the_best_price_are_not_shown(best):
    assert len(logged(top(), depth(0, [best, *LEVELS[1:]])).view(1).bids) == 1


def test_a_lost_record_takes_the_levels_away_until_the_side_has_its_next_event():
    vector = record(EventKind.FEATURE_VECTOR, 2, 1)
    log = logged(top(), depth(0), vector)
    assert len(log.view(1).bids) == DEPTH_LEVELS
    log.take(record(EventKind.FEATURE_VECTOR, 2, 3))
    assert len(log.view(1).bids) == 1
    log.take(depth(4))
    assert len(log.view(1).bids) == DEPTH_LEVELS


def test_the_number_of_a_record_wraps():
    log = logged(top(), depth(2**32 - 1), record(EventKind.FEATURE_VECTOR, 2, 0))
    assert len(log.view(1).bids) == DEPTH_LEVELS


def test_other_records_are_passed_over():
    log = logged(top(), record(EventKind.FEED_MESSAGE), record(EventKind.STATE))
    assert len(log.view(1).bids) == 1
