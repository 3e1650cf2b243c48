"""Stylised facts of one symbol, measured on its ITCH messages, whoever made them.

The same code measures a real capture and a simulated market, so that the numbers can be compared.
What depends on how busy a market is, is counted in messages of the symbol and not in seconds.

Only continuous trading counts: from the start of market hours on, and while the trading state is
``T``. The sign of an execution of a displayed order is that of its taker; that of a hidden one
follows from its price and the mid (Lee and Ready 1991), since ITCH does not tell. Executions of
one instant and one sign are one trade.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proto.wire import itch50
from proto.wire.itch50 import EventCode, Flag, Side, TradingState
from proto.wire.message import Message, Value
from sim.errors import SimulationError
from sim.golden.book import Books

__all__ = ["LAGS", "SCALES", "Facts", "autocorrelation", "hill_index", "measure"]

#: Lags, in trades or in returns, at which autocorrelations are told.
LAGS = (1, 2, 3, 5, 10, 20, 50, 100)
#: Messages that a return spans.
SCALES = (10, 100, 1000)
#: Part of a sample that counts as its tail.
_TAIL = 0.05
#: Shorter lives than this number of messages are fleeting.
_FLEETING = 10

#: Shares of the orders whose lives are told, and sizes of which the share above is told.
_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_SIZES = (1, 10, 50, 100, 200, 500, 1000, 2000, 5000)

_TYPE_BYTE = {table.type: table for table in itch50.MESSAGES.values()}
_LOCATE = itch50.HEADER.field("stock_locate").span
_STAMP = itch50.HEADER.field("timestamp").span


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was measured; nothing of it has a unit but what says so.

    Attributes
    ----------
    messages, trades : int
        Messages of the symbol, and trades, in continuous trading.
    mix : dict of str to float
        Share of each message type.
    spread_ticks : dict of str to float
        Mean, median and ninth decile, each message counting once.
    spread_share : dict of int to float
        Share of the messages after which the spread is so many ticks.
    sign_autocorrelation : dict of int to float
        Of the signs of trades, by lag.
    sign_decay : float
        Exponent g of a fit of lag ** -g to lags 1 to 50.
    kurtosis : dict of int to float
        Excess kurtosis of the moves of the mid over so many messages; 0 of a normal distribution.
    return_tail : float
        Hill index of the largest twentieth of the absolute moves over 100 messages.
    return_autocorrelation, volatility_autocorrelation : dict of int to float
        Of the moves of the mid over 100 messages, and of their absolute values, by lag.
    life_messages : dict of str to float
        Messages of the symbol while an order lives: deciles 1, 5 and 9; share of fleeting ones.
    life_shares : dict of float to float
        Messages after which that share of the orders has ended.
    fate : dict of str to float
        Share of the orders that end executed, deleted, replaced.
    order_shares : dict of str to float
        Mean and median size of an order, share of single round lots and of odd lots, Hill index.
    order_sizes : dict of int to float
        Share of the orders of at least so many shares.
    trade_shares : dict of str to float
        Mean and median size of a trade, Hill index.
    hidden_volume : float
        Part of the executed shares that was not displayed.
    burstiness : float
        Standard deviation of the time between messages over its mean; 1 of a Poisson process.
    """

    messages: int
    trades: int
    mix: dict[str, float]
    spread_ticks: dict[str, float]
    spread_share: dict[int, float]
    sign_autocorrelation: dict[int, float]
    sign_decay: float
    kurtosis: dict[int, float]
    return_tail: float
    return_autocorrelation: dict[int, float]
    volatility_autocorrelation: dict[int, float]
    life_messages: dict[str, float]
    life_shares: dict[float, float]
    fate: dict[str, float]
    order_shares: dict[str, float]
    order_sizes: dict[int, float]
    trade_shares: dict[str, float]
    hidden_volume: float
    burstiness: float

    def as_json(self) -> dict[str, Any]:
        """Return the facts, ready for JSON, with five significant digits."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}  # type: ignore[reportUnknownVariableType]
    return float(f"{value:.5g}") if isinstance(value, float) else value


@dataclass
class _Tape:
    """What is noted while the messages pass."""

    kinds: Counter[str] = field(default_factory=Counter[str])
    stamps: list[int] = field(default_factory=list[int])
    touches: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    trades: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    lives: list[int] = field(default_factory=list[int])
    fates: Counter[str] = field(default_factory=Counter[str])
    sizes: list[int] = field(default_factory=list[int])
    hidden: int = 0
    executed: int = 0


class _Reader:
    """Follows one symbol through a stream of messages."""

    def __init__(self, locate: int) -> None:
        self.tape = _Tape()
        self._locate = locate
        self._books = Books()
        self._born: dict[int, int] = {}
        self._hours = False
        self._trading = True
        self._stretch = 0           # of trading without a halt
        self._count = 0
        self._last_sign = 1

    def take(self, message: bytes) -> None:
        """Take in one message."""
        kind = message[:1]
        if kind == itch50.SYSTEM_EVENT.type:
            code = itch50.SYSTEM_EVENT.decode(message)["event_code"]
            self._hours = (self._hours or code == EventCode.START_OF_MARKET_HOURS) and \
                code != EventCode.END_OF_MARKET_HOURS
        if int.from_bytes(message[_LOCATE], "big") != self._locate:
            return
        fields = _TYPE_BYTE[kind].decode(message)
        if kind == itch50.STOCK_TRADING_ACTION.type:
            self._trading = fields["trading_state"] == TradingState.TRADING
            self._stretch += not self._trading
        counts = self._hours and self._trading
        self._count += 1
        self._orders(_TYPE_BYTE[kind], fields, counts)
        self._books.apply(message)
        if counts:
            self.tape.kinds[kind.decode("ascii")] += 1
            self.tape.stamps.append(int.from_bytes(message[_STAMP], "big"))
            bid, _, _, ask, _, _ = self._books.top(self._locate)
            self.tape.touches.append((bid, ask, self._stretch))

    def _orders(self, table: Message, fields: dict[str, Value], counts: bool) -> None:
        """Note trades, and what begins or ends, before the book changes."""
        if table in (itch50.ADD_ORDER, itch50.ADD_ORDER_MPID):
            self._begin(int(fields["order_reference_number"]), int(fields["shares"]), counts)
        elif table is itch50.TRADE:
            if counts:
                self._trade(int(fields["timestamp"]), self._hidden_sign(int(fields["price"])),
                            int(fields["shares"]))
                self.tape.hidden += int(fields["shares"])
        elif table is itch50.ORDER_REPLACE:
            self._end(int(fields["original_order_reference_number"]), "replaced", counts)
            self._begin(int(fields["new_order_reference_number"]), int(fields["shares"]), counts)
        elif table is itch50.ORDER_DELETE:
            self._end(int(fields["order_reference_number"]), "deleted", counts)
        elif table in (itch50.ORDER_EXECUTED, itch50.ORDER_EXECUTED_WITH_PRICE):
            self._execution(fields, counts)

    def _execution(self, fields: dict[str, Value], counts: bool) -> None:
        reference, shares = int(fields["order_reference_number"]), int(fields["executed_shares"])
        order = self._books.orders.get(reference)
        if order is None:
            return
        if counts and fields.get("printable", Flag.YES) == Flag.YES:
            self._trade(int(fields["timestamp"]), -1 if order.side == Side.BUY.value else 1, shares)
        if shares >= order.shares:
            self._end(reference, "executed", counts)

    def _hidden_sign(self, price_e4: int) -> int:
        bid, _, _, ask, _, _ = self._books.top(self._locate)
        above = 2 * price_e4 - bid - ask
        return (above > 0) - (above < 0) or self._last_sign

    def _trade(self, stamp: int, sign: int, shares: int) -> None:
        trades = self.tape.trades
        if trades and trades[-1][:2] == (stamp, sign):
            shares += trades.pop()[2]
        trades.append((stamp, sign, shares))
        self._last_sign = sign

    def _begin(self, reference: int, shares: int, counts: bool) -> None:
        self._born[reference] = self._count
        if counts:
            self.tape.sizes.append(shares)

    def _end(self, reference: int, fate: str, counts: bool) -> None:
        born = self._born.pop(reference, None)
        if counts and born is not None:
            self.tape.lives.append(self._count - born)
            self.tape.fates[fate] += 1


def measure(messages: Iterable[bytes], *, locate: int, tick_e4: int = 100) -> Facts:
    """Measure the facts of one symbol.

    Parameters
    ----------
    messages : iterable of bytes
        ITCH messages without their length field, in order.
    locate : int
        Stock locate of the symbol.
    tick_e4 : int
        Its tick, in 1e-4 USD.

    Raises
    ------
    SimulationError
        If there is too little to measure.
    """
    reader = _Reader(locate)
    for message in messages:
        reader.take(message)
    tape = reader.tape
    if len(tape.trades) < 2 * max(LAGS) or len(tape.touches) < 10 * max(SCALES):
        raise SimulationError(
            f"locate {locate}: facts need {2 * max(LAGS)} trades and {10 * max(SCALES):,} messages "
            f"of continuous trading, there are {len(tape.trades)} and {len(tape.touches):,}")
    return _facts(tape, tick_e4)


def _facts(tape: _Tape, tick_e4: int) -> Facts:
    touches = np.array(tape.touches, np.int64)
    # A touch of only a stub quote is none.
    both = touches[(touches[:, 1] > touches[:, 0] // 2) & (touches[:, 1] < 2 * touches[:, 0])]
    spread = (both[:, 1] - both[:, 0]) / tick_e4
    mids = both[:, :2].sum(axis=1) / (2 * tick_e4)
    signs = np.array([sign for _, sign, _ in tape.trades], np.float64)
    traded = np.array([shares for _, _, shares in tape.trades], np.int64)
    sign_acf = {lag: autocorrelation(signs, lag) for lag in LAGS}
    # A move from before a halt to after it is none of continuous trading.
    moves = {scale: np.diff(mids[::scale])[np.diff(both[::scale, 2]) == 0] for scale in SCALES}
    middle = moves[SCALES[1]]
    gaps = np.diff(np.array(tape.stamps, np.int64))
    lives = np.array(tape.lives, np.int64)
    sizes = np.array(tape.sizes, np.int64)
    ticks, counts = np.unique(np.round(spread).astype(np.int64), return_counts=True)
    executed = int(traded.sum())
    return Facts(
        messages=len(touches), trades=len(signs),
        mix=_shares(tape.kinds),
        spread_ticks={"mean": float(spread.mean()), "median": float(np.median(spread)),
                      "p90": float(np.percentile(spread, 90))},
        spread_share={int(tick): float(count) / len(spread)
                      for tick, count in zip(ticks, counts, strict=True)},
        sign_autocorrelation=sign_acf, sign_decay=_decay(signs),
        kurtosis={scale: excess_kurtosis(found) for scale, found in moves.items()},
        return_tail=hill_index(np.abs(middle)),
        return_autocorrelation={lag: autocorrelation(middle, lag) for lag in LAGS},
        volatility_autocorrelation={lag: autocorrelation(np.abs(middle), lag) for lag in LAGS},
        life_messages={"p10": float(np.percentile(lives, 10)), "p50": float(np.median(lives)),
                       "p90": float(np.percentile(lives, 90)),
                       "fleeting": float((lives < _FLEETING).mean())},
        life_shares={share: float(np.quantile(lives, share)) for share in _SHARES},
        fate=_shares(tape.fates),
        order_shares={**_sizes(sizes), "round_lot": float((sizes == 100).mean()),
                      "odd_lot": float((sizes < 100).mean())},
        order_sizes={size: float((sizes >= size).mean()) for size in _SIZES},
        trade_shares=_sizes(traded),
        hidden_volume=tape.hidden / executed,
        burstiness=float(gaps.std() / gaps.mean()))


def _shares(counter: Counter[str]) -> dict[str, float]:
    total = counter.total()
    return {name: count / total for name, count in counter.most_common()}


def _sizes(shares: NDArray[np.int64]) -> dict[str, float]:
    return {"mean": float(shares.mean()), "median": float(np.median(shares)),
            "tail": hill_index(shares.astype(np.float64))}


def autocorrelation(values: NDArray[np.float64], lag: int) -> float:
    """Return the autocorrelation of a series at a lag; 0 of a constant series."""
    centred = values - values.mean()
    power = float((centred * centred).sum())
    return float((centred[lag:] * centred[:-lag]).sum()) / power if power else 0.0


def excess_kurtosis(values: NDArray[np.float64]) -> float:
    """Return the excess kurtosis, 0 of a normal distribution and of a constant."""
    centred = values - values.mean()
    variance = float((centred**2).mean())
    return float((centred**4).mean()) / variance**2 - 3 if variance else 0.0


def hill_index(values: NDArray[np.float64], tail: float = _TAIL) -> float:
    """Return Hill's estimate of the tail exponent of positive values; infinite without a tail."""
    ordered = np.sort(values[values > 0])[::-1]
    count = max(2, int(len(ordered) * tail))
    if len(ordered) <= count:
        return float("inf")
    logs = np.log(ordered[:count] / ordered[count])
    mean = float(logs.mean())
    return 1 / mean if mean else float("inf")


def _decay(signs: NDArray[np.float64]) -> float:
    """Return g of lag ** -g; lags whose autocorrelation is not positive are left out."""
    lags = np.arange(1, 51)
    found = np.array([autocorrelation(signs, int(lag)) for lag in lags])
    good = found > 0
    if good.sum() < 5:
        return float("inf")
    slope, _ = np.polyfit(np.log(lags[good]), np.log(found[good]), 1)
    return -float(slope)
