"""Scores after every message, from a run that was made up, against sums by hand."""

import io

import pytest

from control.analysis.run import analyse
from control.cli.environment import Environment
from control.cli.main import run as tickwire
from control.recorder.origin import Origin
from control.recorder.reader import open_recording
from control.recorder.writer import Recorder
from control.report.signals import recorded_signals
from proto.events import EventKind
from proto.features import FEATURES
from proto.recording import FILE_NAME
from proto.wire import itch50
from sim.framing import FeedAddress
from tests.support.recorded import CORE_HZ, RecordedRun, feed_frame, record

INDEX, LOCATE = 2, 7
BID, ASK = 1_000_000, 1_000_200
#: L(300) - L(100), in 1/256 of an octave: 8 + 44/256 octaves less 6 + 36/64.
IMBALANCE = (256 * 8 + 44) - (256 * 6 + 144)


def load(made, cycle, bank, epoch, weights, bias):
    values = [weights.get(feature.name, 0) for feature in FEATURES] + [bias]
    for address, value in enumerate(values):
        made.write(cycle, model__bank=bank, model__address=address, model__data=value % (1 << 32),
                   model__write=1)
    made.write(cycle + 1, model__swap_bank=bank, model__swap_epoch=epoch,
               model__expected_epoch=epoch - 1, model__swap=1)


def delete(ts_ns, reference):
    return itch50.ORDER_DELETE.encode({"stock_locate": LOCATE, "tracking_number": 0,
                                       "timestamp": ts_ns, "order_reference_number": reference})


@pytest.fixture
def folder(tmp_path):
    """Return a run: two messages change the best, one between them does not."""
    made = RecordedRun(tmp_path / FILE_NAME)
    tops = []

    def frame(cycle, sequence, **touch):
        body = delete(10 * cycle, sequence)
        made.frame_in(cycle, feed_frame(FeedAddress(), sequence, [body]))
        if touch:
            values = {"symbol_index": INDEX, "locate": LOCATE, "feed_sequence": sequence,
                      "ts_ns": 10 * cycle, "ingress_cycle": cycle + 3, "bid_price": BID,
                      "ask_price": ASK, "bid_count": 1, "ask_count": 1, **touch}
            number = made.record(EventKind.TOP_OF_BOOK, cycle + 25, **values)
            tops.append(record(EventKind.TOP_OF_BOOK, cycle=cycle + 25, event_sequence=number,
                               **values))

    frame(30_000, 1, bid_quantity=300, ask_quantity=100)      # no model yet
    load(made, 40_000, 1, 1, {"spread": 2, "imbalance_top1": 3}, 5)
    frame(50_000, 2)
    frame(60_000, 3, bid_quantity=100, ask_quantity=100)
    load(made, 65_000, 0, 2, {"spread": -1}, 0)
    frame(70_000, 4)
    made.close()
    with Recorder(tmp_path / "events", Origin(version="0.1.0", map_hash=0,
                                              core_hz=CORE_HZ)) as recorder:
        for top in tops:
            recorder.take(top, "TEST@XNAS")
    return tmp_path


def test_a_score_after_every_message_by_the_model_of_that_moment(folder):
    found = recorded_signals(open_recording(folder))
    assert list(found) == ["TEST@XNAS"]
    signals = found["TEST@XNAS"]
    assert signals.feed_sequence.tolist() == [2, 3, 4]
    assert signals.ts_ns.tolist() == [500_000, 600_000, 700_000]
    assert signals.score.tolist() == [5 + 2 * 200 + 3 * IMBALANCE, 5 + 2 * 200, -200]
    assert analyse(open_recording(folder), found).signals is found


def test_without_a_recording_of_the_run_there_is_none(folder):
    (folder / FILE_NAME).unlink()
    assert recorded_signals(open_recording(folder)) == {}


def test_a_damaged_recording_of_the_run_costs_only_the_scores(folder):
    (folder / FILE_NAME).write_bytes(b"no such thing")
    environment = Environment(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(),
                              variables={})
    assert tickwire(["report", str(folder)], environment) == 0
    assert "scores between orders are left out" in environment.stderr.getvalue()
    assert "orders            0" in environment.stdout.getvalue()
