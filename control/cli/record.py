"""``tickwire record``: event records to Parquet files, until told to end."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, cast

import typer
from tickwire.v1 import (
    status_service_pb2,
    status_service_pb2_grpc,
    telemetry_service_pb2,
    telemetry_service_pb2_grpc,
)

from control.cli.options import Invocation, asking
from control.recorder.origin import Origin
from control.recorder.writer import Recorder

__all__ = ["RECORD_HELP", "record"]

RECORD_HELP = """Example: tickwire record --out monday --count 100000

Write event records to Parquet files as they come, until Ctrl-C or a SIGTERM, or after so many.

A folder each kind; columns as in docs/events.md. Files are completed every so many seconds: what
the end of the machine leaves behind can be read. `tickwire report` makes a page of it.
"""

_LOOK_S = 0.5


@asking
def record(
    how: Invocation,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder; it must hold no recording.")],
    kind: Annotated[list[str] | None, typer.Option(
        help="Only this kind, such as order_sent; may be repeated.")] = None,
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0 goes on.")] = 0,
    complete_seconds: Annotated[float, typer.Option(
        min=0.1, max=3600, help="Complete a file when its first record is so old.")] = 30.0,
) -> None:
    """Record until told to end."""
    answer = cast(status_service_pb2.GetStatusResponse, how.ask(
        status_service_pb2_grpc.StatusServiceStub, "GetStatus",
        status_service_pb2.GetStatusRequest()))
    origin = Origin(version=answer.status.version, map_hash=answer.status.map_hash,
                    core_hz=answer.status.core_hz,
                    began=datetime.now(UTC).isoformat(timespec="seconds"))
    with Recorder(out, origin, part_seconds=complete_seconds) as recorder:
        try:
            with _ticking(recorder), _ended_by_sigterm():
                _follow(how, recorder, kind or [], count)
            ended = "count" if count and recorder.rows.total() >= count else "server"
        except KeyboardInterrupt:
            ended = "user"
    how.show({"recording": str(out), "records": recorder.rows.total(),
              **dict(sorted(recorder.rows.items())), "dropped": recorder.dropped,
              "ended_by": ended})


def _follow(how: Invocation, recorder: Recorder, kinds: list[str], count: int) -> None:
    def take(answer: telemetry_service_pb2.WatchEventsResponse) -> bool:
        if answer.dropped:
            recorder.drop(answer.dropped)
            how.environment.say(f"{answer.dropped} records dropped: this reader is too slow")
        for event in answer.events:
            recorder.take(event.record, event.symbol)
            if recorder.rows.total() == count:
                return False
        return True

    how.environment.say("recording; Ctrl-C ends it" if not count else
                        f"recording {count} records")
    how.follow(telemetry_service_pb2_grpc.TelemetryServiceStub, "WatchEvents",
               telemetry_service_pb2.WatchEventsRequest(kinds=kinds), take)


@contextmanager
def _ticking(recorder: Recorder) -> Generator[None]:
    """Complete files in time also while nothing comes."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(_LOOK_S):
            recorder.tick()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _ended_by_sigterm() -> Generator[None]:
    """Take a SIGTERM like a Ctrl-C, where that can be done."""
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Any = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
