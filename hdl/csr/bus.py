"""The bus to every register: a word at a byte address, one access per cycle."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from proto.registers import ADDRESS_BITS, WORD_BYTES

__all__ = ["CsrBus", "READ_LATENCY", "WORD_BITS", "locate"]

#: Bits of a register.
WORD_BITS = 8 * WORD_BYTES

#: Cycles from the cycle of an address to that of its ``read_data``.
READ_LATENCY = 4

#: Seen from the software's side. ``write`` and ``read`` are strobes; ``read_data`` follows the
#: address by READ_LATENCY cycles whether or not ``read`` is raised.
CsrBus = wiring.Signature({
    "address": Out(ADDRESS_BITS),
    "write_data": Out(WORD_BITS),
    "write": Out(1),
    "read": Out(1),
    "read_data": In(WORD_BITS),
})


def locate(address: Value, base: int, length: int) -> tuple[Value, Value]:
    """Return whether an address is among the `length` bytes from `base` on, and how far.

    How far is undefined elsewhere. A base that is a multiple of the length's power of two needs no
    subtraction, and no comparison but for equality of the upper bits if the length is one.
    """
    bits = ceil_log2(length)
    if base % (1 << bits):
        return ((address >= base) & (address < base + length),
                Value.cast((address - base)[:bits]))
    inside = Value.cast(address[bits:] == base >> bits)
    if length < 1 << bits:
        inside = inside & Value.cast(address[:bits] < length)
    return inside, Value.cast(address[:bits])
