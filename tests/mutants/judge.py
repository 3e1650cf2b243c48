"""Judge a mutant: a copy of the project with the change in it; the cheapest tests come first."""

import atexit
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.fresh import Finished, run_module, run_pytest
from tests.mutants.operators import Mutant
from tests.mutants.plugin import BUDGET_VARIABLE, LIMIT_TEXT, VARIABLE

__all__ = ["LAYERS", "Judge", "JudgeError", "Judgement", "Verdict", "unit_tests_of"]

#: Tests that can be asked, by name: the cheap unit tests, all, runs of the whole appliance.
LAYERS = ("quick", "unit", "e2e")

#: Processor seconds of the cheap ones, for one mutant.
_QUICK_SECONDS = 30

#: How often a mutant is judged before it is given up that its test ends in time without it.
_ATTEMPTS = 3

#: What a copy of the project needs.
_PARTS = ("proto", "hdl", "control", "sim", "demo", "tests", "pyproject.toml")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.fst", ".hypothesis")

#: Runs of the whole appliance, of what the unit tests let pass.
_END_TO_END = {
    "hdl/feed": ("tests/e2e/test_latency.py", "tests/e2e/test_feed_events.py",
                 "tests/e2e/test_replay.py"),
    "hdl/book": ("tests/e2e/test_latency.py", "tests/e2e/test_order_flow.py",
                 "tests/e2e/test_replay.py"),
    "hdl/order": ("tests/e2e/test_tick_to_trade.py", "tests/e2e/test_order_registers.py",
                  "tests/e2e/test_order_session.py"),
}

#: Files whose tests are those of another.
_TESTED_BY = {
    "book/cache_update": "book/test_book", "book/level_search": "book/test_level_search",
    "book/order_relocate": "book/test_order_relocation",
    "book/tick": "book/test_price_levels", "feed/itch_decoder": "feed/test_feed_handler",
    "feed/sequence_tracker": "feed/test_message_framer",
    **{f"book/order_{part}": "book/test_order_table"
       for part in ("compare", "decide", "hash", "intake", "output", "slot", "store", "table",
                    "walk")},
}

_IMPORT = re.compile(r"^\s*from ((?:hdl|tests)\.[\w.]+) import ", re.MULTILINE)
_TEST = re.compile(r"^(tests/\S+\.py::.*?)(?: (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL)|\s*$)")
#: What pytest says, in one line, of a failure that is no assertion: elaboration may have failed.
_NO_ASSERTION = re.compile(
    r"^(?:E  +|\S+:\d+: )(?!AssertionError)[\w.]+(?:Error|Conflict)", re.MULTILINE)


class JudgeError(Exception):
    """The tests fail, or cannot be run, without any mutant."""


