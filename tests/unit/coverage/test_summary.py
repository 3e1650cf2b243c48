"""Toggles by folder, and the reasons why bits did not toggle."""

import json
import re
from pathlib import Path

import pytest

from sim.toggle_coverage import Point, Toggles
from tests.coverage.summary import Group, groups_of, page, summary

ROOT = Path(__file__).resolve().parents[3]

OWNERS = {"design": "", "design.gate": "hdl/risk/gate.py", "design.book": "hdl/book/book.py"}
GROUPS = [Group("Retransmission", re.compile(r"again$"), "Nothing is lost here.")]


def counts(**signals):
    """Return counts of signals of the gate, a string of 0 to 2 directions a bit, bit 0 first."""
    both = {"0": Toggles(0, 0), "1": Toggles(3, 0), "2": Toggles(1, 4)}
    return {Point("design.gate", name, bit): both[letter]
            for name, bits in signals.items() for bit, letter in enumerate(bits)}


def summed(toggles, constants=()):
    return summary(toggles, OWNERS, set(constants), GROUPS, profile="sim", command="make coverage",
                   tests={"tests/e2e/test_gate.py": "passed"})


def test_each_bit_has_one_reason():
    run = summed(counts(full="22", time="2200", armed="1", send_again="00", tied="0", odd="0202",
                        clk="00", rst="1"),
                 [("design.gate", "tied")])
    assert run["total"] == {"points": 2 * 14, "covered": 4 + 4 + 1 + 4, "percent": 46.43,
                            "explained": 4 + 1 + 4 + 2, "unexplained": 4}
    assert {group["name"]: group["points"] for group in run["groups"]} == {
        "Upper bits": 4, "Once only": 1, "Retransmission": 4, "Constants": 2}
    assert run["unexplained"] == [{"file": "hdl/risk/gate.py", "instance": "design.gate",
                                   "signal": "odd", "bits": "0, 2"}]


def test_the_upper_bits_of_a_field_are_those_of_a_number():
    toggles = counts(record="2020" "0022" "0000", number="2020" "0022" "0000")
    fields = {("design.gate", "record"): [range(4), range(4, 12), range(4, 8), range(8, 12)]}
    run = summary(toggles, OWNERS, set(), [], profile="sim", command="", tests={}, fields=fields)
    # Bit 1 is below a bit that toggled, and so are bits 4 and 5; of 8 to 11 nothing did.
    assert {row["signal"]: row["bits"] for row in run["unexplained"]} == {
        "record": "1, 5:4, 11:8", "number": "1, 5:3"}


def test_folders_and_files_add_up_and_the_bench_round_them_is_left_out():
    toggles = {**counts(a="20"), Point("design.book", "b", 0): Toggles(1, 1),
               Point("design", "pins", 0): Toggles(1, 1), Point("other", "c", 0): Toggles(1, 1)}
    run = summed(toggles)
    assert {name: (row["points"], row["covered"]) for name, row in run["folders"].items()} == {
        "hdl/risk": (4, 2), "hdl/book": (2, 2)}
    assert {name: row["covered"] for name, row in run["files"].items()} == {
        "hdl/risk/gate.py": 2, "hdl/book/book.py": 2}
    assert run["total"]["points"] == 6
    assert json.loads(json.dumps(run)) == run


def test_the_page_says_all_of_it():
    text = page(summed(counts(full="22", odd="0002", send_again="0")))
    assert "| `hdl/risk` | 14 | 6 | 42.86 % | 2 | 6 |" in text
    assert "| Retransmission | 2 | Nothing is lost here. |" in text
    assert "| `hdl/risk/gate.py` | `design.gate` | `odd` | 2:0 |" in text


def test_every_group_has_a_name_a_pattern_and_a_reason(tmp_path):
    for group in groups_of(ROOT / "tests/coverage/explained.toml"):
        assert len(group.why) > 20, group.name
    path = tmp_path / "explained.toml"
    path.write_text('[[group]]\nname = "a"\nwhy = "b"\n')
    with pytest.raises(ValueError, match="name, signal and why"):
        groups_of(path)
