"""Recordings of a simulated appliance: everything that went in and came out, in order, with cycles.

What went in is enough to run the same again, cycle by cycle; what came out shows that it is the
same, and holds every event record. A file is gzip: a line of JSON, then entries, each a header and
its payload. A file that ends early is good up to there.
"""

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from proto.errors import ProtoError

__all__ = [
    "FILE_NAME", "FRAME_OPTIONS", "POSITION", "REGISTER", "WORD", "Entry", "EntryKind",
    "RecordingError", "RecordingHead", "RecordingLine", "RecordingReader", "RecordingWriter",
]

#: Name of the file in the folder of a run.
FILE_NAME = "run.twr"

_FORMAT = "tickwire-recording/1"
_ENTRY = struct.Struct("<QQBBHI")
_COMPRESSION = 1


class RecordingError(ProtoError):
    """A file is no recording, or of another version."""


class RecordingLine(IntEnum):
    """Ethernet ports, by the numbers in an entry."""

    FEED_A = 0
    FEED_B = 1
    ORDER = 2
    MANAGEMENT = 3


class EntryKind(IntEnum):
    """What an entry tells; the first group is what went in."""

    QUEUED = 1        #: a frame waits for its line: :data:`FRAME_OPTIONS`, then the frame
    TIME = 2          #: the clock is at least at so many ns: :data:`WORD`
    HOLD = 3          #: the clock stands still, or goes on: :data:`WORD`
    EVENTS_READY = 4  #: records are taken at the core's own port, or not: :data:`WORD`
    PACED = 5         #: a line waits until the core is ready, or not: :data:`WORD`
    WRITE = 6         #: a register is written at the bus of a simulation: :data:`REGISTER`
    READ = 7          #: one is read there: :data:`REGISTER`
    STARTED = 16      #: the oldest frame that waited has begun: :data:`POSITION`
    LEFT = 17         #: a frame has left: :data:`POSITION`, then the frame, with FCS
    RECORD = 18       #: an event record, from the core's own port
    END = 32          #: the recording ends as it should


#: Before the bytes of a frame that is queued: gap in bytes, flags, offset of an error character,
#: earliest cycle.
FRAME_OPTIONS = struct.Struct("<IIIQ")
#: A position is 8 x cycle at the pins + lane, whatever the line.
POSITION = struct.Struct("<Q")
WORD = struct.Struct("<Q")
#: Address and value.
REGISTER = struct.Struct("<II")


@dataclass(frozen=True, kw_only=True)
class RecordingHead:
    """What a recording is of.

    Attributes
    ----------
    profile : str
        Sizes of the appliance.
    symbols : int
        Books that it has.
    core_hz : int
        Frequency of its core clock.
    map_hash : int
        Hash of its register map.
    begin_cycle : int
        Cycle at the pins at which the recording begins; before it nothing but reset went in.
    cycle_offset : int
        What the core's own counter, which all its stamps are of, is ahead of the cycle at the pins.
    lanes : int
        Bytes of a line in a cycle: 8 of XGMII, 1 of GMII.
    """

    profile: str
    symbols: int
    core_hz: int
    map_hash: int
    begin_cycle: int
    cycle_offset: int
    lanes: int = 8


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes
    ----------
    cycle : int
        Cycle at the pins when it was written: of what went in, the one before it takes effect.
    time_ns : int
        The core's clock then.
    kind : int
        See :class:`EntryKind`.
    line : int
        See :class:`RecordingLine`; 0 if it concerns none.
    payload : bytes
        See :class:`EntryKind`.
    """

    cycle: int
    time_ns: int
    kind: int
    line: int
    payload: bytes


class RecordingWriter:
    """Write a recording.

    Parameters
    ----------
    path : Path
        The file.
    head : RecordingHead
        What it is of.

    Raises
    ------
    OSError
        If it cannot be written.
    """

    def __init__(self, path: Path, head: RecordingHead) -> None:
        self._file = gzip.open(path, "wb", compresslevel=_COMPRESSION)  # noqa: SIM115
        line = json.dumps({"format": _FORMAT, **asdict(head)}, sort_keys=True)
        self._file.write(line.encode("ascii") + b"\n")

    def put(self, kind: EntryKind, payload: bytes = b"", *, cycle: int, time_ns: int,
            line: int = 0) -> None:
        """Write an entry; see :class:`Entry`."""
        self._file.write(_ENTRY.pack(cycle, time_ns, kind, line, 0, len(payload)) + payload)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class RecordingReader:
    """Read a recording; iterate over its entries once.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    head : RecordingHead
        What it is of.
    complete : bool
        After the last entry: the recording ended as it should.

    Raises
    ------
    RecordingError
        If the file is no recording.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.complete = False
        self._file = cast(BinaryIO, gzip.open(path, "rb"))  # noqa: SIM115
        try:
            found: Any = json.loads(self._file.readline(4096))
            if not isinstance(found, dict):
                raise ValueError
            head = cast(dict[str, Any], found)
            version = head.pop("format", None)
            if version != _FORMAT:
                raise RecordingError(f"{path} must be of format {_FORMAT}, was {version!r}")
            self.head = RecordingHead(**head)
        except (ValueError, TypeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._file.close()
            raise RecordingError(f"{path} is no recording of an appliance") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return this reader; leaving the block closes the file."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries up to the end, or to where the file ends early."""
        try:
            while len(head := self._file.read(_ENTRY.size)) == _ENTRY.size:
                cycle, time_ns, kind, line, _, length = _ENTRY.unpack(head)
                payload = self._file.read(length)
                if len(payload) != length:
                    return
                if kind == EntryKind.END:
                    self.complete = True
                    return
                yield Entry(cycle, time_ns, kind, line, payload)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return
