"""What a replay tells people."""

from collections.abc import Iterator
from pathlib import Path

from sim.progress import duration_text
from sim.replay import Replay
from sim.replay_summary import Summary

__all__ = ["clock_text", "note_lines", "summary_lines", "tick_lines"]

_NS_PER_SECOND = 1_000_000_000


def clock_text(time_ns: int) -> str:
    """Return ns since midnight as ``HH:MM:SS.nnnnnnnnn``."""
    seconds, fraction_ns = divmod(time_ns, _NS_PER_SECOND)
    return (f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            f".{fraction_ns:09}")


def tick_lines(replay: Replay) -> Iterator[str]:
    """Yield which symbols have which tick size."""
    by_tick: dict[int, list[str]] = {}
    for info in replay.books:
        by_tick.setdefault(replay.ticks[info.locate], []).append(info.stock or str(info.locate))
    for tick, names in sorted(by_tick.items()):
        yield f"tick {tick // 10_000}.{tick % 10_000:04d}: {', '.join(names)}"


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield what a replay did."""
    yield (f"{summary.messages:,} messages in {summary.records:,} records, {summary.symbols:,} "
           f"symbols, {summary.passes:,} passes: {summary.rows:,} rows")
    for name, line in summary.lines.items():
        yield (f"line {name}: {line['messages']:,} messages in {line['packets']:,} packets, "
               f"{line['skipped']:,} lost or late on this line")
    if summary.from_ns is not None or summary.until_ns is not None:
        begin = "the start" if summary.from_ns is None else clock_text(summary.from_ns)
        end = "the end" if summary.until_ns is None else clock_text(summary.until_ns)
        yield f"rows from {begin} to {end}; books built from the start"
    if summary.speed is not None:
        yield (f"paced, speed {summary.speed}: {summary.span_ns / _NS_PER_SECOND:,.6f} s "
               f"simulated; {summary.late_frames:,} frames found the line busy, for "
               f"{summary.latest_ns:,} ns at most; {summary.rows_stale:,} rows while their book "
               "was not exact")
    yield (f"{duration_text(summary.seconds)} taken, {summary.messages_per_second:,.0f} messages "
           f"and {summary.cycles_per_second:,.0f} cycles a second")
    for name, count in sorted(summary.counters.items()):
        yield f"  {name} {count:,}"


def note_lines(replay: Replay, summary: Summary, rows: Path | None) -> Iterator[str]:
    """Yield what a reader of the rows in the file `rows` must know."""
    for capture in replay.captures:
        if capture.truncated_at is not None:
            yield f"truncated_at {capture.truncated_at}: the record there in {capture.path} is cut"
    if summary.other_packets:
        yield f"{summary.other_packets:,} packets of other streams were sent and must be refused"
    if summary.sliced_frames:
        yield f"{summary.sliced_frames:,} frames are incomplete in the capture, not sent"
    if replay.second is not None and (replay.found.last_ns < replay.second[1].first_ns
                                      or replay.second[1].last_ns < replay.found.first_ns):
        yield "line A and line B were captured at different times: nothing is merged"
    for name, count in summary.losses.items():
        yield f"lost: {name} is {count:,}; {replay.capture.path} was not replayed exactly"
    if summary.interrupted_at is not None:
        where = f"interrupted after message {summary.interrupted_at:,} of pass {summary.passes:,}"
        if rows is None:
            yield where
        elif replay.passes == 1:
            yield f"{where}; {rows} has every row up to there; --resume goes on"
        else:
            yield f"{where} of {replay.passes:,}; --resume goes on, and then writes {rows}"
