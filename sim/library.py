"""A Verilated design in this process: whole frames in, whole frames and event records out.

Cycles are those of the pins; see ``sim/native/appliance.cpp``. A position is 8 x cycle + lane; a
line of 1GbE (GMII) has lane 0 alone.
"""

import ctypes
import os
import struct
from collections.abc import Sequence
from enum import IntEnum, IntFlag
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sim.errors import SimulationError

__all__ = ["EVENT_BYTES", "FRAME_DTYPE", "FrameFlag", "Line", "RECEIVED_DTYPE", "Received",
           "Simulation"]

EVENT_BYTES = 64

#: Bytes of a standard interframe gap, Terminate included.
STANDARD_GAP_BYTES = 12

#: How a frame is sent: ``FrameHeader`` of sim/native/line.h.
FRAME_DTYPE = np.dtype([("length", "<u4"), ("flags", "<u4"), ("gap_bytes", "<u4"),
                        ("error_offset", "<u4"), ("not_before", "<u8")])

#: A frame that came out: ``FrameRecord`` of sim/native/line.h.
RECEIVED_DTYPE = np.dtype([("start", "<u8"), ("end", "<u8"), ("length", "<u4"), ("good", "<u4")])

_PREAMBLE_BYTES = 8


class Line(IntEnum):
    """Ethernet ports of an appliance."""

    FEED_A = 0
    FEED_B = 1
    ORDER = 2
    MANAGEMENT = 3


class FrameFlag(IntFlag):
    """What is unusual about a frame that is sent."""

    FCS_INCLUDED = 1     #: the bytes end with an FCS
    BAD_FCS = 2          #: the FCS that is made is inverted
    ERROR_CHARACTER = 4  #: the byte at ``error_offset`` becomes an error character
    LANE_0 = 8           #: Start in lane 0
    LANE_4 = 16          #: Start in lane 4


class Received:
    """A frame that came out of the design.

    Attributes
    ----------
    frame : bytes
        Destination address to FCS.
    start : int
        Position of its Start.
    end : int
        Position of its last byte.
    good : bool
        Whether preamble, FCS and every character are right.
    """

    __slots__ = ("end", "frame", "good", "start")

    def __init__(self, frame: bytes, start: int, end: int, good: bool) -> None:
        self.frame = frame
        self.start = start
        self.end = end
        self.good = good

    def __repr__(self) -> str:
        """Return length and place."""
        return f"<Received {len(self.frame)} bytes, start={self.start}, good={self.good}>"


