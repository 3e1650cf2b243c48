"""Seeded order flow in several symbols, as ITCH messages: what the measurements are fed with."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from proto.wire import itch50
from proto.wire.itch50 import Side
from proto.wire.message import Message, Value

__all__ = ["Kind", "OrderFlow", "Packer", "RestingOrder", "Symbol", "directory", "kind_of",
           "price_test", "trading_action"]

_START_NS = 34_200_000_000_000
_LARGEST_SHARES = 1000


class Kind(Enum):
    """What a message does to an order: the kinds of triggers that are told apart."""

    ADD = "add"
    EXECUTE = "execute"
    CANCEL = "cancel"
    DELETE = "delete"
    REPLACE = "replace"


_KINDS: dict[int, Kind] = {
    table.type[0]: kind for kind, tables in {
        Kind.ADD: (itch50.ADD_ORDER, itch50.ADD_ORDER_MPID),
        Kind.EXECUTE: (itch50.ORDER_EXECUTED, itch50.ORDER_EXECUTED_WITH_PRICE),
        Kind.CANCEL: (itch50.ORDER_CANCEL,), Kind.DELETE: (itch50.ORDER_DELETE,),
        Kind.REPLACE: (itch50.ORDER_REPLACE,),
    }.items() for table in tables if table.type is not None}

_ALL_KINDS: dict[Kind, int] = dict.fromkeys(
    (Kind.EXECUTE, Kind.CANCEL, Kind.DELETE, Kind.REPLACE), 1)


def kind_of(message: bytes) -> Kind | None:
    """Return what a message does to an order, None if it does nothing."""
    return _KINDS.get(message[0])


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol with a book; ``centre`` lies between its bids and its offers, 1e-4 USD."""

    name: str
    locate: int
    centre: int


@dataclass(slots=True)
class RestingOrder:
    """An order of the flow that is live."""

    symbol: Symbol
    side: Side
    price: int
    shares: int


class Packer:
    """Encode one message fast: a template, and the bytes of some of its fields.

    Parameters
    ----------
    table : Message
        The message.
    names : sequence of str
        Fields whose values differ, in the order of a call's arguments.
    constants : mapping
        All other fields.
    """

    def __init__(self, table: Message, names: Sequence[str],
                 constants: Mapping[str, Value]) -> None:
        self._template = table.encode({**dict.fromkeys(names, 0), **constants})
        fields = [table.field(name) for name in names]
        self._slots = [(field.offset, field.offset + field.size, field.size) for field in fields]

    def __call__(self, *values: int) -> bytes:
        """Return the message."""
        message = bytearray(self._template)
        for (start, end, size), value in zip(self._slots, values, strict=True):
            message[start:end] = value.to_bytes(size, "big")
        return bytes(message)


