"""Sizes and lines of the profiles."""

from dataclasses import replace

import pytest

from hdl.net.line import LINES
from hdl.profile import LINE_HZ, PROFILES


def test_the_presets_are_those_of_the_documents():
    assert list(PROFILES) == ["sim", "bench", "ecp5", "ecp5_45", "us"]
    assert {name: (profile.line, profile.core_hz) for name, profile in PROFILES.items()} == {
        "sim": ("xgmii", 156_250_000), "bench": ("xgmii", 156_250_000),
        "ecp5": ("gmii", 125_000_000), "ecp5_45": ("gmii", 125_000_000),
        "us": ("xgmii", 156_250_000)}


def test_bench_is_ecp5_behind_another_line():
    assert replace(PROFILES["ecp5"], name="bench", line="xgmii") == PROFILES["bench"]


def test_every_line_of_a_profile_is_built():
    assert LINES.keys() == LINE_HZ.keys()


@pytest.mark.parametrize(("change", "message"), [
    ({"line": "mii"}, "profile ecp5: line must be one of xgmii, gmii, was 'mii'"),
    ({"orders": 5000}, "profile ecp5: orders must be a power of two, was 5000"),
    ({"window_ticks": 32}, "profile ecp5: window_ticks must be >= 64, was 32"),
    ({"symbols": 0}, "profile ecp5: symbols must be 1 to 1024, was 0"),
    ({"cached_levels": 17}, "profile ecp5: cached_levels must be 2 to 16, was 17"),
])
def test_what_cannot_be_built_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PROFILES["ecp5"], **change)
