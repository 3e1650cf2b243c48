"""Scores after every event of a book, from a recording of vectors."""

import numpy as np

from control.analysis.columns import column, symbol_codes
from control.analysis.signals import Signals
from control.recorder.reader import Recording
from proto.events import EventKind, VectorFlag

__all__ = ["recorded_signals"]


def recorded_signals(recording: Recording) -> dict[str, Signals]:
    """Return the scores of each symbol of a recording that an order could have come from.

    Parameters
    ----------
    recording : Recording
        Event records; without those of vectors there is no score.
    """
    vectors = recording.table(EventKind.FEATURE_VECTOR)
    codes, names = symbol_codes(vectors)
    scored = (column(vectors, "flags") & VectorFlag.SCORED) != 0
    sequences, times, scores = (column(vectors, name)
                                for name in ("feed_sequence", "ts_ns", "score"))
    found: dict[str, Signals] = {}
    for name in sorted(set(names)):
        of_symbol = np.isin(codes, [code for code, other in enumerate(names) if other == name])
        rows = np.flatnonzero(of_symbol & scored)
        rows = rows[np.argsort(sequences[rows], kind="stable")]
        if len(rows):
            found[name] = Signals(name, times[rows], sequences[rows], scores[rows])
    return found
