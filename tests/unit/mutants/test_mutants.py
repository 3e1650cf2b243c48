"""Mutants are what they say, and what is known of them is kept as long as it holds."""

import ast
import json
from pathlib import Path

import pytest

from tests.mutants.judge import Judgement, Verdict, unit_tests_of
from tests.mutants.operators import OPERATORS, mutants_of
from tests.mutants.results import Kept, Record, explanations, page, report
from tests.mutants.selection import all_mutants, in_order

ROOT = Path(__file__).resolve().parents[3]
EXPLAINED = ROOT / "tests/mutants/explained.toml"

SOURCE = '''"""A gate."""

from amaranth import *


class Gate(wiring.Component):
    """Let pass what is not too much."""

    def __init__(self, limit):
        if limit < 1:
            raise ValueError("limit")

    def elaborate(self, platform):
        m = Module()

        passes = self.open & ~self.killed
        with m.If(passes & (self.quantity <= self.limit)):
            m.d.sync += [self.left.eq(self.left - 1),
                         self.passed.eq(Mux(self.side, self.bid,
                                            self.ask))]
        m.d.comb += self.busy.eq(self.queue[-1] | (self.left != 0))

        return m
'''


def changes(operator):
    """Return before and after of every mutant of an operator, in one line each."""
    return [(" ".join(mutant.before.split()), mutant.after)
            for mutant in mutants_of("hdl/gate.py", SOURCE) if mutant.operator == operator]


@pytest.mark.parametrize(("operator", "expected"), [
    ("comparison", [("self.quantity <= self.limit", "self.quantity < self.limit"),
                    ("self.left != 0", "self.left == 0")]),
    ("condition-dropped", [("passes & (self.quantity <= self.limit)", "1")]),
    ("condition-inverted", [("passes & (self.quantity <= self.limit)",
                             "Value.cast(passes & (self.quantity <= self.limit)) == 0")]),
    ("negation-dropped", [("~self.killed", "self.killed")]),
    ("plus-minus", [("self.left - 1", "(self.left) + (1)")]),
    ("mux-swapped", [("Mux(self.side, self.bid, self.ask)",
                      "Mux(self.side, self.ask, self.bid)")]),
    ("constant", [("0", "1")]),
    ("register-added", [("m.d.comb", "m.d.sync")]),
    ("index", [("self.queue[-1]", "self.queue[0]")]),
    ("field", [("self.quantity", "self.new_quantity"), ("self.bid", "self.ask"),
               ("self.ask", "self.bid")]),
])
def test_operators_change_what_they_say(operator, expected):
    assert changes(operator) == expected


def test_every_assignment_can_be_dropped_alone_and_every_term():
    assert [before.split(".eq")[0] for before, after in changes("assignment-dropped")
            if after == "[]"] == ["self.left", "self.passed", "self.busy"]
    assert [after for _, after in changes("term-dropped")] == [
        "self.open", "~self.killed", "passes", "self.quantity <= self.limit",
        "self.queue[-1]", "self.left != 0"]


def test_a_mutant_is_its_file_with_one_place_changed_and_the_same_lines():
    for mutant in mutants_of("hdl/gate.py", SOURCE):
        text = mutant.apply(SOURCE)
        ast.parse(text)
        assert text != SOURCE and text.count("\n") == SOURCE.count("\n")
        assert "limit < 1" in text, "the checks of parameters are no hardware"
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(SOURCE))
        with pytest.raises(ValueError, match="is not the file"):
            mutant.apply(SOURCE.replace("self.", "self.x_"))


def test_a_name_outlives_a_line_above_but_not_a_change_of_the_statement():
    names = {mutant.key for mutant in mutants_of("hdl/gate.py", SOURCE)}
    assert len(names) == len(mutants_of("hdl/gate.py", SOURCE))
    assert names == {mutant.key for mutant in mutants_of(
        "hdl/gate.py", SOURCE.replace("        m = Module()\n", "        m = Module()\n\n\n"))}
    other = {mutant.key for mutant in mutants_of(
        "hdl/gate.py", SOURCE.replace("!= 0", "!= 2"))}
    assert {name.split(":")[2] for name in names - other} >= {"comparison", "constant"}


def test_every_mutant_of_the_hardware_is_python():
    for path, mutants in all_mutants(ROOT).items():
        source = (ROOT / path).read_text(encoding="utf-8")
        assert len({mutant.key for mutant in mutants}) == len(mutants)
        for mutant in mutants[::7]:
            ast.parse(mutant.apply(source))


