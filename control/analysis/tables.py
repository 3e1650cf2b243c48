"""Orders, executions and equity of a run as Arrow tables, for those who go on from there."""
# The stubs of pyarrow leave type arguments open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from control.analysis.markouts import HORIZONS_NS
from control.analysis.run import RunAnalysis
from proto.events import OrderFlag

__all__ = ["equity_table", "fills_table", "orders_table", "write_tables"]


def orders_table(run: RunAnalysis) -> pa.Table:
    """Return a row an order, in the order in which they were sent.

    Prices in 1e-4 USD, quantities in shares, times in ns since midnight of the exchange, latencies
    in core cycles; null for what did not happen or is not known.
    """
    lives = run.orders.lives
    logged = [life.logged for life in lives]
    flags = [OrderFlag(life.sent["flags"]) for life in lives]

    def sent(name: str) -> list[int]:
        return [life.sent[name] for life in lives]

    return pa.table({
        "user_ref_num": pa.array([order.user_ref_num for order in logged], pa.uint32()),
        "symbol": _words([life.symbol for life in lives]),
        "side": _words(["sell" if order.sell else "buy" for order in logged]),
        "time_in_force": _words(["day" if order.day else "ioc" for order in logged]),
        "short": pa.array([OrderFlag.SHORT in flag for flag in flags], pa.bool_()),
        "waited": pa.array([OrderFlag.WAITED in flag for flag in flags], pa.bool_()),
        "quantity": pa.array([order.quantity for order in logged], pa.uint32()),
        "price_e4": pa.array([order.price_e4 for order in logged], pa.uint32()),
        "score": pa.array([life.score for life in lives], pa.int32()),
        "model_epoch": pa.array([order.epoch for order in logged], pa.uint16()),
        "feed_sequence": pa.array(sent("feed_sequence"), pa.uint64()),
        "latency_cycles": pa.array([order.latency_cycles or None for order in logged],
                                   pa.uint16()),
        "decide_cycles": pa.array([
            life.sent["decision_cycle"] - life.sent["ingress_cycle"]
            if life.sent["ingress_cycle"] and life.sent["decision_cycle"] else None
            for life in lives], pa.int64()),
        "status": _words([order.status.value for order in logged]),
        "executed_quantity": pa.array([order.executed_quantity for order in logged], pa.uint32()),
        "executed_value_e4": pa.array([order.executed_value_e4 for order in logged], pa.uint64()),
        **{name: pa.array([getattr(life, name) for life in lives], pa.int64())
           for name in ("trigger_ns", "sent_ns", "accepted_ns", "cancel_sent_ns", "ended_ns")},
    })


def fills_table(run: RunAnalysis) -> pa.Table:
    """Return a row an execution, by the venue's time.

    Costs and markouts are twice those a share, in 1e-4 USD, as a mid may end in half of that.
    """
    fills = run.fills
    columns: dict[str, Any] = {
        "user_ref_num": pa.array([fill.user_ref_num for fill in fills], pa.uint32()),
        "symbol": _words([fill.symbol for fill in fills]),
        "side": _words(["sell" if fill.sell else "buy" for fill in fills]),
        "quantity": pa.array([fill.quantity for fill in fills], pa.uint32()),
        "price_e4": pa.array([fill.price_e4 for fill in fills], pa.uint32()),
        "venue_ns": pa.array([fill.venue_ns for fill in fills], pa.int64()),
        "session_sequence": pa.array([fill.session_sequence for fill in fills], pa.uint64()),
        "cost_e4_x2": pa.array(run.half_spreads_x2.tolist(), pa.int64()),
    }
    for number, horizon_ns in enumerate(HORIZONS_NS):
        values = run.markouts_x2[:, number].tolist()
        columns[f"markout_{horizon_ns}ns_e4_x2"] = pa.array(values, pa.int64())
    return pa.table(columns)


def equity_table(run: RunAnalysis) -> pa.Table:
    """Return a row each change of the account: time, cash, equity, and positions by symbol."""
    curve = run.curve
    return pa.table({
        "ts_ns": pa.array(curve.ts_ns), "cash_e4": pa.array(curve.cash_e4),
        "equity_e4": pa.array(curve.equity_e4),
        **{f"position_{symbol}": pa.array(shares) for symbol, shares in curve.positions.items()}})


def write_tables(run: RunAnalysis, folder: Path) -> list[Path]:
    """Write the three tables as Parquet files; return their paths.

    Raises
    ------
    OSError
        If that cannot be done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, table in (("orders", orders_table(run)), ("fills", fills_table(run)),
                        ("equity", equity_table(run))):
        path = folder / f"{name}.parquet"
        origin = run.recording.origin.metadata(name)
        pq.write_table(table.replace_schema_metadata(origin), str(path), compression="zstd")
        written.append(path)
    return written


def _words(values: Sequence[str]) -> Any:
    return pa.array(values, pa.string()).dictionary_encode()
