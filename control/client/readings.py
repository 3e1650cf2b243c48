"""What a client reads of the running appliance; ``proto/tickwire/v1`` describes the fields."""

from dataclasses import dataclass

from tickwire.v1 import risk_service_pb2, status_service_pb2, telemetry_service_pb2

from control.client.value import Value

__all__ = ["Account", "Book", "BookLevel", "Counter", "Event", "Fill", "Latency", "LatencyBin",
           "LatencyPercentile", "LoggedPosition", "Order", "OrderLog", "Position", "Refusals",
           "Risk", "Status"]


@dataclass(frozen=True, kw_only=True)
class Status(Value, message=status_service_pb2.Status):
    """What the appliance is and does."""

    version: str
    map_hash: int
    symbols: int
    core_hz: int
    memories_cleared: bool
    feed_enabled: bool
    feed_up: bool
    session_up: bool
    armed: bool
    killed: bool
    kill_causes: tuple[str, ...]
    model_loaded: bool
    model_epoch: int
    model_name: str
    watched: tuple[str, ...]
    events_lost: int
    limited: tuple[str, ...]
    limits_version: int
    trading: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Risk(Value, message=risk_service_pb2.Risk):
    """State of the gate."""

    armed: bool
    killed: bool
    causes: tuple[str, ...]
    reason: str
    sweeping: bool
    limits_version: int


@dataclass(frozen=True, kw_only=True)
class Counter(Value, message=telemetry_service_pb2.Counter):
    """A counter since the appliance's reset; it wraps at 2**32."""

    name: str
    value: int
    description: str


@dataclass(frozen=True, kw_only=True)
class LatencyBin(Value, message=telemetry_service_pb2.LatencyBin):
    """Orders with one latency."""

    cycles: int
    orders: int


@dataclass(frozen=True, kw_only=True)
class LatencyPercentile(Value, message=telemetry_service_pb2.LatencyPercentile):
    """A quantile of the latency; the share is in 1e-4."""

    share_e4: int
    cycles: int
    latency_ns: int


@dataclass(frozen=True, kw_only=True)
class Latency(Value, message=telemetry_service_pb2.GetLatencyResponse):
    """Start of the trigger's frame to start of the order's, at the pins of the core."""

    orders: int
    minimum_cycles: int
    maximum_cycles: int
    percentiles: tuple[LatencyPercentile, ...]
    bins: tuple[LatencyBin, ...]
    core_hz: int


@dataclass(frozen=True, kw_only=True)
class Position(Value, message=telemetry_service_pb2.Position):
    """What is held and open of a symbol by the appliance's own sums, in shares."""

    symbol: str
    position: int
    open_buy: int
    open_sell: int
    orders_buy: int
    orders_sell: int


@dataclass(frozen=True, kw_only=True)
class Account(Value, message=telemetry_service_pb2.ListPositionsResponse):
    """Positions and money by the appliance's own sums."""

    positions: tuple[Position, ...]
    cash_e4: int
    turnover_e4: int


@dataclass(frozen=True, kw_only=True)
class Order(Value, message=telemetry_service_pb2.Order):
    """An order of the order log."""

    user_ref_num: int
    symbol: str
    sell: bool
    day: bool
    quantity: int
    price_e4: int
    status: str
    open_quantity: int
    executed_quantity: int
    executed_value_e4: int
    cancel_sent: bool
    latency_cycles: int
    epoch: int
    reason: int


@dataclass(frozen=True, kw_only=True)
class LoggedPosition(Value, message=telemetry_service_pb2.LoggedPosition):
    """What the executions of a symbol have left, by the order log."""

    symbol: str
    position: int
    cash_e4: int
    turnover_e4: int
    fills: int


@dataclass(frozen=True, kw_only=True)
class Refusals(Value, message=telemetry_service_pb2.Refusals):
    """Refusals by one check of the risk gate."""

    check: str
    count: int


@dataclass(frozen=True, kw_only=True)
class OrderLog(Value, message=telemetry_service_pb2.ListOrdersResponse):
    """Orders, positions, money and refusals, as the event records tell them."""

    orders: tuple[Order, ...]
    positions: tuple[LoggedPosition, ...]
    refusals: tuple[Refusals, ...]
    total: int
    refused: int
    cash_e4: int
    turnover_e4: int
    unexplained: int
    fills: int


@dataclass(frozen=True, kw_only=True)
class Fill(Value, message=telemetry_service_pb2.Fill):
    """An execution."""

    user_ref_num: int
    symbol: str
    sell: bool
    quantity: int
    price_e4: int
    venue_ns: int


@dataclass(frozen=True, kw_only=True)
class BookLevel(Value, message=telemetry_service_pb2.BookLevel):
    """A price with orders."""

    price_e4: int
    quantity: int
    orders: int


@dataclass(frozen=True, kw_only=True)
class Book(Value, message=telemetry_service_pb2.Book):
    """A book, as far as event records tell it; bids and asks best first."""

    symbol: str
    known: bool
    states: tuple[str, ...]
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    ts_ns: int
    feed_sequence: int
    tick_size_e4: int

    @property
    def bid(self) -> BookLevel | None:
        """The best bid, None if there is none."""
        return self.bids[0] if self.bids else None

    @property
    def ask(self) -> BookLevel | None:
        """The best ask, None if there is none."""
        return self.asks[0] if self.asks else None

    @property
    def tradable(self) -> bool:
        """It is known, exact and may be traded."""
        return self.known and not self.states

    @property
    def spread_e4(self) -> int | None:
        """Ask minus bid, 1e-4 USD, None if a side is empty."""
        return (None if self.bid is None or self.ask is None
                else self.ask.price_e4 - self.bid.price_e4)

    def worth_e4(self, shares: int) -> int | None:
        """Return what some shares are worth at the mid, 1e-4 USD rounded down, None without one."""
        if self.bid is None or self.ask is None:
            return None
        return shares * (self.bid.price_e4 + self.ask.price_e4) // 2


@dataclass(frozen=True, kw_only=True)
class Event(Value, message=telemetry_service_pb2.Event, merged={"signed_fields": "fields"}):
    """An event record; see docs/events.md. Its signed fields stand among the others."""

    kind: str
    fields: dict[str, int]
    record: bytes
    symbol: str
    message: str
    texts: dict[str, str]
