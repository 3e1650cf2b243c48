"""Settings of an array block: written one by one, handed on together by ``commit``."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.csr.bus import WORD_BITS, CsrBus, locate
from proto.registers import WORD_BYTES, Access, Block

__all__ = ["SettingsArray", "settings_layout"]

COMMIT = "commit"


def settings_layout(block: Block) -> data.StructLayout:
    """Return the layout of the settings of one element, fields named as in the map."""
    fields = {}
    for register in block.registers:
        for field in register.fields:
            if field.access is Access.RW:
                name = register.name if field.name == "value" else f"{register.name}_{field.name}"
                fields[name] = field.width
    return data.StructLayout(fields)


class SettingsArray(wiring.Component):
    """An array of settings in one memory; an element is handed on when it is committed.

    Latency: 2 cycles, `bus.address` to `bus.read_data`. A lone commit is handed on within
    2 x elements + 3 x registers + 5 cycles; until then, writing to that element may or may not be
    part of it. Commits are remembered a bit an element, so none is lost.

    Parameters
    ----------
    block : Block
        An array whose registers are settings (rw) but for one pulse ``commit``.

    Members
    -------
    bus : ``In(CsrBus)``
        Access from software. A bit that is no field reads as it was written.
    index : ``Out``
        Element that is handed on.
    settings : ``Out(settings_layout(block))``
        Its settings.
    committed : ``Out(1)``
        One-cycle pulse: take `settings` for element `index`.

    Raises
    ------
    ValueError
        If the block is no array, or has no ``commit``.
    """

    def __init__(self, block: Block):
        if block.count is None:
            raise ValueError(f"block {block.name} must be an array")
        if block.registers[-1].name != COMMIT:
            raise ValueError(f"the last register of block {block.name} must be {COMMIT}")
        self.block = block
        self.count: int = block.count
        self.layout = settings_layout(block)
        super().__init__({
            "bus":       In(CsrBus),
            "index":     Out(max(1, ceil_log2(block.count))),
            "settings":  Out(self.layout),
            "committed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        block = self.block
        count = self.count
        commit = len(block.registers) - 1
        low = ceil_log2(WORD_BYTES)
        word_bits = ceil_log2(block.stride) - low
        depth = count << word_bits
        resets = [register.reset for register in block.registers]
        resets += [0] * ((1 << word_bits) - len(resets))

        write_data = Signal(WORD_BITS)
        write = Signal()
        m.d.sync += [
            write_data.eq(self.bus.write_data),
            write.eq(self.bus.write),
        ]
        # Read at once, so that a register stands behind the memory; written a cycle later.
        row = Signal(range(depth))
        selected = Signal()
        inside, offset = locate(self.bus.address, block.base, depth << low)
        m.d.sync += [row.eq(offset >> low), selected.eq(inside)]

        m.submodules.memory = memory = Memory(shape=WORD_BITS, depth=depth, init=resets * count)
        writing = memory.write_port()
        reading = memory.read_port()
        fetching = memory.read_port()
        is_commit = row[:word_bits] == commit
        m.d.comb += [
            writing.addr.eq(row),
            writing.data.eq(write_data),
            writing.en.eq(write & selected & ~is_commit),
            reading.addr.eq(offset >> low),
            reading.en.eq(1),
        ]
        shown = Signal()
        read_data = Signal(WORD_BITS, reset_less=True)
        m.d.sync += [shown.eq(selected & ~is_commit), read_data.eq(reading.data)]
        m.d.comb += self.bus.read_data.eq(Mux(shown, read_data, 0))

        # Commits wait as a bit each; a scan finds them, then fetches word by word.
        pending = Signal(count)
        scan = Signal(range(count)) if count > 1 else Signal()
        word = Signal(range(commit + 1))
        m.d.comb += [fetching.addr.eq(Cat(word, scan) if word_bits else scan), fetching.en.eq(1)]
        m.d.comb += self.index.eq(scan)

        due = Signal()
        fetched = Signal(WORD_BITS, reset_less=True)
        m.d.sync += [due.eq(pending.bit_select(scan, 1)), fetched.eq(fetching.data)]
        with m.FSM(name="handover"):
            with m.State("SCAN"):
                m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += word.eq(0)
                with m.If(due):
                    m.d.sync += pending.bit_select(scan, 1).eq(0)
                    m.next = "FETCH"
                with m.Else():
                    m.d.sync += scan.eq(Mux(scan == count - 1, 0, scan + 1))
                    m.next = "SCAN"
            with m.State("FETCH"):
                m.next = "WAIT"
            with m.State("WAIT"):
                m.next = "TAKE"
            with m.State("TAKE"):
                with m.Switch(word):
                    for number, register in enumerate(block.registers[:commit]):
                        with m.Case(number):
                            for field in register.fields:
                                name = (register.name if field.name == "value"
                                        else f"{register.name}_{field.name}")
                                m.d.sync += self.settings[name].eq(
                                    fetched[field.lsb:field.lsb + field.width])
                m.d.sync += word.eq(word + 1)
                m.next = "FETCH"
                with m.If(word == commit - 1):
                    m.next = "HAND"
            with m.State("HAND"):
                m.d.comb += self.committed.eq(1)
                m.d.sync += scan.eq(Mux(scan == count - 1, 0, scan + 1))
                m.next = "SCAN"

        with m.If(write & selected & is_commit & write_data[0]):
            element = row[word_bits:] if count > 1 else C(0, 1)
            m.d.sync += pending.bit_select(element, 1).eq(1)

        return m
