"""Levels and features of a replay as CSV files, from event records of the hardware."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from proto.events import (
    ASK_DEPTH,
    BID_DEPTH,
    EVENT_BYTES,
    FEATURE_VECTOR,
    HEADER,
    UNKNOWN_PRICE,
    EventKind,
    VectorFlag,
    numpy_dtype,
)
from proto.features import DEPTH_LEVELS, FEATURES

__all__ = ["DEPTH_COLUMNS", "FEATURE_COLUMNS", "DetailFiles", "Details"]

#: Columns of the two files. ``complete`` is 0 if the side has levels besides, that are not known.
DEPTH_COLUMNS = ("seq", "locate", "side", "complete", *(
    f"{name}_{level}" for level in range(1, DEPTH_LEVELS + 1) for name in ("px", "sz")))
FEATURE_COLUMNS = ("seq", "ts_ns", "locate", "usable", *(feature.name for feature in FEATURES))

_DEPTH = {EventKind.BID_DEPTH: "B", EventKind.ASK_DEPTH: "S"}
_DTYPES = {kind: np.dtype(numpy_dtype(message)) for kind, message in (
    (EventKind.BID_DEPTH, BID_DEPTH), (EventKind.ASK_DEPTH, ASK_DEPTH),
    (EventKind.FEATURE_VECTOR, FEATURE_VECTOR))}
_KIND_BYTE = HEADER.field("kind").offset
_END = "\r\n"

Rows = npt.NDArray[np.void]


class Details:
    """Records of levels and vectors of one appliance.

    Attributes
    ----------
    tables : dict of EventKind to array
        Those of each kind, in the order in which they came.
    """

    def __init__(self, records: Iterable[bytes]) -> None:
        content = np.frombuffer(b"".join(records), np.uint8).reshape(-1, EVENT_BYTES)
        kinds = content[:, _KIND_BYTE]
        self.tables: dict[EventKind, Rows] = {
            kind: np.ascontiguousarray(content[kinds == kind]).view(dtype).reshape(-1)
            for kind, dtype in _DTYPES.items()}

    def depth_rows(self, locates: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield sequence number and line of the last levels of a side after each message.

        Parameters
        ----------
        locates : sequence of int
            Stock locate by number of the book.
        """
        for kind, side in _DEPTH.items():
            last = {(int(row["feed_sequence"]), int(row["symbol_index"])): row
                    for row in self.tables[kind]}
            for (sequence, symbol_index), row in last.items():
                cells: list[object] = []
                complete = 1
                for level in range(DEPTH_LEVELS):
                    price, shares = int(row[f"price_{level}"]), int(row[f"quantity_{level}"])
                    known = price not in (0, UNKNOWN_PRICE)
                    complete &= price != UNKNOWN_PRICE
                    cells += (price, shares) if known else ("", "")
                yield sequence, ",".join(map(str, (
                    sequence, locates[symbol_index], side, complete, *cells)))

    def feature_rows(self, locates: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield sequence number and line of each vector."""
        rows = self.tables[EventKind.FEATURE_VECTOR]
        usable = (rows["flags"] & int(VectorFlag.USABLE)).tolist()
        values = self.features().tolist()
        for row, good, vector in zip(rows, usable, values, strict=True):
            sequence = int(row["feed_sequence"])
            yield sequence, ",".join(map(str, (
                sequence, int(row["ts_ns"]), locates[int(row["symbol_index"])], good, *vector)))

    def features(self) -> npt.NDArray[np.int16]:
        """Return the features of all vectors, a row each."""
        rows = self.tables[EventKind.FEATURE_VECTOR]
        return np.stack([rows[feature.name] for feature in FEATURES], axis=1)


class DetailFiles:
    """The files of levels and features of one replay, written at its end.

    Parameters
    ----------
    depth, features : Path or None
        The files; what has none is not recorded.
    """

    def __init__(self, depth: Path | None = None, features: Path | None = None) -> None:
        self.depth = depth
        self.features = features
        self._depth_rows: list[tuple[int, str]] = []
        self._feature_rows: list[tuple[int, str]] = []

    @property
    def setting(self) -> dict[str, bool]:
        """What has to be recorded, by the fields of ``control.details``."""
        return {"depth": self.depth is not None, "vectors": self.features is not None}

    def take(self, records: Iterable[bytes], locates: Sequence[int]) -> None:
        """Take the records of a pass."""
        details = Details(records)
        if self.depth is not None:
            self._depth_rows += details.depth_rows(locates)
        if self.features is not None:
            self._feature_rows += details.feature_rows(locates)

    def finish(self) -> None:
        """Write the files, in the order of messages."""
        for path, columns, rows in ((self.depth, DEPTH_COLUMNS, self._depth_rows),
                                    (self.features, FEATURE_COLUMNS, self._feature_rows)):
            if path is not None:
                rows.sort(key=lambda row: row[0])
                with path.open("w", encoding="ascii", newline="") as file:
                    file.write(",".join(columns) + _END)
                    file.writelines(line + _END for _, line in rows)
