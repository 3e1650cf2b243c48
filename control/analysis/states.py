"""What changed in the appliance's state, in words."""

from dataclasses import dataclass

import pyarrow as pa

from control.analysis.columns import column
from control.analysis.quotes import FeedClock
from proto.events import StateFlag
from proto.registers import register_map

__all__ = ["StateChange", "state_changes"]

_ON = {StateFlag.ARMED: "armed", StateFlag.KILLED: "killed", StateFlag.FEED_UP: "feed up",
       StateFlag.SESSION_UP: "session up", StateFlag.MODEL_LOADED: "model loaded"}
_OFF = {StateFlag.ARMED: "disarmed", StateFlag.KILLED: "kill cleared",
        StateFlag.FEED_UP: "feed down", StateFlag.SESSION_UP: "session down",
        StateFlag.MODEL_LOADED: "no model"}
_COLUMNS = ("flags", "cause", "epoch", "limits_version", "cash", "turnover")


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """One record of the state.

    Attributes
    ----------
    ts_ns : int
        The exchange's time, as :class:`FeedClock` tells it.
    now_ns : int
        Time of the hardware's clock.
    changes : tuple of str
        What is different from the record before; settings among them.
    trading : tuple of str
        Those of them that arm, disarm or kill, or take feed or session up or down.
    cash_e4, turnover_e4 : int
        The appliance's account, 1e-4 USD.
    """

    ts_ns: int
    now_ns: int
    changes: tuple[str, ...]
    trading: tuple[str, ...]
    cash_e4: int
    turnover_e4: int


def state_changes(records: pa.Table, clock: FeedClock) -> list[StateChange]:
    """Return what each record of the state tells that the one before did not."""
    times = clock.ns_of(column(records, "cycle")).tolist()
    now = column(records, "now_ns").tolist()
    rows = zip(*(column(records, name).tolist() for name in _COLUMNS), strict=True)
    before = (0, 0, 0, 0)
    found: list[StateChange] = []
    for ts_ns, now_ns, (flags, cause, epoch, limits, cash, turnover) in zip(times, now, rows,
                                                                         strict=True):
        trading = _flags(before[0], flags, cause)
        changes = list(trading)
        if epoch != before[2]:
            changes.append(f"model epoch {epoch}")
        if limits != before[3]:
            changes.append(f"limits version {limits}")
        before = (flags, cause, epoch, limits)
        found.append(StateChange(ts_ns=ts_ns, now_ns=now_ns, changes=tuple(changes),
                                 trading=tuple(trading), cash_e4=cash, turnover_e4=turnover))
    return found


def _flags(before: int, flags: int, cause: int) -> list[str]:
    found: list[str] = []
    for flag in StateFlag:
        if (before ^ flags) & flag:
            text = _ON[flag] if flags & flag else _OFF[flag]
            found.append(f"{text} ({', '.join(_causes(cause))})"
                         if flag is StateFlag.KILLED and flags & flag else text)
    return found


def _causes(cause: int) -> list[str]:
    register = register_map(symbols=1)["risk.cause"].register
    return [field.name for field in register.fields if field.extract(cause)] or ["no cause told"]
