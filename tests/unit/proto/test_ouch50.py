"""Options and appendages: what the vectors do not show."""

import pytest

from proto.wire import ouch50
from proto.wire.message import WireError

CANCEL = bytes.fromhex("5800752e7100000000")


def test_sizes_are_those_of_the_specification():
    assert {message.name: message.size for message in ouch50.INBOUND.values()} == {
        "enter_order": 47, "replace_order": 40, "cancel_order": 11, "modify_order": 12,
        "mass_cancel": 19, "disable_order_entry": 11, "enable_order_entry": 11,
        "account_query": 3,
    }


def test_either_form_of_an_optional_appendage_is_taken():
    short = ouch50.CANCEL_ORDER.decode(CANCEL)
    assert ouch50.CANCEL_ORDER.decode(CANCEL + b"\0\0") == short
    values, options = ouch50.CANCEL_ORDER.decode(CANCEL + bytes.fromhex("0003021c05"))
    assert (values, options) == (short[0], {"user_ref_idx": 5})


def test_unknown_option_is_skipped_by_its_length():
    assert ouch50.decode_options(bytes.fromhex("03fe0000" "021c05")) == {"user_ref_idx": 5}


@pytest.mark.parametrize("data, says", [
    ("00", "passes the end"), ("021c", "passes the end"), ("05021c", "passes the end"),
    ("031c0005", "must have 1 bytes, was 2"), ("021c05021c06", "comes twice"),
])
def test_malformed_options_are_refused(data, says):
    with pytest.raises(WireError, match=says):
        ouch50.decode_options(bytes.fromhex(data))


@pytest.mark.parametrize("data", ["00", "0001", "0003021c", "0000021c05"])
def test_appendage_length_must_agree(data):
    with pytest.raises(WireError):
        ouch50.CANCEL_ORDER.decode(CANCEL + bytes.fromhex(data))


def test_required_appendage_must_be_there():
    with pytest.raises(WireError, match="disable_order_entry must have 11 bytes or more, was 9"):
        ouch50.DISABLE_ORDER_ENTRY.decode(bytes.fromhex("44 0000000b 46524d41"))


def test_system_event_takes_no_appendage():
    with pytest.raises(WireError, match="system_event must have 10 bytes"):
        ouch50.SYSTEM_EVENT.decode(bytes.fromhex("53 00001f1ade5fb07b 53 0000"))


def test_option_of_another_message_is_refused():
    with pytest.raises(WireError, match="cancel_order takes no option firm"):
        ouch50.CANCEL_ORDER.encode({"user_ref_num": 1, "quantity": 0}, {"firm": "ABCD"})
    with pytest.raises(WireError, match="there is no option colour"):
        ouch50.encode_options({"colour": 1})
