"""Make GMII bytes out of frames."""

from collections.abc import Iterable

__all__ = ["PREAMBLE", "Line"]

#: What stands before a frame.
PREAMBLE = bytes([0x55] * 7 + [0xD5])
_ENABLE, _ERROR = 1, 2


class Line:
    """A line that is written byte by byte.

    Attributes
    ----------
    cycles : list of (int, int)
        Data and control of each cycle so far.
    """

    def __init__(self) -> None:
        self.cycles: list[tuple[int, int]] = []

    def idle(self, count: int, *, error: bool = False) -> None:
        """Put `count` cycles without enable."""
        self.cycles += [(0, _ERROR * error)] * count

    def frame(self, frame: bytes, *, gap: int = 12, preamble: bytes = PREAMBLE,
              errors: Iterable[int] = ()) -> int:
        """Put a frame with its FCS, then `gap` idle cycles; `errors` are bytes of the frame.

        Return the cycle of the first byte of preamble.
        """
        start = len(self.cycles)
        wrong = set(errors)
        self.cycles += [(byte, _ENABLE) for byte in preamble]
        self.cycles += [(byte, _ENABLE | _ERROR * (place in wrong))
                        for place, byte in enumerate(frame)]
        self.idle(gap)
        return start
