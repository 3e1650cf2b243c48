"""What the stages hand to each other; every layout that two folders share, a line a field."""

from amaranth import *
from amaranth.lib import data, enum

from hdl.profile import Profile
from proto.features import DEPTH_LEVELS, HIDDEN_TRADES_MAXIMUM, TIME_SHIFT

__all__ = [
    "AdminKind", "EXCHANGE_TIME_BITS", "EventComing", "FeedMessage", "FrameInfo",
    "HIDDEN_TRADE_BITS", "LevelUpdate", "MessageContext", "OperationKind", "BookOperation",
    "AdminMessage", "OperationAhead", "Side", "SideDepth", "TAG_BITS", "TopOfBook", "TopLevel",
    "UpdateKind",
]

#: Width of the tag that ties an operation to its :class:`MessageContext`.
TAG_BITS = 5

#: Width of exchange time since midnight in the unit of the features.
EXCHANGE_TIME_BITS = 48 - TIME_SHIFT

#: Width of the number of trades of hidden orders between two events.
HIDDEN_TRADE_BITS = HIDDEN_TRADES_MAXIMUM.bit_length()


class Side(enum.Enum, shape=1):
    """Side of a resting order."""

    BUY = 0
    SELL = 1


class FrameInfo(data.Struct):
    """What the receiver knows of a frame besides its bytes; one a frame, in order.

    ``start_cycles`` is the core cycle in which Start left the elastic buffer.
    """

    start_cycles: 48


class FeedMessage(data.Struct):
    """Up to sixteen bytes of one feed message; message-aligned.

    Beat ``k`` of a message (``k`` counts from 0) holds message bytes ``8 k`` to ``8 k + 15`` in
    ``data`` (lane 0 first); each beat repeats the upper half of the one before, completed. Bytes
    past the end of the message, or not yet received, are undefined. ``last`` comes as soon as the
    final byte is among the sixteen.
    """

    data: 128
    first: 1
    last: 1
    #: Length of the message in bytes; valid with ``last``.
    length: 16
    #: Sequence number of the message in its session; valid with ``last``.
    sequence: 64
    #: The message is the next one of the stream (not a duplicate to be skipped); with ``last``.
    accept: 1
    #: Cycle stamp of the frame's Start; valid with ``last``.
    start_cycles: 48


class OperationKind(enum.Enum, shape=2):
    """What a feed message does to one order."""

    ADD = 0      #: insert ``reference`` (A, F)
    REDUCE = 1   #: take ``shares`` off ``reference`` (E, C, X)
    DELETE = 2   #: remove ``reference`` (D)
    REPLACE = 3  #: remove ``reference``, insert ``new_reference`` on the same side (U)


def BookOperation(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of one decoded message that changes a watched symbol's book."""
    return data.StructLayout({
        "kind": OperationKind,
        "symbol_index": profile.symbol_bits,
        "tag": TAG_BITS,
        "reference": 64,
        "new_reference": 64,   # REPLACE only
        "side": Side,          # ADD only
        "shares": 32,          # ADD, REPLACE: new displayed shares; REDUCE: shares taken off
        "price": 32,           # ADD, REPLACE, 1e-4 USD
        "execution": 1,        # REDUCE that is a trade (E, C), not a cancel (X)
    })


def OperationAhead(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what is known of an operation in the cycle before it is offered.

    Every operation is announced by ``load`` in the cycle before its ``valid`` rises; not every
    announcement is followed by one. ``near`` is known earlier in the cycle: the message may end in
    this cycle or wait. The other fields are those of the operation.
    """
    return data.StructLayout({
        "load": 1,
        "near": 1,
        "symbol_index": profile.symbol_bits,
        "reference": 64,
        "side": Side,        # ADD only
    })


class UpdateKind(enum.Enum, shape=2):
    """What a :class:`LevelUpdate` means."""

    ADD = 0       #: an order of ``quantity`` joins the level
    REMOVE = 1    #: ``quantity`` leaves the level; with ``final`` the order leaves as well
    NONE = 2      #: nothing changes (unknown reference); ends its event all the same
    WALK_END = 3  #: every order of the side under rebuild has been re-added


def LevelUpdate(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of one change of one price level.

    An update with ``walk`` re-adds an order that was in the table before: it concerns only the
    price-level memory (the rebuild of one side), no event, no cache. ``touch_levels`` low
    means the price-level memory must not be changed, as the rebuild will find the new state.
    """
    return data.StructLayout({
        "kind": UpdateKind,
        "symbol_index": profile.symbol_bits,
        "side": Side,
        "price": 32,
        "quantity": 32,
        "new_price": 32,     # first half of a REPLACE: what its second half will add
        "new_quantity": 32,
        "final": 1,
        "event_last": 1,     # last update of the message; its end is the end of the atomic event
        "suspect": 1,        # the message shows that data were lost: the book is incomplete
        "overflow": 1,       # the order could not be stored: the book is stale from here on
        "execution": 1,
        "walk": 1,
        "touch_levels": 1,
        "tag": TAG_BITS,
    })


class AdminKind(enum.Enum, shape=3):
    """Feed messages that change what may be traded, not the book."""

    SYSTEM_EVENT = 0      #: S, ``code`` = event code
    DIRECTORY = 1         #: R of a watched symbol
    TRADING_ACTION = 2    #: H, ``code`` = trading state
    OPERATIONAL_HALT = 3  #: h, ``code`` = action, ``market`` = market code
    MWCB_STATUS = 4       #: W, ``code`` = breached level
    REG_SHO = 5           #: Y, ``code`` = action


def AdminMessage(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of a decoded message that concerns trading state."""
    return data.StructLayout({
        "kind": AdminKind,
        "symbol_index": profile.symbol_bits,   # not of S and W, which concern the market
        "code": 8,
        "market": 8,
        "tag": TAG_BITS,
    })


class MessageContext(data.Struct):
    """What caused an operation; kept by the decoder in a ring indexed by tag."""

    sequence: 64
    timestamp_ns: 48
    start_cycles: 48
    locate: 16
    message_type: 8


class TopLevel(data.Struct):
    """The best price level of one side; all zero when the side is empty."""

    price: 32
    quantity: 32
    count: 16


def TopOfBook(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of a symbol's best bid and offer after one event."""
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "tag": TAG_BITS,
        "bid": TopLevel,
        "ask": TopLevel,
        "repeated": 1,     # the message has been published before: its side is known again
        "changed": 1,      # price or quantity of either side differs from what was published last
        "exact": 1,        # neither stale nor incomplete, both sides known
        "stale": 1,
        "incomplete": 1,
        "side": Side,      # the side the event touched
        "execution": 1,    # a displayed order traded
        "traded": 32,      # shares that traded
    })


def EventComing(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what is known of an event in the cycle before its top is published.

    It means nothing if none is.
    """
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "start_cycles": 48,                     # core cycle of Start of the frame that caused it
        "time": EXCHANGE_TIME_BITS,             # of the message, 1024 ns
        "hidden_trades": HIDDEN_TRADE_BITS,     # of the symbol since its event before, saturated
    })


def SideDepth(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of the best levels of one side, best first; zero where there is none."""
    level = data.StructLayout({"price": 32, "quantity": 32})
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "side": Side,
        "event": 1,                # an event has ended; else more levels have become known
        "waits": 1,                # its top is not published yet; it comes again when it is
        "levels": data.ArrayLayout(level, DEPTH_LEVELS),
        "valid": DEPTH_LEVELS,     # a thermometer
        "unknown": 1,              # the side has more levels, which are not known
    })
