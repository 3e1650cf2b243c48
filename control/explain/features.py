"""The features of recorded events, as the hardware's records of vectors have them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from control.broker import DecodedEvent
from proto.events import EventKind, VectorFlag
from proto.features import FEATURES

__all__ = ["Vector", "Vectors"]

_VECTOR = EventKind.FEATURE_VECTOR.name.lower()


@dataclass(frozen=True)
class Vector:
    """What the model saw after a message.

    Attributes
    ----------
    feed_sequence : int
        Number of the message.
    features : tuple of int
        In the order of the table.
    usable : bool
        The book was exact and had both sides.
    recorded_score : int or None
        What the hardware made of it; None if that could make no order.
    epoch : int
        Of the model that scored.
    """

    feed_sequence: int
    features: tuple[int, ...]
    usable: bool
    recorded_score: int | None
    epoch: int


def _vector(fields: dict[str, int]) -> Vector:
    return Vector(
        fields["feed_sequence"],
        tuple(fields[feature.name] for feature in FEATURES),
        bool(fields["flags"] & VectorFlag.USABLE),
        fields["score"] if fields["flags"] & VectorFlag.SCORED else None,
        fields["epoch"])


class Vectors:
    """The recorded vectors of a run.

    Parameters
    ----------
    records : iterable of DecodedEvent
        Event records, oldest first.
    """

    def __init__(self, records: Iterable[DecodedEvent]) -> None:
        self._found: dict[int, dict[int, Vector]] = {}
        for event in records:
            if event.kind == _VECTOR:
                vector = _vector(event.fields)
                of_symbol = self._found.setdefault(event.fields["symbol_index"], {})
                before = of_symbol.get(vector.feed_sequence)
                # A book that was published once more may be usable only then.
                if before is None or vector.usable or not before.usable:
                    of_symbol[vector.feed_sequence] = vector

    def of_symbol(self, symbol_index: int) -> Iterator[Vector]:
        """Return the vectors of a symbol, by the numbers of their messages."""
        found = self._found.get(symbol_index, {})
        return (found[number] for number in sorted(found))

    def at(self, symbol_index: int, sequence: int) -> Vector | None:
        """Return the vector of a symbol after a message, None if none was recorded."""
        return self._found.get(symbol_index, {}).get(sequence)
