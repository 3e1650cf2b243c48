"""Record what goes into a simulation and what comes out, and run the same again.

A simulation is deterministic: the same input at the same cycles gives the same output. So a
recording of the input is enough for a waveform of any moment, long after the run.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from proto.recording import (
    FRAME_OPTIONS,
    POSITION,
    REGISTER,
    WORD,
    Entry,
    EntryKind,
    RecordingHead,
    RecordingReader,
    RecordingWriter,
)
from sim.appliance import Appliance
from sim.errors import SimulationError
from sim.library import EVENT_BYTES, STANDARD_GAP_BYTES, Line, Received, Simulation

__all__ = ["RecordedSimulation", "rerun"]

#: Cycles between two looks at what has left, while the same is run again.
_CHUNK_CYCLES = 50_000
#: No frame of the order line takes longer.
_FRAME_CYCLES = 256


class RecordedSimulation(Simulation):
    """A simulation that writes a recording from :meth:`record` on.

    Whole frames, the clock and the bus are recorded; words and a bridge to a file are not, and
    are refused meanwhile.
    """

    def __init__(self, library: Path) -> None:
        super().__init__(library)
        self._writer: RecordingWriter | None = None
        self._waiting = [0] * len(Line)    # frames that have not begun yet, by line
        self._starts: list[list[int]] = [[] for _ in Line]

    def record(self, path: Path, *, profile: str, symbols: int, core_hz: int,
               map_hash: int) -> None:
        """Begin a recording; nothing may be under way.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        self._writer = RecordingWriter(path, RecordingHead(
            profile=profile, symbols=symbols, core_hz=core_hz, map_hash=map_hash,
            begin_cycle=self.cycle, cycle_offset=self.now_cycles - self.cycle,
            lanes=self.lanes))

    def close(self) -> None:
        """Finish the recording, and free the simulation."""
        if self._writer is not None:
            for line in Line:
                self.received(line)
            self._put(EntryKind.END)
            self._writer.close()
            self._writer = None
        super().close()

    def _put(self, kind: EntryKind, payload: bytes = b"", line: int = 0) -> None:
        if self._writer is None:
            return
        self._note_starts()
        self._writer.put(kind, payload, cycle=self.cycle, time_ns=self.time_ns, line=line)

    def _note_starts(self) -> None:
        assert self._writer is not None
        for line in Line:
            if self._waiting[line]:
                begun = super().starts(line).tolist()
                self._waiting[line] -= len(begun)
                self._starts[line] += begun
                for position in begun:
                    self._writer.put(EntryKind.STARTED, POSITION.pack(position), cycle=self.cycle,
                                     time_ns=self.time_ns, line=line)

    # What goes in.

    def send(self, frames: Sequence[bytes], line: Line = Line.FEED_A, *,
             gap_bytes: int = STANDARD_GAP_BYTES, flags: int = 0, error_offset: int = 0,
             not_before: int = 0) -> None:
        """Queue frames; see :meth:`Simulation.send`."""
        options = FRAME_OPTIONS.pack(gap_bytes, flags, error_offset, not_before)
        for frame in frames:
            self._put(EntryKind.QUEUED, options + frame, line)
            self._waiting[line] += self._writer is not None
        super().send(frames, line, gap_bytes=gap_bytes, flags=flags, error_offset=error_offset,
                     not_before=not_before)

    def send_words(self, words: Sequence[tuple[int, int]], line: Line = Line.FEED_A) -> None:
        """Queue words, if there is no recording."""
        self._refuse("words")
        super().send_words(words, line)

    def bridge(self, descriptor: int, duration_ns: int, line: Line = Line.ORDER, *,
               chunk_cycles: int = 256) -> None:
        """Join a line to a file, if there is no recording."""
        self._refuse("a bridge to a file")
        super().bridge(descriptor, duration_ns, line, chunk_cycles=chunk_cycles)

    def _refuse(self, what: str) -> None:
        if self._writer is not None:
            raise SimulationError(f"{what} cannot be recorded")

    def set_paced(self, paced: bool, line: Line = Line.FEED_A) -> None:
        """Choose whether frames wait; see :meth:`Simulation.set_paced`."""
        self._put(EntryKind.PACED, WORD.pack(paced), line)
        super().set_paced(paced, line)

    def set_events_ready(self, ready: bool) -> None:
        """Choose whether records are taken; see :meth:`Simulation.set_events_ready`."""
        self._put(EntryKind.EVENTS_READY, WORD.pack(ready))
        super().set_events_ready(ready)

    def set_time(self, time_ns: int) -> None:
        """Let the clock jump; see :meth:`Simulation.set_time`."""
        self._put(EntryKind.TIME, WORD.pack(time_ns))
        super().set_time(time_ns)

    def set_hold(self, hold: bool) -> None:
        """Let the clock stand still, or go on; see :meth:`Simulation.set_hold`."""
        self._put(EntryKind.HOLD, WORD.pack(hold))
        super().set_hold(hold)

    def csr_write(self, address: int, data: int) -> None:
        """Write a register."""
        self._put(EntryKind.WRITE, REGISTER.pack(address, data))
        super().csr_write(address, data)

    def csr_read(self, address: int) -> int:
        """Read a register."""
        self._put(EntryKind.READ, REGISTER.pack(address, 0))
        return super().csr_read(address)

    # What comes out.

    def starts(self, line: Line = Line.FEED_A) -> npt.NDArray[np.uint64]:
        """Return and forget the positions of Start; see :meth:`Simulation.starts`."""
        if self._writer is None:
            return super().starts(line)
        self._note_starts()
        found, self._starts[line] = self._starts[line], []
        return np.array(found, "<u8")

    def received(self, line: Line = Line.ORDER) -> list[Received]:
        """Return and forget the frames that came out; see :meth:`Simulation.received`."""
        found = super().received(line)
        for frame in found:
            self._put(EntryKind.LEFT, POSITION.pack(frame.start) + frame.frame, line)
        return found

    def events(self) -> tuple[bytes, npt.NDArray[np.uint64]]:
        """Return and forget the event records; see :meth:`Simulation.events`."""
        content, cycles = super().events()
        for at in range(0, len(content), EVENT_BYTES):
            self._put(EntryKind.RECORD, content[at:at + EVENT_BYTES])
        return content, cycles


