"""The search for occupied ticks against a sorted list, with busy memories and a slow consumer."""

import random
from itertools import pairwise

import pytest

from hdl.book.level_search import LevelSearch
from hdl.profile import Profile
from tests.support.streams import always, run, stalls

PROFILE = Profile(name="small", symbols=2, window_ticks=64, orders=64, frame_buffer_bytes=4096,
                  tcp_ring_bytes=4096, event_ring_bytes=4096)
LEAF_WIDTH = 8
LEAVES = PROFILE.window_ticks // LEAF_WIDTH
BASE, TICK = 1000, 25


def search(occupied: set, *, index: int, from_best=False, nothing=False, free=always, go=always,
           stop_after: int | None = None) -> tuple:
    """Search row 3; return the answers, the cycle after `start` of each, and that of the stop."""
    dut = LevelSearch(PROFILE, LEAF_WIDTH)
    answers, cycles = [], []

    async def memories(ctx):
        pipeline = [(0, 0, 0)] * 2
        while True:
            ctx.set(dut.leaf_word, pipeline[-1][0])
            ctx.set(dut.quantity, pipeline[-1][1])
            ctx.set(dut.count, pipeline[-1][2])
            is_free = free()
            ctx.set(dut.memory_free, is_free)
            _, _, level, leaf, row = await ctx.tick().sample(
                dut.level_address, dut.leaf_address, dut.row_searched)
            words = {tick // LEAF_WIDTH for tick in occupied}
            ctx.set(dut.summary, sum(1 << word for word in words) if row == 3 else 0)
            answer = (0xAA, 0xDEAD, 0xAD)      # what another address holds
            if is_free:
                leaf_index, tick = leaf % LEAVES, level % PROFILE.window_ticks
                answer = (sum(1 << n % LEAF_WIDTH for n in occupied
                              if n // LEAF_WIDTH == leaf_index), 100 + tick, tick % 7 + 1)
            pipeline = [answer, *pipeline[:-1]]

    async def bench(ctx):
        ctx.set(dut.row, 3)
        ctx.set(dut.base, BASE)
        ctx.set(dut.tick_size, TICK)
        ctx.set(dut.index, index)
        ctx.set(dut.from_best, from_best)
        ctx.set(dut.nothing, nothing)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        cycle = 1
        while True:
            ready = go()
            ctx.set(dut.found.ready, ready)
            ctx.set(dut.stop, stop_after is not None and len(answers) == stop_after)
            _, _, valid, found = await ctx.tick().sample(dut.found.valid, dut.found.payload)
            if valid and ready:
                answers.append(found)
                cycles.append(cycle)
                if found.end:
                    break
            cycle += 1
        ctx.set(dut.stop, 0)
        ctx.set(dut.found.ready, 1)
        for _ in range(20):
            assert not ctx.get(dut.found.valid)
            await ctx.tick()

    run(dut, bench, background=[memories], cycles=3000)
    return answers, cycles


def levels(answers: list) -> list:
    return [(int(a.key), int(a.quantity), int(a.count))
            for a in answers if a.found]


def expected(ticks) -> list:
    return [(BASE + TICK * n, 100 + n, n % 7 + 1) for n in ticks]


@pytest.mark.parametrize("seed", range(6))
def test_every_worse_level_is_found_in_order(seed):
    rng = random.Random(seed)
    occupied = {n for n in range(PROFILE.window_ticks) if rng.random() < (0.02, 0.2, 0.8)[seed % 3]}
    index, from_best = rng.randrange(PROFILE.window_ticks), seed == 4
    answers, _ = search(occupied, index=index, from_best=from_best,
                        free=stalls(seed, 0.6), go=stalls(seed + 50, (1.0, 0.3)[seed & 1]))
    assert levels(answers) == expected(
        n for n in sorted(occupied) if from_best or n > index)
    assert answers[-1].dry and not answers[-1].found
    assert not any(answer.end for answer in answers[:-1])


def test_price_worse_than_the_window_finds_nothing():
    answers, _ = search({1, 2}, index=0, nothing=True)
    assert [bool(answer.dry) for answer in answers] == [True]


def test_first_level_after_11_cycles_then_one_every_2_and_6_more_for_another_word():
    answers, cycles = search({9, 10, 12, 40}, index=8)
    assert levels(answers) == expected((9, 10, 12, 40))
    assert cycles[0] == 11
    assert [b - a for a, b in pairwise(cycles[:4])] == [2, 2, 2 + 6]


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_stopped_search_is_closed_and_not_dry(stop_after):
    answers, _ = search(set(range(60)), index=0, stop_after=stop_after)
    assert levels(answers) == expected(range(1, 1 + stop_after))
    assert answers[-1].end and not answers[-1].dry
