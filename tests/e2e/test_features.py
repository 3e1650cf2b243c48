"""Features and levels of captures, out of hardware records, against plain Python and numpy."""

import csv
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proto.features import DEPTH_LEVELS, FEATURES
from sim.captures import Capture
from sim.golden.book_events import BookEvents
from sim.golden.feature import event_rows, vectors
from tests.support.data import data_path

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]

#: Capture, and how many events at least.
CAPTURES = {
    "AAPL, an hour of one symbol": (
        ("derived", "AAPL-20120621-0930-1030.itch.xz"), (), 89_877),
    "ESM4, 13,604 live orders": (("derived", "ESM4-20240508-2s.itch.xz"), (), 13_785),
    "04:00, 198 symbols": (
        ("nasdaq-itch50", "20191230-0400-first-500-book-messages.itch"), (), 500),
    "09:30, a mid-session join": (("nasdaq-itch50", "20191230-0930-open-1000.itch"), (), 784),
}


def tickwire(*arguments: object) -> str:
    """Run the command line as a user does."""
    done = subprocess.run([sys.executable, "-m", "control", *map(str, arguments)], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def golden_events(path):
    """Return the events of a capture's books: (sequence number, event).

    A symbol that never gets an order of its own has no book: a replay does not watch it.
    """
    events = BookEvents()
    found = []
    with_orders = set()
    for sequence, record in enumerate(Capture(path).records(), 1):
        event = events.apply(record.data)
        if event is not None:
            found.append((sequence, event))
        if record.data[:1] in (b"A", b"F"):
            with_orders.add(int.from_bytes(record.data[1:3], "big"))
    return [(sequence, event) for sequence, event in found if event.locate in with_orders]


@pytest.mark.parametrize("name", CAPTURES)
def test_vectors_and_levels_equal_the_specification(name, tmp_path):
    capture, options, count = CAPTURES[name]
    path = data_path(*capture)
    files = {kind: tmp_path / f"{kind}.csv" for kind in ("depth", "features")}
    tickwire("replay", path, "--depth", files["depth"], "--features", files["features"], *options)
    rows = {kind: list(csv.DictReader(file.read_text(encoding="ascii").splitlines()))
            for kind, file in files.items()}
    wanted = golden_events(path)
    assert len(wanted) == count

    # Levels: what is known is right, and all of it is known unless the record says that it is not.
    by_sequence = {int(row["seq"]): row for row in rows["depth"]}
    unknown = set()
    checked = 0
    for sequence, event in wanted:
        if not event.side:
            continue
        row = by_sequence[sequence]
        assert (int(row["locate"]), row["side"]) == (event.locate, event.side)
        levels = [(int(row[f"px_{n}"]), int(row[f"sz_{n}"]))
                  for n in range(1, DEPTH_LEVELS + 1) if row[f"px_{n}"]]
        assert levels == event.levels[:len(levels)], sequence
        if row["complete"] == "1":
            assert len(levels) == len(event.levels), sequence
        else:
            assert len(levels) < DEPTH_LEVELS
            unknown.add(sequence)
        checked += len(levels)
    assert checked > count
    assert len(unknown) <= count // 50

    # Vectors: every event has one, and each is that of numpy.
    by_locate = defaultdict(list)
    sides = {}
    for sequence, event in wanted:
        known = event.event
        if event.side:
            sides[event.locate, event.side] = sequence not in unknown
        by_locate[event.locate].append((sequence, event.touch, replace(
            known,
            bid_depth=known.bid_depth if sides.get((event.locate, "B"), True) else None,
            ask_depth=known.ask_depth if sides.get((event.locate, "S"), True) else None)))
    found = {int(row["seq"]): row for row in rows["features"]}
    assert len(found) == len(rows["features"]) == count
    for events in by_locate.values():
        values = vectors(event_rows([(touch, event) for _, touch, event in events]))
        got = np.array([[int(found[sequence][feature.name]) for feature in FEATURES]
                        for sequence, *_ in events])
        differing = np.flatnonzero((values != got).any(axis=1))
        assert not len(differing), (events[differing[0]], values[differing[0]], got[differing[0]])
        for sequence, touch, event in events:
            row = found[sequence]
            assert (int(row["ts_ns"]), bool(int(row["usable"]))) == (event.time_ns, touch.usable)
