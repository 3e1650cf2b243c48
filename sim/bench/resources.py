"""What the core of a profile takes of its device: ``python -m sim.bench.resources --help``.

The core as a board has it, between registers, as :mod:`sim.bench.timing` places it.
For the ECP5 the flow is that of the place and route, so the cells are those it would be given; for
UltraScale+ it is a count by Yosys: the vendor's tool maps and places it, and may need less.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.bench.report import identity
from sim.bench.timing import TimingError, netlist_of
from sim.recorded import RECORDED, write_run
from sim.verilate import build_root

__all__ = ["DEVICES", "Device", "main", "measure_resources", "page"]

_PAGE = RECORDED / "profiles.md"
_BEGIN, _END = "<!-- resources: begin -->\n", "<!-- resources: end -->\n"


@dataclass(frozen=True, kw_only=True)
class Device:
    """What a device has.

    Attributes
    ----------
    name : str
        The manufacturer's.
    family : str
        ``ecp5`` or ``xcup``, as Yosys calls it.
    totals : mapping
        Number of each resource.
    """

    name: str
    family: str
    totals: Mapping[str, int]


_ECP5_85 = Device(name="LFE5UM5G-85F", family="ecp5",
                  totals={"lut": 83_640, "ff": 83_640, "ram_18k": 208, "dsp": 156})
_ECP5_45 = Device(name="LFE5UM-45F", family="ecp5",
                  totals={"lut": 43_848, "ff": 43_848, "ram_18k": 108, "dsp": 72})
_VU9P = Device(name="XCVU9P", family="xcup",
               totals={"lut": 1_182_240, "ff": 2_364_480, "ram_18k": 4_320, "uram": 960,
                       "dsp": 6_840})

#: The device of a profile; `sim` is for simulation alone.
DEVICES = {"bench": _ECP5_85, "ecp5": _ECP5_85, "ecp5_45": _ECP5_45, "us": _VU9P}

#: Cells to resources. A carry cell of the ECP5 takes two LUTs, one of LUT RAM (16 words of 4 bits)
#: four, and its write port another two.
_CELLS: dict[str, dict[str, Mapping[str, int]]] = {
    "ecp5": {
        "LUT4": {"lut": 1}, "CCU2C": {"lut": 2}, "TRELLIS_DPR16X4": {"lut": 6},
        "TRELLIS_FF": {"ff": 1}, "DP16KD": {"ram_18k": 1}, "MULT18X18D": {"dsp": 1},
    },
    "xcup": {
        **{f"LUT{inputs}": {"lut": 1} for inputs in range(1, 7)},
        **{name: {"ff": 1} for name in ("FDRE", "FDSE", "FDCE", "FDPE")},
        "RAM32M": {"lut": 4}, "RAM64M": {"lut": 4}, "RAM32M16": {"lut": 8}, "RAM64M8": {"lut": 8},
        "RAM32X1D": {"lut": 2}, "RAM64X1D": {"lut": 2}, "RAM128X1D": {"lut": 4},
        "RAM256X1D": {"lut": 8}, "SRL16E": {"lut": 1}, "SRLC32E": {"lut": 1},
        "RAMB18E2": {"ram_18k": 1}, "RAMB36E2": {"ram_18k": 2}, "URAM288": {"uram": 1},
        "DSP48E2": {"dsp": 1},
    },
}
#: Cells that take nothing that is counted: wires, constants, clock, parts of a LUT's slice.
_FREE = {"ecp5": {"GND", "VCC", "TRELLIS_IO", "PFUMX", "L6MUX21", "$scopeinfo"},
         "xcup": {"GND", "VCC", "IBUF", "OBUF", "BUFG", "CARRY8", "CARRY4", "MUXF7", "MUXF8",
                  "MUXF9", "INV", "$scopeinfo"}}


def measure_resources(profile: str, folder: Path, progress: Callable[[str], None]
                      ) -> dict[str, Any]:
    """Synthesise the core of a profile and count what it takes.

    Parameters
    ----------
    profile : str
        Sizes, of :data:`DEVICES`.
    folder : Path
        Where netlists are kept.
    progress : callable
        Is told what is done.

    Raises
    ------
    TimingError
        If synthesis fails, or makes a cell that this module does not know.
    """
    device = DEVICES[profile]
    netlist = netlist_of(profile, folder, progress, family=device.family)
    cells = Counter(cell["type"] for cell in
                    json.loads(netlist.read_text())["modules"]["top"]["cells"].values())
    return {**identity(profile, f"python -m sim.bench.resources --profile {profile} --write"),
            "device": device.name, "netlist": netlist.stem,
            "resources": count(cells, device), "totals": dict(device.totals),
            "cells": dict(sorted(cells.items()))}


def count(cells: Mapping[str, int], device: Device) -> dict[str, int]:
    """Return the resources that `cells` take, each of the device's.

    Raises
    ------
    TimingError
        If a cell is not known.
    """
    known, free = _CELLS[device.family], _FREE[device.family]
    if unknown := sorted(set(cells) - set(known) - free):
        raise TimingError(f"cells must be known to be counted, was {', '.join(unknown)}")
    used = dict.fromkeys(device.totals, 0)
    for name, number in cells.items():
        for resource, each in known.get(name, {}).items():
            used[resource] += each * number
    return used


_TITLES = {"lut": "LUTs", "ff": "Flip-flops", "ram_18k": "Block RAMs of 18 kbit", "dsp": "DSPs",
           "uram": "UltraRAMs"}


def page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of docs/profiles.md."""
    lines = ["| Profile | Device | " + " | ".join(_TITLES.values()) + " | Fits |",
             "| --- | --- |" + " --- |" * (len(_TITLES) + 1)]
    for profile in DEVICES:
        if profile not in records:
            continue
        record = records[profile]
        fits = True
        cells: list[str] = []
        for resource in _TITLES:
            total = record["totals"].get(resource)
            used = record["resources"].get(resource, 0)
            fits = fits and (total is None or used <= total)
            cells.append("" if total is None else f"{used:,} of {total:,} ({used / total:.0%})")
        lines.append(f"| `{profile}` | {record['device']} | " + " | ".join(cells)
                     + f" | {'yes' if fits else '**no**'} |")
    return "\n".join(lines) + "\n"


def _record(profile: str) -> Path:
    return RECORDED / f"resources-{profile}.json"


def _write_page(records: Mapping[str, Mapping[str, Any]]) -> None:
    text = _PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(before + _BEGIN + page(records) + _END + after)


def main(argv: list[str] | None = None) -> int:
    """Measure profiles; with ``--write``, keep the result in docs/."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.bench.resources",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.bench.resources --profile ecp5\n\n"
                    "Synthesise the core of a profile and count what it takes of its device. It "
                    "takes 4 to 10\nminutes and 2 GB for a profile of the ECP5, more for `us`.")
    parser.add_argument("--profile", action="append", choices=sorted(DEVICES),
                        help="which; again for another one (default: every one)")
    parser.add_argument("--write", action="store_true",
                        help="keep it in docs/: a file of each profile, the table of profiles.md")
    options = parser.parse_args(argv)

    def talk(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    records = {profile: json.loads(path.read_text()) for profile in DEVICES
               if (path := _record(profile)).exists()}
    chosen = options.profile or list(DEVICES)
    for profile in chosen:
        talk(f"profile {profile}")
        try:
            records[profile] = measure_resources(profile, build_root() / "bench", talk)
        except TimingError as error:
            talk(f"error: {error}")
            return 1
        if options.write:
            write_run(_record(profile), records[profile])
            _write_page(records)
    sys.stdout.write(page({profile: records[profile] for profile in chosen}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
