"""Nasdaq TotalView-ITCH 5.0: every message of the outbound depth-of-book feed.

Ref: Nasdaq TotalView-ITCH 5.0, revision of 2026-02-19; Nasdaq Texas (BX) and PSX editions of
2026-02-13 have the same layouts.

An unknown message type is skipped by its length. An unknown code must be taken as the most
restrictive one: of a system event or a trading state, stop trading.
"""

from proto.wire.message import Code, Field, Message, by_type, code, price, text, uint

__all__ = [
    "ADD_ORDER", "ADD_ORDER_MPID", "BROKEN_TRADE", "CROSS_TRADE",
    "DIRECT_LISTING_WITH_CAPITAL_RAISE", "HEADER", "IPO_QUOTING_PERIOD_UPDATE",
    "LULD_AUCTION_COLLAR", "MARKET_PARTICIPANT_POSITION", "MESSAGES", "MWCB_DECLINE_LEVEL",
    "MWCB_STATUS", "NOII", "OPERATIONAL_HALT", "ORDER_CANCEL", "ORDER_DELETE", "ORDER_EXECUTED",
    "ORDER_EXECUTED_WITH_PRICE", "ORDER_REPLACE", "REG_SHO_RESTRICTION",
    "RETAIL_PRICE_IMPROVEMENT_INDICATOR", "STOCK_DIRECTORY", "STOCK_TRADING_ACTION",
    "SYSTEM_EVENT", "TRADE", "Authenticity", "BreachedLevel", "CrossType", "EventCode",
    "FinancialStatus", "Flag", "ImbalanceDirection", "InterestFlag", "IpoFlag",
    "IpoReleaseQualifier", "LuldTier", "MarketCategory", "MarketCode", "MarketMakerMode",
    "MarketParticipantState", "OperationalHaltAction", "PriceVariation", "RegShoAction", "Side",
    "TradingState",
]

_SOURCE = "TotalView-ITCH 5.0, "


class Side(Code):
    """Buy/Sell Indicator."""

    BUY = "B"
    SELL = "S"


class Flag(Code):
    """Yes or no, or a space where that is not known or not applicable."""

    YES = "Y"
    NO = "N"
    NOT_AVAILABLE = " "


class EventCode(Code):
    """System Event Code."""

    START_OF_MESSAGES = "O"
    START_OF_SYSTEM_HOURS = "S"
    START_OF_MARKET_HOURS = "Q"
    END_OF_MARKET_HOURS = "M"
    END_OF_SYSTEM_HOURS = "E"
    END_OF_MESSAGES = "C"


class MarketCategory(Code):
    """Listing market of a stock."""

    NASDAQ_GLOBAL_SELECT = "Q"
    NASDAQ_GLOBAL_MARKET = "G"
    NASDAQ_CAPITAL_MARKET = "S"
    NYSE = "N"
    NYSE_AMERICAN = "A"
    NYSE_ARCA = "P"
    NYSE_TEXAS = "M"
    CBOE_BZX = "Z"
    IEX = "V"
    NOT_AVAILABLE = " "


class FinancialStatus(Code):
    """Financial Status Indicator of a Nasdaq-listed stock."""

    NORMAL = "N"
    DEFICIENT = "D"
    DELINQUENT = "E"
    BANKRUPT = "Q"
    SUSPENDED = "S"
    DEFICIENT_BANKRUPT = "G"
    DEFICIENT_DELINQUENT = "H"
    DELINQUENT_BANKRUPT = "J"
    DEFICIENT_DELINQUENT_BANKRUPT = "K"
    ETP_CREATIONS_SUSPENDED = "C"
    NOT_AVAILABLE = " "


class Authenticity(Code):
    """Whether an instrument is live or a test."""

    PRODUCTION = "P"
    TEST = "T"


class IpoFlag(Code):
    """IPO Flag."""

    NEW_IPO = "Y"
    NOT_NEW_IPO = "N"
    NEW_LISTING_NOT_IPO = "Z"
    NOT_AVAILABLE = " "


