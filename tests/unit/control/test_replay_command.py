"""`tickwire replay`: what it starts, and that its status is that of the process."""

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
        "--output", "json"])
    assert done.exit_code == 1
    assert started == [[
        sys.executable, "-m", "sim", "replay", "a.pcap", "--profile", "bench", "--output", "json",
        "--bbo", "b.csv", "--symbols", "AAPL,IBM", "--tick", "0.01", "--tick", "AAPL=0.05",
        "--lenient", "--strict"]]


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
