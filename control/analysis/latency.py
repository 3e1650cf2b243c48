"""Latency of orders by stage, from the stamps in their records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from control.analysis.columns import column
from control.latency import SHARES_E4, percentiles
from proto.events import OrderFlag

__all__ = ["STAGES", "StageLatency", "latency_by_stage"]

#: The longest latency that a record tells; there it means this or more.
_SATURATED = 0xFFFF


@dataclass(frozen=True)
class Stage:
    """A part of the way of an order: its name, and where it begins and ends."""

    name: str
    begins: str
    ends: str


#: The parts, which add up to the last one.
STAGES = (
    Stage("receive", "Start of the trigger's frame at the pins", "the same in the core's clock"),
    Stage("decide", "Start of the trigger's frame in the core's clock",
          "the strategy asks the risk gate"),
    Stage("send", "the strategy asks the risk gate", "Start of the order's frame at the pins"),
    Stage("whole", "Start of the trigger's frame at the pins",
          "Start of the order's frame at the pins"),
)


@dataclass(frozen=True)
class StageLatency:
    """Latencies of one stage.

    Attributes
    ----------
    stage : Stage
        Which.
    bins : dict of int to int
        Orders by latency in core cycles.
    percentiles : dict of int to int
        Latency in core cycles that a share, in 1e-4, of the orders does not exceed.
    """

    stage: Stage
    bins: dict[int, int]
    percentiles: dict[int, int]

    @property
    def orders(self) -> int:
        """Orders measured."""
        return sum(self.bins.values())


def latency_by_stage(sent: pa.Table, *, waited: bool | None = None) -> list[StageLatency]:
    """Return the latencies of orders to enter that a market message has caused, a stage each.

    Parameters
    ----------
    sent : Table
        Records of orders and cancels sent.
    waited : bool or None
        Only orders that had to wait, or only others; None for all.
    """
    flags, whole = column(sent, "flags"), column(sent, "latency")
    chosen = (flags & OrderFlag.CANCEL == 0) & (whole > 0) & (whole < _SATURATED)
    chosen &= column(sent, "ingress_cycle") > 0
    if waited is not None:
        chosen &= (flags & OrderFlag.WAITED != 0) == waited
    ingress, decision, start = (column(sent, name)[chosen]
                                for name in ("ingress_cycle", "decision_cycle", "cycle"))
    whole = whole[chosen]
    parts = (whole - (start - ingress), decision - ingress, start - decision, whole)
    return [_of(stage, values.tolist()) for stage, values in zip(STAGES, parts, strict=True)]


def _of(stage: Stage, cycles: Sequence[int]) -> StageLatency:
    bins = dict(sorted(Counter(cycles).items()))
    return StageLatency(stage, bins, percentiles(bins, max(bins, default=0), SHARES_E4))
