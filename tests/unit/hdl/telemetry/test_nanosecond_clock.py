"""The nanosecond clock."""

import random

import pytest

from hdl.telemetry.nanosecond_clock import NanosecondClock
from tests.support.streams import run


@pytest.mark.parametrize("hz", [156_250_000, 125_000_000, 100_000_001])
def test_time_follows_the_frequency(hz):
    dut = NanosecondClock(hz)

    async def bench(ctx):
        for cycle in range(1000):
            assert abs(ctx.get(dut.now_ns) - cycle * 1_000_000_000 // hz) <= 1
            await ctx.tick()

    run(dut, bench)


def test_time_jumps_forward_within_two_cycles_and_never_back():
    dut = NanosecondClock(156_250_000)
    rng = random.Random(1)

    async def bench(ctx):
        floor = last = 0
        for _ in range(400):
            draw = rng.random()
            if draw < 0.1:
                floor = last + rng.choice([0, 1, 63, 64, 65, 66, 80, 1000, 10**12])
                ctx.set(dut.floor_ns, max(floor, ctx.get(dut.floor_ns)))
            await ctx.tick()
            now = ctx.get(dut.now_ns)
            assert now >= last
            last = now
        ctx.set(dut.floor_ns, last + 5000)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.now_ns) == last + 5000
        await ctx.tick().repeat(10)
        assert last + 5050 <= ctx.get(dut.now_ns) <= last + 5070

    run(dut, bench)


def test_time_stands_still_and_goes_on_as_if_nothing_had_been():
    dut = NanosecondClock(156_250_000)
    rng = random.Random(2)

    async def bench(ctx):
        counted = 0
        for _ in range(400):
            hold = rng.random() < 0.5
            ctx.set(dut.hold, hold)
            ctx.set(dut.floor_ns, 10**9 if hold else 0)
            await ctx.tick()
            counted += not hold
            assert abs(ctx.get(dut.now_ns) - counted * 64 // 10) <= 1
            # A jump wanted while time stands still is not taken if nobody wants it afterwards.
            if hold:
                ctx.set(dut.floor_ns, 0)
                await ctx.tick().repeat(2)

    run(dut, bench)


def test_a_slow_clock_is_refused():
    with pytest.raises(ValueError, match="hz must be"):
        NanosecondClock(39_999_999)
