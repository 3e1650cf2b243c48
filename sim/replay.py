"""Replay a capture through the simulated appliance and collect its tops of book.

Each pass sends the whole capture to a fresh appliance that watches as many symbols as it has
books; rows of all passes are merged. Every row comes from an event record of the hardware.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.appliance import Appliance, SymbolSettings
from sim.captures import Capture, Record
from sim.errors import SimulationError
from sim.framing import FeedAddress, frame_messages
from sim.prescan import Prescan, SymbolInfo, packet_of, prescan

__all__ = ["COLUMNS", "Replay", "ReplayError", "Summary", "Waves", "write_rows"]

#: Columns of the file of rows, and the fields of a record that they come from.
COLUMNS: Mapping[str, str] = {
    "seq": "feed_sequence", "ts_ns": "ts_ns", "locate": "locate",
    "bid_px": "bid_price", "bid_sz": "bid_quantity", "bid_ct": "bid_count",
    "ask_px": "ask_price", "ask_sz": "ask_quantity", "ask_ct": "ask_count",
}

#: Counters that must stay zero, or rows could be missing.
_LOSSES = ("net.frames_dropped_buffer_full", "book.events_dropped", "book.table_overflow",
           "net.frames_bad_fcs", "mold.malformed")

_BATCH_FRAMES = 256

Progress = Callable[[int, int, float], None]


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


class ReplayError(SimulationError):
    """What was asked for cannot be replayed."""


@dataclass
class Summary:
    """What a replay did.

    Attributes
    ----------
    kind : str
        ``itch`` or ``pcap``.
    records, messages : int
        Records of the file, and feed messages in them.
    symbols, passes, rows : int
        Symbols with a book, passes, rows found.
    cycles, seconds : int, float
        Simulated cycles and wall time of all passes.
    messages_per_second, cycles_per_second : float
        Feed messages (of every pass) and cycles simulated in a second of wall time.
    ticks : dict of str to int
        Tick size of each symbol, 1e-4 USD.
    other_packets, sliced_frames : int
        Packets of another stream, which the appliance must refuse, and frames of which the
        capture has only the beginning, which are not sent.
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
    cycles: int = 0
    seconds: float = 0.0
    messages_per_second: float = 0.0
    cycles_per_second: float = 0.0
    ticks: dict[str, int] = field(default_factory=dict[str, int])
    other_packets: int = 0
    sliced_frames: int = 0
    truncated_at: int | None = None
    losses: dict[str, int] = field(default_factory=dict[str, int])
    counters: dict[str, int] = field(default_factory=dict[str, int])

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


