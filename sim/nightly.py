"""What CI has no time for: ``python -m sim.nightly --help``.

A step is a command that leaves figures as JSON. What it found is kept in ``build/nightly``, by a
hash of all sources, so that a run which was interrupted goes on where it was;
``docs/nightly.json`` is written anew after every step.
"""

import argparse
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from sim.market_data import data_folder
from sim.recorded import RECORDED, identity, source_commit, write_run
from sim.verilate import build_root

__all__ = ["Step", "main", "run_steps", "sources_hash", "steps"]

_ROOT = Path(__file__).resolve().parents[1]
SCHEMA_VERSION = 1
_SOURCES = ("proto", "hdl", "control", "sim", "demo", "tests")
_LOOK_S = 1.0
_TELL_S = 60.0
_DEMO_SEEDS = 5
_HOUR = "derived/AAPL-20120621-0930-1030.itch.xz"
#: Of :mod:`tests.formal.support`: bounded proofs look so many times as far.
_DEPTH = "TICKWIRE_FORMAL_DEPTH"

Figures = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command and what it finds out.

    Attributes
    ----------
    name : str
        For people, and for the files that are kept.
    command : tuple of str
        Arguments of the Python interpreter.
    found : Path or None
        JSON that the command writes; None for its standard output, if it prints any.
    figures : callable
        Picks what is kept of it.
    variables : mapping of str to str
        Environment variables besides those that there are.
    """

    name: str
    command: tuple[str, ...]
    figures: Figures = dict
    found: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def text(self) -> str:
        """The command as a user types it in the project's folder, with the data in it."""
        return shlex.join([*(f"{name}={value}" for name, value in self.variables.items()),
                           "python", *map(_shown, self.command)])


def _shown(argument: str) -> str:
    """Return an argument without what only this machine has."""
    path, data = Path(argument), data_folder()
    if data is not None and path.is_relative_to(data):
        return str("shared/data" / path.relative_to(data))
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else argument


def steps(seed: int, folder: Path) -> list[Step]:
    """Return the steps of a night, what ends soon first.

    Parameters
    ----------
    seed : int
        Of everything that has one.
    folder : Path
        Where commands may write.
    """
    data = data_folder()
    hour = [] if data is None else [Step(
        name="hour", command=("-m", "control", "replay", str(data / _HOUR), "--speed", "1",
                              "--output", "json"), figures=_replayed)]
    return [
        *(Step(name=f"demo-{number}", figures=_played, command=(
            "-m", "demo", "run", "--seed", str(number), "--seconds", "5", "--output", "json",
            "--folder", str(folder / f"demo-{number}")))
          for number in range(seed, seed + _DEMO_SEEDS)),
        Step(name="lint-hdl", command=("-m", "sim.lint")),
        *hour,
        Step(name="formal", command=("-m", "pytest", "-q", "-p", "no:xdist", "tests/formal"),
             variables={_DEPTH: "2"}),
        Step(name="fuzz", found=folder / "fuzz.json", figures=_fuzzed, command=(
            "-m", "sim.fuzz", "--frames", "1000000", "--seed", str(1000 * seed),
            "--json", str(folder / "fuzz.json"))),
        Step(name="coverage", found=RECORDED / "coverage.json", figures=_covered,
             command=("-m", "tests.coverage", "--record")),
        Step(name="mutants", found=RECORDED / "mutants.json", figures=_judged, command=(
            "-m", "tests.mutants", "--count", "200", "--seed", str(seed), "--tests", "e2e",
            "--record")),
        Step(name="bench", found=folder / "bench.json", figures=_measured, command=(
            "-m", "sim.bench", "--seed", str(seed), "--baseline",
            "--json", str(folder / "bench.json"))),
    ]


def sources_hash() -> str:
    """Return a hash of everything that a step can depend on."""
    total = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def _picked(*names: str) -> Figures:
    return lambda found: {name: found[name] for name in names if name in found}


_replayed = _picked("messages", "rows", "rows_stale", "losses", "late_frames", "latest_ns",
                    "messages_per_second")
_fuzzed = _picked("frames", "rounds", "rows_right", "orders", "frames_by_kind", "wrong")
_judged = _picked("seed", "counts")
_covered = _picked("total", "folders")


def _played(report: Mapping[str, Any]) -> dict[str, Any]:
    return {"seed": report["seed"], "events_sha256": report["events_sha256"],
            "orders": report["orders"]["entered"], "fills": report["fills"]["count"],
            "equal": all(row["equal"] for row in report["comparison"])}


def _measured(report: Mapping[str, Any]) -> dict[str, Any]:
    return {**_picked("fmax_mhz", "resources", "replay")(report),
            "eot_sof_cycles": {mode: figures["eot_sof_cycles"]
                               for mode, figures in report.get("fcs_modes", {}).items()},
            "line_rate": {form: {name: figures[name] for name in ("messages", "lost",
                                                                  "book_errors")}
                          for form, figures in report.get("line_rate", {}).items()}}


