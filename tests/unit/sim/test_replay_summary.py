"""The summary of a replay, as people and programs read it."""

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

from sim.replay_report import note_lines, summary_lines, tick_lines
from sim.replay_summary import Summary

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "captures.md"

SUMMARY = Summary(kind="pcap", records=1_000, messages=2_000, symbols=3, passes=1, rows=7,
                  seconds=61.0, messages_per_second=32.8, cycles_per_second=1e6,
                  counters={"mold.gaps": 2, "itch.admin": 5_000})


def replay(**how):
    values = {"captures": [SimpleNamespace(path=Path("a.pcap"), truncated_at=None)],
              "capture": SimpleNamespace(path=Path("a.pcap")), "second": None, "passes": 1}
    return SimpleNamespace(**{**values, **how})


def test_every_key_is_documented():
    text = DOCUMENT.read_text(encoding="utf-8").split("## The summary as JSON")[1]
    for item in fields(Summary):
        assert f"`{item.name}`" in text, item.name


def test_plain_summary():
    assert list(summary_lines(SUMMARY)) == [
        "2,000 messages in 1,000 records, 3 symbols, 1 passes: 7 rows",
        "1:01 taken, 33 messages and 1,000,000 cycles a second",
        "  itch.admin 5,000", "  mold.gaps 2"]
    assert list(note_lines(replay(), SUMMARY, None)) == []


def test_summary_of_a_paced_window_of_two_lines():
    lines = list(summary_lines(replace(
        SUMMARY, speed="1/2", span_ns=1_500_000_000, late_frames=4, latest_ns=90, rows_stale=1,
        from_ns=34_200_000_000_000, lines={"A": {"packets": 5, "messages": 9, "skipped": 1}})))
    assert lines[1] == "line A: 9 messages in 5 packets, 1 lost or late on this line"
    assert lines[2] == "rows from 09:30:00.000000000 to the end; books built from the start"
    assert lines[3] == ("paced, speed 1/2: 1.500000 s simulated; 4 frames found the line busy, for "
                        "90 ns at most; 1 rows while their book was not exact")


def test_what_must_be_known_is_told():
    times = {"first_ns": 0, "last_ns": 5}
    scene = replay(found=SimpleNamespace(**times), passes=3, captures=[
        SimpleNamespace(path=Path("a.pcap"), truncated_at=40)],
        second=(None, SimpleNamespace(first_ns=6, last_ns=9)))
    told = list(note_lines(scene, replace(
        SUMMARY, other_packets=2, sliced_frames=1, losses={"mold.malformed": 1},
        interrupted_at=99), Path("rows.csv")))
    assert told == [
        "truncated_at 40: the record there in a.pcap is cut",
        "2 packets of other streams were sent and must be refused",
        "1 frames are incomplete in the capture, not sent",
        "line A and line B were captured at different times: nothing is merged",
        "lost: mold.malformed is 1; a.pcap was not replayed exactly",
        "interrupted after message 99 of pass 1 of 3; --resume goes on, and then writes rows.csv"]


def test_symbols_by_tick_size():
    books = [SimpleNamespace(locate=1, stock="AAPL"), SimpleNamespace(locate=2, stock=""),
             SimpleNamespace(locate=3, stock="IBM")]
    scene = SimpleNamespace(books=books, ticks={1: 100, 2: 5_0000, 3: 100})
    assert list(tick_lines(scene)) == ["tick 0.0100: AAPL, IBM", "tick 5.0000: 2"]
