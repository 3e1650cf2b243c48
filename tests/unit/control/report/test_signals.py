"""Scores after every event, from records that were made up."""

import io

import pytest

from control.analysis.run import analyse
from control.cli.environment import Environment
from control.cli.main import run as tickwire
from control.recorder.origin import Origin
from control.recorder.reader import open_recording
from control.recorder.writer import Recorder
from control.report.signals import recorded_signals
from proto.events import EventKind, VectorFlag
from tests.support.recorded import CORE_HZ, record

BOTH = int(VectorFlag.USABLE | VectorFlag.SCORED)


@pytest.fixture
def folder(tmp_path):
    """Return a recording of two symbols, one vector of which was not scored."""
    with Recorder(tmp_path / "events", Origin(version="0.1.0", map_hash=0,
                                              core_hz=CORE_HZ)) as recorder:
        for number, (sequence, symbol, score, flags) in enumerate((
                (2, 2, 100, BOTH), (1, 2, 7, int(VectorFlag.USABLE)), (4, 3, -200, BOTH),
                (3, 2, -5, BOTH), (5, 2, 9, 0))):
            recorder.take(record(
                EventKind.FEATURE_VECTOR, event_sequence=number, symbol_index=symbol,
                feed_sequence=sequence, ts_ns=1000 * sequence, score=score,
                flags=flags), {2: "TEST@XNAS", 3: "OTHER@XNAS"}[symbol])
    return tmp_path


def test_every_score_that_could_have_made_an_order(folder):
    found = recorded_signals(open_recording(folder))
    assert list(found) == ["OTHER@XNAS", "TEST@XNAS"]
    signals = found["TEST@XNAS"]
    assert signals.feed_sequence.tolist() == [2, 3]
    assert signals.ts_ns.tolist() == [2000, 3000]
    assert signals.score.tolist() == [100, -5]
    assert found["OTHER@XNAS"].score.tolist() == [-200]
    assert analyse(open_recording(folder), found).signals is found


def test_without_vectors_there_is_none(tmp_path):
    with Recorder(tmp_path / "events", Origin(version="0.1.0", map_hash=0,
                                              core_hz=CORE_HZ)) as recorder:
        recorder.take(record(EventKind.STATE), "")
    assert recorded_signals(open_recording(tmp_path)) == {}


def test_a_report_shows_them(folder):
    environment = Environment(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(),
                              variables={})
    assert tickwire(["report", str(folder)], environment) == 0
    assert "orders            0" in environment.stdout.getvalue()
