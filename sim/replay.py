"""Replay a capture through the simulated appliance and collect its tops of book.

Each pass sends the whole capture to a fresh appliance that watches as many symbols as it has
books; rows of all passes are merged. Every row comes from an event record of the hardware.
"""

import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from hdl.profile import PROFILES
from proto.events import BookState
from sim.appliance import TOP_OF_BOOK_DTYPE, Appliance, SymbolSettings
from sim.captures import Capture
from sim.errors import SimulationError
from sim.pacing import PacedSender
from sim.prescan import Looked, Prescan, SymbolInfo, prescan
from sim.replay_details import DetailFiles
from sim.replay_input import ReplayInput, Send
from sim.replay_rows import COLUMNS
from sim.replay_summary import RowList, Rows, RowSink, Summary, Waves

__all__ = ["COLUMNS", "Replay", "ReplayError", "RowSink", "Summary", "Waves"]

#: Counters that must stay zero, or rows could be missing.
_LOSSES = ("net.frames_dropped_buffer_full", "book.events_dropped", "book.table_overflow",
           "details.dropped",
           "net.frames_bad_fcs", "mold.malformed")

_BATCH_FRAMES = 256
#: A batch of so many frames shows that the one before has had all its effects.
_LONG_BATCH_FRAMES = 64

Progress = Callable[[int, int, float], None]


class ReplayError(SimulationError):
    """What was asked for cannot be replayed."""


