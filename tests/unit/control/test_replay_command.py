"""`tickwire replay`: what it starts, and that its status is that of the process."""

import signal
import sys

import pytest
from typer.testing import CliRunner

from control.cli import main as command
from control.cli.replay import run_process


@pytest.fixture
def started(monkeypatch):
    """Record commands instead of running them; the process ends with status 1."""
    commands = []

    def run(arguments):
        commands.append(arguments)
        return 1

    monkeypatch.setattr("control.cli.replay.run_process", run)
    return commands


def test_every_option_reaches_the_simulation(started):
    done = CliRunner().invoke(command.app, [
        "replay", "a.pcap", "--bbo", "b.csv", "--profile", "bench", "--tick", "0.01",
        "--tick", "AAPL=0.05", "--symbols", "AAPL,IBM", "--lenient", "--strict",
        "--line-b", "b.pcap", "--from", "09:30", "--to", "10:00:00.5", "--speed", "2.5",
        "--state", "--resume", "--quiet", "--output", "json"])
    assert done.exit_code == 1
    assert started == [[
        sys.executable, "-m", "sim", "replay", "a.pcap", "--profile", "bench", "--output", "json",
        "--bbo", "b.csv", "--line-b", "b.pcap", "--symbols", "AAPL,IBM", "--from", "09:30",
        "--to", "10:00:00.5", "--speed", "2.5", "--tick", "0.01", "--tick", "AAPL=0.05",
        "--state", "--resume", "--lenient", "--strict", "--quiet"]]


def test_help_has_an_example(started):
    shown = CliRunner().invoke(command.app, ["replay", "--help"])
    assert shown.exit_code == 0
    assert "Example: tickwire replay capture.itch.xz --bbo rows.csv" in shown.output


@pytest.mark.parametrize("arguments", [["replay"], ["replay", "a", "--output", "xml"], ["nothing"]])
def test_wrong_usage_is_status_2(started, arguments):
    assert CliRunner().invoke(command.app, arguments).exit_code == command.ExitStatus.USAGE
    assert started == []


def test_status_is_that_of_the_process():
    for status in (0, 1, 3):
        code = f"import sys; sys.exit({status})"
        assert run_process([sys.executable, "-c", code]) == status


def test_an_interrupted_process_ends_by_itself(monkeypatch):
    signals = []

    class Process:
        waits = 0

        def __init__(self, command):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def wait(self):
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt
            return 130

        def send_signal(self, number):
            signals.append(number)

    monkeypatch.setattr("control.cli.replay.subprocess.Popen", Process)
    assert run_process(["anything"]) == command.ExitStatus.INTERRUPTED
    assert signals == [signal.SIGTERM]
