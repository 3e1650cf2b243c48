"""Judge mutants of the hardware: ``python -m tests.mutants --help``."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from sim.recorded import write_run
from tests.mutants.judge import LAYERS, Judge, JudgeError, Verdict, hash_of
from tests.mutants.operators import Mutant
from tests.mutants.results import Kept, Record, explanations, page, report
from tests.mutants.selection import all_mutants, in_order

_ROOT = Path(__file__).resolve().parents[2]
_BUILD = _ROOT / "build/mutants"
_EXPLAINED = Path(__file__).resolve().parent / "explained.toml"
_PAGE = _ROOT / "docs/mutants.json"
_JUDGED = (Verdict.CAUGHT, Verdict.TIMED_OUT, Verdict.SURVIVED)


def main() -> int:
    """Run; the exit status is 1 if a mutant survived that is not explained."""
    options = _arguments()
    if options.page:
        _write_page()
        return 0
    seed = _rotating_seed() if options.rotate else options.seed
    layers = {"quick": ("quick",), "unit": ("unit",), "e2e": ("unit", "e2e")}[options.tests]
    judge = Judge(_ROOT, _BUILD, measured=not options.unmeasured)
    mutants = all_mutants(judge.root)
    queue = in_order(mutants, seed)
    if options.only:
        queue = (mutant for mutant in queue if options.only in mutant.key)
    explained = explanations(_EXPLAINED)
    if options.list:
        for mutant, _ in zip(queue, range(options.count), strict=False):
            print(f"{mutant.path}:{mutant.line}  {mutant.key}\n{_change(mutant)}")
        return 0
    total = sum(map(len, mutants.values()))
    print(f"{total:,} mutants of {len(mutants)} files; seed {seed}, {options.count} of them, "
          f"layers {' and '.join(layers)}")
    try:
        records = _run(judge, queue, options.count, layers, explained)
    except JudgeError as error:
        print(error, file=sys.stderr)
        return 1
    if options.record:
        # What runs it again; `--only` and the like are no recorded run.
        command = f"python -m tests.mutants --count {options.count} --seed {seed} --record"
        run = report(records, explained, command, seed, layers)
        write_run(_PAGE, run)
        _write_page()
    return _summary(records, explained)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: make mutants COUNT=10 SEED=3\n\nChange the hardware's sources in one "
                    "place at a time, and see whether a test notices.\nEnds with 1 if a change "
                    "lives that tests/mutants/explained.toml does not explain.")
    parser.add_argument("--count", type=_positive, default=100,
                        help="mutants to judge (default: %(default)s)")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, default=1, help="which ones (default: %(default)s)")
    seeds.add_argument("--rotate", action="store_true", help="take the seed from the commit")
    parser.add_argument("--tests", choices=LAYERS, default="unit",
                        help="how far to go: the cheap unit tests of the folder, all of them, "
                        "or runs of the whole appliance as well (default: %(default)s)")
    parser.add_argument("--unmeasured", action="store_true",
                        help="do not run the tests without a mutant first: they have just passed")
    parser.add_argument("--only", metavar="TEXT", help="mutants with TEXT in their names")
    parser.add_argument("--list", action="store_true", help="show the mutants, judge none")
    parser.add_argument("--record", action="store_true",
                        help="write docs/mutants.json and docs/mutants.md")
    parser.add_argument("--page", action="store_true",
                        help="write docs/mutants.md again from docs/mutants.json")
    return parser.parse_args()


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, was {value}")
    return value


def _rotating_seed() -> int:
    done = subprocess.run(["git", "-C", str(_ROOT), "rev-parse", "HEAD"], capture_output=True,
                          text=True, check=True)
    return int(done.stdout[:8], 16)


def _run(judge: Judge, queue: Iterable[Mutant], count: int, layers: tuple[str, ...],
         explained: dict[str, str]) -> list[Record]:
    kept = Kept(_BUILD / "judged.jsonl")
    records: list[Record] = []
    judged, spent, worked = 0, 0.0, 0
    for mutant in queue:
        if judged == count:
            break
        source = hash_of(judge.root / mutant.path)
        tests = hash_of(*sorted((judge.root / "tests/unit" / mutant.path).parent.glob("*.py")))
        # Why no test can notice it is known: whether one does all the same, the cheap ones tell.
        asked = ("quick",) if mutant.key in explained else layers
        record = kept.find(mutant, source, tests, asked)
        again = "" if record is None else ", as before"
        if record is None:
            start = time.monotonic()
            record = Record(mutant, judge.judge(mutant, asked), source, tests)
            spent, worked = spent + time.monotonic() - start, worked + 1
            kept.add(record)
        records.append(record)
        judged += record.judgement.verdict in _JUDGED
        left = (count - judged) * spent / worked / 60 if worked else 0.0
        _tell(record, f"{judged}/{count}", again, left, explained)
    return records


def _tell(record: Record, place: str, again: str, left: float, explained: dict[str, str]) -> None:
    mutant, judgement = record.mutant, record.judgement
    by = f" by {judgement.test}" if judgement.test else ""
    if judgement.verdict is Verdict.SURVIVED:
        by = ", explained" if mutant.key in explained else ", NOT EXPLAINED"
    print(f"[{place}] {mutant.path}:{mutant.line} {mutant.operator}: {judgement.verdict}{by} "
          f"({judgement.seconds:.0f} s{again}; about {left:.0f} min left)", flush=True)


def _change(mutant: Mutant) -> str:
    return f"    - {' '.join(mutant.before.split())}\n    + {' '.join(mutant.after.split())}"


def _summary(records: list[Record], explained: dict[str, str]) -> int:
    counts = {verdict: sum(record.judgement.verdict is verdict for record in records)
              for verdict in Verdict}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    caught = {record.mutant.key for record in records
              if record.judgement.verdict in (Verdict.CAUGHT, Verdict.TIMED_OUT)}
    for key in sorted(caught & set(explained)):
        print(f"explained, but caught: remove {key} from {_EXPLAINED.name}")
    unexplained = [record.mutant for record in records
                   if record.judgement.verdict is Verdict.SURVIVED
                   and record.mutant.key not in explained]
    for mutant in unexplained:
        print(f"survived, and not explained: {mutant.path}:{mutant.line}\n    {mutant.key}\n"
              f"{_change(mutant)}")
    return 1 if unexplained else 0


def _write_page() -> None:
    run = json.loads(_PAGE.read_text(encoding="utf-8"))
    _PAGE.with_suffix(".md").write_text(page(run), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
