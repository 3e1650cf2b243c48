"""Read a recording, also one that was not ended."""
# The stubs of pyarrow leave type arguments open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from control.errors import ControlError, Reason
from control.recorder.origin import FORMAT, Origin
from control.recorder.schema import KIND_NAMES, arrow_schema
from control.recorder.writer import MANIFEST, PARTIAL
from proto.events import SCHEMA_VERSION, EventKind

__all__ = ["Recording", "find_recording", "open_recording"]


@dataclass(frozen=True)
class Recording:
    """A recording on disk.

    Attributes
    ----------
    folder : Path
        Where it is.
    origin : Origin
        The appliance.
    closed : bool
        It was ended; else the last records of each kind may be missing.
    dropped : int
        Records that did not get into it, if it was ended.
    unfinished : tuple of Path
        Files that cannot be read: they were being written when the recorder died.
    """

    folder: Path
    origin: Origin
    closed: bool
    dropped: int
    unfinished: tuple[Path, ...]

    def table(self, kind: EventKind | str) -> pa.Table:
        """Return the records of a kind in order; columns as in :func:`arrow_schema`.

        Raises
        ------
        ControlError
            INVALID_RECORDING if a file is damaged or has other columns.
        """
        name = kind if isinstance(kind, str) else kind.name.lower()
        schema = arrow_schema(name)
        parts = [_read(path, schema) for path in sorted((self.folder / name).glob("*.parquet"))]
        if not parts:
            return schema.empty_table()
        return pa.concat_tables(parts).unify_dictionaries()


def find_recording(folder: Path) -> Path:
    """Return the folder of a recording: the given one, or ``events`` in it.

    Raises
    ------
    ControlError
        INVALID_RECORDING if there is none.
    """
    for found in (folder, folder / "events"):
        if (found / MANIFEST).is_file():
            return found
    what = "a folder with recording.json, as `tickwire record` and `make demo` write it"
    raise _foreign(f"{folder} must be {what}: " +
                   ("it holds none" if folder.is_dir() else "there is no such folder"))


def open_recording(folder: Path) -> Recording:
    """Return the recording in a folder, or in ``events`` in it.

    Raises
    ------
    ControlError
        INVALID_RECORDING if there is none, or of a version that this one does not read.
    """
    folder = find_recording(folder)
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind = found.get("format")
        if kind != FORMAT:
            raise _foreign(f"format of {path} must be {FORMAT}, was {kind!r}")
        origin = Origin.from_json(found)
        closed, dropped = bool(found["closed"]), int(found["dropped"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _foreign(f"{path} must describe a recording: {error!r}") from error
    if origin.schema_version != SCHEMA_VERSION:
        raise _foreign(f"schema_version of {path} must be {SCHEMA_VERSION}, was "
                       f"{origin.schema_version}: read it with the version that wrote it")
    if origin.core_hz <= 0:
        raise _foreign(f"core_hz of {path} must be above 0, was {origin.core_hz}")
    unfinished = tuple(sorted(path for name in KIND_NAMES
                              for path in (folder / name).glob(f"*{PARTIAL}")))
    return Recording(folder, origin, closed, dropped, unfinished)


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.read_table(str(path), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _foreign(f"{path} cannot be read: {first}") from error
    if table.schema.names != schema.names:
        raise _foreign(f"columns of {path} must be {', '.join(schema.names)}, were "
                       f"{', '.join(table.schema.names)}")
    return table.cast(schema)


def _foreign(message: str) -> ControlError:
    return ControlError(Reason.INVALID_RECORDING, message)
