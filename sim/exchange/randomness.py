"""Random integers that are the same on every machine: no floating point."""

from random import Random

__all__ = ["chance", "exponential"]

_BITS = 32


def chance(random: Random, numerator: int, denominator: int) -> bool:
    """Return True in `numerator` of `denominator` cases."""
    return random.randrange(denominator) < numerator


def exponential(random: Random, mean: int) -> int:
    """Return an exponentially distributed integer of the given mean.

    Von Neumann's method: compares uniform numbers and never takes a logarithm.
    """
    whole = 0
    while True:
        first = previous = random.getrandbits(_BITS)
        length = 1
        while (drawn := random.getrandbits(_BITS)) < previous:
            previous = drawn
            length += 1
        if length % 2:
            return (whole << _BITS | first) * mean >> _BITS
        whole += 1