class OrderFlow:
    """A source of messages that concern live orders, in books that never cross.

    Parameters
    ----------
    symbols : sequence of Symbol
        The books.
    seed : int
        Of everything random.
    resting : int
        Live orders on average, of all symbols.
    spread : int
        Ticks between `nearest` and the farthest new orders of a side; most are near.
    nearest : int
        Ticks between `centre` and the nearest ones.
    tick_size : int
        Distance of two prices, 1e-4 USD.
    weights : mapping of Kind to int
        How often an order is executed, cancelled, deleted or replaced.

    Attributes
    ----------
    orders : dict of int to RestingOrder
        Live orders by reference.
    """

    def __init__(self, symbols: Sequence[Symbol], *, seed: int, resting: int = 200,
                 spread: int = 20, nearest: int = 1, tick_size: int = 100,
                 weights: Mapping[Kind, int] | None = None) -> None:
        self.orders: dict[int, RestingOrder] = {}
        self._symbols = list(symbols)
        self._rng = random.Random(seed)
        self._resting = resting
        self._spread = spread
        self._nearest = nearest
        self._tick = tick_size
        self._time_ns = _START_NS
        self._live: list[int] = []
        self._place: dict[int, int] = {}
        self._pack = _packers(self._symbols)
        self.weigh(weights)

    def weigh(self, weights: Mapping[Kind, int] | None) -> None:
        """Choose how often orders are executed, cancelled, deleted or replaced from now on."""
        chosen = weights or _ALL_KINDS
        self._kinds, self._weights = list(chosen), list(chosen.values())

    def messages(self, count: int) -> list[bytes]:
        """Return the next random messages."""
        return [self.next_message() for _ in range(count)]

    def next_message(self) -> bytes:
        """Return the next random message."""
        rng, live = self._rng, len(self._live)
        if not live or rng.random() < (0.8 if live < self._resting else 0.15):
            return self.random_add()
        # Often the order that was touched last, for the hazards of a pipeline.
        reference = self._live[-1] if rng.random() < 0.2 else rng.choice(self._live)
        kind, = rng.choices(self._kinds, self._weights)
        order = self.orders[reference]
        if kind is Kind.DELETE:
            return self.delete(reference)
        if kind is Kind.REPLACE:
            return self.random_replace(reference)
        shares = order.shares if rng.random() < 0.3 else rng.randint(1, order.shares)
        return (self.execute if kind is Kind.EXECUTE else self.cancel)(reference, shares)

    def random_add(self) -> bytes:
        """Return the message of a new order in any symbol."""
        symbol = self._rng.choice(self._symbols)
        side = self._rng.choice((Side.BUY, Side.SELL))
        return self.add(symbol, side, self._price(symbol, side), self._shares())

    def random_replace(self, reference: int) -> bytes:
        """Return the replacement of an order by one of another price and size."""
        order = self.orders[reference]
        return self.replace(reference, self._price(order.symbol, order.side), self._shares())

    def random_reference(self) -> int:
        """Return any live order's reference."""
        return self._rng.choice(self._live)

    def add(self, symbol: Symbol, side: Side, price: int, shares: int) -> bytes:
        """Return the message of a new order; its reference is that of `newest`."""
        reference = self._remember(RestingOrder(symbol, side, price, shares))
        return self._pack[Kind.ADD, symbol.locate](
            self._time(), reference, ord(side.value), shares, price)

    @property
    def newest(self) -> int:
        """Reference of the order that was added or made by a replacement last."""
        return self._live[-1]

    def execute(self, reference: int, shares: int) -> bytes:
        """Return the message of an execution at the order's own price."""
        symbol = self._take(reference, shares)
        return self._pack[Kind.EXECUTE, symbol.locate](
            self._time(), reference, shares, self._rng.getrandbits(40))

    def cancel(self, reference: int, shares: int) -> bytes:
        """Return the message that takes shares off an order; off all of them the order is gone."""
        symbol = self._take(reference, shares)
        return self._pack[Kind.CANCEL, symbol.locate](self._time(), reference, shares)

    def delete(self, reference: int) -> bytes:
        """Return the message that takes an order away."""
        symbol = self.orders[reference].symbol
        self._forget(reference)
        return self._pack[Kind.DELETE, symbol.locate](self._time(), reference)

    def replace(self, reference: int, price: int, shares: int) -> bytes:
        """Return the message that puts a new order in the place of one; see `newest`."""
        order = self.orders[reference]
        self._forget(reference)
        new = self._remember(RestingOrder(order.symbol, order.side, price, shares))
        return self._pack[Kind.REPLACE, order.symbol.locate](
            self._time(), reference, new, shares, price)

    def _price(self, symbol: Symbol, side: Side) -> int:
        """Return a price on the symbol's own side of its centre, the nearer the likelier."""
        distance = self._nearest + int(self._spread * self._rng.random() ** 2)
        return symbol.centre + (-distance if side is Side.BUY else distance) * self._tick

    def _shares(self) -> int:
        return self._rng.randint(1, _LARGEST_SHARES)

    def _time(self) -> int:
        self._time_ns += self._rng.randrange(1000)
        return self._time_ns

    def _remember(self, order: RestingOrder) -> int:
        reference = self._rng.getrandbits(63)
        self.orders[reference] = order
        self._place[reference] = len(self._live)
        self._live.append(reference)
        return reference

    def _forget(self, reference: int) -> None:
        del self.orders[reference]
        place, last = self._place.pop(reference), self._live.pop()
        if last != reference:
            self._live[place] = last
            self._place[last] = place

    def _take(self, reference: int, shares: int) -> Symbol:
        order = self.orders[reference]
        order.shares -= shares
        if order.shares == 0:
            self._forget(reference)
        return order.symbol


def _packers(symbols: Sequence[Symbol]) -> dict[tuple[Kind, int], Packer]:
    reference, time = "order_reference_number", "timestamp"
    packers: dict[tuple[Kind, int], Packer] = {}
    for symbol in symbols:
        head = {"stock_locate": symbol.locate, "tracking_number": 0}
        for kind, table, names, constants in (
                (Kind.ADD, itch50.ADD_ORDER,
                 (time, reference, "buy_sell_indicator", "shares", "price"),
                 {"stock": symbol.name, "buy_sell_indicator": Side.BUY}),
                (Kind.EXECUTE, itch50.ORDER_EXECUTED,
                 (time, reference, "executed_shares", "match_number"), {}),
                (Kind.CANCEL, itch50.ORDER_CANCEL, (time, reference, "cancelled_shares"), {}),
                (Kind.DELETE, itch50.ORDER_DELETE, (time, reference), {}),
                (Kind.REPLACE, itch50.ORDER_REPLACE,
                 (time, "original_order_reference_number", "new_order_reference_number", "shares",
                  "price"), {})):
            packers[kind, symbol.locate] = Packer(table, names, {**head, **constants})
    return packers


def directory(symbols: Sequence[Symbol]) -> list[bytes]:
    """Return the messages that open a day: market hours, each symbol trades, also short."""
    return [
        itch50.SYSTEM_EVENT.encode({
            "stock_locate": 0, "tracking_number": 0, "timestamp": _START_NS,
            "event_code": itch50.EventCode.START_OF_MARKET_HOURS}),
        *(trading_action(symbol, itch50.TradingState.TRADING) for symbol in symbols),
        *(price_test(symbol, itch50.RegShoAction.NO_PRICE_TEST) for symbol in symbols)]


def trading_action(symbol: Symbol, state: itch50.TradingState) -> bytes:
    """Return the message that sets a symbol's trading state."""
    return itch50.STOCK_TRADING_ACTION.encode({
        "stock_locate": symbol.locate, "tracking_number": 0, "timestamp": _START_NS,
        "stock": symbol.name, "trading_state": state, "reserved": "", "reason": ""})


def price_test(symbol: Symbol, action: itch50.RegShoAction) -> bytes:
    """Return the message that starts or ends a symbol's price test of short sales."""
    return itch50.REG_SHO_RESTRICTION.encode({
        "stock_locate": symbol.locate, "tracking_number": 0, "timestamp": _START_NS,
        "stock": symbol.name, "reg_sho_action": action})
