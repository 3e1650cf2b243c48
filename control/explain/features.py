"""The features of :mod:`proto.features` of recorded touches, bit by bit as the hardware has them.

Computed here from the records of best bids and offers, since no record holds a vector. Whether it
is the vector that the hardware scored shows in the score, which a record of an order does hold.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from control.explain.market import FeedMessage, Market, Touch
from proto.features import FEATURES, IMBALANCE_FRACTION_BITS, OFI_DECAY_SHIFT

__all__ = ["Vector", "vector_at", "vectors"]

_LARGEST_FLOW = 0xFFFF


@dataclass(frozen=True)
class Vector:
    """What was scored after a message.

    Attributes
    ----------
    message : FeedMessage
        The message.
    touch : Touch
        Best bid and offer after it.
    features : tuple of int
        In the order of the table.
    """

    message: FeedMessage
    touch: Touch
    features: tuple[int, ...]


def _log2(quantity: int) -> int:
    """Return the piecewise linear logarithm of a quantity."""
    if not quantity:
        return 0
    whole = quantity.bit_length() - 1
    rest = quantity - (1 << whole)
    return (whole << IMBALANCE_FRACTION_BITS) + (rest << IMBALANCE_FRACTION_BITS >> whole)


def _flow(new: Touch, old: Touch) -> int:
    """Return what an event adds to the order flow."""
    def sizes(touch: Touch) -> tuple[int, int]:
        return (min(touch.fields["bid_quantity"], _LARGEST_FLOW),
                min(touch.fields["ask_quantity"], _LARGEST_FLOW))

    (bid, ask), (old_bid, old_ask) = sizes(new), sizes(old)
    up = new.fields["bid_price"] - old.fields["bid_price"]
    ask_up = new.fields["ask_price"] - old.fields["ask_price"]
    return ((bid if up >= 0 else 0) - (old_bid if up <= 0 else 0)
            - (ask if ask_up <= 0 else 0) + (old_ask if ask_up >= 0 else 0))


class _Extractor:
    """One symbol."""

    def __init__(self) -> None:
        self._before: Touch | None = None
        self._flow = 0
        computed: dict[str, Callable[[Touch], int]] = {
            "spread": lambda touch: touch.fields["ask_price"] - touch.fields["bid_price"],
            "mid_move": self._mid_move,
            "imbalance_top1": lambda touch: (_log2(touch.fields["bid_quantity"])
                                             - _log2(touch.fields["ask_quantity"])),
            "order_flow_imbalance": lambda touch: self._flow,
        }
        self._computed = [(feature, computed[feature.name]) for feature in FEATURES]

    def _mid_move(self, touch: Touch) -> int:
        before = self._before
        if before is None:
            return 0
        return sum(touch.fields[name] - before.fields[name] for name in ("bid_price", "ask_price"))

    def take(self, touch: Touch) -> tuple[int, ...] | None:
        """Return the vector after an event, None if it is not to be used."""
        if not touch.usable:
            self._before, self._flow = None, 0
            return None
        self._flow = (0 if self._before is None else
                      self._flow - (self._flow >> OFI_DECAY_SHIFT) + _flow(touch, self._before))
        vector = tuple(max(feature.minimum, min(feature.maximum, compute(touch)))
                       for feature, compute in self._computed)
        self._before = touch
        return vector


def vectors(market: Market, symbol_index: int) -> Iterator[Vector]:
    """Return the vectors of a symbol that may be traded on, oldest first."""
    extractor = _Extractor()
    for message in market.book_messages(symbol_index):
        touch = market.touch(symbol_index, message.sequence)
        if touch is not None and (found := extractor.take(touch)) is not None:
            yield Vector(message, touch, found)


def vector_at(market: Market, symbol_index: int, sequence: int) -> Vector | None:
    """Return the vector of a symbol after a message, None if it made none that may be used."""
    for vector in vectors(market, symbol_index):
        if vector.message.sequence >= sequence:
            return vector if vector.message.sequence == sequence else None
    return None
