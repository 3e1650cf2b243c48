"""Every order and refusal of a demo explained, and run again to one of them with a waveform."""

import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import pywellen
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from control.explain.explanation import explain_order, explain_refusal
from control.explain.run import open_run
from proto.events import OrderFlag
from proto.features import FEATURES
from proto.recording import EntryKind, RecordingLine, RecordingReader, RecordingWriter
from proto.wire.ethernet import FCS_BYTES
from sim.errors import SimulationError
from sim.golden.book_events import BookEvents
from sim.golden.feature import event_rows, vectors
from sim.recording import rerun
from sim.waves import GROUPS, SCOPE, fst_time

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
START = 0xFB
DEPTH = [feature.name for feature in FEATURES].index("imbalance_top5")


def command(module, *arguments, timeout=1800):
    return subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, text=True,
                          capture_output=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a short demo."""
    made = tmp_path_factory.mktemp("demo")
    done = command("demo", "run", "--seconds", "0.25", "--folder", made)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def run(folder):
    return open_run(folder)


@pytest.fixture(scope="module")
def events(folder):
    """Return the records of class 1, as they came over gRPC."""
    return [json.loads(line) for line in
            (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_recording_has_the_records_that_came_over_grpc(run, events):
    def known(fields):
        return {name: value for name, value in fields.items()
                if name not in ("kind", "symbol", "schema_version")}

    # The log leaves out what the market says.
    of_market = {"top_of_book", "feed_message", "feed_message_rest", "feature_vector",
                 "bid_depth", "ask_depth"}
    assert run.history.complete and run.market.dropped == 0
    assert [known(event.fields) for event in run.history.records
            if event.kind not in of_market] == [known(record) for record in events]


def test_every_vector_is_that_of_numpy_and_every_score_its_sum(run):
    books, by_symbol = BookEvents(), defaultdict(list)
    for sequence, message in sorted(run.market.messages.items()):
        event = books.apply(message.body)
        index = None if event is None else run.market.symbol_of(event.locate)
        if index is not None:
            by_symbol[index].append((sequence, event))
    compared = scored = 0
    for index, events_of in by_symbol.items():
        recorded = {vector.feed_sequence: vector for vector in run.vectors.of_symbol(index)}
        position = 0
        rows = []
        for sequence, event in events_of:
            if sequence in recorded:
                position = recorded[sequence].features[-1]
            rows.append((event.touch, replace(event.event, position=position)))
        wanted = vectors(event_rows(rows)).tolist()
        for (sequence, event), row in zip(events_of, wanted, strict=True):
            vector = recorded.get(sequence)
            if vector is None:
                continue
            got = list(vector.features)
            if got[DEPTH] == 0:     # some of the five levels were not known
                row[DEPTH] = 0
            assert got == row, (sequence, event)
            assert vector.usable == event.touch.usable
            compared += 1
            if vector.recorded_score is not None:
                message = run.market.messages[sequence]
                assert run.score(index, message)[1] == vector.recorded_score
                scored += 1
    # The first orders of the books come packed, faster than vectors are written.
    assert compared > 0.6 * sum(map(len, by_symbol.values())) and scored > 0.9 * compared


def test_every_order_is_explained_as_hardware_and_exchange_have_it(run, events, folder):
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    frames = {bytes(Ether(bytes(packet))) for packet in rdpcap(str(folder / "orders.pcap"))}
    sent = [event for event in events
            if event["kind"] == "order_sent" and not event["flags"] & OrderFlag.CANCEL]
    assert len(sent) == report["orders"]["entered"] > 0
    executed = 0
    for record in sent:
        found = explain_order(run, str(record["user_ref_num"]))
        order = found["order"]
        assert (order["symbol"], order["quantity"], order["price_e4"]) == (
            record["symbol"], record["quantity"], record["price"])
        assert found["trigger"]["sequence"] == record["feed_sequence"]
        assert found["trigger"]["symbol"] == record["symbol"]
        assert found["signal"]["score_equal"] is True
        assert not any(row["failed"] for row in found["checks"])
        assert all(row["recomputed_passes"] for row in found["checks"]), found["checks"]
        stages = {row["name"]: row["total_cycles"] for row in found["stages"]}
        assert list(stages.values()) == sorted(stages.values())
        assert stages["Start of the order's frame at the order pins"] == record["latency"]
        frame = bytes.fromhex(found["frame"]["bytes"])
        assert frame[:-FCS_BYTES] in frames     # as the exchange has captured it
        fields = {field["name"]: field["value"] for field in found["frame"]["fields"]}
        assert (fields["user_ref_num"], fields["price"], fields["quantity"]) == (
            record["user_ref_num"], record["price"], record["quantity"])
        assert not any("WRONG" in field["text"] for field in found["frame"]["fields"])
        executed += order["executed_quantity"]
    assert executed == report["fills"]["shares"]


def test_every_refusal_is_explained(run, events):
    refused = [event for event in events if event["kind"] == "order_refused"]
    assert refused
    for record in refused:
        found = explain_refusal(run, str(record["event_sequence"]))
        assert found["refusal"]["failed"] and found["trigger"]["symbol"]
        if record["count"] == 1:
            assert found["trigger"]["symbol"] == record["symbol"]
            assert found["signal"]["score_equal"] is True
            assert all(row["failed"] != row["recomputed_passes"] for row in found["checks"])


@pytest.fixture(scope="module")
def waves(folder, run):
    """Return the explanation of the last order, and its waveform."""
    number = run.sent()[-1].fields["user_ref_num"]
    path = folder / "order.fst"
    done = command("control", "explain", number, "--run", folder, "--waves", path, "--output",
                   "json")
    assert done.returncode == 0, done.stderr
    assert "are the same in the same cycles" in done.stderr
    return json.loads(done.stdout), path


def signals(path):
    """Return the signals of a waveform by name."""
    return {variable.full_name: variable for variable in
            pywellen.Waveform(str(path)).all_vars()}


def changes(variable):
    """Return the changes of a signal: time and value."""
    return list(variable.signal)


def test_the_waveform_has_the_start_of_the_order_in_its_cycle(waves, run):
    found, path = waves
    known = signals(path)
    data, control = (changes(known[f"{SCOPE}.order_tx_{name}"])
                     for name in ("data", "control"))
    start = fst_time(run.history.pins(found["frame"]["cycle"]))
    assert dict(control)[start] == 1 and dict(data)[start] & 0xFF == START
    assert [value for time, value in control if time < start] == [0xFF]
    # The bytes that follow are those of the frame.
    frame = bytes.fromhex(found["frame"]["bytes"])
    word = dict(data)[fst_time(run.history.pins(found["frame"]["cycle"] + 1))]
    assert word.to_bytes(8, "little") == frame[:8]
    score = changes(known[f"{SCOPE}.orders.decision.engine.scores__payload.score"])
    recorded = found["signal"]["recorded_score"]
    assert recorded % 2**32 in [value % 2**32 for _, value in score]


def test_the_view_names_signals_of_the_waveform_and_the_stamps(waves, run):
    found, path = waves
    known = signals(path)
    assert not [signal.full_name for group in GROUPS.values() for signal in group
                if signal.full_name not in known]
    view = path.with_suffix(".gtkw").read_text(encoding="ascii")
    for row in found["stages"]:
        assert row["name"] in view and f" {fst_time(run.history.pins(row['cycle']))} " in view
    for signal in (signal for group in GROUPS.values() for signal in group):
        assert signal.saved_name in view.splitlines()


def test_a_recording_of_other_frames_is_found_out(folder, run, waves, tmp_path):
    # What the venue sends is left out: the session never comes up.
    path = tmp_path / "other.twr"
    with RecordingReader(folder / "run.twr") as reader:
        writer = RecordingWriter(path, reader.head)
        for entry in reader:
            if not (entry.kind == EntryKind.QUEUED and entry.line == RecordingLine.ORDER):
                writer.put(EntryKind(entry.kind), entry.payload, cycle=entry.cycle,
                           time_ns=entry.time_ns, line=entry.line)
        writer.close()
    cycle = run.history.pins(run.sent()[0].fields["cycle"])
    with pytest.raises(SimulationError, match="the recording is of another design"):
        rerun(path, tmp_path / "other.fst", cycle - 10, cycle)
    with pytest.raises(SimulationError, match="the recording begins in cycle"):
        rerun(path, tmp_path / "other.fst", 0, 10)
