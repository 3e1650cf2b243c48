"""Records through Parquet and back; what a death of the recorder leaves behind."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from control.broker import decode_event
from control.errors import ControlError, ExitStatus
from control.recorder.origin import Origin
from control.recorder.reader import open_recording
from control.recorder.schema import KIND_NAMES, UNKNOWN, arrow_schema, record_batch
from control.recorder.writer import Recorder
from proto.errors import ProtoError
from proto.events import EVENT_BYTES, EVENTS, SCHEMA_VERSION, AnswerCode, EventKind
from proto.wire.message import Kind

ORIGIN = Origin(version="0.1.0", map_hash=0x00C0FFEE, core_hz=156_250_000, commit="abc")
SEED = 20_191_230


def random_record(random_source: random.Random, kind: int) -> bytes:
    """Return a record of a kind with any bits, reserved ones zero."""
    raw = bytearray(random_source.randbytes(EVENT_BYTES))
    raw[0], raw[1] = SCHEMA_VERSION, kind
    if kind in list(EventKind):
        for field in EVENTS[EventKind(kind)]:
            if field.name == "reserved":
                raw[field.span] = bytes(field.size)
    return bytes(raw)


def extreme_records(kind: int) -> list[bytes]:
    return [bytes([SCHEMA_VERSION, kind]) + bytes([filler]) * (EVENT_BYTES - 2)
            for filler in (0, 0xFF, 0x80, 0x7F)]


def expected(kind: EventKind, record: bytes) -> dict:
    """Return a record as its layout decodes it."""
    return {name: value for name, value in EVENTS[kind].decode(record).items()
            if name != "reserved"}


@pytest.mark.parametrize("kind", list(EVENTS), ids=lambda kind: kind.name.lower())
def test_every_kind_reads_back_as_it_was_decoded(kind, tmp_path):
    source = random.Random(SEED + kind)
    records = [random_record(source, kind) for _ in range(200)] + extreme_records(kind)
    names = [source.choice(["AAPL@XNAS", "MSFT@XNAS", ""]) for _ in records]
    with Recorder(tmp_path / "r", ORIGIN, row_group_rows=64) as recorder:
        for record, name in zip(records, names, strict=True):
            recorder.take(record, name)
    rows = open_recording(tmp_path / "r").table(kind).to_pylist()
    assert [row.pop("symbol") for row in rows] == [name or None for name in names]
    assert rows == [expected(kind, record) for record in records]


def test_a_record_of_unknown_kind_keeps_its_bytes(tmp_path):
    records = [random_record(random.Random(SEED), 250) for _ in range(3)]
    with Recorder(tmp_path, ORIGIN) as recorder:
        for record in records:
            recorder.take(record)
    rows = open_recording(tmp_path).table(UNKNOWN).to_pylist()
    assert [row["record"] for row in rows] == records
    assert [row["kind"] for row in rows] == [250] * 3 and rows[0]["symbol"] is None


def test_signed_fields_are_signed_columns_and_no_others():
    for kind, message in EVENTS.items():
        schema = arrow_schema(kind.name.lower())
        for field in message:
            if field.name != "reserved":
                signed = pa.types.is_signed_integer(schema.field(field.name).type)
                assert signed == (field.kind is Kind.SINT), (kind, field.name)


def test_columns_tell_their_unit_and_names_of_values():
    answer = arrow_schema("venue_answer").field("answer").metadata or {}
    assert json.loads(answer[b"values"])["executed"] == AnswerCode.EXECUTED
    price = arrow_schema("order_sent").field("price").metadata or {}
    assert price[b"unit"] == b"1e-4 USD"
    for name in KIND_NAMES:
        assert "reserved" not in arrow_schema(name).names


def test_a_file_tells_where_it_comes_from(tmp_path):
    with Recorder(tmp_path, ORIGIN) as recorder:
        recorder.take(random_record(random.Random(1), EventKind.STATE))
    metadata = pq.read_schema(tmp_path / "state" / "00000.parquet").metadata
    assert {name: metadata[f"tickwire.{name}".encode()].decode() for name in
            ("format", "kind", "version", "map_hash", "core_hz", "schema_version", "commit")} == {
        "format": "tickwire-events/1", "kind": "state", "version": "0.1.0",
        "map_hash": "00c0ffee", "core_hz": "156250000", "schema_version": str(SCHEMA_VERSION),
        "commit": "abc"}
    found = open_recording(tmp_path)
    assert found.origin == ORIGIN and found.closed and not found.unfinished


def test_a_file_has_row_groups_and_no_more_rows_than_asked_for(tmp_path):
    record = random_record(random.Random(2), EventKind.TOP_OF_BOOK)
    with Recorder(tmp_path, ORIGIN, row_group_rows=10, part_rows=25) as recorder:
        for _ in range(60):
            recorder.take(record, "A@XNAS")
    files = [pq.ParquetFile(path).metadata for path in sorted(tmp_path.glob("*/*.parquet"))]
    assert [file.num_rows for file in files] == [25, 25, 10]
    assert [file.num_row_groups for file in files] == [3, 3, 1]
    assert open_recording(tmp_path).table(EventKind.TOP_OF_BOOK).num_rows == 60


def test_what_was_completed_outlives_the_recorder(tmp_path):
    now = 0.0
    recorder = Recorder(tmp_path, ORIGIN, row_group_rows=4, part_seconds=30, clock=lambda: now)
    record = random_record(random.Random(3), EventKind.ORDER_SENT)
    for _ in range(5):
        recorder.take(record)
    now = 29.0
    recorder.tick()
    assert not list(tmp_path.glob("*/*.parquet"))
    now = 30.0
    recorder.tick()
    for _ in range(6):
        recorder.take(record)
    # Here the process dies: nothing is closed.
    found = open_recording(tmp_path)
    assert found.table(EventKind.ORDER_SENT).num_rows == 5
    assert not found.closed
    assert [path.name for path in found.unfinished] == ["00001.parquet.partial"]


def test_a_closed_recording_counts_its_rows_and_what_was_dropped(tmp_path):
    recorder = Recorder(tmp_path, ORIGIN)
    recorder.take(random_record(random.Random(4), EventKind.STATE))
    recorder.drop(3)
    recorder.close()
    recorder.close()
    manifest = json.loads((tmp_path / "recording.json").read_text())
    assert manifest["rows"] == {"state": 1} and manifest["closed"]
    assert open_recording(tmp_path).dropped == 3


def test_the_files_are_read_by_their_glob_without_us(tmp_path):
    source = random.Random(5)
    records = [random_record(source, EventKind.TOP_OF_BOOK) for _ in range(20)]
    with Recorder(tmp_path, ORIGIN, part_rows=7) as recorder:
        for record in records:
            recorder.take(record, "A@XNAS")
    table = pq.read_table(tmp_path / "top_of_book")
    prices = np.asarray(table["bid_price"])
    assert prices.tolist() == [decode_event(record).fields["bid_price"] for record in records]


@pytest.mark.parametrize("change, told", [
    ({"format": "other/1"}, "format of"),
    ({"schema_version": 99}, "schema_version of"),
    ({"core_hz": 0}, "core_hz of"),
    ({"core_hz": "x"}, "must describe a recording"),
    ({"map_hash": "zz"}, "must describe a recording"),
    ({"version": None}, None),
])
def test_a_foreign_description_is_refused(tmp_path, change, told):
    Recorder(tmp_path, ORIGIN).close()
    path = tmp_path / "recording.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if told is None:
        open_recording(tmp_path)
        return
    with pytest.raises(ControlError, match=told) as caught:
        open_recording(tmp_path)
    assert caught.value.reason.exit_status is ExitStatus.FAILED


def test_damage_is_told_with_the_name_of_the_file(tmp_path):
    with pytest.raises(ControlError, match="there is no such folder"):
        open_recording(tmp_path / "nothing")
    with pytest.raises(ControlError, match="it holds none"):
        open_recording(tmp_path)
    with Recorder(tmp_path, ORIGIN) as recorder:
        recorder.take(random_record(random.Random(6), EventKind.STATE))
    file = tmp_path / "state" / "00000.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ControlError, match=r"00000\.parquet cannot be read"):
        open_recording(tmp_path).table(EventKind.STATE)
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(ControlError, match="columns of"):
        open_recording(tmp_path).table(EventKind.STATE)
    (tmp_path / "recording.json").write_text("{")
    with pytest.raises(ControlError, match="must describe a recording"):
        open_recording(tmp_path)


def test_a_folder_with_a_recording_is_not_written_over(tmp_path):
    Recorder(tmp_path, ORIGIN).close()
    with pytest.raises(ControlError, match="holds a recording already"):
        Recorder(tmp_path, ORIGIN)
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match="must be a folder"):
        Recorder(tmp_path / "file", ORIGIN)


def test_wrong_records_are_refused():
    with pytest.raises(ProtoError, match="64 bytes"):
        record_batch("state", [bytes(63)], [""])
    with pytest.raises(ProtoError, match="kind must be one of"):
        arrow_schema("gossip")


def test_a_link_to_a_recording_in_a_folder_of_a_run_is_found(tmp_path: Path):
    Recorder(tmp_path / "events", ORIGIN).close()
    assert open_recording(tmp_path).folder == tmp_path / "events"
