"""The best levels of a side after each event, for whoever wants more than the top."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import CacheRow, row_bits
from hdl.profile import Profile
from hdl.records import SideDepth

__all__ = ["DepthPublisher"]


class DepthPublisher(wiring.Component):
    """Show the best levels of a side as they stand after an event, or after a refill.

    Latency: 1 cycle, `settled` or `refilled` to `sides.valid`. Throughput: 1 side per cycle.

    Members
    -------
    settled : ``In(1)``
        The last update of an event is being applied.
    refilled : ``In(1)``
        A level that was there before has become known.
    waits : ``In(1)``
        The top after the event of `settled` is not published yet.
    more : ``In(1)``
        With `settled` and `refilled`: the side has levels besides those that are known.
    row, levels : ``In``
        The side and what is known of it, a cycle later.
    sides : ``Out(stream.Signature(SideDepth(profile), always_ready=True))``
    """

    def __init__(self, profile: Profile):
        super().__init__({
            "settled": In(1), "refilled": In(1), "waits": In(1), "more": In(1),
            "row": In(row_bits(profile)), "levels": In(CacheRow(profile)),
            "sides": Out(stream.Signature(SideDepth(profile), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()

        out = self.sides.p
        more = Signal(reset_less=True)
        m.d.sync += [
            self.sides.valid.eq(self.settled | self.refilled),
            out.event.eq(self.settled), out.waits.eq(self.waits), more.eq(self.more),
        ]
        # A level that is not there is zero.
        m.d.comb += [
            out.symbol_index.eq(self.row >> 1), out.side.eq(self.row[0]),
            out.valid.eq(self.levels.valid), out.unknown.eq(more & ~out.valid[-1]),
            *(shown[name].eq(level[name])
              for shown, level in zip(out.levels, self.levels.levels, strict=False)
              for name in ("price", "quantity")),
        ]
        return m
