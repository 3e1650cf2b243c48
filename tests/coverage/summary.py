"""From counts of toggles to what people read: folders, files, and why the rest was not seen."""

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.recorded import identity
from sim.toggle_coverage import Point, Toggles

__all__ = ["Group", "groups_of", "page", "summary"]

SCHEMA_VERSION = 1

#: What can be said of a bit without knowing what it is for.
CONSTANT = "Constants"
ONCE = "Once only"
UPPER = "Upper bits"
_AUTOMATIC = {
    CONSTANT: "The Verilog assigns a constant: a parameter of the profile, or an input of a block "
              "that this top ties.",
    ONCE: "Seen to change, but in one direction only: settings that are made and never unmade, "
          "sticky flags, what reset or clearing does once.",
    UPPER: "Above the highest bit that toggled, of a number whose lower bits did, be it a field of "
           "a record: times, sequence numbers, prices, quantities and addresses are as wide as "
           "their protocol or profile; the unit tests of the blocks use more of it.",
}


@dataclass(frozen=True)
class Group:
    """Signals that do not toggle for one reason.

    Attributes
    ----------
    name : str
        A few words.
    signal : re.Pattern
        Searched for in "file instance signal".
    why : str
        The reason, and where they are tested instead.
    """

    name: str
    signal: re.Pattern[str]
    why: str


@dataclass
class _Count:
    points: int = 0
    covered: int = 0
    explained: Counter[str] = field(default_factory=Counter)

    def data(self) -> dict[str, Any]:
        left = self.points - self.covered - sum(self.explained.values())
        return {"points": self.points, "covered": self.covered,
                "percent": round(100 * self.covered / self.points, 2) if self.points else None,
                "explained": sum(self.explained.values()), "unexplained": left}


def groups_of(path: Path) -> list[Group]:
    """Return the groups that the file names, in its order.

    Raises
    ------
    ValueError
        If an entry has other keys.
    """
    groups: list[Group] = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("group", []):
        if set(entry) != {"name", "signal", "why"}:
            raise ValueError(f"{path.name}: a group has name, signal and why, was {entry}")
        groups.append(Group(entry["name"], re.compile(entry["signal"]),
                            " ".join(entry["why"].split())))
    return groups


def summary(counts: Mapping[Point, Toggles], owners: Mapping[str, str],
            constants: set[tuple[str, str]], groups: list[Group], *, profile: str, command: str,
            tests: Mapping[str, str],
            fields: Mapping[tuple[str, str], list[range]] | None = None) -> dict[str, Any]:
    """Return a recorded run.

    Parameters
    ----------
    counts : mapping
        What all simulations have counted.
    owners : mapping
        File of the hardware by path of an instance; bits of other instances are not counted.
    constants : set
        (instance, signal) that the Verilog assigns a constant.
    groups : list of Group
        Explanations.
    profile, command : str
        Whose points they are, and how they were counted.
    tests : mapping
        Outcome by file of tests.
    fields : mapping, optional
        Bits of the fields of records, by (instance, signal).
    """
    signals: defaultdict[tuple[str, str], dict[int, Toggles]] = defaultdict(dict)
    for point, toggles in counts.items():
        if point.module in owners and owners[point.module] and point.signal not in ("clk", "rst"):
            signals[point.module, point.signal][point.bit] = toggles
    files: defaultdict[str, _Count] = defaultdict(_Count)
    by_group: Counter[str] = Counter()
    left: list[dict[str, Any]] = []
    for (module, signal), bits in sorted(signals.items()):
        file = owners[module]
        count = files[file]
        count.points += 2 * len(bits)
        count.covered += sum(toggles.covered for toggles in bits.values())
        missing: list[int] = []
        for bit, reason in _reasons(f"{file} {module} {signal}", bits,
                                    (module, signal) in constants, groups,
                                    (fields or {}).get((module, signal), [])):
            directions = 2 - bits[bit].covered
            if reason is None:
                missing.append(bit)
                continue
            count.explained[reason] += directions
            by_group[reason] += directions
        if missing:
            left.append({"file": file, "instance": module, "signal": signal,
                         "bits": _ranges(missing)})
    folders: defaultdict[str, _Count] = defaultdict(_Count)
    for file, count in files.items():
        folder = folders[str(Path(file).parent)]
        folder.points += count.points
        folder.covered += count.covered
        folder.explained += count.explained
    total = _Count()
    for count in files.values():
        total.points += count.points
        total.covered += count.covered
        total.explained += count.explained
    reasons = _AUTOMATIC | {group.name: group.why for group in groups}
    return {
        "schema_version": SCHEMA_VERSION, **identity(command), "profile": profile,
        "tests": dict(tests),
        "total": total.data(),
        "folders": {name: folders[name].data() for name in sorted(folders)},
        "files": {name: files[name].data() for name in sorted(files)},
        "groups": [{"name": name, "points": by_group[name], "why": why}
                   for name, why in reasons.items() if by_group[name]],
        "unexplained": left,
    }


