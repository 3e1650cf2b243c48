"""Files of levels and features, from records made by hand."""

import pytest

from proto.events import EVENTS, SCHEMA_VERSION, UNKNOWN_PRICE, EventKind, VectorFlag
from proto.features import FEATURES
from sim.replay_details import DEPTH_COLUMNS, FEATURE_COLUMNS, DetailFiles

LOCATES = [14, 15]


def record(kind: EventKind, **values: int) -> bytes:
    fields = {field.name: 0 for field in EVENTS[kind]} | {
        "schema_version": SCHEMA_VERSION, "kind": int(kind), **values}
    return EVENTS[kind].encode(fields)


def lines(path) -> list[str]:
    content = path.read_bytes().decode("ascii")
    assert content.endswith("\r\n")
    return content.split("\r\n")[:-1]


def test_the_last_levels_of_a_message_count_and_the_unknown_are_empty(tmp_path):
    files = DetailFiles(depth=tmp_path / "depth.csv")
    assert files.setting == {"depth": True, "vectors": False}
    ask = {"symbol_index": 1, "feed_sequence": 9, "price_0": 100, "quantity_0": 5}
    files.take([
        record(EventKind.ASK_DEPTH, **ask, price_1=UNKNOWN_PRICE),
        record(EventKind.ASK_DEPTH, **ask, price_1=200, quantity_1=6),
        record(EventKind.BID_DEPTH, symbol_index=0, feed_sequence=3, price_0=UNKNOWN_PRICE),
    ], LOCATES)
    files.finish()
    assert lines(tmp_path / "depth.csv") == [
        ",".join(DEPTH_COLUMNS), "3,14,B,0" + 10 * ",", "9,15,S,1,100,5,200,6" + 6 * ","]


def test_features_are_signed_and_in_the_order_of_messages(tmp_path):
    files = DetailFiles(features=tmp_path / "features.csv")
    for sequence, value in ((8, -3), (2, 4)):
        files.take([record(
            EventKind.FEATURE_VECTOR, feed_sequence=sequence, ts_ns=77, symbol_index=1,
            flags=int(VectorFlag.USABLE) if value > 0 else 0, score=5,
            **{feature.name: value for feature in FEATURES})], LOCATES)
    files.finish()
    assert lines(tmp_path / "features.csv") == [
        ",".join(FEATURE_COLUMNS), "2,77,15,1" + len(FEATURES) * ",4",
        "8,77,15,0" + len(FEATURES) * ",-3"]


@pytest.mark.parametrize("name", ["depth", "features"])
def test_without_a_record_there_is_a_header(tmp_path, name):
    files = DetailFiles(**{name: tmp_path / "file.csv"})
    files.take([], LOCATES)
    files.finish()
    assert len(lines(tmp_path / "file.csv")) == 1
