"""Between nextpnr's placed designs and the text that the annealer reads.

nextpnr writes a placed design as JSON and reads it again, where every cell names its site in the
attribute ``NEXTPNR_BEL``. The text begins with delays in ns (:class:`Delays`, in their order), the
number of cells and of nets. A line for each cell: kind, x, y, site, flags, and the nets of a
register's enable, set and clock (-1 where it has none). A line for each net: driver, its pin,
launch in ns, number of arcs, and for each of these cell, pin and setup in ns. Instead of a time
stand -1, it is combinational, and -2, no clocked path begins or ends there. The annealer answers
with a line for each cell: x, y, site.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

__all__ = ["Delays", "PlacementError", "read_sites", "write_design"]

_COMBINATIONAL, _UNTIMED = -1.0, -2.0


class PlacementError(RuntimeError):
    """A placed design is not what was expected, or the annealer failed."""


class _Kind(IntEnum):
    TABLE = 0
    REGISTER = 1
    WRITE_PORT = 2
    BLOCK_RAM = 3
    FIXED = 4


class _Pin(IntEnum):
    PLAIN = 0
    CARRY_CHAIN = 1
    DIRECT = 2
    WRITE_BUS = 3


class _Flag(IntFlag):
    NONE = 0
    CARRY = 1
    TABLE_RAM = 2
    WRITE_SLICE = 4
    CLOCK_INVERTED = 8
    SET_INVERTED = 16
    ASYNCHRONOUS = 32
    ENABLE_INVERTED = 64
    ENABLE_CONSTANT = 128
    GLOBAL_SET = 256


@dataclass(frozen=True)
class Delays:
    """Delays in ns of an LFE5UM5G, speed 8, the slowest of each.

    Cells from the timing database of Project Trellis (``ECP5/timing/speed_8_5G/cells.json``).
    Wires as the first router makes them in a device that is three quarters full: so much for any,
    so much more for each tile, as fitted to a routed core (docs/timing.md).
    """

    table: float = 0.141
    carry_to_sum: float = 0.273
    carry_to_carry: float = 0.022
    operand_to_carry: float = 0.278
    operand_to_sum: float = 0.141
    multiplier: float = 2.538
    direct: float = 0.106
    write_bus: float = 0.056
    same_tile: float = 0.32
    wire: float = 0.40
    tile: float = 0.047


#: Of the same source: clock to output, and what a pin needs before the clock, in ns.
_REGISTER_LAUNCH = 0.309
_BLOCK_LAUNCH = {"NOREG": 1.419, "OUTREG": 0.245}
_BLOCK_SETUP = 0.085
_SET_SETUP = 0.225

_KINDS = {"TRELLIS_COMB": _Kind.TABLE, "TRELLIS_FF": _Kind.REGISTER,
          "TRELLIS_RAMW": _Kind.WRITE_PORT, "DP16KD": _Kind.BLOCK_RAM}
_MODES = {"LOGIC": _Flag.NONE, "CCU2": _Flag.CARRY, "DPRAM": _Flag.TABLE_RAM,
          "RAMW_BLOCK": _Flag.WRITE_SLICE}
_SITE = re.compile(r"X(\d+)/Y(\d+)/(?:SLICE([A-D])\.(?:K|FF)([01])|SLICEC\.(RAMW)|EBR(\d)|.*)$")
_CLOCKS = ("CLK", "WCK", "CLKA", "CLKB")

Cells = dict[str, dict[str, Any]]


def write_design(placed: Path, out: Path, delays: Delays | None = None) -> None:
    """Write a placed design as text.

    Parameters
    ----------
    placed : Path
        JSON from ``nextpnr-ecp5 --no-route --write``.
    out : Path
        The text.
    delays : Delays, optional
        Of the device.

    Raises
    ------
    PlacementError
        If it has no placed cells, or cells of a kind that this does not know how to move.
    """
    cells = _cells(json.loads(placed.read_text()), placed)
    index = {name: number for number, name in enumerate(cells)}
    kinds = [_kind(cell) for cell in cells.values()]
    main_clock = _main_clock(cells)
    lines = [" ".join(map(str, astuple(delays or Delays()))), ""]
    global_nets: set[int] = set()
    nets: dict[int, list[tuple[str, str, str]]] = {}
    for name, cell in cells.items():
        lines.append(_cell_line(name, cell, kinds[index[name]]))
        for port, bits in cell["connections"].items():
            if cell["type"] == "DCCA" and port == "CLKO":
                global_nets.update(bits)
            if bits and port not in _CLOCKS:
                nets.setdefault(bits[0], []).append((name, port, cell["port_directions"][port]))
    count = 0
    for bit, pins in nets.items():
        drivers = [pin for pin in pins if pin[2] == "output"]
        sinks = [pin for pin in pins if pin[2] == "input"]
        if bit in global_nets or len(drivers) != 1 or not sinks:
            continue
        name, port, _ = drivers[0]
        line = [index[name], int(_pin(port)), _launch(cells[name], port, main_clock), len(sinks)]
        for sink, sink_port, _ in sinks:
            line += [index[sink], int(_pin(sink_port)),
                     _setup(cells[sink], sink_port, main_clock)]
        lines.append(" ".join(map(str, line)))
        count += 1
    lines[1] = f"{len(cells)} {count}"
    out.write_text("\n".join(lines) + "\n")


def read_sites(placed: Path, answer: Path, out: Path) -> int:
    """Write a placed design with the sites that the annealer chose.

    Returns
    -------
    int
        Number of cells that moved.

    Raises
    ------
    PlacementError
        If the answer is not one of this design.
    """
    design = json.loads(placed.read_text())
    cells = _cells(design, placed)
    answers = answer.read_text().splitlines()
    if len(answers) != len(cells):
        raise PlacementError(f"{len(cells)} cells were placed, {len(answers)} came back")
    moved = 0
    for cell, line in zip(cells.values(), answers, strict=True):
        x, y, site = map(int, line.split())
        name = _site_name(_kind(cell), x, y, site)
        attributes = cell["attributes"]
        if name is not None and attributes["NEXTPNR_BEL"] != name:
            attributes["NEXTPNR_BEL"] = name
            moved += 1
    out.write_text(json.dumps(design))
    return moved


def _cells(design: dict[str, Any], path: Path) -> Cells:
    modules = list(design["modules"].values())
    cells: Cells = modules[0]["cells"] if len(modules) == 1 else {}
    missing = [name for name, cell in cells.items() if "NEXTPNR_BEL" not in cell["attributes"]]
    if not cells or missing:
        raise PlacementError(f"{path.name} is not a placed design: "
                             + (f"{missing[0]} has no site" if missing else "it has no cells"))
    return cells


def _kind(cell: dict[str, Any]) -> _Kind:
    return _KINDS.get(cell["type"], _Kind.FIXED)


def _net(cell: dict[str, Any], port: str) -> int:
    bits = cell["connections"].get(port)
    return bits[0] if bits else -1


def _parameter(cell: dict[str, Any], name: str, default: str = "") -> str:
    return cell["parameters"].get(name, default).strip()


def _cell_line(name: str, cell: dict[str, Any], kind: _Kind) -> str:
    place = _SITE.match(cell["attributes"]["NEXTPNR_BEL"])
    if place is None:
        raise PlacementError(f"{name} lies at {cell['attributes']['NEXTPNR_BEL']}, not at X./Y./.")
    x, y, piece, half, port, block = place.groups()
    site = 0
    if piece is not None:
        site = 2 * "ABCD".index(piece) + int(half)
    elif port is not None:
        site = 4
    elif block is not None:
        site = int(block)
    flags, enable, reset, clock = _Flag.NONE, -1, -1, -1
    if kind == _Kind.TABLE:
        mode = _parameter(cell, "MODE", "LOGIC")
        wide = [p for p in ("OFX", "FXA", "FXB") if cell["connections"].get(p)]
        if mode not in _MODES or wide:
            raise PlacementError(f"{name} is a table of mode {mode} with {wide or 'no wide mux'}; "
                                 f"moved are {', '.join(_MODES)} without wide multiplexers")
        flags = _MODES[mode]
        flags |= _Flag.CLOCK_INVERTED if _parameter(cell, "WCKMUX") == "INV" else _Flag.NONE
        flags |= _Flag.SET_INVERTED if _parameter(cell, "WREMUX") == "INV" else _Flag.NONE
    elif kind == _Kind.REGISTER:
        flags, enable = _register(cell)
        reset, clock = _net(cell, "LSR"), _net(cell, "CLK")
    return f"{kind:d} {x} {y} {site} {flags:d} {enable} {reset} {clock}"


def _register(cell: dict[str, Any]) -> tuple[_Flag, int]:
    flags = _Flag.NONE
    for name, value, flag in (
            ("CLKMUX", "INV", _Flag.CLOCK_INVERTED), ("LSRMUX", "INV", _Flag.SET_INVERTED),
            ("SRMODE", "ASYNC", _Flag.ASYNCHRONOUS), ("GSR", "ENABLED", _Flag.GLOBAL_SET),
            ("CEMUX", "INV", _Flag.ENABLE_INVERTED), ("CEMUX", "1", _Flag.ENABLE_CONSTANT)):
        if _parameter(cell, name) == value:
            flags |= flag
    return flags, -1 if flags & _Flag.ENABLE_CONSTANT else _net(cell, "CE")


def _main_clock(cells: Cells) -> int:
    """Return the net that most registers take as their clock: paths between others are not seen."""
    readers: dict[int, int] = {}
    for cell in cells.values():
        if cell["type"] == "TRELLIS_FF":
            readers[_net(cell, "CLK")] = readers.get(_net(cell, "CLK"), 0) + 1
    return max(readers, key=lambda net: readers[net], default=-1)


def _pin(port: str) -> _Pin:
    if port in ("FCI", "FCO"):
        return _Pin.CARRY_CHAIN
    if port == "DI":
        return _Pin.DIRECT
    if port == "WD" or port.startswith(("WAD", "WDO")):
        return _Pin.WRITE_BUS
    return _Pin.PLAIN


def _clocks(cell: dict[str, Any]) -> Iterable[int]:
    return (bits[0] for port, bits in cell["connections"].items() if bits and port in _CLOCKS)


def _timed(cell: dict[str, Any], main_clock: int) -> bool:
    return all(clock == main_clock for clock in _clocks(cell))


def _launch(cell: dict[str, Any], port: str, main_clock: int) -> float:
    kind = cell["type"]
    if kind in ("TRELLIS_COMB", "TRELLIS_RAMW", "MULT18X18D"):
        return _COMBINATIONAL
    if kind not in ("TRELLIS_FF", "DP16KD") or not _timed(cell, main_clock):
        return _UNTIMED
    if kind == "TRELLIS_FF":
        return _REGISTER_LAUNCH
    return _BLOCK_LAUNCH[_parameter(cell, f"REGMODE_{port.rstrip('0123456789')[-1]}", "NOREG")]


def _setup(cell: dict[str, Any], port: str, main_clock: int) -> float:
    kind = cell["type"]
    if kind == "TRELLIS_COMB":
        if port != "WRE" and _pin(port) != _Pin.WRITE_BUS:
            return _COMBINATIONAL
        return 0.0 if _timed(cell, main_clock) else _UNTIMED
    if kind in ("TRELLIS_RAMW", "MULT18X18D"):
        return _COMBINATIONAL
    if kind not in ("TRELLIS_FF", "DP16KD") or not _timed(cell, main_clock):
        return _UNTIMED
    if kind == "DP16KD":
        return _BLOCK_SETUP
    return _SET_SETUP if port == "LSR" else 0.0


def _site_name(kind: _Kind, x: int, y: int, site: int) -> str | None:
    piece = f"X{x}/Y{y}/SLICE{'ABCD'[site // 2]}"
    match kind:
        case _Kind.TABLE:
            return f"{piece}.K{site % 2}"
        case _Kind.REGISTER:
            return f"{piece}.FF{site % 2}"
        case _Kind.WRITE_PORT:
            return f"{piece}.RAMW"
        case _Kind.BLOCK_RAM:
            return f"X{x}/Y{y}/EBR{site}"
        case _Kind.FIXED:
            return None
