"""The demo's model: a least-squares fit to a simulated market, as a ``tickwire-model/1`` file.

A calibration run of the exchange simulator, alone and with a seed of its own, gives the best bid
and offer of each symbol after every message. The features are those of the hardware's numpy twin.
What is fitted is the move of the mid over the next 20 ms, in ticks; the second half of the run
tells how much of it the model explains. Everything is seeded, so the file is always the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from control.models import LinearModel, linear_model
from demo.market import OPENINGS_E4, TICK_E4, population
from proto.features import FEATURES
from sim.exchange.venue import simulated_exchange
from sim.golden.book_events import BookEvents
from sim.golden.feature import BookEvent, Touch, event_rows, vectors
from sim.library import Line
from sim.prescan import packet_of

__all__ = ["Calibration", "calibrate", "threshold_of", "write_model"]

#: Not that of any demo: the model has not seen the market that it trades.
CALIBRATION_SEED = 20_191_230
CALIBRATION_NS = 4_000_000_000
HORIZON_NS = 20_000_000

#: The score's unit is 2**-20 ticks: weights of a few hundred, worst case far below 32 bits.
FRACTION_BITS = 20

_TEST_VECTORS = 4


@dataclass(frozen=True)
class Calibration:
    """A fitted model, and how good it is.

    Attributes
    ----------
    model : LinearModel
        What the hardware loads.
    rows : int
        Events that it was fitted to, and as many that it was judged by.
    explained : float
        Share of the variance of the second half's moves that the model explains.
    """

    model: LinearModel
    rows: int
    explained: float


def calibrate(seed: int = CALIBRATION_SEED, duration_ns: int = CALIBRATION_NS) -> Calibration:
    """Run a market and fit the model to it."""
    parts = [_samples(*rows) for rows in _market(seed, duration_ns)]
    half = [len(moves) // 2 for _, moves in parts]
    fit_x = np.concatenate([x[:n] for (x, _), n in zip(parts, half, strict=True)])
    fit_y = np.concatenate([y[:n] for (_, y), n in zip(parts, half, strict=True)])
    test_x = np.concatenate([x[n:] for (x, _), n in zip(parts, half, strict=True)])
    test_y = np.concatenate([y[n:] for (_, y), n in zip(parts, half, strict=True)])
    # No constant: without a signal nothing is expected to move.
    weights, *_ = np.linalg.lstsq(fit_x, fit_y, rcond=None)
    quantised = [round(float(weight) * 2**FRACTION_BITS) for weight in weights]
    scores = test_x @ np.array(quantised)
    residual = test_y - scores / 2**FRACTION_BITS
    chosen = test_x[:: max(1, len(test_x) // _TEST_VECTORS)][:_TEST_VECTORS].astype(int).tolist()
    model = linear_model(name="demo-linear", weights=quantised, bias=0,
                         fraction_bits=FRACTION_BITS, vectors=_with_extremes(chosen))
    return Calibration(model, len(fit_x), 1 - float(residual.var() / test_y.var()))


def threshold_of(model: LinearModel) -> int:
    """Return the score at which a symbol trades: the mid is expected to move by a tick.

    That is the half spread of this market, and a little.
    """
    return 1 << model.fraction_bits


def write_model(path: Path) -> Calibration:
    """Fit the model and write its file."""
    calibration = calibrate()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(calibration.model.to_json(), encoding="utf-8")
    return calibration


def _with_extremes(found: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return vectors together with those of the ends of every feature's range."""
    low = [feature.minimum for feature in FEATURES]
    high = [feature.maximum for feature in FEATURES]
    return [*map(list, found), low, high]


def _market(seed: int, duration_ns: int) -> list[tuple[NDArray[np.int64], NDArray[np.void]]]:
    """Return times, and what its features are made of, of each event of a symbol."""
    exchange = simulated_exchange(OPENINGS_E4, seed=seed, population=population())
    exchange.start()
    exchange.advance(exchange.now_ns + duration_ns)
    events = BookEvents()
    found: dict[int, list[tuple[int, Touch, BookEvent]]] = {}
    for frame in exchange.take_frames():
        if frame.line is not Line.FEED_A:
            continue
        packet = packet_of(frame.frame)
        for message in packet.messages if packet is not None else ():
            event = events.apply(message)
            if event is not None:
                found.setdefault(event.locate, []).append((frame.time_ns, event.touch, event.event))
    return [(np.array([time_ns for time_ns, *_ in rows], np.int64),
             event_rows([(touch, event) for _, touch, event in rows])) for rows in found.values()]


def _samples(times: NDArray[np.int64], events: NDArray[np.void]
             ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features, and moves of the mid over the horizon in ticks, of one symbol."""
    bid, ask = events["bid_price"], events["ask_price"]
    mids = (bid + ask) / 2
    later = np.searchsorted(times, times + HORIZON_NS, side="right") - 1
    # Without a price on both sides, or with a stub quote on one, there is nothing to learn.
    priced = (0 < ask) & (ask < 2 * bid)
    whole = (times + HORIZON_NS <= times[-1]) & priced & priced[later]
    moves = (mids[later] - mids) / TICK_E4
    return vectors(events)[whole].astype(np.float64), moves[whole]
