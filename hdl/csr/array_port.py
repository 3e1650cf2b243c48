"""Registers of an array block that stand elsewhere: accesses handed on, data handed back."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.csr.bus import WORD_BITS, CsrBus, locate
from proto.registers import ADDRESS_BITS, WORD_BYTES, Access, Block

__all__ = ["ArrayPort", "array_members"]


def array_members(block: Block) -> dict:
    """Return the members of an :class:`ArrayPort` but for its bus.

    Raises
    ------
    ValueError
        If the block is no array.
    """
    if block.count is None:
        raise ValueError(f"block {block.name} must be an array")
    row = max(1, ceil_log2(block.count))
    word = max(1, ceil_log2(len(block.registers)))
    pulses = {register.name: Out(1) for register in block.registers if _is_pulse(register)}
    return {
        "row": Out(row), "word": Out(word), "data": Out(WORD_BITS), "write": Out(1),
        **pulses,
        "read_row": Out(row), "read_word": Out(word), "read": Out(1), "read_data": In(WORD_BITS),
    }


def _is_pulse(register) -> bool:
    return register.fields[0].access is Access.PULSE


class ArrayPort(wiring.Component):
    """Decode accesses to an array block for a table such as :class:`~hdl.row_table.RowTable`.

    Latency: 0 cycles, `bus.address` to `read_row`, 1 cycle to `read_word` and `read` (a table looks
    its row up in between); 1 cycle, `bus.write` to `write` or a pulse; 2 cycles, `bus.address` to
    `bus.read_data`. What is read of an address outside of the block, or of a pulse, is zero.

    Parameters
    ----------
    block : Block
        An array. Registers are told apart by their number in it.

    Members
    -------
    bus : ``In(CsrBus)``
        Access from software.
    row, word, data, write : ``Out``
        Pulse: software writes `data` to register `word` of element `row`; only of registers that
        it may set.
    ``<register>`` : ``Out(1)``
        One for each register that is a pulse: software writes 1 to it, for element `row`.
    read_row, read_word, read_data : ``Out``, ``Out``, ``In(32)``
        Register to read, and its word two cycles after its row.
    read : ``Out(1)``
        Pulse with `read_word`: it is being read, not only addressed.

    Raises
    ------
    ValueError
        If the block is no array.
    """

    def __init__(self, block: Block):
        self.block = block
        super().__init__({"bus": In(CsrBus), **array_members(block)})

    def elaborate(self, platform):
        m = Module()

        block = self.block
        low = ceil_log2(WORD_BYTES)
        word_bits = ceil_log2(block.stride) - low

        def split(address):
            """Return whether an address is in the block, its row and its register."""
            inside, offset = locate(address, block.base, block.stride * block.count)
            number = offset[low:low + word_bits]
            return inside & (number < len(block.registers)), offset[low + word_bits:], number

        # Decoded before the registers: the table may be far away.
        wanted = Signal(ADDRESS_BITS)
        m.d.comb += wanted.eq(self.bus.address)
        found, read_row, read_word = split(wanted)
        written = found & self.bus.write
        m.d.sync += [self.data.eq(self.bus.write_data),
                     self.row.eq(read_row), self.word.eq(read_word)]
        for number, register in enumerate(block.registers):
            if _is_pulse(register):
                m.d.sync += getattr(self, register.name).eq(
                    written & (read_word == number) & self.bus.write_data[0])
        settable = [number for number, register in enumerate(block.registers)
                    if register.fields[0].access is Access.RW]
        if settable:
            m.d.sync += self.write.eq(written & read_word.matches(*settable))

        readable = [number for number, register in enumerate(block.registers)
                    if not _is_pulse(register)]
        shown = Signal(2)
        m.d.comb += [
            self.read_row.eq(read_row),
            self.bus.read_data.eq(Mux(shown[1], self.read_data, 0)),
        ]
        m.d.sync += [self.read_word.eq(read_word), self.read.eq(self.bus.read & found)]
        m.d.sync += shown.eq(Cat(found & read_word.matches(*readable), shown[0]))

        return m
