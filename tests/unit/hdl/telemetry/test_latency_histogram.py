"""The latency histogram."""

import random

import pytest

from hdl.telemetry.latency_histogram import LatencyHistogram
from tests.support.streams import run

BINS = 16


async def measure(ctx, dut, latency):
    ctx.set(dut.latency_cycles, latency)
    ctx.set(dut.measured, 1)
    await ctx.tick()
    ctx.set(dut.measured, 0)


async def bins(ctx, dut):
    counts = []
    for number in range(BINS):
        ctx.set(dut.bin, number)
        await ctx.tick().repeat(2)
        counts.append(ctx.get(dut.count))
    return counts


def test_every_measurement_is_counted_once_and_clear_forgets_all():
    dut = LatencyHistogram(BINS)
    rng = random.Random(2)

    async def bench(ctx):
        await ctx.tick().repeat(BINS + 1)
        for _ in range(2):
            assert (ctx.get(dut.orders), ctx.get(dut.minimum), ctx.get(dut.maximum)) == (
                0, 0xFFFFFFFF, 0)
            latencies = [rng.choice([rng.randrange(BINS), rng.randrange(40), 1 << 40])
                         for _ in range(60)]
            for latency in latencies:
                await measure(ctx, dut, latency)
                await ctx.tick().repeat(4)
            await ctx.tick()
            wanted = [0] * BINS
            for latency in latencies:
                wanted[min(latency, BINS - 1)] += 1
            assert await bins(ctx, dut) == wanted
            assert ctx.get(dut.orders) == len(latencies)
            assert ctx.get(dut.minimum) == min(latencies)
            assert ctx.get(dut.maximum) == min(max(latencies), 0xFFFFFFFF)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            await ctx.tick().repeat(BINS + 1)
            assert await bins(ctx, dut) == [0] * BINS

    run(dut, bench)


def test_latency_of_the_outputs():
    dut = LatencyHistogram(BINS)

    async def bench(ctx):
        await ctx.tick().repeat(BINS + 1)
        ctx.set(dut.bin, 5)
        await measure(ctx, dut, 5)
        for cycle in range(1, 8):
            shown = cycle >= 3
            assert ctx.get(dut.orders) == shown
            assert ctx.get(dut.minimum) == (5 if shown else 0xFFFFFFFF)
            assert ctx.get(dut.maximum) == (5 if shown else 0)
            assert ctx.get(dut.count) == (cycle >= 7)
            await ctx.tick()

    run(dut, bench)


def test_number_of_bins_is_checked():
    with pytest.raises(ValueError, match="bins must be a power of two"):
        LatencyHistogram(12)
