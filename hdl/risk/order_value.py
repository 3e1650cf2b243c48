"""Check 2: value."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.limits import QUANTITY_BITS, VALUE_BITS, Proposal

__all__ = ["OrderValue"]

#: Width of a factor of one multiplier.
_FACTOR_BITS = 18


class OrderValue(wiring.Component):
    """Fail an order whose price times quantity exceeds ``maximum_value``; exact.

    Latency: 3 cycles, `proposal` to `failed`. Throughput: 1 proposal per cycle. Two 18-bit
    multipliers a side; the two highest bits of the quantity are added by shifts.

    Members
    -------
    proposal : ``In(Proposal)``
        Orders and limits.
    failed : ``Out(2)``
        By side; set as well if the quantity has bits beyond its field.
    """

    proposal: In(Proposal)
    failed: Out(2)

    def elaborate(self, platform):
        m = Module()
        proposal = self.proposal
        maximum = proposal.limits.maximum_value
        for stage in range(2):
            later = Signal(VALUE_BITS, name=f"maximum_{stage}", reset_less=True)
            m.d.sync += later.eq(maximum)
            maximum = later

        for n, (price, quantity, oversize) in enumerate((
                (proposal.buy_price, proposal.buy_quantity, proposal.buy_oversize),
                (proposal.sell_price, proposal.sell_quantity, proposal.sell_oversize))):
            low = Signal(2 * _FACTOR_BITS, name=f"low_{n}", reset_less=True)
            middle = Signal(32, name=f"middle_{n}", reset_less=True)
            high = Signal(32 + QUANTITY_BITS - _FACTOR_BITS, name=f"high_{n}", reset_less=True)
            value = Signal(VALUE_BITS, name=f"value_{n}", reset_less=True)
            over = Signal(2, name=f"over_{n}", reset_less=True)
            few, many = quantity[:_FACTOR_BITS], quantity[_FACTOR_BITS:]
            m.d.sync += [
                low.eq(few * price[:_FACTOR_BITS]),
                middle.eq(few * price[_FACTOR_BITS:]),
                high.eq(Mux(many[0], price, 0) + (Mux(many[1], price, 0) << 1)),
                value.eq(Cat(low[:_FACTOR_BITS], (low[_FACTOR_BITS:] + middle + high)[
                    :VALUE_BITS - _FACTOR_BITS])),
                over.eq(Cat(oversize, over[0])),
                self.failed[n].eq(over[1] | (value > maximum)),
            ]
        return m
