"""Measure the appliance: ``python -m sim.bench --help``."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from hdl.profile import PROFILES
from sim.bench.baseline import BASELINE, load_baseline, regressions
from sim.bench.latency import FCS_MODES, measure_latency
from sim.bench.line_rate import MIXES, measure_line_rate, total
from sim.bench.replay_rate import measure_replay_rate
from sim.bench.report import PARTS, failures, identity, table
from sim.bench.timing import measure_timing
from sim.errors import SimulationError
from sim.recorded import write_run
from sim.verilate import build_root

#: Orders of each kind, messages at line rate of each form, messages replayed, and seeds.
_FULL = {"orders": 1000, "messages": 1_000_000, "replayed": 500_000, "seeds": (1, 2, 3)}
_QUICK = {"orders": 50, "messages": 50_000, "replayed": 50_000, "seeds": (1,)}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.bench --only latency --orders 100\n\n"
                    "Measure latency, line rate, replay rate and routed frequency of one profile, "
                    "print them\nand write them as JSON. Parts that are not measured stay in the "
                    "file if they are of the\nsame profile and hardware. Status 1 if something "
                    "that should be measured was not seen.")
    parser.add_argument("--only", action="append", choices=sorted(PARTS), metavar="PART",
                        help=f"measure only this part: {', '.join(PARTS)}; may be repeated")
    parser.add_argument("--profile", default="bench", choices=sorted(PROFILES),
                        help="sizes (default: %(default)s); the replay's are those of "
                             "`tickwire replay`")
    parser.add_argument("--quick", action="store_true",
                        help="fewer orders and messages, one seed of the placement")
    parser.add_argument("--orders", type=int, help="orders of each kind of trigger (default: 1000)")
    parser.add_argument("--messages", type=int,
                        help="messages at line rate, packed and one a frame (default: 1000000)")
    parser.add_argument("--replayed", type=int, help="messages replayed (default: 500000)")
    parser.add_argument("--seeds", type=int, nargs="+",
                        help="seeds of the placement (default: 1 2 3)")
    parser.add_argument("--seed", type=int, default=1,
                        help="seed of the flow (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file to write (default: build/bench.json)")
    parser.add_argument("--baseline", type=Path, nargs="?", const=BASELINE, metavar="FILE",
                        help="status 1 if an order takes more cycles, or more is lost, than in "
                             "this report (without FILE: docs/bench.json)")
    return parser


def _talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _measure(part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the keys of one part."""
    preset = _QUICK if options.quick else _FULL

    def chosen(name: str) -> Any:
        value = getattr(options, name)
        return preset[name] if value is None else value

    if part == "latency":
        modes = {mode: measure_latency(options.profile, mode, orders=chosen("orders"),
                                       seed=options.seed, progress=_talk) for mode in FCS_MODES}
        shown = next(iter(modes.values()))
        return {**{key: shown[key] for key in PARTS[part] if key != "fcs_modes"},
                "fcs_modes": modes}
    if part == "line-rate":
        share = -(-chosen("messages") // len(MIXES))
        return {"line_rate": {form: total({
            mix: measure_line_rate(options.profile, mix, messages=share, packed=form == "packed",
                                   seed=options.seed, progress=_talk) for mix in MIXES})
            for form in ("packed", "single")}}
    if part == "replay":
        return {"replay": measure_replay_rate("sim", build_root() / "bench",
                                              messages=chosen("replayed"), seed=options.seed)}
    return measure_timing(options.profile, build_root() / "bench", seeds=chosen("seeds"),
                          progress=_talk)


def _kept(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of an earlier report of the same hardware."""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    same = all(earlier.get(key) == report[key] for key in ("schema_version", "profile",
                                                           "hdl_sha256"))
    keys = {key for keys in PARTS.values() for key in keys}
    return {key: value for key, value in earlier.items() if same and key in keys}


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; return the exit status."""
    options = _arguments().parse_args(arguments)
    path = options.json or build_root() / "bench.json"
    parts = tuple(options.only or PARTS)
    report = identity(options.profile, shlex.join(
        ["python", "-m", "sim.bench", *(sys.argv[1:] if arguments is None else arguments)]))
    report |= _kept(path, report)
    try:
        baseline = load_baseline(options.baseline, report) if options.baseline else None
        for part in parts:
            _talk(f"measuring {part}")
            report |= _measure(part, options)
    except SimulationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_run(path, report)
    print("\n".join(table(report)))
    reasons = failures(report, parts)
    if baseline is not None and not reasons:
        reasons = regressions(report, baseline)
        if baseline.get("hdl_sha256") != report["hdl_sha256"]:
            _talk(f"{options.baseline} is of other hardware, commit {baseline['commit'][:12]}")
        if not reasons:
            _talk(f"nothing is slower than in {options.baseline}")
    for reason in reasons:
        print(f"error: {reason}", file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the native library's memory goes with the process
