"""Check 4: price collar on the aggressive side."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.limits import COLLAR_FRACTION_BITS, Proposal

__all__ = ["PriceCollar"]

_HALF = 16


class PriceCollar(wiring.Component):
    """Fail a buy above ``reference + band`` and a sell below ``reference - band``.

    Latency: 3 cycles, `proposal` to `failed`. Throughput: 1 proposal per cycle.

    ``band = max(floor(reference * collar_fraction / 2**16), collar_minimum)``; the reference is the
    mid of the book rounded down to 1e-4 USD. The bounds themselves pass. Nothing wraps: a band
    beyond the reference lets every sell pass.

    Members
    -------
    proposal : ``In(Proposal)``
        Orders, reference and limits.
    failed : ``Out(2)``
        By side.
    """

    proposal: In(Proposal)
    failed: Out(2)

    def elaborate(self, platform):
        m = Module()
        proposal, limits = self.proposal, self.proposal.limits

        low = Signal(_HALF + COLLAR_FRACTION_BITS, reset_less=True)
        high = Signal(_HALF + COLLAR_FRACTION_BITS, reset_less=True)
        m.d.sync += [
            low.eq(proposal.reference[:_HALF] * limits.collar_fraction),
            high.eq(proposal.reference[_HALF:] * limits.collar_fraction),
        ]
        minimum = Signal(32, reset_less=True)
        reference = Signal(32, reset_less=True)
        prices = [Signal(32, name=f"price_{n}", reset_less=True) for n in range(2)]
        m.d.sync += [
            minimum.eq(limits.collar_minimum), reference.eq(proposal.reference),
            prices[0].eq(proposal.buy_price), prices[1].eq(proposal.sell_price),
        ]

        # The distance from the reference is known as soon as the price is; what remains is one
        # compare with either band.
        relative = Signal(32, reset_less=True)
        absolute = Signal(32, reset_less=True)
        beyond = [Signal(signed(33), name=f"beyond_{n}", reset_less=True) for n in range(2)]
        m.d.sync += [
            relative.eq(high + (low >> COLLAR_FRACTION_BITS)),
            absolute.eq(minimum),
            beyond[0].eq(prices[0] - reference),
            beyond[1].eq(reference - prices[1]),
        ]
        for n, distance in enumerate(beyond):
            m.d.sync += self.failed[n].eq((distance > relative) & (distance > absolute))
        return m
