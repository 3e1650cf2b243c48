"""Frames start when they are due; gaps with nothing to do are left out, others are not."""

from fractions import Fraction

import numpy as np
import pytest

from sim.pacing import PacedSender

HZ = 250_000_000  # 4 ns a cycle


class StandIn:
    """An appliance that is busy for some cycles after each frame, on a line that takes some."""

    def __init__(self, busy: int = 0, line: int = 20):
        self.simulation = self
        self.cycle = 1000
        self.time_ns = 50
        self.busy, self.line = busy, line
        self.free = 0           # cycle in which the line is free again
        self.begun: list[int] = []
        self.all: list[int] = []
        self.times: list[tuple[int, int]] = []
        self.waiting: list[int] = []

    def read(self, name):
        assert name == "identity.core_hz"
        return HZ

    def send_at(self, frames, cycles):
        assert len(frames) == len(cycles)
        self.waiting += cycles

    def drain(self, most):
        for due in self.waiting:
            start = max(due, self.free, self.cycle)
            self.free = start + self.line
            self.begun.append(8 * start)
            self.all.append(start)
            self.cycle = start
        self.waiting.clear()

    def starts(self):
        found, self.begun = self.begun, []
        return np.array(found, "<u8")

    def calm(self, cycles, most):
        quiet = max(self.cycle, self.free + self.busy) + cycles
        done = quiet <= self.cycle + most
        self.cycle = quiet if done else self.cycle + most
        return done

    def set_time(self, time_ns):
        self.times.append((self.cycle, time_ns))


def sent(appliance, dues_ns, speed=Fraction(1)):
    sender = PacedSender(appliance, speed)
    for at in range(0, len(dues_ns), 3):  # in batches
        sender.send([(due, b"frame") for due in dues_ns[at:at + 3]])
    return sender


def test_short_gaps_are_kept_in_cycles():
    appliance = StandIn()
    sender = sent(appliance, [7_000, 7_200, 7_400, 9_000, 9_100])
    assert np.diff(appliance.all).tolist() == [50, 50, 400, 25]
    assert (sender.late, sender.latest_ns, sender.span_ns) == (0, 0, 2_100)


@pytest.mark.parametrize("speed, gaps", [
    (Fraction(2), [25, 25, 200]), (Fraction(1, 2), [100, 100, 800])])
def test_speed_divides_gaps(speed, gaps):
    appliance = StandIn()
    sent(appliance, [0, 200, 400, 2_000], speed)
    assert np.diff(appliance.all).tolist() == gaps


def test_a_long_gap_is_left_out_once_nothing_is_left_to_do():
    appliance = StandIn(busy=3000)
    sender = sent(appliance, [0, 1_000_000_000, 1_000_000_100])
    gaps = np.diff(appliance.all).tolist()
    assert gaps[0] < 4000 and gaps[1] == 25
    assert sender.span_ns == 1_000_000_100
    # The clock stands where the next frame finds it as late as it is due.
    (cycle, time_ns), = appliance.times
    assert time_ns == 50 + 1_000_000_000 - 4 * (appliance.all[1] - cycle)


def test_a_long_gap_is_simulated_while_the_appliance_is_busy():
    appliance = StandIn(busy=1_000_000)
    sent(appliance, [0, 100_000])
    assert np.diff(appliance.all).tolist() == [25_000]
    assert appliance.times == []


def test_a_busy_line_makes_frames_late():
    appliance = StandIn(line=60)
    sender = sent(appliance, [0, 200, 400, 600])
    assert np.diff(appliance.all).tolist() == [60, 60, 60]
    assert (sender.late, sender.latest_ns) == (3, 30 * 4)
