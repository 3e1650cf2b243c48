"""How the core is mapped to the cells of an ECP5 where Yosys, left alone, makes more of them.

Its logic optimiser takes the comparison of two wide words apart into twice as many implications and
packs two of them into a look-up table, whichever they are; two bits of each word fit. So wide
comparisons are mapped before it comes to them. And it leaves the output registers of block RAMs
unused, so registers that take a block RAM's output as it is are moved into it afterwards.

Ref: Lattice FPGA-TN-02204, ECP5 and ECP5-5G Memory Usage Guide.
"""

from collections import defaultdict
from pathlib import Path

__all__ = ["EQUALITY_MAP", "absorb_output_registers", "commands"]

#: Bits of a port of a block RAM.
_PORT_BITS = 18

#: Yosys techmap: a table compares two bits of each word. Words of a constant are left alone.
EQUALITY_MAP = """
(* techmap_celltype = "$eq $ne" *)
module _compare_by_pairs (A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_CELLTYPE_ = "";
    parameter _TECHMAP_CONSTMSK_A_ = 0;
    parameter _TECHMAP_CONSTMSK_B_ = 0;
    (* force_downto *) input [A_WIDTH-1:0] A;
    (* force_downto *) input [B_WIDTH-1:0] B;
    (* force_downto *) output [Y_WIDTH-1:0] Y;

    wire _TECHMAP_FAIL_ = A_WIDTH != B_WIDTH || A_WIDTH < 6
        || _TECHMAP_CONSTMSK_A_ != 0 || _TECHMAP_CONSTMSK_B_ != 0;

    localparam PAIRS = (A_WIDTH + 1) / 2;
    wire [2*PAIRS-1:0] left = {1'b0, A};
    wire [2*PAIRS-1:0] right = {1'b0, B};
    wire [PAIRS-1:0] same;
    genvar n;
    generate
        for (n = 0; n < PAIRS; n = n + 1) begin:pairs
            // A equals B and C equals D.
            LUT4 #(.INIT(16'h9009)) pair (.A(left[2*n]), .B(right[2*n]),
                                          .C(left[2*n+1]), .D(right[2*n+1]), .Z(same[n]));
        end
    endgenerate
    assign Y = _TECHMAP_CELLTYPE_ == "$ne" ? !(&same) : &same;
endmodule
"""


#: What Yosys does before it makes comparisons of one another and of sums (``alumacc``).
_BEFORE_SUMS = """
proc -latches error
flatten
tribuf -logic
deminout
opt_expr
opt_clean
opt -nodffe -nosdff
fsm
opt
wreduce
peepopt
opt_clean
share
techmap -map +/cmp2lut.v -D LUT_WIDTH=4
opt_expr
opt_clean
""".strip().splitlines()


def commands(intermediate: Path, out: Path) -> list[str]:
    """Return the Yosys commands from RTLIL with the module ``top`` to a JSON netlist.

    No LUT is made wider than 4 by the slices' multiplexers: each of those takes both LUTs of a
    slice, with most of their inputs twice, and a nearly full device runs out of wires first.
    Equalities are mapped before Yosys takes them from the sums that compare the same words, which
    has their bits wait for a tree of exclusive ors. Writes the map of comparisons next to the
    netlist.
    """
    equality = out.with_suffix(".map.v")
    equality.write_text(EQUALITY_MAP)
    synth = "synth_lattice -family ecp5 -top top -nowidelut"
    return [
        f"read_rtlil {intermediate}",
        f"{synth} -run begin:coarse",
        *_BEFORE_SUMS,
        f"techmap -map {equality}",
        "opt_clean",
        f"{synth} -run coarse:map_ram",
        f"techmap -map {equality}",
        f"{synth} -run map_ram: -json {out}",
    ]


def absorb_output_registers(module: dict) -> int:
    """Move registers behind block RAMs into them, and return how many registers that were.

    Of each port of a ``DP16KD`` whose output goes nowhere but into flip-flops without reset, of the
    port's clock and one clock enable, these are replaced by the port's output register. Initial
    values are 0 on both sides.

    Parameters
    ----------
    module : dict
        Module of a netlist as Yosys writes it, flat and mapped; changed in place.
    """
    readers = _readers(module)
    cells = module["cells"]
    absorbed = 0
    for ram in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        for port in "AB":
            pins = [f"DO{port}{bit}" for bit in range(_PORT_BITS)
                    if any(readers[net] for net in ram["connections"].get(f"DO{port}{bit}", ()))]
            registers = [_only_register(cells, readers, ram["connections"][pin][0])
                         for pin in pins]
            controls = {_control(cells[name], port, ram) if name else None for name in registers}
            if len(controls) != 1 or None in controls:
                continue
            ram["parameters"][f"REGMODE_{port}"] = "OUTREG"
            ram["connections"][f"OCE{port}"] = list(controls.pop())
            for pin, name in zip(pins, registers, strict=True):
                ram["connections"][pin] = cells.pop(name)["connections"]["Q"]
            absorbed += len(pins)
    return absorbed


def _readers(module: dict) -> dict:
    """Return for each net the pins it goes to, ``(cell, pin)``; None for one of the module."""
    readers = defaultdict(list)
    for name, cell in module["cells"].items():
        for pin, nets in cell["connections"].items():
            if cell["port_directions"][pin] != "output":
                for net in nets:
                    readers[net].append((name, pin))
    for port in module["ports"].values():
        if port["direction"] != "input":
            for net in port["bits"]:
                readers[net].append((None, None))
    return readers


def _only_register(cells: dict, readers: dict, net: int) -> str | None:
    """Return the name of the flip-flop that is alone in taking the net, if it is so."""
    if len(readers[net]) != 1:
        return None
    name, pin = readers[net][0]
    return name if pin == "DI" and cells[name]["type"] == "TRELLIS_FF" else None


def _control(register: dict, port: str, ram: dict) -> tuple | None:
    """Return the clock enable of a flip-flop, or None if it is none that the port could have."""
    parameters, connections = register["parameters"], register["connections"]
    if (connections["CLK"] != ram["connections"][f"CLK{port}"]
            or parameters.get("CLKMUX", "CLK") != "CLK"
            or parameters["REGSET"] != "RESET"
            or connections.get("LSR", ["0"]) != ["0"]):
        return None
    if parameters["CEMUX"].strip() == "1":
        return ("1",)
    return tuple(connections["CE"]) if parameters["CEMUX"] == "CE" else None
