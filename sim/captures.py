"""Read captured market data: BinaryFILE (``.itch``) and pcap, plain or in ``.gz`` or ``.xz``.

Ref: Nasdaq BinaryFILE 1.00; pcap as in draft-ietf-opsawg-pcap. Offsets count unpacked bytes.
"""

import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from proto.wire import itch50
from sim.errors import SimulationError

__all__ = ["Capture", "CaptureError", "Record"]

_CHUNK_BYTES = 1 << 20
_PCAP_MAGICS = {
    b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
_PCAP_HEADER_BYTES = 24
_PCAP_RECORD_BYTES = 16
_PCAP_LARGEST_RECORD = 262144
_LINK_ETHERNET = 1


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
    """One message (BinaryFILE, without its length) or one frame (pcap, without FCS).

    ``offset`` is that of the record's own header; ``captured_ns`` the capture's wall time, 0 for
    BinaryFILE; ``sliced`` is set if the capture holds only the beginning of the frame.
    """

    offset: int
    data: bytes
    captured_ns: int = 0
    sliced: bool = False


class _Reader:
    """A file read in order, unpacked; a damaged end of the packing ends the data."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        self._buffer = b""
        self._at = 0
        self.offset = 0
        self.damaged = False

    def close(self) -> None:
        self._file.close()

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

    def _read(self) -> bytes:
        try:
            return self._file.read(_CHUNK_BYTES) if not self.damaged else b""
        except EOFError:
            # The packing stops in mid-stream: read what there is byte by byte no further.
            self.damaged = True
            return self._rest()
        except (OSError, lzma.LZMAError, zlib.error) as error:
            at = self.offset + len(self._buffer) - self._at
            raise CaptureError(self._path, at, f"cannot be unpacked: {error}") from error

    def _rest(self) -> bytes:
        """Return what a chunk that failed would have held, by smaller reads of a fresh file."""
        at = self.offset + len(self._buffer) - self._at
        self._file.close()
        self._file = _open(self._path)
        rest = bytearray()
        try:
            while at > 0:
                at -= len(self._file.read(min(at, _CHUNK_BYTES)))
            while chunk := self._file.read(1):
                rest += chunk
        except EOFError:
            pass
        return bytes(rest)


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.open(path, "rb"))
    return path.open("rb")


class Capture:
    """One capture file; reading it again gives the same records.

    Parameters
    ----------
    path : Path
        The file. What it holds is told from its first bytes; only the packing from its name.

    Attributes
    ----------
    kind : ``"itch"`` or ``"pcap"``
        Whether records are messages or frames.
    truncated_at : int or None
        Offset of the incomplete record at the end of the file, once `records` has come to it.

    Raises
    ------
    CaptureError
        If the file is neither, here or where `records` finds out.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.truncated_at: int | None = None
        reader = _Reader(path)
        try:
            magic = reader.peek(4)
        finally:
            reader.close()
        if magic == _PCAPNG_MAGIC:
            raise CaptureError(path, 0, "is pcapng; convert it with `editcap -F pcap IN OUT`")
        self.kind: Literal["itch", "pcap"] = "pcap" if magic in _PCAP_MAGICS else "itch"

    def records(self) -> Iterator[Record]:
        """Yield every whole record in order."""
        self.truncated_at = None
        reader = _Reader(self.path)
        try:
            yield from self._frames(reader) if self.kind == "pcap" else self._messages(reader)
            if reader.damaged and self.truncated_at is None:
                self.truncated_at = reader.offset
        finally:
            reader.close()

    def _messages(self, reader: _Reader) -> Iterator[Record]:
        while header := reader.peek(2):
            offset = reader.offset
            length = int.from_bytes(header, "big")
            if len(header) == 2 and length == 0:  # the end marker some files have
                reader.take(2)
                if reader.peek(1):
                    raise CaptureError(self.path, offset, "data after the end marker")
                return
            start = reader.peek(3)
            if len(start) == 3:
                self._check_type(offset, start[2:3], length, first=offset == 0)
            body = reader.peek(2 + length)
            if len(start) < 3 or len(body) < 2 + length:
                self.truncated_at = offset
                return
            reader.take(2 + length)
            yield Record(offset, body[2:])

    def _check_type(self, offset: int, kind: bytes, length: int, *, first: bool) -> None:
        message = itch50.MESSAGES.get(kind[0])
        if message is None:
            if first:
                raise CaptureError(self.path, offset, "is neither a pcap nor a BinaryFILE of "
                                   f"ITCH 5.0 messages: starts with length {length}, "
                                   f"type {kind!r}")
            return  # a type newer than the tables: the length tells where it ends
        if message.size != length:
            raise CaptureError(self.path, offset, f"message {kind.decode()} must have "
                               f"{message.size} bytes, has {length}")

    def _frames(self, reader: _Reader) -> Iterator[Record]:
        header = reader.take(_PCAP_HEADER_BYTES)
        if len(header) < _PCAP_HEADER_BYTES:
            self.truncated_at = 0
            return
        order, fraction_ns = _PCAP_MAGICS[header[:4]]
        link, = struct.unpack_from(f"{order}I", header, 20)
        if link & 0xFFFF != _LINK_ETHERNET:
            raise CaptureError(self.path, 20, f"link type must be 1 (Ethernet), is {link & 0xFFFF}")
        fcs_bytes = 2 * (link >> 28) if link & 0x0400_0000 else 0
        while reader.peek(1):
            offset = reader.offset
            record = reader.peek(_PCAP_RECORD_BYTES)
            if len(record) < _PCAP_RECORD_BYTES:
                self.truncated_at = offset
                return
            seconds, fraction, kept, whole = struct.unpack(f"{order}4I", record)
            if kept > _PCAP_LARGEST_RECORD:
                raise CaptureError(self.path, offset, f"record of {kept} bytes, at most "
                                   f"{_PCAP_LARGEST_RECORD} are possible")
            data = reader.peek(_PCAP_RECORD_BYTES + kept)
            if len(data) < _PCAP_RECORD_BYTES + kept:
                self.truncated_at = offset
                return
            reader.take(len(data))
            frame = data[_PCAP_RECORD_BYTES:]
            sliced = kept < whole
            if fcs_bytes and not sliced:
                frame = frame[:-fcs_bytes]
            yield Record(offset, frame, seconds * 1_000_000_000 + fraction * fraction_ns, sliced)
