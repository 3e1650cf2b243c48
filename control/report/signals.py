"""Scores after every message, from a recording of everything that the appliance saw."""

from bisect import bisect_right

import numpy as np

from control.analysis.columns import Ints, column, symbol_codes
from control.analysis.signals import Signals
from control.explain.features import vectors
from control.explain.run import Run, open_run
from control.recorder.reader import Recording
from proto.events import EventKind
from proto.features import FEATURES
from proto.recording import FILE_NAME

__all__ = ["recorded_signals"]

_Row = tuple[int, int, int]


def recorded_signals(recording: Recording) -> dict[str, Signals]:
    """Return the scores of each symbol of a recording; none without a recording of the whole run.

    Parameters
    ----------
    recording : Recording
        Event records, in ``events`` of the run's folder.

    Raises
    ------
    ControlError
        NO_RECORDING if that of the run is damaged.
    """
    path = recording.folder.parent / FILE_NAME
    if not path.is_file():
        return {}
    run = open_run(path)
    models = _Models(run)
    rows: dict[str, list[_Row]] = {}
    for index, name in _names(recording).items():
        rows.setdefault(name, []).extend(_scores(run, index, models))
    return {name: _signals(name, found) for name, found in rows.items() if found}


class _Models:
    """Weights and bias in force at a cycle."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._writes = [write.cycle for write in run.history.writes]
        self._found: dict[int, tuple[tuple[int, ...], int] | None] = {}

    def at(self, cycle: int) -> tuple[tuple[int, ...], int] | None:
        writes = bisect_right(self._writes, cycle)
        if writes not in self._found:
            self._found[writes] = self._run.settings(cycle).model(len(FEATURES))
        return self._found[writes]


def _names(recording: Recording) -> dict[int, str]:
    """Return the names of symbols by the number of their book."""
    tops = recording.table(EventKind.TOP_OF_BOOK)
    codes, names = symbol_codes(tops)
    indexes = column(tops, "symbol_index")
    pairs = set(zip(indexes.tolist(), codes.tolist(), strict=True))
    return {index: names[code] for index, code in sorted(pairs)}


def _scores(run: Run, index: int, models: _Models) -> list[_Row]:
    """Return time, sequence number and score after each message of a symbol."""
    found: list[_Row] = []
    for vector in vectors(run.market, index):
        message = vector.message
        model, ts_ns = models.at(message.last_cycle), message.timestamp_ns
        if model is None or ts_ns is None:
            continue
        weights, bias = model
        score = bias + sum(weight * value for weight, value in
                           zip(weights, vector.features, strict=True))
        found.append((ts_ns, message.sequence, max(-2**31, min(2**31 - 1, score))))
    return found


def _signals(name: str, rows: list[_Row]) -> Signals:
    columns: Ints = np.array(sorted(rows, key=lambda row: row[1]), np.int64)
    return Signals(name, columns[:, 0], columns[:, 1], columns[:, 2])
