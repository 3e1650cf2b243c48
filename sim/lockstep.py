"""A simulated appliance that shares time with an exchange: ``python -m sim run --exchange``.

The exchange grants time (:mod:`sim.exchange.lockstep`). In a grant the design runs cycle by cycle
as long as anything is under way between feed and venue, and its clock jumps where nothing is.
Between grants its clock stands still while the management port is served: what the control plane
does takes effect between two moments, and how long that takes on the wall does not matter. So
everything but the counts of cycles repeats, given the same commands at the same simulated times.

Simulated time never overtakes wall time. The control plane's heartbeats come by wall time, and the
watchdog counts simulated time: so it never fires on a control plane that keeps its promise.
"""

import select
import time
from collections.abc import Callable

from proto.wire import ethernet
from sim.exchange.lockstep import Grant, LockstepPeer
from sim.exchange.tcp_connection import NEVER_NS
from sim.exchange.venue import TimedFrame
from sim.library import Line, Received, Simulation
from sim.management_bridge import ManagementBridge
from sim.order_capture import PortFrame

__all__ = ["LockstepRun", "run_lockstep"]

#: Nothing is under way after so many quiet cycles: longer than any stage waits for another. The
#: venue's answers are read byte by byte behind the line: each byte of its frames takes one more.
_CALM_CYCLES = 128
#: A jump is this far ahead at least; see hdl/telemetry/nanosecond_clock.py.
_JUMP_NS = 100
#: Cycles in which the design's clock takes a jump.
_JUMP_CYCLES = 4
#: Cycles for what is not finished after these: it goes on with the next grant.
_MOST_CYCLES = 100_000
#: An answer of the management port begins after the first, and the second for each byte asked: an
#: operation has 8 bytes and takes 10 cycles.
_ANSWER_CYCLES, _ANSWER_CYCLES_PER_BYTE = 200, 2
#: Some parts of the books look at one side after the other, in rounds of so many cycles or a whole
#: fraction of them. While time stands still whole rounds pass, so nothing depends on how many.
_ROUND_CYCLES = 256
#: Grants, and wall time, after which the control plane has its turn at the latest. Event records of
#: the grants between wait in rings that hold many times as many.
_GRANTS_PER_TURN = 16
_TURN_NS = 20_000_000
#: How long time waits for a control plane that does not take its event records.
_PATIENCE_NS = 1_000_000_000
_WAIT_S = 0.001
#: Longest wait for peers without a look at whether to go on.
_LOOK_S = 0.1
#: How far simulated time may catch up with wall time, and run ahead before it waits.
_CATCH_UP_NS = 10_000_000
_AHEAD_NS = 1_000_000
_NS_PER_SECOND = 1_000_000_000


