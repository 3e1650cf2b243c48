"""``tickwire record`` against a service with an appliance that is made up."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from control.recorder.reader import open_recording
from proto.events import EVENTS, EventKind
from tests.unit.control.plant import running_plant

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def plant():
    with running_plant() as running:
        yield running


def record(kind, number, **values):
    layout = EVENTS[kind]
    return layout.encode({**dict.fromkeys((field.name for field in layout), 0),
                          "schema_version": 1, "kind": kind, "event_sequence": number, **values})


def begin(plant, *arguments):
    """Run the command in a thread until it listens; return the thread and what it will answer."""
    found = []
    thread = threading.Thread(target=lambda: found.append(plant.command("record", *arguments)))
    thread.start()
    plant.until(lambda: plant.appliance.broker._subscriptions)
    return thread, found


def test_records_are_written_until_there_are_enough(plant, tmp_path):
    plant.json("symbols", "set", "AAPL")
    out = tmp_path / "new" / "run"
    thread, found = begin(plant, "--out", str(out), "--count", "3", "--output", "json")
    sent = [record(EventKind.TOP_OF_BOOK, 0, bid_price=5), record(EventKind.STATE, 0, cash=7),
            record(EventKind.TOP_OF_BOOK, 1, bid_price=6)]
    for one in sent:
        plant.call(plant.fake.record, one)
    thread.join(10)
    status, text, said = found[0]
    assert status == 0 and "recording 3 records" in said
    assert json.loads(text) == {"recording": str(out), "records": 3, "state": 1, "top_of_book": 2,
                                "dropped": 0, "ended_by": "count"}
    recording = open_recording(out)
    assert recording.closed and recording.origin.began
    assert recording.origin.core_hz == plant.json("status")["status"]["core_hz"]
    assert recording.origin.map_hash == plant.json("status")["status"]["map_hash"]
    rows = recording.table(EventKind.TOP_OF_BOOK).to_pylist()
    assert [(row["symbol"], row["bid_price"]) for row in rows] == [("AAPL@XNAS", 5),
                                                                 ("AAPL@XNAS", 6)]


def test_only_some_kinds(plant, tmp_path):
    thread, found = begin(plant, "--out", str(tmp_path), "--count", "1", "--kind", "state")
    plant.call(plant.fake.record, record(EventKind.TOP_OF_BOOK, 0))
    plant.call(plant.fake.record, record(EventKind.STATE, 0))
    thread.join(10)
    status, text, _ = found[0]
    assert status == 0 and "state: 1" in text and "top of book" not in text


def test_the_end_of_the_service_closes_the_recording(plant, tmp_path):
    thread, found = begin(plant, "--out", str(tmp_path), "--output", "json")
    plant.call(plant.fake.record, record(EventKind.STATE, 0))
    plant.until(lambda: plant.appliance.broker.received == 1)
    plant.call(plant.appliance.broker.close)
    thread.join(10)
    status, text, _ = found[0]
    assert status == 0 and json.loads(text)["ended_by"] == "server"
    assert open_recording(tmp_path).table(EventKind.STATE).num_rows == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(plant, tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "control", "record", "--out", str(tmp_path / "r"),
         "--server", plant.address], cwd=ROOT, env=dict(os.environ), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        plant.until(lambda: plant.appliance.broker._subscriptions, 30)
        plant.call(plant.fake.record, record(EventKind.STATE, 0))
        time.sleep(0.2)     # the record is on its way, which nobody tells us the end of
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "ended by: user" in out
    assert open_recording(tmp_path / "r").closed


def test_what_is_wrong_is_told_before_anything_is_recorded(plant, tmp_path):
    assert plant.refused("record") [0] == 2
    (tmp_path / "recording.json").write_text("{}")
    status, said = plant.refused("record", "--out", str(tmp_path))
    assert status == 2 and "holds a recording already" in said
    status, said = plant.refused("record", "--out", str(tmp_path / "a"), "--kind", "gossip")
    assert status == 2 and "kinds must be" in said
    status, said = plant.refused("record", "--out", str(tmp_path / "b"), "--server", "127.0.0.1:1")
    assert status == 4 and not (tmp_path / "b").exists()
