"""Features in plain integers: the specification of :mod:`hdl.feature`, and its numpy twin."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureState", "Features", "Touch", "vectors"]


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


def _saturate(value: int) -> int:
    return max(-32768, min(32767, value))


def _log2(quantity: int) -> int:
    """Return the piecewise linear logarithm, 8 fraction bits."""
    if quantity == 0:
        return 0
    whole = quantity.bit_length() - 1
    return 256 * whole + (256 * (quantity - 2 ** whole)) // 2 ** whole


@dataclass
class FeatureState:
    """What is remembered of a symbol's last usable event."""

    touch: Touch
    order_flow: int = 0


@dataclass
class Features:
    """Feature extraction for any number of symbols."""

    states: dict[int, FeatureState] = field(default_factory=dict[int, FeatureState])

    def update(self, symbol: int, touch: Touch) -> tuple[int, int, int, int]:
        """Return the vector after one event of a symbol."""
        before = self.states.pop(symbol, None) if touch.usable else None
        if not touch.usable:
            self.states.pop(symbol, None)
        mid_move = order_flow = 0
        if before is not None:
            was = before.touch
            mid_move = (touch.bid_price + touch.ask_price) - (was.bid_price + was.ask_price)
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
            order_flow = before.order_flow - before.order_flow // 16 + event
        if touch.usable:
            self.states[symbol] = FeatureState(touch, order_flow)
        return (
            _saturate(touch.ask_price - touch.bid_price),
            _saturate(mid_move),
            _log2(touch.bid_quantity) - _log2(touch.ask_quantity),
            _saturate(order_flow),
        )


def vectors(touches: NDArray[np.int64]) -> NDArray[np.int16]:
    """Return the vectors of one symbol's events, all usable.

    Parameters
    ----------
    touches : array of int64, shape (n, 4)
        Columns bid price, bid quantity, ask price, ask quantity.

    Returns
    -------
    array of int16, shape (n, 4)
        Bit-exact with the gateware, the first row with an empty history.
    """
    bid, bid_q, ask, ask_q = (touches[:, column] for column in range(4))
    result = np.zeros((len(touches), 4), dtype=np.int64)
    result[:, 0] = ask - bid
    result[1:, 1] = np.diff(bid + ask)

    def log2(quantity: NDArray[np.int64]) -> NDArray[np.int64]:
        # frexp is exact for integers below 2**53.
        whole = np.frexp(np.maximum(quantity, 1).astype(np.float64))[1].astype(np.int64) - 1
        fraction = ((quantity << 8) >> whole) - 256
        return np.where(quantity > 0, 256 * whole + fraction, 0)

    result[:, 2] = log2(bid_q) - log2(ask_q)
    bid_flow, ask_flow = np.minimum(bid_q, 65535), np.minimum(ask_q, 65535)
    bid_move, ask_move = np.diff(bid), np.diff(ask)
    event = ((bid_move >= 0) * bid_flow[1:] - (bid_move <= 0) * bid_flow[:-1]
             - (ask_move <= 0) * ask_flow[1:] + (ask_move >= 0) * ask_flow[:-1])
    order_flow = 0
    for row in range(1, len(touches)):
        order_flow += int(event[row - 1]) - (order_flow >> 4)
        result[row, 3] = order_flow
    return np.clip(result, -32768, 32767).astype(np.int16)
