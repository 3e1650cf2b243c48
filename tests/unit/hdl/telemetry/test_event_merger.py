"""Records of both classes in one stream, and the ring of the first."""

import random

import pytest

from hdl.telemetry.event_merger import EventMerger
from hdl.telemetry.event_ring import EventRing
from tests.support.streams import always, collect, drive, run, stalls


@pytest.mark.parametrize(("seed", "go"), [(1, always), (2, stalls(2, 0.4))])
def test_nothing_is_lost_or_changed_once_offered(seed, go):
    dut = EventMerger()
    out, held = [], []
    sources = [[n << 1 | which for n in range(1, 60)] for which in range(2)]

    async def watch(ctx):
        offered = None
        while True:
            _, _, valid, ready, payload = await ctx.tick().sample(
                dut.events.valid, dut.events.ready, dut.events.payload)
            if offered is not None:
                assert valid and payload == offered
            offered = payload if valid and not ready else None
            held.append(offered)

    async def collector(ctx):
        await collect(ctx, dut.events, out, go)

    def source(stream, items, pattern):
        async def bench(ctx):
            await drive(ctx, stream, items, pattern)
        return bench

    run(dut, source(dut.first, sources[0], stalls(seed, 0.3)),
        source(dut.second, sources[1], stalls(seed + 9, 0.6)), background=[collector, watch])
    got = [payload for _, payload in out]
    for which in range(2):
        assert [p for p in got if p & 1 == which] == sources[which]
    assert all(p is None for p in held) == (go is always)


def test_class_1_goes_first():
    dut = EventMerger()

    async def bench(ctx):
        ctx.set(dut.second.valid, 1)
        ctx.set(dut.second.payload, 2)
        assert ctx.get(dut.events.payload) == 2
        await ctx.tick()
        ctx.set(dut.first.valid, 1)
        ctx.set(dut.first.payload, 1)
        assert ctx.get(dut.events.payload) == 2     # it was offered
        ctx.set(dut.events.ready, 1)
        await ctx.tick()
        assert ctx.get(dut.events.payload) == 1
        assert ctx.get(dut.first.ready) and not ctx.get(dut.second.ready)

    run(dut, bench)


@pytest.mark.parametrize("seed", [3, 4])
def test_ring_keeps_everything_until_it_is_full(seed):
    rng = random.Random(seed)
    depth = 8
    dut = EventRing(16, depth)
    stored, out = [], []
    go = stalls(seed, 0.2)
    lost = 0

    async def collector(ctx):
        await collect(ctx, dut.records, out, go)

    async def bench(ctx):
        nonlocal lost
        number = 0
        full_at = []
        for _ in range(400):
            store = rng.random() < 0.3
            ctx.set(dut.store, store)
            ctx.set(dut.record, number)
            await ctx.tick()
            if ctx.get(dut.lost):
                lost += 1
            if store:
                stored.append(number)
                number += 1
            full_at.append(ctx.get(dut.nearly_full))
        ctx.set(dut.store, 0)
        await ctx.tick()
        lost += ctx.get(dut.lost)
        while not ctx.get(dut.empty):
            await ctx.tick()
        await ctx.tick()
        assert any(full_at) and not ctx.get(dut.nearly_full)

    run(dut, bench, background=[collector])
    got = [payload for _, payload in out]
    assert got == sorted(got) and set(got) <= set(stored)
    assert lost == len(stored) - len(got) > 0


def test_ring_shows_a_record_after_four_cycles():
    dut = EventRing(16, 4)

    async def bench(ctx):
        ctx.set(dut.store, 1)
        ctx.set(dut.record, 77)
        await ctx.tick()
        ctx.set(dut.store, 0)
        for _ in range(3):
            assert not ctx.get(dut.records.valid) and not ctx.get(dut.empty)
            await ctx.tick()
        assert ctx.get(dut.records.valid) and ctx.get(dut.records.payload) == 77

    run(dut, bench)


def test_depth_is_checked():
    with pytest.raises(ValueError, match="depth must be a power of two"):
        EventRing(8, 6)
