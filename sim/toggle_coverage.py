"""Toggle coverage of a Verilated design: which bits have risen and which have fallen.

A point is one bit of one named signal and one direction. Left out are signals that Amaranth or
Yosys has made up, the names of fields (the record has the same bits), what a module sees of the
ports of another, and memories: a bit is counted where it is made, and in each block that it enters.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sim.errors import SimulationError

__all__ = ["COVERAGE_VARIABLE", "Point", "Toggles", "constant_signals", "named_signals_only",
           "read_counts", "record_fields"]

#: Names a folder: every library counts toggles, and each simulation leaves its counts there.
COVERAGE_VARIABLE = "TICKWIRE_COVERAGE"

_HEADER = re.compile(r"^module\s+(\S+)\s*\((.*?)\);", re.DOTALL | re.MULTILINE)
_DECLARATION = re.compile(r"^(\s+(?:wire|reg) (?:\[\d+:0\] )?)(\\\S+ |[A-Za-z_]\w*)([^;]*;)$",
                          re.MULTILINE)
_CONSTANT = re.compile(r"^\s+(?:assign|initial) (\S+)\s*= \d+'[hbd][0-9a-f]+;", re.MULTILINE)
_FIELD_OF = re.compile(r"^\s+assign \\(\S+)\s*= \\?(\w\S*?)\s*\[(\d+)(?::(\d+))?\];",
                      re.MULTILINE)
_MADE_UP = re.compile(r"^\\(?:\$|port\$)|[.\[]")
_FIELD = re.compile(r"\x01(\w+)\x02([^\x01']*)")
_TOGGLE = re.compile(r"^(.*?)(?:\[(\d+)\])?:(0->1|1->0)$")
_ESCAPED = re.compile(r"__0([0-9A-F]{2})")


@dataclass(frozen=True, order=True)
class Point:
    """One bit of a signal; it has a rise and a fall.

    Attributes
    ----------
    module : str
        Path of the instance, as the Verilog names its module.
    signal : str
        Name of the signal in it.
    bit : int
    """

    module: str
    signal: str
    bit: int


@dataclass(frozen=True)
class Toggles:
    """How often a bit rose and fell."""

    rises: int
    falls: int

    @property
    def covered(self) -> int:
        """Return how many of the two directions were seen."""
        return bool(self.rises) + bool(self.falls)


def named_signals_only(verilog: str) -> str:
    """Return Verilog in which only the signals that count are counted by Verilator."""
    out: list[str] = []
    headers = list(_HEADER.finditer(verilog))
    if not headers:
        return verilog
    out.append(verilog[:headers[0].start()])
    for header, after in zip(headers, [*headers[1:], None], strict=True):
        body = verilog[header.start():after.start() if after else len(verilog)]
        ports = {name.strip() for name in header[2].split(",")}

        def mark(match: re.Match[str], ports: set[str] = ports) -> str:
            name = match[2].strip()
            array = match[3].lstrip().startswith("[")
            foreign = "$" in name and name not in ports and "wire" in match[1]
            if not (array or foreign or _MADE_UP.search(name)):
                return match[0]
            return f"/*verilator coverage_off*/{match[0]}/*verilator coverage_on*/"

        out.append(_DECLARATION.sub(mark, body))
    return "".join(out)


def constant_signals(verilog: str) -> set[tuple[str, str]]:
    """Return (module, signal) of every signal that is assigned a constant."""
    found: set[tuple[str, str]] = set()
    headers = list(_HEADER.finditer(verilog))
    for header, after in zip(headers, [*headers[1:], None], strict=True):
        body = verilog[header.end():after.start() if after else len(verilog)]
        found |= {(_plain(header[1].lstrip("\\")), _plain(match[1].lstrip("\\")))
                  for match in _CONSTANT.finditer(body)}
    return found


def record_fields(verilog: str) -> dict[tuple[str, str], list[range]]:
    """Return the bits of each field of each (module, signal) that is a record."""
    found: defaultdict[tuple[str, str], list[range]] = defaultdict(list)
    headers = list(_HEADER.finditer(verilog))
    for header, after in zip(headers, [*headers[1:], None], strict=True):
        module = _plain(header[1].lstrip("\\"))
        body = verilog[header.end():after.start() if after else len(verilog)]
        for match in _FIELD_OF.finditer(body):
            field, record, last, first = match.groups()
            if field.startswith((f"{record}.", f"{record}[")):
                found[module, _plain(record)].append(range(int(first or last), int(last) + 1))
    return dict(found)


def read_counts(paths: Iterable[Path]) -> dict[Point, Toggles]:
    """Return the sum of what simulations have counted.

    Raises
    ------
    SimulationError
        If a file is no toggle coverage of Verilator.
    """
    counts: Counter[str] = Counter()
    for path in paths:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            if not file.readline().startswith("# SystemC::Coverage"):
                raise SimulationError(f"{path} is no coverage of Verilator")
            for line in file:
                key, _, count = line.rpartition(" ")
                # The folder of the Verilog differs from build to build.
                counts[key[key.index("\x01page"):]] += int(count)
    both: defaultdict[Point, list[int]] = defaultdict(lambda: [0, 0])
    for key, count in counts.items():
        fields = dict(_FIELD.findall(key))
        match = _TOGGLE.match(fields["o"])
        if match is None or not fields["page"].startswith("v_toggle/"):
            raise SimulationError(f"no toggle point: {key!r}")
        point = Point(_plain(fields["page"].removeprefix("v_toggle/")), _plain(match[1]),
                      int(match[2] or 0))
        both[point][match[3] == "1->0"] += count
    return {point: Toggles(*pair) for point, pair in both.items()}


def _plain(name: str) -> str:
    """Return a name as the Verilog had it, without the numbers that Amaranth tells equals by."""
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name.replace("__DOT__", "."))
    return re.sub(r"\$\d+", "", text)
