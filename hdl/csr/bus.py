"""The bus to every register: a word at a byte address, one access per cycle."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from proto.registers import ADDRESS_BITS, WORD_BYTES

__all__ = ["CsrBus", "READ_LATENCY", "WORD_BITS"]

#: Bits of a register.
WORD_BITS = 8 * WORD_BYTES

#: Cycles from the cycle of an address to that of its ``read_data``.
READ_LATENCY = 3

#: Seen from the software's side. ``write`` and ``read`` are strobes; ``read_data`` follows the
#: address by READ_LATENCY cycles whether or not ``read`` is raised.
CsrBus = wiring.Signature({
    "address": Out(ADDRESS_BITS),
    "write_data": Out(WORD_BITS),
    "write": Out(1),
    "read": Out(1),
    "read_data": In(WORD_BITS),
})
