"""A report against the committed one: what has become slower, and what is lost that was not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.bench.flow import Kind
from sim.bench.report import SCHEMA_VERSION
from sim.errors import SimulationError

__all__ = ["BASELINE", "BaselineError", "load_baseline", "regressions"]

#: The committed report.
BASELINE = Path(__file__).resolve().parents[2] / "docs/bench.json"

#: Of each kind of trigger; cycles are exact, so one more is a change of the hardware.
_CYCLES = ("min", "median", "max")


class BaselineError(SimulationError):
    """A file is no report, or one that cannot be compared."""


def load_baseline(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Read the report to compare with.

    Raises
    ------
    BaselineError
        If it is no report, or of another profile or schema.
    """
    try:
        baseline = json.loads(path.read_text(encoding="utf-8"))
        found = {key: baseline[key] for key in ("schema_version", "profile")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaselineError(f"{path}: wanted a report of the bench, got {error!r}") from None
    wanted = {"schema_version": SCHEMA_VERSION, "profile": report["profile"]}
    if found != wanted:
        raise BaselineError(f"{path}: wanted a report of {wanted}, got one of {found}")
    return baseline


def regressions(report: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """Return what is worse than in the baseline, of the parts that both have.

    Cycles of orders that nothing held up, of every kind and FCS mode, and messages lost or books
    wrong at line rate. Rates and frequencies depend on the machine and the seed; they are not
    compared.
    """
    return [*_slower(report, baseline), *_lost(report, baseline)]


def _slower(report: dict[str, Any], baseline: dict[str, Any]) -> Iterator[str]:
    for mode, figures in report.get("fcs_modes", {}).items():
        before = baseline.get("fcs_modes", {}).get(mode)
        if before is None:
            continue
        for kind in Kind:
            now, then = (part["eot_sof_cycles"][kind.value] for part in (figures, before))
            for name in _CYCLES:
                if now[name] > then[name]:
                    yield (f"{mode} {kind.value}: {name} is {now[name]} cycles, "
                           f"was {then[name]}")


def _lost(report: dict[str, Any], baseline: dict[str, Any]) -> Iterator[str]:
    for form, figures in report.get("line_rate", {}).items():
        for mix, now in figures["mixes"].items():
            then = baseline.get("line_rate", {}).get(form, {}).get("mixes", {}).get(mix)
            if then is None:
                continue
            for name in ("lost", "book_errors"):
                if now[name] > then[name]:
                    yield f"line rate, {form}, {mix}: {name} {now[name]}, was {then[name]}"
