"""Processes that belong together."""

import signal
import textwrap

import pytest

from demo import processes as tested
from demo.errors import DemoError
from demo.processes import Processes, tail


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A group whose modules lie in a folder of the test."""
    monkeypatch.setattr(tested, "ROOT", tmp_path)
    (tmp_path / "waits.py").write_text(textwrap.dedent("""
        import sys, time
        print("one line"); print("ready at", sys.argv[1])
        time.sleep(60)
    """), encoding="utf-8")
    (tmp_path / "fails.py").write_text("print('so sorry'); raise SystemExit(3)", encoding="utf-8")
    said = []
    with Processes(tmp_path / "logs", said.append) as made:
        yield made


def test_a_process_is_ready_when_it_says_so_and_ends_with_the_block(group, tmp_path):
    assert group.start("first", ["waits", "7"], r"ready at (\d+)") == "7"
    assert (tmp_path / "logs" / "first.pid").read_text().strip().isdigit()
    group.check()
    group.end()
    assert not (tmp_path / "logs" / "first.pid").exists()
    group.check()


def test_one_that_fails_is_told_with_the_end_of_its_log(group):
    with pytest.raises(DemoError, match=r"second has ended by itself, with status 3;(?s:.)*so sor"):
        group.start("second", ["fails"], "never (.)")


def test_one_that_is_not_ready_in_time_is_told(group):
    with pytest.raises(DemoError, match="slow is not ready after 0 s"):
        group.start("slow", ["waits", "x"], "never (.)", timeout_s=0.4)


def test_one_that_is_killed_is_told_with_the_signal(group, tmp_path):
    group.start("first", ["waits", "7"], r"ready at (\d+)")
    group._running["first"].send_signal(signal.SIGKILL)
    with pytest.raises(DemoError, match="by signal SIGKILL"):
        group.find_ended()


def test_one_that_does_not_end_well_is_told(group):
    group.start("first", ["waits", "7"], r"ready at (\d+)")
    with pytest.raises(DemoError, match="first has failed, by signal SIGTERM"):
        group.stop("first")


def test_tail_of_a_log(tmp_path):
    path = tmp_path / "log"
    assert tail(path) == "    (it said nothing)"
    path.write_text("".join(f"{n}\n" for n in range(5)))
    assert tail(path, 2) == "    3\n    4"