class LuldTier(Code):
    """LULD Reference Price Tier."""

    TIER_1 = "1"
    TIER_2 = "2"
    NOT_AVAILABLE = " "


class TradingState(Code):
    """Trading State of a stock; only ``TRADING`` allows continuous trading."""

    HALTED = "H"
    PAUSED = "P"
    QUOTATION_ONLY = "Q"
    TRADING = "T"


class RegShoAction(Code):
    """Reg SHO Action; the price test of Rule 201 is active after all but ``NO_PRICE_TEST``."""

    NO_PRICE_TEST = "0"
    RESTRICTION_STARTS = "1"
    RESTRICTION_REMAINS = "2"


class MarketMakerMode(Code):
    """Market Maker Mode."""

    NORMAL = "N"
    PASSIVE = "P"
    SYNDICATE = "S"
    PRE_SYNDICATE = "R"
    PENALTY = "L"


class MarketParticipantState(Code):
    """Market Participant State."""

    ACTIVE = "A"
    EXCUSED = "E"
    WITHDRAWN = "W"
    SUSPENDED = "S"
    DELETED = "D"


class BreachedLevel(Code):
    """Level of the market-wide circuit breaker."""

    LEVEL_1 = "1"
    LEVEL_2 = "2"
    LEVEL_3 = "3"


class IpoReleaseQualifier(Code):
    """IPO Quotation Release Qualifier."""

    ANTICIPATED = "A"
    CANCELLED = "C"


class MarketCode(Code):
    """Market that an operational halt concerns."""

    NASDAQ = "Q"
    BX = "B"
    PSX = "X"


class OperationalHaltAction(Code):
    """Operational Halt Action."""

    HALTED = "H"
    LIFTED = "T"


class CrossType(Code):
    """Cross Type; ``INTRADAY`` on BX and PSX only, ``EXTENDED_CLOSE`` in NOII only."""

    OPENING = "O"
    CLOSING = "C"
    HALT_OR_IPO = "H"
    INTRADAY = "I"
    EXTENDED_CLOSE = "A"


class ImbalanceDirection(Code):
    """Imbalance Direction."""

    BUY = "B"
    SELL = "S"
    NONE = "N"
    NOT_ENOUGH_ORDERS = "O"
    PAUSED = "P"


class PriceVariation(Code):
    """Price Variation Indicator: deviation of the near price from the reference price."""

    BELOW_1_PERCENT = "L"
    FROM_1_PERCENT = "1"
    FROM_2_PERCENT = "2"
    FROM_3_PERCENT = "3"
    FROM_4_PERCENT = "4"
    FROM_5_PERCENT = "5"
    FROM_6_PERCENT = "6"
    FROM_7_PERCENT = "7"
    FROM_8_PERCENT = "8"
    FROM_9_PERCENT = "9"
    FROM_10_PERCENT = "A"
    FROM_20_PERCENT = "B"
    FROM_30_PERCENT = "C"
    NOT_AVAILABLE = " "


class InterestFlag(Code):
    """Interest Flag of the retail price improvement indicator."""

    BUY = "B"
    SELL = "S"
    BOTH = "A"
    NONE = "N"


def _header() -> tuple[Field, ...]:
    """Return what follows the type byte of every message."""
    return (
        uint("stock_locate", 2, description="index of the instrument, anew each day; 0 = none"),
        uint("tracking_number", 2),
        uint("timestamp", 6, unit="ns since midnight"),
    )


def _message(name: str, type: bytes, size: int, section: str, *fields: Field) -> Message:
    return Message(name, type=type, size=size, source=_SOURCE + section,
                   fields=(*_header(), *fields))


#: The bytes that all messages share, whatever their type.
HEADER = Message("header", size=11, source=_SOURCE + "every message",
                 fields=(uint("message_type", 1), *_header()))

