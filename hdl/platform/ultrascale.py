"""Counts for UltraScale+ by Yosys; the vendor's tool does the real mapping, placing and routing."""

from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

__all__ = ["commands", "synthesise"]


def commands(intermediate: Path, out: Path) -> list[str]:
    """Return the Yosys commands from RTLIL with the module ``top`` to a JSON netlist."""
    return [
        f"read_rtlil {intermediate}",
        "synth_xilinx -family xcup -top top -flatten -noiopad -noclkbuf",
        f"write_json {out}",
    ]


def synthesise(component: wiring.Component, out: Path) -> None:
    """Synthesise into a JSON netlist; end the process with ``os._exit`` after it."""
    intermediate = out.with_suffix(".il")
    out.parent.mkdir(parents=True, exist_ok=True)
    intermediate.write_text(rtlil.convert(component, name="top", emit_src=False))
    from pyosys import libyosys as yosys  # here, as importing it takes over the process

    design = yosys.yosys_get_design()
    for command in commands(intermediate, out):
        yosys.run_pass(f"tee -q {command}", design)
    intermediate.unlink()
