"""`record` and `facts` as their user runs them, and options that make no sense."""

import json

import pytest

from sim.captures import Capture
from sim.exchange.__main__ import main
from sim.golden.book import Books
from sim.prescan import packet_of

SHORT = ["--seconds", "0.06", "--seed", "3", "--actions-per-second", "2000"]


def run(capsys, *arguments):
    """Return the exit status, what was printed and what was said."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        status = ended.code
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_market_is_recorded_as_messages(capsys, tmp_path):
    path = tmp_path / "market.itch"
    status, out, _ = run(capsys, "record", path, *SHORT)
    assert status == 0
    messages = [record.data for record in Capture(path).records()]
    assert json.loads(out)["messages"] == len(messages) > 200
    assert messages[0][11:12] == b"O" and messages[-1][11:12] == b"C"
    books = Books()
    for message in messages:
        books.apply(message)
    assert books.unknown == 0 and {1, 2, 3, 4} <= set(books.books)
    again = tmp_path / "again.itch"
    run(capsys, "record", again, *SHORT)
    assert again.read_bytes() == path.read_bytes()


def test_a_market_is_recorded_as_frames_of_two_lines(capsys, tmp_path):
    a, b = tmp_path / "a.pcap", tmp_path / "b.pcap"
    status, out, _ = run(capsys, "record", a, "--b", b, "--impair-b", "loss=100000,delay-ns=800",
                         *SHORT)
    assert status == 0
    lines = json.loads(out)["lines"]
    frames = {path: [record.data for record in Capture(path).records()] for path in (a, b)}
    assert len(frames[a]) == lines["feed_a"]["sent"]
    assert len(frames[b]) == lines["feed_b"]["sent"] - lines["feed_b"]["lost"] < len(frames[a])
    payloads = {packet_of(frame).sequence for frame in frames[a]}
    assert {packet_of(frame).sequence for frame in frames[b]} < payloads


def test_facts_of_a_recorded_and_a_simulated_market(capsys, tmp_path):
    path, drawing = tmp_path / "market.itch", tmp_path / "facts.svg"
    run(capsys, "record", path, "--seconds", "2", "--symbols", "AAPL=100", "--halt-every-ns", "0")
    status, out, err = run(capsys, "facts", path, "--messages", "12000", "--plot", drawing)
    assert status == 0 and "measuring market.itch" in err
    assert out.splitlines()[0].split() == ["market", "simulated", "default"]
    assert drawing.read_text(encoding="utf-8").startswith("<svg")
    status, out, _ = run(capsys, "facts", path, "--messages", "0", "--output", "json")
    found = json.loads(out)
    assert status == 0 and list(found) == ["market"] and found["market"]["trades"] > 200


@pytest.mark.parametrize(("arguments", "status", "message"), [
    (["facts", "--messages", "0"], 1, "there is nothing to measure"),
    (["facts", "missing.itch"], 1, "missing.itch"),
    (["facts", "--messages", "500"], 1, "facts need 200 trades"),
    (["facts", "--market", "other"], 2, "invalid choice: 'other'"),
    (["record", "market.txt"], 1, "must end in .itch or .pcap, was 'market.txt'"),
    (["record", "m.itch", "--b", "b.pcap"], 1, "messages have no lines"),
    (["record", "m.pcap", "--seconds", "0"], 2, "seconds must be 0.001 to 86400, was '0'"),
    (["record", "m.pcap", "--impair-a", "lose=3"], 2, "was 'lose=3'"),
    (["record", "m.pcap", "--makers", "0"], 1, "makers must be >= 1, was 0"),
    (["record", "m.pcap", "--preopen-ns", "-5"], 1, "preopen_ns must be >= 0, was -5"),
])
def test_wrong_arguments_are_told_in_a_line(capsys, arguments, status, message, tmp_path,
                                            monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *arguments)
    assert found == status and message in err and not out
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir()), "nothing is left behind"
