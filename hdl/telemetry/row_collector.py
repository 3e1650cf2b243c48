"""Records that come row by row, whole again."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.telemetry.event_ring import RECORD_ROWS, RecordRow
from proto.events import EVENT_BYTES

__all__ = ["RowCollector"]


class RowCollector(wiring.Component):
    """Make records of rows, for who takes a record in one cycle.

    Latency: 0 cycles, the last row at `rows` to `records.valid`. Throughput: 1 row per cycle. No
    row is taken unless `records` is ready, so a record that is not wanted stays where it was.

    Members
    -------
    rows : ``In(stream.Signature(RecordRow))``
        Rows of records.
    records : ``Out(stream.Signature(512))``
        Records, byte 0 in the lowest bits.
    """

    rows: In(stream.Signature(RecordRow))
    records: Out(stream.Signature(8 * EVENT_BYTES))

    def elaborate(self, platform):
        m = Module()

        row = self.rows.p.data
        before = Signal((RECORD_ROWS - 1) * len(row), reset_less=True)
        m.d.comb += [
            self.records.payload.eq(Cat(before, row)),
            self.records.valid.eq(self.rows.valid & self.rows.p.last),
            self.rows.ready.eq(self.records.ready),
        ]
        with m.If(self.rows.valid & self.rows.ready):
            m.d.sync += before.eq(Cat(before[len(row):], row))

        return m
