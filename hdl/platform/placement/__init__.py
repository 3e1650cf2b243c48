"""A placement made better for its clock: cells move until the longest paths are short.

nextpnr's electrostatic placer looks at the amount of wire alone, and what it moves afterwards has
to pay at once. In a full device that leaves cells of one path a hundred tiles apart. Here simulated
annealing goes on where it ended: single cells, carry chains, memories of tables and block RAMs
change places, and what counts is wire and, for every register, how late its input is. The device's
rules (what shares a slice or a tile) hold after every move. nextpnr routes the result.

The cost of late paths is convex in their length, and its gradient gives each wire its weight, so a
wire that many registers wait for weighs as much as all that is behind it. The annealer is C++, made
when it is first used; the same seed gives the same placement.

Example: ``refine(Path("placed.json"), Path("better.json"), seed=1)``.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hdl.platform.placement.exchange import Delays, PlacementError, read_sites, write_design

__all__ = ["Annealing", "Delays", "PlacementError", "annealer", "refine"]

_HERE = Path(__file__).resolve().parent
#: Without contraction, as a fused multiplication and addition would make results differ by machine.
_FLAGS = ("-O3", "-std=c++17", "-ffp-contract=off")


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """How long and how hot.

    Attributes
    ----------
    moves : int
        Tried, some 300,000 a second.
    aim_ns : float
        Paths should be no longer, by the delays assumed.
    timing_share : float
        0 to 1; the rest is for wire.
    hot, cold : float
        Temperature at the beginning and at the end, in tiles of wire.
    far, near : int
        How many tiles a move goes at most, at the beginning and at the end.
    """

    moves: int = 120_000_000
    aim_ns: float = 7.5
    timing_share: float = 0.65
    hot: float = 0.6
    cold: float = 0.05
    far: int = 20
    near: int = 3


def annealer(folder: Path) -> Path:
    """Return the annealer's program, made from its sources if it is not there.

    Parameters
    ----------
    folder : Path
        Where programs are kept.

    Raises
    ------
    PlacementError
        If there is no C++ compiler, or it fails. The variable ``CXX`` names another than g++.
    """
    sources = sorted(path for path in _HERE.iterdir() if path.suffix in (".cc", ".h"))
    compiler = os.environ.get("CXX", "g++")
    digest = hashlib.sha256(" ".join((compiler, *_FLAGS)).encode())
    for path in sources:
        digest.update(path.read_bytes())
    program = folder.resolve() / f"anneal-{digest.hexdigest()[:16]}"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")
        _run([compiler, *_FLAGS, "-o", str(made),
              *(str(path) for path in sources if path.suffix == ".cc")])
        made.rename(program)
    return program


def refine(placed: Path, out: Path, *, seed: int, annealing: Annealing | None = None,
           delays: Delays | None = None,
           progress: Callable[[str], None] | None = None) -> dict[str, dict[str, float]]:
    """Make a placed design faster.

    Parameters
    ----------
    placed : Path
        JSON from ``nextpnr-ecp5 --no-route --write``, without wide multiplexers.
    out : Path
        The same with other sites, for ``nextpnr-ecp5 --no-pack --no-place``.
    seed : int
        Of all that is random.
    annealing : Annealing, optional
        How long and how hot.
    delays : Delays, optional
        Of the device.
    progress : callable, optional
        Is told what is reached, in words.

    Returns
    -------
    dict
        ``before`` and ``after``: ``wire``, half the boxes of all nets in tiles; ``longest_ns``, of
        all paths by the delays assumed; ``late``, registers whose input is later than aimed at.

    Raises
    ------
    PlacementError
        If the design is not placed or has what this cannot move, or the annealer fails.
    """
    how = annealing or Annealing()
    design, answer = out.with_suffix(".cells"), out.with_suffix(".sites")
    program = annealer(out.parent)
    write_design(placed, design, delays)
    try:
        lines = _run([str(program), str(design), str(answer), str(how.moves), str(seed),
                      str(how.aim_ns), str(how.timing_share), str(how.hot), str(how.cold),
                      str(how.far), str(how.near)], progress)
        read_sites(placed, answer, out)
    finally:
        design.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
    found = [json.loads(line) for line in lines]
    return {name: {key: state[key] for key in ("wire", "longest_ns", "late")}
            for name in ("before", "after") for state in found if name in state}


def _run(command: list[str], progress: Callable[[str], None] | None = None) -> list[str]:
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True)
    except FileNotFoundError as error:
        raise PlacementError(f"{command[0]} was not found: a C++ compiler is wanted, as "
                             "`make setup` installs it or CXX names it") from error
    lines: list[str] = []
    with child:
        for line in child.stdout or ():
            lines.append(line.rstrip("\n"))
            state = json.loads(line) if line.startswith("{") else {}
            if progress is not None and "moves" in state:
                progress(f"{state['moves'] / 1e6:.0f} million moves: longest path "
                         f"{state['longest_ns']:.2f} ns, {state['late']} late, "
                         f"{state['wire']} tiles of wire")
    if child.returncode != 0:
        raise PlacementError(f"{Path(command[0]).name} failed with status {child.returncode}: "
                             + "\n".join(lines[-20:]))
    return lines
