"""The one clock that every timer counts by."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["NanosecondClock"]

_NS_PER_SECOND = 1_000_000_000
_FRACTION_BITS = 32

#: How far `floor_ns` must be ahead to be taken: more than the clock moves while that is found out.
_MARGIN_NS = 64


class NanosecondClock(wiring.Component):
    """Count nanoseconds since reset; never go back.

    Latency: 2 cycles, `floor_ns` to `now_ns`. Each cycle adds the period, with a fraction of 32
    bits: no drift beyond a nanosecond in 2**32 cycles.

    Time may be given from outside: `now_ns` jumps to `floor_ns` when that is ahead by more than 64
    ns. So a simulation jumps over time in which nothing happens, or follows wall time, in which it
    is slower than the line; a board ties it to zero. Time may also stand still: no cycle with
    `hold` counts. So a simulation in lockstep serves its management port, and no timer sees it.

    Parameters
    ----------
    hz : int
        Frequency of the clock; at least 40 MHz, so that the margin holds.

    Members
    -------
    floor_ns : ``In(64)``
        The time is at least this; must not go back.
    hold : ``In(1)``
        Time stands still.
    now_ns : ``Out(64)``
        The time.

    Raises
    ------
    ValueError
        If `hz` is too small.
    """

    def __init__(self, hz: int):
        if hz < 40_000_000:
            raise ValueError(f"hz must be >= 40000000, was {hz}")
        self.hz = hz
        super().__init__({"floor_ns": In(64), "hold": In(1), "now_ns": Out(64)})

    def elaborate(self, platform):
        m = Module()

        increment = ((_NS_PER_SECOND << _FRACTION_BITS) + self.hz // 2) // self.hz
        fraction = Signal(_FRACTION_BITS)
        floor_ns = Signal(64)
        lead_ns = Signal(signed(65))
        m.d.sync += [floor_ns.eq(self.floor_ns), lead_ns.eq(self.floor_ns - self.now_ns)]
        with m.If(self.hold):
            pass
        with m.Elif(lead_ns > _MARGIN_NS):
            m.d.sync += self.now_ns.eq(floor_ns)
        with m.Else():
            m.d.sync += Cat(fraction, self.now_ns).eq(Cat(fraction, self.now_ns) + increment)

        return m
