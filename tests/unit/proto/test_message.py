"""The codec and the checks of the tables themselves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import events
from proto.wire import ethernet, itch50, moldudp64, ouch50, soupbintcp
from proto.wire.message import (
    Code,
    Kind,
    Message,
    WireError,
    by_type,
    code,
    digits,
    octets,
    sint,
    text,
    uint,
)


class Colour(Code):
    RED = "R"
    LONG = "LG"


SAMPLE = Message("sample", type=b"x", size=28, fields=(
    uint("number", 3), sint("offset", 2), code("colour", 2, Colour), text("name", 4),
    text("session", 4, right=True), digits("sequence", 6), octets("rest", 6),
))
VALUES = {"number": 0x010203, "offset": -2, "colour": Colour.LONG, "name": "ab", "session": "7",
          "sequence": 42, "rest": b"\0\1\2\3\4\5"}
ENCODED = b"x\x01\x02\x03\xff\xfeLGab     7    42\0\1\2\3\4\5"


def test_every_kind_is_encoded_and_decoded():
    assert SAMPLE.encode(VALUES) == ENCODED
    assert SAMPLE.decode(ENCODED) == {"message_type": "x", **VALUES}
    assert SAMPLE.decode_from(b"before" + ENCODED + b"after", 6) == SAMPLE.decode(ENCODED)


def test_little_endian():
    message = Message("little", size=6, byteorder="little", fields=(uint("a", 4), sint("b", 2)))
    assert message.encode({"a": 1, "b": -2}) == b"\1\0\0\0\xfe\xff"
    assert message.decode(b"\1\0\0\0\xfe\xff") == {"a": 1, "b": -2}


def test_places_are_computed():
    field = itch50.ADD_ORDER.field("price")
    assert (field.offset, field.size, field.end) == (32, 4, 36)
    assert (field.beat, field.lane, field.bits, field.span) == (4, 0, 32, slice(32, 36))
    assert itch50.ADD_ORDER.field("message_type").offset == 0
    assert itch50.ADD_ORDER.field("order_reference_number").lane == 3
    assert "price" in itch50.ADD_ORDER
    assert "colour" not in itch50.ADD_ORDER


def test_unknown_code_stays_a_string():
    data = ENCODED.replace(b"LG", b"Z ")
    assert SAMPLE.decode(data)["colour"] == "Z"
    assert type(SAMPLE.decode(data)["colour"]) is str
    assert type(SAMPLE.decode(ENCODED)["colour"]) is Colour


def test_code_as_it_stands_in_hardware():
    assert Colour.RED.byte == 0x52
    assert Colour.LONG.byte == 0x4C47


@pytest.mark.parametrize("values, says", [
    ({"number": 1 << 24}, "sample.number must be unsigned in 3 bytes"),
    ({"number": -1}, "sample.number"),
    ({"number": "1"}, "sample.number must be unsigned, was the text '1'"),
    ({"offset": 0x8000}, "sample.offset"),
    ({"name": 5}, "sample.name must be text, was the integer 5"),
    ({"name": "abcde"}, "sample.name must fit 4 bytes, was 'abcde'"),
    ({"name": "\u20ac"}, "sample.name must be ASCII"),
    ({"name": b"ab"}, "sample.name must be text"),
    ({"session": "12345"}, "sample.session must fit 4 bytes"),
    ({"sequence": 1234567}, "sample.sequence must fit 6 bytes"),
    ({"sequence": -1}, "sample.sequence"),
    ({"rest": b"12345"}, "sample.rest must fit 6 bytes"),
    ({"message_type": "y"}, "sample.message_type must be b'x'"),
    ({"other": 1}, "sample has no field other"),
])
def test_values_that_do_not_fit_are_refused(values, says):
    with pytest.raises(WireError) as error:
        SAMPLE.encode({**VALUES, **values})
    assert says in str(error.value)


def test_missing_value_is_refused():
    with pytest.raises(WireError, match=r"sample\.number is missing"):
        SAMPLE.encode({})


@pytest.mark.parametrize("data, says", [
    (ENCODED[:-1], "sample must have 28 bytes, was 27"),
    (ENCODED + b"\0", "sample must have 28 bytes, was 29"),
    (b"y" + ENCODED[1:], "sample.message_type must be b'x', was b'y'"),
    (ENCODED.replace(b"42", b"4x"), "sample.sequence must be digits"),
    (ENCODED.replace(b"    42", b"      "), "sample.sequence must be digits"),
])
def test_bytes_of_another_message_are_refused(data, says):
    with pytest.raises(WireError) as error:
        SAMPLE.decode(data)
    assert says in str(error.value)


def test_short_bytes_are_refused_where_more_may_follow():
    with pytest.raises(WireError, match="must have 28 bytes, was 27"):
        SAMPLE.decode_from(ENCODED, 1)


def test_inconsistent_tables_are_refused():
    with pytest.raises(WireError, match="add up to 4 bytes, the specification has 5"):
        Message("short", size=5, fields=(uint("a", 4),))
    with pytest.raises(WireError, match="the same name"):
        Message("twice", size=2, fields=(uint("a", 1), uint("a", 1)))
    with pytest.raises(WireError, match="type field of its size"):
        Message("wide", size=2, type=b"ab", fields=(uint("a", 1),))
    with pytest.raises(WireError, match="the same type"):
        by_type(SAMPLE, SAMPLE)
    with pytest.raises(WireError, match="no type byte"):
        by_type(moldudp64.HEADER)


def _value(field, message):
    integer = {Kind.UINT: (0, (1 << field.bits) - 1),
               Kind.SINT: (-(1 << field.bits - 1), (1 << field.bits - 1) - 1),
               Kind.DIGITS: (0, 10**field.size - 1)}
    if field.kind in integer:
        return st.integers(*integer[field.kind])
    match field.kind:
        case Kind.TYPE:
            return st.just(message.type.decode("latin-1"))
        case Kind.CODE:
            return st.sampled_from(list(field.codes))
        case Kind.OCTETS:
            return st.binary(min_size=field.size, max_size=field.size)
        case _:
            characters = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
            return st.text(characters, max_size=field.size)


def _values(message):
    return st.fixed_dictionaries({field.name: _value(field, message) for field in message})


LAYOUTS = [
    SAMPLE, ethernet.MAC, ethernet.VLAN_TAG, ethernet.ARP, ethernet.IPV4, ethernet.ROUTER_ALERT,
    ethernet.ICMP_ECHO, ethernet.IGMP, ethernet.IGMP_REPORT, ethernet.IGMP_RECORD, ethernet.UDP,
    ethernet.TCP, moldudp64.HEADER, moldudp64.BLOCK, moldudp64.REQUEST, itch50.HEADER,
    *itch50.MESSAGES.values(), soupbintcp.HEADER, *soupbintcp.CLIENT_PACKETS.values(),
    *soupbintcp.SERVER_PACKETS.values(), events.HEADER, *events.EVENTS.values(),
]


@pytest.mark.parametrize("message", LAYOUTS, ids=lambda message: message.name)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_decode_undoes_encode(message, data):
    values = data.draw(_values(message))
    encoded = message.encode(values)
    assert len(encoded) == message.size
    assert message.decode(encoded) == values


@pytest.mark.parametrize(
    "message", [message for message in LAYOUTS if not any(
        field.kind in (Kind.DIGITS, Kind.TYPE) for field in message)],
    ids=lambda message: message.name)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_bytes_survive_decoding(message, data):
    raw = data.draw(st.binary(min_size=message.size, max_size=message.size))
    assert message.encode(message.decode(raw)) == raw


OUCH = [*ouch50.INBOUND.values(), *ouch50.OUTBOUND.values()]


@pytest.mark.parametrize("message", OUCH, ids=lambda message: message.name)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_decode_undoes_encode_of_messages_with_options(message, data):
    values = data.draw(_values(message.layout))
    choices = {field.name: _value(field, None) for field in ouch50.OPTIONS.values()
               if field.name in message.options}
    options = data.draw(st.fixed_dictionaries({}, optional=choices))
    encoded = message.encode(values, options)
    assert message.decode(encoded) == (values, options)
