"""Records of both classes in one stream."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from proto.events import EVENT_BYTES

__all__ = ["EventMerger"]

_EVENTS = stream.Signature(8 * EVENT_BYTES)


class EventMerger(wiring.Component):
    """Pass records on, those of class 1 first.

    Latency: 0 cycles, `first` or `second` to `events`. Throughput: 1 record per cycle. A record
    once offered stays.

    Members
    -------
    first, second : ``In(stream.Signature(512))``
        Records of class 1 and of class 2.
    events : ``Out(stream.Signature(512))``
        All of them.
    """

    first: In(_EVENTS)
    second: In(_EVENTS)
    events: Out(_EVENTS)

    def elaborate(self, platform):
        m = Module()

        offered = Signal()      # the second was offered, and not taken
        use_second = Signal()
        m.d.comb += [
            use_second.eq(offered | ~self.first.valid),
            self.events.valid.eq(self.first.valid | self.second.valid),
            self.events.payload.eq(Mux(use_second, self.second.payload, self.first.payload)),
            self.first.ready.eq(self.events.ready & ~use_second),
            self.second.ready.eq(self.events.ready & use_second),
        ]
        m.d.sync += offered.eq(use_second & self.second.valid & ~self.events.ready)

        return m
