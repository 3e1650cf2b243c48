"""Records of both classes in one stream."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.telemetry.event_ring import RecordRow

__all__ = ["EventMerger"]

_ROWS = stream.Signature(RecordRow)


class EventMerger(wiring.Component):
    """Pass whole records on, those of class 1 first.

    Latency: 0 cycles, `first` or `second` to `rows`. Throughput: 1 row per cycle. A record that
    has been offered keeps the stream to its end.

    Members
    -------
    first, second : ``In(stream.Signature(RecordRow))``
        Records of class 1 and of class 2.
    rows : ``Out(stream.Signature(RecordRow))``
        All of them.
    """

    first: In(_ROWS)
    second: In(_ROWS)
    rows: Out(_ROWS)

    def elaborate(self, platform):
        m = Module()

        offered = Signal()      # a record was offered, and its last row not taken
        turn = Signal()         # of the second
        use_second = Signal()
        m.d.comb += [
            use_second.eq(Mux(offered, turn, ~self.first.valid)),
            self.rows.valid.eq(Mux(use_second, self.second.valid, self.first.valid)),
            Value.cast(self.rows.p).eq(Mux(use_second, Value.cast(self.second.p),
                                           Value.cast(self.first.p))),
            self.first.ready.eq(self.rows.ready & ~use_second),
            self.second.ready.eq(self.rows.ready & use_second),
        ]
        with m.If(self.rows.valid):
            m.d.sync += [offered.eq(~(self.rows.ready & self.rows.p.last)), turn.eq(use_second)]

        return m
