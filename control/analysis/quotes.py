"""Best bids and offers of a recording, and the time of the feed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from control.analysis.columns import Ints, column, symbol_codes
from proto.events import BookState

__all__ = ["FeedClock", "Quotes", "quotes_by_symbol"]

_WRONG = int(BookState.STALE | BookState.INCOMPLETE)
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Quotes:
    """Best bid and offer of one symbol after each change that was recorded, in order.

    Attributes
    ----------
    symbol : str
        Its name.
    ts_ns : Ints
        Time of the message that made the change, ns since midnight.
    feed_sequence : Ints
        Its sequence number.
    bid_e4, ask_e4 : Ints
        Prices, 1e-4 USD; 0 = side empty.
    bid_quantity, ask_quantity : Ints
        Shares.
    exact : NDArray[np.bool_]
        The book is exact; both sides may still be empty.
    """

    symbol: str
    ts_ns: Ints
    feed_sequence: Ints
    bid_e4: Ints
    ask_e4: Ints
    bid_quantity: Ints
    ask_quantity: Ints
    exact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ts_ns)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Rows that have a mid: exact, and both sides there."""
        return self.exact & (self.bid_e4 > 0) & (self.ask_e4 > 0)

    @cached_property
    def mid_x2(self) -> Ints:
        """Twice the mid, 1e-4 USD; 0 where there is none."""
        return np.where(self.usable, self.bid_e4 + self.ask_e4, 0)

    @cached_property
    def spread_e4(self) -> Ints:
        """Offer minus bid, 1e-4 USD; 0 where there is no mid."""
        return np.where(self.usable, self.ask_e4 - self.bid_e4, 0)

    @cached_property
    def microprice_e4(self) -> NDArray[np.float64]:
        """Mid weighted by the size of the other side, 1e-4 USD; NaN where there is no mid."""
        total = np.where(self.usable, self.bid_quantity + self.ask_quantity, 0)
        weighted = self.bid_e4 * self.ask_quantity + self.ask_e4 * self.bid_quantity
        return np.divide(weighted, total, out=np.full(len(self), np.nan), where=total > 0)

    def row_at(self, ts_ns: Ints | int, *, before: bool = False) -> Ints:
        """Return the last row at or before a time, -1 if there is none.

        Parameters
        ----------
        ts_ns : int or array of int
            Times.
        before : bool
            A row at the very time does not count.
        """
        found = np.searchsorted(self.ts_ns, ts_ns, side="left" if before else "right")
        return np.asarray(found, np.int64) - 1

    def mid_x2_at(self, ts_ns: Ints, *, before: bool = False) -> Ints:
        """Return twice the mid in force at times, 0 where the book has none; see `row_at`."""
        if not len(self):
            return np.zeros(len(ts_ns), np.int64)
        row = self.row_at(ts_ns, before=before)
        return np.where(row >= 0, self.mid_x2[np.maximum(row, 0)], 0)


def quotes_by_symbol(tops: pa.Table) -> dict[str, Quotes]:
    """Return the quotes of every symbol in records of best bids and offers."""
    codes, names = symbol_codes(tops)
    state = column(tops, "state")
    columns = {name: column(tops, name) for name in (
        "ts_ns", "feed_sequence", "bid_price", "ask_price", "bid_quantity", "ask_quantity")}
    found: dict[str, Quotes] = {}
    present: list[int] = np.unique(codes).tolist()
    for symbol in sorted({names[code] for code in present}):
        of_symbol = [code for code, name in enumerate(names) if name == symbol]
        rows = np.flatnonzero(np.isin(codes, of_symbol))
        rows = rows[np.argsort(columns["ts_ns"][rows], kind="stable")]
        of = {name: values[rows] for name, values in columns.items()}
        found[symbol] = Quotes(
            symbol=symbol, ts_ns=of["ts_ns"], feed_sequence=of["feed_sequence"],
            bid_e4=of["bid_price"], ask_e4=of["ask_price"], bid_quantity=of["bid_quantity"],
            ask_quantity=of["ask_quantity"], exact=(state[rows] & _WRONG) == 0)
    return found


class FeedClock:
    """The exchange's time at any cycle.

    Records of orders are stamped in cycles; the times of the exchange's messages tell what time it
    was in some of them. In between, what follows is reckoned back from the next one, by the cycles
    until then: a simulated appliance that is idle jumps to the next message, so no time is known
    to have passed with the cycles before it. It is never earlier than the cycles since the last
    message say.

    Parameters
    ----------
    cycles, ts_ns : Ints
        Cycles at which messages came, and their times.
    core_hz : int
        Frequency of the core clock, Hz.
    """

    def __init__(self, cycles: Ints, ts_ns: Ints, core_hz: int) -> None:
        order = np.lexsort((ts_ns, cycles))
        cycles, ts_ns = cycles[order], np.maximum.accumulate(ts_ns[order])
        last = np.append(cycles[1:] != cycles[:-1], True) if len(cycles) else np.zeros(0, bool)
        self._cycles, self._ts_ns = cycles[last], ts_ns[last]
        self._core_hz = core_hz

    @classmethod
    def of_records(cls, tops: pa.Table, answers: pa.Table, states: pa.Table, core_hz: int) -> Self:
        """Return the clock of a recording.

        Parameters
        ----------
        tops, answers, states : Table
            Records of best bids and offers and of the venue's answers, whose messages have the
            exchange's time; of states, whose hardware time stands in if there are none of them.
        core_hz : int
            Frequency of the core clock, Hz.
        """
        stamps = [(column(tops, "ingress_cycle"), column(tops, "ts_ns")),
                  (column(answers, "cycle"), column(answers, "venue_ns"))]
        if not tops.num_rows and not answers.num_rows:
            stamps = [(column(states, "cycle"), column(states, "now_ns"))]
        return cls(np.concatenate([cycles for cycles, _ in stamps]),
                   np.concatenate([ts_ns for _, ts_ns in stamps]), core_hz)

    def duration_ns(self, cycles: Ints) -> Ints:
        """Return the time of some cycles, rounded down."""
        # Whole seconds apart from the rest, so that nothing overflows.
        seconds, rest = np.divmod(cycles, self._core_hz)
        return seconds * _SECOND_NS + rest * _SECOND_NS // self._core_hz

    def ns_of(self, cycles: Ints) -> Ints:
        """Return the time at each of some cycles, ns since midnight; 0 if nothing is known."""
        if not len(self._cycles):
            return np.zeros(len(cycles), np.int64)
        row = np.searchsorted(self._cycles, cycles, side="right") - 1
        before, after = np.maximum(row, 0), np.minimum(row + 1, len(self._cycles) - 1)
        since = self._ts_ns[before] + self.duration_ns(np.maximum(cycles - self._cycles[before], 0))
        until = self._ts_ns[after] - self.duration_ns(np.maximum(self._cycles[after] - cycles, 0))
        return np.where(self._cycles[before] == cycles, self._ts_ns[before],
                        np.where((row + 1 < len(self._cycles)) & (until > since), until, since))
