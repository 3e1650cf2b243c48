"""Counters of pulses: every count arrives once, within the stated time."""

import random

import pytest

from hdl.telemetry.counters import CounterBank
from tests.support.streams import run


@pytest.mark.parametrize("widths", [(1,) * 37, (1, 5), (3,), (1,) * 16, (2, *(1,) * 16)])
def test_every_count_arrives_in_the_stated_time(widths):
    dut = CounterBank(widths)
    sweep = 1 << max(3, (len(widths) - 1).bit_length())
    rng = random.Random(len(widths))
    totals = [0] * len(widths)

    async def shown(ctx):
        sums = []
        for number in range(len(widths)):
            ctx.set(dut.address, number)
            await ctx.tick().repeat(2)
            sums.append(ctx.get(dut.data))
        return sums

    async def bench(ctx):
        for burst in range(12):
            # All inputs at their largest, then at random, from the first cycle after reset on.
            for _ in range(rng.randint(1, 3 * sweep)):
                word = at = 0
                for number, width in enumerate(widths):
                    top = (1 << width) - 1
                    count = top if burst < 3 else rng.randint(0, top)
                    totals[number] += count
                    word |= count << at
                    at += width
                ctx.set(dut.counts, word)
                await ctx.tick()
            ctx.set(dut.counts, 0)
            await ctx.tick().repeat(2 * sweep + 4)
            assert await shown(ctx) == totals

    run(dut, bench)


def test_a_lone_pulse_is_not_later_than_stated():
    dut = CounterBank((1,) * 24)
    late = []

    async def bench(ctx):
        await ctx.tick().repeat(100)
        for round_ in range(40):
            number = (7 * round_) % 24
            ctx.set(dut.address, number)
            await ctx.tick().repeat(2)
            before = ctx.get(dut.data)
            ctx.set(dut.counts, 1 << number)
            await ctx.tick()
            ctx.set(dut.counts, 0)
            cycles = 0
            while ctx.get(dut.data) == before:
                await ctx.tick()
                cycles += 1
            late.append(cycles)
            assert ctx.get(dut.data) == before + 1

    run(dut, bench)
    assert 32 <= max(late) <= 32 + 6


@pytest.mark.parametrize("widths", [(), (1, 0)])
def test_parameters_are_checked(widths):
    with pytest.raises(ValueError, match="widths must be"):
        CounterBank(widths)
