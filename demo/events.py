"""The event records of the hardware as they come over gRPC: a log, and a hash that repeats."""

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc
from tickwire.v1 import telemetry_service_pb2, telemetry_service_pb2_grpc

from control.recorder.writer import Recorder
from demo.errors import DemoError
from proto.events import EventKind, OrderFlag, Sequence, StateFlag

__all__ = ["EventLog", "events_hash", "orders_after_kill"]

#: Class 1, which is never dropped; and what the books published last.
_CLASS_1 = tuple(kind.name.lower() for kind in EventKind if kind.sequence is Sequence.ORDERS)
_TOP = EventKind.TOP_OF_BOOK.name.lower()
_DETAILS = tuple(kind.name.lower() for kind in EventKind if kind.sequence is Sequence.DETAILS)
_WAIT_S = 10.0

Record = dict[str, Any]


class EventLog:
    """Follow the records in a thread: all to a recording, those of class 1 also to a file.

    The file has one a line, as JSON.

    Parameters
    ----------
    server : str
        ``HOST:PORT`` of the management service.
    path : Path
        The file.
    recorder : Recorder
        Takes every record; it is closed with the log.

    Attributes
    ----------
    records : list of dict
        Those of class 1.
    tops : dict of str to dict
        The last best bid and offer by symbol.
    top_records : int
        Records of best bids and offers that came.
    dropped : int
        Records that this reader was too slow for.

    Raises
    ------
    DemoError
        If the service does not begin.
    """

    def __init__(self, server: str, path: Path, recorder: Recorder) -> None:
        self.records: list[Record] = []
        self.tops: dict[str, Record] = {}
        self.top_records = 0
        self.dropped = 0
        self._path = path
        self._recorder = recorder
        self._channel = grpc.insecure_channel(server)
        self._began = threading.Event()
        stub = telemetry_service_pb2_grpc.TelemetryServiceStub(self._channel)
        self._answers = stub.WatchEvents(
            telemetry_service_pb2.WatchEventsRequest(kinds=[*_CLASS_1, _TOP, *_DETAILS]))
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        if not self._began.wait(_WAIT_S):
            raise DemoError("the management service sends no event records")

    def close(self) -> None:
        """Wait for the end of the stream, which the service makes when it ends."""
        self._thread.join(_WAIT_S)
        self._answers.cancel()
        self._channel.close()
        self._recorder.close()

    def _follow(self) -> None:
        try:
            with self._path.open("w", encoding="utf-8") as log:
                for answer in self._answers:
                    self._began.set()
                    self.dropped += answer.dropped
                    self._recorder.drop(answer.dropped)
                    for event in answer.events:
                        self._take(event, log)
        except grpc.RpcError:
            return  # the service has ended; what is missing shows in the comparison

    def _take(self, event: telemetry_service_pb2.Event, log: Any) -> None:
        self._recorder.take(event.record, event.symbol)
        if event.kind in _DETAILS:
            return
        record: Record = {**event.fields, **event.signed_fields,
                          "kind": event.kind, "symbol": event.symbol}
        if event.kind == _TOP:
            self.tops[event.symbol] = record
            self.top_records += 1
            return
        record.pop("schema_version")
        self.records.append(record)
        log.write(json.dumps(record, sort_keys=True) + "\n")


def events_hash(records: Iterable[Mapping[str, Any]], frames_digest: str) -> str:
    """Return the hash of a run: of its class 1 records, and of all frames of feed and orders.

    Stamps in cycles count from reset, and cycles that the management port needed are among them:
    they go in as differences. Everything else, times of the hardware's clock included, as it is.

    Parameters
    ----------
    records : iterable of mapping
        The records in order.
    frames_digest : str
        The exchange's hash of every frame and its time.
    """
    total = hashlib.sha256(frames_digest.encode("ascii"))
    for record in records:
        fields = dict(record)
        cycle = fields.pop("cycle")
        for name in ("ingress_cycle", "decision_cycle"):
            if fields.get(name):
                fields[name] = cycle - fields[name]
        if record["kind"] == EventKind.ORDER_REFUSED.name.lower():
            fields.pop("ingress_cycle")     # when it is reported is a matter of the host
        total.update(json.dumps(fields, sort_keys=True).encode("ascii"))
    return total.hexdigest()


def orders_after_kill(records: Iterable[Mapping[str, Any]]) -> int:
    """Return how many orders to enter were begun after the first kill."""
    killed = False
    orders = 0
    for record in records:
        if record["kind"] == EventKind.STATE.name.lower():
            killed = killed or bool(record["flags"] & StateFlag.KILLED)
        elif record["kind"] == EventKind.ORDER_SENT.name.lower():
            orders += killed and not record["flags"] & OrderFlag.CANCEL
    return orders