def run_steps(chosen: Sequence[Step], folder: Path, target: Path, command: str, seed: int, *,
              again: bool, tell: Callable[[str], None]) -> list[str]:
    """Run steps that have not passed yet with these sources; return the names of those that failed.

    Parameters
    ----------
    chosen : sequence of Step
        In order.
    folder : Path
        For what is kept, and the logs.
    target : Path
        The recorded run, written anew after every step.
    command : str
        What makes the run again.
    seed : int
        Of it.
    again : bool
        Also those that have passed.
    tell : callable
        Takes progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = {"commit": source_commit(), "sources_sha256": sources_hash()}
    results: dict[str, Any] = {}
    began = time.monotonic()
    for number, step in enumerate(chosen, 1):
        kept = folder / f"{step.name}.result.json"
        result = None if again else _kept(kept, step, sources)
        if result is not None:
            tell(f"{number} of {len(chosen)}: {step.name} has passed already")
        else:
            tell(f"{number} of {len(chosen)}: {step.name}, {folder / step.name}.log"
                 f"{_last_time(kept)}")
            result = {"command": step.text, **sources, **_run(step, folder, tell)}
            write_run(kept, result)
            tell(f"{number} of {len(chosen)}: {step.name} "
                 f"{'passed' if result['status'] == 0 else 'FAILED'} in {result['seconds']} s")
        results[step.name] = {name: value for name, value in result.items() if name not in sources}
        failed = [name for name, found in results.items() if found["status"] != 0]
        write_run(target, {"schema_version": SCHEMA_VERSION, **identity(command), "seed": seed,
                           "steps": results, "failed": failed,
                           "missing": [later.name for later in chosen[number:]]})
    tell(f"{len(results)} steps in {time.monotonic() - began:.0f} s, written: {target}")
    return [name for name, found in results.items() if found["status"] != 0]


def _kept(path: Path, step: Step, sources: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the result of a step that has passed with the same sources, None if there is none."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # Not the commit: what steps write to docs/ is committed.
    same = (result.get("command") == step.text
            and result.get("sources_sha256") == sources["sources_sha256"])
    return result if same and result.get("status") == 0 else None


def _last_time(path: Path) -> str:
    try:
        return f", {json.loads(path.read_text(encoding='utf-8'))['seconds']} s last time"
    except (OSError, ValueError, KeyError):
        return ""


def _run(step: Step, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run a step; return status, time and figures."""
    log, output = folder / f"{step.name}.log", folder / f"{step.name}.out"
    if step.found is not None and step.found.parent == folder:
        step.found.unlink(missing_ok=True)
    began = told = time.monotonic()
    with log.open("wb") as errors, output.open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, *step.command], cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=printed,
            stderr=errors, env={**os.environ, **step.variables}, start_new_session=True)
        try:
            while (status := _status(process)) is None:
                if time.monotonic() - told > _TELL_S:
                    told = time.monotonic()
                    tell(f"    {told - began:.0f} s: {_last_line(log)}")
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    seconds = round(time.monotonic() - began, 1)
    try:
        figures = step.figures(_found(step, output))
    except (OSError, ValueError, KeyError, TypeError) as error:
        figures, status = {"error": f"no figures: {error!r}"}, status or 1
    if status:
        tell(f"    {_last_line(log) or _last_line(output)}")
    return {"status": status, "seconds": seconds, "figures": figures}


def _status(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _found(step: Step, output: Path) -> dict[str, Any]:
    if step.found is not None:
        return json.loads(step.found.read_text(encoding="utf-8"))
    lines = output.read_text(encoding="utf-8").strip().splitlines()
    if lines and lines[-1].startswith("{"):
        return json.loads(lines[-1])
    return {"last_line": lines[-1] if lines else ""}


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.nightly", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.nightly --seed 7\n\nRun what CI has no time for, and "
                    "write docs/nightly.json. Steps that have passed with the same\nsources are "
                    "not run again, so an interrupted run goes on. Status 1 if a step fails; the "
                    "others\nare run all the same.")
    parser.add_argument("--seed", type=int, default=1, help="of all steps (default: %(default)s)")
    parser.add_argument("--only", action="append", metavar="STEP",
                        help="run this step; may be repeated")
    parser.add_argument("--again", action="store_true", help="also steps that have passed")
    parser.add_argument("--list", action="store_true", help="print the steps and their commands")
    parser.add_argument("--json", type=Path, default=RECORDED / "nightly.json",
                        help="file to write (default: docs/nightly.json)")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run a night; return the exit status."""
    parser = _arguments()
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    folder = build_root() / "nightly"
    chosen = steps(options.seed, folder)
    if options.only:
        if unknown := set(options.only) - {step.name for step in chosen}:
            parser.error(f"no step {', '.join(sorted(unknown))}: there are "
                         f"{', '.join(step.name for step in chosen)}")
        chosen = [step for step in chosen if step.name in options.only]
    if options.list:
        sys.stdout.write("".join(f"{step.name:10} {step.text}\n" for step in chosen))
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)       # the step under way is ended as well
    try:
        failed = run_steps(chosen, folder, options.json,
                           shlex.join(["python", "-m", "sim.nightly", *given]), options.seed,
                           again=options.again, tell=_tell)
    except KeyboardInterrupt:
        _tell("interrupted; the same command goes on with the step that was under way")
        return 130
    for name in failed:
        _tell(f"error: {name} failed, see {folder / name}.log")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
