"""Records from a book change to an order and back; every layout that two of those stages share."""

from amaranth import *
from amaranth.lib import data, enum

from hdl.profile import Profile
from hdl.records import TAG_BITS, Side
from proto.features import FEATURE_BITS, FEATURES

__all__ = [
    "AnswerKind", "FEATURE_BITS", "FEATURE_NAMES", "FeatureVector", "IntentKind", "LEVEL_BITS",
    "LEVEL_COUNT", "OrderIntent", "OrderRequest", "OrderSent", "SCORE_BITS", "Score",
    "TimeInForce", "VenueAnswer",
]

#: Features in the order of the vector; formulas, scales and saturation in ``proto/features.py``.
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

#: Width of a score, signed.
SCORE_BITS = 32

#: Levels that a model compares its sum with, and their width, signed. The sum is compared before it
#: is cut to ``SCORE_BITS``; every sum lies between the lowest and the highest level.
LEVEL_COUNT = 4
LEVEL_BITS = SCORE_BITS + 3


class TimeInForce(enum.Enum, shape=1):
    """How long an order may rest."""

    IOC = 0
    DAY = 1


class IntentKind(enum.Enum, shape=1):
    """What a strategy wants."""

    ENTER = 0
    CANCEL = 1


def _origin(profile: Profile) -> dict:
    """Return the fields that tie a record to the book event that caused it."""
    return {
        "symbol_index": profile.symbol_bits,
        "tag": TAG_BITS,            # MessageContext of the trigger
        "start_cycles": 48,         # core cycle of Start of the trigger's frame
    }


def FeatureVector(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of the features of one symbol after one event, with its touch."""
    return data.StructLayout({
        **_origin(profile),
        "features": data.ArrayLayout(signed(FEATURE_BITS), len(FEATURE_NAMES)),
        "usable": 1,                # the book is exact and two-sided
        "bid_price": 32, "ask_price": 32,          # 1e-4 USD
        "bid_quantity": 32, "ask_quantity": 32,    # shares
    })


def Score(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of a model's answer to one feature vector; a positive score buys."""
    return data.StructLayout({
        **_origin(profile),
        "score": signed(SCORE_BITS),
        "below": LEVEL_COUNT,       # by level: the sum, before it is cut, is below it
        "epoch": 16,                # of the bank that scored, latched with the vector
        "usable": 1,
        "bid_price": 32, "ask_price": 32,
        "bid_quantity": 32, "ask_quantity": 32,
    })


def OrderIntent(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what the strategy asks the risk gate for."""
    return data.StructLayout({
        **_origin(profile),
        "kind": IntentKind,
        "side": Side,
        "quantity": 32,             # ENTER, shares
        "price": 32,                # ENTER, 1e-4 USD
        "time_in_force": TimeInForce,
        "user_ref_num": 32,         # CANCEL: the order to cancel
        "score": signed(SCORE_BITS),
        "epoch": 16,
    })


def OrderRequest(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of an intent that every check let pass; the session sends it at once."""
    return data.StructLayout({
        **_origin(profile),
        "kind": IntentKind,
        "side": Side,
        "quantity": 32,
        "price": 32,
        "time_in_force": TimeInForce,
        "short": 1,                 # ENTER: a sale that must be marked short
        "user_ref_num": 32,         # CANCEL only; an ENTER gets its number in wire order
    })


def OrderSent(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of the report that a request's frame has begun; in wire order."""
    return data.StructLayout({
        **_origin(profile),
        "kind": IntentKind,
        "side": Side,
        "quantity": 32,
        "price": 32,
        "time_in_force": TimeInForce,
        "short": 1,
        "user_ref_num": 32,
        "egress_cycles": 48,        # core cycle of the frame's Start at the transmitter
    })


class AnswerKind(enum.Enum, shape=3):
    """What the venue said about one of our orders."""

    ACCEPTED = 0        #: live
    DEAD = 1            #: accepted and dead on arrival
    EXECUTED = 2        #: ``quantity`` shares at ``price``
    CANCELED = 3        #: ``quantity`` shares taken off (C, and D: self-match)
    REJECTED = 4
    BROKEN = 5          #: an execution is undone (B): quantity unknown to the message
    OTHER = 6           #: any other message that names an order


class VenueAnswer(data.Struct):
    """One sequenced OUCH message that concerns an order."""

    kind: AnswerKind
    user_ref_num: 32
    quantity: 32
    price: 32               # 1e-4 USD, saturated
    order_reference: 64     # ACCEPTED
    reason: 16              # CANCELED (one character), REJECTED (code)
    timestamp_ns: 64
    sequence: 64            # SoupBinTCP sequence number