def byte_cycle(start: int, offset: int, *, lanes: int = 8) -> int:
    """Return the cycle in which byte `offset` of a frame is at the pins, Start at `start`.

    `lanes` is that of the simulation: bytes of the line in a cycle.
    """
    return (start * lanes // 8 + _PREAMBLE_BYTES + offset) // lanes


class Simulation:
    """One instance of a Verilated library.

    Parameters
    ----------
    library : Path
        What `sim.verilate.build` returned.

    Raises
    ------
    OSError
        If the library cannot be loaded.
    """

    def __init__(self, library: Path) -> None:
        self._c = _load(library)
        self._handle: int | None = self._c.simulation_new()

    def __enter__(self) -> Self:
        """Return this simulation; leaving the block ends it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """End the simulation."""
        self.close()

    def close(self) -> None:
        """Free it, and finish its waveform."""
        if self._handle is not None:
            self._c.simulation_free(self._handle)
            self._handle = None

    @property
    def lanes(self) -> int:
        """Bytes of a line in a cycle: 8 of XGMII, 1 of GMII."""
        return int(self._c.simulation_lanes(self._handle))

    @property
    def cycle(self) -> int:
        """The cycle that is at the pins now."""
        return int(self._c.simulation_cycle(self._handle))

    @property
    def now_cycles(self) -> int:
        """The design's own cycle counter; it differs from `cycle` by a constant."""
        return int(self._c.simulation_now(self._handle))

    def trace(self, path: Path, start: int = 0, end: int = 2**63) -> None:
        """Write an FST waveform of the cycles `start` to `end`.

        Raises
        ------
        SimulationError
            If the library was not built for it.
        """
        if not self._c.simulation_trace(self._handle, str(path).encode(), start, end):
            raise SimulationError("this library was built without waveforms: use traced=True")

    def run(self, cycles: int) -> None:
        """Run some cycles."""
        self._c.simulation_run(self._handle, cycles)

    def settle(self, *, quiet: int = 64, most: int = 10_000_000) -> None:
        """Run until all frames were sent and the design is idle for `quiet` cycles.

        Raises
        ------
        SimulationError
            If that takes more than `most` cycles.
        """
        if not self._c.simulation_settle(self._handle, quiet, most):
            raise SimulationError(f"the design was not idle after {most} cycles")

    def drain(self, line: Line = Line.FEED_A, *, waiting: int = 0, most: int = 100_000_000) -> None:
        """Run until at most `waiting` frames have yet to start on a line.

        Raises
        ------
        SimulationError
            If that takes more than `most` cycles.
        """
        if not self._c.simulation_drain(self._handle, line, waiting, most):
            raise SimulationError(f"frames of {line.name} still waited after {most} cycles")

    def send(self, frames: Sequence[bytes], line: Line = Line.FEED_A, *,
             gap_bytes: int = STANDARD_GAP_BYTES, flags: int = 0,
             error_offset: int = 0, not_before: int = 0) -> None:
        """Queue frames, destination address first, without FCS; they leave as the clock runs.

        Parameters
        ----------
        frames : sequence of bytes
            The frames.
        line : Line
            The port.
        gap_bytes : int
            From the Terminate before to Start, on average: Start is in lane 0 or 4, and the
            deficit idle count makes up for it.
        flags : FrameFlag
            What is unusual about all of them; 0 for nothing.
        error_offset : int
            For ``FrameFlag.ERROR_CHARACTER``.
        not_before : int
            Earliest cycle of Start.
        """
        self._send(frames, line, gap_bytes, flags, error_offset, not_before)

    def send_at(self, frames: Sequence[bytes], cycles: Sequence[int],
                line: Line = Line.FEED_A) -> None:
        """Queue frames that start in these cycles, or later if the line is busy then."""
        self._send(frames, line, STANDARD_GAP_BYTES, 0, 0, cycles)

    def _send(self, frames: Sequence[bytes], line: Line, gap_bytes: int, flags: int,
              error_offset: int, not_before: int | Sequence[int]) -> None:
        headers = np.zeros(len(frames), FRAME_DTYPE)
        headers["length"] = [len(frame) for frame in frames]
        headers["flags"] = flags
        headers["gap_bytes"] = gap_bytes
        headers["error_offset"] = error_offset
        headers["not_before"] = not_before
        self._c.simulation_send(self._handle, line, headers.ctypes.data, len(frames),
                                b"".join(frames))

    def send_words(self, words: Sequence[tuple[int, int]], line: Line = Line.FEED_A) -> None:
        """Queue XGMII words as they are: (data, control) pairs."""
        data = np.array([word[0] for word in words], "<u8")
        control = np.array([word[1] for word in words], "u1")
        self._c.simulation_send_words(self._handle, line, data.ctypes.data, control.ctypes.data,
                                      len(words))

    def set_paced(self, paced: bool, line: Line = Line.FEED_A) -> None:
        """Choose whether a frame waits until the design's ``feed_ready`` is high."""
        self._c.simulation_set_paced(self._handle, line, int(paced))

    def set_events_ready(self, ready: bool) -> None:
        """Choose whether event records are taken; on by default."""
        self._c.simulation_set_events_ready(self._handle, int(ready))

    def starts(self, line: Line = Line.FEED_A) -> npt.NDArray[np.uint64]:
        """Return and forget the position of Start of every frame sent since the last call."""
        count = self._c.simulation_starts(self._handle, line, None, 0)
        out = np.zeros(count, "<u8")
        self._c.simulation_starts(self._handle, line, out.ctypes.data, count)
        return out

    def events(self) -> tuple[bytes, npt.NDArray[np.uint64]]:
        """Return and forget the event records since the last call, and the cycle of each."""
        count = self._c.simulation_event_count(self._handle)
        records = ctypes.create_string_buffer(max(1, count * EVENT_BYTES))
        cycles = np.zeros(count, "<u8")
        self._c.simulation_events(self._handle, records, cycles.ctypes.data)
        return records.raw[:count * EVENT_BYTES], cycles

    def received(self, line: Line = Line.ORDER) -> list[Received]:
        """Return and forget the frames that came out since the last call."""
        count = self._c.simulation_received_count(self._handle, line)
        content = ctypes.create_string_buffer(
            max(1, self._c.simulation_received_bytes(self._handle, line)))
        records = np.zeros(count, RECEIVED_DTYPE)
        self._c.simulation_received(self._handle, line, records.ctypes.data, content)
        frames: list[Received] = []
        at = 0
        for start, end, length, good in records.tolist():
            frames.append(Received(content.raw[at:at + length], start, end, bool(good)))
            at += length
        return frames

    @property
    def time_ns(self) -> int:
        """The design's clock."""
        return int(self._c.simulation_time(self._handle))

    def set_time(self, time_ns: int) -> None:
        """Let the design's clock jump to `time_ns` in the cycles that follow, if that is ahead."""
        self._c.simulation_set_time(self._handle, time_ns)

    def set_hold(self, hold: bool) -> None:
        """Let the design's clock stand still in the cycles that follow, or go on."""
        self._c.simulation_set_hold(self._handle, int(hold))

    def calm(self, cycles: int, most: int) -> bool:
        """Run until nothing has been under way between feed and venue for some cycles.

        Frames to be sent there count, the management line and event records do not.

        Parameters
        ----------
        cycles : int
            How long it must last.
        most : int
            Cycles to run at most.

        Returns
        -------
        bool
            Whether it is so.
        """
        return bool(self._c.simulation_calm(self._handle, cycles, most))

    def served(self, cycles: int, most: int) -> bool:
        """Run until the management line has been quiet, and no record has waited, for some cycles.

        Parameters and result as of :meth:`calm`.
        """
        return bool(self._c.simulation_served(self._handle, cycles, most))

    def bridge(self, descriptor: int, duration_ns: int, line: Line = Line.ORDER, *,
               chunk_cycles: int = 256) -> None:
        """Join a line to a file that carries frames, such as a TAP, for some wall time.

        The design's clock follows wall time meanwhile. Frames are taken up every `chunk_cycles`.

        Raises
        ------
        OSError
            If reading or writing fails.
        """
        error = self._c.simulation_bridge(self._handle, line, descriptor, duration_ns, chunk_cycles)
        if error:
            raise OSError(error, os.strerror(error))
        if bad := self._c.simulation_bridged_bad(self._handle):
            raise SimulationError(f"{bad} frames of {line.name} were bad")

    def bridged(self) -> list[tuple[int, bool, bytes]]:
        """Return and forget the frames that :meth:`bridge` carried: time, whether sent, bytes."""
        size = self._c.simulation_bridged_bytes(self._handle)
        content = ctypes.create_string_buffer(max(1, size))
        self._c.simulation_bridged(self._handle, content)
        frames: list[tuple[int, bool, bytes]] = []
        at = 0
        while at < size:
            low, high, out, length = struct.unpack_from("<4I", content, at)
            at += 16
            frames.append((high << 32 | low, bool(out), content.raw[at:at + length]))
            at += length
        return frames

    def csr_write(self, address: int, data: int) -> None:
        """Write a register; it has taken effect when this returns."""
        self._c.simulation_csr_write(self._handle, address, data)

    def csr_read(self, address: int) -> int:
        """Read a register."""
        return int(self._c.simulation_csr_read(self._handle, address))


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "simulation_new": (ctypes.c_void_p, ()),
    "simulation_free": (None, ()),
    "simulation_lanes": (ctypes.c_uint64, ()),
    "simulation_cycle": (ctypes.c_uint64, ()),
    "simulation_now": (ctypes.c_uint64, ()),
    "simulation_time": (ctypes.c_uint64, ()),
    "simulation_set_time": (None, (ctypes.c_uint64,)),
    "simulation_set_hold": (None, (ctypes.c_int,)),
    "simulation_calm": (ctypes.c_int, (ctypes.c_uint64, ctypes.c_uint64)),
    "simulation_served": (ctypes.c_int, (ctypes.c_uint64, ctypes.c_uint64)),
    "simulation_bridge": (ctypes.c_int, (ctypes.c_int, ctypes.c_int, ctypes.c_uint64,
                                         ctypes.c_uint64)),
    "simulation_bridged_bad": (ctypes.c_uint64, ()),
    "simulation_bridged_bytes": (ctypes.c_uint64, ()),
    "simulation_bridged": (None, (ctypes.c_char_p,)),
    "simulation_trace": (ctypes.c_int, (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64)),
    "simulation_run": (None, (ctypes.c_uint64,)),
    "simulation_settle": (ctypes.c_int, (ctypes.c_uint64, ctypes.c_uint64)),
    "simulation_drain": (ctypes.c_int, (ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64)),
    "simulation_send": (None, (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p)),
    "simulation_send_words": (None, (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                     ctypes.c_uint64)),
    "simulation_set_paced": (None, (ctypes.c_int, ctypes.c_int)),
    "simulation_set_events_ready": (None, (ctypes.c_int,)),
    "simulation_starts": (ctypes.c_uint64, (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64)),
    "simulation_event_count": (ctypes.c_uint64, ()),
    "simulation_events": (None, (ctypes.c_char_p, ctypes.c_void_p)),
    "simulation_received_count": (ctypes.c_uint64, (ctypes.c_int,)),
    "simulation_received_bytes": (ctypes.c_uint64, (ctypes.c_int,)),
    "simulation_received": (None, (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)),
    "simulation_csr_write": (None, (ctypes.c_uint32, ctypes.c_uint32)),
    "simulation_csr_read": (ctypes.c_uint32, (ctypes.c_uint32,)),
}


def _load(library: Path) -> Any:
    loaded = ctypes.CDLL(str(library))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype = result
        handle = () if name == "simulation_new" else (ctypes.c_void_p,)
        function.argtypes = (*handle, *arguments)
    return loaded
