"""Registers that stand once: settings out, state in, pulses."""

from collections.abc import Iterator, Mapping

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.csr.bus import WORD_BITS, CsrBus
from proto.registers import ADDRESS_BITS, WORD_BYTES, Access, BitField, Block, Register

__all__ = ["RegisterFile", "field_members", "port_name"]

_WORD_LOW = ceil_log2(WORD_BYTES)

#: Settings whose selection is joined before a register.
_SHOWN_TOGETHER = 64
#: Parts of what joins them to the choice for a bit.
_CHOICES = 3


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


def _rows(blocks: tuple[Block, ...]) -> tuple[list[int], dict[int, int], int]:
    """Return the bits of an address that tell words apart, the row of each, and an unused row."""
    wheres = [block.base + offset for block in blocks
              for offset in range(0, block.stride, WORD_BYTES)]

    def row(where: int, bits: list[int]) -> int:
        return sum((where >> bit & 1) << place for place, bit in enumerate(bits))

    bits = list(range(_WORD_LOW, ADDRESS_BITS))
    for bit in reversed(bits):
        fewer = [other for other in bits if other != bit]
        if len({row(where, fewer) for where in wheres}) == len(wheres):
            bits = fewer
    rows = {where: row(where, bits) for where in wheres}
    taken = set(rows.values())
    return bits, rows, next(spare for spare in range(len(taken) + 1) if spare not in taken)