class Verdict(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"            #: a test failed
    TIMED_OUT = "timed out"      #: a test took far longer than usual: caught as well
    SURVIVED = "survived"        #: every test passed
    UNCHANGED = "unchanged"      #: its RTLIL is that of the original
    STILLBORN = "stillborn"      #: it cannot be elaborated


@dataclass(frozen=True)
class Judgement:
    """A verdict, the test that gave it, and the layers of tests that were asked."""

    verdict: Verdict
    test: str
    layers: tuple[str, ...]
    seconds: float


def unit_tests_of(root: Path, path: str) -> list[str]:
    """Return the unit tests that a file of the hardware is part of: its own, then the others.

    Of a file that does not exist: all those of its folder.
    """
    folder = Path("tests/unit") / Path(path).parent
    own = folder / f"test_{Path(path).stem}.py"
    if not (root / own).exists():
        named = _TESTED_BY.get(path.removeprefix("hdl/").removesuffix(".py"))
        own = Path(f"tests/unit/hdl/{named}.py") if named else own
    others = [found.relative_to(root).as_posix()
              for found in sorted((root / folder).glob("test_*.py"))
              if not (root / path).exists() or path in _imports(root, found)]
    first = [own.as_posix()] if (root / own).exists() else []
    return first + [other for other in others if other not in first]


def _imports(root: Path, path: Path) -> set[str]:
    """Return the files of the project that a file imports, and those that they import."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        text = waiting.pop().read_text(encoding="utf-8")
        for name in _IMPORT.findall(text):
            imported = root / f"{name.replace('.', '/')}.py"
            key = imported.relative_to(root).as_posix()
            if key not in found and imported.exists():
                found.add(key)
                waiting.append(imported)
    return found


class Judge:
    """A copy of the project in which one mutant at a time lives.

    Parameters
    ----------
    root : Path
        The project.
    folder : Path
        Where the copy is made, for this process alone, and where the times of tests are kept.
    measured : bool
        Run all tests of a folder once without a mutant, and measure them. Else they have to be
        known to pass, and each gets the same time until it is known.
    """

    def __init__(self, root: Path, folder: Path, *, measured: bool = True) -> None:
        self._measured = measured
        self.root = folder / f"tree-{os.getpid()}"
        self._folder = folder
        self._seconds: dict[str, Path] = {}
        self._rtlil: dict[str, str] = {}
        shutil.rmtree(self.root, ignore_errors=True)
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        for part in _PARTS:
            if (root / part).is_dir():
                shutil.copytree(root / part, self.root / part, ignore=_IGNORED)
            else:
                shutil.copyfile(root / part, self.root / part)
        self._environment = {
            **os.environ, "TICKWIRE_BUILD": str(folder / "build"), "PYTHONPATH": str(self.root)}
        for shared in (root / "shared/data", root.parent / "shared/data"):
            if shared.exists():
                self._environment.setdefault("TICKWIRE_DATA", str(shared.resolve()))

    def prepare(self, folder: str, layers: tuple[str, ...]) -> None:
        """Run everything without a mutant, once for a state of the sources, if that is wanted.

        Raises
        ------
        JudgeError
            If a test fails.
        """
        if folder not in self._rtlil:
            sources = [path for part in ("proto", "hdl") for path in
                       sorted((self.root / part).rglob("*.py"))]
            path = self._folder / f"rtlil-{folder.replace('/', '-')}-{hash_of(*sources)[:12]}.txt"
            if not path.exists():
                done = self._emit(folder)
                if done.status:
                    raise JudgeError(f"{folder} cannot be elaborated:\n{done.text[-2000:]}")
                path.write_text(done.text, encoding="utf-8")
            self._rtlil[folder] = path.read_text(encoding="utf-8")
        for layer in layers:
            if layer == "quick":
                layer = "unit"      # the times are the same
            tests = self._tests(f"{folder}/any.py", layer)
            key = hashlib.sha256()
            sources = [path for part in ("proto", "hdl", "sim", "tests")
                       for path in sorted((self.root / part).rglob("*.py"))]
            for path in sources if layer == "e2e" else [
                    *sorted((self.root / folder).rglob("*.py")),
                    *(self.root / test for test in tests)]:
                key.update(path.read_bytes())
            name = f"seconds-{folder.replace('/', '-')}-{layer}-{key.hexdigest()[:12]}.json"
            self._seconds[f"{folder}:{layer}"] = path = self._folder / name
            if not path.exists() and not self._measured:
                path.write_text("{}", encoding="utf-8")
            if not path.exists():
                done = self._pytest(tests, {VARIABLE: str(path)})
                if done.status or not path.exists():
                    raise JudgeError(f"tests of {folder} fail as they are:\n{done.text[-3000:]}")

    def judge(self, mutant: Mutant, layers: tuple[str, ...]) -> Judgement:
        """Let the tests run on a mutant.

        A test that ran out of time has noticed only if it ends in time without the mutant, right
        afterwards; else the machine was busy, and the mutant is judged again.

        Raises
        ------
        JudgeError
            If a test fails without a mutant, or keeps running out of time without one.
        """
        start = time.monotonic()
        folder = str(Path(mutant.path).parent)
        self.prepare(folder, layers)
        test = ""
        for _ in range(_ATTEMPTS):
            with self._changed(mutant):
                verdict, test = self._verdict(mutant, folder, layers)
            if verdict is not Verdict.TIMED_OUT or self._ends_in_time(folder, test):
                asked = layers if verdict is Verdict.SURVIVED else ()
                return Judgement(verdict, test, asked, round(time.monotonic() - start, 1))
        raise JudgeError(f"{test} runs out of time without a mutant as well: the machine is busier "
                         "than when its time was measured")

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        path = self.root / mutant.path
        source = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(source), encoding="utf-8")
        self._forget(path)
        try:
            yield
        finally:
            path.write_text(source, encoding="utf-8")
            self._forget(path)

    def _ends_in_time(self, folder: str, test: str) -> bool:
        layer = "e2e" if test.startswith("tests/e2e/") else "unit"
        return not self._pytest([test], {VARIABLE: str(self._seconds[f"{folder}:{layer}"])}).status

    def _verdict(self, mutant: Mutant, folder: str,
                 layers: tuple[str, ...]) -> tuple[Verdict, str]:
        for layer in layers:
            if layer != layers[0] and self._unchanged(folder):
                return Verdict.UNCHANGED, ""
            quick = layer == "quick"
            limits = {VARIABLE: str(self._seconds[f"{folder}:{'unit' if quick else layer}"])}
            if quick:
                limits[BUDGET_VARIABLE] = str(_QUICK_SECONDS)
            run = self._pytest(self._tests(mutant.path, layer), limits)
            if run.status:
                return self._failed(mutant, folder, run)
        return (Verdict.UNCHANGED if self._unchanged(folder) else Verdict.SURVIVED), ""

    def _failed(self, mutant: Mutant, folder: str,
                run: Finished) -> tuple[Verdict, str]:
        text = run.text
        if run.status not in (1, 2):
            raise JudgeError(f"pytest ended with {run.status} on {mutant.key}:\n"
                             f"{text[-3000:]}")
        if _NO_ASSERTION.search(text) and (done := self._emit(folder)).status:
            text = done.text.replace(f"{self.root.resolve()}/", "")
            return Verdict.STILLBORN, text.strip().splitlines()[-1][:120]
        running = [match[1] for match in map(_TEST.match, text.splitlines()) if match]
        late = LIMIT_TEXT in text
        return (Verdict.TIMED_OUT if late else Verdict.CAUGHT,
                running[-1] if running else "collection of the tests")

    def _unchanged(self, folder: str) -> bool:
        """Return whether the RTLIL of the folder is that of the original."""
        if folder not in self._rtlil:
            raise JudgeError(f"{folder} was not prepared")
        return self._emit(folder).text == self._rtlil[folder]

    def _tests(self, path: str, layer: str) -> list[str]:
        if layer != "e2e":
            return unit_tests_of(self.root, path)
        return list(_END_TO_END[str(Path(path).parent)])

    def _emit(self, folder: str) -> Finished:
        return run_module(self.root, "tests.mutants.emit", [folder], self._environment)

    def _pytest(self, tests: list[str], limits: dict[str, str]) -> Finished:
        options = ["-x", "-v", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist",
                   "-p", "tests.mutants.plugin", "-o", "console_output_style=classic"]
        return run_pytest(self.root, [*options, *tests], {**self._environment, **limits})

    @staticmethod
    def _forget(path: Path) -> None:
        """Remove what Python has compiled: its time stamp may be that of the mutant before."""
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()


def hash_of(*paths: Path) -> str:
    """Return a hash of files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes() + b"\0")
    return total.hexdigest()


