"""Check 13: message rate of the session."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MessageRate"]


class MessageRate(wiring.Component):
    """Allow a burst, then a sustained rate: the virtual scheduling form of a token bucket.

    Latency: 1 cycle, `counted` or `now_ns` to `failed`. With ``next`` the time at which the bucket
    would be full, an order fails while ``next > now_ns + cfg_burst_ns``; each message moves
    ``next = max(next, now_ns) + cfg_interval_ns``. In any time D at most ``floor((cfg_burst_ns + D)
    / cfg_interval_ns) + 1`` orders pass. Cancels count, and never fail. An interval of 0 allows
    nothing.

    Members
    -------
    now_ns : ``In(64)``
        Hardware time; must not go back.
    counted : ``In(1)``
        Pulse: a message has left.
    cfg_interval_ns, cfg_burst_ns : ``In(32)``
        Time between messages at the sustained rate, and how far a burst may run ahead.
    failed : ``Out(1)``
        No order may leave now; high after reset until an interval is set.
    """

    now_ns: In(64)
    counted: In(1)
    cfg_interval_ns: In(32)
    cfg_burst_ns: In(32)
    failed: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()

        full_ns = Signal(64)   # when the bucket would be full
        idle = Signal()        # that is in the past
        moved = Signal(65)
        # Both operands are registered, so the two long carries are not in series.
        limit_ns = Signal(65)
        m.d.sync += limit_ns.eq(self.now_ns + self.cfg_burst_ns)
        m.d.comb += moved.eq(Mux(idle, self.now_ns, full_ns) + self.cfg_interval_ns)
        with m.If(self.counted):
            m.d.sync += [full_ns.eq(Mux(moved[64], (1 << 64) - 1, moved)), idle.eq(0)]
        with m.Else():
            m.d.sync += idle.eq(full_ns < self.now_ns)
        m.d.sync += self.failed.eq((full_ns > limit_ns) | (self.cfg_interval_ns == 0)
                                   | self.counted)
        return m
