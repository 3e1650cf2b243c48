"""Files of rows: complete or to be gone on with, whatever happened."""

import json

import numpy as np
import pytest

from sim.appliance import TOP_OF_BOOK_DTYPE
from sim.replay_rows import COLUMNS, ResumeError, RowFile, row_lines

IDENTITY = {"captures": [["a.itch", 5]], "ticks": {"1": 100}}
HEAD = "seq,ts_ns,locate,bid_px,bid_sz,bid_ct,ask_px,ask_sz,ask_ct"


def records(*sequences: int, state: int = 0):
    found = np.zeros(len(sequences), TOP_OF_BOOK_DTYPE)
    found["feed_sequence"] = sequences
    found["bid_price"] = 100
    found["state"] = state
    return found


def row(sequence: int) -> str:
    return f"{sequence},0,0,100,0,0,0,0,0"


def lines(path) -> list[str]:
    content = path.read_bytes().decode()
    assert content.endswith("\r\n")
    return content.split("\r\n")[:-1]


def test_columns_are_those_of_the_format():
    assert ",".join(COLUMNS) == HEAD
    assert list(row_lines(records(3))) == [row(3) + "\r\n"]
    assert list(row_lines(records(3, state=0b10_0001), states=True)) == [
        row(3) + ",stale+closed\r\n"]


def test_one_pass_is_written_as_it_goes(tmp_path):
    path = tmp_path / "rows.csv"
    with RowFile(path, IDENTITY, 1) as file:
        assert file.begin(1) == 0
        file.write(0, records(1, 2))
        assert lines(path) == [HEAD, row(1), row(2)]
        file.write(0, records())
        file.write(0, records(9))
        file.end(1)
        file.finish()
    assert lines(path) == [HEAD, row(1), row(2), row(9)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cut, left", [(0, [4, 5]), (1, [4]), (10, [4])])
def test_an_interrupted_pass_goes_on_behind_its_last_whole_row(tmp_path, cut, left):
    path = tmp_path / "rows.csv"
    with RowFile(path, IDENTITY, 1) as file:
        file.begin(1)
        file.write(0, records(4, 5))
    content = path.read_bytes()
    path.write_bytes(content[:len(content) - cut])
    with RowFile(path, IDENTITY, 1, resume=True) as file:
        assert file.begin(1) == left[-1]
        file.write(0, records(6))
        file.end(1)
        file.finish()
    assert lines(path) == [HEAD, *map(row, left), row(6)]


def test_several_passes_are_merged_in_order_of_key_and_sequence(tmp_path):
    path = tmp_path / "rows.csv"
    with RowFile(path, IDENTITY, 2, states=True) as file:
        file.begin(1)
        file.write(0, records(1, 8))
        file.write(1, records(2))
        file.end(1)
        file.begin(2)
        file.write(0, records(3))
        file.write(1, records(1))
        file.end(2)
        assert not path.exists()
        file.finish()
    assert lines(path) == [HEAD + ",state", *(f"{row(n)}," for n in (1, 3, 8, 1, 2))]
    assert list(tmp_path.iterdir()) == [path]


def test_complete_passes_are_not_repeated(tmp_path):
    path = tmp_path / "rows.csv"
    with RowFile(path, IDENTITY, 2) as file:
        file.begin(1)
        file.write(0, records(2))
        file.end(1)
        file.begin(2)
        file.write(0, records(1))
    with RowFile(path, IDENTITY, 2, resume=True) as file:
        assert (file.begin(1), file.begin(2)) == (None, 1)
        file.write(0, records(3))
        file.end(2)
        file.finish()
    assert lines(path) == [HEAD, row(1), row(2), row(3)]


def test_what_is_of_another_replay_is_not_gone_on_with(tmp_path):
    path = tmp_path / "rows.csv"
    with pytest.raises(ResumeError, match=r"nothing to go on with: .*rows.csv.resume"):
        RowFile(path, IDENTITY, 1, resume=True)
    with RowFile(path, IDENTITY, 1):
        pass
    with pytest.raises(ResumeError, match="begun by another replay: states, ticks differ"):
        RowFile(path, {**IDENTITY, "ticks": {"1": 5}}, 1, states=True, resume=True)
    (tmp_path / "rows.csv.resume").write_text("{")
    with pytest.raises(ResumeError, match="cannot be read"):
        RowFile(path, IDENTITY, 1, resume=True)


def test_a_complete_file_has_nothing_to_go_on_with(tmp_path):
    path = tmp_path / "rows.csv"
    with RowFile(path, IDENTITY, 1) as file:
        file.begin(1)
        file.end(1)
        assert json.loads((tmp_path / "rows.csv.resume").read_text())["complete"] == [1]
        file.finish()
    assert lines(path) == [HEAD]
    with pytest.raises(ResumeError, match="nothing to go on with"):
        RowFile(path, IDENTITY, 1, resume=True)
