"""TelemetryService."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from tickwire.v1 import telemetry_service_pb2 as pb
from tickwire.v1 import telemetry_service_pb2_grpc as pb_grpc

from control.actions import readings
from control.appliance import Appliance
from control.books import Level
from control.broker import RECENT_RECORDS, DecodedEvent, EventDecoder
from control.errors import wrong_field
from control.latency import percentiles
from control.orders import MOST_FILLS, LoggedFill, LoggedOrder
from control.service.requests import Context, within
from control.symbols import WatchedSymbol, find, parse_name
from control.units import cycles_to_ns
from proto.events import EventKind

__all__ = ["TelemetryServicer"]

_MOST_EVENTS = 256
_MOST_ORDERS = 1000
_FILLS = 100


class TelemetryServicer(pb_grpc.TelemetryServiceServicer):
    """Reads counters, latencies, positions, books and event records."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def ListCounters(self, request: pb.ListCountersRequest,
                           context: Context) -> pb.ListCountersResponse:
        found = await readings.counters(self._appliance)
        return pb.ListCountersResponse(counters=[
            pb.Counter(name=counter.name, value=value, description=counter.description)
            for counter, value in found if value or not request.nonzero])

    async def GetLatency(self, request: pb.GetLatencyRequest,
                         context: Context) -> pb.GetLatencyResponse:
        found = await readings.latency(self._appliance, clear=request.clear)
        core_hz = self._appliance.device.core_hz
        return pb.GetLatencyResponse(
            orders=found.orders, minimum_cycles=found.minimum, maximum_cycles=found.maximum,
            core_hz=core_hz,
            percentiles=[pb.LatencyPercentile(share_e4=share, cycles=cycles,
                                              latency_ns=cycles_to_ns(cycles, core_hz))
                         for share, cycles in percentiles(found.bins, found.maximum).items()],
            bins=[pb.LatencyBin(cycles=cycles, orders=orders)
                  for cycles, orders in found.bins.items()])

    async def ListPositions(self, request: pb.ListPositionsRequest,
                            context: Context) -> pb.ListPositionsResponse:
        account = await readings.positions(self._appliance)
        return pb.ListPositionsResponse(
            positions=[_encode_position(row) for row in account.rows],
            cash_e4=account.cash_e4, turnover_e4=account.turnover_e4)

    async def ListOrders(self, request: pb.ListOrdersRequest,
                         context: Context) -> pb.ListOrdersResponse:
        limit = within("limit", request.limit, 1, _MOST_ORDERS, _MOST_ORDERS)
        log = self._appliance.orders
        names, total = await self._names(), log.total
        chosen = list(log.open_orders() if request.open else log.orders.values())[-limit:]
        return pb.ListOrdersResponse(
            orders=[_encode_order(order, names) for order in chosen],
            positions=[pb.LoggedPosition(symbol=names.get(index, str(index)), **asdict(account))
                       for index, account in sorted(log.accounts.items())],
            refusals=[pb.Refusals(check=check, count=count)
                      for check, count in sorted(log.refusals.items())],
            total=len(log.orders), refused=log.refused, cash_e4=total.cash_e4,
            turnover_e4=total.turnover_e4, unexplained=log.unexplained, fills=total.fills)

    async def ListFills(self, request: pb.ListFillsRequest,
                        context: Context) -> pb.ListFillsResponse:
        limit = within("limit", request.limit, 1, MOST_FILLS, _FILLS)
        log, names = self._appliance.orders, await self._names()
        return pb.ListFillsResponse(
            fills=[_encode_fill(fill, names) for fill in list(log.latest_fills)[-limit:]],
            total=log.total.fills)

    async def ListBooks(self, request: pb.ListBooksRequest,
                        context: Context) -> pb.ListBooksResponse:
        watched = await self._appliance.known()
        chosen = ([find(watched, parse_name(name, "symbols")) for name in request.symbols]
                  or watched.values())
        return pb.ListBooksResponse(books=[self._book(symbol) for symbol in chosen])

    async def _names(self) -> dict[int, str]:
        return {index: symbol.name for index, symbol in (await self._appliance.known()).items()}

    def _book(self, symbol: WatchedSymbol) -> pb.Book:
        view = self._appliance.books.view(symbol.index)
        if view is None:
            return pb.Book(symbol=symbol.name, tick_size_e4=symbol.tick_size_e4)
        return pb.Book(symbol=symbol.name, known=True, states=view.states,
                       bids=map(_encode_level, view.bids), asks=map(_encode_level, view.asks),
                       ts_ns=view.ts_ns, feed_sequence=view.feed_sequence,
                       tick_size_e4=symbol.tick_size_e4)

    async def WatchEvents(self, request: pb.WatchEventsRequest,
                          context: Context) -> AsyncIterator[pb.WatchEventsResponse]:
        known = [kind.name.lower() for kind in EventKind] + ["unknown"]
        for kind in request.kinds:
            if kind not in known:
                raise wrong_field("kinds", f"some of {', '.join(known)}", kind)
        within("past", request.past, 0, RECENT_RECORDS, 0)
        broker = self._appliance.broker
        with broker.subscribe() as subscription:
            past = list(broker.recent)[len(broker.recent) - request.past:] if request.past else []
            yield pb.WatchEventsResponse(sequence=0)
            sequence = 0
            decoder = EventDecoder()
            async for answer in self._answers(request, decoder, 0, past):
                sequence += 1
                answer.sequence = sequence
                yield answer
            if request.past:
                sequence += 1
                yield pb.WatchEventsResponse(sequence=sequence, present=True)
            async for dropped, records in subscription.batches():
                async for answer in self._answers(request, decoder, dropped, records):
                    sequence += 1
                    answer.sequence = sequence
                    yield answer

    async def _answers(self, request: pb.WatchEventsRequest, decoder: EventDecoder, dropped: int,
                       records: Sequence[bytes]) -> AsyncIterator[pb.WatchEventsResponse]:
        """Return records in answers of a size that can be sent."""
        names = await self._names()
        events = [event for record in records for event in decoder.decode(record)
                  if not request.kinds or event.kind in request.kinds]
        for start in range(0, max(len(events), bool(dropped)), _MOST_EVENTS):
            yield pb.WatchEventsResponse(
                dropped=dropped if start == 0 else 0,
                events=[_encode_event(event, names)
                        for event in events[start:start + _MOST_EVENTS]])


def _encode_position(row: readings.PositionRow) -> pb.Position:
    values = asdict(row)
    return pb.Position(symbol=values.pop("name"), **values)


def _encode_order(order: LoggedOrder, names: dict[int, str]) -> pb.Order:
    values = asdict(order)
    index = values.pop("symbol_index")
    return pb.Order(symbol=names.get(index, str(index)), **values)


def _encode_fill(fill: LoggedFill, names: dict[int, str]) -> pb.Fill:
    values = asdict(fill)
    index = values.pop("symbol_index")
    return pb.Fill(symbol=names.get(index, str(index)), **values)


def _encode_level(level: Level) -> pb.BookLevel:
    return pb.BookLevel(price_e4=level.price_e4, quantity=level.quantity, orders=level.orders)


def _encode_event(event: DecodedEvent, names: dict[int, str]) -> pb.Event:
    index = event.symbol_index
    unsigned = {name: value for name, value in event.fields.items() if name not in event.signed}
    return pb.Event(kind=event.kind, fields=unsigned, record=event.record,
                    symbol="" if index is None else names.get(index, ""),
                    message=event.message, texts=event.texts,
                    signed_fields={name: event.fields[name] for name in event.signed})
