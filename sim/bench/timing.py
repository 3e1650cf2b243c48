"""Routed frequency and resources of the whole core: the RTL in which the cycles are counted.

The core as a board has it, with its three lines alone (:mod:`hdl.platform.board_core`). Every input
comes from a chain of registers and every output ends in a tree of registers
(:mod:`hdl.platform.out_of_context`), so no constant trims anything. The netlist is kept by a hash
of the RTLIL that it is made of and of what makes it, a result by netlist, seed and what places it.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hdl.platform import ecp5_mapping, out_of_context, place_and_route, ultrascale
from sim.errors import SimulationError

__all__ = ["TimingError", "measure_timing", "netlist_of", "summarise_path"]

#: LFE5UM5G-85F, speed 8; what nextpnr aims at.
DEVICE = "LFE5UM5G-85F speed 8"
CONSTRAINT_MHZ = 156.25

_ROOT = Path(__file__).resolve().parents[2]

#: Run in a process of its own: pyosys takes the process over, and crashes when it ends in order.
_CHILD = """
import sys, os
from pathlib import Path
from amaranth.back import rtlil
from hdl.platform.out_of_context import OutOfContext
from {flow} import synthesise
from hdl.profile import PROFILES
from hdl.platform.board_core import BoardCore
top = OutOfContext(BoardCore(PROFILES[sys.argv[1]]))
{body}
sys.stdout.flush()
os._exit(0)
"""
_EMIT = 'Path(sys.argv[2]).write_text(rtlil.convert(top, name="top", emit_src=False))'
_SYNTHESISE = "synthesise(top, Path(sys.argv[2]))"

#: What maps a family: the module with ``synthesise``, and what else the netlist depends on.
_FLOWS: dict[str, tuple[ModuleType, ...]] = {
    "ecp5": (out_of_context, ecp5_mapping), "xcup": (ultrascale, out_of_context)}

Progress = Callable[[str], None]

# The hardware's annotations are relaxed; here they are strict.
_run_nextpnr: Callable[..., dict[str, Any]] = place_and_route.place_and_route  # pyright: ignore


class TimingError(SimulationError):
    """Synthesis or placement failed."""


def measure_timing(profile: str, folder: Path, *, seeds: Sequence[int],
                   progress: Progress | None = None) -> dict[str, Any]:
    """Synthesise, place and route the core of a profile.

    Parameters
    ----------
    profile : str
        Sizes.
    folder : Path
        Where netlists and reports are kept.
    seeds : sequence of int
        Seeds of the placement, one run each.

    Returns
    -------
    dict
        ``fmax_mhz``, ``resources`` and ``timing``; those of the worst seed where there is one only.

    Raises
    ------
    TimingError
        If a tool fails.
    """
    talk = progress or _quiet
    netlist = netlist_of(profile, folder, talk)
    results: dict[int, dict[str, Any]] = {}
    for seed in seeds:
        kept = netlist.with_suffix(f".{seed}.{place_and_route.flow_hash()}.result.json")
        if not kept.exists():
            talk(f"placing and routing with seed {seed}")
            kept.write_text(json.dumps(_place_and_route(netlist, seed, talk)))
        results[seed] = json.loads(kept.read_text())
    worst = min(results.values(), key=lambda result: result["fmax_mhz"])
    return {
        "fmax_mhz": {"seeds": {str(seed): result["fmax_mhz"] for seed, result in results.items()},
                     "worst": worst["fmax_mhz"]},
        "resources": worst["resources"],
        "timing": {
            "device": DEVICE, "constraint_mhz": worst["constraint_mhz"],
            "netlist": netlist.stem, "critical_path": summarise_path(worst["critical_path"]),
        },
    }


def _quiet(text: str) -> None:
    """Say nothing."""


def summarise_path(steps: Sequence[str]) -> dict[str, Any]:
    """Return where a path begins and ends, and what takes its time.

    Parameters
    ----------
    steps : sequence of str
        ``delay type cell.port -> cell.port``, as :func:`place_and_route` returns them; its types
        are those of nextpnr's report.

    Returns
    -------
    dict
        ``from`` and ``to``: cells; ``logic_ns`` and ``routing_ns``; ``levels``: cells between.
    """
    logic = routing = 0.0
    levels = 0
    for step in steps:
        delay, kind, _ = step.split(" ", 2)
        if kind == "routing":
            routing += float(delay)
        else:
            logic += float(delay)
            levels += kind == "logic"
    ends = [end.rpartition(".")[0] for step in (steps[0], steps[-1]) for end in
            step.split(" ", 2)[2].split(" -> ")] if steps else ["", "", "", ""]
    return {"from": ends[0], "to": ends[-1], "logic_ns": round(logic, 2),
            "routing_ns": round(routing, 2), "levels": levels}


def netlist_of(profile: str, folder: Path, talk: Progress, *, family: str = "ecp5") -> Path:
    """Return the netlist of the core, made if it is not there.

    Parameters
    ----------
    profile : str
        Sizes.
    folder : Path
        Where netlists are kept.
    talk : callable
        Is told what is done.
    family : str
        ``ecp5`` or ``xcup``.

    Raises
    ------
    TimingError
        If synthesis fails.
    """
    flow = _FLOWS[family]
    folder.mkdir(parents=True, exist_ok=True)
    talk("writing RTLIL")
    emitted = folder / f"{profile}.{os.getpid()}.il"
    try:
        _child(flow[0], _EMIT, profile, emitted)
        sources = b"".join(Path(module.__file__ or "").read_bytes() for module in flow)
        digest = hashlib.sha256(emitted.read_bytes() + sources).hexdigest()[:20]
    finally:
        emitted.unlink(missing_ok=True)
    netlist = folder / f"{profile}-{digest}.json"
    if not netlist.exists():
        talk("synthesising, some minutes")
        made = folder / f"{profile}-{digest}.{os.getpid()}.json"
        _child(flow[0], _SYNTHESISE, profile, made)
        made.rename(netlist)
    return netlist


def _child(flow: ModuleType, body: str, profile: str, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(flow=flow.__name__, body=body), profile,
         str(path.resolve())], cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # Clock domains become ports in the order of a set of strings.
        text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"})
    if done.returncode != 0 or not path.exists():
        raise TimingError(f"yosys failed with status {done.returncode}:\n{done.stdout[-2000:]}")


def _place_and_route(netlist: Path, seed: int, talk: Progress) -> dict[str, Any]:
    try:
        return _run_nextpnr(netlist, seed=seed, frequency_mhz=CONSTRAINT_MHZ, dense=True,
                            progress=talk)
    except (RuntimeError, OSError) as error:
        raise TimingError(str(error)) from error
