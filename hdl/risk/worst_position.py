"""Check 9: worst-case position."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import WORST_BITS
from hdl.risk.limits import Proposal

__all__ = ["WorstPosition"]


class WorstPosition(wiring.Component):
    """Fail an order with which open orders could bring the position beyond its limits.

    Latency: 2 cycles, `proposal` to `failed`. Throughput: 1 proposal per cycle. A buy passes if
    ``position + open buys + quantity <= maximum_long``, a sell if ``open sells + quantity -
    position <= maximum_short``.

    Members
    -------
    proposal : ``In(Proposal)``
        Orders, worst cases before them, and limits.
    failed : ``Out(2)``
        By side; set as well if the quantity has bits beyond its field.
    """

    proposal: In(Proposal)
    failed: Out(2)

    def elaborate(self, platform):
        m = Module()
        proposal, limits = self.proposal, self.proposal.limits

        long = Signal(signed(WORST_BITS + 1), reset_less=True)
        short = Signal(signed(WORST_BITS + 1), reset_less=True)
        maximum_long = Signal.like(limits.maximum_long, reset_less=True)
        maximum_short = Signal.like(limits.maximum_short, reset_less=True)
        oversize = Signal(2, reset_less=True)
        m.d.sync += [
            long.eq(proposal.worst_long + proposal.buy_quantity),
            short.eq(proposal.worst_short - proposal.sell_quantity),
            maximum_long.eq(limits.maximum_long),
            maximum_short.eq(limits.maximum_short),
            oversize.eq(Cat(proposal.buy_oversize, proposal.sell_oversize)),
        ]
        m.d.sync += self.failed.eq(
            Cat(long > maximum_long, short + maximum_short < 0) | oversize)
        return m