SYSTEM_EVENT = _message(
    "system_event", b"S", 12, "System Event",
    code("event_code", 1, EventCode),
)
STOCK_DIRECTORY = _message(
    "stock_directory", b"R", 39, "Stock Directory",
    text("stock", 8), code("market_category", 1, MarketCategory),
    code("financial_status_indicator", 1, FinancialStatus),
    uint("round_lot_size", 4, unit="shares"), code("round_lots_only", 1, Flag),
    text("issue_classification", 1), text("issue_sub_type", 2),
    code("authenticity", 1, Authenticity), code("short_sale_threshold_indicator", 1, Flag),
    code("ipo_flag", 1, IpoFlag), code("luld_reference_price_tier", 1, LuldTier),
    code("etp_flag", 1, Flag), uint("etp_leverage_factor", 4), code("inverse_indicator", 1, Flag),
)
STOCK_TRADING_ACTION = _message(
    "stock_trading_action", b"H", 25, "Stock Trading Action",
    text("stock", 8), code("trading_state", 1, TradingState),
    text("reserved", 1), text("reason", 4),
)
REG_SHO_RESTRICTION = _message(
    "reg_sho_restriction", b"Y", 20, "Reg SHO Short Sale Price Test Restricted Indicator",
    text("stock", 8), code("reg_sho_action", 1, RegShoAction),
)
MARKET_PARTICIPANT_POSITION = _message(
    "market_participant_position", b"L", 26, "Market Participant Position",
    text("mpid", 4), text("stock", 8), code("primary_market_maker", 1, Flag),
    code("market_maker_mode", 1, MarketMakerMode),
    code("market_participant_state", 1, MarketParticipantState),
)
MWCB_DECLINE_LEVEL = _message(
    "mwcb_decline_level", b"V", 35, "MWCB Decline Level",
    price("level_1", 8, unit="1e-8 index points"), price("level_2", 8, unit="1e-8 index points"),
    price("level_3", 8, unit="1e-8 index points"),
)
MWCB_STATUS = _message(
    "mwcb_status", b"W", 12, "MWCB Status",
    code("breached_level", 1, BreachedLevel),
)
IPO_QUOTING_PERIOD_UPDATE = _message(
    "ipo_quoting_period_update", b"K", 28, "IPO Quoting Period Update",
    text("stock", 8), uint("ipo_quotation_release_time", 4, unit="s since midnight"),
    code("ipo_quotation_release_qualifier", 1, IpoReleaseQualifier), price("ipo_price", 4),
)
LULD_AUCTION_COLLAR = _message(
    "luld_auction_collar", b"J", 35, "LULD Auction Collar",
    text("stock", 8), price("auction_collar_reference_price", 4),
    price("upper_auction_collar_price", 4), price("lower_auction_collar_price", 4),
    uint("auction_collar_extension", 4, description="extensions of the reopening auction so far"),
)
OPERATIONAL_HALT = _message(
    "operational_halt", b"h", 21, "Operational Halt",
    text("stock", 8), code("market_code", 1, MarketCode),
    code("operational_halt_action", 1, OperationalHaltAction),
)
ADD_ORDER = _message(
    "add_order", b"A", 36, "Add Order (no MPID)",
    uint("order_reference_number", 8), code("buy_sell_indicator", 1, Side),
    uint("shares", 4, unit="shares", description="displayed part only"),
    text("stock", 8), price("price", 4),
)
ADD_ORDER_MPID = _message(
    "add_order_mpid", b"F", 40, "Add Order with MPID",
    uint("order_reference_number", 8), code("buy_sell_indicator", 1, Side),
    uint("shares", 4, unit="shares", description="displayed part only"),
    text("stock", 8), price("price", 4), text("attribution", 4),
)
ORDER_EXECUTED = _message(
    "order_executed", b"E", 31, "Order Executed",
    uint("order_reference_number", 8),
    uint("executed_shares", 4, unit="shares", description="incremental"),
    uint("match_number", 8),
)
ORDER_EXECUTED_WITH_PRICE = _message(
    "order_executed_with_price", b"C", 36, "Order Executed with Price",
    uint("order_reference_number", 8),
    uint("executed_shares", 4, unit="shares",
         description="incremental, off the order's book price level"),
    uint("match_number", 8), code("printable", 1, Flag), price("execution_price", 4),
)
ORDER_CANCEL = _message(
    "order_cancel", b"X", 23, "Order Cancel",
    uint("order_reference_number", 8),
    uint("cancelled_shares", 4, unit="shares", description="incremental"),
)
ORDER_DELETE = _message(
    "order_delete", b"D", 19, "Order Delete",
    uint("order_reference_number", 8),
)
ORDER_REPLACE = _message(
    "order_replace", b"U", 35, "Order Replace",
    uint("original_order_reference_number", 8), uint("new_order_reference_number", 8),
    uint("shares", 4, unit="shares", description="new displayed quantity"), price("price", 4),
)
TRADE = _message(
    "trade", b"P", 44, "Trade (Non-Cross)",
    uint("order_reference_number", 8, description="0 since 2010-12-06"),
    code("buy_sell_indicator", 1, Side, description="always B since 2014-07-14"),
    uint("shares", 4, unit="shares"), text("stock", 8), price("price", 4),
    uint("match_number", 8),
)
CROSS_TRADE = _message(
    "cross_trade", b"Q", 40, "Cross Trade",
    uint("shares", 8, unit="shares", description="0 when no cross took place"), text("stock", 8),
    price("cross_price", 4), uint("match_number", 8), code("cross_type", 1, CrossType),
)
BROKEN_TRADE = _message(
    "broken_trade", b"B", 19, "Broken Trade",
    uint("match_number", 8),
)
NOII = _message(
    "noii", b"I", 50, "Net Order Imbalance Indicator",
    uint("paired_shares", 8, unit="shares"), uint("imbalance_shares", 8, unit="shares"),
    code("imbalance_direction", 1, ImbalanceDirection), text("stock", 8),
    price("far_price", 4), price("near_price", 4), price("current_reference_price", 4),
    code("cross_type", 1, CrossType), code("price_variation_indicator", 1, PriceVariation),
)
RETAIL_PRICE_IMPROVEMENT_INDICATOR = _message(
    "retail_price_improvement_indicator", b"N", 20, "Retail Price Improvement Indicator",
    text("stock", 8), code("interest_flag", 1, InterestFlag),
)
DIRECT_LISTING_WITH_CAPITAL_RAISE = _message(
    "direct_listing_with_capital_raise", b"O", 48,
    "Direct Listing with Capital Raise Price Discovery",
    text("stock", 8), code("open_eligibility_status", 1, Flag),
    price("minimum_allowable_price", 4), price("maximum_allowable_price", 4),
    price("near_execution_price", 4), uint("near_execution_time", 8, unit="ns since midnight"),
    price("lower_price_range_collar", 4), price("upper_price_range_collar", 4),
)

#: Every message by the value of its type byte.
MESSAGES = by_type(
    SYSTEM_EVENT, STOCK_DIRECTORY, STOCK_TRADING_ACTION, REG_SHO_RESTRICTION,
    MARKET_PARTICIPANT_POSITION, MWCB_DECLINE_LEVEL, MWCB_STATUS, IPO_QUOTING_PERIOD_UPDATE,
    LULD_AUCTION_COLLAR, OPERATIONAL_HALT, ADD_ORDER, ADD_ORDER_MPID, ORDER_EXECUTED,
    ORDER_EXECUTED_WITH_PRICE, ORDER_CANCEL, ORDER_DELETE, ORDER_REPLACE, TRADE, CROSS_TRADE,
    BROKEN_TRADE, NOII, RETAIL_PRICE_IMPROVEMENT_INDICATOR, DIRECT_LISTING_WITH_CAPITAL_RAISE,
)
