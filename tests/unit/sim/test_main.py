"""The command line of the simulation's process, as far as it needs no appliance."""

import argparse

import pytest

from sim import __main__ as command


@pytest.mark.parametrize(("text", "expected"), [
    ("0.01", ("*", 100)), ("AAPL=0.05", ("AAPL", 500)), (".0001", ("*", 1)), ("1", ("*", 10_000)),
    ("BRK.A=6.5535", ("BRK.A", 65535))])
def test_tick_sizes_are_read_without_floating_point(text, expected):
    assert command._tick(text) == expected


@pytest.mark.parametrize("text", ["", "AAPL=", "0", "0.00001", "-1", "x", "6.5536", "1.2.3", "."])
def test_wrong_tick_sizes_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="tick size must be"):
        command._tick(text)


def test_foreign_file_is_one_message_and_status_1(tmp_path, capsys):
    path = tmp_path / "a.itch"
    path.write_bytes(b"hello world")
    assert command.main(["replay", str(path)]) == command.ExitStatus.FAILED
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert "at byte 0" in shown.err


def test_missing_file_is_status_1(tmp_path, capsys):
    assert command.main(["replay", str(tmp_path / "none.itch")]) == command.ExitStatus.FAILED
    assert "none.itch: no such file" in capsys.readouterr().err


def test_help_starts_with_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["replay", "--help"])
    assert "Example: python -m sim replay" in capsys.readouterr().out
