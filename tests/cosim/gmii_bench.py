"""cocotb tests of the GMII line; run by test_gmii.py."""

import cocotb
from amaranth.lib import data
from cocotb.triggers import RisingEdge
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource

from hdl.net.xgmii_transmitter import HEAD_BYTES
from hdl.stream import FrameBeat
from tests.cosim.line_bench import LineBench, judge, random_frame

#: Not that of the line, 8 ns: of this one, 2 ps are 100 ppm.
PERIOD_PS = 20_000
#: First byte of preamble at the pins to the first beat, equal clocks: preamble, eight bytes and
#: the one behind them, buffer, receiver, frame buffer.
FIRST_BEAT_CYCLES = 8 + 8 + 3 + 1 + 1


class Bench(LineBench):
    """With the bus model of a GMII line."""

    PERIOD_PS = PERIOD_PS

    def __init__(self, dut, *, cut_through=1, **settings):
        super().__init__(dut, cut_through=cut_through, **settings)
        self.source = GmiiSource(dut.rxd, dut.rx_er, dut.rx_dv, dut.rx_clk)
        self.source.log.setLevel("WARNING")
        self.overruns, self._enabled = 0, 0
        for pin in (dut.rxd, dut.rx_dv, dut.rx_er, dut.send_valid, dut.part_valid):
            pin.value = 0

    def look(self, cycle: int) -> None:
        """Note each first byte, and overruns."""
        before, self._enabled = self._enabled, int(self.dut.rx_dv.value)
        if self._enabled and not before:
            self.starts.append(cycle)
        self.overruns += int(self.dut.overrun.value)


async def compare(bench: Bench, count: int, *, cut_through: bool, gaps=(12,)) -> None:
    """Send random frames and compare all that comes out with the golden model."""
    sent, spoilt = [], []
    for _ in range(count):
        body = random_frame(bench.rng)
        frame = GmiiFrame.from_payload(body)
        place = 8 + bench.rng.randrange(len(body))
        kind = bench.rng.random()
        if kind < 0.1:
            frame.data[place] ^= 1
        elif kind < 0.15:
            frame.error = [int(n == place) for n in range(len(frame.data))]
        sent.append(bytes(frame.data[8:]))
        spoilt.append(frame.error is not None and any(frame.error))
        bench.source.ifg = bench.rng.choice(gaps)
        await bench.source.send(frame)
        if len(gaps) > 1:
            await bench.source.wait()
    await bench.settle()
    judge(bench, sent, spoilt, cut_through=cut_through)
    assert bench.overruns == 0


@cocotb.test()
async def cut_through_latency_at_the_pins(dut):
    bench = Bench(dut, seed=1)
    await bench.start()
    for _ in range(8):
        await bench.source.send(GmiiFrame.from_payload(random_frame(bench.rng)))
        await bench.settle()
    assert bench.first_cycles == [cycle + FIRST_BEAT_CYCLES for cycle in bench.starts]


@cocotb.test()
async def random_frames_store_and_forward(dut):
    bench = Bench(dut, cut_through=0, seed=2, chance=0.9)
    await bench.start()
    await compare(bench, 60, cut_through=False)


@cocotb.test()
async def random_frames_cut_through_and_gaps(dut):
    bench = Bench(dut, seed=3, chance=0.9)
    await bench.start()
    await compare(bench, 60, cut_through=True, gaps=(1, 5, 8, 11, 12, 13, 40))


@cocotb.test()
async def fast_line(dut):
    """The line is 0.25 % faster than the core, more than ten times what is allowed."""
    bench = Bench(dut, seed=4, rx_period_ps=PERIOD_PS - 50)
    await bench.start()
    await compare(bench, 40, cut_through=True)


@cocotb.test()
async def slow_line(dut):
    """The line is 0.25 % slower than the core."""
    bench = Bench(dut, seed=5, rx_period_ps=PERIOD_PS + 50)
    await bench.start()
    await compare(bench, 40, cut_through=True)


async def long_frames(bench: Bench) -> None:
    """Let frames pass that are longer than any buffer of the line; the longest are too long."""
    await bench.start()
    for length in (9000, 1500):
        await bench.source.send(GmiiFrame.from_payload(bench.rng.randbytes(length)))
    await bench.settle()
    assert (bench.counts["oversize"], bench.counts["frames_good"], bench.overruns) == (1, 1, 0)


@cocotb.test()
async def long_frames_at_plus_100_ppm(dut):
    await long_frames(Bench(dut, seed=6, rx_period_ps=PERIOD_PS - 2))


@cocotb.test()
async def long_frames_at_minus_100_ppm(dut):
    await long_frames(Bench(dut, seed=7, rx_period_ps=PERIOD_PS + 2))


@cocotb.test()
async def a_line_that_is_far_too_fast_spoils_long_frames_alone(dut):
    """At 10 % more than the core's clock the ring overruns within 120 bytes."""
    bench = Bench(dut, seed=9, rx_period_ps=18_180)
    await bench.start()
    lengths = (60, 400, 60)
    sent = [bench.rng.randbytes(length) for length in lengths]
    for body in sent:
        bench.source.ifg = 40
        await bench.source.send(GmiiFrame.from_payload(body))
    await bench.settle()
    assert bench.counts["error_char"] == 1 and bench.counts["frames_good"] == 2
    assert bench.overruns > 1
    good = [frame[:-4] for frame, outcome in zip(bench.frames, bench.outcomes, strict=True)
            if outcome]
    assert good == [body for body in sent if len(body) == 60]


@cocotb.test()
async def transmitted_frames_reach_the_model(dut):
    bench = Bench(dut, seed=8)
    await bench.start()
    sink = GmiiSink(dut.txd, dut.tx_er, dut.tx_en, dut.clk)
    sink.log.setLevel("WARNING")
    bodies = [bench.rng.randbytes(length) for length in [*range(17, 26), *range(56, 68), 128]]

    async def offer(ready, valid):
        valid.value = 1
        while True:
            await RisingEdge(dut.clk)
            taken = ready.value
            if taken:
                break
        valid.value = 0

    for body in bodies:
        dut.head.value = int.from_bytes(body[:HEAD_BYTES], "little")
        dut.send.value = (max(60, len(body)) % 8) << 1
        await offer(dut.send_ready, dut.send_valid)
        for at in range(HEAD_BYTES, len(body), 8):
            chunk = body[at:at + 8]
            dut.part.value = data.Layout.cast(FrameBeat).const({
                "data": int.from_bytes(chunk, "little"), "keep": (1 << len(chunk)) - 1,
                "first": 0, "last": int(at + 8 >= len(body))}).as_bits()
            await offer(dut.part_ready, dut.part_valid)
    for body in bodies:
        frame = await sink.recv()
        assert frame.check_fcs() and not any(frame.error or [])
        assert bytes(frame.get_payload()) == body.ljust(60, b"\0")
    assert sink.empty()
