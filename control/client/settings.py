"""What a client reads of the configuration; ``proto/tickwire/v1`` describes the fields."""

from dataclasses import dataclass

from tickwire.v1 import (
    feed_service_pb2,
    limits_service_pb2,
    model_service_pb2,
    session_service_pb2,
    strategy_service_pb2,
    symbol_service_pb2,
)

from control.client.value import Value

__all__ = ["ArpEntry", "Feed", "Limits", "Model", "Session", "SessionLimits", "SessionState",
           "Strategy", "Symbol"]


@dataclass(frozen=True, kw_only=True)
class Symbol(Value, message=symbol_service_pb2.Symbol):
    """A watched symbol."""

    symbol: str
    symbol_index: int
    tick_size_e4: int
    locate: int | None


@dataclass(frozen=True, kw_only=True)
class Feed(Value, message=feed_service_pb2.Feed):
    """Settings of the market data stream."""

    enable: bool
    group_ip: str
    udp_port: int
    session: str
    next_sequence: int
    cut_through: bool
    timeout_ns: int
    recorded_messages: tuple[str, ...]
    record_all_symbols: bool
    record_depth: bool
    record_vectors: bool
    igmp: str
    local_mac: str
    local_ip: str


@dataclass(frozen=True, kw_only=True)
class Limits(Value, message=limits_service_pb2.Limits):
    """Limits of a symbol, all inclusive; shares, and 1e-4 USD."""

    symbol: str
    maximum_quantity: int
    maximum_value_e4: int
    collar_fraction: int
    collar_minimum_e4: int
    maximum_long: int
    maximum_short: int
    maximum_open_orders: int
    restricted: bool
    version: int


@dataclass(frozen=True, kw_only=True)
class SessionLimits(Value, message=limits_service_pb2.SessionLimits):
    """Limits of the session."""

    message_interval_ns: int
    message_burst_ns: int
    hold_ns: int
    watchdog_timeout_ns: int
    cancel_on_kill: bool


@dataclass(frozen=True, kw_only=True)
class Model(Value, message=model_service_pb2.Model):
    """The model that scores."""

    epoch: int
    loaded: bool
    bank: int
    name: str
    sha256: str
    weights: tuple[int, ...]
    bias: int


@dataclass(frozen=True, kw_only=True)
class Strategy(Value, message=strategy_service_pb2.Strategy):
    """How the scores of a symbol become orders."""

    symbol: str
    buy_threshold: int
    sell_threshold: int
    cancel_buy_threshold: int
    cancel_sell_threshold: int
    quantity: int
    offset_e4: int
    cooldown_ns: int
    price_reference: str
    time_in_force: str
    enable: bool
    loaded: bool
    version: int


@dataclass(frozen=True, kw_only=True)
class Session(Value, message=session_service_pb2.Session):
    """Settings of the order session; the password is never returned."""

    local_mac: str
    local_ip: str
    local_port: int
    peer_ip: str
    peer_port: int
    gateway_ip: str
    next_hop_mac: str
    username: str
    password: str
    requested_session: str
    sequence: int
    user_ref_num: int


@dataclass(frozen=True, kw_only=True)
class SessionState(Value, message=session_service_pb2.SessionState):
    """State of the order session."""

    up: bool
    tcp: str
    session: str
    close_reason: str
    reject_reason: str
    joined: str
    next_sequence: int
    next_user_ref_num: int
    day_ended: bool


@dataclass(frozen=True, kw_only=True)
class ArpEntry(Value, message=session_service_pb2.ArpEntry):
    """The MAC address of an IPv4 address; `fixed` if it was set, else it was learnt."""

    ip: str
    mac: str
    fixed: bool
