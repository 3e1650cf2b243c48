"""Which bits of the emitted Verilog the tests toggle: ``python -m tests.coverage --help``."""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sim import verilate
from sim.recorded import write_run
from sim.toggle_coverage import COVERAGE_VARIABLE, constant_signals, read_counts, record_fields
from tests.coverage.summary import groups_of, page, summary

_ROOT = Path(__file__).resolve().parents[2]
_EXPLAINED = Path(__file__).resolve().parent / "explained.toml"
_PAGE = _ROOT / "docs/coverage.json"

#: The profile whose points are counted; the same signals of others count as well.
_PROFILE = "sim"

#: Runs of the appliance: tests for pytest, and a module with its arguments. The hour of AAPL is not
#: among them, which takes longer than all of them together.
_RUNS = (
    "tests/e2e/test_registers.py", "tests/e2e/test_latency.py", "tests/e2e/test_kill.py",
    "tests/e2e/test_tick_to_trade.py", "tests/e2e/test_order_registers.py",
    "tests/e2e/test_network_services.py", "tests/e2e/test_order_session.py",
    "tests/e2e/test_management.py", "tests/e2e/test_message_fields.py",
    f"sim.fuzz --frames 20000 --profile {_PROFILE}",
    *(f"tests/e2e/test_replay.py::test_{name}" for name in (
        "rows_equal_those_of_independent_programs[ESM4, 13,604 live orders]",
        "rows_equal_those_of_independent_programs[04:00, 198 symbols]",
        "rows_equal_those_of_independent_programs[09:30, a mid-session join]",
        "symbols_can_be_chosen_and_text_is_for_people", "frames_of_a_real_capture",
        "rebuilt_headers_need_lenient",
        "two_lines_that_lose_packets_give_what_one_whole_line_gives")),
    *(f"tests/e2e/test_features.py::test_vectors_and_levels_equal_the_specification[{name}]"
      for name in ("04:00, 198 symbols", "09:30, a mid-session join")),
    "tests/e2e/test_feed_events.py", "tests/e2e/test_order_flow.py",
)


def main() -> int:
    """Run; the exit status is 1 if a test fails."""
    options = _arguments()
    if options.page:
        _write_page()
        return 0
    folder = _ROOT / "build/coverage"
    data = folder / "data"
    if not options.keep:
        shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True, exist_ok=True)
    outcomes_file = data / "outcomes.json"
    outcomes: dict[str, str] = (json.loads(outcomes_file.read_text(encoding="utf-8"))
                                if outcomes_file.exists() else {})
    for run_name in options.runs:
        outcomes[run_name] = _run(run_name, data)
        outcomes_file.write_text(json.dumps(outcomes), encoding="utf-8")
    print("adding up", file=sys.stderr)
    emitted = verilate.emit(verilate.APPLIANCE, {"profile": _PROFILE})
    verilog = emitted.verilog.read_text(encoding="utf-8")
    run = summary(read_counts(sorted(data.glob("*.dat"))), _owners(),
                  constant_signals(verilog), groups_of(_EXPLAINED), profile=_PROFILE,
                  command=_command(list(outcomes)), tests=outcomes, fields=record_fields(verilog))
    write_run(folder / "coverage.json", run)
    if options.record:
        write_run(_PAGE, run)
        _write_page()
    for name, row in {**run["folders"], "all": run["total"]}.items():
        print(f"{name:16}{row['points']:>10,}{row['covered']:>10,}{row['percent']:>8.2f} %"
              f"{row['explained']:>10,} explained{row['unexplained']:>8,} not")
    return int(any(outcome != "passed" for outcome in outcomes.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.coverage", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m tests.coverage tests/e2e/test_latency.py\n\nRun tests on "
                    "an appliance that counts toggles, and print by folder which bits of the "
                    "emitted Verilog rose and fell.")
    parser.add_argument("runs", nargs="*", default=list(_RUNS), metavar="RUN",
                        help="files of tests, or a module with its arguments in one word "
                        "(default: runs of the whole appliance that take half an hour)")
    parser.add_argument("--keep", action="store_true", help="add to what earlier runs counted")
    parser.add_argument("--record", action="store_true",
                        help="write docs/coverage.json and docs/coverage.md")
    parser.add_argument("--page", action="store_true",
                        help="write docs/coverage.md again from docs/coverage.json")
    return parser.parse_args()


def _command(runs: list[str]) -> str:
    """Return what makes this run again."""
    named = [] if set(runs) == set(_RUNS) else [shlex.quote(name) for name in runs]
    return " ".join(["python -m tests.coverage", *named, "--record"])


def _run(name: str, data: Path) -> str:
    start = time.monotonic()
    tests = name.startswith("tests/")
    arguments = ["pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", name] if tests \
        else name.split()
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=_ROOT,
        env={**os.environ, COVERAGE_VARIABLE: str(data)}, capture_output=True, text=True,
        check=False)
    outcome = "passed" if done.returncode == 0 else "failed"
    print(f"{name}: {outcome} in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if done.returncode:
        print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
    return outcome


def _owners() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.coverage.owners", json.dumps({"profile": _PROFILE})],
        cwd=_ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _write_page() -> None:
    run = json.loads(_PAGE.read_text(encoding="utf-8"))
    _PAGE.with_suffix(".md").write_text(page(run), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
