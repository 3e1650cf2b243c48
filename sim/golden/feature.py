"""Features in plain integers: the specification of :mod:`hdl.feature`, and its numpy twin."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["EVENT_DTYPE", "BookEvent", "FeatureState", "Features", "Touch", "event_rows",
           "vectors"]


@dataclass(frozen=True)
class Touch:
    """Best bid and offer of one symbol after one event; prices in 1e-4 USD."""

    bid_price: int
    bid_quantity: int
    bid_count: int
    ask_price: int
    ask_quantity: int
    ask_count: int
    exact: bool = True

    @property
    def usable(self) -> bool:
        """Whether a vector of this touch may be scored for trading."""
        return self.exact and self.bid_count > 0 and self.ask_count > 0


@dataclass(frozen=True)
class BookEvent:
    """What else is known of an event.

    Attributes
    ----------
    time_ns : int
        Exchange time of its message.
    traded : int
        Shares that a displayed order traded; 0 if the message is no execution.
    execution : bool
        The message is an execution.
    sells : bool
        The order that traded was one to sell.
    hidden_trades : int
        Trades of hidden orders since the symbol's event before.
    repeated : bool
        No message: the book of an earlier one, published once more.
    bid_depth, ask_depth : int or None
        Shares in the five best levels after the event, None if they are not all known.
    position : int
        Own position.
    """

    time_ns: int = 0
    traded: int = 0
    execution: bool = False
    sells: bool = False
    hidden_trades: int = 0
    repeated: bool = False
    bid_depth: int | None = 0
    ask_depth: int | None = 0
    position: int = 0


def _saturate(value: int) -> int:
    return max(-32768, min(32767, value))


def _log2(quantity: int) -> int:
    """Return the piecewise linear logarithm, 8 fraction bits."""
    if quantity == 0:
        return 0
    whole = quantity.bit_length() - 1
    return 256 * whole + (256 * (quantity - 2 ** whole)) // 2 ** whole


def _microprice(touch: Touch) -> int:
    """Return the microprice in 0.25e-4 USD."""
    bid, ask = touch.bid_quantity, touch.ask_quantity
    lean = (bid >= 2 * ask) + (bid >= 8 * ask) - (ask >= 2 * bid) - (ask >= 8 * bid)
    return (2 * (touch.bid_price + touch.ask_price)
            + lean * (touch.ask_price - touch.bid_price))


@dataclass
class FeatureState:
    """What is remembered of a symbol."""

    touch: Touch | None = None       # of the event before, if it was usable
    order_flow: int = 0
    trade_flow: int = 0
    volatility: int = 0
    messages: int = 0                # intensities
    trades: int = 0
    time: int = 0                    # of the event before, in units of 1024 ns
    trade_time: int | None = None
    bid_depth: int | None = 0
    ask_depth: int | None = 0


@dataclass
class Features:
    """Feature extraction for any number of symbols."""

    states: dict[int, FeatureState] = field(default_factory=dict[int, FeatureState])

    def update(self, symbol: int, touch: Touch, event: BookEvent | None = None) -> tuple[int, ...]:
        """Return the vector of one event of a symbol."""
        event = event or BookEvent()
        state = self.states.setdefault(symbol, FeatureState())
        slow = self._slow(state, event)
        fast = self._fast(state, touch)
        self._remember(state, touch, event, fast[1])
        return (*fast, *slow)

    @staticmethod
    def _fast(state: FeatureState, touch: Touch) -> tuple[int, ...]:
        """Return what is made of the event itself; update the order flow."""
        mid_move = microprice_move = order_flow = 0
        if touch.usable and state.touch is not None:
            was = state.touch
            mid_move = (touch.bid_price + touch.ask_price) - (was.bid_price + was.ask_price)
            microprice_move = _microprice(touch) - _microprice(was)
            bid, old_bid = min(touch.bid_quantity, 65535), min(was.bid_quantity, 65535)
            ask, old_ask = min(touch.ask_quantity, 65535), min(was.ask_quantity, 65535)
            event = 0
            if touch.bid_price >= was.bid_price:
                event += bid
            if touch.bid_price <= was.bid_price:
                event -= old_bid
            if touch.ask_price <= was.ask_price:
                event -= ask
            if touch.ask_price >= was.ask_price:
                event += old_ask
            order_flow = state.order_flow - state.order_flow // 16 + event
        state.order_flow = order_flow
        state.touch = touch if touch.usable else None
        return (
            _saturate(touch.ask_price - touch.bid_price),
            _saturate(mid_move),
            _saturate(microprice_move),
            _log2(touch.bid_quantity) - _log2(touch.ask_quantity),
            _saturate(order_flow),
        )

    @staticmethod
    def _slow(state: FeatureState, event: BookEvent) -> tuple[int, ...]:
        """Return what the events before have left, at the time of this one."""
        now = event.time_ns // 1024

        def decayed(intensity: int, period: int) -> int:
            passed = max(0, now // period - state.time // period)
            return intensity // 2 ** passed

        state.messages = decayed(state.messages, 2**23 // 1024)
        state.trades = decayed(state.trades, 2**27 // 1024)
        imbalance = 0
        if state.bid_depth is not None and state.ask_depth is not None:
            imbalance = (_log2(min(state.bid_depth, 2**32 - 1))
                         - _log2(min(state.ask_depth, 2**32 - 1)))
        since = 63 if state.trade_time is None else max(0, now - state.trade_time).bit_length()
        return (imbalance, _saturate(state.trade_flow), _saturate(state.volatility),
                state.messages, state.trades, since, _saturate(event.position))

    @staticmethod
    def _remember(state: FeatureState, touch: Touch, event: BookEvent, mid_move: int) -> None:
        state.time = event.time_ns // 1024
        state.trade_flow -= state.trade_flow // 32
        if event.execution and touch.exact:
            shares = min(event.traded, 65535)
            state.trade_flow += shares if event.sells else -shares
        state.volatility += abs(mid_move) - state.volatility // 16
        state.bid_depth, state.ask_depth = event.bid_depth, event.ask_depth
        if event.repeated:
            return
        trades = event.execution + min(event.hidden_trades, 7)
        state.messages = min(32767, state.messages + 64)
        state.trades = min(32767, state.trades + 64 * trades)
        if trades:
            state.trade_time = state.time


#: Columns of a table of events, one symbol's; a depth of -1 is not known.
EVENT_DTYPE = np.dtype([(name, np.int64) for name in (
    "bid_price", "bid_quantity", "ask_price", "ask_quantity", "exact", "usable", "time_ns",
    "execution", "traded", "sells", "hidden_trades", "repeated", "bid_depth", "ask_depth",
    "position")])


def event_rows(events: list[tuple[Touch, BookEvent]]) -> NDArray[np.void]:
    """Return events as a table for :func:`vectors`."""
    return np.array([
        (touch.bid_price, touch.bid_quantity, touch.ask_price, touch.ask_quantity, touch.exact,
         touch.usable, event.time_ns, event.execution, event.traded, event.sells,
         event.hidden_trades, event.repeated,
         -1 if event.bid_depth is None else event.bid_depth,
         -1 if event.ask_depth is None else event.ask_depth, event.position)
        for touch, event in events], EVENT_DTYPE)


def _logarithm(quantity: NDArray[np.int64]) -> NDArray[np.int64]:
    # frexp is exact for integers below 2**53.
    whole = np.frexp(np.maximum(quantity, 1).astype(np.float64))[1].astype(np.int64) - 1
    fraction = ((quantity << 8) >> whole) - 256
    return np.where(quantity > 0, 256 * whole + fraction, 0)


def _change(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each row adds to the one before; 0 in the first."""
    return np.diff(values, prepend=values[:1])


