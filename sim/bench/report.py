"""What the measurements found: the file's shape, what makes it a failure, and the table."""

from collections.abc import Iterator
from typing import Any

from proto.checks import Check
from sim import recorded
from sim.bench.flow import Kind
from sim.bench.latency import FCS_MODES
from sim.bench.line_rate import MIXES

__all__ = ["PARTS", "SCHEMA_VERSION", "failures", "identity", "table"]

SCHEMA_VERSION = 1

#: Parts of a run, and the keys of the file that each of them fills.
PARTS: dict[str, tuple[str, ...]] = {
    "latency": ("eot_sof_cycles", "som_sof_cycles", "eot_sof_queued_cycles", "fcs_modes"),
    "line-rate": ("line_rate",),
    "replay": ("replay",),
    "timing": ("fmax_mhz", "resources", "timing"),
}

_LATENCIES = ("eot_sof_cycles", "som_sof_cycles", "eot_sof_queued_cycles")
_RESOURCES = ("lut4", "ff", "ebr", "dsp")


def identity(profile: str, command: str) -> dict[str, Any]:
    """Return what was measured, with what, and where."""
    return {"schema_version": SCHEMA_VERSION, "profile": profile, **recorded.identity(command)}


def failures(report: dict[str, Any], parts: tuple[str, ...]) -> list[str]:
    """Return why a report is no measurement: what is missing or was never seen."""
    found = [f"{key} is missing" for part in parts for key in PARTS[part] if key not in report]
    if found:
        return found
    if "latency" in parts:
        found += _latency_failures(report)
    if "line-rate" in parts:
        for form in ("packed", "single"):
            found += [f"line_rate.{form}: no {mix}" for mix in MIXES
                      if not report["line_rate"][form]["mixes"].get(mix, {}).get("messages")]
    if "replay" in parts and not report["replay"]["messages_per_second"]:
        found.append("replay: no messages")
    if "timing" in parts:
        found += [f"resources.{name} is missing" for name in _RESOURCES
                  if name not in report["resources"]]
        if not report["fmax_mhz"]["seeds"]:
            found.append("fmax_mhz: no seed")
    return found


def _latency_failures(report: dict[str, Any]) -> Iterator[str]:
    for name in _LATENCIES[:2]:
        for kind in Kind:
            if not report[name].get(kind.value, {}).get("n"):
                yield f"{name}.{kind.value}: n = 0"
    for mode in FCS_MODES:
        figures = report["fcs_modes"].get(mode)
        if figures is None:
            yield f"fcs_modes.{mode} is missing"
            continue
        for kind in Kind:
            if not figures["eot_sof_cycles"].get(kind.value, {}).get("n"):
                yield f"fcs_modes.{mode}.eot_sof_cycles.{kind.value}: n = 0"
        for check in Check:
            if check.name.lower() not in figures["checks_failed"]:
                yield f"fcs_modes.{mode}: check {check.name.lower()} was not shown to fail"


def table(report: dict[str, Any]) -> list[str]:
    """Return the lines that people read."""
    lines = [f"profile {report['profile']}, commit {report['commit'][:12]}"]
    fmax = report.get("fmax_mhz", {}).get("worst")
    if "fcs_modes" in report:
        lines += ["", "Last byte of the trigger at the feed's pins to Start of the order at the "
                      "order port's, core cycles, simulated",
                  f"{'':20}{'trigger':10}{'min':>6}{'median':>8}{'max':>6}{'n':>8}"
                  f"{'queued':>8}{'median':>8}{'max':>6}" + ("" if fmax is None else
                                                              f"{'max ns':>9}")]
        for mode, figures in report["fcs_modes"].items():
            lines += [_latency_line(mode, kind.value, figures, fmax) for kind in Kind]
    for form, figures in report.get("line_rate", {}).items():
        lines += ["", f"10GbE line rate, {form}: {figures['messages']:,} messages, "
                      f"{figures['lost']:,} lost, {figures['book_errors']:,} book errors"]
        lines += [f"  {name:18}{mix['messages']:>10,} messages{mix['cycles_per_message']:>8.2f} "
                  f"cycles each{mix['lost']:>8,} lost{mix['book_errors']:>6,} errors"
                  f"{mix['rows_while_stale']:>8,} rows while stale"
                  for name, mix in figures["mixes"].items()]
    if "replay" in report:
        replay = report["replay"]
        lines += ["", f"Replay (profile {replay['profile']}, one core, packed): "
                      f"{replay['messages_per_second']:,} messages and "
                      f"{replay['cycles_per_second']:,} cycles a second; "
                      f"{replay['messages_per_processor_second']:,} messages a processor second"]
    if "fmax_mhz" in report:
        resources, path = report["resources"], report["timing"]["critical_path"]
        seeds = ", ".join(f"{seed}: {value}" for seed, value in report["fmax_mhz"]["seeds"].items())
        lines += ["", f"Whole core on {report['timing']['device']}, routed, constraint "
                      f"{report['timing']['constraint_mhz']} MHz: worst {fmax} MHz (seed {seeds})",
                  "  " + ", ".join(f"{resources[name]:,} {name}" for name in _RESOURCES),
                  f"  critical path {path['logic_ns']} ns logic, {path['routing_ns']} ns routing, "
                  f"{path['levels']} levels: {path['from']} -> {path['to']}"]
    return lines


def _latency_line(mode: str, kind: str, figures: dict[str, Any], fmax: float | None) -> str:
    now, queued = figures["eot_sof_cycles"][kind], figures["eot_sof_queued_cycles"][kind]

    def text(value: Any) -> str:
        return "-" if value is None else str(value)

    line = (f"{mode:20}{kind:10}{text(now['min']):>6}{text(now['median']):>8}"
            f"{text(now['max']):>6}{now['n']:>8,}{queued['n']:>8,}{text(queued['median']):>8}"
            f"{text(queued['max']):>6}")
    return line if fmax is None else f"{line}{now['max'] * 1000 / fmax:>9.1f}"
