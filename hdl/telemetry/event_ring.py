"""A ring of event records, written whole and read row by row."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from proto.events import EVENT_BYTES

__all__ = ["RECORD_ROWS", "EventRing", "RecordRow"]

#: Rows of a record: a block RAM's port that reads may be so much narrower than one that writes,
#: and what makes words of records has no need for a multiplexer.
RECORD_ROWS = 4
_ROW_BITS = 8 * EVENT_BYTES // RECORD_ROWS
_PART_BITS = ceil_log2(RECORD_ROWS)


class RecordRow(data.Struct):
    """Sixteen bytes of a record, the first one lowest; a record has four of them."""

    data: _ROW_BITS
    last: 1


class EventRing(wiring.Component):
    """Keep records until they are taken; what finds the ring full is lost.

    Latency: 4 cycles, `store` to `rows.valid`, ring empty. Throughput: 1 record per cycle in; 1
    row per cycle out.

    Parameters
    ----------
    depth : int
        Records; a power of two.
    high_mark : int
        Records in use from which on the ring is nearly full.

    Members
    -------
    store, record : ``In(1)``, ``In(512)``
        Pulse: keep `record`, byte 0 in the lowest bits.
    rows : ``Out(stream.Signature(RecordRow))``
        Records, the oldest first.
    nearly_full : ``Out(1)``
        `high_mark` records or more are in use.
    empty : ``Out(1)``
        No record is in the ring or offered.
    lost : ``Out(1)``
        Pulse: a record found the ring full.

    Raises
    ------
    ValueError
        If `depth` is no power of two.
    """

    def __init__(self, depth: int, *, high_mark: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, was {depth}")
        self.depth = depth
        self.high_mark = high_mark
        super().__init__({
            "store": In(1), "record": In(8 * EVENT_BYTES),
            "rows": Out(stream.Signature(RecordRow)),
            "nearly_full": Out(1), "empty": Out(1), "lost": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        index_bits = ceil_log2(self.depth)
        # No row is read in the cycle in which it is written: only one that is in use is read, and
        # none that is in use is written. An asynchronous read and its register: the form whose
        # collision Yosys lets be free; else it would add a bypass of all bits. It makes one wide
        # port of those that write, as their addresses differ in constants alone.
        m.submodules.memory = memory = Memory(
            shape=_ROW_BITS, depth=self.depth * RECORD_ROWS, init=[], attrs={"no_rw_check": 1})
        read = memory.read_port(domain="comb")
        head, written = (Signal(index_bits + 1, name=name) for name in ("head", "written"))
        next_row = Signal(index_bits + 1 + _PART_BITS)
        part, tail = next_row[:_PART_BITS], next_row[_PART_BITS:]
        level = Signal(index_bits + 1)
        full = (head ^ tail) == self.depth
        for number in range(RECORD_ROWS):
            write = memory.write_port()
            m.d.comb += [
                write.addr.eq(Cat(C(number, _PART_BITS), head[:index_bits])),
                write.data.eq(self.record.word_select(number, _ROW_BITS)),
                write.en.eq(~full),     # into a free row; whether it counts is known later
            ]
        with m.If(self.store & ~full):
            m.d.sync += head.eq(head + 1)
        m.d.sync += [
            written.eq(head),
            self.lost.eq(self.store & full),
            level.eq(written - tail),
            self.nearly_full.eq(level >= self.high_mark),
        ]

        # The block RAM's register, and its output register.
        row, row_valid, row_last = Signal(_ROW_BITS, reset_less=True), Signal(), Signal()
        waits, fetches, moves = Signal(), Signal(), Signal()
        m.d.comb += [
            waits.eq(written != tail),
            moves.eq(~self.rows.valid | self.rows.ready),
            fetches.eq(~row_valid | moves),
            read.addr.eq(next_row[:len(read.addr)]),
            self.empty.eq((head == tail) & ~row_valid & ~self.rows.valid),
        ]
        with m.If(fetches):
            m.d.sync += [next_row.eq(next_row + waits), row_valid.eq(waits), row.eq(read.data),
                         row_last.eq(part.all())]
        with m.If(moves):
            m.d.sync += [self.rows.valid.eq(row_valid), self.rows.p.data.eq(row),
                         self.rows.p.last.eq(row_last)]

        return m
