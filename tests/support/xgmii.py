"""Make XGMII words out of frames."""

from collections.abc import Iterable

from sim.golden.ethernet import fcs_bytes

__all__ = ["ERROR", "IDLE", "SEQUENCE", "START", "TERMINATE", "Line", "with_fcs"]

IDLE, SEQUENCE, START, TERMINATE, ERROR = 0x07, 0x9C, 0xFB, 0xFD, 0xFE

#: What follows Start.
_PREAMBLE = bytes([0x55] * 6 + [0xD5])


def with_fcs(body: bytes, *, pad: bool = True) -> bytes:
    """Return `body` padded to 60 bytes and followed by its FCS."""
    if pad:
        body = body.ljust(60, b"\0")
    return body + fcs_bytes(body)


class Line:
    """A line that is written lane by lane.

    Attributes
    ----------
    lanes : list of (int, bool)
        Byte and control bit of each lane so far.
    """

    def __init__(self) -> None:
        self.lanes: list[tuple[int, bool]] = []

    def idle(self, count: int) -> None:
        """Put `count` idle characters."""
        self.lanes += [(IDLE, True)] * count

    def align(self, lane: int | None = None) -> None:
        """Put idles until Start may follow: in `lane`, or at the next legal one."""
        while len(self.lanes) % (4 if lane is None else 8) != (lane or 0):
            self.idle(1)

    def frame(self, frame: bytes, *, lane: int | None = None, gap: int = 12,
              preamble: bytes = _PREAMBLE, control: Iterable[tuple[int, int]] = (),
              terminate: bool = True) -> int:
        """Put a frame with its FCS, then Terminate and idles: `gap` characters.

        `control` is (byte of the frame, control character) pairs that replace bytes. Return the
        number of the word with Start.
        """
        self.align(lane)
        word = len(self.lanes) // 8
        self.lanes.append((START, True))
        self.lanes += [(byte, False) for byte in preamble]
        body: list[tuple[int, bool]] = [(byte, False) for byte in frame]
        for place, character in control:
            body[place] = (character, True)
        self.lanes += body
        if terminate:
            self.lanes.append((TERMINATE, True))
            self.idle(gap - 1)
        return word

    def words(self) -> list[dict[str, int]]:
        """Return the words, the last one filled up with idles, as XgmiiWord initialisers."""
        lanes = self.lanes + [(IDLE, True)] * (-len(self.lanes) % 8)
        return [
            {"data": int.from_bytes(bytes(byte for byte, _ in lanes[i:i + 8]), "little"),
             "control": sum(flag << n for n, (_, flag) in enumerate(lanes[i:i + 8]))}
            for i in range(0, len(lanes), 8)
        ]
