"""Messages of the feed as events with the names of their fields."""

from control.broker import EventBroker, EventDecoder
from proto.wire import itch50
from tests.support.feed_records import feed_records

NOII = itch50.NOII.encode({
    "stock_locate": 7, "tracking_number": 2, "timestamp": 34_200_000_000_001,
    "paired_shares": 2**40, "imbalance_shares": 5, "imbalance_direction": "B", "stock": "AAPL",
    "far_price": 1_000_000, "near_price": 1_000_100, "current_reference_price": 1_000_200,
    "cross_type": "O", "price_variation_indicator": "L"})
HALT = itch50.STOCK_TRADING_ACTION.encode({
    "stock_locate": 7, "tracking_number": 0, "timestamp": 5, "stock": "AAPL", "trading_state": "H",
    "reserved": "", "reason": "LUDP"})


def test_a_short_message_has_its_fields():
    record, = feed_records(HALT, sequence=9, symbol_index=1, number=3, cycle=77)
    event, = EventDecoder().decode(record)
    assert (event.kind, event.message, event.symbol_index) == (
        "feed_message", "stock_trading_action", 1)
    assert event.fields == {
        "schema_version": 1, "kind": 6, "symbol_index": 1, "event_sequence": 3, "cycle": 77,
        "feed_sequence": 9, "stock_locate": 7, "tracking_number": 0, "timestamp": 5}
    assert event.texts == {"stock": "AAPL", "trading_state": "H", "reserved": "", "reason": "LUDP"}
    assert event.record == record


def test_a_long_message_is_told_when_it_is_whole_a_record_an_event():
    decoder = EventDecoder()
    first, rest = feed_records(NOII, sequence=9)
    assert decoder.decode(first) == []
    event, words = decoder.decode(rest)
    assert (event.kind, event.message, event.record) == ("feed_message", "noii", first)
    assert event.fields["paired_shares"] == 2**40
    assert event.fields["current_reference_price"] == 1_000_200
    assert event.texts["price_variation_indicator"] == "L"
    assert event.symbol_index is None
    assert (words.kind, words.message, words.record) == ("feed_message_rest", "", rest)
    assert words.fields["content_0"] == int.from_bytes(rest[24:32], "little")


def test_no_record_is_kept_back_for_ever_or_told_twice():
    decoder = EventDecoder()
    first, rest = feed_records(NOII, sequence=9)
    second, _ = feed_records(NOII, sequence=10)
    short, = feed_records(HALT, sequence=11)
    told = [event.record for record in (rest, first, second, rest, first, short, rest)
            for event in decoder.decode(record)]
    assert told == [rest, first, second, rest, first, short, rest]


def test_records_missing_are_counted_apart_from_those_of_books_and_orders():
    broker = EventBroker()
    for number in (0, 1, 5):
        broker.publish(feed_records(HALT, sequence=number, number=number)[0])
    assert (broker.lost, broker.skipped) == (0, 3)
