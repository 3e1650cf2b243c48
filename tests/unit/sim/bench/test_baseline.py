"""What a report is compared with, and what counts as worse."""

import json
from copy import deepcopy

import pytest

from sim.bench.__main__ import main
from sim.bench.baseline import BASELINE, BaselineError, load_baseline, regressions
from sim.bench.flow import Kind
from sim.bench.report import SCHEMA_VERSION


@pytest.fixture
def report():
    spread = {kind.value: {"min": 20, "median": 21, "max": 24, "n": 3} for kind in Kind}
    mixes = {"mixed": {"lost": 0, "book_errors": 0}}
    return {"schema_version": SCHEMA_VERSION, "profile": "bench",
            "fcs_modes": {"cut_through": {"eot_sof_cycles": spread}},
            "line_rate": {"packed": {"mixes": mixes}}}


def test_the_same_is_not_worse_and_better_is_not_either(report):
    faster = deepcopy(report)
    faster["fcs_modes"]["cut_through"]["eot_sof_cycles"]["add"]["min"] = 15
    assert regressions(report, report) == regressions(faster, report) == []


@pytest.mark.parametrize("name", ["min", "median", "max"])
@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_a_cycle_more_is_worse(report, kind, name):
    slower = deepcopy(report)
    figures = slower["fcs_modes"]["cut_through"]["eot_sof_cycles"][kind]
    figures[name] += 1
    assert regressions(slower, report) == [
        f"cut_through {kind}: {name} is {figures[name]} cycles, was {figures[name] - 1}"]


@pytest.mark.parametrize("name", ["lost", "book_errors"])
def test_a_message_lost_is_worse(report, name):
    worse = deepcopy(report)
    worse["line_rate"]["packed"]["mixes"]["mixed"][name] = 2
    assert regressions(worse, report) == [f"line rate, packed, mixed: {name} 2, was 0"]


def test_what_only_one_of_them_has_is_not_compared(report):
    assert regressions(report, {}) == regressions({}, report) == []


def test_the_committed_report_holds_every_part():
    baseline = load_baseline(BASELINE, {"profile": "bench"})
    assert baseline["command"].startswith("python -m sim.bench")
    assert all(baseline["fcs_modes"][mode]["eot_sof_cycles"][kind.value]["n"] >= 1000
               for mode in ("cut_through", "store_and_forward") for kind in Kind)
    assert baseline["fmax_mhz"]["worst"] == min(baseline["fmax_mhz"]["seeds"].values())
    assert all(baseline["line_rate"][form]["messages"] == 1_000_000
               for form in ("packed", "single"))


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps(
    {"schema_version": SCHEMA_VERSION, "profile": "sim"})])
def test_another_file_is_refused(tmp_path, capsys, content):
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(BaselineError, match="wanted a report of"):
        load_baseline(path, {"profile": "bench"})
    assert main(["--only", "replay", "--baseline", str(path),
                 "--json", str(tmp_path / "out.json")]) == 1
    assert "wanted a report of" in capsys.readouterr().err
