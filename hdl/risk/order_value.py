"""Check 2: value."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.carry_save import carry_save
from hdl.risk.limits import VALUE_BITS, Proposal

__all__ = ["OrderValue"]

#: Width of a factor of one multiplier.
_FACTOR_BITS = 18


class OrderValue(wiring.Component):
    """Fail an order whose price times quantity exceeds ``maximum_value``; exact.

    Latency: 2 cycles, `proposal` to `failed`. Throughput: 1 proposal per cycle. Two 18-bit
    multipliers a side; the two highest bits of the quantity are added by shifts, and the maximum is
    taken off before the products are there. What remains is the sign of a sum of three.

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
        bits = VALUE_BITS + 2      # signed, with room for the sum of three

        def wide(value: Value, name: str) -> Value:
            extended = Signal(bits, name=name)
            m.d.comb += extended.eq(value)
            return extended

        for n, (price, quantity, oversize) in enumerate((
                (proposal.buy_price, proposal.buy_quantity, proposal.buy_oversize),
                (proposal.sell_price, proposal.sell_quantity, proposal.sell_oversize))):
            low = Signal(2 * _FACTOR_BITS, name=f"low_{n}", reset_less=True)
            middle = Signal(32, name=f"middle_{n}", reset_less=True)
            over = Signal(name=f"over_{n}", reset_less=True)
            # The rest of the value minus the maximum minus one: no sum is negative that fails.
            rest = Signal(signed(bits), name=f"rest_{n}", reset_less=True)
            few, many = quantity[:_FACTOR_BITS], quantity[_FACTOR_BITS:]
            parts = carry_save(
                wide(Mux(many[0], price, 0) << _FACTOR_BITS, f"one_{n}"),
                wide(Mux(many[1], price, 0) << _FACTOR_BITS + 1, f"two_{n}"),
                wide(~Cat(proposal.limits.maximum_value, C(0, 1)).as_signed(), f"maximum_{n}"))
            m.d.sync += [
                low.eq(few * price[:_FACTOR_BITS]),
                middle.eq(few * price[_FACTOR_BITS:]),
                rest.eq(sum(parts)),
                over.eq(oversize),
            ]
            excess = Signal(bits, name=f"excess_{n}")
            m.d.comb += excess.eq(sum(carry_save(
                wide(low, f"wide_low_{n}"), wide(middle << _FACTOR_BITS, f"wide_middle_{n}"),
                wide(rest, f"wide_rest_{n}"))))
            m.d.sync += self.failed[n].eq(over | ~excess[-1])
        return m
