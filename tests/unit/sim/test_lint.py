"""Lint of emitted Verilog: what a design does wrong is found, how Yosys writes is not."""

import pytest

from sim import lint as command
from sim.lint import lint, main

#: A keyword of the language that Yosys escapes.
TOP = "module \\design "
CLEAN = TOP + ("(input clk, input [3:0] a, output reg [7:0] b);\n"
               "  always @(posedge clk) b <= a;\nendmodule\n")
#: A register of two clocks, a latch, a pin that no module has, a file cut short.
FAULTS = {
    "MULTIDRIVEN": TOP + "(input c, input d, input a, output reg b);\n"
                   "  always @(posedge c) b <= a;\n  always @(posedge d) b <= ~a;\nendmodule\n",
    "LATCH": TOP + "(input g, input a, output reg b);\n"
             "  always @* if (g) b = a;\nendmodule\n",
    "PINNOTFOUND": "module part(input a);\nendmodule\n" +
                   TOP + "(input a);\n  part part(.a(a), .c(a));\nendmodule\n",
    "%Error": TOP + "(output b);\n",
}


@pytest.fixture
def verilog(tmp_path):
    def write(text):
        path = tmp_path / "design.v"
        path.write_text(text)
        return path
    return write


def test_operands_of_two_widths_are_how_yosys_writes(verilog):
    assert lint(verilog(CLEAN)) == ""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(verilog, name):
    assert name in lint(verilog(FAULTS[name]))


def test_a_finding_ends_the_command_with_1(verilog, monkeypatch, capsys):
    class Emitted:
        verilog = None
    for text, status in ((CLEAN, 0), (FAULTS["LATCH"], 1)):
        Emitted.verilog = verilog(text)
        monkeypatch.setattr(command.verilate, "emit", lambda *arguments: Emitted)
        assert main(["bench", "us"]) == status
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == f"us: {'findings' if status else 'clean'}"
    with pytest.raises(SystemExit):
        main(["none"])
