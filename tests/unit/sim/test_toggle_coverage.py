"""Which signals count, and what the counts of several simulations add up to."""

import pytest

from sim import verilate
from sim.errors import SimulationError
from sim.library import Simulation
from sim.toggle_coverage import (
    COVERAGE_VARIABLE,
    Point,
    Toggles,
    constant_signals,
    named_signals_only,
    read_counts,
    record_fields,
)

STAND_IN = "tests.support.stand_in:simulated_stand_in"

VERILOG = """module \\design.gate (clk, \\side$3 ,
  open);
  input clk;
  wire clk;
  wire \\$12 ;
  wire \\side$3 ;
  wire [3:0] \\side$7 ;
  reg [3:0] \\side$9  = 4'h0;
  wire [1:0] \\order.side ;
  wire [7:0] order;
  reg [7:0] rows [15:0];
  wire \\port$3$0 ;
  assign order = 8'h2a;
  assign open = clk;
  assign \\order.side  = order[3:2];
  assign \\order.kinds[0]  = order[7];
  assign \\side$7  = order[1:0];
endmodule
"""


def test_only_signals_with_a_name_of_their_own_count():
    marked = [line.replace("/*verilator coverage_off*/", "") for line in
              named_signals_only(VERILOG).splitlines() if "coverage_off" in line]
    assert [line.split(";")[0].split()[-1] for line in marked] == [
        "\\$12", "\\side$7", "\\order.side", "[15:0]", "\\port$3$0"]
    text = named_signals_only(VERILOG)
    assert text.replace("/*verilator coverage_off*/", "").replace(
        "/*verilator coverage_on*/", "") == VERILOG
    assert named_signals_only("// nothing\n") == "// nothing\n"


def test_constants_are_found():
    assert constant_signals(VERILOG) == {("design.gate", "order")}


def test_fields_of_records_are_found():
    assert record_fields(VERILOG) == {("design.gate", "order"): [range(2, 4), range(7, 8)]}


def line(module, signal, direction, count, folder="/a"):
    place = f"f\x02{folder}/design.v\x01l\x0216\x01n\x0216\x01t\x02toggle"
    return (f"C '\x01{place}\x01page\x02v_toggle/"
            f"{module}\x01o\x02{signal}:{direction}\x01h\x02TOP.design' {count}\n")


def test_counts_of_simulations_add_up_whatever_the_folder(tmp_path):
    first, second = tmp_path / "1.dat", tmp_path / "2.dat"
    head = "# SystemC::Coverage-3\n"
    first.write_text(head + line("design.gate", "order[3]", "0->1", 2)
                     + line("design.gate", "order[3]", "1->0", 0)
                     + line("design.gate__02445", "side__0243", "1->0", 1))
    second.write_text(head + line("design.gate", "order[3]", "0->1", 5, "/b"))
    assert read_counts([first, second]) == {
        Point("design.gate", "order", 3): Toggles(7, 0),
        Point("design.gate", "side", 0): Toggles(0, 1)}
    assert [Toggles(*pair).covered for pair in ((0, 0), (3, 0), (0, 1), (2, 2))] == [0, 1, 1, 2]


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "x.dat"
    path.write_text("hello\n")
    with pytest.raises(SimulationError, match="no coverage"):
        read_counts([path])


def test_a_library_counts_what_its_simulations_do(tmp_path, monkeypatch):
    monkeypatch.setenv(COVERAGE_VARIABLE, str(tmp_path))
    library = verilate.build(verilate.emit(STAND_IN))
    with Simulation(library) as simulation:
        simulation.run(100)
    with Simulation(library) as simulation:
        simulation.send([bytes(range(60))] * 20)
        simulation.settle(quiet=100)
    idle, busy = (read_counts([path]) for path in sorted(tmp_path.glob("*.dat")))
    assert idle.keys() == busy.keys()
    data = [Point("design.design", "feed_a_rx_data", bit) for bit in range(64)]
    assert sum(idle[point].covered for point in data) < sum(busy[point].covered for point in data)
    assert all(point.signal and "$" not in point.signal.removeprefix("$auto") for point in busy)
