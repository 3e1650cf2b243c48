"""Sums of many numbers with one carry chain."""

from amaranth import *

__all__ = ["carry_save"]


def carry_save(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    """Return two numbers that have the sum of three, modulo their common width; a LUT deep.

    Raises
    ------
    ValueError
        If the widths differ.
    """
    if not len(a) == len(b) == len(c):
        raise ValueError(f"widths must be equal, were {len(a)}, {len(b)} and {len(c)}")
    majority = (a & b) | (a & c) | (b & c)
    return a ^ b ^ c, Value.cast(Cat(C(0, 1), majority[:-1]))
