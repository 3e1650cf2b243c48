"""The twin in the control plane against the specification of the features."""

import random

import pytest

from control.broker import DecodedEvent
from control.explain.features import vector_at, vectors
from control.explain.history import LineFrame
from control.explain.market import Market
from proto.events import BookState
from proto.features import FEATURES
from proto.wire import itch50
from sim.framing import FeedAddress
from sim.golden.feature import Features
from sim.golden.feature import Touch as GoldenTouch
from tests.support.recorded import feed_frame, top_record

LOCATE, INDEX = 7, 2


def market_of(touches, *, changed):
    """Return a market whose every message leaves the touch beside it."""
    frames, records = [], []
    for sequence, (touch, is_new) in enumerate(zip(touches, changed, strict=True), 1):
        body = itch50.ORDER_DELETE.encode({
            "stock_locate": LOCATE, "tracking_number": 0, "timestamp": sequence,
            "order_reference_number": sequence})
        frames.append(LineFrame(8 * 100 * sequence, feed_frame(FeedAddress(), sequence, [body])))
        if is_new:
            records.append(DecodedEvent("top_of_book", top_record(
                event_sequence=len(records), symbol_index=INDEX, locate=LOCATE,
                feed_sequence=sequence, **touch), b""))
    return Market(frames, records)


def random_touches(seed, count):
    """Return touches, and whether each is a change of price or quantity."""
    random_source = random.Random(seed)
    bid, ask = 1_000_000, 1_000_200
    found, changed = [], []
    for _ in range(count):
        if found and random_source.random() < 0.3:
            found.append(found[-1])
            changed.append(False)
            continue
        bid += random_source.choice((-100, 0, 0, 100))
        ask = max(bid + 100, ask + random_source.choice((-100, 0, 0, 100, 40_000)))
        found.append({
            "bid_price": bid, "ask_price": ask, "bid_count": random_source.choice((1, 3)),
            "ask_count": random_source.choice((0, 1, 1, 1, 1)),
            "bid_quantity": random_source.choice((1, 100, 77, 65_536, 300_000)),
            "ask_quantity": random_source.choice((1, 100, 99, 70_000)),
            "state": random_source.choice((0, 0, 0, 0, BookState.STALE, BookState.HALTED))})
        changed.append(True)
    return found, changed


@pytest.mark.parametrize("seed", range(5))
def test_vectors_are_those_of_the_specification(seed):
    touches, changed = random_touches(seed, 400)
    golden = Features()
    wanted = []
    for sequence, touch in enumerate(touches, 1):
        state = touch["state"]
        given = GoldenTouch(**{name: touch[name] for name in touch if name != "state"},
                            exact=not state & BookState.STALE)
        vector = golden.update(INDEX, given)
        if given.usable:
            wanted.append((sequence, vector))
    market = market_of(touches, changed=changed)
    found = [(vector.message.sequence, vector.features) for vector in vectors(market, INDEX)]
    assert found == wanted and len(found) > 100
    for sequence, vector in wanted[::40]:
        assert vector_at(market, INDEX, sequence).features == vector


def test_there_is_a_value_for_every_feature():
    touches, changed = random_touches(1, 2)
    found = list(vectors(market_of(touches, changed=changed), INDEX))
    assert all(len(vector.features) == len(FEATURES) for vector in found)


def test_a_message_without_a_usable_book_has_no_vector():
    one_sided = {"bid_price": 1, "bid_quantity": 1, "bid_count": 1, "ask_price": 0,
                 "ask_quantity": 0, "ask_count": 0, "state": 0}
    market = market_of([one_sided], changed=[True])
    assert vector_at(market, INDEX, 1) is None
    assert vector_at(market, INDEX, 99) is None
    assert market.touch(INDEX, 1) is not None and market.touch(INDEX, 0) is None


def test_missing_records_are_counted():
    touches, changed = random_touches(3, 50)
    market = market_of(touches, changed=changed)
    assert market.dropped == 0
    records = [DecodedEvent("top_of_book", top_record(event_sequence=number), b"")
               for number in (0, 1, 4, 5)]
    assert Market([], records).dropped == 2
