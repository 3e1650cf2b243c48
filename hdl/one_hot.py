"""One of several values by a bit for each."""

from functools import reduce
from operator import or_

from amaranth import *

__all__ = ["pick"]


def pick(*choices: tuple[Value, Value]) -> Value:
    """Return that value of pairs of a bit and a value whose bit is set; zero if none is.

    At most one bit may be set. Values are as wide as the widest.
    """
    return reduce(or_, (Value.cast(value) & Value.cast(select).replicate(len(Value.cast(value)))
                        for select, value in choices))
