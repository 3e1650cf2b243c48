"""Verilog of a design: what becomes of the initial content of memories."""

import subprocess
import sys
from pathlib import Path

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

ROOT = Path(__file__).resolve().parents[4]


class TwoMemories(wiring.Component):
    """Two memories read at the same address: one of zeros, one of numbers.

    Members
    -------
    address : ``In(2)``
        Row.
    zeros, numbers : ``Out(8)``
        What stands there.
    """

    address: In(2)
    zeros: Out(8)
    numbers: Out(8)

    def elaborate(self, platform):
        """Make the memories."""
        m = Module()
        for name, init in (("zeros", []), ("numbers", [0, 0x5A, 0, 0])):
            m.submodules[name] = content = memory.Memory(shape=8, depth=4, init=init)
            port = content.read_port()
            m.d.comb += [port.addr.eq(self.address), getattr(self, name).eq(port.data)]
        return m


def test_only_content_that_is_not_zero_is_written(tmp_path):
    verilog = tmp_path / "design.v"
    subprocess.run([sys.executable, "-m", "hdl", str(verilog), "--design",
                    f"{__name__}:TwoMemories"], cwd=ROOT, check=True)
    text = verilog.read_text()
    assert text.count("[3:0];") == 2        # two memories of four rows
    assert text.count("initial begin") == 1
    assert text.count("= 8'h5a;") == 1 and text.count("= 8'h00;") == 3
