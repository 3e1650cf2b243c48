"""Everything that the records of one run tell, and its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from control.analysis.columns import Ints
from control.analysis.equity import Curve, drawdown_e4, equity_curve
from control.analysis.latency import StageLatency, latency_by_stage
from control.analysis.markouts import Masked, effective_half_spread_x2, markout_rows, markouts_x2
from control.analysis.orders import Fill, Orders, order_lives
from control.analysis.quotes import FeedClock, Quotes, quotes_by_symbol
from control.analysis.refusals import Refusal, by_check, refusals_of
from control.analysis.signals import ScoreCheck, Signals, check_scores
from control.analysis.states import StateChange, state_changes
from control.orders import OrderStatus
from control.recorder.reader import Recording
from proto.events import EVENTS, EventKind

__all__ = ["RunAnalysis", "analyse", "refused", "summary"]


@dataclass(frozen=True, kw_only=True)
class RunAnalysis:
    """A recording, analysed.

    Attributes
    ----------
    recording : Recording
        Where it comes from.
    records : dict of str to int
        Records by kind.
    quotes : dict of str to Quotes
        Best bids and offers by symbol.
    orders : Orders
        Every order.
    fills : list of Fill
        Every execution, by the venue's time.
    curve : Curve
        Cash, positions and equity.
    markouts_x2, half_spreads_x2 : masked array
        Of the executions in `fills`; see :mod:`control.analysis.markouts`.
    stages : list of StageLatency
        Latency of the orders.
    refusals : list of Refusal
        What the risk gate refused.
    states : list of StateChange
        What changed in the appliance.
    signals : dict of str to Signals
        Scores after every message, by symbol, where they could be computed.
    score_check : ScoreCheck
        Whether they are those of the hardware.
    """

    recording: Recording
    records: dict[str, int]
    quotes: dict[str, Quotes]
    orders: Orders
    fills: list[Fill]
    curve: Curve
    markouts_x2: Masked
    half_spreads_x2: Masked
    stages: list[StageLatency]
    refusals: list[Refusal]
    states: list[StateChange]
    signals: Mapping[str, Signals]
    score_check: ScoreCheck

    @property
    def began_ns(self) -> int:
        """The exchange's time of the first message that anything is known of; 0 for none."""
        return min(self._ends(0), default=0)

    @property
    def ended_ns(self) -> int:
        """The exchange's time of the last one; 0 for none."""
        return max(self._ends(-1), default=0)

    def _ends(self, row: int) -> list[int]:
        found = [int(of.ts_ns[row]) for of in self.quotes.values() if len(of)]
        found += [self.fills[row].venue_ns] if self.fills else []
        return found + ([self.orders.lives[row].sent_ns] if self.orders.lives else [])


def analyse(recording: Recording, signals: Mapping[str, Signals] | None = None) -> RunAnalysis:
    """Analyse a recording.

    Parameters
    ----------
    recording : Recording
        Event records.
    signals : mapping of str to Signals, optional
        Scores and times of messages besides.

    Raises
    ------
    ControlError
        INVALID_RECORDING if it is damaged, or the appliance was reset in between.
    """
    tables = {kind: recording.table(kind) for kind in EVENTS}
    tops, answers = tables[EventKind.TOP_OF_BOOK], tables[EventKind.VENUE_ANSWER]
    sent, states = tables[EventKind.ORDER_SENT], tables[EventKind.STATE]
    quotes = quotes_by_symbol(tops)
    clock = FeedClock.of_records(tops, answers, states, recording.origin.core_hz)
    orders = order_lives(sent, answers, _message_times(quotes, signals or {}), clock)
    fills = orders.fills
    return RunAnalysis(
        recording=recording, quotes=quotes, orders=orders, fills=fills,
        records={kind.name.lower(): table.num_rows for kind, table in tables.items()},
        curve=equity_curve(fills, quotes), markouts_x2=markouts_x2(fills, quotes),
        half_spreads_x2=effective_half_spread_x2(fills, quotes),
        stages=latency_by_stage(sent),
        refusals=refusals_of(tables[EventKind.ORDER_REFUSED], clock),
        states=state_changes(states, clock), signals=signals or {},
        score_check=check_scores(orders.lives, signals or {}))


def _message_times(quotes: Mapping[str, Quotes], signals: Mapping[str, Signals]
                   ) -> dict[str, list[tuple[Ints, Ints]]]:
    """Return sequence numbers and times of the messages of each symbol that are known."""
    found: dict[str, list[tuple[Ints, Ints]]] = {}
    for known in (*quotes.values(), *signals.values()):
        found.setdefault(known.symbol, []).append((known.feed_sequence, known.ts_ns))
    return found


def summary(run: RunAnalysis) -> dict[str, Any]:
    """Return the numbers of a run as JSON has them; amounts in 1e-4 USD."""
    whole = run.stages[-1]
    paid = [fill.signed_quantity * fill.price_e4 for fill in run.fills]
    statuses = [life.logged.status for life in run.orders.lives]
    held = {symbol: int(shares[-1]) for symbol, shares in run.curve.positions.items()
            if len(shares)}
    return {
        "records": run.records, "complete": run.recording.closed,
        "dropped": run.recording.dropped,
        "seconds": (run.ended_ns - run.began_ns) / 1e9,
        "orders": len(run.orders.lives), "cancels": run.orders.cancels,
        "orders_by_status": {status.value: count for status in OrderStatus
                             if (count := statuses.count(status))},
        "fills": len(run.fills), "shares": sum(fill.quantity for fill in run.fills),
        "positions": held, "cash_e4": -sum(paid), "turnover_e4": sum(map(abs, paid)),
        "profit_e4": int(run.curve.equity_e4[-1]) if len(run.curve.equity_e4) else 0,
        "drawdown_e4": drawdown_e4(run.curve), "refused": refused(run),
        "refusals": dict(sorted(by_check(run.refusals).items())),
        "latency_cycles": {f"{share / 100:g}%": cycles
                           for share, cycles in whole.percentiles.items()},
        "core_hz": run.recording.origin.core_hz,
        "scores_computed": {"equal": run.score_check.equal,
                            "different": run.score_check.different},
        "mean_markouts_e4": {
            f"{row.horizon_ns / 1e6:g} ms": None if np.isnan(row.mean_e4) else
            round(row.mean_e4, 2) for row in markout_rows(run.fills, run.markouts_x2)},
    }


def refused(run: RunAnalysis) -> int:
    """Return the refusals of a run, however many checks each failed."""
    return sum(refusal.count for refusal in run.refusals)
