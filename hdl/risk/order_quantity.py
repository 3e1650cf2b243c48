"""Check 1: quantity."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.limits import Proposal

__all__ = ["OrderQuantity"]


class OrderQuantity(wiring.Component):
    """Fail an order of no shares or of more than ``maximum_quantity``.

    Latency: 1 cycle, `proposal` to `failed`. Throughput: 1 proposal per cycle.

    Members
    -------
    proposal : ``In(Proposal)``
        Orders and limits.
    failed : ``Out(2)``
        By side.
    """

    proposal: In(Proposal)
    failed: Out(2)

    def elaborate(self, platform):
        m = Module()
        proposal, limits = self.proposal, self.proposal.limits
        for n, (quantity, oversize) in enumerate((
                (proposal.buy_quantity, proposal.buy_oversize),
                (proposal.sell_quantity, proposal.sell_oversize))):
            m.d.sync += self.failed[n].eq(
                oversize | (quantity == 0) | (quantity > limits.maximum_quantity))
        return m
