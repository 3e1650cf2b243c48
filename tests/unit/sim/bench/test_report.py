"""The shape of the report, what makes it a failure, and the table."""

import json
from copy import deepcopy

import pytest

from proto.checks import Check
from sim.bench.__main__ import main
from sim.bench.flow import Kind
from sim.bench.line_rate import MIXES, total
from sim.bench.report import PARTS, SCHEMA_VERSION, failures, identity, table
from sim.bench.timing import summarise_path

SPREAD = {"min": 20, "median": 20, "max": 24, "n": 3}


def latency() -> dict:
    return {
        **{name: {kind.value: dict(SPREAD) for kind in Kind}
           for name in ("eot_sof_cycles", "som_sof_cycles", "eot_sof_queued_cycles")},
        "checks_failed": [check.name.lower() for check in Check],
    }


@pytest.fixture
def report() -> dict:
    mix = {"messages": 10, "lost": 1, "book_errors": 0, "rows": 4, "rows_while_stale": 2,
           "event_records_dropped": 0, "cycles": 40, "cycles_per_message": 4.0}
    mixes = {name: dict(mix) for name in MIXES}
    path = ["0.31 clk-to-q a.Q -> a.Q", "0.95 routing a.Q -> b.A", "0.14 logic b.A -> b.F",
            "0.50 routing b.F -> c.D", "0.10 setup c.D -> c.D"]
    return {
        **identity("bench", "python -m sim.bench"), **latency(),
        "fcs_modes": {"cut_through": latency(), "store_and_forward": latency()},
        "line_rate": {form: deepcopy(total(mixes)) for form in ("packed", "single")},
        "replay": {"messages_per_second": 10, "cycles_per_second": 100, "profile": "sim",
                   "messages_per_processor_second": 20},
        "fmax_mhz": {"seeds": {"1": 80.0, "2": 90.0}, "worst": 80.0},
        "resources": {"lut4": 1, "ff": 2, "ebr": 3, "dsp": 4},
        "timing": {"device": "x", "constraint_mhz": 156.25,
                   "critical_path": summarise_path(path)},
    }


def test_the_keys_are_those_of_the_contract(report):
    assert report["schema_version"] == SCHEMA_VERSION
    for key in ("profile", "commit", "tools", "host", "eot_sof_cycles", "som_sof_cycles",
                "eot_sof_queued_cycles", "fmax_mhz", "resources", "line_rate", "replay"):
        assert key in report
    for name in ("eot_sof_cycles", "som_sof_cycles", "eot_sof_queued_cycles"):
        assert set(report[name]) == {"add", "execute", "cancel", "delete", "replace"}
    for form in ("packed", "single"):
        assert report["line_rate"][form]["messages"] == 10 * len(MIXES)
        assert report["line_rate"][form]["lost"] == len(MIXES)
    assert json.loads(json.dumps(report)) == report
    assert failures(report, tuple(PARTS)) == []


def test_a_missing_kind_is_a_failure(report):
    del report["fcs_modes"]["store_and_forward"]["eot_sof_cycles"]["replace"]
    assert failures(report, ("latency",)) == [
        "fcs_modes.store_and_forward.eot_sof_cycles.replace: n = 0"]


def test_a_kind_that_was_never_seen_is_a_failure(report):
    report["eot_sof_cycles"]["cancel"]["n"] = 0
    assert failures(report, tuple(PARTS)) == ["eot_sof_cycles.cancel: n = 0"]


def test_a_check_that_never_failed_is_a_failure(report):
    report["fcs_modes"]["cut_through"]["checks_failed"].remove("collar")
    assert failures(report, ("latency",)) == [
        "fcs_modes.cut_through: check collar was not shown to fail"]


def test_a_missing_part_is_a_failure_only_if_it_was_asked_for(report):
    del report["fmax_mhz"]
    assert failures(report, ("latency", "line-rate", "replay")) == []
    assert failures(report, ("timing",)) == ["fmax_mhz is missing"]


def test_a_mix_without_messages_is_a_failure(report):
    report["line_rate"]["single"]["mixes"]["delete_runs"]["messages"] = 0
    assert failures(report, ("line-rate",)) == ["line_rate.single: no delete_runs"]


def test_table_shows_nanoseconds_at_the_worst_frequency(report):
    line = next(line for line in table(report) if line.startswith("cut_through"))
    assert line.split() == ["cut_through", "add", "20", "20", "24", "3", "3", "20", "24", "300.0"]


def test_a_part_alone_has_a_table(report):
    for part, keys in PARTS.items():
        kept = {key: value for key, value in report.items()
                if key in keys or key in ("profile", "commit")}
        assert len(table(kept)) > 1, part


def test_a_path_is_summed_by_what_takes_its_time(report):
    assert report["timing"]["critical_path"] == {
        "from": "a", "to": "c", "logic_ns": 0.55, "routing_ns": 1.45, "levels": 1}


def test_help_begins_with_an_example(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "Example: python -m sim.bench --only latency" in capsys.readouterr().out
