"""How long orders took, a bin a cycle."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["LatencyHistogram"]


class LatencyHistogram(wiring.Component):
    """Count latencies; the last bin holds everything longer.

    Latency: 3 cycles, `measured` to `orders`, `minimum` and `maximum`; 7 cycles to `count` of its
    bin; 2 cycles, `bin` to `count`. Throughput: 1 measurement per 5 cycles; one that comes earlier,
    or while the bins are being emptied (`bins` cycles after reset and after `clear`), is not
    counted.

    Parameters
    ----------
    bins : int
        Number of bins; a power of two.

    Members
    -------
    measured : ``In(1)``
        Pulse: take `latency_cycles`.
    latency_cycles : ``In(48)``
        What it took.
    bin : ``In``, ``count`` : ``Out(32)``
        Bin to read, and what it holds.
    orders, minimum, maximum : ``Out(32)``
        Number of measurements; shortest, all ones before there is one; longest.
    clear : ``In(1)``
        Pulse: forget all.

    Raises
    ------
    ValueError
        If `bins` is no power of two.
    """

    def __init__(self, bins: int):
        if bins < 2 or bins & (bins - 1):
            raise ValueError(f"bins must be a power of two, was {bins}")
        self.bins = bins
        super().__init__({
            "measured": In(1), "latency_cycles": In(48),
            "bin": In(ceil_log2(bins)), "count": Out(32),
            "orders": Out(32), "minimum": Out(32, init=0xFFFFFFFF), "maximum": Out(32),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        last = self.bins - 1
        m.submodules.memory = memory = Memory(shape=32, depth=self.bins, init=[])
        shown, read, write = memory.read_port(), memory.read_port(), memory.write_port()
        m.d.comb += [shown.addr.eq(self.bin), shown.en.eq(1), ]
        m.d.sync += self.count.eq(shown.data)

        emptying = Signal(init=1)
        row = Signal(range(self.bins))
        # A measurement: its row is read, its count is there, then the next one, then written.
        fetched, waits, counted, added = Signal(), Signal(), Signal(), Signal()
        latency = Signal(32, reset_less=True)
        before, total = Signal(32, reset_less=True), Signal(32, reset_less=True)
        least, most = Signal(), Signal()
        take = Signal()
        m.d.comb += [
            take.eq(self.measured & ~emptying & ~self.clear
                    & ~(fetched | waits | counted | added)),
            read.addr.eq(row), read.en.eq(1),
            write.addr.eq(row),
            write.data.eq(Mux(emptying, 0, total)),
            write.en.eq(emptying | added),
        ]
        m.d.sync += [fetched.eq(take), waits.eq(fetched), counted.eq(waits), added.eq(counted)]
        with m.If(take):
            m.d.sync += [
                latency.eq(Mux(self.latency_cycles[32:].any(), 0xFFFFFFFF,
                               self.latency_cycles[:32])),
                row.eq(Mux(self.latency_cycles > last, last, self.latency_cycles)),
            ]
        m.d.sync += [least.eq(latency < self.minimum), most.eq(latency > self.maximum)]
        with m.If(waits):
            m.d.sync += self.orders.eq(self.orders + 1)
            with m.If(least):
                m.d.sync += self.minimum.eq(latency)
            with m.If(most):
                m.d.sync += self.maximum.eq(latency)
        m.d.sync += [before.eq(read.data), total.eq(before + 1)]

        with m.If(emptying & ~self.clear):
            m.d.sync += [row.eq(row + 1), emptying.eq(row != last)]
        with m.If(self.clear):
            m.d.sync += [
                emptying.eq(1), row.eq(0),
                fetched.eq(0), waits.eq(0), counted.eq(0), added.eq(0),
                self.orders.eq(0), self.minimum.eq(0xFFFFFFFF), self.maximum.eq(0),
            ]

        return m
