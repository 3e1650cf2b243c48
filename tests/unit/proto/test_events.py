"""Event records: their size and what readers derive from the tables."""

import struct

import numpy
import pytest

from proto import events
from proto.errors import ProtoError
from proto.events import EventKind
from proto.features import FEATURES
from proto.wire import itch50
from proto.wire.message import Kind

RECORD = {
    "schema_version": events.SCHEMA_VERSION, "kind": 1, "symbol_index": 3, "event_sequence": 4,
    "cycle": 5, "feed_sequence": 6, "ts_ns": 34_200_000_000_007, "locate": 8, "state": 1,
    "bid_price": 10, "bid_quantity": 11, "ask_price": 12, "ask_quantity": 13, "bid_count": 14,
    "ask_count": 15, "ingress_cycle": 16,
}


def test_every_record_has_64_bytes_and_the_header():
    assert set(events.EVENTS) == set(events.EventKind)
    for layout in events.EVENTS.values():
        assert layout.size == events.EVENT_BYTES
        assert layout.fields[:len(events.HEADER.fields)] == events.HEADER.fields


def test_struct_and_numpy_read_what_the_table_writes():
    layout = events.TOP_OF_BOOK
    data = layout.encode(RECORD)
    assert struct.unpack(events.struct_format(layout), data) == tuple(RECORD.values())
    (row,) = numpy.frombuffer(data, dtype=events.numpy_dtype(layout))
    assert {name: int(row[name]) for name in row.dtype.names} == RECORD
    assert row.dtype.itemsize == events.EVENT_BYTES


def test_signed_fields_read_back_negative_from_struct_and_numpy():
    layout = events.FEATURE_VECTOR
    record = {field.name: 0 for field in layout} | {"position": -100, "score": -2**31,
                                                    "feed_sequence": 2**64 - 1}
    data = layout.encode(record)
    assert layout.decode(data) == record
    assert struct.unpack(events.struct_format(layout), data) == tuple(record.values())
    (row,) = numpy.frombuffer(data, dtype=events.numpy_dtype(layout))
    assert {name: int(row[name]) for name in row.dtype.names} == record


def test_what_can_be_negative_is_signed():
    signed = {(kind, field.name) for kind, layout in events.EVENTS.items() for field in layout
              if field.kind is Kind.SINT}
    of_vectors = {(EventKind.FEATURE_VECTOR, feature.name) for feature in FEATURES}
    assert signed == of_vectors | {
        (EventKind.FEATURE_VECTOR, "score"), (EventKind.ORDER_SENT, "score"),
        (EventKind.ORDER_REFUSED, "score"), (EventKind.ORDER_REFUSED, "worst_position"),
        (EventKind.STATE, "cash")}
    for layout in events.EVENTS.values():
        assert not any("complement" in field.description for field in layout)


def test_fields_lie_on_their_own_alignment():
    for layout in events.EVENTS.values():
        assert all(field.offset % field.size == 0 for field in layout)


def test_other_fields_than_integers_have_no_array_type():
    with pytest.raises(ProtoError, match="message_type is no integer"):
        events.numpy_dtype(itch50.ADD_ORDER)
