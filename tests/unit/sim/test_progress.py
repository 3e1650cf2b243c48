"""What is told of how far something is."""

import io

import pytest

from sim.progress import Progress, duration_text


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("seconds, text", [
    (0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01")])
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_a_terminal_has_one_line_that_is_taken_away():
    clock, stream = Clock(), Terminal()
    progress = Progress("messages", stream=stream, clock=clock)
    progress(10, 100, 1.0)
    assert stream.getvalue() == ""  # too early
    clock.now = 0.3
    progress(1_500, 6_000, 1.5)
    assert stream.getvalue() == (
        "\r\x1b[K 25%  1,500 of 6,000 messages  1,000/s  0:04 left")
    progress.end()
    assert stream.getvalue().endswith("left\r\x1b[K")


def test_a_log_has_a_line_every_some_seconds():
    clock, stream = Clock(), io.StringIO()
    progress = Progress("messages", stream=stream, clock=clock)
    for clock.now in (1, 4, 5.1, 6, 11):
        progress(int(clock.now), 12, clock.now)
    progress.looked(1, 0.5)
    clock.now = 99
    progress.looked(70_000, 0.5)
    progress.end()
    assert stream.getvalue().splitlines() == [
        " 42%  5 of 12 messages  1/s  0:07 left", " 92%  11 of 12 messages  1/s  0:01 left",
        " 50%  looking through the capture: 70,000 messages"]


def test_quiet_tells_nothing():
    clock, stream = Clock(), io.StringIO()
    progress = Progress("messages", quiet=True, stream=stream, clock=clock)
    clock.now = 10
    progress(1, 2, 1.0)
    progress.end()
    assert stream.getvalue() == ""
