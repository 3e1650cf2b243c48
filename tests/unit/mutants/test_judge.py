"""A judge tells what a test has noticed from what it has not, and from a machine that is busy."""

import shutil
import time
from pathlib import Path

import pytest

from tests.mutants import judge as module
from tests.mutants.judge import Judge, JudgeError, Verdict
from tests.mutants.operators import mutants_of

ROOT = Path(__file__).resolve().parents[3]
LAYERS = ("unit",)

COUNTER = '''"""Count down."""


def count_down(m, start):
    m.d.comb += m.empty.eq(0)
    while start > 0:
        start = start - 1
    return start


def unused(m):
    m.d.comb += m.other.eq(7)
'''

TESTS = '''"""A test that ends, and one that only burns the time that a file names."""

import time
from pathlib import Path

from hdl.feed.counter import count_down


class Anything:
    def __getattr__(self, name):
        return Anything()

    def __iadd__(self, other):
        return self

    def eq(self, other):
        assert other == 0


def test_count_ends():
    assert count_down(Anything(), 3) == 0


def test_machine_is_quiet():
    end = time.process_time() + float(Path({burn!r}).read_text(encoding="utf-8"))
    while time.process_time() < end:
        pass
'''

#: Instead of the RTLIL: the source, in which the value of `other` cannot be seen.
EMIT = '''"""Print what the hardware is."""

import re
from pathlib import Path

print(re.sub(r"other.*", "", Path("hdl/feed/counter.py").read_text(encoding="utf-8")))
'''


@pytest.fixture
def burn(tmp_path):
    """Return a file with the seconds that a test of the little project takes."""
    path = tmp_path / "burn.txt"
    path.write_text("0", encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path, monkeypatch, burn):
    """Return a little project, in which a test may take half a second."""
    root = tmp_path / "project"
    for folder in ("proto", "control", "sim", "demo", "hdl/feed", "tests/mutants",
                   "tests/unit/hdl/feed"):
        (root / folder).mkdir(parents=True)
        for package in (root / folder, *(root / folder).parents):
            if package.is_relative_to(root) and package != root:
                (package / "__init__.py").touch()
    (root / "pyproject.toml").write_text("")
    (root / "hdl/feed/counter.py").write_text(COUNTER)
    (root / "tests/unit/hdl/feed/test_counter.py").write_text(TESTS.format(burn=str(burn)))
    (root / "tests/mutants/emit.py").write_text(EMIT)
    plugin = (ROOT / "tests/mutants/plugin.py").read_text(encoding="utf-8")
    assert "LIMIT_SECONDS = 10.0" in plugin
    (root / "tests/mutants/plugin.py").write_text(
        plugin.replace("LIMIT_SECONDS = 10.0", "LIMIT_SECONDS = 0.5"))
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def judge(tmp_path, project):
    """Return its judge."""
    made = Judge(project, tmp_path / "judged")
    yield made
    shutil.rmtree(made.root)


def mutant(operator, before):
    """Return the mutant of the counter that an operator makes of a place."""
    return next(made for made in mutants_of("hdl/feed/counter.py", COUNTER)
                if (made.operator, made.before) == (operator, before))


def test_a_test_that_fails_has_noticed_and_one_that_no_longer_ends_as_well(judge):
    caught = judge.judge(mutant("constant", "0"), LAYERS)
    assert (caught.verdict, caught.layers) == (Verdict.CAUGHT, ())
    assert caught.test == "tests/unit/hdl/feed/test_counter.py::test_count_ends"
    endless = judge.judge(mutant("plus-minus", "start - 1"), LAYERS)
    assert (endless.verdict, endless.test) == (Verdict.TIMED_OUT, caught.test)
    assert (judge.root / "hdl/feed/counter.py").read_text() == COUNTER


def test_what_no_test_notices_lives_unless_it_is_the_original(judge):
    lives = judge.judge(mutant("assignment-dropped", "m.empty.eq(0)"), LAYERS)
    assert (lives.verdict, lives.test, lives.layers) == (Verdict.SURVIVED, "", LAYERS)
    same = judge.judge(mutant("constant", "7"), LAYERS)
    assert same.verdict is Verdict.UNCHANGED


def test_a_test_that_is_slow_without_a_mutant_has_noticed_nothing(judge, burn):
    dropped = mutant("assignment-dropped", "m.empty.eq(0)")
    judge.prepare("hdl/feed", LAYERS)
    burn.write_text("2", encoding="utf-8")
    start = time.monotonic()
    with pytest.raises(JudgeError, match=r"is_quiet runs out of time without a mutant"):
        judge.judge(dropped, LAYERS)
    assert time.monotonic() - start > 2 * module._ATTEMPTS * 0.5, "it was tried again"
    assert (judge.root / "hdl/feed/counter.py").read_text() == COUNTER
    burn.write_text("0", encoding="utf-8")
    assert judge.judge(dropped, LAYERS).verdict is Verdict.SURVIVED


def test_a_test_that_fails_as_it_is_ends_the_run(judge):
    path = judge.root / "hdl/feed/counter.py"
    path.write_text(COUNTER.replace("return start", "return 5"))
    with pytest.raises(JudgeError, match="tests of hdl/feed fail as they are"):
        judge.judge(mutant("constant", "7"), LAYERS)


def test_tests_need_not_be_measured_first(tmp_path, project, burn):
    burn.write_text("1", encoding="utf-8")
    judge = Judge(project, tmp_path / "judged", measured=False)
    lives = judge.judge(mutant("assignment-dropped", "m.empty.eq(0)"), LAYERS)
    assert lives.verdict is Verdict.SURVIVED and lives.seconds < 6, "it ran once"
    endless = judge.judge(mutant("plus-minus", "start - 1"), LAYERS)
    assert endless.verdict is Verdict.TIMED_OUT
    shutil.rmtree(judge.root)
