"""The message rate against plain Python."""

import random

import pytest

from hdl.risk.message_rate import MessageRate
from sim.golden.risk import MessageRate as Golden
from tests.support.streams import run


@pytest.mark.parametrize("seed", [1, 2])
def test_orders_pass_as_the_model_says(seed):
    rng = random.Random(seed)
    dut = MessageRate()
    interval, burst = 1000, 3000
    golden = Golden(interval, burst)
    passed = []

    async def check(ctx):
        now = 0
        ctx.set(dut.cfg_interval_ns, interval)
        ctx.set(dut.cfg_burst_ns, burst)
        await ctx.tick().repeat(3)
        for _ in range(300):
            now += rng.choice([0, 1, 500, 1000, 5000])
            ctx.set(dut.now_ns, now)
            await ctx.tick().repeat(3)
            assert ctx.get(dut.failed) == golden.exceeded(now)
            cancel = rng.random() < 0.1
            if cancel or not golden.exceeded(now):
                if not cancel:
                    passed.append(now)
                golden.count(now)
                ctx.set(dut.counted, 1)
                await ctx.tick()
                ctx.set(dut.counted, 0)
                assert ctx.get(dut.failed)  # until the message is in the sum

    run(dut, check)
    for start in range(len(passed)):
        for end in range(start, len(passed)):
            span = passed[end] - passed[start]
            assert end - start + 1 <= (burst + span) // interval + 1


def test_nothing_passes_without_an_interval():
    dut = MessageRate()

    async def check(ctx):
        assert ctx.get(dut.failed)
        ctx.set(dut.now_ns, 10**9)
        ctx.set(dut.cfg_burst_ns, 2**32 - 1)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.failed)
        ctx.set(dut.cfg_interval_ns, 1)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.failed)

    run(dut, check)


def test_the_sum_saturates():
    dut = MessageRate()

    async def check(ctx):
        ctx.set(dut.now_ns, 2**64 - 10)
        ctx.set(dut.cfg_interval_ns, 100)
        await ctx.tick().repeat(3)
        for _ in range(3):
            ctx.set(dut.counted, 1)
            await ctx.tick()
            ctx.set(dut.counted, 0)
            await ctx.tick().repeat(3)
            assert ctx.get(dut.failed)  # 2**64 - 1 is beyond now and no burst is allowed

    run(dut, check)
