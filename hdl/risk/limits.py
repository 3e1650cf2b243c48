"""Limits of a symbol, and what a check gets to see."""

from amaranth import *
from amaranth.lib import data

from hdl.order.own_orders import WORST_BITS

__all__ = ["COLLAR_FRACTION_BITS", "CHECK_LATENCY", "LimitRow", "OPEN_ORDER_BITS", "Proposal",
           "QUANTITY_BITS", "VALUE_BITS"]

#: Width of a quantity that can pass; anything wider fails the checks of quantity, value, position.
QUANTITY_BITS = 20

#: Width of the product of a price and such a quantity.
VALUE_BITS = 32 + QUANTITY_BITS

#: The collar's relative band is ``collar_fraction / 2**COLLAR_FRACTION_BITS`` of the reference.
COLLAR_FRACTION_BITS = 16

#: Width of a number of open orders of a symbol, both sides.
OPEN_ORDER_BITS = 10

#: Cycles from a proposal with its limits to the result of every check.
CHECK_LATENCY = 2

#: A symbol's limits; all inclusive.
#:
#: ``maximum_value`` and ``collar_minimum`` in 1e-4 USD, ``maximum_long``, ``maximum_short`` and
#: ``maximum_quantity`` in shares.
LimitRow = data.StructLayout({
    "maximum_quantity": QUANTITY_BITS,
    "maximum_value": VALUE_BITS,
    "collar_fraction": COLLAR_FRACTION_BITS,
    "collar_minimum": 32,
    "maximum_long": 31,
    "maximum_short": 31,
    "maximum_open_orders": OPEN_ORDER_BITS,
    "restricted": 1,
})

#: What the checks judge: an order of each side, with the state of its symbol.
Proposal = data.StructLayout({
    "buy_price": 32, "sell_price": 32,
    "buy_quantity": QUANTITY_BITS, "sell_quantity": QUANTITY_BITS,
    "buy_oversize": 1, "sell_oversize": 1,     # the quantity has bits beyond its field
    "reference": 32,                           # mid of the book, rounded down
    "best_bid": 32,
    "price_test": 1,                           # short sales are restricted
    "worst_long": signed(WORST_BITS), "worst_short": signed(WORST_BITS),
    "open_orders": OPEN_ORDER_BITS,            # saturated
    "limits": LimitRow,
})
