"""Files of captured data as bytes: unpacked while they are read, with offsets for messages."""

import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from backports import zstd

from sim.errors import SimulationError

__all__ = ["CaptureError", "CaptureReader", "Record"]

_CHUNK_BYTES = 1 << 20


class CaptureError(SimulationError):
    """A file is not what it should be.

    Attributes
    ----------
    offset : int
        Where, in unpacked bytes.
    """

    def __init__(self, path: Path, offset: int, message: str) -> None:
        super().__init__(f"{path}: at byte {offset}: {message}")
        self.offset = offset


@dataclass(frozen=True)
class Record:
    """One message (BinaryFILE, without its length) or one frame (pcap, pcapng, without FCS).

    ``offset`` is that of the record's own header; ``captured_ns`` the capture's wall time, 0 where
    there is none; ``sliced`` is set if the capture holds only the beginning of the frame.
    """

    offset: int
    data: bytes
    captured_ns: int = 0
    sliced: bool = False


def _plain(file: BinaryIO) -> BinaryIO:
    return file


def _gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file, "rb"))


def _xz(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.open(file, "rb"))


def _zstd(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, zstd.open(file, "rb"))


_Unpack = Callable[[BinaryIO], BinaryIO]
_BY_NAME: dict[str, _Unpack] = {".gz": _gzip, ".xz": _xz, ".zst": _zstd}
_BY_START: dict[bytes, _Unpack] = {
    b"\x1f\x8b\x08": _gzip, b"\xfd7zXZ\0": _xz, b"\x28\xb5\x2f\xfd": _zstd}


def _unpacking(path: Path) -> _Unpack:
    """Tell how a file is packed: by its name, else by its first bytes."""
    if path.suffix in _BY_NAME:
        return _BY_NAME[path.suffix]
    with path.open("rb") as file:
        start = file.read(max(map(len, _BY_START)))
    return next((unpack for magic, unpack in _BY_START.items() if start.startswith(magic)), _plain)


class CaptureReader:
    """A file read in order, unpacked; a damaged end of the packing ends the data.

    Parameters
    ----------
    path : Path
        The file, plain or packed by gzip, xz or Zstandard.

    Attributes
    ----------
    offset : int
        Unpacked bytes that were taken.
    damaged : bool
        The packing has ended before its end.
    truncated_at : int or None
        Offset of an incomplete record at the end; set by whoever knows what a record is.

    Raises
    ------
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unpack = _unpacking(path)
        self._open()
        self._buffer = b""
        self._at = 0
        self.offset = 0
        self.damaged = False
        self.truncated_at: int | None = None

    def _open(self) -> None:
        self._raw = self.path.open("rb")
        self._file = self._unpack(self._raw)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    @property
    def fraction(self) -> float:
        """How much of the file has been read, packed bytes counted: 0 to 1."""
        size = os.fstat(self._raw.fileno()).st_size
        return self._raw.tell() / size if size else 1.0

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        while len(self._buffer) - self._at < size:
            chunk = self._read()
            if not chunk:
                break
            self._buffer = self._buffer[self._at:] + chunk
            self._at = 0
        return self._buffer[self._at:self._at + size]

    def take(self, size: int) -> bytes:
        """Return and pass the next `size` bytes, fewer at the end."""
        found = self.peek(size)
        self._at += len(found)
        self.offset += len(found)
        return found

    def skip(self, size: int) -> bool:
        """Pass `size` bytes without keeping them; return whether there were as many."""
        while size and (passed := len(self.take(min(size, _CHUNK_BYTES)))):
            size -= passed
        return size == 0

    def error(self, offset: int, message: str) -> CaptureError:
        """Return an error about what stands at `offset`."""
        return CaptureError(self.path, offset, message)

    def _read(self) -> bytes:
        try:
            return self._file.read(_CHUNK_BYTES) if not self.damaged else b""
        except EOFError:
            # The packing stops in mid-stream: read what there is byte by byte no further.
            self.damaged = True
            return self._rest()
        except (OSError, lzma.LZMAError, zlib.error, zstd.ZstdError) as error:
            at = self.offset + len(self._buffer) - self._at
            raise self.error(at, f"cannot be unpacked: {error}") from error

    def _rest(self) -> bytes:
        """Return what a chunk that failed would have held, by smaller reads of a fresh file."""
        at = self.offset + len(self._buffer) - self._at
        self.close()
        self._open()
        rest = bytearray()
        try:
            while at > 0:
                at -= len(self._file.read(min(at, _CHUNK_BYTES)))
            while chunk := self._file.read(1):
                rest += chunk
        except EOFError:
            pass
        return bytes(rest)
