"""What a replay is told and tells: waveforms, where rows go, what was done."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sim.appliance import TOP_OF_BOOK_DTYPE

__all__ = ["RowList", "RowSink", "Rows", "Summary", "Waves"]

#: Records of :data:`~sim.appliance.TOP_OF_BOOK_DTYPE`.
Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Waves:
    """Cycles to write as an FST waveform.

    Attributes
    ----------
    path : Path
        The file.
    start, end : int
        First cycle, and the one after the last, counted from power-up.
    """

    path: Path
    start: int
    end: int


class RowSink(Protocol):
    """Takes rows as they are found; see :class:`~sim.replay_rows.RowFile`."""

    def begin(self, number: int) -> int | None:
        """Begin a pass; return the last sequence number that is not wanted, None if none is."""
        ...

    def write(self, key: int, records: Rows) -> None:
        """Take rows of the pass, in order of `key` and sequence number."""
        ...

    def end(self, number: int) -> None:
        """End a pass."""
        ...


class RowList:
    """A sink that keeps all rows."""

    def __init__(self) -> None:
        self._parts: list[Rows] = [np.zeros(0, TOP_OF_BOOK_DTYPE)]
        self._keys: list[npt.NDArray[np.uint64]] = [np.zeros(0, "<u8")]

    def begin(self, number: int) -> int | None:
        """Begin a pass: all its rows are wanted."""
        return 0

    def write(self, key: int, records: Rows) -> None:
        """Keep rows."""
        self._parts.append(records)
        self._keys.append(np.full(len(records), key, "<u8"))

    def end(self, number: int) -> None:
        """End a pass."""

    def rows(self) -> Rows:
        """Return all of them in order."""
        rows: Rows = np.concatenate(self._parts)
        return rows[np.lexsort((rows["feed_sequence"], np.concatenate(self._keys)))]


@dataclass
class Summary:
    """What a replay did.

    Attributes
    ----------
    kind : str
        ``itch`` or ``pcap``.
    records, messages : int
        Records of the file, and feed messages in them, up to the end of the window.
    symbols, passes, rows : int
        Symbols with a book, passes (with those made before a resumed replay), rows found in the
        window.
    rows_stale : int
        Rows among them that say that their book is not exact just then.
    cycles, seconds : int, float
        Simulated cycles and wall time of all passes.
    messages_per_second, cycles_per_second : float
        Feed messages (of every pass) and cycles simulated in a second of wall time.
    ticks : dict of str to int
        Tick size of each symbol, 1e-4 USD.
    other_packets, sliced_frames : int
        Packets of another stream, which the appliance must refuse, and frames of which the
        capture has only the beginning, which are not sent.
    lines : dict of str to dict
        Of lines A and B, if there are two: packets, messages, and messages that a packet of the
        line jumped over because they are lost or late there.
    from_ns, until_ns : int or None
        The window, exchange time in ns since midnight.
    speed : str or None
        How many times faster than captured; None for as fast as nothing is lost.
    late_frames, latest_ns, span_ns : int
        Of a paced replay, frames that began later than due because the line was still busy, by how
        much at most, and simulated time from first to last; the last pass.
    interrupted_at : int or None
        Number of the last message that was sent, if the replay was interrupted.
    truncated_at : int or None
        Offset of an incomplete record at the end of the file.
    losses : dict of str to int
        Counters of the appliance that should be zero and are not.
    counters : dict of str to int
        All counters that are not zero, added up over the passes.
    """

    kind: str
    records: int = 0
    messages: int = 0
    symbols: int = 0
    passes: int = 0
    rows: int = 0
    rows_stale: int = 0
    cycles: int = 0
    seconds: float = 0.0
    messages_per_second: float = 0.0
    cycles_per_second: float = 0.0
    ticks: dict[str, int] = field(default_factory=dict[str, int])
    other_packets: int = 0
    sliced_frames: int = 0
    lines: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    from_ns: int | None = None
    until_ns: int | None = None
    speed: str | None = None
    late_frames: int = 0
    latest_ns: int = 0
    span_ns: int = 0
    interrupted_at: int | None = None
    truncated_at: int | None = None
    losses: dict[str, int] = field(default_factory=dict[str, int])
    counters: dict[str, int] = field(default_factory=dict[str, int])

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)
