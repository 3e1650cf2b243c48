"""The frame check sequence as linear maps over GF(2).

Ref: IEEE 802.3, 3.2.9. The state is the reflected one (bit 0 of a byte enters first), preset to
ones, not complemented. A map is a list with one integer for each output bit, whose set bits name
the input bits that are XORed into it.
"""

from collections.abc import Callable, Sequence

from amaranth import *

__all__ = ["PRESET", "advance", "apply", "expected_before_last_word", "linear_map", "retreat"]

#: State before the first byte.
PRESET = 0xFFFFFFFF

_POLYNOMIAL = 0xEDB88320
#: State after a frame with its FCS, if it is good.
_RESIDUE = 0xDEBB20E3


def advance(state: int, count: int) -> int:
    """Return the state after `count` zero bytes."""
    for _ in range(8 * count):
        state = (state >> 1) ^ (_POLYNOMIAL if state & 1 else 0)
    return state


def retreat(state: int, count: int) -> int:
    """Return the state before `count` zero bytes: the inverse of :func:`advance`."""
    for _ in range(8 * count):
        # The polynomial's top bit is set, so bit 31 tells whether it was added.
        state = ((state ^ _POLYNOMIAL) << 1) | 1 if state >> 31 else state << 1
    return state


def linear_map(function: Callable[[int], int], width: int = 32) -> list[int]:
    """Return the map of a linear `function` of a `width`-bit integer to 32 bits."""
    columns = [function(1 << bit) for bit in range(width)]
    return [sum(((column >> row) & 1) << bit for bit, column in enumerate(columns))
            for row in range(32)]


def apply(matrix: Sequence[int], value: Value) -> Value:
    """Return the image of `value`, each bit an XOR of chosen bits."""
    return Value.cast(Cat(
        Cat(value[bit] for bit in range(len(value)) if (row >> bit) & 1).xor() for row in matrix))


def expected_before_last_word(count: int) -> int:
    """Return what state XOR folded last word must be for a good frame.

    The last word has `count` bytes, then zeros; to fold a word means to move its upper four bytes
    back to the lower ones (:func:`retreat` by 4) and XOR, so that the state after the word is
    ``advance(state ^ folded, 8)``. Zero bytes after the frame map the residue one to one, so each
    `count` has a constant.
    """
    return retreat(_RESIDUE, count)
