"""Logarithm of a size without a divider or a long shifter."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from proto.features import IMBALANCE_FRACTION_BITS

__all__ = ["LOG_BITS", "PiecewiseLog2"]

_NIBBLES = 8
_WINDOW_BITS = 4 + IMBALANCE_FRACTION_BITS

#: Width of a logarithm: five integer bits, then the fraction.
LOG_BITS = 5 + IMBALANCE_FRACTION_BITS


class PiecewiseLog2(wiring.Component):
    """Take the piecewise linear base-2 logarithm of a 32-bit number; that of 0 is 0.

    Latency: 1 cycle, `value` to `logarithm`, which is combinational after the register.
    Throughput: 1 number per cycle. The first half finds the highest nibble that is not zero and
    cuts a window there, the second half shifts the window by at most three.

    Members
    -------
    value : ``In(32)``
        Number.
    logarithm : ``Out(LOG_BITS)``
        Fixed point with ``IMBALANCE_FRACTION_BITS`` fraction bits, rounded down.
    """

    value: In(32)
    logarithm: Out(LOG_BITS)

    def elaborate(self, platform):
        m = Module()

        occupied = [self.value[4 * n:4 * n + 4].any() for n in range(_NIBBLES)]
        padded = Cat(C(0, IMBALANCE_FRACTION_BITS), self.value)
        chosen = Signal(range(_NIBBLES))
        window = Signal(_WINDOW_BITS)
        for n in range(_NIBBLES):
            with m.If(occupied[n] & ~Cat(occupied[n + 1:]).any()):
                m.d.comb += chosen.eq(n)
        # One-hot selection: an AND-OR tree instead of a chain of priorities.
        picks = [
            padded[4 * n:4 * n + _WINDOW_BITS]
            & (occupied[n] & ~Cat(occupied[n + 1:]).any()).replicate(_WINDOW_BITS)
            for n in range(_NIBBLES)
        ]
        while len(picks) > 1:
            picks = [a | b for a, b in zip(picks[::2], picks[1::2], strict=True)]
        m.d.comb += window.eq(picks[0])

        held_chosen = Signal.like(chosen, reset_less=True)
        held_window = Signal.like(window, reset_less=True)
        m.d.sync += [held_chosen.eq(chosen), held_window.eq(window)]

        top = held_window[IMBALANCE_FRACTION_BITS:]
        for n in range(4):
            with m.If(top[n] & ~top[n + 1:].any() if n < 3 else top[n]):
                m.d.comb += self.logarithm.eq(
                    Cat(held_window[n:n + IMBALANCE_FRACTION_BITS], C(n, 2), held_chosen))
        return m
