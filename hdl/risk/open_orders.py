"""Check 12: open order count."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.limits import Proposal

__all__ = ["OpenOrders"]


class OpenOrders(wiring.Component):
    """Fail every order while the symbol has ``maximum_open_orders`` or more open.

    Latency: 1 cycle, `proposal` to `failed`. Throughput: 1 proposal per cycle.

    Members
    -------
    proposal : ``In(Proposal)``
        Number of open orders and limits.
    failed : ``Out(2)``
        By side; both bits are equal.
    """

    proposal: In(Proposal)
    failed: Out(2)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.failed.eq((
            self.proposal.open_orders >= self.proposal.limits.maximum_open_orders).replicate(2))
        return m
