"""Parameters of the threshold strategy, and the order that each side would be."""

from enum import IntEnum

from amaranth import *
from amaranth.lib import data

from hdl.orders import LEVEL_BITS, LEVEL_COUNT, SCORE_BITS, TimeInForce
from hdl.profile import Profile
from hdl.records import TAG_BITS

__all__ = ["Candidate", "Level", "QUANTITY_BITS", "StrategyRow"]

#: Width of an order's quantity; a venue takes at most 1,000,000 shares.
QUANTITY_BITS = 20

class Level(IntEnum):
    """Levels that the model compares its sum with; each is exclusive, a sum is below it or not.

    What a threshold at an end of the score's range makes always true, or never, is so for every
    sum, as it would be if the score were cut first.
    """

    BUY = 0             #: not below: buys
    SELL = 1            #: below: sells
    CANCEL_BUY = 2      #: below: takes back an order to buy
    CANCEL_SELL = 3     #: not below: takes back an order to sell


#: A symbol's parameters; thresholds in the unit of the score, prices in 1e-4 USD.
#:
#: ``buy_threshold``, ``sell_threshold``: a score at or above the first buys, one at or below minus
#: the second sells; if both hold, it buys. ``cancel_buy_threshold``: a score below it cancels a
#: resting day order to buy; ``cancel_sell_threshold``: one above minus it cancels one to sell.
#: ``offset``, ``near``: a buy is priced at the ask (far touch) plus the offset, or with ``near`` at
#: the bid (near touch) plus the offset; a sell mirrors that with a minus. ``cooldown_ns``: time
#: after an intent to enter in which the symbol makes no other.
StrategyRow = data.StructLayout({
    "buy_threshold": signed(SCORE_BITS),
    "sell_threshold": signed(SCORE_BITS),
    "cancel_buy_threshold": signed(SCORE_BITS),
    "cancel_sell_threshold": signed(SCORE_BITS),
    "quantity": QUANTITY_BITS,
    "offset": signed(32),
    "cooldown_ns": 32,
    "near": 1,
    "time_in_force": TimeInForce,
    "enable": 1,
})


def Candidate(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of the two orders that a symbol's next score may make."""
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "tag": TAG_BITS,
        "buy_price": 32, "sell_price": 32,
        "quantity": QUANTITY_BITS,
        "buy_possible": 1, "sell_possible": 1,   # enabled, and the price is 1 to 2**32 - 1
        "levels": data.ArrayLayout(signed(LEVEL_BITS), LEVEL_COUNT),    # by :class:`Level`
        "cooldown_ns": 32,
        "time_in_force": TimeInForce,
        "enable": 1,
    })
