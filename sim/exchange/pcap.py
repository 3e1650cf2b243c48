"""Write frames with nanosecond stamps to a pcap file.

Ref: pcap as in draft-ietf-opsawg-pcap.
"""

import struct
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PcapWriter"]

_NANOSECOND_MAGIC = 0xA1B23C4D
_VERSION = (2, 4)
_SNAP_LENGTH = 262144
_LINK_ETHERNET = 1
_SECOND_NS = 1_000_000_000


class PcapWriter:
    """A pcap file that is being written; what was written is whole, whatever ends the process.

    Parameters
    ----------
    path : Path
        The file; one that exists is overwritten.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._file.write(struct.pack("<IHHiIII", _NANOSECOND_MAGIC, *_VERSION, 0, 0, _SNAP_LENGTH,
                                     _LINK_ETHERNET))

    def __enter__(self) -> Self:
        """Return this writer; leaving the block closes the file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def write(self, time_ns: int, frame: bytes) -> None:
        """Add a frame."""
        seconds, fraction_ns = divmod(time_ns, _SECOND_NS)
        header = struct.pack("<IIII", seconds, fraction_ns, len(frame), len(frame))
        self._file.write(header + frame)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
