"""A ring of records in one memory."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["EventRing"]


class EventRing(wiring.Component):
    """Keep records until they are taken; what finds the ring full is lost.

    Latency: 4 cycles, `store` to `records.valid`, ring empty. Throughput: 1 record per cycle in; 1
    per 2 cycles out.

    Parameters
    ----------
    layout : shape-like
        Shape of a record.
    depth : int
        Records; a power of two.

    Members
    -------
    store, record : ``In``
        Pulse: keep `record`.
    records : ``Out(stream.Signature(layout))``
        Records, the oldest first.
    nearly_full : ``Out(1)``
        At least half of the ring is in use.
    empty : ``Out(1)``
        No record is in the ring or offered.
    lost : ``Out(1)``
        Pulse: a record found the ring full.

    Raises
    ------
    ValueError
        If `depth` is no power of two.
    """

    def __init__(self, layout, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, was {depth}")
        self.layout = layout
        self.depth = depth
        super().__init__({
            "store": In(1), "record": In(layout),
            "records": Out(stream.Signature(layout)),
            "nearly_full": Out(1), "empty": Out(1), "lost": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        index_bits = ceil_log2(self.depth)
        # No row is read in the cycle in which it is written: only one that is in use is read, and
        # none that is in use is written. An asynchronous read and its register: the form whose
        # collision Yosys lets be free; else it would add a bypass of all bits.
        m.submodules.memory = memory = Memory(shape=self.layout, depth=self.depth, init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port(domain="comb")
        row = Signal(self.layout, reset_less=True)
        head, written, tail = (Signal(index_bits + 1, name=name)
                               for name in ("head", "written", "tail"))
        level = Signal(index_bits + 1)
        full = (head ^ tail) == self.depth
        m.d.comb += [
            write.addr.eq(head[:index_bits]),
            Value.cast(write.data).eq(Value.cast(self.record)),
            write.en.eq(~full),         # into a free row; whether it counts is known later
        ]
        with m.If(self.store & ~full):
            m.d.sync += head.eq(head + 1)
        m.d.sync += [
            written.eq(head),
            self.lost.eq(self.store & full),
            level.eq(written - tail),
            self.nearly_full.eq(level >= self.depth // 2),
        ]

        fetch, fetched = Signal(), Signal()
        m.d.comb += [
            fetch.eq((written != tail) & ~fetched & (~self.records.valid | self.records.ready)),
            read.addr.eq(tail[:index_bits]),
            self.empty.eq((head == tail) & ~fetched & ~self.records.valid),
        ]
        m.d.sync += [tail.eq(tail + fetch), fetched.eq(fetch)]
        with m.If(fetch):
            m.d.sync += Value.cast(row).eq(Value.cast(read.data))
        with m.If(self.records.ready):
            m.d.sync += self.records.valid.eq(0)
        with m.If(fetched):
            m.d.sync += self.records.valid.eq(1)
            m.d.sync += Value.cast(self.records.payload).eq(Value.cast(row))

        return m
