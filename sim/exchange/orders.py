"""What goes into a market and what comes out of it: orders, book events, trades, private reports.

Prices are integers in 1e-4 USD, times nanoseconds since midnight, quantities shares.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from proto.wire.itch50 import CrossType, EventCode, ImbalanceDirection, Side, TradingState
from proto.wire.ouch50_codes import CancelReason
from sim.errors import SimulationError

__all__ = [
    "Added", "BookEvent", "Broken", "Cancelled", "Crossed", "Deleted", "Executed",
    "ExecutedWithPrice", "Fill", "Imbalance", "Instrument", "Market", "NewOrder", "OrderError",
    "Outcome", "Party", "Reduced", "Replaced", "Report", "Side", "StateChanged", "SystemTold",
    "TimeInForce", "Trade", "Traded", "VenueEvent", "other_side",
]


class OrderError(SimulationError):
    """An order is asked for that is not live, or an order cannot be."""


class TimeInForce(Enum):
    """How long an order lives.

    An order for the next cross waits where nobody sees it and takes part in that only.
    """

    DAY = "day"
    IOC = "immediate or cancel"
    CROSS = "next cross"


def other_side(side: Side) -> Side:
    """Return the side that `side` trades with."""
    return Side.SELL if side is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A symbol that is traded.

    Attributes
    ----------
    symbol : str
        At most eight characters.
    locate : int
        Stock locate, at least 1.
    tick_e4 : int
        Every price is a multiple of it.
    round_lot : int
        Shares.
    """

    symbol: str
    locate: int
    tick_e4: int = 100
    round_lot: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order that enters.

    Attributes
    ----------
    symbol, side, quantity, price_e4
        What is wanted.
    time_in_force : TimeInForce
        Whether what is not executed at once rests.
    account : str
        Whose order it is; empty for the background, whose members are not told apart.
    displayed : bool
        Whether the feed shows it; at the same price, hidden orders come after displayed ones.
    improvement_e4 : int
        How much better than its displayed price the other party gets; makes executions with price.
    post_only : bool
        Cancel it rather than let it take.
    mpid : str
        Four characters that the feed attributes the order to, or empty.
    """

    symbol: str
    side: Side
    quantity: int
    price_e4: int
    time_in_force: TimeInForce = TimeInForce.DAY
    account: str = ""
    displayed: bool = True
    improvement_e4: int = 0
    post_only: bool = False
    mpid: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """A displayed order rests."""

    ts_ns: int
    symbol: str
    reference: int
    side: Side
    quantity: int
    price_e4: int
    mpid: str = ""


@dataclass(frozen=True, slots=True)
class Executed:
    """A displayed order was executed at its own price."""

    ts_ns: int
    symbol: str
    reference: int
    quantity: int
    match_number: int


@dataclass(frozen=True, slots=True)
class ExecutedWithPrice:
    """A displayed order was executed at another price than its own.

    One that is not printable is part of a cross, whose volume is told as a whole.
    """

    ts_ns: int
    symbol: str
    reference: int
    quantity: int
    match_number: int
    price_e4: int
    printable: bool = True


@dataclass(frozen=True, slots=True)
class Reduced:
    """Some shares of a displayed order were cancelled."""

    ts_ns: int
    symbol: str
    reference: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """A displayed order is gone with all its shares."""

    ts_ns: int
    symbol: str
    reference: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """A displayed order has become another one, behind all others at its price."""

    ts_ns: int
    symbol: str
    original_reference: int
    reference: int
    quantity: int
    price_e4: int


@dataclass(frozen=True, slots=True)
class Traded:
    """A hidden order was executed."""

    ts_ns: int
    symbol: str
    quantity: int
    price_e4: int
    match_number: int


@dataclass(frozen=True, slots=True)
class Crossed:
    """A cross took place with all its shares at one price; none of either if nobody met."""

    ts_ns: int
    symbol: str
    quantity: int
    price_e4: int
    match_number: int
    cross_type: CrossType


@dataclass(frozen=True, slots=True)
class Imbalance:
    """How a cross would end now.

    Attributes
    ----------
    paired, imbalance : int
        Shares that would trade at the reference price, and shares left over there.
    direction : ImbalanceDirection
        Side of what is left over.
    far_price_e4, near_price_e4 : int
        Price of a cross of the orders for it alone, and of all orders; 0 if nobody would meet.
    reference_price_e4 : int
        The near price, within best bid and offer; 0 if nobody would meet.
    """

    ts_ns: int
    symbol: str
    paired: int
    imbalance: int
    direction: ImbalanceDirection
    far_price_e4: int
    near_price_e4: int
    reference_price_e4: int
    cross_type: CrossType


@dataclass(frozen=True, slots=True)
class Broken:
    """An execution does not count any more; no book changes."""

    ts_ns: int
    symbol: str
    match_number: int


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The trading state of a symbol is another one."""

    ts_ns: int
    symbol: str
    state: TradingState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SystemTold:
    """The day has come to another phase; of no symbol."""

    ts_ns: int
    code: EventCode


