"""Codes of OUCH 5.0 fields.

Ref: Nasdaq OUCH 5.0 Order Entry Specification, revision 1.04.
"""

from enum import IntEnum

from proto.wire.message import Code

__all__ = [
    "AiqReason", "BrokenTradeReason", "CancelReason", "Capacity", "CrossType", "CustomerType",
    "Display", "EventCode", "Flag", "OrderState", "PostOnly", "PriceType", "RejectReason",
    "RestateReason", "Side", "TimeInForce",
]


class Side(Code):
    """Side of an order."""

    BUY = "B"
    SELL = "S"
    SELL_SHORT = "T"
    SELL_SHORT_EXEMPT = "E"


class TimeInForce(Code):
    """How long an order lives; ``GTT`` needs the option expire_time."""

    DAY = "0"
    IOC = "3"
    GTX = "5"
    GTT = "6"
    AFTER_HOURS = "E"


class Display(Code):
    """Whether an order is shown; ``CONFORMANT`` comes from the exchange only."""

    VISIBLE = "Y"
    HIDDEN = "N"
    ATTRIBUTABLE = "A"
    CONFORMANT = "Z"


class Capacity(Code):
    """Capacity in which the firm acts."""

    AGENCY = "A"
    PRINCIPAL = "P"
    RISKLESS = "R"
    OTHER = "O"


class Flag(Code):
    """Yes or no; a space where the port's default holds."""

    YES = "Y"
    NO = "N"
    DEFAULT = " "


class CrossType(Code):
    """Cross an order is meant for; ``CONTINUOUS`` for none."""

    CONTINUOUS = "N"
    OPENING = "O"
    CLOSING = "C"
    HALT_OR_IPO = "H"
    SUPPLEMENTAL = "S"
    RETAIL = "R"
    EXTENDED_LIFE = "E"
    AFTER_HOURS_CLOSE = "A"


class CustomerType(Code):
    """Option customer_type."""

    RETAIL_DESIGNATED = "R"
    NOT_RETAIL_DESIGNATED = "N"
    DEFAULT = " "


class PriceType(Code):
    """Option price_type, and discretion_price_type."""

    LIMIT = "L"
    MARKET_PEG = "P"
    MIDPOINT_PEG = "M"
    PRIMARY_PEG = "R"
    MARKET_MAKER_PEG = "Q"
    MIDPOINT = "m"


class PostOnly(Code):
    """Option post_only."""

    POST_ONLY = "P"
    NO = "N"


class EventCode(Code):
    """Event Code of a system event; after ``END_OF_DAY`` breaks and cancels may still come."""

    START_OF_DAY = "S"
    END_OF_DAY = "E"


class OrderState(Code):
    """Order State; nothing follows for a dead order."""

    LIVE = "L"
    DEAD = "D"


class CancelReason(Code):
    """Reason of a cancellation."""

    USER_REQUESTED = "U"
    IMMEDIATE_OR_CANCEL = "I"
    TIME_IN_FORCE_EXPIRED = "T"
    SUPERVISORY = "S"
    REGULATORY_RESTRICTION = "D"
    SELF_MATCH_PREVENTION = "Q"
    SYSTEM = "Z"
    MARKET_COLLARS = "K"
    HALTED = "H"
    OPEN_PROTECTION = "X"
    CLOSED = "E"
    POST_ONLY_NMS = "F"
    POST_ONLY_CONTRA = "G"
    DIRECT_LISTING_EXCEEDED = "e"


class AiqReason(Code):
    """Reason of an AIQ cancellation."""

    SELF_MATCH_PREVENTION = "Q"


class BrokenTradeReason(Code):
    """Reason of a broken trade."""

    ERRONEOUS = "E"
    CONSENT = "C"
    SUPERVISORY = "S"
    EXTERNAL = "X"


class RestateReason(Code):
    """Reason of a restatement."""

    REFRESH_OF_DISPLAY = "R"
    DISPLAYED_PRICE_CHANGED = "P"


class RejectReason(IntEnum):
    """Reason of a rejection."""

    QUOTE_UNAVAILABLE = 0x0001
    DESTINATION_CLOSED = 0x0002
    INVALID_DISPLAY = 0x0003
    INVALID_MAX_FLOOR = 0x0004
    INVALID_PEG_TYPE = 0x0005
    FAT_FINGER = 0x0006
    HALTED = 0x0007
    ISO_NOT_ALLOWED = 0x0008
    INVALID_SIDE = 0x0009
    PROCESSING_ERROR = 0x000A
    CANCEL_PENDING = 0x000B
    FIRM_NOT_AUTHORIZED = 0x000C
    INVALID_MIN_QUANTITY = 0x000D
    NO_CLOSING_REFERENCE_PRICE = 0x000E
    OTHER = 0x000F
    CANCEL_NOT_ALLOWED = 0x0010
    PEGGING_NOT_ALLOWED = 0x0011
    CROSSED_MARKET = 0x0012
    INVALID_QUANTITY = 0x0013
    INVALID_CROSS_ORDER = 0x0014
    REPLACE_NOT_ALLOWED = 0x0015
    ROUTING_NOT_ALLOWED = 0x0016
    INVALID_SYMBOL = 0x0017
    TEST = 0x0018
    LATE_LOC_TOO_AGGRESSIVE = 0x0019
    RETAIL_NOT_ALLOWED = 0x001A
    INVALID_MIDPOINT_POST_ONLY_PRICE = 0x001B
    INVALID_DESTINATION = 0x001C
    INVALID_PRICE = 0x001D
    SHARES_EXCEED_THRESHOLD = 0x001E
    EXCEEDS_MAXIMUM_NOTIONAL = 0x001F
    RISK_AGGREGATE_EXPOSURE = 0x0020
    RISK_MARKET_IMPACT = 0x0021
    RISK_RESTRICTED_STOCK = 0x0022
    RISK_SHORT_SELL_RESTRICTED = 0x0023
    RISK_ISO_NOT_ALLOWED = 0x0024
    RISK_EXCEEDS_ADV_LIMIT = 0x0025
    RISK_FAT_FINGER = 0x0026
    RISK_LOCATE_REQUIRED = 0x0027
    RISK_SYMBOL_MESSAGE_RATE = 0x0028
    RISK_PORT_MESSAGE_RATE = 0x0029
    RISK_DUPLICATE_MESSAGE_RATE = 0x002A
    RISK_SHORT_SELL_NOT_ALLOWED = 0x002B
    RISK_MARKET_ORDER_NOT_ALLOWED = 0x002C
    RISK_PRE_MARKET_NOT_ALLOWED = 0x002D
    RISK_POST_MARKET_NOT_ALLOWED = 0x002E
    RISK_SHORT_SELL_EXEMPT_NOT_ALLOWED = 0x002F
    RISK_SINGLE_ORDER_NOTIONAL = 0x0030
    RISK_MAX_QUANTITY = 0x0031
    REG_SHO_STATE_NOT_AVAILABLE = 0x0032
    RISK_IPO_MARKET_BUY_NOT_ALLOWED = 0x0033
    INVALID_AIQ = 0x0040
