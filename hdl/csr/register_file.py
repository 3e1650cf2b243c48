"""Registers that stand once: settings out, state in, pulses."""

from collections.abc import Iterator, Mapping

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.csr.bus import WORD_BITS, CsrBus
from proto.registers import ADDRESS_BITS, WORD_BYTES, Access, BitField, Block, Register

__all__ = ["RegisterFile", "field_members", "port_name"]


def port_name(block: Block, register: Register, field: BitField) -> str:
    """Return the name of the port of a field: ``value`` of a register of one field is left out."""
    names = [block.name, register.name]
    if field.name != "value":
        names.append(field.name)
    return "_".join(names)


def _fields(blocks: tuple[Block, ...]) -> Iterator[tuple[int, Block, Register, BitField]]:
    for block in blocks:
        for number, register in enumerate(block.registers):
            for field in register.fields:
                yield block.base + WORD_BYTES * number, block, register, field


def field_members(blocks: tuple[Block, ...], *, constants: Mapping[str, int] | None = None) -> dict:
    """Return the members of a :class:`RegisterFile` that are fields: settings and pulses out."""
    members = {}
    for _, block, register, field in _fields(blocks):
        if f"{block.name}.{register.name}" in (constants or {}):
            continue
        outward = field.access in (Access.RW, Access.PULSE)
        reset = {"init": field.reset} if outward else {}
        members[port_name(block, register, field)] = (Out if outward else In)(field.width, **reset)
    return members


class RegisterFile(wiring.Component):
    """The registers of some blocks, each field a port.

    Latency: 2 cycles, `bus.address` to `bus.read_data`; 2 cycles, `bus.write` to a setting or
    pulse. An address of no register reads zero; writing there or to a read-only field does
    nothing. (The bridge adds the third cycle of the bus's read latency.) Of a number in two
    registers that hardware sets, the upper half reads as it was when the lower half was read.

    Parameters
    ----------
    blocks : tuple of Block
        Blocks of the map that are no arrays.
    constants : mapping of str to int
        Words, named ``block.register``, that never change; their fields have no port.

    Members
    -------
    bus : ``In(CsrBus)``
        Access from software.
    ``<block>_<register>[_<field>]`` : ``Out`` for rw and pulse, ``In`` for r and w1c
        The fields. Of a w1c field the input sets bits.

    Raises
    ------
    ValueError
        If a block is an array.
    """

    def __init__(self, blocks: tuple[Block, ...], *, constants: Mapping[str, int]):
        for block in blocks:
            if block.count is not None:
                raise ValueError(f"block {block.name} must not be an array")
        self.blocks = blocks
        self.constants = dict(constants)
        super().__init__({"bus": In(CsrBus), **field_members(blocks, constants=constants)})

    def elaborate(self, platform):
        m = Module()

        address = Signal(ADDRESS_BITS)
        write_data = Signal(WORD_BITS)
        write, read = Signal(), Signal()
        m.d.sync += [
            address.eq(self.bus.address),
            write_data.eq(self.bus.write_data),
            write.eq(self.bus.write),
            read.eq(self.bus.read),
        ]

        words: dict[int, list] = {}
        for where, block, register, field in _fields(self.blocks):
            word = words.setdefault(where, [C(0, 1)] * WORD_BITS)
            constant = self.constants.get(f"{block.name}.{register.name}")
            if constant is not None:
                bits = C(field.extract(constant), field.width)
            else:
                bits = self._field(m, getattr(self, port_name(block, register, field)), field,
                                   write & (address == where), write_data)
                if (lower := block.lower_half(register)) is not None:
                    low = block.base + WORD_BYTES * block.registers.index(lower)
                    bits = self._kept(m, bits, read & (address == low))
            word[field.lsb:field.lsb + field.width] = list(bits)

        found = []
        for block in self.blocks:
            low = ceil_log2(block.stride)
            data = Signal(WORD_BITS, name=f"{block.name}_data")
            m.d.sync += data.eq(0)
            with m.If(address[low:] == block.base >> low), m.Switch(address[:low]):
                for number in range(len(block.registers)):
                    offset = WORD_BYTES * number
                    with m.Case(offset):
                        m.d.sync += data.eq(Cat(words[block.base + offset]))
            found.append(data)
        m.d.comb += self.bus.read_data.eq(Cat(
            Cat(data[bit] for data in found).any() for bit in range(WORD_BITS)))

        return m

    def _kept(self, m: Module, port, taken) -> Value:
        """Return a port as it was when `taken` was high last."""
        kept = Signal.like(port, name=f"{port.name}_kept", reset_less=True)
        with m.If(taken):
            m.d.sync += kept.eq(port)
        return kept

    def _field(self, m: Module, port, field: BitField, written, write_data) -> Value:
        """Connect the port of one field; return what software reads."""
        value = write_data[field.lsb:field.lsb + field.width]
        match field.access:
            case Access.R:
                return port
            case Access.RW:
                with m.If(written):
                    m.d.sync += port.eq(value)
                return port
            case Access.PULSE:
                m.d.sync += port.eq(Mux(written, value, 0))
                return C(0, field.width)
            case Access.W1C:
                kept = Signal(field.width, name=f"{field.name}_kept")
                m.d.sync += kept.eq((kept & ~Mux(written, value, 0)) | port)
                return kept