class RegisterFile(wiring.Component):
    """The registers of some blocks, each field a port.

    Latency: 3 cycles, `bus.address` to `bus.read_data`; 2 cycles, `bus.write` to a setting or
    pulse. An address of no register reads zero; writing there or to a read-only field does
    nothing. (The bridge adds the fourth cycle of the bus's read latency.) Of a number in two
    registers that hardware sets, the upper half reads as it was when the lower half was read.

    Software reads its own settings from a memory of what it wrote; a bit for each word tells
    whether that was since the last reset, so that the memory need not be cleared.

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

        # Decoded before the register: the settings are all over the device, and a wire that goes
        # so far has no time left for more.
        address = Signal(ADDRESS_BITS)
        write_data = Signal(WORD_BITS)
        write, read = Signal(), Signal()
        m.d.sync += [
            address.eq(self.bus.address),
            write_data.eq(self.bus.write_data),
            write.eq(self.bus.write),
            read.eq(self.bus.read),
        ]
        selected: dict[tuple[str, str], Signal] = {}
        written: dict[tuple[str, str], Signal] = {}
        within = Signal(len(self.blocks))
        for index, block in enumerate(self.blocks):
            low = ceil_log2(block.stride)
            inside = Signal(name=f"{block.name}_inside")
            m.d.comb += inside.eq((self.bus.address[low:] == block.base >> low)
                                  & (self.bus.address[:_WORD_LOW] == 0))
            m.d.sync += within[index].eq(inside)
            for number, register in enumerate(block.registers):
                name = f"{block.name}_{register.name}"
                chosen, strobe = Signal(name=f"{name}_selected"), Signal(name=f"{name}_written")
                here = inside & (self.bus.address[_WORD_LOW:low] == number)
                m.d.sync += [chosen.eq(here), strobe.eq(here & self.bus.write)]
                selected[block.name, register.name] = chosen
                written[block.name, register.name] = strobe

        # What hardware sets is chosen from its ports.
        found = []
        for block in self.blocks:
            terms: list[list] = [[] for _ in range(WORD_BITS)]
            for register in block.registers:
                if f"{block.name}.{register.name}" in self.constants:
                    continue
                chosen = selected[block.name, register.name]
                for field in register.fields:
                    bits = self._field(m, getattr(self, port_name(block, register, field)), field,
                                       written[block.name, register.name], write_data)
                    if field.access not in (Access.R, Access.W1C):
                        continue
                    if (lower := block.lower_half(register)) is not None:
                        bits = self._kept(m, bits, read & selected[block.name, lower.name])
                    for bit in range(field.width):
                        terms[field.lsb + bit].append(chosen & bits[bit])
            if any(terms):
                data = Signal(WORD_BITS, name=f"{block.name}_data", reset_less=True)
                m.d.sync += data.eq(Cat(Cat(parts).any() if parts else C(0, 1) for parts in terms))
                found.append(data)
        kept = self._remembered(m, address, within, write, write_data, selected, written)
        shown = Signal(WORD_BITS, reset_less=True)
        m.d.sync += shown.eq(Cat(
            Cat(data[bit] for data in found).any() if found else C(0, 1)
            for bit in range(WORD_BITS)))
        m.d.comb += self.bus.read_data.eq(kept | shown)

        return m

    def _remembered(self, m: Module, address, within, write, write_data, selected,
                    written) -> Value:
        """Return settings and constants, three cycles after their address.

        What software wrote is read from a memory, and before that the reset value from another one:
        much smaller than to choose from all ports.
        """
        bits, rows, spare = _rows(self.blocks)
        row = Signal(range(max(*rows.values(), spare) + 1))
        known = within.any()
        m.d.comb += row.eq(Mux(known, Cat(address[bit] for bit in bits), spare))

        initial = [0] * (1 << len(row))
        for block in self.blocks:
            for number, register in enumerate(block.registers):
                value = sum(field.reset << field.lsb for field in register.fields
                            if field.access is Access.RW)
                value = self.constants.get(f"{block.name}.{register.name}", value)
                initial[rows[block.base + WORD_BYTES * number]] = value
        m.submodules.initial = first = Memory(shape=WORD_BITS, depth=len(initial), init=initial,
                                              attrs={"ram_style": "block"})
        m.submodules.written = later = Memory(shape=WORD_BITS, depth=len(initial), init=[],
                                              attrs={"ram_style": "block"})
        initials, reading, writing = first.read_port(), later.read_port(), later.write_port()
        m.d.comb += [
            initials.addr.eq(row), initials.en.eq(1), reading.addr.eq(row), reading.en.eq(1),
            writing.addr.eq(row), writing.data.eq(write_data), writing.en.eq(write & known),
        ]

        # Bits that the first memory does not know better: those of settings that were written.
        settings: dict[int, list] = {}
        for block in self.blocks:
            for register in block.registers:
                mask = sum(((1 << field.width) - 1) << field.lsb for field in register.fields
                           if field.access is Access.RW)
                if mask and f"{block.name}.{register.name}" not in self.constants:
                    chosen = selected[block.name, register.name]
                    changed = Signal(name=f"{block.name}_{register.name}_changed")
                    with m.If(written[block.name, register.name]):
                        m.d.sync += changed.eq(1)
                    settings.setdefault(mask, []).append(chosen & changed)
        shown: list[tuple[int, Signal]] = []
        for mask, terms in settings.items():
            for at in range(0, len(terms), _SHOWN_TOGETHER):
                flag = Signal(name=f"shown_{mask:x}_{at}")
                m.d.sync += flag.eq(Cat(terms[at:at + _SHOWN_TOGETHER]).any())
                shown.append((mask, flag))
        # A choice for all bits that the same masks have, in parts: as most masks are contained in
        # others, synthesis would join all of them one by one.
        choices: dict[tuple, Signal] = {}

        def choice(flags: tuple) -> Signal:
            if flags not in choices:
                choices[flags] = Signal(name=f"written_{len(choices)}", reset_less=True)
                m.d.sync += choices[flags].eq(Cat(shown[number][1] for number in flags).any())
            return choices[flags]

        ours, reset = Signal(WORD_BITS, reset_less=True), Signal(WORD_BITS, reset_less=True)
        m.d.sync += [ours.eq(reading.data), reset.eq(initials.data)]
        bits_read = []
        for bit in range(WORD_BITS):
            parts = [tuple(number for number, (mask, _) in enumerate(shown)
                           if number % _CHOICES == part and mask >> bit & 1)
                     for part in range(_CHOICES)]
            bits_read.append(Mux(Cat(choice(part) for part in parts if part).any(),
                                 ours[bit], reset[bit]))
        return Value.cast(Cat(*bits_read))

    def _kept(self, m: Module, port, taken) -> Value:
        """Return a port as it was when `taken` was high last."""
        kept = Signal.like(port, name=f"{port.name}_kept", reset_less=True)
        with m.If(taken):
            m.d.sync += kept.eq(port)
        return kept

    def _field(self, m: Module, port, field: BitField, written, write_data) -> Value:
        """Connect the port of one field; return what software reads, but for what it wrote."""
        value = write_data[field.lsb:field.lsb + field.width]
        match field.access:
            case Access.RW:
                with m.If(written):
                    m.d.sync += port.eq(value)
            case Access.PULSE:
                m.d.sync += port.eq(Mux(written, value, 0))
            case Access.W1C:
                kept = Signal(field.width, name=f"{field.name}_kept")
                m.d.sync += kept.eq((kept & ~Mux(written, value, 0)) | port)
                return kept
        return port