class Replay:
    """One capture, looked through and ready to be replayed.

    Parameters
    ----------
    path : Path
        The capture.
    profile : str
        Sizes of the appliance.
    symbols : sequence of str, optional
        Only these symbols; by default all that have orders.
    ticks : mapping of str to int
        Tick sizes that override what was found, by symbol; the key ``*`` is for all.
    lenient : bool
        Accept zeroed addresses, ports and checksums, and any sequence number: captures whose
        headers a publisher rebuilt.
    packed : bool
        Of a BinaryFILE, put as many messages in a frame as go in.
    library : Path, optional
        Library of another Verilog than that of `profile`.
    waves : Waves, optional
        Write a waveform of some cycles of the first pass; the replay is some 30 times slower.

    Raises
    ------
    CaptureError
        If the file is not what it should be.
    ReplayError
        If a symbol is not in the capture.
    """

    def __init__(self, path: Path, *, profile: str = "sim", symbols: tuple[str, ...] | None = None,
                 ticks: Mapping[str, int] | None = None, lenient: bool = False,
                 packed: bool = True, library: Path | None = None,
                 waves: Waves | None = None) -> None:
        self.waves = waves
        self.capture = Capture(path)
        self.profile = profile
        self.lenient = lenient
        self.packed = packed
        self.library = library
        self.found: Prescan = prescan(self.capture)
        self.books = self._choose(symbols)
        self._override(ticks or {})

    def _choose(self, symbols: tuple[str, ...] | None) -> list[SymbolInfo]:
        books = self.found.with_books()
        if symbols is None:
            return books
        missing = set(symbols) - {info.stock for info in books}
        if missing:
            raise ReplayError(f"{self.capture.path} has no orders of {', '.join(sorted(missing))}")
        return [info for info in books if info.stock in symbols]

    def _override(self, ticks: Mapping[str, int]) -> None:
        unknown = ticks.keys() - {"*"} - {info.stock for info in self.books}
        if unknown:
            raise ReplayError(f"tick size given for {', '.join(sorted(unknown))}, "
                              "which is not replayed")
        self.ticks = {info.locate: ticks.get(info.stock, ticks.get("*", info.tick_size))
                      for info in self.books}

    def run(self, progress: Progress | None = None) -> tuple[npt.NDArray[Any], Summary]:
        """Replay; return the records of all rows in order, and what was done.

        Parameters
        ----------
        progress : callable, optional
            Called now and then with frames sent, frames in all and seconds so far.

        Raises
        ------
        SimulationError
            If the appliance fails.
        """
        found = self.found
        summary = Summary(
            kind=self.capture.kind, records=found.records, messages=found.messages,
            symbols=len(self.books), other_packets=found.other_packets,
            ticks={info.stock or str(info.locate): self.ticks[info.locate]
                   for info in self.books})
        parts: list[npt.NDArray[Any]] = []
        keys: list[npt.NDArray[np.uint64]] = []
        begin = time.monotonic()
        sent = 0
        books = list(self.books)
        first = True
        while first or books:
            first = False
            waves = self.waves if summary.passes == 0 else None
            # No order leaves in a replay: simulate the same core without the side that sends them.
            with Appliance(self.profile, library=self.library, traced=waves is not None,
                           trading=waves is not None) as appliance:
                if waves is not None:
                    appliance.simulation.trace(waves.path, waves.start, waves.end)
                watched, books = books[:appliance.symbols], books[appliance.symbols:]
                total = found.records * (summary.passes + 1 + -(-len(books) // appliance.symbols))
                appliance.watch([SymbolSettings(info.stock, info.locate, self.ticks[info.locate])
                                 for info in watched])
                for batch, (consumed, records) in enumerate(self._pass(appliance, summary)):
                    sent += consumed
                    parts.append(records)
                    # Lenient captures repeat sequence numbers: a batch is one frame there.
                    key = batch if self.lenient else 0
                    keys.append(np.full(len(records), key, "<u8"))
                    if progress is not None:
                        progress(sent, total, time.monotonic() - begin)
                self._count(appliance, summary)
            summary.passes += 1
        rows: npt.NDArray[Any] = np.concatenate(parts)
        order = np.lexsort((rows["feed_sequence"], np.concatenate(keys)))
        summary.rows = len(rows)
        summary.truncated_at = self.capture.truncated_at
        summary.seconds = time.monotonic() - begin
        if summary.seconds > 0:
            summary.messages_per_second = found.messages * summary.passes / summary.seconds
            summary.cycles_per_second = summary.cycles / summary.seconds
        return rows[order], summary

    def _pass(self, appliance: Appliance,
              summary: Summary) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Send the capture; yield records consumed and events, batch by batch."""
        address = self.found.address or FeedAddress()
        appliance.write("control.hold_on_rebuild", 1)
        appliance.configure_feed(address, next_sequence=self.found.first_sequence,
                                 strict=not self.lenient)
        appliance.simulation.set_paced(True)
        summary.sliced_frames = 0
        sends = (self._itch_frames(address) if self.capture.kind == "itch"
                 else self._pcap_frames(summary))
        expected = self.found.first_sequence
        size = 1 if self.lenient and self.capture.kind == "pcap" else _BATCH_FRAMES
        while batch := list(islice(sends, size)):
            frames = [frame for frame, _ in batch if frame is not None]
            if self.lenient and frames:
                expected = self._restart(appliance, frames[0], expected)
            appliance.send_frames(frames)
            appliance.simulation.drain()
            if size == 1:
                appliance.settle()
            yield sum(consumed for _, consumed in batch), appliance.events()
        appliance.settle()
        yield 0, appliance.events()

    def _itch_frames(self, address: FeedAddress) -> Iterator[tuple[bytes | None, int]]:
        messages = (record.data for record in self.capture.records())
        for datagram in frame_messages(messages, address, packed=self.packed):
            yield datagram.frame, datagram.count

    def _pcap_frames(self, summary: Summary) -> Iterator[tuple[bytes | None, int]]:
        for record in self.capture.records():
            if record.sliced:
                summary.sliced_frames += 1
                yield None, 1
            else:
                yield _padded(record), 1

    def _restart(self, appliance: Appliance, frame: bytes, expected: int) -> int:
        """Make the appliance expect a frame that is out of sequence; return what follows it."""
        packet = packet_of(frame)
        if packet is None:
            return expected
        if packet.sequence != expected:
            appliance.expect_sequence(packet.sequence)
        return packet.sequence + len(packet.messages)

    def _count(self, appliance: Appliance, summary: Summary) -> None:
        summary.cycles += appliance.simulation.cycle
        for name, count in appliance.counters().items():
            if count:
                summary.counters[name] = summary.counters.get(name, 0) + count
                if name in _LOSSES:
                    summary.losses[name] = summary.losses.get(name, 0) + count


def _padded(record: Record) -> bytes:
    """Return a frame as long as the line demands: captures made at a host lack the padding."""
    return record.data.ljust(60, b"\0")


def write_rows(records: npt.NDArray[Any], path: Path) -> None:
    """Write rows as CSV (RFC 4180) with the columns `COLUMNS`.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(",".join(COLUMNS) + "\r\n")
        if len(records):
            columns = [records[source].tolist() for source in COLUMNS.values()]
            file.writelines(",".join(map(str, row)) + "\r\n" for row in zip(*columns, strict=True))
