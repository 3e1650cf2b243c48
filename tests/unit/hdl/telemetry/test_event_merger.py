"""Records of both classes in one stream, their rings, and whole records of rows."""

import random

import pytest

from hdl.telemetry.event_merger import EventMerger
from hdl.telemetry.event_ring import EventRing
from hdl.telemetry.row_collector import RowCollector
from tests.support.record_rows import records_of, rows_of
from tests.support.streams import always, collect, drive, run, stalls


def record(number: int) -> int:
    """Return a record whose rows all differ from those of others."""
    return sum((number << 8 | part) << 128 * part for part in range(4))


@pytest.mark.parametrize(("seed", "go"), [(1, always), (2, stalls(2, 0.4))])
def test_nothing_is_lost_or_changed_once_offered(seed, go):
    dut = EventMerger()
    out, held = [], []
    sources = [[record(n << 1 | which) for n in range(1, 30)] for which in range(2)]

    async def watch(ctx):
        offered = None
        while True:
            _, _, valid, ready, payload = await ctx.tick().sample(
                dut.rows.valid, dut.rows.ready, dut.rows.payload)
            if offered is not None:
                assert valid and payload == offered
            offered = payload if valid and not ready else None
            held.append(offered)

    async def collector(ctx):
        await collect(ctx, dut.rows, out, go)

    def source(stream, items, pattern):
        async def bench(ctx):
            await drive(ctx, stream, [row for item in items for row in rows_of(item)], pattern)
        return bench

    run(dut, source(dut.first, sources[0], stalls(seed, 0.3)),
        source(dut.second, sources[1], stalls(seed + 9, 0.6)), background=[collector, watch])
    got = [payload for _, payload in records_of(out)]
    for which in range(2):
        assert [p for p in got if p >> 8 & 1 == which] == sources[which]
    assert all(p is None for p in held) == (go is always)


def test_class_1_goes_first():
    dut = EventMerger()

    async def bench(ctx):
        ctx.set(dut.second.valid, 1)
        ctx.set(dut.second.payload, {"data": 2, "last": 0})
        assert ctx.get(dut.rows.p.data) == 2
        await ctx.tick()
        ctx.set(dut.first.valid, 1)
        ctx.set(dut.first.payload, {"data": 1, "last": 0})
        assert ctx.get(dut.rows.p.data) == 2        # it was offered
        ctx.set(dut.rows.ready, 1)
        await ctx.tick()
        ctx.set(dut.second.valid, 0)                # and is kept to its end, however it comes
        assert not ctx.get(dut.rows.valid) and not ctx.get(dut.first.ready)
        await ctx.tick()
        ctx.set(dut.second.valid, 1)
        ctx.set(dut.second.payload, {"data": 3, "last": 1})
        assert ctx.get(dut.rows.p.data) == 3
        await ctx.tick()
        assert ctx.get(dut.rows.p.data) == 1
        assert ctx.get(dut.first.ready) and not ctx.get(dut.second.ready)

    run(dut, bench)


@pytest.mark.parametrize("seed", [3, 4])
def test_ring_keeps_everything_until_it_is_full(seed):
    rng = random.Random(seed)
    dut = EventRing(8, high_mark=4)
    stored, out = [], []
    go = stalls(seed, 0.6)
    lost = 0

    async def collector(ctx):
        await collect(ctx, dut.rows, out, go)

    async def bench(ctx):
        nonlocal lost
        number = 0
        full_at = []
        for _ in range(400):
            store = rng.random() < 0.3
            ctx.set(dut.store, store)
            ctx.set(dut.record, record(number))
            await ctx.tick()
            if ctx.get(dut.lost):
                lost += 1
            if store:
                stored.append(record(number))
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
    got = [payload for _, payload in records_of(out)]
    assert got == sorted(got) and set(got) <= set(stored)
    assert lost == len(stored) - len(got) > 0


def test_ring_shows_a_record_after_four_cycles_and_a_row_a_cycle():
    dut = EventRing(4, high_mark=2)
    out = []

    async def collector(ctx):
        await collect(ctx, dut.rows, out)

    async def bench(ctx):
        for number in (77, 78, 79):
            ctx.set(dut.store, 1)
            ctx.set(dut.record, record(number))
            await ctx.tick()
            assert not ctx.get(dut.empty)
        ctx.set(dut.store, 0)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.empty)

    run(dut, bench, background=[collector])
    assert records_of(out) == [(4, record(77)), (8, record(78)), (12, record(79))]


@pytest.mark.parametrize("seed", [5, 6])
def test_rows_become_the_records_they_were(seed):
    dut = RowCollector()
    wanted, out = [record(number) for number in range(40)], []

    async def collector(ctx):
        await collect(ctx, dut.records, out, stalls(seed, 0.6))

    async def bench(ctx):
        ctx.set(dut.rows.valid, 1)
        assert not ctx.get(dut.rows.ready)      # nothing is taken of a record nobody wants
        ctx.set(dut.rows.valid, 0)
        await drive(ctx, dut.rows, [row for item in wanted for row in rows_of(item)],
                    stalls(seed + 1, 0.5))
        await ctx.tick()

    run(dut, bench, background=[collector])
    assert [value for _, value in out] == wanted


def test_depth_is_checked():
    with pytest.raises(ValueError, match="depth must be a power of two"):
        EventRing(6, high_mark=3)
