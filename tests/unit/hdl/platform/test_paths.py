"""Depth of paths before placement, on netlists small enough to add up by hand."""

import json
import subprocess
import sys

import pytest

from hdl.platform.paths import Netlist

OUTPUTS = {"Q", "Z", "S0", "COUT", "DOA0"}
CLOCK = 1


def cell(kind, parameters=None, **pins):
    return {"type": kind, "parameters": parameters or {},
            "port_directions": {pin: "output" if pin in OUTPUTS else "input" for pin in pins},
            "connections": {pin: [net] for pin, net in pins.items()}}


def module(**cells):
    nets = {net for one in cells.values() for nets in one["connections"].values() for net in nets}
    return {"cells": cells, "netnames": {f"net_{net}": {"bits": [net]}
                                         for net in nets if isinstance(net, int)}}


def longest(cells, hop_ns=0.6):
    return Netlist(module(**cells), hop_ns=hop_ns).endpoints()[0]


def register(data, output, **pins):
    return cell("TRELLIS_FF", CLK=CLOCK, DI=data, Q=output, **pins)


def test_tables():
    """Clock to output, two hops with their tables, a table beside its register."""
    end = longest({"from": register(9, 2), "one": cell("LUT4", A=2, B="0", Z=3),
                   "two": cell("LUT4", A=3, B=2, Z=4), "to": register(4, 9)})
    assert end.delay_ns == pytest.approx(0.31 + 2 * (0.6 + 0.14) + 0.05)
    assert (end.start, end.end, end.pin) == ("net_2", "net_9", "DI")
    assert [step[2] for step in end.steps] == ["net_2", "net_3", "net_4"]


def test_a_wire_to_many_is_longer():
    cells = {"from": register(9, 2), "one": cell("LUT4", A=2, Z=3)}
    cells |= {f"to_{n}": register(3, 100 + n) for n in range(9)}
    assert longest(cells).delay_ns == pytest.approx(0.31 + 0.6 + 0.14 + 0.6 * 1.15)


def test_carry_chain():
    end = longest({"from": register(9, 2), "low": cell("CCU2C", A0=2, COUT=3),
                   "high": cell("CCU2C", CIN=3, COUT=4), "top": cell("CCU2C", CIN=4, S0=5),
                   "to": register(5, 9)})
    assert end.delay_ns == pytest.approx(0.31 + 0.6 + 0.3 + 0.05 + 0.3 + 0.05)


@pytest.mark.parametrize(("mode", "delay"), [("NOREG", 4.0), ("OUTREG", 0.5)])
def test_block_ram(mode, delay):
    end = longest({"ram": cell("DP16KD", {"REGMODE_A": mode}, CLKA=CLOCK, DOA0=2),
                   "to": register(2, 9)})
    assert end.delay_ns == pytest.approx(delay + 0.6)


def test_constants_and_clocks_are_no_paths():
    cells = {"one": cell("LUT4", A="0", Z=3), "from": register(3, CLOCK), "to": register(3, 8)}
    assert Netlist(module(**cells), hop_ns=0.6).endpoints() == []


def test_command(tmp_path):
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module(
        **{"from": register(9, 2), "one": cell("LUT4", A=2, Z=3), "to": register(3, 9)})}}))
    said = subprocess.run(
        [sys.executable, "-m", "hdl.platform.paths", str(path), "--over", "1", "--steps"],
        capture_output=True, text=True, check=True).stdout
    assert "1.10 ns   1 cells      1 endpoints  net_2 -> net_9 DI" in said
    assert "0.31 TRELLIS_FF" in said


def test_another_file(tmp_path):
    path = tmp_path / "netlist.json"
    path.write_text("{}")
    done = subprocess.run([sys.executable, "-m", "hdl.platform.paths", str(path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "wanted a netlist with a module top" in done.stderr
