"""The appliance's side of lockstep, with a simulation of a few lines."""

from dataclasses import dataclass, field

import pytest

from sim.exchange.lockstep import Grant
from sim.exchange.tcp_connection import NEVER_NS
from sim.exchange.venue import TimedFrame
from sim.library import Line, Received
from sim.lockstep import LockstepRun

START_NS = 34_200_000_000_000
LATENCY_NS = 5_000
HZ = 125_000_000
PERIOD_NS = 8
FRAME = bytes(60)


class Simulated:
    """A design that answers a feed frame with an order frame after some cycles."""

    def __init__(self, wall):
        self.wall = wall
        self.cycle = self.time_ns = 0
        self.hold = False
        self.reaction_cycles = 40
        self.leaving = []               # cycles
        self.left = []
        self.sent = []                  # (time, line)
        self.records_wait = False
        self.answers = []
        self.held_cycles = 0

    def set_hold(self, hold):
        self.hold = hold

    def set_time(self, time_ns):
        self.time_ns = max(self.time_ns, time_ns)

    def run(self, cycles):
        assert cycles >= 0
        for _ in range(cycles):
            self.cycle += 1
            self.time_ns += 0 if self.hold else PERIOD_NS
            self.held_cycles += self.hold
            self.left += [cycle for cycle in self.leaving if cycle == self.cycle]
        self.leaving = [cycle for cycle in self.leaving if cycle > self.cycle]

    def send(self, frames, line):
        self.sent += [(self.time_ns, line)] * len(frames)
        if line is Line.FEED_A:
            self.leaving.append(self.cycle + self.reaction_cycles)

    def calm(self, cycles, most):
        quiet = 0
        for _ in range(most):
            self.run(1)
            quiet = 0 if self.leaving else quiet + 1
            if quiet == cycles:
                return True
        return False

    def served(self, cycles, most):
        self.run(cycles)
        return not self.records_wait

    def received(self, line):
        if line is Line.MANAGEMENT:
            answers, self.answers = self.answers, []
            return answers
        found = [Received(FRAME + bytes(4), 8 * cycle, 8 * cycle + 71, True) for cycle in self.left]
        self.left = []
        return found


class Bridge:
    """A management line on which datagrams come when the test says so."""

    def __init__(self, wall):
        self.wall = wall
        self.waiting = []
        self.waits = 0
        self.simulation = None
        self.delivered = []             # (cycle, frame)

    def frames(self):
        frames, self.waiting = self.waiting, []
        return frames

    def deliver(self, frames):
        self.delivered += [(self.simulation.cycle, frame) for frame in frames]

    def wait(self, seconds):
        self.waits += 1
        self.wall.now_ns += int(seconds * 1e9)

    def fileno(self):
        raise AssertionError("a grant is there")


@dataclass
class Wall:
    now_ns: int = 0


@dataclass
class Peer:
    """An exchange that grants what the test says."""

    grants: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    pending: bool = True
    welcome: dict = field(default_factory=lambda: {"now_ns": START_NS,
                                                   "order_latency_ns": LATENCY_NS})

    def grant(self):
        return self.grants.pop(0) if self.grants else None

    def done(self, until_ns, frames, next_ns):
        assert next_ns == NEVER_NS
        self.answers.append((until_ns - START_NS, [item.time_ns - START_NS for item in frames]))


class Scene:
    def __init__(self):
        self.wall = Wall()
        self.observed = []
        self.simulation = Simulated(self.wall)
        self.bridge = Bridge(self.wall)
        self.bridge.simulation = self.simulation
        self.peer = Peer()
        self.run = LockstepRun(self.simulation, self.bridge, self.peer, core_hz=HZ,
                               clock=lambda: self.wall.now_ns, observer=self.observed.append)

    def grant(self, until_ns, *feed_ns):
        """Grant time with feed frames; return the times of what left."""
        self.peer.grants.append(Grant(START_NS + until_ns, tuple(
            TimedFrame(START_NS + at_ns, Line.FEED_A, FRAME) for at_ns in feed_ns)))
        assert self.run.turn()
        assert self.peer.answers[-1][0] == until_ns
        return self.peer.answers[-1][1]


@pytest.fixture
def scene():
    return Scene()


