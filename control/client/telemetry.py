"""What a client can read of an appliance: books, orders, positions, latencies, events."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from google.protobuf.message import Message
from tickwire.v1 import telemetry_service_pb2, telemetry_service_pb2_grpc

from control.client.changes import Changing
from control.client.connection import Answers, Connection
from control.client.readings import Account, Book, Counter, Event, Fill, Latency, OrderLog

__all__ = ["EventStream", "Telemetry"]

_TELEMETRY = telemetry_service_pb2_grpc.TelemetryServiceStub


class EventStream(Iterator[Event]):
    """Event records from the moment that this was made; a context manager that ends it.

    Parameters
    ----------
    answers : Answers
        Of the service; the first one has come when this is made.

    Attributes
    ----------
    dropped : int
        Records that this reader was too slow for.
    """

    def __init__(self, answers: Answers) -> None:
        self.dropped = 0
        self._answers = answers
        self._waiting: list[Any] = []
        next(answers, None)    # the service is listening now: nothing after this is missed

    def __next__(self) -> Event:
        """Return the next record; raises ControlError with what the service said."""
        while not self._waiting:
            answer = next(self._answers)
            self.dropped += answer.dropped
            self._waiting = list(reversed(answer.events))
        return Event.of(self._waiting.pop())

    def close(self) -> None:
        """End it; from any thread."""
        self._answers.close()

    def __enter__(self) -> "EventStream":
        """Begin a block at whose end the stream ends."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End it."""
        self.close()


class Telemetry:
    """The part of a client that only reads.

    Parameters
    ----------
    connection : Connection
        To the management service.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __exit__(self, *exception: object) -> None:
        """Close the connection."""
        self.close()

    def counters(self, *, nonzero: bool = True) -> tuple[Counter, ...]:
        """Return the counters, or only those that are not zero."""
        answer = self._call(_TELEMETRY, "ListCounters",
                            telemetry_service_pb2.ListCountersRequest(nonzero=nonzero))
        return tuple(map(Counter.of, answer.counters))

    def latency(self, *, clear: bool = False) -> Latency:
        """Return the latency of the orders sent, and empty the histogram if asked to."""
        return Latency.of(self._call(_TELEMETRY, "GetLatency",
                                     telemetry_service_pb2.GetLatencyRequest(clear=clear)))

    def positions(self) -> Account:
        """Return positions and money by the appliance's own sums."""
        return Account.of(self._call(_TELEMETRY, "ListPositions",
                                     telemetry_service_pb2.ListPositionsRequest()))

    def orders(self, *, only_open: bool = False, limit: int = 100) -> OrderLog:
        """Return the latest orders, and what all of them have left, as the records tell it."""
        return OrderLog.of(self._call(
            _TELEMETRY, "ListOrders",
            telemetry_service_pb2.ListOrdersRequest(open=only_open, limit=limit)))

    def fills(self, *, limit: int = 100) -> tuple[Fill, ...]:
        """Return the latest executions, oldest first."""
        answer = self._call(_TELEMETRY, "ListFills",
                            telemetry_service_pb2.ListFillsRequest(limit=limit))
        return tuple(map(Fill.of, answer.fills))

    def books(self, symbols: Iterable[str] = ()) -> tuple[Book, ...]:
        """Return books; all that are watched unless some are named."""
        answer = self._call(_TELEMETRY, "ListBooks",
                            telemetry_service_pb2.ListBooksRequest(symbols=symbols))
        return tuple(map(Book.of, answer.books))

    def book(self, symbol: str) -> Book:
        """Return the book of a symbol."""
        return self.books([symbol])[0]

    def events(self, kinds: Iterable[str] = (), *, seconds: float | None = None) -> EventStream:
        """Return event records from now on; only some kinds, for so long or for ever."""
        return EventStream(self.connection.stream(
            _TELEMETRY, "WatchEvents", telemetry_service_pb2.WatchEventsRequest(kinds=kinds),
            seconds=seconds))

    def past_events(self, limit: int = 65_536) -> tuple[Event, ...]:
        """Return the latest event records that the service has kept, oldest first."""
        request = telemetry_service_pb2.WatchEventsRequest(past=limit)
        found: list[Event] = []
        with self.connection.stream(_TELEMETRY, "WatchEvents", request) as answers:
            for answer in answers:
                if answer.present:
                    break
                found += map(Event.of, answer.events)
        return tuple(found)

    def _call(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message) -> Any:
        return self.connection.call(stub, method, request)

    def _change(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message,
                how: Changing) -> Any:
        return self.connection.call(stub, method, request, take_over=how.take_over)
