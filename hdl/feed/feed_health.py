"""Whether the feed can be relied on now."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FeedHealth"]


class FeedHealth(wiring.Component):
    """Follow the packets of the session: up from the first one until silence or the end.

    Latency: 1 cycle, `packet` or `ended` to `up`; 2 cycles from the end of the longest silence.
    Reset is down. That messages are missing makes books stale; here only the stream counts.

    Members
    -------
    packet, ended : ``In(1)``
        Pulses: a packet of the session has come, heartbeats included; one that ends the session.
    restart : ``In(1)``
        Pulse: forget the session.
    now_ns : ``In(64)``
        Hardware time.
    cfg_enable : ``In(1)``
        The feed is listened to.
    cfg_timeout_ns : ``In(40)``
        Longest silence.
    up : ``Out(1)``
        The feed is healthy.
    """

    packet: In(1)
    ended: In(1)
    restart: In(1)
    now_ns: In(64)
    cfg_enable: In(1)
    cfg_timeout_ns: In(40)
    up: Out(1)

    def elaborate(self, platform):
        m = Module()

        heard_ns = Signal(64, reset_less=True)
        silence_ns = Signal(64, reset_less=True)
        with m.If(self.packet):
            m.d.sync += [heard_ns.eq(self.now_ns), silence_ns.eq(0)]
        with m.Else():
            m.d.sync += silence_ns.eq(self.now_ns - heard_ns)
        with m.If(self.restart | self.ended | ~self.cfg_enable):
            m.d.sync += self.up.eq(0)
        with m.Elif(self.packet):
            m.d.sync += self.up.eq(1)
        with m.Elif(silence_ns > self.cfg_timeout_ns):
            m.d.sync += self.up.eq(0)

        return m