def _reasons(text: str, bits: Mapping[int, Toggles], constant: bool,
             groups: list[Group], fields: list[range]) -> list[tuple[int, str | None]]:
    """Return why each bit that lacks a direction does so; None if nothing is known."""
    named = next((group.name for group in groups if group.signal.search(text)), None)

    def is_upper(bit: int) -> bool:
        """Whether nothing toggled from here to the end of the number, but something below."""
        number = min((field for field in fields if bit in field), key=len,
                     default=range(max(bits) + 1))
        return bit > max((n for n in number if n in bits and bits[n].covered), default=bit)

    found: list[tuple[int, str | None]] = []
    for bit, toggles in sorted(bits.items()):
        if toggles.covered == 2:
            continue
        if constant:
            reason: str | None = CONSTANT
        elif toggles.covered == 1:
            reason = ONCE
        elif is_upper(bit):
            reason = UPPER
        else:
            reason = named
        found.append((bit, reason))
    return found


def _ranges(bits: list[int]) -> str:
    parts: list[str] = []
    start = before = bits[0]
    for bit in [*bits[1:], None]:
        if bit is not None and bit == before + 1:
            before = bit
            continue
        parts.append(str(start) if start == before else f"{before}:{start}")
        if bit is not None:
            start = before = bit
    return ", ".join(parts)


def page(run: dict[str, Any], most: int = 60) -> str:
    """Return docs/coverage.md for a recorded run."""
    total = run["total"]
    lines = [
        "# Toggle coverage", "",
        "<!-- generated from docs/coverage.json by `python -m tests.coverage --page`, "
        "do not edit -->", "",
        "`make coverage` runs end-to-end tests on an appliance that counts, in the emitted "
        "Verilog, how often", "each bit of each named signal rises and falls. A point is one bit "
        "in one direction. Clocks, resets,", "memories and the signals that the tools have made "
        "up are left out. What the unit tests and the", "cosimulation toggle is not in the "
        "numbers: they run blocks of other sizes, or the Amaranth source.", "",
        f"The run below: `{run['command']}`, profile `{run['profile']}`, commit "
        f"`{run['commit'][:12]}`.", "",
        f"**{total['covered']:,} of {total['points']:,} points, {total['percent']} %; "
        f"{total['explained']:,} of the others are explained below, {total['unexplained']:,} are "
        "not.**", "",
        "| Folder | Points | Covered | | Explained | Not explained |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in run["folders"].items():
        lines.append(f"| `{name}` | {row['points']:,} | {row['covered']:,} | {row['percent']} % | "
                     f"{row['explained']:,} | {row['unexplained']:,} |")
    lines += ["", "## Why a bit did not toggle", "", "| | Points | Why |", "| --- | --- | --- |"]
    lines += [f"| {group['name']} | {group['points']:,} | {group['why']} |"
              for group in sorted(run["groups"], key=lambda group: -group["points"])]
    lines += ["", "## Tests", "", "| File | |", "| --- | --- |"]
    lines += [f"| `{name}` | {outcome} |" for name, outcome in run["tests"].items()]
    if run["unexplained"]:
        rest = sum(row["unexplained"] for row in run["folders"].values())
        lines += ["", "## Not explained", "",
                  f"{rest:,} points of {len(run['unexplained'])} signals"
                  + (f", of which the first {most}:" if len(run["unexplained"]) > most else ":"),
                  "", "| File | Instance | Signal | Bits |", "| --- | --- | --- | --- |"]
        lines += [f"| `{row['file']}` | `{row['instance']}` | `{row['signal']}` | {row['bits']} |"
                  for row in run["unexplained"][:most]]
    lines += ["", "## By file", "", "| File | Points | Covered | | Explained | Not explained |",
              "| --- | --- | --- | --- | --- | --- |"]
    for name, row in run["files"].items():
        lines.append(f"| `{name}` | {row['points']:,} | {row['covered']:,} | {row['percent']} % | "
                     f"{row['explained']:,} | {row['unexplained']:,} |")
    return "\n".join(lines) + "\n"
