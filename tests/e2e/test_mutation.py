"""A design with a fault put into it must not pass: proof that the comparison compares."""

import csv
import lzma
import re

import pytest

from sim import verilate
from sim.replay import COLUMNS, Replay
from tests.support.data import data_path

pytestmark = pytest.mark.e2e

#: What to find once in the Verilog (the decoder's case of a type), what to put there, and the
#: counter that then goes up.
PARTIAL_CANCELS_IGNORED = (r"8'h58:(\s+begin\s+flags\[)", r"8'h00:\1", "itch.unknown_type")
REPLACES_IGNORED = (r"8'h55:(\s+begin\s+flags\[)", r"8'h00:\1", "itch.unknown_type")


@pytest.mark.parametrize(("fault", "capture", "expected", "affected"), [
    (PARTIAL_CANCELS_IGNORED, "AAPL-20120621-0930-1030.itch.xz",
     "AAPL-20120621-0930-1030.bbo.csv.xz", 469),
    (REPLACES_IGNORED, "ESM4-20240508-2s.itch.xz", "ESM4-20240508-2s.bbo.csv.xz", 23),
])
def test_a_fault_in_the_design_shows_in_the_rows(fault, capture, expected, affected, tmp_path):
    found, put, counter = fault
    path, rows_path = data_path("derived", capture), data_path("derived", expected)
    emitted = verilate.emit(verilate.APPLIANCE, {"profile": "sim"})
    text, places = re.subn(found, put, emitted.verilog.read_text())
    assert places == 1
    mutant = tmp_path / "mutant.v"
    mutant.write_text(text)
    library = verilate.build(verilate.Emitted(mutant, emitted.ports))

    rows, summary = Replay(path, library=library).run()
    assert summary.counters[counter] == affected
    lines = lzma.decompress(rows_path.read_bytes()).decode().splitlines()
    wanted = [tuple(map(int, row)) for row in csv.reader(lines[1:])]
    assert list(zip(*(rows[name].tolist() for name in COLUMNS.values()), strict=True)) != wanted