def test_a_seed_draws_the_same_ones_from_every_file_and_every_operator():
    mutants = all_mutants(ROOT)
    drawn = [mutant.key for mutant in in_order(mutants, 1)]
    assert drawn == [mutant.key for mutant in in_order(mutants, 1)]
    assert drawn != [mutant.key for mutant in in_order(mutants, 2)]
    assert sorted(drawn) == sorted(mutant.key for of_file in mutants.values()
                                   for mutant in of_file)
    chosen = [mutant for mutant, _ in zip(in_order(mutants, 1), range(100), strict=False)]
    assert {str(Path(mutant.path).parent) for mutant in chosen} == {
        "hdl/feed", "hdl/book", "hdl/order"}
    assert {mutant.path for mutant in chosen} >= {
        path for path, of_file in mutants.items() if len(of_file) > 60}
    assert {mutant.operator for mutant in chosen} == set(OPERATORS)


def test_own_tests_come_first():
    assert unit_tests_of(ROOT, "hdl/feed/symbol_filter.py")[0] == \
        "tests/unit/hdl/feed/test_symbol_filter.py"
    for path in all_mutants(ROOT):
        tests = unit_tests_of(ROOT, path)
        assert tests and len(tests) == len(set(tests))
        assert all((ROOT / test).exists() for test in tests)
    book = unit_tests_of(ROOT, "hdl/book/price_levels.py")
    assert "tests/unit/hdl/book/test_book.py" in book
    assert "tests/unit/hdl/book/test_order_table.py" not in book, "no price levels are in it"
    assert "tests/unit/hdl/book/test_order_relocation.py" in unit_tests_of(
        ROOT, "hdl/book/order_store.py"), "by way of the table"
    assert len(unit_tests_of(ROOT, "hdl/book/any.py")) > 4


def record(verdict, *, mutant=0, source="s", tests="t", layers=("unit",)):
    made = mutants_of("hdl/gate.py", SOURCE)[mutant]
    test = "tests/unit/test_gate.py::test_gate[a|b]" if verdict is Verdict.CAUGHT else ""
    return Record(made, Judgement(verdict, test, layers, 1.5), source, tests)


def test_judgements_are_kept_while_they_hold(tmp_path):
    path = tmp_path / "judged.jsonl"
    kept = Kept(path)
    caught, survived = record(Verdict.CAUGHT), record(Verdict.SURVIVED, mutant=1)
    kept.add(caught)
    kept.add(survived)
    again = Kept(path)
    assert again.find(caught.mutant, "s", "other", ("unit", "e2e")) == caught
    assert again.find(caught.mutant, "other", "t", ("unit",)) is None
    assert again.find(survived.mutant, "s", "t", ("unit",)) == survived
    assert again.find(survived.mutant, "s", "other", ("unit",)) is None
    assert again.find(survived.mutant, "s", "t", ("unit", "e2e")) is None


def test_page_says_what_was_caught_and_why_the_rest_lives():
    records = [record(Verdict.CAUGHT), record(Verdict.SURVIVED, mutant=1),
               record(Verdict.UNCHANGED, mutant=2), record(Verdict.SURVIVED, mutant=3)]
    why = {records[1].mutant.key: "Nobody can see it."}
    run = report(records, why, "make mutants", 1, ("unit",))
    assert json.loads(json.dumps(run)) == run
    assert run["counts"] == {"caught": 1, "timed out": 0, "survived": 2, "unchanged": 1,
                             "stillborn": 0}
    text = page(run)
    assert "3 mutants: 1 caught" in text
    assert "Nobody can see it." in text and "**Not explained.**" in text
    assert "a\\|b" in text


def test_every_explanation_is_of_a_mutant_that_there_is():
    found = {mutant.key: mutant for mutants in all_mutants(ROOT).values() for mutant in mutants}
    for key, why in explanations(EXPLAINED).items():
        assert key in found, f"{key}: the statement has changed; judge it again"
        assert len(why) > 20, key


def test_an_explanation_has_its_three_parts(tmp_path):
    path = tmp_path / "explained.toml"
    path.write_text('[[survivor]]\nkey = "a"\nwhy = "b"\n')
    with pytest.raises(ValueError, match="key, change and why"):
        explanations(path)
    path.write_text('[[survivor]]\nkey = "a"\nchange = "c"\nwhy = "b"\n' * 2)
    with pytest.raises(ValueError, match="twice"):
        explanations(path)
