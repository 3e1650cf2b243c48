"""Random integers that are the same on every machine: no floating point."""

from random import Random

__all__ = ["chance", "exponential", "heavy_tailed"]

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


def heavy_tailed(random: Random, doubling_per_mille: int, most_doublings: int = 12) -> int:
    """Return an integer >= 1 whose distribution has a power-law tail.

    It is doubled again and again, each time with the same chance p, and what lies between two
    powers of two is uniform. So the chance to exceed x falls as x ** -a with a = -log2(p): p = 0.5
    makes 1, 0.354 makes 1.5, 0.25 makes 2.
    """
    doublings = 0
    while doublings < most_doublings and chance(random, doubling_per_mille, 1000):
        doublings += 1
    return (1 << doublings) + random.randrange(1 << doublings)
