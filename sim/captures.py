"""Read captured market data: BinaryFILE (``.itch``), pcap and pcapng, plain or packed.

Ref: Nasdaq BinaryFILE 1.00; pcap as in draft-ietf-opsawg-pcap. Offsets count unpacked bytes.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from proto.wire import itch50
from sim import pcapng
from sim.capture_file import CaptureError, CaptureReader, Record

__all__ = ["Capture", "CaptureError", "Record"]

_PCAP_MAGICS = {
    b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_PCAP_HEADER_BYTES = 24
_PCAP_RECORD_BYTES = 16
_PCAP_LARGEST_RECORD = 262144
_LINK_ETHERNET = 1

#: Records between two looks at how much of the file has been read.
_LOOK_RECORDS = 1024

class Capture:
    """One capture file; reading it again gives the same records.

    Parameters
    ----------
    path : Path
        The file. What it holds is told from its first bytes, packing (gzip, xz, Zstandard) from its
        name or else from them too.

    Attributes
    ----------
    kind : ``"itch"`` or ``"pcap"``
        Whether records are messages or frames (of pcap or pcapng).
    fraction : float
        How much of the file `records` has read, from 0 to 1; now and then brought up to date.
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
        reader = CaptureReader(path)
        try:
            magic = reader.peek(4)
        finally:
            reader.close()
        self._read: Callable[[CaptureReader], Iterator[Record]]
        if magic == pcapng.MAGIC:
            self._read = pcapng.read_pcapng
        else:
            self._read = _frames if magic in _PCAP_MAGICS else _messages
        self.kind: Literal["itch", "pcap"] = "itch" if self._read is _messages else "pcap"
        self.fraction = 0.0

    def records(self) -> Iterator[Record]:
        """Yield every whole record in order."""
        self.truncated_at = None
        reader = CaptureReader(self.path)
        try:
            for number, record in enumerate(self._read(reader)):
                if number % _LOOK_RECORDS == 0:
                    self.fraction = reader.fraction
                yield record
            self.truncated_at = reader.truncated_at
            if reader.damaged and self.truncated_at is None:
                self.truncated_at = reader.offset
            self.fraction = 1.0
        finally:
            reader.close()


def _messages(reader: CaptureReader) -> Iterator[Record]:
    while header := reader.peek(2):
        offset = reader.offset
        length = int.from_bytes(header, "big")
        if len(header) == 2 and length == 0:  # the end marker some files have
            reader.take(2)
            if reader.peek(1):
                raise reader.error(offset, "data after the end marker")
            return
        start = reader.peek(3)
        if len(start) == 3:
            _check_type(reader, start[2:3], length)
        body = reader.peek(2 + length)
        if len(start) < 3 or len(body) < 2 + length:
            reader.truncated_at = offset
            return
        reader.take(2 + length)
        yield Record(offset, body[2:])


def _check_type(reader: CaptureReader, kind: bytes, length: int) -> None:
    offset = reader.offset
    message = itch50.MESSAGES.get(kind[0])
    if message is not None and message.size == length:
        return
    if offset == 0:
        raise reader.error(0, "is neither a pcap nor a pcapng nor a BinaryFILE of ITCH 5.0 "
                              f"messages: starts with length {length}, type {kind!r}")
    if message is not None:
        raise reader.error(offset, f"message {kind.decode()} must have {message.size} bytes, "
                                   f"has {length}")
    # A type newer than the tables: the length tells where it ends.


def _frames(reader: CaptureReader) -> Iterator[Record]:
    header = reader.take(_PCAP_HEADER_BYTES)
    if len(header) < _PCAP_HEADER_BYTES:
        reader.truncated_at = 0
        return
    order, fraction_ns = _PCAP_MAGICS[header[:4]]
    link, = struct.unpack_from(f"{order}I", header, 20)
    if link & 0xFFFF != _LINK_ETHERNET:
        raise reader.error(20, f"link type must be 1 (Ethernet), is {link & 0xFFFF}")
    fcs_bytes = 2 * (link >> 28) if link & 0x0400_0000 else 0
    while reader.peek(1):
        offset = reader.offset
        record = reader.peek(_PCAP_RECORD_BYTES)
        if len(record) < _PCAP_RECORD_BYTES:
            reader.truncated_at = offset
            return
        seconds, fraction, kept, whole = struct.unpack(f"{order}4I", record)
        if kept > _PCAP_LARGEST_RECORD:
            raise reader.error(offset, f"record of {kept} bytes, at most "
                                       f"{_PCAP_LARGEST_RECORD} are possible")
        data = reader.peek(_PCAP_RECORD_BYTES + kept)
        if len(data) < _PCAP_RECORD_BYTES + kept:
            reader.truncated_at = offset
            return
        reader.take(len(data))
        frame = data[_PCAP_RECORD_BYTES:]
        sliced = kept < whole
        if fcs_bytes and not sliced:
            frame = frame[:-fcs_bytes]
        yield Record(offset, frame, seconds * 1_000_000_000 + fraction * fraction_ns, sliced)
