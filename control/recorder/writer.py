"""Event records to Parquet files, as they come.

A recording is a folder::

    recording.json               what it is, and whether it was ended
    top_of_book/00000.parquet    a folder a kind; files in order
    order_sent/00000.parquet

A file gets its name only when it is complete: until then it ends in ``.partial``. So whatever ends
the process, all files with the suffix ``.parquet`` can be read, and what is missing is at most what
came since the last one was completed.
"""
# The stubs of pyarrow leave type arguments open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from control.errors import ControlError, Reason
from control.recorder.origin import FORMAT, Origin
from control.recorder.schema import UNKNOWN, arrow_schema, record_batch
from proto.events import EVENTS, HEADER, EventKind

__all__ = ["MANIFEST", "PARTIAL", "Recorder"]

#: The file that says what a folder is; suffix of a file that is not complete.
MANIFEST = "recording.json"
PARTIAL = ".partial"

_KIND_OFFSET = HEADER.field("kind").offset
_NAMES = {int(kind): kind.name.lower() for kind in EventKind if kind in EVENTS}


class _Part:
    """Records of one kind: those not yet written, and the file that they go to."""

    def __init__(self, folder: Path, kind: str, origin: Origin) -> None:
        self.kind = kind
        self.number = 0
        self.records: list[bytes] = []
        self.symbols: list[str] = []
        self.began = 0.0
        self.rows = 0
        self._folder = folder / kind
        self._schema = arrow_schema(kind).with_metadata(origin.metadata(kind))
        self._writer: pq.ParquetWriter | None = None

    @property
    def empty(self) -> bool:
        return not self.records and self._writer is None

    def write(self) -> None:
        """Write what has come as a row group."""
        if not self.records:
            return
        if self._writer is None:
            self._folder.mkdir(exist_ok=True)
            self._writer = pq.ParquetWriter(str(self._path(PARTIAL)), self._schema,
                                            compression="zstd")
        batch = record_batch(self.kind, self.records, self.symbols)
        self._writer.write_table(pa.Table.from_batches([batch]).replace_schema_metadata(
            self._schema.metadata))
        self.records, self.symbols = [], []

    def complete(self) -> None:
        """Complete the file and begin another one with the next record."""
        self.write()
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        partial = self._path(PARTIAL)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(self._path(""))
        self.number += 1
        self.rows = 0

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{self.number:05d}.parquet{suffix}"


class Recorder:
    """Write event records to a folder; any thread may call it.

    Parameters
    ----------
    folder : Path
        Where; it is made, and must hold no recording.
    origin : Origin
        The appliance.
    row_group_rows : int
        Rows of a row group: what is kept in memory of a kind at most.
    part_rows : int
        A file is completed when it has so many rows,
    part_seconds : float
        or when its first record is so old; see :meth:`tick`.
    clock : callable
        Returns seconds, monotonic.

    Attributes
    ----------
    rows : Counter
        Records taken, by kind.
    dropped : int
        Records that did not get here, as told by :meth:`drop`.

    Raises
    ------
    ControlError
        INVALID_FIELD if the folder holds a recording, or cannot be made.
    """

    def __init__(self, folder: Path, origin: Origin, *, row_group_rows: int = 1 << 16,
                 part_rows: int = 1 << 20, part_seconds: float = 30.0,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.rows: Counter[str] = Counter()
        self.dropped = 0
        self._folder = folder
        self._origin = origin
        self._row_group_rows = row_group_rows
        self._part_rows = part_rows
        self._part_seconds = part_seconds
        self._clock = clock
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()
        self._closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ControlError(Reason.INVALID_FIELD, f"{folder} must be a folder for a recording: "
                                                     f"{error.strerror}", field="out") from error
        if (folder / MANIFEST).exists():
            raise ControlError(Reason.INVALID_FIELD, f"{folder} holds a recording already: name "
                                                     f"another folder", field="out")
        self._write_manifest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def take(self, record: bytes, symbol: str = "") -> None:
        """Take a record of 64 bytes and the name of its symbol, empty for none.

        Raises
        ------
        ProtoError
            If it is of another size; told when the row group is written.
        """
        kind = _NAMES.get(record[_KIND_OFFSET], UNKNOWN)
        with self._lock:
            part = self._parts.get(kind)
            if part is None:
                part = self._parts[kind] = _Part(self._folder, kind, self._origin)
            if part.empty:
                part.began = self._clock()
            part.records.append(record)
            part.symbols.append(symbol)
            part.rows += 1
            self.rows[kind] += 1
            if part.rows >= self._part_rows:
                part.complete()
            elif len(part.records) >= self._row_group_rows:
                part.write()

    def drop(self, count: int) -> None:
        """Note that records did not get here."""
        with self._lock:
            self.dropped += count

    def tick(self) -> None:
        """Complete the files whose time has come; to be called now and then."""
        with self._lock:
            now = self._clock()
            for part in self._parts.values():
                if not part.empty and now - part.began >= self._part_seconds:
                    part.complete()

    def close(self) -> None:
        """Complete every file and the recording; once is enough."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for part in self._parts.values():
                part.complete()
            self._write_manifest()

    def _write_manifest(self) -> None:
        text = json.dumps(_manifest(self._origin, self.rows, self.dropped, closed=self._closed),
                          indent=2)
        partial = self._folder / f"{MANIFEST}{PARTIAL}"
        partial.write_text(text + "\n", encoding="utf-8")
        partial.rename(self._folder / MANIFEST)


def _manifest(origin: Origin, rows: Mapping[str, int], dropped: int, *, closed: bool
              ) -> dict[str, Any]:
    ordered: Iterable[tuple[str, int]] = sorted(rows.items())
    return {"format": FORMAT, **origin.to_json(), "closed": closed, "dropped": dropped,
            "rows": dict(ordered)}
