"""cocotb tests of the receive path; run by test_mac.py."""

import cocotb
from cocotbext.eth import XgmiiFrame, XgmiiSource

from tests.cosim.line_bench import LineBench, judge, random_frame
from tests.support.xgmii import START

PERIOD_PS = 6400
#: Word on the pins to beat, with equal clocks: elastic buffer, receiver, buffer.
LATENCY = 3 + 1 + 1


class Bench(LineBench):
    """With the bus model of an XGMII line."""

    PERIOD_PS = PERIOD_PS

    def __init__(self, dut, **settings):
        super().__init__(dut, **settings)
        self.source = XgmiiSource(dut.rxd, dut.rxc, dut.rx_clk)
        self.source.log.setLevel("WARNING")
        self.slips = [0] * 4
        dut.rxd.value = 0x0707070707070707
        dut.rxc.value = 0xFF

    def look(self, cycle: int) -> None:
        """Note each Start, and what the elastic buffer does."""
        for lane in (0, 4):
            byte = int(self.dut.rxd.value) >> 8 * lane & 0xFF
            if int(self.dut.rxc.value) >> lane & 1 and byte == START:
                self.starts.append((cycle, lane))
        for bit in range(4):
            self.slips[bit] += int(self.dut.slips.value) >> bit & 1


async def compare(bench: Bench, count: int, *, cut_through: bool) -> None:
    """Send random frames and compare all that comes out with the golden model."""
    sent = []
    for _ in range(count):
        body = random_frame(bench.rng)
        frame = XgmiiFrame.from_payload(body)
        if bench.rng.random() < 0.1:
            damaged = bytearray(frame.data)
            damaged[8 + bench.rng.randrange(len(body))] ^= 1
            frame = XgmiiFrame(damaged)
        sent.append(bytes(frame.data[8:]))
        await bench.source.send(frame)
    await bench.settle()
    judge(bench, sent, [False] * count, cut_through=cut_through)
    assert bench.slips[2:] == [0, 0]


@cocotb.test()
async def cut_through_latency_at_the_pins(dut):
    bench = Bench(dut, cut_through=1, seed=1)
    await bench.start()
    for _ in range(12):
        bench.source.force_offset_start = bench.rng.random() < 0.5
        await bench.source.send(XgmiiFrame.from_payload(random_frame(bench.rng)))
        await bench.settle()
    assert {lane for _, lane in bench.starts} == {0, 4}
    # The first eight bytes of the frame are in the word after Start, or half of them in the next.
    assert bench.first_cycles == [
        cycle + (1 if lane == 0 else 2) + LATENCY for cycle, lane in bench.starts]


@cocotb.test()
async def random_frames_store_and_forward(dut):
    bench = Bench(dut, cut_through=0, seed=2, chance=0.9)
    await bench.start()
    await compare(bench, 400, cut_through=False)


@cocotb.test()
async def random_frames_cut_through(dut):
    bench = Bench(dut, cut_through=1, seed=3, chance=0.9)
    await bench.start()
    await compare(bench, 400, cut_through=True)


@cocotb.test()
async def fast_line(dut):
    """The line is 0.3 % faster than the core, fifteen times what is allowed."""
    bench = Bench(dut, cut_through=1, seed=4, rx_period_ps=PERIOD_PS - 20)
    await bench.start()
    await compare(bench, 300, cut_through=True)
    assert bench.slips[1] > 20


@cocotb.test()
async def slow_line(dut):
    """The line is 0.3 % slower than the core."""
    bench = Bench(dut, cut_through=1, seed=5, rx_period_ps=PERIOD_PS + 20)
    await bench.start()
    await compare(bench, 300, cut_through=True)
    assert bench.slips[0] > 20
