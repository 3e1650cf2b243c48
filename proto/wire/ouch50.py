"""Nasdaq OUCH 5.0: every message of order entry, in both directions, and the options appendage.

Ref: Nasdaq OUCH 5.0 Order Entry Specification, revision 1.04 (options 29 and 30: revision 1.05).
Client messages travel in SoupBinTCP unsequenced packets, those of the exchange in sequenced ones;
the same type byte means different messages in the two directions. The length of a message comes
from its packet. An unknown reason of a rejection or a cancellation is like any other reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from proto.wire.message import Field, Message, Value, WireError, code, price, sint, text, uint
from proto.wire.ouch50_codes import (
    AiqReason,
    BrokenTradeReason,
    CancelReason,
    Capacity,
    CrossType,
    CustomerType,
    Display,
    EventCode,
    Flag,
    OrderState,
    PostOnly,
    PriceType,
    RestateReason,
    Side,
    TimeInForce,
)

__all__ = [
    "ACCOUNT_QUERY", "ACCOUNT_QUERY_RESPONSE", "AIQ_CANCELED", "APPENDAGE_LENGTH", "BROKEN_TRADE",
    "CANCEL_ORDER", "CANCEL_PENDING", "CANCEL_REJECT", "DISABLE_ORDER_ENTRY",
    "DISABLE_ORDER_ENTRY_RESPONSE", "ENABLE_ORDER_ENTRY", "ENABLE_ORDER_ENTRY_RESPONSE",
    "ENTER_ORDER", "HIGHEST_LIMIT_PRICE", "INBOUND", "MARKET_PRICE", "MASS_CANCEL",
    "MASS_CANCEL_RESPONSE", "MAXIMUM_QUANTITY", "MODIFY_ORDER", "OPTIONS", "ORDER_ACCEPTED",
    "ORDER_CANCELED", "ORDER_EXECUTED", "ORDER_MODIFIED", "ORDER_PRIORITY_UPDATE",
    "ORDER_REPLACED", "ORDER_RESTATED", "OUTBOUND", "REJECTED", "REPLACE_ORDER", "SYSTEM_EVENT",
    "Appendage", "OuchMessage", "decode_options", "encode_options",
]

_SOURCE = "OUCH 5.0, "

#: Largest quantity of an order and of a chain of replacements.
MAXIMUM_QUANTITY = 999_999
#: Highest limit price, and the price of a market order in a cross, in 1e-4 USD.
HIGHEST_LIMIT_PRICE = 1_999_999_900
MARKET_PRICE = 0x7FFFFFFF

#: The field that ends the fixed part of a message that may carry options.
APPENDAGE_LENGTH = uint("appendage_length", 2, unit="bytes", description="of the options")


class Appendage(Enum):
    """Whether the length of the options stands in a message."""

    REQUIRED = "required"  #: always, 0 without options
    OPTIONAL = "optional"  #: may be left out together with the options
    NONE = "none"          #: never


#: Every option by its tag; the field is its value. Tags 8 and 21 are not used, 19 and 20 withdrawn.
OPTIONS: dict[int, Field] = {
    1: uint("secondary_ord_ref_num", 8),
    2: text("firm", 4),
    3: uint("min_qty", 4, unit="shares"),
    4: code("customer_type", 1, CustomerType),
    5: uint("max_floor", 4, unit="shares"),
    6: code("price_type", 1, PriceType),
    7: sint("peg_offset", 4, unit="1e-4 USD"),
    9: price("discretion_price", 8),
    10: code("discretion_price_type", 1, PriceType),
    11: sint("discretion_peg_offset", 4, unit="1e-4 USD"),
    12: code("post_only", 1, PostOnly),
    13: uint("random_reserves", 4, unit="shares"),
    14: text("route", 4),
    15: uint("expire_time", 4, unit="s"),
    16: code("trade_now", 1, Flag),
    17: text("handle_inst", 1),
    18: text("bbo_weight_indicator", 1),
    22: uint("display_quantity", 4, unit="shares"),
    23: price("display_price", 8),
    24: uint("group_id", 2),
    25: code("shares_located", 1, Flag),
    26: text("locate_broker", 4),
    27: code("side", 1, Side),
    28: uint("user_ref_idx", 1),
    29: text("aiq_strategy", 1),
    30: text("aiq_group_id", 2),
}

_TAGS = {field.name: tag for tag, field in OPTIONS.items()}

#: Length and tag of one option; the length counts the tag and the value.
_OPTION = Message("option", size=2, source=_SOURCE + "Appendix A, TagValue", fields=(
    uint("length", 1, unit="bytes", description="of the tag and the value"),
    uint("option_tag", 1),
))

#: One table a value, so that options use the codec of the messages.
_VALUES = {
    tag: Message(f"option_{field.name}", size=field.size, fields=(field,))
    for tag, field in OPTIONS.items()
}


def encode_options(options: Mapping[str, Value]) -> bytes:
    """Return the options as an appendage, in the order given.

    Raises
    ------
    WireError
        If an option is unknown or its value does not fit.
    """
    parts: list[bytes] = []
    for name, value in options.items():
        if name not in _TAGS:
            raise WireError(f"there is no option {name}")
        tag = _TAGS[name]
        parts.append(_OPTION.encode({"length": 1 + OPTIONS[tag].size, "option_tag": tag}))
        parts.append(_VALUES[tag].encode({name: value}))
    return b"".join(parts)


def decode_options(data: bytes) -> dict[str, Value]:
    """Return the options of an appendage; an unknown tag is skipped by its length.

    Raises
    ------
    WireError
        If an element has no tag, passes the end, has not the length of its tag, or comes twice.
    """
    options: dict[str, Value] = {}
    offset = 0
    while offset < len(data):
        length = data[offset]
        element = data[offset + 1:offset + 1 + length]
        if not element or len(element) != length:
            raise WireError(f"option at byte {offset} passes the end of {len(data)} bytes")
        field = OPTIONS.get(element[0])
        if field is not None:
            if field.name in options:
                raise WireError(f"option {field.name} comes twice")
            options.update(_VALUES[element[0]].decode(element[1:]))
        offset += 1 + length
    return options


@dataclass(frozen=True, kw_only=True)
class OuchMessage:
    """A message of fixed fields and, after them, options.

    Attributes
    ----------
    layout : Message
        The fixed fields, without the appendage length.
    appendage : Appendage
        Whether the appendage length stands in the message.
    options : frozenset of str
        Names of the options allowed.
    """

    layout: Message
    appendage: Appendage
    options: frozenset[str]

    @property
    def name(self) -> str:
        """Name of the message."""
        return self.layout.name

    @property
    def size(self) -> int:
        """Bytes without options, with the appendage length unless there is none at all."""
        return self.layout.size + (0 if self.appendage is Appendage.NONE else APPENDAGE_LENGTH.size)

    def encode(self, values: Mapping[str, Value], options: Mapping[str, Value] | None = None,
               ) -> bytes:
        """Return the message; the appendage length is left out where it may be and no option is.

        Raises
        ------
        WireError
            If a value does not fit or an option is not allowed in this message.
        """
        options = options or {}
        refused = options.keys() - self.options
        if refused:
            raise WireError(f"{self.name} takes no option {', '.join(sorted(refused))}")
        fixed = self.layout.encode(values)
        if self.appendage is not Appendage.REQUIRED and not options:
            return fixed
        tail = encode_options(options)
        return fixed + len(tail).to_bytes(APPENDAGE_LENGTH.size, "big") + tail

    def decode(self, data: bytes) -> tuple[dict[str, Value], dict[str, Value]]:
        """Return the fixed fields and the options; either form of an optional appendage is taken.

        Raises
        ------
        WireError
            If the lengths do not agree or the type is another.
        """
        values = self.layout.decode_from(data)
        rest = data[self.layout.size:]
        if not rest and self.appendage is not Appendage.REQUIRED:
            return values, {}
        if self.appendage is Appendage.NONE or len(rest) < APPENDAGE_LENGTH.size:
            raise WireError(f"{self.name} must have {self.size} bytes or more, was {len(data)}")
        tail = rest[APPENDAGE_LENGTH.size:]
        length = int.from_bytes(rest[:APPENDAGE_LENGTH.size], "big")
        if length != len(tail):
            raise WireError(f"{self.name}: appendage length is {length}, but {len(tail)} bytes "
                            f"follow")
        return values, decode_options(tail)


def _message(name: str, type: bytes, size: int, section: str, appendage: Appendage,
             options: str, *fields: Field) -> OuchMessage:
    """Return a message whose `size` is typed with the appendage length, as the sheet has it."""
    tail = 0 if appendage is Appendage.NONE else APPENDAGE_LENGTH.size
    names = frozenset(options.split())
    if not names <= _TAGS.keys():
        raise WireError(f"{name}: no such option: {', '.join(sorted(names - _TAGS.keys()))}")
    layout = Message(name, type=type, size=size - tail, source=_SOURCE + section, fields=fields)
    return OuchMessage(layout=layout, appendage=appendage, options=names)


_REQUIRED, _OPTIONAL, _NONE = Appendage.REQUIRED, Appendage.OPTIONAL, Appendage.NONE

_USER_REF_NUM = uint("user_ref_num", 4)
_ORIG_USER_REF_NUM = uint("orig_user_ref_num", 4)
_TIMESTAMP = uint("timestamp", 8, unit="ns since midnight")
_SIDE = code("side", 1, Side)
_QUANTITY = uint("quantity", 4, unit="shares")
_SYMBOL = text("symbol", 8)
_PRICE = price("price", 8)
_TIME_IN_FORCE = code("time_in_force", 1, TimeInForce)
_DISPLAY = code("display", 1, Display)
_CAPACITY = code("capacity", 1, Capacity)
_SWEEP = code("inter_market_sweep_eligibility", 1, Flag)
_CROSS_TYPE = code("cross_type", 1, CrossType)
_CL_ORD_ID = text("cl_ord_id", 14)
_FIRM = text("firm", 4)
_ORDER_REFERENCE_NUMBER = uint("order_reference_number", 8)
_ORDER_STATE = code("order_state", 1, OrderState)
_LIQUIDITY_FLAG = text("liquidity_flag", 1)
_MATCH_NUMBER = uint("match_number", 8)

_ENTER_OPTIONS = (
    "firm min_qty customer_type max_floor price_type peg_offset discretion_price "
    "discretion_price_type discretion_peg_offset post_only random_reserves expire_time trade_now "
    "handle_inst group_id shares_located locate_broker user_ref_idx aiq_strategy aiq_group_id"
)

ENTER_ORDER = _message(
    "enter_order", b"O", 47, "Enter Order", _REQUIRED, _ENTER_OPTIONS,
    _USER_REF_NUM, _SIDE, _QUANTITY, _SYMBOL, _PRICE, _TIME_IN_FORCE, _DISPLAY, _CAPACITY, _SWEEP,
    _CROSS_TYPE, _CL_ORD_ID)
REPLACE_ORDER = _message(
    "replace_order", b"U", 40, "Replace Order Request", _REQUIRED,
    "min_qty max_floor price_type post_only expire_time trade_now handle_inst random_reserves "
    "peg_offset discretion_price discretion_price_type discretion_peg_offset shares_located "
    "locate_broker user_ref_idx side aiq_strategy aiq_group_id",
    _ORIG_USER_REF_NUM, _USER_REF_NUM, _QUANTITY, _PRICE, _TIME_IN_FORCE, _DISPLAY, _SWEEP,
    _CL_ORD_ID)
CANCEL_ORDER = _message(
    "cancel_order", b"X", 11, "Cancel Order Request", _OPTIONAL, "user_ref_idx",
    _USER_REF_NUM, _QUANTITY)
MODIFY_ORDER = _message(
    "modify_order", b"M", 12, "Modify Order Request", _OPTIONAL,
    "user_ref_idx shares_located locate_broker",
    _USER_REF_NUM, _SIDE, _QUANTITY)
MASS_CANCEL = _message(
    "mass_cancel", b"C", 19, "Mass Cancel Request", _REQUIRED, "side group_id user_ref_idx",
    _USER_REF_NUM, _FIRM, _SYMBOL)
DISABLE_ORDER_ENTRY = _message(
    "disable_order_entry", b"D", 11, "Disable Order Entry Request", _REQUIRED, "user_ref_idx",
    _USER_REF_NUM, _FIRM)
ENABLE_ORDER_ENTRY = _message(
    "enable_order_entry", b"E", 11, "Enable Order Entry Request", _REQUIRED, "user_ref_idx",
    _USER_REF_NUM, _FIRM)
ACCOUNT_QUERY = _message(
    "account_query", b"Q", 3, "Account Query Request", _OPTIONAL, "user_ref_idx")

SYSTEM_EVENT = _message(
    "system_event", b"S", 10, "System Event", _NONE, "",
    _TIMESTAMP, code("event_code", 1, EventCode))
ORDER_ACCEPTED = _message(
    "order_accepted", b"A", 64, "Order Accepted", _REQUIRED,
    _ENTER_OPTIONS.replace("locate_broker ", "") + " route bbo_weight_indicator",
    _TIMESTAMP, _USER_REF_NUM, _SIDE, _QUANTITY, _SYMBOL, _PRICE, _TIME_IN_FORCE, _DISPLAY,
    _ORDER_REFERENCE_NUMBER, _CAPACITY, _SWEEP, _CROSS_TYPE, _ORDER_STATE, _CL_ORD_ID)
ORDER_REPLACED = _message(
    "order_replaced", b"U", 68, "Order Replaced", _REQUIRED,
    "firm min_qty max_floor price_type post_only expire_time trade_now handle_inst "
    "bbo_weight_indicator user_ref_idx aiq_strategy aiq_group_id",
    _TIMESTAMP, _ORIG_USER_REF_NUM, _USER_REF_NUM, _SIDE, _QUANTITY, _SYMBOL, _PRICE,
    _TIME_IN_FORCE, _DISPLAY, _ORDER_REFERENCE_NUMBER, _CAPACITY, _SWEEP, _CROSS_TYPE,
    _ORDER_STATE, _CL_ORD_ID)
ORDER_CANCELED = _message(
    "order_canceled", b"C", 20, "Order Canceled", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _QUANTITY, code("reason", 1, CancelReason))
AIQ_CANCELED = _message(
    "aiq_canceled", b"D", 34, "AIQ Canceled", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, uint("decrement_shares", 4, unit="shares"),
    code("reason", 1, AiqReason), uint("quantity_prevented_from_trading", 4, unit="shares"),
    price("execution_price", 8), _LIQUIDITY_FLAG, text("aiq_strategy", 1))
ORDER_EXECUTED = _message(
    "order_executed", b"E", 36, "Order Executed", _REQUIRED, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _QUANTITY, _PRICE, _LIQUIDITY_FLAG, _MATCH_NUMBER)
BROKEN_TRADE = _message(
    "broken_trade", b"B", 38, "Broken Trade", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _MATCH_NUMBER, code("reason", 1, BrokenTradeReason), _CL_ORD_ID)
REJECTED = _message(
    "rejected", b"J", 31, "Rejected Order", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM,
    uint("reason", 2, description="see RejectReason; an unknown one is a rejection as well"),
    _CL_ORD_ID)
CANCEL_PENDING = _message(
    "cancel_pending", b"P", 15, "Cancel Pending", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM)
CANCEL_REJECT = _message(
    "cancel_reject", b"I", 15, "Cancel Reject", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM)
ORDER_PRIORITY_UPDATE = _message(
    "order_priority_update", b"T", 32, "Order Priority Update", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _PRICE, _DISPLAY, _ORDER_REFERENCE_NUMBER)
ORDER_MODIFIED = _message(
    "order_modified", b"M", 20, "Order Modified", _OPTIONAL,
    "user_ref_idx shares_located locate_broker",
    _TIMESTAMP, _USER_REF_NUM, _SIDE, _QUANTITY)
ORDER_RESTATED = _message(
    "order_restated", b"R", 16, "Order Restated", _REQUIRED,
    "display_quantity display_price secondary_ord_ref_num user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, code("reason", 1, RestateReason))
MASS_CANCEL_RESPONSE = _message(
    "mass_cancel_response", b"X", 27, "Mass Cancel Response", _REQUIRED,
    "side group_id user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _FIRM, _SYMBOL)
DISABLE_ORDER_ENTRY_RESPONSE = _message(
    "disable_order_entry_response", b"G", 19, "Disable Order Entry Response", _REQUIRED,
    "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _FIRM)
ENABLE_ORDER_ENTRY_RESPONSE = _message(
    "enable_order_entry_response", b"K", 19, "Enable Order Entry Response", _REQUIRED,
    "user_ref_idx",
    _TIMESTAMP, _USER_REF_NUM, _FIRM)
ACCOUNT_QUERY_RESPONSE = _message(
    "account_query_response", b"Q", 15, "Account Query Response", _OPTIONAL, "user_ref_idx",
    _TIMESTAMP, uint("next_user_ref_num", 4))


def _by_type(*messages: OuchMessage) -> dict[int, OuchMessage]:
    table = {message.layout.type[0]: message for message in messages if message.layout.type}
    if len(table) != len(messages):
        raise WireError("two messages have the same type, or one has none")
    return table


#: Messages of the client and of the exchange, by the value of their type byte.
INBOUND = _by_type(
    ENTER_ORDER, REPLACE_ORDER, CANCEL_ORDER, MODIFY_ORDER, MASS_CANCEL, DISABLE_ORDER_ENTRY,
    ENABLE_ORDER_ENTRY, ACCOUNT_QUERY)
OUTBOUND = _by_type(
    SYSTEM_EVENT, ORDER_ACCEPTED, ORDER_REPLACED, ORDER_CANCELED, AIQ_CANCELED, ORDER_EXECUTED,
    BROKEN_TRADE, REJECTED, CANCEL_PENDING, CANCEL_REJECT, ORDER_PRIORITY_UPDATE, ORDER_MODIFIED,
    ORDER_RESTATED, MASS_CANCEL_RESPONSE, DISABLE_ORDER_ENTRY_RESPONSE,
    ENABLE_ORDER_ENTRY_RESPONSE, ACCOUNT_QUERY_RESPONSE)
