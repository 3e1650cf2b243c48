"""Messages of the feed in event records: from records back to fields."""

import random

import pytest

from proto import events
from proto.events import EVENTS, EventKind, Sequence
from proto.feed_records import CONTENT_BYTES, RECORDED_MESSAGES, FeedMessageReader
from proto.registers import register_map
from proto.wire import itch50
from tests.support.feed_records import feed_records


def take(reader, records):
    return [reader.take(record[1], record) for record in records]


@pytest.mark.parametrize("kind", itch50.MESSAGES)
def test_every_type_comes_back_byte_for_byte(kind):
    layout = itch50.MESSAGES[kind]
    content = bytes([kind]) + random.Random(kind).randbytes(layout.size - 1)
    records = feed_records(content, sequence=2**63 + 5, symbol_index=3)
    *nothing, message = take(FeedMessageReader(), records)
    assert nothing == [None] * (layout.size > CONTENT_BYTES)
    assert (message.layout, message.content) == (layout, content)
    assert (message.feed_sequence, message.symbol_index) == (2**63 + 5, 3)
    assert message.record == b"".join(records)
    assert message.fields() == {name: value for name, value in layout.decode(content).items()
                                if name != "message_type"}


def test_what_is_not_whole_completes_nothing():
    reader = FeedMessageReader()
    long = b"I" + bytes(49)
    short = b"S" + bytes(11)
    first, rest = feed_records(long, sequence=7)
    other_rest = feed_records(long, sequence=8)[1]
    only, = feed_records(short, sequence=9)
    unknown, = feed_records(b"z" + bytes(9), sequence=10)
    found = take(reader, [rest, first, other_rest, rest, first, only, rest, unknown, first, rest])
    assert [message and message.feed_sequence for message in found] == [
        None, None, None, None, None, 9, None, None, None, 7]
    assert reader.take(EventKind.TOP_OF_BOOK, bytes(64)) is None
    assert found[5].symbol_index is None


def test_records_of_other_kinds_between_the_two_do_not_matter():
    reader = FeedMessageReader()
    first, rest = feed_records(b"O" + bytes(47), sequence=7)
    assert reader.take(EventKind.FEED_MESSAGE, first) is None
    assert reader.take(EventKind.ORDER_SENT, bytes(64)) is None
    assert reader.take(EventKind.FEED_MESSAGE_REST, rest).layout is (
        itch50.DIRECT_LISTING_WITH_CAPITAL_RAISE)


def test_the_register_has_a_bit_for_each_type_and_the_default_is_what_books_do_not_show():
    fields = {field.name: field for field in register_map(symbols=1)["feed.record"].register.fields}
    assert list(fields) == [message.name for message in itch50.MESSAGES.values()] + ["all_symbols"]
    assert [name for name, field in fields.items() if field.reset] == [
        message.name for message in itch50.MESSAGES.values() if message in RECORDED_MESSAGES]
    types = {message.type for message in RECORDED_MESSAGES}
    assert types == {bytes([letter]) for letter in b"SHYVWKJhPQBINO"}


def test_kinds_that_are_counted_together():
    together = {sequence: [kind.name for kind in EventKind if kind.sequence is sequence]
                for sequence in Sequence}
    assert together == {
        Sequence.ORDERS: ["ORDER_SENT", "ORDER_REFUSED", "VENUE_ANSWER", "STATE"],
        Sequence.BOOKS: ["TOP_OF_BOOK"], Sequence.MESSAGES: ["FEED_MESSAGE", "FEED_MESSAGE_REST"],
        Sequence.DETAILS: ["BID_DEPTH", "ASK_DEPTH", "FEATURE_VECTOR"]}
    assert EVENTS[EventKind.FEED_MESSAGE].field("content_0").offset == 24
    assert events.FEED_MESSAGE_REST.fields[-1].end == events.EVENT_BYTES
