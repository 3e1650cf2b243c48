"""Counters of pulses, in one memory."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["CounterBank"]


class CounterBank(wiring.Component):
    """Count each input; the sums are in a memory, and small accumulators in front of it.

    A sweep comes to each counter once in 2 ** ceil(log2(counters)) cycles, adds its accumulator
    to the memory and clears it: some five bits of registers a counter instead of 32. The memory
    is zeroed by the first sweep after a reset. Counters wrap.

    Latency: 1 cycle, `address` to `data`; a count shows at most two sweeps and 3 cycles late.
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

        index_bits = len(self.address)
        depth = 1 << index_bits
        m.submodules.memory = memory = Memory(shape=self.bits, depth=depth, init=[])
        reading, sums, writing = memory.read_port(), memory.read_port(), memory.write_port()
        m.d.comb += [reading.addr.eq(self.address), reading.en.eq(1), self.data.eq(reading.data)]

        # An accumulator holds what comes in one sweep.
        sweep = Signal(index_bits)
        m.d.sync += sweep.eq(sweep + 1)
        accumulators = []
        at = 0
        for number, width in enumerate(self.widths):
            accumulator = Signal(width + index_bits, name=f"accumulator_{number}")
            count = self.counts[at:at + width]
            m.d.sync += accumulator.eq(Mux(sweep == number, 0, accumulator) + count)
            accumulators.append(accumulator)
            at += width
        taken = Signal(max(map(len, accumulators)))
        m.d.sync += taken.eq(0)
        with m.Switch(sweep):
            for number, accumulator in enumerate(accumulators):
                with m.Case(number):
                    m.d.sync += taken.eq(accumulator)

        # Read and add; the next visit is `depth` cycles away, so there is no hazard.
        first, swept = Signal(init=1), Signal(init=1)
        row, row_write = Signal(index_bits), Signal(index_bits)
        total = Signal(self.bits)
        valid = Signal(2)
        m.d.comb += [sums.addr.eq(sweep), sums.en.eq(1)]
        m.d.sync += [
            row.eq(sweep),
            row_write.eq(row),
            swept.eq(first),
            total.eq(taken + Mux(swept, 0, sums.data)),
            valid.eq(Cat(1, valid)),
        ]
        with m.If(sweep == depth - 1):
            m.d.sync += first.eq(0)
        m.d.comb += [writing.addr.eq(row_write), writing.data.eq(total), writing.en.eq(valid[1])]

        return m
