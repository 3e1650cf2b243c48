"""Place and route one block on ECP5, alone, to see how fast it can be clocked.

Every input comes from a chain of registers and every output ends in a tree of registers, so
that nothing is trimmed and the paths measured are those of the block. The block may have nested
interfaces. Constraint and device are those of the project's figures: LFE5UM5G-85F, speed 8.

Registers get their initial values from the device's global reset after configuration, as on every
board of Amaranth's ECP5 platforms, so no reset is routed.

Example: ``python -m hdl.platform.out_of_context hdl.book.book:Book --profile bench --seed 1``
"""

import argparse
import json
import os
import sys
from pathlib import Path

from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.platform.ecp5_mapping import absorb_output_registers, commands
from hdl.platform.place_and_route import place_and_route
from hdl.profile import PROFILES

__all__ = ["OutOfContext", "synthesise"]


class OutOfContext(wiring.Component):
    """A block between registers, with two pins.

    Members
    -------
    clk : ``In(1)``
        Clock of the domain ``sync``.
    shift_in : ``In(1)``
        Feeds the chain of input registers.
    fold_out : ``Out(1)``
        Parity of all outputs, some cycles later.
    """

    def __init__(self, block: wiring.Component):
        self.block = block
        super().__init__({"clk": In(1), "shift_in": In(1), "fold_out": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.d.comb += sync.clk.eq(self.clk)
        m.submodules.block = self.block
        inputs, outputs = [], []
        for _, member, value in self.block.signature.flatten(self.block):
            cast = Value.cast(value)
            if isinstance(cast, Const):
                continue
            (inputs if member.flow is In else outputs).append(cast)
        chain = Signal(sum(map(len, inputs)))
        m.d.sync += chain.eq(Cat(self.shift_in, chain))
        m.d.comb += Cat(*inputs).eq(chain)
        folded = Signal(sum(map(len, outputs)))
        m.d.sync += folded.eq(Cat(*outputs))
        while len(folded) > 1:
            groups = (len(folded) + 3) // 4
            after = Signal(groups, name=f"fold_{groups}")
            m.d.sync += after.eq(Cat(folded[4 * n:4 * n + 4].xor() for n in range(groups)))
            folded = after
        m.d.comb += self.fold_out.eq(folded)
        return m


def synthesise(component: wiring.Component, out: Path) -> None:
    """Synthesise for ECP5 into a JSON netlist; end the process with ``os._exit`` after it."""
    intermediate = out.with_suffix(".il")
    out.parent.mkdir(parents=True, exist_ok=True)
    intermediate.write_text(rtlil.convert(component, name="top", emit_src=False))
    from pyosys import libyosys as yosys  # here, as importing it takes over the process

    design = yosys.yosys_get_design()
    for command in commands(intermediate, out):
        yosys.run_pass(f"tee -q {command}", design)
    netlist = json.loads(out.read_text())
    absorb_output_registers(netlist["modules"]["top"])
    out.write_text(json.dumps(netlist))


def main() -> None:
    """Measure one block from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0],
                                     epilog=__doc__.rsplit("\n\n", maxsplit=1)[1])
    parser.add_argument("block", help="module:class, constructed with a profile")
    parser.add_argument("--profile", default="bench", choices=sorted(PROFILES))
    parser.add_argument("--seed", type=int, action="append", default=None)
    parser.add_argument("--frequency-mhz", type=float, default=156.25)
    parser.add_argument("--path", action="store_true", help="print the critical path")
    arguments = parser.parse_args()
    module_name, _, class_name = arguments.block.partition(":")
    module = __import__(module_name, fromlist=[class_name])
    block = getattr(module, class_name)(PROFILES[arguments.profile])
    netlist = Path("build/timing") / f"{class_name}-{arguments.profile}.json"
    child = os.fork()
    if child == 0:
        synthesise(OutOfContext(block), netlist)
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"synthesis failed with {status}")
    for seed in arguments.seed or [1]:
        result = place_and_route(netlist, seed=seed, frequency_mhz=arguments.frequency_mhz)
        path = result.pop("critical_path")
        sys.stdout.write(json.dumps({"block": class_name, "seed": seed, **result}) + "\n")
        if arguments.path:
            sys.stdout.write("\n".join(path) + "\n")


if __name__ == "__main__":
    main()