class LockstepRun:
    """One appliance in lockstep.

    Parameters
    ----------
    simulation : Simulation
        The design, its memories cleared.
    bridge : ManagementBridge
        What its management line is joined to.
    peer : LockstepPeer
        The exchange.
    core_hz : int
        Frequency of the design's clock.
    clock : callable
        Wall time: nanoseconds that never go back.
    observer : callable, optional
        Given the frames of the order port, grant by grant, in order of time.
    """

    def __init__(self, simulation: Simulation, bridge: ManagementBridge, peer: LockstepPeer, *,
                 core_hz: int, clock: Callable[[], int] = time.monotonic_ns,
                 observer: Callable[[list[PortFrame]], None] | None = None) -> None:
        self._simulation = simulation
        self._bridge = bridge
        self._peer = peer
        self._core_hz = core_hz
        self._clock = clock
        self._observer = observer
        self._now_ns = int(peer.welcome["now_ns"])
        self._latency_ns = int(peer.welcome["order_latency_ns"])
        self._calm = True
        self._unread = 0        # bytes on the order line since it was calm
        self._held_cycle: int | None = None
        self._out: list[tuple[int, bytes]] = []
        self._host_takes = False        # the control plane takes its event records
        self._grants = 0
        self._last_turn_ns = 0
        self._wall_ns = clock()         # wall time that belongs to `_paced_ns`
        self._paced_ns = self._now_ns
        # The hardware's clock shows the exchange's time.
        simulation.set_time(self._now_ns)
        simulation.run(_JUMP_CYCLES)
        self._hold(True)

    def turn(self) -> bool:
        """Wait for a peer, not for long, and do what it wants; return False at the day's end.

        Raises
        ------
        LockstepError
            If the exchange is gone.
        """
        if not self._peer.pending:
            ready, _, _ = select.select([self._peer, self._bridge], [], [], _LOOK_S)
            if self._bridge in ready:
                self._serve()
            if self._peer not in ready:
                return True
        grant = self._peer.grant()
        if grant is None:
            return False
        self._pace(grant.until_ns)
        self._peer.done(grant.until_ns, self._run(grant), NEVER_NS)
        self._grants += 1
        if (self._grants % _GRANTS_PER_TURN == 0
                or self._clock() - self._last_turn_ns >= _TURN_NS):
            self._serve()
        return True

    # Simulated time.

    def _run(self, grant: Grant) -> list[TimedFrame]:
        """Run up to the end of a grant; return what left."""
        self._hold(False)
        for frame in grant.frames:
            self._advance(frame.time_ns)
            self._simulation.send([frame.frame], frame.line)
            self._calm = False
            if frame.line is Line.ORDER:
                self._unread += len(frame.frame)
        self._advance(grant.until_ns)
        self._hold(True)
        # What came last may still be under way: it ends now, and not while the management port is
        # served, which happens or does not.
        self._end_what_is_under_way()
        # A frame that a command or a timer made may have left when the exchange expected none:
        # it is told as late as it must be not to arrive in the past.
        earliest_ns = max(self._now_ns, grant.until_ns - self._latency_ns)
        frames = [TimedFrame(min(max(at_ns, earliest_ns), grant.until_ns - 1), Line.ORDER, frame)
                  for at_ns, frame in self._out]
        if self._observer is not None:
            port = [PortFrame(at_ns, True, frame) for at_ns, frame in self._out]
            port += [PortFrame(item.time_ns, False, item.frame) for item in grant.frames
                     if item.line is Line.ORDER]
            self._observer(sorted(port, key=lambda item: item.time_ns))
        self._out.clear()
        self._now_ns = grant.until_ns
        return frames

    def _hold(self, hold: bool) -> None:
        """Let time stand still, or go on; one more cycle counts than there seem to be.

        An input takes effect a cycle later. So the same is done for every grant, whether there is
        anything to do while time stands still or not.
        """
        self._simulation.set_hold(hold)
        self._simulation.run(1)
        self._held_cycle = self._simulation.cycle if hold else None

    def _end_what_is_under_way(self) -> None:
        if not self._calm:
            self._becalm(_MOST_CYCLES)
        self._collect()

    def _becalm(self, most_cycles: int) -> None:
        """Run until nothing is under way, for some cycles at most."""
        self._calm = self._simulation.calm(_CALM_CYCLES + self._unread, most_cycles)
        if self._calm:
            self._unread = 0

    def _advance(self, until_ns: int) -> None:
        """Let the design's clock reach a time; jump as soon as nothing is under way."""
        simulation = self._simulation
        left_ns = until_ns - simulation.time_ns
        if left_ns > 0 and not self._calm:
            self._becalm(self._cycles(left_ns))
            self._collect()
            left_ns = until_ns - simulation.time_ns
        if left_ns > _JUMP_NS:
            simulation.set_time(until_ns)
            simulation.run(_JUMP_CYCLES)
        elif left_ns > 0:
            simulation.run(self._cycles(left_ns))

    def _cycles(self, duration_ns: int) -> int:
        """Return the cycles of some time, rounded up."""
        return -(-duration_ns * self._core_hz // _NS_PER_SECOND)

    def _collect(self) -> None:
        """Take the frames that have left, and tell when each began."""
        now_ns = self._simulation.time_ns
        # Cycles since then took no time.
        cycle = self._simulation.cycle if self._held_cycle is None else self._held_cycle
        for frame in self._simulation.received(Line.ORDER):
            past_bytes = max(0, 8 * cycle - frame.start)
            at_ns = now_ns - past_bytes * _NS_PER_SECOND // (8 * self._core_hz)
            self._out.append((at_ns, _without_fcs(frame)))

    # Wall time.

    def _pace(self, until_ns: int) -> None:
        """Wait until wall time has come as far."""
        while True:
            wall_ns = self._clock() - self._wall_ns
            ahead_ns = until_ns - self._paced_ns - wall_ns
            if ahead_ns < -_CATCH_UP_NS:
                self._wall_ns += -ahead_ns - _CATCH_UP_NS
            if ahead_ns <= _AHEAD_NS:
                return
            self._bridge.wait(ahead_ns / _NS_PER_SECOND)
            self._serve()

    def _serve(self) -> None:
        """Let the management port do what it has to; time stands still."""
        simulation, bridge = self._simulation, self._bridge
        began_ns, began_cycle = self._clock(), simulation.cycle
        served = False
        while True:
            frames = bridge.frames()
            if frames:
                simulation.send(frames, Line.MANAGEMENT)
                self._host_takes = True
                began_ns = self._clock()
            elif served or not self._host_takes:
                break
            longest = max(map(len, frames), default=0)
            served = simulation.served(
                _ANSWER_CYCLES + _ANSWER_CYCLES_PER_BYTE * longest, _MOST_CYCLES // 10)
            if frames:
                # What a command has begun ends before anybody knows of it and gives another one:
                # else it would matter how soon that comes.
                self._calm = served = False
                self._end_what_is_under_way()
            received = simulation.received(Line.MANAGEMENT)
            bridge.deliver(one.frame for one in received if one.good)
            if not served and not received and not frames:
                self._host_takes = self._clock() - began_ns < _PATIENCE_NS
                bridge.wait(_WAIT_S)
        simulation.run((began_cycle - simulation.cycle) % _ROUND_CYCLES)
        self._last_turn_ns = self._clock()


def _without_fcs(frame: Received) -> bytes:
    return frame.frame[:-ethernet.FCS_BYTES]


def run_lockstep(run: LockstepRun, go_on: Callable[[], bool]) -> None:
    """Run until the day ends, or as long as `go_on` says.

    Raises
    ------
    LockstepError
        If the exchange is gone.
    """
    while go_on() and run.turn():
        pass
