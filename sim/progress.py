"""How far a long piece of work is: on a terminal one line that changes, else a line at times."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress", "duration_text"]

_TERMINAL_S = 0.2
_LOG_S = 5.0
_CLEAR = "\r\x1b[K"


def duration_text(seconds: float) -> str:
    """Return ``m:ss``, or ``h:mm:ss`` from an hour on."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class Progress:
    """Tells on a stream how far something is, how fast it goes and how long it will take.

    Parameters
    ----------
    what : str
        What is counted, plural.
    quiet : bool
        Tell nothing.
    stream : TextIO, optional
        Standard error by default.
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, what: str, *, quiet: bool = False, stream: TextIO | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._interval_s = _TERMINAL_S if self._terminal else _LOG_S
        self._quiet = quiet
        self._shown_s = clock()
        self._open = False

    def __call__(self, done: int, total: int, seconds: float) -> None:
        """Tell that `done` of `total` were done in so many seconds."""
        if not seconds or not done:
            return
        rate = done / seconds
        self._tell(f"{min(1.0, done / max(total, 1)):4.0%}  {done:,} of {total:,} {self._what}  "
                   f"{rate:,.0f}/s  {duration_text(max(0, total - done) / rate)} left")

    def looked(self, done: int, fraction: float) -> None:
        """Tell that `done` have been looked at, which is a fraction of them."""
        self._tell(f"{fraction:4.0%}  looking through the capture: {done:,} {self._what}")

    def _tell(self, text: str) -> None:
        now_s = self._clock()
        if self._quiet or now_s - self._shown_s < self._interval_s:
            return
        self._shown_s = now_s
        self._stream.write(f"{_CLEAR}{text}" if self._terminal else f"{text}\n")
        self._stream.flush()
        self._open = self._terminal

    def end(self) -> None:
        """Take the line away, so that something else can be told."""
        if self._open:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._open = False
