"""Toeplitz hash of an order reference with a run-time key.

Ref: H. Krawczyk, "New Hash Functions for Message Authentication" (EUROCRYPT '95), the Toeplitz
construction; each key bit is used by one diagonal of the matrix.
"""

import hashlib

from amaranth import *

__all__ = ["REFERENCE_BITS", "ToeplitzHash", "default_keys"]

#: Width of an order reference.
REFERENCE_BITS = 64


class ToeplitzHash:
    """A row number from a 64-bit reference: bit i is the parity of ``reference & (key >> i)``.

    Gateware and plain Python side by side. In gateware it is combinational, four levels of
    four-input look-up tables.

    Parameters
    ----------
    row_bits : int
        Width of the row number.

    Raises
    ------
    ValueError
        If `row_bits` is not 1 to 32.
    """

    def __init__(self, row_bits: int):
        if not 1 <= row_bits <= 32:
            raise ValueError(f"row_bits must be 1 to 32, was {row_bits}")
        self.row_bits = row_bits

    @property
    def key_bits(self) -> int:
        """Width of a key."""
        return REFERENCE_BITS + self.row_bits - 1

    def compute(self, reference: int, key: int) -> int:
        """Return the row of `reference` under `key`."""
        return sum(((reference & (key >> i)).bit_count() & 1) << i for i in range(self.row_bits))

    def hash(self, reference: Value, key: Value) -> Value:
        """Return the row of `reference` under `key` as a combinational expression."""
        return Value.cast(Cat(
            (reference & key[i:i + REFERENCE_BITS]).xor() for i in range(self.row_bits)))


def default_keys(row_bits: int, banks: int) -> tuple[int, ...]:
    """Return a fixed key for each bank, to be used until software writes its own."""
    bits = ToeplitzHash(row_bits).key_bits
    return tuple(
        int.from_bytes(hashlib.shake_128(b"order table bank %d" % bank).digest(16)) % (1 << bits)
        for bank in range(banks))
