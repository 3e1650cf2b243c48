"""Send frames to a simulated appliance when they are due, as they came in the market."""

from collections.abc import Sequence
from fractions import Fraction

from sim.appliance import Appliance

__all__ = ["PacedSender"]

_NS_PER_SECOND = 1_000_000_000

#: The appliance has nothing left to do after so many quiet cycles.
_QUIET_CYCLES = 128
#: Gaps of more cycles are worth a look at whether there is anything to simulate.
_LONG_GAP_CYCLES = 2048
#: Cycles before a frame that are simulated in any case.
_LEAD_CYCLES = 16
#: Cycles that some frames may take; gaps between them are short.
_MOST_CYCLES = 1 << 40


class PacedSender:
    """Starts frames in the cycles in which they are due.

    The first frame begins the time. Frames keep their distances in core cycles, divided by `speed`:
    an appliance that is busy, or a line that is, makes them queue as it would live. Cycles of a
    gap in which the appliance has nothing left to do are left out, its clock jumps over them: it
    is in the same state after them.

    Parameters
    ----------
    appliance : Appliance
        Where the frames go.
    speed : Fraction
        How many times faster than by their times.

    Attributes
    ----------
    late : int
        Frames that began later than due, because the line was still busy.
    latest_ns : int
        By how much, at most.
    span_ns : int
        Simulated time from the first frame to the last.
    """

    def __init__(self, appliance: Appliance, speed: Fraction) -> None:
        self._simulation = appliance.simulation
        self._hz = appliance.read("identity.core_hz")
        self._cycles_per_ns = (Fraction(self._hz, _NS_PER_SECOND) / speed).as_integer_ratio()
        self._first_ns: int | None = None
        self._first_cycle = 0
        self._last_cycle = 0
        self._skipped = 0       # cycles left out
        self._clock_ns = 0
        self.late = 0
        self.latest_ns = 0
        self.span_ns = 0

    def send(self, frames: Sequence[tuple[int, bytes]]) -> None:
        """Send frames, each with its time in ns, and run until the last one has begun."""
        simulation = self._simulation
        if self._first_ns is None and frames:
            self._first_ns = frames[0][0]
            self._first_cycle = self._last_cycle = simulation.cycle + _LEAD_CYCLES
            self._clock_ns = simulation.time_ns
            simulation.starts()     # of what was sent before
        burst: list[bytes] = []
        cycles: list[int] = []
        for due_ns, frame in frames:
            cycle = max(self._last_cycle, self._cycle_of(due_ns))
            if cycle - self._last_cycle > _LONG_GAP_CYCLES:
                self._start(burst, cycles)
                burst, cycles = [], []
                self._skip(cycle)
            burst.append(frame)
            cycles.append(cycle)
            self._last_cycle = cycle
        self._start(burst, cycles)
        self.span_ns = (self._last_cycle - self._first_cycle) * _NS_PER_SECOND // self._hz

    def _cycle_of(self, due_ns: int) -> int:
        """Return the cycle in which a frame is due, those left out counted."""
        assert self._first_ns is not None
        cycles, in_ns = self._cycles_per_ns
        return self._first_cycle + (due_ns - self._first_ns) * cycles // in_ns

    def _start(self, frames: list[bytes], cycles: list[int]) -> None:
        if not frames:
            return
        at = [cycle - self._skipped for cycle in cycles]
        self._simulation.send_at(frames, at)
        self._simulation.drain(most=_MOST_CYCLES)
        starts = self._simulation.starts() // 8
        for due, start in zip(at, starts.tolist(), strict=True):
            if start > due:
                self.late += 1
                self.latest_ns = max(self.latest_ns, (start - due) * _NS_PER_SECOND // self._hz)

    def _skip(self, cycle: int) -> None:
        """Run until nothing is left to do, then leave out what remains of a gap before `cycle`."""
        simulation = self._simulation
        left = cycle - self._skipped - _LEAD_CYCLES - simulation.cycle
        if left <= 0 or not simulation.calm(_QUIET_CYCLES, left):
            return
        left = cycle - self._skipped - _LEAD_CYCLES - simulation.cycle
        self._skipped += left
        elapsed = cycle - _LEAD_CYCLES - self._first_cycle
        simulation.set_time(self._clock_ns + elapsed * _NS_PER_SECOND // self._hz)
