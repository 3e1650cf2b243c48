"""Records between the blocks of a book; what other stages see is in ``hdl/records.py``."""

from amaranth import *
from amaranth.lib import data, enum

from hdl.book.tick import KEY_BITS
from hdl.profile import Profile
from hdl.records import Side

__all__ = ["CachedLevel", "CacheRow", "FoundLevel", "LevelOp", "LevelOpKind", "UpdateComing",
           "row_bits"]


def row_bits(profile: Profile) -> int:
    """Return the width of a row: a symbol and a side, the side in bit 0."""
    return profile.symbol_bits + 1


def CachedLevel(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of one price level."""
    return data.StructLayout({
        "price": 32,                     # 1e-4 USD
        "quantity": 32,                  # shares
        "count": profile.count_bits,     # orders
    })


def CacheRow(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of the best levels of one side, best first.

    ``valid`` is a thermometer. ``beyond`` counts the side's orders in levels that are not here.
    The levels here are the best ones of the side, none missing between them; with ``beyond`` 0
    they are all there are.
    """
    return data.StructLayout({
        "levels": data.ArrayLayout(CachedLevel(profile), profile.cached_levels),
        "valid": profile.cached_levels,
        "beyond": profile.count_bits,
    })


def UpdateComing(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what is known of an update in the cycle before it is offered.

    If one is offered after ``valid``, it is of that symbol and side. One that was not foretold has
    to wait.
    """
    return data.StructLayout({"valid": 1, "symbol_index": profile.symbol_bits, "side": Side})


class LevelOpKind(enum.Enum, shape=3):
    """What the price-level memory does, in the order in which the cache saw it."""

    ADD = 0       #: an order joins level ``key``
    REMOVE = 1    #: ``quantity`` leaves level ``key``; with ``final`` an order leaves as well
    FIRST = 2     #: as ADD, of a side without orders: the window is placed round ``key`` before
    REBASE = 3    #: empty the side and place its window round ``key`` (``keyed``), or nowhere
    SEARCH = 4    #: find the levels worse than ``key`` (``keyed``), or all from the best
    WALK_END = 5  #: all orders of the side under rebuild have been added again


def LevelOp(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of one operation of the price-level memory."""
    return data.StructLayout({
        "kind": LevelOpKind,
        "row": row_bits(profile),
        "key": KEY_BITS,
        "keyed": 1,
        "quantity": 32,
        "final": 1,
    })


def FoundLevel(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of one answer to a SEARCH; the one with ``end`` closes it.

    Without ``found`` it only closes the search. ``dry`` says that no worse level is in the window.
    """
    return data.StructLayout({
        "key": KEY_BITS,                 # price; inverted for bids: lower is better
        "quantity": 32,                  # shares
        "count": profile.count_bits,     # orders
        "found": 1,
        "end": 1,
        "dry": 1,
    })

