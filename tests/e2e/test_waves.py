"""A waveform of some cycles of a replay."""

import subprocess
import sys

from tests.support.data import data_path


def test_replay_writes_a_waveform_of_the_cycles_asked_for(tmp_path):
    capture = data_path("nasdaq-itch50", "20191230-ten-of-each-book-type.itch")
    waves = tmp_path / "replay.fst"
    done = subprocess.run(
        [sys.executable, "-m", "sim", "replay", str(capture), "--waves", str(waves),
         "--cycles", "9500:10500"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = waves.read_bytes()
    # Ref: FST format, header block: type 0, length 329, then start and end time.
    assert content[0] == 0
    assert int.from_bytes(content[1:9], "big") == 329
    start, end = (int.from_bytes(content[n:n + 8], "big") for n in (9, 17))
    assert start < end


def test_cycles_the_wrong_way_round_are_refused():
    done = subprocess.run(
        [sys.executable, "-m", "sim", "replay", "x.itch", "--cycles", "9:3"],
        check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "START:END with START < END, was '9:3'" in done.stderr
