"""Counters of pulses, in one memory."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["CounterBank"]

#: Accumulators of which one is chosen in a cycle.
_GROUP = 16

#: A sum is written before it is read again.
_LEAST_INDEX_BITS = 3


class CounterBank(wiring.Component):
    """Count each input; the sums are in a memory, and small accumulators in front of it.

    A sweep comes to each counter once in 2 ** ceil(log2(counters)) cycles, 8 at least, adds its
    accumulator to the memory and clears it: some ten bits of registers a counter instead of 32. The
    memory is zeroed by the first sweep after a reset. Counters wrap.

    Latency: 1 cycle, `address` to `data`; a count shows at most two sweeps and 4 cycles late.
    Throughput: every input counts in every cycle.

    Parameters
    ----------
    widths : sequence of int
        Bits of each input: 1 for a pulse, more for a number of things at once.
    bits : int
        Width of the sums.

    Members
    -------
    counts : ``In(sum of widths)``
        What happened in this cycle, the inputs from bit 0 upwards.
    address : ``In``
        Counter to read.
    data : ``Out(bits)``
        Its sum.

    Raises
    ------
    ValueError
        If there is no input, or one of no width.
    """

    def __init__(self, widths: Sequence[int], *, bits: int = 32):
        if not widths or min(widths) < 1:
            raise ValueError(f"widths must be one or more numbers of bits, was {list(widths)}")
        self.widths = tuple(widths)
        self.bits = bits
        super().__init__({
            "counts":  In(sum(self.widths)),
            "address": In(max(1, ceil_log2(len(self.widths)))),
            "data":    Out(bits),
        })

    def elaborate(self, platform):
        m = Module()

        index_bits = max(_LEAST_INDEX_BITS, len(self.address))
        depth = 1 << index_bits
        m.submodules.memory = memory = Memory(shape=self.bits, depth=depth, init=[])
        reading, sums, writing = memory.read_port(), memory.read_port(), memory.write_port()
        m.d.comb += [reading.addr.eq(self.address), reading.en.eq(1), self.data.eq(reading.data)]

        # An accumulator holds what comes in one sweep. A bit that moves on tells which one is
        # visited: to choose one of so many by the sweep's number is too long a path.
        sweep = Signal(index_bits)
        visited = Signal(len(self.widths), init=1)
        m.d.sync += [sweep.eq(sweep + 1), visited.eq(Cat(sweep == depth - 1, visited))]
        accumulators = []
        at = 0
        for number, width in enumerate(self.widths):
            accumulator = Signal(width + index_bits, name=f"accumulator_{number}")
            count = self.counts[at:at + width]
            m.d.sync += accumulator.eq(Mux(visited[number], 0, accumulator) + count)
            accumulators.append(Mux(visited[number], accumulator, 0))
            at += width
        taken = Signal(max(map(len, accumulators)))
        groups = []
        for start in range(0, len(accumulators), _GROUP):
            group = Signal.like(taken, name=f"group_{start}")
            m.d.sync += group.eq(reduce(or_, accumulators[start:start + _GROUP]))
            groups.append(group)
        m.d.sync += taken.eq(reduce(or_, groups))
        slot = Signal(index_bits)    # whose sum is read, as its group is there
        m.d.sync += slot.eq(sweep)

        # Read and add; the next visit is `depth` cycles away, so there is no hazard.
        first, swept = Signal(init=1), Signal(init=1)
        row, row_write = Signal(index_bits), Signal(index_bits)
        total = Signal(self.bits)
        valid = Signal(3)
        m.d.comb += [sums.addr.eq(slot), sums.en.eq(1)]
        m.d.sync += [
            row.eq(slot),
            row_write.eq(row),
            swept.eq(first),
            total.eq(taken + Mux(swept, 0, sums.data)),
            valid.eq(Cat(1, valid)),
        ]
        with m.If(slot == depth - 1):
            m.d.sync += first.eq(0)
        m.d.comb += [writing.addr.eq(row_write), writing.data.eq(total), writing.en.eq(valid[2])]

        return m
