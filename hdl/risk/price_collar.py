"""Check 4: price collar on the aggressive side."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.carry_save import carry_save
from hdl.risk.limits import COLLAR_FRACTION_BITS, Proposal

__all__ = ["PriceCollar"]

_HALF = 16


class PriceCollar(wiring.Component):
    """Fail a buy above ``reference + band`` and a sell below ``reference - band``.

    Latency: 2 cycles, `proposal` to `failed`. Throughput: 1 proposal per cycle.

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
        # How far inside of the reference the price is, known as soon as the price is; what remains
        # is the sign of its sum with either band.
        minimum = Signal(32, reset_less=True)
        inside = [Signal(signed(33), name=f"inside_{n}", reset_less=True) for n in range(2)]
        m.d.sync += [
            minimum.eq(limits.collar_minimum),
            inside[0].eq(proposal.reference - proposal.buy_price),
            inside[1].eq(proposal.sell_price - proposal.reference),
        ]

        def wide(value: Value, name: str) -> Value:
            extended = Signal(35, name=name)
            m.d.comb += extended.eq(value)
            return extended

        for n, distance in enumerate(inside):
            relative = Signal(35, name=f"relative_{n}")
            absolute = Signal(35, name=f"absolute_{n}")
            m.d.comb += [
                relative.eq(sum(carry_save(
                    wide(high, f"high_{n}"), wide(low >> COLLAR_FRACTION_BITS, f"low_{n}"),
                    wide(distance, f"wide_{n}")))),
                absolute.eq(minimum + distance),
            ]
            m.d.sync += self.failed[n].eq(relative[-1] & absolute[-1])
        return m