def rerun(recording: Path, waves: Path, start: int, end: int, *,
          progress: Callable[[int, int, float], None] = lambda done, total, seconds: None
          ) -> int:
    """Run a recording again up to a moment, and write a waveform of what is before it.

    Parameters
    ----------
    recording : Path
        The recording.
    waves : Path
        FST file to write.
    start, end : int
        First and last cycle of the waveform, at the pins.
    progress : callable
        Is told cycles done, cycles in all and seconds taken now and then.

    Returns
    -------
    int
        Frames that left on the order line, each the same in the same cycle as in the recording.

    Raises
    ------
    SimulationError
        If the recording has no such cycles, or this design does something else than the recorded.
    """
    with RecordingReader(recording) as reader, \
            Appliance(reader.head.profile, traced=True) as appliance:
        simulation = appliance.simulation
        begin = reader.head.begin_cycle
        if start < begin:
            raise SimulationError(f"the recording begins in cycle {begin:,}, after {start:,}")
        if simulation.cycle > begin:
            raise SimulationError(f"{recording} is of another design: memories are cleared "
                                  f"{simulation.cycle - begin:,} cycles later here")
        simulation.run(begin - simulation.cycle)
        simulation.trace(waves, start, end)
        run = _Rerun(simulation, end, progress)
        for entry in reader:
            run.take(entry)
        return run.finish()


class _Rerun:
    """What has been done again of a recording, and whether the same has left."""

    def __init__(self, simulation: Simulation, end: int,
                 progress: Callable[[int, int, float], None]) -> None:
        self._simulation = simulation
        self._end = end
        self._progress = progress
        self._began = simulation.cycle
        self._began_s = time.monotonic()
        self._same = 0
        self._left: deque[tuple[int, bytes]] = deque()
        self._wanted: deque[tuple[int, bytes]] = deque()

    def take(self, entry: Entry) -> None:
        """Do what an entry says, up to when the last frame that counts has left as a whole."""
        if entry.kind < EntryKind.STARTED:
            if entry.cycle <= self._end + _FRAME_CYCLES:
                self._run(entry.cycle)
                _repeat(self._simulation, entry)
        elif entry.kind == EntryKind.LEFT and entry.line == Line.ORDER:
            position, = POSITION.unpack_from(entry.payload)
            if position // 8 <= self._end:
                self._wanted.append((position, entry.payload[POSITION.size:]))

    def finish(self) -> int:
        """Run to the end; return the frames that were the same."""
        self._run(self._end + _FRAME_CYCLES)
        if self._wanted or self._left:
            raise _differs([*self._wanted, *self._left][0][0])
        return self._same

    def _run(self, cycle: int) -> None:
        while (left := cycle - self._simulation.cycle) > 0:
            self._simulation.run(min(left, _CHUNK_CYCLES))
            self._progress(self._simulation.cycle - self._began, self._end - self._began,
                           time.monotonic() - self._began_s)
        # Records and what leaves for the host must not pile up.
        self._simulation.events()
        self._simulation.received(Line.MANAGEMENT)
        self._left += ((frame.start, frame.frame) for frame in
                       self._simulation.received(Line.ORDER) if frame.start // 8 <= self._end)
        while self._left and self._wanted:
            left_frame, wanted = self._left.popleft(), self._wanted.popleft()
            if left_frame != wanted:
                raise _differs(min(left_frame[0], wanted[0]))
            self._same += 1


def _differs(position: int) -> SimulationError:
    return SimulationError(f"the recording is of another design: what leaves the order port "
                           f"differs from cycle {position // 8:,} on; make the run again")


def _repeat(simulation: Simulation, entry: Entry) -> None:
    payload = entry.payload
    match entry.kind:
        case EntryKind.QUEUED:
            gap_bytes, flags, error_offset, not_before = FRAME_OPTIONS.unpack_from(payload)
            simulation.send([payload[FRAME_OPTIONS.size:]], Line(entry.line), gap_bytes=gap_bytes,
                            flags=flags, error_offset=error_offset, not_before=not_before)
        case EntryKind.TIME:
            simulation.set_time(*WORD.unpack(payload))
        case EntryKind.HOLD:
            simulation.set_hold(*WORD.unpack(payload))
        case EntryKind.EVENTS_READY:
            simulation.set_events_ready(*WORD.unpack(payload))
        case EntryKind.PACED:
            simulation.set_paced(bool(*WORD.unpack(payload)), Line(entry.line))
        case EntryKind.WRITE:
            simulation.csr_write(*REGISTER.unpack(payload))
        case EntryKind.READ:
            simulation.csr_read(REGISTER.unpack(payload)[0])
        case _:
            raise SimulationError(f"the recording has an input of unknown kind {entry.kind}")
