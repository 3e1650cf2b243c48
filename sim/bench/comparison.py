"""Rows that came from the hardware against the plain-Python books, message by message."""

from dataclasses import dataclass, field

from proto.events import BookState
from sim.golden.book import Books

__all__ = ["Comparison"]

#: The columns of `sim.replay.COLUMNS`.
_ROW = tuple[int, ...]


@dataclass
class Comparison:
    """Rows of the hardware against those of the plain-Python books.

    Attributes
    ----------
    rows, matched : int
        Rows that there should be, and those that came and are right.
    wrong : int
        Rows that say the book is exact, and differ.
    withheld : int
        Rows that did not come, or differ, while the appliance said that the book is stale.
    missing : int
        Rows that did not come, and no row before said that the book was stale.
    first_wrong : list
        The first few wrong rows, and what they should have been.
    """

    rows: int = 0
    matched: int = 0
    wrong: int = 0
    withheld: int = 0
    missing: int = 0
    first_wrong: list[tuple[_ROW, _ROW]] = field(default_factory=list[tuple[_ROW, _ROW]])

    def __post_init__(self) -> None:
        """Begin with empty books."""
        self._books = Books()
        self._published: dict[int, tuple[int, ...]] = {}
        self._expected: list[tuple[int, _ROW, bool]] = []
        self._found: dict[int, tuple[_ROW, int]] = {}
        self._sequence = 0
        self._stale: set[int] = set()

    def expect(self, messages: list[bytes]) -> None:
        """Take in the next messages."""
        for message in messages:
            self._sequence += 1
            locate = self._books.apply(message)
            if locate is None:
                continue
            top = self._books.top(locate)
            seen = top[0:2] + top[3:5]
            changed = seen != self._published.get(locate, (0, 0, 0, 0))
            self._published[locate] = seen
            row = (self._sequence, int.from_bytes(message[5:11], "big"), locate, *top)
            self._expected.append((self._sequence, row, changed))

    def compare(self, rows: list[_ROW], states: list[int], through: int) -> None:
        """Take in rows of the hardware; none of a message up to `through` will come later."""
        self._found.update({row[0]: (row, state) for row, state in zip(rows, states, strict=True)})
        keep = len(self._expected)
        for at, (sequence, row, changed) in enumerate(self._expected):
            if sequence > through:
                keep = at
                break
            self._compare_one(row, changed, self._found.pop(sequence, None))
        self._expected = self._expected[keep:]

    @property
    def unexpected(self) -> int:
        """Rows of messages that change no book."""
        return len(self._found)

    def _compare_one(self, row: _ROW, changed: bool, found: tuple[_ROW, int] | None) -> None:
        locate = row[2]
        self.rows += changed
        if found is None:
            if changed:
                self.withheld += locate in self._stale
                self.missing += locate not in self._stale
            return
        got, state = found
        if state & BookState.STALE:
            self._stale.add(locate)
            self.withheld += changed
            return
        self._stale.discard(locate)
        if got == row:
            self.matched += changed
        else:
            self.wrong += 1
            if len(self.first_wrong) < 4:
                self.first_wrong.append((got, row))
