"""Counts of cells, and the table that is made of them."""

import pytest

from hdl.profile import PROFILES
from sim.bench.resources import DEVICES, count, page
from sim.bench.timing import TimingError


def test_every_profile_but_that_of_the_simulation_has_a_device():
    assert set(DEVICES) == set(PROFILES) - {"sim"}


def test_cells_of_the_ecp5_become_resources():
    cells = {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 7, "DP16KD": 4,
             "MULT18X18D": 1, "TRELLIS_IO": 3}
    assert count(cells, DEVICES["ecp5"]) == {"lut": 28, "ff": 7, "ram_18k": 4, "dsp": 1}


def test_cells_of_ultrascale_become_resources():
    cells = {"LUT2": 1, "LUT6": 2, "FDRE": 3, "RAMB36E2": 2, "RAMB18E2": 1, "URAM288": 5,
             "DSP48E2": 6, "CARRY8": 9}
    assert count(cells, DEVICES["us"]) == {"lut": 3, "ff": 3, "ram_18k": 5, "uram": 5, "dsp": 6}


def test_an_unknown_cell_is_no_small_matter():
    with pytest.raises(TimingError, match="cells must be known to be counted, was NEWCELL"):
        count({"LUT4": 1, "NEWCELL": 1}, DEVICES["ecp5"])


def test_the_table_says_what_does_not_fit():
    totals = dict(DEVICES["ecp5_45"].totals)
    records = {"ecp5_45": {"device": "D", "totals": totals,
                           "resources": {"lut": 43_849, "ff": 10, "ram_18k": 54, "dsp": 0}},
               "us": {"device": "E", "totals": dict(DEVICES["us"].totals),
                      "resources": dict.fromkeys(DEVICES["us"].totals, 96)}}
    lines = page(records).splitlines()
    assert lines[2] == ("| `ecp5_45` | D | 43,849 of 43,848 (100%) | 10 of 43,848 (0%) | "
                        "54 of 108 (50%) | 0 of 72 (0%) |  | **no** |")
    assert lines[3].endswith("| 96 of 6,840 (1%) | 96 of 960 (10%) | yes |")