BookEvent = Added | Executed | ExecutedWithPrice | Reduced | Deleted | Replaced | Traded
VenueEvent = BookEvent | Crossed | Imbalance | Broken | StateChanged | SystemTold


class Party(NamedTuple):
    """One side of a trade: its order, and its account, empty for the background."""

    reference: int
    account: str


@dataclass(frozen=True, slots=True)
class Trade:
    """An execution as the market itself keeps it, hidden orders included.

    Attributes
    ----------
    buyer, seller : Party
        Who traded.
    taker : Side or None
        Side of the order that came; none in a cross.
    """

    ts_ns: int
    symbol: str
    quantity: int
    price_e4: int
    match_number: int
    buyer: Party
    seller: Party
    taker: Side | None


@dataclass(frozen=True, slots=True)
class Fill:
    """An execution as the owner of one of the two orders sees it.

    Attributes
    ----------
    added : bool
        Whether the order rested (added liquidity) or took.
    cross : CrossType or None
        The cross that it was part of.
    """

    ts_ns: int
    account: str
    reference: int
    symbol: str
    side: Side
    quantity: int
    price_e4: int
    match_number: int
    added: bool
    cross: CrossType | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Shares of an order of an account are gone without a trade."""

    ts_ns: int
    account: str
    reference: int
    quantity: int
    reason: CancelReason


Report = Fill | Cancelled


@dataclass(slots=True)
class Outcome:
    """All that one action on a market has caused, in order.

    Attributes
    ----------
    reference : int
        Number of the order that the action was about.
    open_quantity : int
        What of it is open now.
    events : list of VenueEvent
        What the feed must tell.
    reports : list of Report
        What the owners must be told; nothing for the background.
    trades : list of Trade
        All executions, for those who keep books of their own; a replayed market has none.
    """

    reference: int
    open_quantity: int = 0
    events: list[VenueEvent] = field(default_factory=list[VenueEvent])
    reports: list[Report] = field(default_factory=list[Report])
    trades: list[Trade] = field(default_factory=list[Trade])


class Market(Protocol):
    """Where the orders of an account go: the matching engine, or a replayed market."""

    def instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument, or None if it is not traded here."""
        ...

    def best(self, symbol: str, side: Side) -> tuple[int, int, int]:
        """Return price, shares and orders of the best displayed level; zeros if there is none."""
        ...

    def enter(self, order: NewOrder, now_ns: int) -> Outcome:
        """Enter an order."""
        ...

    def reduce(self, reference: int, quantity: int, now_ns: int,
               reason: CancelReason = CancelReason.USER_REQUESTED) -> Outcome:
        """Take `quantity` shares, or all that are open if those are fewer, off a live order."""
        ...

    def replace(self, reference: int, quantity: int, price_e4: int, now_ns: int) -> Outcome:
        """Replace a live order by one of `quantity` shares at another price."""
        ...