class Replay:
    """One capture, or two lines of one feed, looked through and ready to be replayed.

    Parameters
    ----------
    path : Path
        The capture.
    line_b : Path, optional
        Line B, while `path` is line A. The two are merged by the time of capture, before the feed
        port: what is a duplicate, the appliance decides.
    profile : str
        Sizes of the appliance.
    symbols : sequence of str, optional
        Only these, symbols or locates; by default all that have orders.
    ticks : mapping of str to int
        Tick sizes that override what was found, by symbol; the key ``*`` is for all.
    lenient : bool
        Accept zeroed addresses, ports and checksums, and any sequence number: captures whose
        headers a publisher rebuilt.
    packed : bool
        Of a BinaryFILE, put as many messages in a frame as go in.
    speed : Fraction, optional
        Send frames when they are due, so many times faster than captured, whether the appliance is
        ready or not; by default as fast as nothing is lost. See :class:`~sim.pacing.PacedSender`.
    from_ns, until_ns : int, optional
        Exchange times, ns since midnight: only rows from the first and before the second are
        wanted. The books are built from the start; what is before `from_ns` is not paced.
    library : Path, optional
        Library of another Verilog than that of `profile`.
    waves : Waves, optional
        Write a waveform of some cycles of the first pass; the replay is some 30 times slower.
    details : DetailFiles, optional
        Record levels, or features, as well; messages then wait for each other, and the order side
        is simulated with features.
    looked : callable, optional
        Told now and then how far the look through the capture is.

    Raises
    ------
    CaptureError
        If the file is not what it should be.
    ReplayError
        If a symbol is not in the capture, or options contradict each other or the capture.
    """

    def __init__(self, path: Path, *, line_b: Path | None = None, profile: str = "sim",
                 symbols: Sequence[str] | None = None, ticks: Mapping[str, int] | None = None,
                 lenient: bool = False, packed: bool = True, speed: Fraction | None = None,
                 from_ns: int | None = None, until_ns: int | None = None,
                 library: Path | None = None, waves: Waves | None = None,
                 details: DetailFiles | None = None, looked: Looked | None = None) -> None:
        self.waves = waves
        self.details = details or DetailFiles()
        self.capture = Capture(path)
        self.profile = profile
        self.lenient = lenient
        self.packed = packed
        self.speed = speed
        self.from_ns = from_ns
        self.until_ns = until_ns
        self.library = library
        if lenient and (speed is not None or line_b is not None):
            raise ReplayError("a lenient replay sends frame by frame: it has no speed and no line "
                              "B")
        if any(self.details.setting.values()) and (speed is not None or from_ns is not None):
            raise ReplayError("levels and features are those of the whole replay, nothing lost: "
                              "they go without a speed and without a time to begin")
        self.found: Prescan = prescan(self.capture, until_ns=until_ns, looked=looked)
        if self.capture.kind == "pcap" and self.found.address is None:
            raise ReplayError(f"{path}: no MoldUDP64 packet in {self.found.records:,} frames")
        self._messages = self.found.messages
        self.second = None if line_b is None else self._second(line_b, looked)
        self.books = self._choose(symbols)
        self._override(ticks or {})
        self.input = ReplayInput(
            self.capture, self.found, second=self.second, packed=packed, timed=speed is not None,
            from_ns=from_ns or 0, until_ns=until_ns)

    def _second(self, path: Path, looked: Looked | None) -> tuple[Capture, Prescan]:
        capture = Capture(path)
        if self.found.address is None or capture.kind == "itch":
            raise ReplayError("line A and line B must be captures of frames: a BinaryFILE has no "
                              "times of capture")
        found = prescan(capture, until_ns=self.until_ns, second_of=self.found.address,
                        looked=looked)
        if found.address is None:
            raise ReplayError(f"{path}: no packet of session {self.found.address.session!r}, which "
                              "line A has")
        if path == self.capture.path and found.address == self.found.address:
            raise ReplayError(f"{path}: only one line in it")
        self._messages += found.messages
        self.found.take_symbols(found)
        if found.first_ns < self.found.first_ns:
            self.found.first_sequence = found.first_sequence
        if path == self.capture.path:
            self.found.other_packets -= found.packets    # they are sent, as those of line B
        return capture, found

    def _choose(self, symbols: Sequence[str] | None) -> list[SymbolInfo]:
        books = self.found.with_books()
        if symbols is None:
            return books
        names = {info.stock: info for info in books if info.stock}
        locates = {str(info.locate): info for info in books}
        missing = [wanted for wanted in symbols if wanted not in names and wanted not in locates]
        if missing:
            near = difflib.get_close_matches(missing[0].upper(), names, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ReplayError(f"{self.capture.path} has no orders of {', '.join(missing)}{hint}")
        chosen = {info.locate for wanted in symbols
                  for info in (names.get(wanted) or locates[wanted],)}
        return [info for info in books if info.locate in chosen]

    def _override(self, ticks: Mapping[str, int]) -> None:
        unknown = ticks.keys() - {"*"} - {info.stock for info in self.books}
        if unknown:
            raise ReplayError(f"tick size given for {', '.join(sorted(unknown))}, "
                              "which is not replayed")
        self.ticks = {info.locate: ticks.get(info.stock, ticks.get("*", info.tick_size))
                      for info in self.books}

    def run(self, progress: Progress | None = None, *, sink: RowSink | None = None,
            go_on: Callable[[], bool] = lambda: True) -> tuple[Rows, Summary]:
        """Replay; return the records of all rows in order, and what was done.

        Parameters
        ----------
        progress : callable, optional
            Called now and then with messages sent, messages in all and seconds so far.
        sink : RowSink, optional
            Takes the rows; none are returned then.
        go_on : callable
            Asked now and then; the replay ends after what has been sent once this is false.

        Raises
        ------
        SimulationError
            If the appliance fails.
        """
        found = self.found
        summary = Summary(
            kind=self.capture.kind, records=found.records, messages=found.messages,
            symbols=len(self.books), other_packets=found.other_packets, lines=self._lines(),
            from_ns=self.from_ns, until_ns=self.until_ns,
            speed=None if self.speed is None else str(self.speed),
            ticks={info.stock or str(info.locate): self.ticks[info.locate]
                   for info in self.books})
        rows = RowList()
        taken: RowSink = sink or rows
        begin: float | None = None
        sent = 0
        books = list(self.books)
        number = 0
        while summary.interrupted_at is None and (number == 0 or books):
            summary.passes = number = number + 1
            after = taken.begin(number)
            if after is None:
                books = books[PROFILES[self.profile].symbols:]
                continue
            waves = self.waves if number == 1 else None
            # No order leaves in a replay: simulate the same core without the side that sends them.
            with Appliance(self.profile, library=self.library, traced=waves is not None,
                           trading=waves is not None or self.details.setting["vectors"]
                           ) as appliance:
                begin = begin or time.monotonic()    # the simulation is there, and maybe built
                if waves is not None:
                    appliance.simulation.trace(waves.path, waves.start, waves.end)
                watched, books = books[:appliance.symbols], books[appliance.symbols:]
                total = sent + self._messages * (1 + -(-len(books) // appliance.symbols))
                appliance.watch([SymbolSettings(info.stock, info.locate, self.ticks[info.locate])
                                 for info in watched])
                for messages, key, records in self._pass(appliance, summary, go_on):
                    sent += messages
                    wanted = self._wanted(records, after)
                    summary.rows += len(wanted)
                    summary.rows_stale += int(
                        np.count_nonzero(wanted["state"] & BookState.STALE))
                    taken.write(key, wanted)
                    if progress is not None:
                        progress(sent, total, time.monotonic() - begin)
                self.details.take(appliance.details(), [info.locate for info in watched])
                self._count(appliance, summary)
            if summary.interrupted_at is None:
                taken.end(number)
        summary.truncated_at = self.capture.truncated_at
        summary.seconds = time.monotonic() - begin if begin else 0.0
        if summary.seconds > 0:
            summary.messages_per_second = sent / summary.seconds
            summary.cycles_per_second = summary.cycles / summary.seconds
        return rows.rows(), summary

    @property
    def passes(self) -> int:
        """How many passes there will be, if the profile is what it says."""
        return max(1, -(-len(self.books) // PROFILES[self.profile].symbols))

    @property
    def captures(self) -> list[Capture]:
        """What is read: one capture, or those of line A and line B."""
        return [self.capture] if self.second is None else [self.capture, self.second[0]]

    def _lines(self) -> dict[str, dict[str, int]]:
        if self.second is None:
            return {}
        return {name: {"packets": found.packets, "messages": found.messages,
                       "skipped": found.skipped}
                for name, found in (("A", self.found), ("B", self.second[1]))}

    def _wanted(self, records: Rows, after: int) -> Rows:
        """Return the rows in the window, behind those that are there already."""
        wanted = np.ones(len(records), bool)
        if after:
            wanted &= records["feed_sequence"] > after
        if self.from_ns is not None:
            wanted &= records["ts_ns"] >= self.from_ns
        if self.until_ns is not None:
            wanted &= records["ts_ns"] < self.until_ns
        return records if wanted.all() else records[wanted]

    def _pass(self, appliance: Appliance, summary: Summary,
              go_on: Callable[[], bool]) -> Iterator[tuple[int, int, Rows]]:
        """Send the capture; yield messages sent, a key of the order, and rows in order."""
        appliance.record_messages()     # only books are wanted
        appliance.configure_feed(self.input.address, next_sequence=self.found.first_sequence,
                                 strict=not self.lenient)
        self._let_wait(appliance, True)
        appliance.record_details(**self.details.setting)
        summary.sliced_frames = 0
        sends = self.input.frames()
        size = 1 if self.lenient and self.capture.kind == "pcap" else _BATCH_FRAMES
        expected, last, sender = self.found.first_sequence, 0, None
        waiting = np.zeros(0, TOP_OF_BOOK_DTYPE)
        key = 0
        while batch := list(islice(sends, size)):
            if not go_on():
                summary.interrupted_at = last
                break
            summary.sliced_frames += sum(send.frame is None for send in batch)
            if size == 1:
                expected = self._restart(appliance, batch[0], expected)
            sender = self._send(appliance, batch, sender)
            if size == 1:
                appliance.settle()
            sequences = [send.sequence for send in batch if send.sequence is not None]
            waiting = np.concatenate((waiting, appliance.events()))
            waiting = waiting[np.argsort(waiting["feed_sequence"], kind="stable")]
            # What comes of these frames may still be under way, but not of those before.
            ready = len(waiting) if size == 1 else 0
            if size > 1 and len(batch) >= _LONG_BATCH_FRAMES and sequences:
                ready = int(np.searchsorted(waiting["feed_sequence"], min(sequences)))
            yield sum(send.messages for send in batch), key, waiting[:ready]
            waiting = waiting[ready:]
            last = max([last, *(send.sequence + send.messages - 1 for send in batch
                                if send.sequence is not None)])
            # Lenient captures repeat sequence numbers: a batch is one frame there.
            key += size == 1
        if sender is not None:
            summary.late_frames, summary.latest_ns = sender.late, sender.latest_ns
            summary.span_ns = sender.span_ns
        appliance.settle()
        waiting = np.concatenate((waiting, appliance.events()))
        yield 0, key, waiting[np.argsort(waiting["feed_sequence"], kind="stable")]

    def _let_wait(self, appliance: Appliance, wait: bool) -> None:
        """Choose whether frames, and the feed, wait for an appliance that is busy."""
        appliance.write("control.hold_on_rebuild", int(wait))
        appliance.simulation.set_paced(wait)

    def _send(self, appliance: Appliance, batch: list[Send],
              sender: PacedSender | None) -> PacedSender | None:
        """Send a batch, and run until it has begun; return what sends frames that are due."""
        frames = [send.frame for send in batch if send.frame is not None and send.due_ns is None]
        if frames:
            appliance.send_frames(frames)
            appliance.simulation.drain()
        timed = [(send.due_ns, send.frame) for send in batch
                 if send.frame is not None and send.due_ns is not None]
        if timed and self.speed is not None:
            if sender is None:
                appliance.settle()
                self._let_wait(appliance, False)
                sender = PacedSender(appliance, self.speed)
            sender.send(timed)
        return sender

    def _restart(self, appliance: Appliance, send: Send, expected: int) -> int:
        """Make the appliance expect a frame that is out of sequence; return what follows it."""
        if send.sequence is None:
            return expected
        if send.sequence != expected:
            appliance.expect_sequence(send.sequence)
        return send.sequence + send.messages

    def _count(self, appliance: Appliance, summary: Summary) -> None:
        summary.cycles += appliance.simulation.cycle
        for name, count in appliance.counters().items():
            if count:
                summary.counters[name] = summary.counters.get(name, 0) + count
                if name in _LOSSES:
                    summary.losses[name] = summary.losses.get(name, 0) + count
