"""Recorded vectors, and the market data beside them."""

from control.broker import DecodedEvent
from control.explain.features import Vectors
from control.explain.history import LineFrame
from control.explain.market import Market
from proto.events import EventKind, VectorFlag
from proto.features import FEATURES
from proto.wire import itch50
from sim.framing import FeedAddress
from tests.support.recorded import feed_frame, fields_of, top_record

LOCATE, INDEX = 7, 2
BOTH = VectorFlag.USABLE | VectorFlag.SCORED


def vector(sequence, *, symbol_index=INDEX, flags=BOTH, **values):
    return DecodedEvent("feature_vector", fields_of(
        EventKind.FEATURE_VECTOR, symbol_index=symbol_index, feed_sequence=sequence,
        flags=int(flags), epoch=3, **values), b"")


def test_numbers_are_signed_and_in_the_order_of_the_table():
    values = {feature.name: -number for number, feature in enumerate(FEATURES)}
    found = Vectors([vector(5, score=-7, **values)]).at(INDEX, 5)
    assert found.features == tuple(-number for number in range(len(FEATURES)))
    assert (found.usable, found.recorded_score, found.epoch) == (True, -7, 3)


def test_vectors_of_a_symbol_come_by_the_numbers_of_their_messages():
    found = Vectors([vector(9, spread=1), vector(4, spread=2), vector(6, symbol_index=5)])
    assert [(item.feed_sequence, item.features[0]) for item in found.of_symbol(INDEX)] == [
        (4, 2), (9, 1)]
    assert found.at(INDEX, 6) is None and found.at(8, 4) is None


def test_of_a_book_that_was_published_twice_the_usable_vector_counts():
    for first, second, wanted in ((0, BOTH, 2), (BOTH, 0, 1), (BOTH, BOTH, 2), (0, 0, 2)):
        found = Vectors([vector(4, flags=first, spread=1), vector(4, flags=second, spread=2)])
        assert found.at(INDEX, 4).features[0] == wanted
    assert Vectors([vector(4, flags=VectorFlag.USABLE, score=5)]).at(INDEX, 4).recorded_score \
        is None


def test_a_touch_lasts_until_the_next_one():
    body = itch50.ORDER_DELETE.encode({
        "stock_locate": LOCATE, "tracking_number": 0, "timestamp": 1, "order_reference_number": 1})
    frames = [LineFrame(800 * number, feed_frame(FeedAddress(), number, [body]))
              for number in (1, 2, 3)]
    records = [DecodedEvent("top_of_book", top_record(
        event_sequence=number, symbol_index=INDEX, locate=LOCATE, feed_sequence=sequence,
        bid_price=100 * sequence), b"") for number, sequence in enumerate((1, 3))]
    market = Market(frames, records)
    assert market.touch(INDEX, 0) is None
    assert [market.touch(INDEX, number).fields["bid_price"] for number in (1, 2, 3)] == [
        100, 100, 300]
    assert [message.sequence for message in market.book_messages(INDEX)] == [1, 2, 3]


def test_missing_records_are_counted():
    assert Market([], []).dropped == 0
    records = [DecodedEvent("top_of_book", top_record(event_sequence=number), b"")
               for number in (0, 1, 4, 5)]
    assert Market([], records).dropped == 2
