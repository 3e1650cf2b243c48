"""Rows against the plain-Python books: what counts as wrong, withheld and missing."""

import pytest

from proto.events import BookState
from proto.wire.itch50 import Side
from sim.bench.comparison import Comparison
from sim.bench.flow import OrderFlow, Symbol, kind_of
from sim.golden.book import Books, bbo_rows

SYMBOL = Symbol("SYM1", 1, 1_000_000)


@pytest.fixture
def rising() -> tuple[list[bytes], list[tuple[int, ...]]]:
    flow = OrderFlow([SYMBOL], seed=1)
    messages = [flow.add(SYMBOL, Side.BUY, 999_000 + 100 * n, 100) for n in range(5)]
    return messages, [tuple(row) for row in bbo_rows(messages)]


def compared(messages, rows, states=None) -> Comparison:
    comparison = Comparison()
    comparison.expect(messages)
    comparison.compare(rows, states or [0] * len(rows), len(messages))
    return comparison


def test_right_rows_match(rising):
    messages, rows = rising
    found = compared(messages, rows)
    assert (found.rows, found.matched) == (5, 5)
    assert (found.wrong, found.missing, found.withheld) == (0, 0, 0)
    assert found.unexpected == 0


def test_a_wrong_row_is_wrong(rising):
    messages, rows = rising
    bad = (*rows[2][:4], 99, *rows[2][5:])
    found = compared(messages, [*rows[:2], bad, *rows[3:]])
    assert (found.matched, found.wrong) == (4, 1)
    assert found.first_wrong == [(bad, rows[2])]


def test_a_row_that_did_not_come_is_missing(rising):
    messages, rows = rising
    found = compared(messages, rows[:2] + rows[3:])
    assert (found.matched, found.wrong, found.missing, found.withheld) == (4, 0, 1, 0)


def test_rows_are_withheld_from_a_stale_one_to_the_next_exact_one(rising):
    messages, rows = rising
    found = compared(messages, [rows[0], rows[1], rows[4]], [0, BookState.STALE, 0])
    assert (found.matched, found.withheld, found.missing) == (2, 3, 0)


def test_rows_may_come_before_they_are_asked_for(rising):
    messages, rows = rising
    comparison = Comparison()
    comparison.expect(messages)
    comparison.compare(rows[:4], [0] * 4, 2)
    assert comparison.matched == 2
    comparison.compare(rows[4:], [0], 5)
    assert (comparison.matched, comparison.missing) == (5, 0)


def test_a_row_of_no_message_is_unexpected(rising):
    messages, rows = rising
    found = compared(messages, [*rows, (9, *rows[0][1:])])
    assert found.unexpected == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_flow_is_consistent(seed):
    flow = OrderFlow([SYMBOL, Symbol("SYM2", 2, 500_000)], seed=seed, resting=50)
    books = Books()
    kinds = set()
    for message in flow.messages(3000):
        assert books.apply(message) is not None
        kinds.add(kind_of(message))
        bid, _, bids, ask, _, asks = books.top(1)
        assert not (bids and asks) or bid < ask
    assert books.unknown == 0 and len(kinds) == 5
    assert {reference: order.shares for reference, order in books.orders.items()} == {
        reference: order.shares for reference, order in flow.orders.items()}
