"""Find the paths of a netlist that are too deep to be fast wherever they are placed.

A router's report shows one path, and where it happened to lie. The depth is known before placement:
every path between registers, in tables and carry chains, with the same wire for each hop. What is
long here is long after placement; what is short here and long there is a matter of where it lies.

The netlist is that of ``python -m sim.bench --only timing`` (build/bench) or of
:mod:`hdl.platform.out_of_context` (build/timing).

Example: ``python -m hdl.platform.paths build/bench/bench-0123456789abcdef0123.json --steps``
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Endpoint", "Netlist"]

#: Delays in ns of an LFE5UM5G, speed 8: clock to output, through a cell.
_REGISTER = 0.31
_OUTPUT_REGISTER = 0.5      # of a block RAM or multiplier
_BLOCK_RAM = 4.0
_MULTIPLIER = 2.5
_TABLE = 0.14
_INTO_CARRY = 0.3
_CARRY = 0.05
#: From a table to the register behind it.
_BESIDE = 0.05
#: A wire to many places is longer: readers, and what is added, as a part of a hop.
_FANOUT = ((8, 0.15), (32, 0.25), (128, 0.3))

_COMBINATIONAL = {"LUT4": None, "CCU2C": None, "TRELLIS_DPR16X4": "RAD"}
_CLOCKS = {"CLK", "CLKA", "CLKB", "WCK"}
_SUFFIX = re.compile(r"_(LUT4|CCU2C|TRELLIS_FF|DP16KD|MULT18X18D|TRELLIS_DPR16X4).*")


@dataclass(frozen=True)
class Endpoint:
    """The longest path to one pin of a register or memory.

    Attributes
    ----------
    delay_ns : float
        Of all steps.
    pin : str
        Where it ends, such as ``DI`` or ``CE``.
    steps : tuple of (float, str, str, int)
        From the register on: time at the cell's output, kind of cell, net, readers of the net.
    end : str
        What the end drives.
    """

    delay_ns: float
    pin: str
    steps: tuple[tuple[float, str, str, int], ...]
    end: str

    @property
    def start(self) -> str:
        """Name of the net where the path begins."""
        return self.steps[0][2]


class Netlist:
    """A flat netlist of ECP5 cells as Yosys writes it.

    Parameters
    ----------
    module : dict
        The module.
    hop_ns : float
        Wire from a cell to another one.
    """

    def __init__(self, module: dict, *, hop_ns: float):
        self.hop_ns = hop_ns
        self.cells = {name: cell for name, cell in module["cells"].items()
                      if cell["type"] != "$scopeinfo"}
        self.readers = defaultdict(list)
        for name, cell in self.cells.items():
            for pin, nets in cell["connections"].items():
                if cell["port_directions"][pin] != "output":
                    for net in nets:
                        if isinstance(net, int):
                            self.readers[net].append((name, pin))
        self.names: dict[int, str] = {}
        for name, wire in module["netnames"].items():
            for net in wire["bits"]:
                if isinstance(net, int) and (
                        net not in self.names or
                        (name.startswith("$"), len(name)) < (self.names[net].startswith("$"),
                                                            len(self.names[net]))):
                    self.names[net] = name

    def endpoints(self) -> list[Endpoint]:
        """Return the longest path to every pin that a clock samples, longest first."""
        arrival: dict[str, float] = defaultdict(float)
        before: dict[str, tuple] = {}
        waiting = {name: len(list(self._inputs(name))) for name, cell in self.cells.items()
                   if cell["type"] in _COMBINATIONAL}
        ready = [name for name, count in waiting.items() if count == 0]
        constant = set(ready)
        ends = []

        def pass_on(name: str, pin: str, net: int, time: float) -> None:
            for reader, entry in self.readers[net]:
                arrives = time + self._wire(name, pin, net, reader, entry)
                if reader in waiting and self._combinational(reader, entry):
                    if reader not in before or arrives > arrival[reader]:
                        arrival[reader] = arrives
                        before[reader] = (name, net, time, entry)
                    waiting[reader] -= 1
                    if waiting[reader] == 0:
                        ready.append(reader)
                elif entry not in _CLOCKS and name not in constant:
                    ends.append((arrives, reader, entry, name, net, time))

        for name, cell in self.cells.items():
            if cell["type"] not in _COMBINATIONAL:
                for pin, net in self._outputs(name):
                    pass_on(name, pin, net, _clock_to_output(cell, pin))
        while ready:
            name = ready.pop()
            entry = before[name][3] if name in before else ""
            for pin, net in self._outputs(name):
                pass_on(name, pin, net, arrival[name] + _through(self.cells[name], entry, pin))

        ends.sort(key=lambda end: -end[0])
        return [Endpoint(delay, pin, tuple(self._steps(name, net, time, before)), self._end(reader))
                for delay, reader, pin, name, net, time in ends]

    def _outputs(self, name: str) -> Iterator[tuple[str, int]]:
        cell = self.cells[name]
        for pin, nets in cell["connections"].items():
            if cell["port_directions"][pin] == "output":
                yield from ((pin, net) for net in nets if isinstance(net, int))

    def _inputs(self, name: str) -> Iterator[tuple[str, int]]:
        cell = self.cells[name]
        for pin, nets in cell["connections"].items():
            if cell["port_directions"][pin] != "output" and self._combinational(name, pin):
                yield from ((pin, net) for net in nets if isinstance(net, int))

    def _combinational(self, name: str, pin: str) -> bool:
        only = _COMBINATIONAL[self.cells[name]["type"]]
        return only is None or pin == only

    def _wire(self, name: str, pin: str, net: int, reader: str, entry: str) -> float:
        """Return the delay of a wire."""
        if pin == "COUT" and entry == "CIN":
            return 0.0
        fanout = len(self.readers[net])
        if entry == "DI" and fanout == 1 and self.cells[name]["type"] in _COMBINATIONAL:
            return _BESIDE
        return self.hop_ns * (1 + sum(more for over, more in _FANOUT if fanout > over))

    def _steps(self, name: str, net: int, time: float, before: dict) -> list:
        steps = []
        while True:
            kind = self.cells[name]["type"]
            steps.append((time, kind, self._name(net), len(self.readers[net])))
            if kind not in _COMBINATIONAL or name not in before:
                return steps[::-1]
            name, net, time, _ = before[name]

    def _name(self, net: int) -> str:
        return _SUFFIX.sub("", self.names.get(net, "?"))

    def _end(self, name: str) -> str:
        return next((self._name(net) for _, net in self._outputs(name)), name)


def _clock_to_output(cell: dict, pin: str) -> float:
    match cell["type"]:
        case "DP16KD":
            registered = cell["parameters"].get(f"REGMODE_{pin[2]}") == "OUTREG"
            return _OUTPUT_REGISTER if registered else _BLOCK_RAM
        case "MULT18X18D":
            registered = cell["parameters"].get("REG_OUTPUT_CLK", "NONE") != "NONE"
            return _OUTPUT_REGISTER if registered else _MULTIPLIER
    return _REGISTER


def _through(cell: dict, entry: str, pin: str) -> float:
    if cell["type"] == "CCU2C":
        return _CARRY if entry == "CIN" and pin == "COUT" else _INTO_CARRY
    return _TABLE


def _group(name: str, depth: int) -> str:
    return ".".join(re.sub(r"[\[$].*", "", name).split(".")[:depth])


def main() -> None:
    """Print the groups of paths that take longest."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0],
                                     epilog=__doc__.rsplit("\n\n", maxsplit=1)[1])
    parser.add_argument("netlist", type=Path, help="JSON of Yosys, flat, mapped to ECP5")
    parser.add_argument("--hop", type=float, default=0.6, metavar="NS",
                        help="wire of a hop, ns (default: 0.6, a block that is placed well)")
    parser.add_argument("--over", type=float, default=6.0, metavar="NS",
                        help="paths from this on (default: 6)")
    parser.add_argument("--depth", type=int, default=5,
                        help="parts of a name that make a group (default: 5)")
    parser.add_argument("--only", default="", help="groups whose names hold this")
    parser.add_argument("--steps", action="store_true", help="print each group's longest path")
    parser.add_argument("--groups", type=int, default=50, help="groups to print (default: 50)")
    arguments = parser.parse_args()
    try:
        module = json.loads(arguments.netlist.read_text())["modules"]["top"]
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(
            f"{arguments.netlist}: wanted a netlist with a module top, got {error!r}") from None
    ends = Netlist(module, hop_ns=arguments.hop).endpoints()
    histogram = Counter(int(end.delay_ns) for end in ends)
    groups: dict[tuple[str, str], list[Endpoint]] = defaultdict(list)
    for end in ends:
        if end.delay_ns >= arguments.over:
            groups[_group(end.start, arguments.depth), _group(end.end, arguments.depth)].append(end)
    lines = ["endpoints by ns: " + ", ".join(
        f"{delay}: {histogram[delay]:,}" for delay in sorted(histogram))]
    shown = [item for item in groups.items() if arguments.only in " ".join(item[0])]
    for (start, stop), found in shown[:arguments.groups]:
        worst = found[0]
        lines.append(f"{worst.delay_ns:6.2f} ns  {len(worst.steps) - 1:2} cells {len(found):6,} "
                     f"endpoints  {start} -> {stop} {worst.pin}")
        if arguments.steps:
            lines += [f"          {time:6.2f} {kind:15} {net} ({fanout})"
                      for time, kind, net, fanout in worst.steps]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
