"""The kill switch: a kill always wins, and nothing but a clearing undoes it."""

from amaranth.hdl import Assert, Signal

from hdl.risk.kill_switch import KillSwitch
from tests.formal.support import Proof, prove


def properties(m, dut, started):
    killed = Signal()
    armed = Signal()
    triggered = Signal()
    cleared = Signal()
    asked = Signal()
    m.d.sync += [killed.eq(dut.killed), armed.eq(dut.armed), triggered.eq(dut.triggers.any()),
                 cleared.eq(dut.clear), asked.eq(dut.arm)]
    m.d.comb += Assert(~(dut.armed & dut.killed))
    with m.If(started):
        m.d.comb += [
            Assert(~triggered | dut.killed),
            Assert(~(killed & ~dut.killed) | (cleared & ~triggered)),
            Assert(~(dut.armed & ~armed) | (asked & ~killed & ~triggered)),
            Assert(~(killed & dut.armed)),
        ]


def test_a_kill_wins_and_latches(tmp_path):
    prove(tmp_path, Proof(KillSwitch(["operator", "fault"]), properties), depth=4)
