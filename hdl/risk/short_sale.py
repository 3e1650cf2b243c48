"""Check 22: short sale price test.

Ref: Regulation SHO, Rule 201 (price test) and Rule 200(g) (marking).
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import WORST_BITS
from hdl.risk.limits import Proposal

__all__ = ["ShortSale"]


class ShortSale(wiring.Component):
    """Tell a sale that the position does not cover; fail it where the price test forbids it.

    Latency: 1 cycle, `proposal` to `failed` and `short`. Throughput: 1 proposal per cycle. A sale
    is long if ``quantity <= position - open sells``, whatever those sells are marked; else it is
    short. While the price test is active a short sale must be priced above the best bid of the
    book. The national best bid is not known here: with one venue its bid stands for it.

    Members
    -------
    proposal : ``In(Proposal)``
        Orders, worst case before them, best bid, price test.
    failed : ``Out(2)``
        By side; a buy never fails.
    short : ``Out(1)``
        The sale must be marked short; set as well if the quantity has bits beyond its field.
    """

    proposal: In(Proposal)
    failed: Out(2)
    short: Out(1)

    def elaborate(self, platform):
        m = Module()
        proposal = self.proposal
        left = Signal(signed(WORST_BITS + 1))
        uncovered = Signal()
        m.d.comb += [
            left.eq(proposal.worst_short - proposal.sell_quantity),
            uncovered.eq(left[-1] | proposal.sell_oversize),
        ]
        m.d.sync += [
            self.short.eq(uncovered),
            self.failed[1].eq(uncovered & proposal.price_test
                              & (proposal.sell_price <= proposal.best_bid)),
        ]
        return m
