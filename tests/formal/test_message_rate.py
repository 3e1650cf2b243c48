"""The message rate: its sum never goes back, whatever the time and the settings."""

from amaranth.hdl import Assert, Assume, Signal

from hdl.risk.message_rate import MessageRate
from tests.formal.support import Proof, prove


def properties(m, dut, started):
    """A message that was counted forbids the next one until the burst allows it again."""
    now_ns = Signal(64)
    counted = Signal(2)
    interval_ns = Signal(32)
    m.d.sync += [now_ns.eq(dut.now_ns), counted.eq((counted << 1) | dut.counted),
                 interval_ns.eq(dut.cfg_interval_ns)]
    with m.If(started):
        m.d.comb += Assume(dut.now_ns >= now_ns)
        m.d.comb += Assert(~counted[0] | dut.failed)
        m.d.comb += Assert((interval_ns != 0) | dut.failed)


def test_a_counted_message_forbids_the_next(tmp_path):
    prove(tmp_path, Proof(MessageRate(), properties), depth=4)
