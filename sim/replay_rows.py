"""Rows of a replay as CSV files (RFC 4180), written as they are found, so that none is lost.

A replay in one pass writes its file from the start. One in several passes writes a file for each,
``<name>.pass-1`` and so on, whose first column says where a row belongs, and merges them at its
end. Until then ``<name>.resume`` says what is there; with it an interrupted replay can go on.
"""

import heapq
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import numpy.typing as npt

from proto.events import BookState
from sim.errors import SimulationError

__all__ = ["COLUMNS", "ResumeError", "RowFile", "row_lines"]

#: Columns of the file of rows, and the fields of a record that they come from.
COLUMNS: Mapping[str, str] = {
    "seq": "feed_sequence", "ts_ns": "ts_ns", "locate": "locate",
    "bid_px": "bid_price", "bid_sz": "bid_quantity", "bid_ct": "bid_count",
    "ask_px": "ask_price", "ask_sz": "ask_quantity", "ask_ct": "ask_count",
}

_SCHEMA = "tickwire-resume/1"
_END = "\r\n"
_TAIL_BYTES = 4096    # many times the longest row
_STATES = {int(state): "+".join(
    str(flag.name).lower() for flag in BookState if flag & state) for state in range(
        2 * max(BookState))}


class ResumeError(SimulationError):
    """There is nothing that could be gone on with, or it is of another replay."""


def row_lines(records: npt.NDArray[Any], *, states: bool = False) -> Iterator[str]:
    """Yield a line for each record, with the columns `COLUMNS` and, if wanted, ``state``."""
    if not len(records):
        return
    columns: list[Iterable[object]] = [records[source].tolist() for source in COLUMNS.values()]
    if states:
        columns.append([_STATES[state] for state in records["state"].tolist()])
    for row in zip(*columns, strict=True):
        yield ",".join(map(str, row)) + _END


class RowFile:
    """The file of rows of one replay; leaving the block closes it.

    Parameters
    ----------
    path : Path
        The file.
    identity : mapping
        What makes the replay the same as another one, ready for JSON.
    passes : int
        How many there are.
    states : bool
        Whether there is a column ``state``.
    resume : bool
        Go on with what an interrupted replay has left.

    Raises
    ------
    ResumeError
        If there is nothing to go on with.
    OSError
        If a file cannot be read or written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], passes: int, *,
                 states: bool = False, resume: bool = False) -> None:
        self.path = path
        self._identity = {"schema": _SCHEMA, "passes": passes, "states": states, **identity}
        self._passes = passes
        self._states = states
        self._resume = resume
        self._file: TextIO | None = None
        self._head = ",".join([*COLUMNS, *(["state"] if states else [])]) + _END
        self._complete: list[int] = []
        if resume:
            self._complete = self._left()
        self._note()

    def __enter__(self) -> Self:
        """Return this file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close what is open; nothing is removed."""
        self._close()

    @property
    def _state_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.resume")

    def _path_of(self, number: int) -> Path:
        return self.path if self._passes == 1 else self.path.with_name(
            f"{self.path.name}.pass-{number}")

    def _left(self) -> list[int]:
        """Return the passes that are complete; refuse what another replay has left."""
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ResumeError(f"nothing to go on with: {self._state_path} does not exist") from None
        except ValueError as error:
            raise ResumeError(f"{self._state_path} cannot be read: {error}") from error
        complete = state.pop("complete", [])
        if state != json.loads(json.dumps(self._identity)):
            differing = sorted(name for name in {*state, *self._identity}
                               if state.get(name) != json.loads(json.dumps(
                                   self._identity.get(name))))
            raise ResumeError(f"{self.path} was begun by another replay: {', '.join(differing)} "
                              "differ")
        return complete

    def _note(self) -> None:
        self._state_path.write_text(
            json.dumps({**self._identity, "complete": self._complete}) + "\n", encoding="utf-8")

    def begin(self, number: int) -> int | None:
        """Begin a pass, counted from 1.

        Returns
        -------
        int or None
            Sequence number up to which its rows are there already, 0 if none is; None if the whole
            pass is.
        """
        if number in self._complete:
            return None
        path = self._path_of(number)
        last, size = self._whole_lines(path) if self._resume and path.exists() else (0, 0)
        self._file = path.open("r+" if size else "w", encoding="ascii", newline="")
        if size:
            self._file.seek(size)
            self._file.truncate()
        elif self._passes == 1:
            self._file.write(self._head)
        return last

    def _whole_lines(self, path: Path) -> tuple[int, int]:
        """Return the last sequence number of a file, and the size of its complete lines."""
        end = _END.encode()
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
            file.seek(start)
            tail = file.read()
        size = tail.rfind(end) + len(end)
        if size < len(end):
            return 0, 0
        line = tail[:size - len(end)].rpartition(end)[2].decode("ascii")
        number = line.split(",")[0 if self._passes == 1 else 1]
        return (int(number) if number.isdigit() else 0), start + size

    def write(self, key: int, records: npt.NDArray[Any]) -> None:
        """Add rows of the pass, which come in order of `key`, then sequence number."""
        assert self._file is not None
        lines = row_lines(records, states=self._states)
        self._file.writelines(lines if self._passes == 1 else (f"{key},{line}" for line in lines))
        self._file.flush()

    def end(self, number: int) -> None:
        """End a pass: all its rows are there."""
        self._close()
        self._complete.append(number)
        self._note()

    def finish(self) -> None:
        """Make the file whole; everything else is removed."""
        if self._passes > 1:
            self._merge()
            for number in range(1, self._passes + 1):
                self._path_of(number).unlink()
        self._state_path.unlink()

    def _merge(self) -> None:
        def rows(number: int) -> Iterator[tuple[int, int, int, str]]:
            with self._path_of(number).open(encoding="ascii", newline="") as part:
                for line in part:
                    key, _, row = line.partition(",")
                    yield int(key), int(row[:row.index(",")]), number, row

        with self.path.open("w", encoding="ascii", newline="") as file:
            file.write(self._head)
            file.writelines(row for *_, row in heapq.merge(
                *(rows(number) for number in range(1, self._passes + 1))))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
