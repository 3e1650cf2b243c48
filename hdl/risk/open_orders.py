"""Check 12: open order count."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.limits import CHECK_LATENCY, Proposal

__all__ = ["OpenOrders"]


class OpenOrders(wiring.Component):
    """Fail every order while the symbol has ``maximum_open_orders`` or more open.

    Latency: 3 cycles, `proposal` to `failed`. Throughput: 1 proposal per cycle.

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
        stages = [Signal(name=f"failed_{n}", reset_less=True) for n in range(CHECK_LATENCY)]
        m.d.sync += stages[0].eq(
            self.proposal.open_orders >= self.proposal.limits.maximum_open_orders)
        m.d.sync += [later.eq(earlier) for earlier, later in pairwise(stages)]
        m.d.comb += self.failed.eq(stages[-1].replicate(2))
        return m
