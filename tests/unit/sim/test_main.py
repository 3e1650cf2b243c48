"""The command line of the simulation's process, as far as it needs no appliance."""

import argparse

import pytest

from sim import __main__ as command
from sim import replay_command
from sim.replay_report import clock_text


@pytest.mark.parametrize(("text", "expected"), [
    ("0.01", ("*", 100)), ("AAPL=0.05", ("AAPL", 500)), (".0001", ("*", 1)), ("1", ("*", 10_000)),
    ("BRK.A=6.5535", ("BRK.A", 65535))])
def test_tick_sizes_are_read_without_floating_point(text, expected):
    assert replay_command._tick(text) == expected


@pytest.mark.parametrize("text", ["", "AAPL=", "0", "0.00001", "-1", "x", "6.5536", "1.2.3", "."])
def test_wrong_tick_sizes_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="tick size must be"):
        replay_command._tick(text)


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


@pytest.mark.parametrize(("text", "ns"), [
    ("09:30", 34_200_000_000_000), ("23:59:59.999999999", 86_399_999_999_999),
    ("00:00:01.5", 1_500_000_000)])
def test_times_are_read_and_shown(text, ns):
    assert replay_command._clock(text) == ns
    assert replay_command._clock(clock_text(ns)) == ns


@pytest.mark.parametrize("text", ["", "9:30", "09:30.5", "24:00", "09:60", "09:30:61", "09:30:00.",
                                  "09:30:00.1234567890", "-1:00", "09:30:00:00", "0930"])
def test_wrong_times_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="time must be HH:MM"):
        replay_command._clock(text)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1/0", "1e9", "inf", "nan"])
def test_wrong_speeds_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="speed must be"):
        replay_command._speed(text)


@pytest.mark.parametrize("arguments, says", [
    (["--resume"], "--resume needs --bbo"), (["--resume", "--bbo", "b", "--lenient"], "--resume"),
    (["--from", "10:00", "--to", "09:00"], "--from must be before --to")])
def test_contradicting_options_are_wrong_usage(arguments, says, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["replay", "none.itch", *arguments])
    assert says in capsys.readouterr().err


def test_what_cannot_be_replayed_is_one_message_and_status_1(tmp_path, capsys):
    path = tmp_path / "a.itch"
    path.write_bytes(b"\0\x0cS" + bytes(11))
    for arguments, says in (
            (["--line-b", str(path)], "must be captures of frames"),
            (["--symbols", "AAPL"], "has no orders of AAPL"),
            (["--lenient", "--speed", "1"], "a lenient replay")):
        assert command.main(["replay", str(path), *arguments]) == command.ExitStatus.FAILED
        shown = capsys.readouterr()
        assert says in shown.err and shown.err.count("\n") == 1