def _before(values: NDArray[np.int64], first: int = 0) -> NDArray[np.int64]:
    """Return each row's predecessor."""
    return np.concatenate([[first], values[:-1]])


def _leaky(inputs: NDArray[np.int64], shift: int, *, keeps: NDArray[np.bool_] | None = None
           ) -> NDArray[np.int64]:
    """Return sums that lose ``1 / 2**shift`` with each row, and all where they are not kept."""
    total, found = 0, np.zeros(len(inputs), np.int64)
    kept = np.ones(len(inputs), bool) if keeps is None else keeps
    for row, (item, keep) in enumerate(zip(inputs.tolist(), kept.tolist(), strict=True)):
        total = total - (total >> shift) + item if keep else 0
        found[row] = total
    return found


def _intensity(steps: NDArray[np.int64], time_ns: NDArray[np.int64], shift: int
               ) -> NDArray[np.int64]:
    """Return the intensity that each row finds."""
    total, found = 0, np.zeros(len(steps), np.int64)
    halvings = np.clip(_change(time_ns >> shift), 0, 62)
    for row, (step, halving) in enumerate(zip(steps.tolist(), halvings.tolist(), strict=True)):
        found[row] = total >> halving
        total = min(32767, (total >> halving) + step)
    return found


def vectors(events: NDArray[np.void]) -> NDArray[np.int16]:
    """Return the vectors of one symbol's events.

    Parameters
    ----------
    events : array of ``EVENT_DTYPE``, shape (n,)
        As :func:`event_rows` makes them.

    Returns
    -------
    array of int16, shape (n, 12)
        Bit-exact with the gateware, the first row with an empty history.
    """
    column = {name: events[name] for name in EVENT_DTYPE.names or ()}
    bid, ask, bid_q, ask_q = (column[name] for name in (
        "bid_price", "ask_price", "bid_quantity", "ask_quantity"))
    usable = column["usable"] != 0
    follows = usable & (_before(column["usable"]) != 0)
    lean = ((bid_q >= 2 * ask_q).astype(np.int64) + (bid_q >= 8 * ask_q)
            - (ask_q >= 2 * bid_q) - (ask_q >= 8 * bid_q))
    bid_flow, ask_flow = np.minimum(bid_q, 65535), np.minimum(ask_q, 65535)
    bid_move, ask_move = _change(bid), _change(ask)
    flow = ((bid_move >= 0) * bid_flow - (bid_move <= 0) * _before(bid_flow)
            - (ask_move <= 0) * ask_flow + (ask_move >= 0) * _before(ask_flow))
    mid_move: NDArray[np.int64] = np.clip(np.where(follows, _change(bid + ask), 0), -32768, 32767)
    traded = np.minimum(column["traded"], 65535) * column["execution"]
    trade: NDArray[np.int64] = traded * (column["exact"] != 0)
    signed_trade: NDArray[np.int64] = np.where(column["sells"] != 0, trade, -trade)
    size: NDArray[np.int64] = np.abs(mid_move)
    fresh = column["repeated"] == 0
    hidden = np.minimum(column["hidden_trades"], 7)
    trades = fresh * (column["execution"] + hidden)
    time = column["time_ns"] >> 10
    last_trade = np.maximum.accumulate(np.where(trades > 0, np.arange(len(events)), -1))
    found = _before(last_trade, -1)
    since = np.maximum(0, time - time[np.maximum(found, 0)])
    depths = [np.minimum(_before(column[name]), 2**32 - 1) for name in ("bid_depth", "ask_depth")]
    known = (depths[0] >= 0) & (depths[1] >= 0)
    result = np.stack([
        ask - bid,
        mid_move,
        np.where(follows, _change(2 * (bid + ask) + lean * (ask - bid)), 0),
        _logarithm(bid_q) - _logarithm(ask_q),
        _leaky(flow, 4, keeps=follows),
        np.where(known, _logarithm(np.maximum(depths[0], 0))
                 - _logarithm(np.maximum(depths[1], 0)), 0),
        _before(_leaky(signed_trade, 5)),
        _before(_leaky(size, 4)),
        _intensity(64 * fresh, column["time_ns"], 23),
        _intensity(64 * trades, column["time_ns"], 27),
        np.where(found < 0, 63, np.frexp(since.astype(np.float64))[1]),
        column["position"],
    ], axis=1)
    return np.clip(result, -32768, 32767).astype(np.int16)
