"""Mapping to ECP5 cells: proved to mean the same, and to be as small as it says."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hdl.platform.ecp5_mapping import EQUALITY_MAP, absorb_output_registers, commands

#: In a process of its own: pyosys takes the process over, and crashes when it ends in order.
YOSYS = """
import os, sys
from pyosys import libyosys as yosys
design = yosys.yosys_get_design()
for command in sys.stdin.read().splitlines():
    yosys.run_pass(f"tee -q {command}", design)
os._exit(0)
"""

#: The look-up table of the family.
LUT4 = """
module LUT4 #(parameter INIT = 0) (input A, B, C, D, output Z);
    wire [15:0] table_ = INIT;
    assign Z = table_[{D, C, B, A}];
endmodule
"""


def run(*script: str) -> None:
    """Run Yosys commands; fails if one does."""
    subprocess.run([sys.executable, "-c", YOSYS], input="\n".join(script), text=True, check=True,
                   capture_output=True)


def comparison(path: Path, width: int, result_bits: int = 1) -> Path:
    """Write a module with both comparisons of two words."""
    path.write_text(f"""
        module top (input [{width - 1}:0] a, input [{width - 1}:0] b,
                    output [{result_bits - 1}:0] equal, output [{result_bits - 1}:0] differ);
            assign equal = a == b;
            assign differ = a != b;
        endmodule""")
    return path


@pytest.mark.parametrize(("width", "result_bits"), [(6, 1), (7, 1), (7, 3), (33, 2), (67, 1)])
def test_compare_by_pairs(tmp_path, width, result_bits):
    """The mapped comparisons are the comparisons, of even and odd widths."""
    source = comparison(tmp_path / "compare.v", width, result_bits)
    equality = tmp_path / "map.v"
    equality.write_text(EQUALITY_MAP)
    cells = tmp_path / "cells.v"
    cells.write_text(LUT4)
    run(f"read_verilog {source}", "proc", "copy top mapped",
        f"techmap -map {equality} mapped",
        f"select -assert-count {2 * ((width + 1) // 2)} mapped/t:LUT4",
        "select -assert-none mapped/t:$eq mapped/t:$ne", "select -clear",
        f"read_verilog {cells}", "hierarchy", "proc", "flatten mapped",
        "miter -equiv -flatten -make_assert top mapped miter",
        "sat -verify -prove-asserts miter")


def test_size(tmp_path):
    """A comparison of 67 bits takes 34 tables of pairs, and some for their conjunction."""
    source = tmp_path / "compare.v"
    source.write_text("""module top (input [66:0] a, input [66:0] b, output equal);
                             assign equal = a == b;
                         endmodule""")
    read, *others = commands(tmp_path / "unused.il", tmp_path / "out.json")
    assert read.startswith("read_rtlil")
    run(f"read_verilog {source}", *others)
    cells = json.loads((tmp_path / "out.json").read_text())["modules"]["top"]["cells"]
    assert Counter(cell["type"] for cell in cells.values())["LUT4"] <= 34 + 12


def ram(path: Path, registers: str, result: str) -> dict:
    """Map a memory of 1024 x 36 with a synchronous read into `fetched`, and what follows it."""
    path.write_text(f"""
        module top (input clk, input write, input go, input [9:0] to, input [9:0] from,
                    input [35:0] value, output [35:0] result);
            (* no_rw_check *) reg [35:0] words [0:1023];
            reg [35:0] fetched, kept;
            always @(posedge clk) begin
                if (write) words[to] <= value;
                fetched <= words[from];
                {registers}
            end
            assign result = {result};
        endmodule""")
    _, *others = commands(path.with_suffix(".il"), path.with_suffix(".json"))
    run(f"read_verilog {path}", *others)
    return json.loads(path.with_suffix(".json").read_text())["modules"]["top"]


def rams_and_registers(module: dict) -> tuple[list, int]:
    """Return the block RAMs, and how many flip-flops there are."""
    cells = module["cells"].values()
    return ([cell for cell in cells if cell["type"] == "DP16KD"],
            sum(cell["type"] == "TRELLIS_FF" for cell in cells))


@pytest.mark.parametrize("enabled", [False, True])
def test_registers_behind_a_ram_are_its_own(tmp_path, enabled):
    """The output registers go into the RAM with their clock enable; its pins make the result."""
    module = ram(tmp_path / "ram.v", ("if (go) " if enabled else "") + "kept <= fetched;", "kept")
    assert rams_and_registers(module)[1] == 36
    assert absorb_output_registers(module) == 36
    rams, registers = rams_and_registers(module)
    assert registers == 0
    go = module["ports"]["go"]["bits"] if enabled else ["1"]
    outputs = []
    for cell in rams:
        ports = [port for port in "AB" if cell["parameters"][f"REGMODE_{port}"] == "OUTREG"]
        assert len(ports) == 1
        assert cell["connections"][f"OCE{ports[0]}"] == go
        outputs += [net for bit in range(18) for net in cell["connections"][f"DO{ports[0]}{bit}"]]
    assert set(module["ports"]["result"]["bits"]) <= set(outputs)


@pytest.mark.parametrize(("registers", "result"), [
    ("kept <= fetched;", "kept ^ fetched"),             # goes elsewhere as well
    ("kept <= write ? 0 : fetched;", "kept"),           # has a reset
    ("kept <= fetched ^ value;", "kept"),               # is no plain register
])
def test_other_registers_stay(tmp_path, registers, result):
    """What a RAM's own register could not do is left as it is."""
    module = ram(tmp_path / "ram.v", registers, result)
    before = rams_and_registers(module)
    assert absorb_output_registers(module) == 0
    assert rams_and_registers(module) == before
