"""The score after every message, where more than the event records is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from control.analysis.columns import Ints
from control.analysis.orders import OrderLife

__all__ = ["ScoreCheck", "Signals", "check_scores"]


@dataclass(frozen=True)
class Signals:
    """Scores of one symbol after each message that they could be computed for, in order.

    Attributes
    ----------
    symbol : str
        Its name.
    ts_ns : Ints
        Times of the messages, ns since midnight.
    feed_sequence : Ints
        Their sequence numbers.
    score : Ints
        In the model's unit.
    """

    symbol: str
    ts_ns: Ints
    feed_sequence: Ints
    score: Ints


@dataclass(frozen=True)
class ScoreCheck:
    """How computed scores compare with those that the hardware put into its orders' records.

    Attributes
    ----------
    equal, different : int
        Orders.
    """

    equal: int = 0
    different: int = 0


def check_scores(lives: Sequence[OrderLife], signals: Mapping[str, Signals]) -> ScoreCheck:
    """Compare the score of each order with that computed after the message that caused it.

    Orders without such a message are left out.
    """
    equal = different = 0
    for life in lives:
        of = signals.get(life.symbol)
        if of is None or not life.sent["feed_sequence"]:
            continue
        row = np.flatnonzero(of.feed_sequence == life.sent["feed_sequence"])
        if len(row):
            same = int(of.score[row[0]]) == life.score
            equal, different = equal + same, different + (not same)
    return ScoreCheck(equal, different)
