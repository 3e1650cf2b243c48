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

#: Counters of a group: one of each group is visited in a cycle.
_GROUP = 8
_PLACE_BITS = ceil_log2(_GROUP)


class CounterBank(wiring.Component):
    """Count each input; the sums are in a memory, and small accumulators in front of it.

    A round visits the counters of each group of 8 one after the other, all groups at once: what
    came in 8 cycles moves from an accumulator of a few bits to a row of subtotals. A sweep comes to
    each counter once in 2 ** ceil(log2(counters)) cycles, 8 at least, and moves its subtotal to the
    memory, which is zeroed by the first sweep after a reset. Counters wrap.

    Latency: 2 cycles, `address` to `data`; a count shows at most a sweep and 6 cycles late.
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

        index_bits = max(_PLACE_BITS, len(self.address))
        depth = 1 << index_bits
        m.submodules.memory = memory = Memory(shape=self.bits, depth=depth, init=[])
        reading, sums, writing = memory.read_port(), memory.read_port(), memory.write_port()
        m.d.comb += [reading.addr.eq(self.address), reading.en.eq(1)]
        m.d.sync += self.data.eq(reading.data)

        # Number of the visited counter, and of those in the stages behind.
        sweep = Signal(index_bits)
        slots = [Signal(index_bits, name=f"slot_{age}") for age in range(1, 5)]
        m.d.sync += [sweep.eq(sweep + 1), Cat(slots).eq(Cat(sweep, *slots[:-1]))]
        subtotals = self._subtotals(m, sweep, slots, depth)

        # One group's subtotal is handed on.
        turn = Signal(len(subtotals))
        taken = Signal(max(map(len, subtotals)))
        m.d.sync += [
            turn.eq(Cat(slots[0][_PLACE_BITS:] == group for group in range(len(turn)))),
            taken.eq(reduce(or_, (Mux(mine, subtotal, 0)
                                  for mine, subtotal in zip(turn, subtotals, strict=True)))),
        ]

        # Read and add; the next visit is `depth` cycles away, so there is no hazard.
        first = Signal(init=1)
        held = Signal(self.bits, reset_less=True)   # the block RAM's output register
        total = Signal(self.bits)
        with m.If(slots[2] == depth - 1):
            m.d.sync += first.eq(0)
        m.d.sync += [held.eq(sums.data), total.eq(taken + Mux(first, 0, held))]
        m.d.comb += [
            sums.addr.eq(slots[0]), sums.en.eq(1),
            writing.addr.eq(slots[3]), writing.data.eq(total), writing.en.eq(1),
        ]

        return m

    def _subtotals(self, m: Module, sweep: Signal, slots: list[Signal], depth: int) -> list[Signal]:
        """Return what each group's counter of ``slots[1]`` has come to since it was handed on."""
        starts = [sum(self.widths[:number]) for number in range(len(self.widths))]
        visited = Signal(_GROUP)
        m.d.comb += visited.eq(1 << sweep[:_PLACE_BITS])
        news, subtotals, kept_bits = [], [], []
        for group in range(0, len(self.widths), _GROUP):
            numbers = range(len(self.widths))[group:group + _GROUP]
            most = (1 << max(self.widths[number] for number in numbers)) - 1
            new = Signal(min(self.bits, (_GROUP * most).bit_length()), name=f"new_{group}")
            m.d.sync += new.eq(reduce(or_, (
                Mux(visited[place], self._accumulate(m, number, starts[number], visited[place]), 0)
                for place, number in enumerate(numbers))))
            news.append(new)
            subtotals.append(Signal(min(self.bits, (depth * most).bit_length()),
                                    name=f"subtotal_{group}"))
            kept_bits.append(min(self.bits, ((depth - _GROUP) * most).bit_length()))

        # Rows of one counter of each group; one that was handed on begins at zero again.
        m.submodules.rows = rows = Memory(shape=max(1, sum(kept_bits)), depth=_GROUP, init=[])
        reading, writing = rows.read_port(), rows.write_port()
        groups = depth // _GROUP
        fresh = Signal(len(news))
        starting = Signal(init=1)
        with m.If(slots[0] == _GROUP - 1):
            m.d.sync += starting.eq(0)
        m.d.sync += fresh.eq(Cat(sweep[_PLACE_BITS:] == (group + 1) % groups
                                 for group in range(len(news))))
        at = 0
        for new, subtotal, bits, anew in zip(news, subtotals, kept_bits, fresh, strict=True):
            before = reading.data[at:at + bits]
            m.d.sync += subtotal.eq(new + Mux(anew | starting, 0, before))
            at += bits
        m.d.comb += [
            reading.addr.eq(sweep[:_PLACE_BITS]), reading.en.eq(1),
            writing.addr.eq(slots[1][:_PLACE_BITS]), writing.en.eq(1),
            writing.data.eq(Cat(subtotal[:bits] for subtotal, bits
                                in zip(subtotals, kept_bits, strict=True))),
        ]
        return subtotals

    def _accumulate(self, m: Module, number: int, start: int, visited: Value) -> Value:
        """Return what came since the last visit of a counter, this cycle included."""
        width = self.widths[number]
        most = (1 << width) - 1
        kept = Signal(((_GROUP - 1) * most).bit_length(), name=f"accumulator_{number}")
        come = Signal((_GROUP * most).bit_length(), name=f"come_{number}")
        count = self.counts[start:start + width]
        if width == 1:
            # Without a carry chain, which is larger for so few bits.
            m.d.comb += come.eq(Cat(
                *(kept[bit] ^ (count & kept[:bit].all()) for bit in range(len(kept))),
                count & kept.all()))
        else:
            m.d.comb += come.eq(kept + count)
        m.d.sync += kept.eq(Mux(visited, 0, come))
        return come
