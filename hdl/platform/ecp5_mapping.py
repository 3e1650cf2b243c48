"""How the core is mapped to the cells of an ECP5 where Yosys, left alone, makes more of them.

Its logic optimiser takes the comparison of two wide words apart into twice as many implications and
packs two of them into a look-up table, whichever they are; two bits of each word fit. So wide
comparisons are mapped before it comes to them.
"""

from pathlib import Path

__all__ = ["EQUALITY_MAP", "commands"]

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


def commands(intermediate: Path, out: Path) -> list[str]:
    """Return the Yosys commands from RTLIL with the module ``top`` to a JSON netlist.

    No LUT is made wider than 4 by the slices' multiplexers: each of those takes both LUTs of a
    slice, with most of their inputs twice, and a nearly full device runs out of wires first.
    Writes the map of comparisons next to the netlist.
    """
    equality = out.with_suffix(".map.v")
    equality.write_text(EQUALITY_MAP)
    return [
        f"read_rtlil {intermediate}",
        "synth_ecp5 -top top -nowidelut -run :map_ram",
        f"techmap -map {equality}",
        f"synth_ecp5 -top top -nowidelut -run map_ram: -json {out}",
    ]