def test_frames_arrive_at_their_times_and_answers_tell_when_they_began(scene):
    reaction_ns = 40 * PERIOD_NS
    for until_ns, at_ns in ((25_000, 20_000), (900_000, 895_000), (905_000, 901_000)):
        answer_ns, = scene.grant(until_ns, at_ns)
        assert 0 <= answer_ns - at_ns - reaction_ns <= 40
    assert [line for _, line in scene.simulation.sent] == [Line.FEED_A] * 3
    # Almost all of the time was jumped over.
    assert scene.simulation.cycle < 3000
    assert abs(scene.simulation.time_ns - START_NS - 905_000) <= 40
    assert not scene.run.turn()


def test_frames_of_the_order_port_are_observed_in_order_of_time(scene):
    answer = TimedFrame(START_NS + 3_000, Line.ORDER, b"answer")
    feed = TimedFrame(START_NS + 1_000, Line.FEED_A, FRAME)
    scene.peer.grants.append(Grant(START_NS + 5_000, (feed, answer)))
    assert scene.run.turn()
    (left, came), = scene.observed
    assert (left.sent, left.frame, came) == (True, FRAME, (START_NS + 3_000, False, b"answer"))
    assert scene.peer.answers[-1][1] == [left.time_ns - START_NS]


def test_what_is_under_way_at_the_end_of_a_grant_ends_there(scene):
    assert scene.grant(10_000, 9_950) == [9_999]
    assert scene.grant(20_000, 19_750)[0] == 19_999
    assert scene.grant(60_000, 55_000)[0] > 55_000


def test_what_a_command_makes_leave_is_told_so_that_it_does_not_arrive_in_the_past(scene):
    scene.grant(10_000)
    scene.bridge.waiting = [FRAME]
    scene.simulation.leaving = [scene.simulation.cycle + 300]
    for _ in range(15):             # until it is the control plane's turn
        scene.grant(scene.peer.answers[-1][0] + 10_000)
    now_ns = scene.peer.answers[-1][0]
    assert all(not frames for _, frames in scene.peer.answers)
    assert scene.grant(now_ns + 900_000) == [now_ns + 900_000 - LATENCY_NS]


def test_what_a_command_begins_ends_before_its_answer_is_told(scene):
    last = scene.simulation.cycle + 2500
    scene.simulation.leaving = [scene.simulation.cycle + 300, last]
    scene.simulation.answers = [Received(b"answer", 0, 0, True)]
    scene.bridge.waiting = [FRAME]
    scene.run._serve()
    (cycle, frame), = scene.bridge.delivered
    assert frame == b"answer" and cycle > last
    assert scene.grant(900_000) == [900_000 - LATENCY_NS] * 2


def test_time_stands_still_for_whole_rounds_while_the_control_plane_is_served(scene):
    for number in range(40):
        scene.bridge.waiting = [bytes(60 + 10 * number)]
        held, time_ns = scene.simulation.held_cycles, scene.simulation.time_ns
        scene.run._serve()
        assert scene.simulation.time_ns == time_ns
        assert (scene.simulation.held_cycles - held) % 256 == 0


def test_simulated_time_waits_for_wall_time_and_catches_up_a_little(scene):
    scene.grant(500_000)
    assert scene.bridge.waits == 0
    scene.grant(50_000_000)
    assert scene.wall.now_ns >= 49_000_000
    # Wall time that was lost is lost, but for 10 ms.
    scene.wall.now_ns += 1_000_000_000
    scene.grant(60_000_000)
    assert scene.bridge.waits == 1
    scene.grant(80_000_000)
    assert scene.bridge.waits == 2


def test_time_waits_for_a_control_plane_that_takes_no_records_but_not_for_ever(scene):
    scene.simulation.records_wait = True
    scene.run._serve()
    assert scene.wall.now_ns == 0       # nobody has ever asked for any
    scene.bridge.waiting = [FRAME]
    scene.run._serve()
    assert 1_000_000_000 <= scene.wall.now_ns <= 1_100_000_000
    scene.run._serve()
    assert scene.wall.now_ns <= 1_100_000_000
    # It is waited for again once it says something.
    scene.bridge.waiting = [FRAME]
    scene.run._serve()
    assert scene.wall.now_ns >= 2_000_000_000
