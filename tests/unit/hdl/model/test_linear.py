"""The linear engine and its banks against plain integers."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module

from hdl.feature.definitions import SLOW_NAMES
from hdl.model.banks import BiasWord, ModelBanks
from hdl.model.linear import LinearEngine
from hdl.orders import FEATURE_NAMES, LEVEL_BITS, LEVEL_COUNT
from hdl.profile import PROFILES
from sim.golden.model import linear_score, linear_scores
from tests.support.streams import collect, run

PROFILE = PROFILES["bench"]
FAST = len(FEATURE_NAMES) - len(SLOW_NAMES)
#: Levels no sum is below, or above.
ENDS = [-2**(LEVEL_BITS - 1), 2**(LEVEL_BITS - 1) - 1] * (LEVEL_COUNT // 2)


def wired() -> tuple[Module, LinearEngine, ModelBanks]:
    """Return an engine with its banks."""
    m = Module()
    m.submodules.engine = engine = LinearEngine(PROFILE)
    m.submodules.banks = banks = ModelBanks(guard_cycles=LinearEngine.latency)
    m.d.comb += [engine.parameters.eq(banks.active), engine.epoch.eq(banks.epoch),
                 engine.loaded.eq(banks.loaded)]
    return m, engine, banks


async def load(ctx, banks, bank: int, weights, bias: int) -> None:
    """Write a bank and wait until nothing is pending."""
    for address, word in enumerate([*weights, bias]):
        ctx.set(banks.cfg.bank, bank)
        ctx.set(banks.cfg.address, address)
        ctx.set(banks.cfg.data, word & 0xFFFFFFFF)
        ctx.set(banks.cfg.write, 1)
        await ctx.tick()
    ctx.set(banks.cfg.write, 0)


def start_swap(ctx, banks, bank: int, expected: int, epoch: int) -> None:
    ctx.set(banks.cfg.swap_bank, bank)
    ctx.set(banks.cfg.expected_epoch, expected)
    ctx.set(banks.cfg.swap_epoch, epoch)
    ctx.set(banks.cfg.swap, 1)


@pytest.mark.parametrize("extreme", [False, True])
def test_scores_equal_the_twin_and_take_two_cycles(extreme):
    rng = random.Random(11)
    m, engine, banks = wired()
    limits = [-32768, 32767]
    weights = [rng.choice(limits) if extreme else rng.randint(-32768, 32767) for _ in FEATURE_NAMES]
    bias = rng.choice([-2**31, 2**31 - 1]) if extreme else rng.randint(-2**31, 2**31 - 1)
    inputs = [[rng.choice(limits) if rng.random() < 0.7 * extreme else rng.randint(-32768, 32767)
               for _ in FEATURE_NAMES] for _ in range(300)]
    out, sent, saturated = [], [], 0
    levels = [rng.choice([rng.randint(-2**32, 2**32), bias, *ENDS]) for _ in inputs for _ in ENDS]
    levels = [levels[n:n + len(ENDS)] for n in range(0, len(levels), len(ENDS))]
    cycle = 0

    async def step(ctx):
        nonlocal cycle, saturated
        saturated += ctx.get(engine.stat_saturated)
        await ctx.tick()
        cycle += 1

    async def feed(ctx):
        nonlocal cycle, saturated
        await load(ctx, banks, 1, weights, bias)
        start_swap(ctx, banks, 1, 0, 7)
        await ctx.tick()
        ctx.set(banks.cfg.swap, 0)
        cycle = BiasWord + 2
        for number, features in enumerate(inputs):
            while rng.random() < 0.3:
                await step(ctx)
            # What is known before comes in the cycle before.
            ctx.set(engine.known, features[FAST:])
            await step(ctx)
            ctx.set(engine.known, [rng.randint(-9, 9)] * len(SLOW_NAMES))
            ctx.set(engine.vectors.payload, {
                "symbol_index": number % 8, "tag": number % 32, "start_cycles": number,
                "features": features, "usable": number % 3 != 0, "bid_price": number,
                "ask_price": number + 1, "bid_quantity": 5, "ask_quantity": 6})
            ctx.set(engine.levels, levels[number])
            ctx.set(engine.vectors.valid, 1)
            sent.append(cycle)
            await step(ctx)
            ctx.set(engine.vectors.valid, 0)
        for _ in range(6):
            saturated += ctx.get(engine.stat_saturated)
            await ctx.tick()

    async def watch(ctx):
        await collect(ctx, engine.scores, out)

    run(m, feed, background=[watch])
    assert len(out) == len(inputs)
    cut = 0
    for number, (at, score) in enumerate(out):
        assert at - sent[number] == LinearEngine.latency == 2
        wanted = linear_score(inputs[number], weights, bias)
        total = bias + sum(w * f for w, f in zip(weights, inputs[number], strict=True))
        cut += wanted != total
        assert score.below == sum((total < level) << n for n, level in enumerate(levels[number]))
        assert score.score == wanted
        assert (score.epoch, score.usable, score.tag, score.symbol_index, score.start_cycles) == (
            7, number % 3 != 0, number % 32, number % 8, number)
        assert (score.bid_price, score.ask_price) == (number, number + 1)
        assert (score.bid_quantity, score.ask_quantity) == (5, 6)
    assert saturated == cut
    assert (cut > 0) or not extreme
    assert linear_scores(np.array(inputs, dtype=np.int16), weights, bias).tolist() == [
        s.score for _, s in out]


def test_swaps_between_vectors_never_tear_a_score():
    m, engine, banks = wired()
    count = len(FEATURE_NAMES)
    models = {0: ([1] * count, 0), 1: ([1000] * count, 5)}
    features = list(range(3, 3 + count))
    out = []

    async def feed(ctx):
        for bank, (weights, bias) in models.items():
            await load(ctx, banks, bank, weights, bias)
        ctx.set(engine.vectors.payload, {"features": features, "usable": 1})
        ctx.set(engine.known, features[FAST:])
        ctx.set(engine.vectors.valid, 1)
        for flip in range(60):
            start_swap(ctx, banks, flip % 2, flip, flip + 1)
            await ctx.tick()
            ctx.set(banks.cfg.swap, 0)
            for _ in range(flip % 4):
                await ctx.tick()
        await ctx.tick().repeat(5)

    async def watch(ctx):
        await collect(ctx, engine.scores, out)

    run(m, feed, background=[watch])
    epochs = [score.epoch for _, score in out if score.usable]
    assert epochs == sorted(epochs) and set(epochs) == set(range(1, 61))
    for _, score in out:
        if score.usable:
            weights, bias = models[(score.epoch - 1) % 2]
            assert score.score == linear_score(features, weights, bias)
        else:
            assert score.epoch == 0


def test_writes_and_swaps_obey_their_rules_and_read_back():
    _, _, banks = wired()
    model = ([-5, 6, -7, 32767, *range(len(FEATURE_NAMES) - 4)], -123456)

    async def check(ctx):
        await load(ctx, banks, 0, *model)
        for address, word in enumerate([*model[0], model[1]]):
            ctx.set(banks.cfg.read_address, address)
            await ctx.tick()
            assert ctx.get(banks.cfg.read_data) == word & 0xFFFFFFFF

        async def swap(bank, expected, epoch):
            start_swap(ctx, banks, bank, expected, epoch)
            await ctx.tick()
            ctx.set(banks.cfg.swap, 0)
            return ctx.get(banks.cfg.swapped), ctx.get(banks.cfg.swap_refused)

        async def write(bank, address, word):
            ctx.set(banks.cfg.bank, bank)
            ctx.set(banks.cfg.address, address)
            ctx.set(banks.cfg.data, word)
            ctx.set(banks.cfg.write, 1)
            await ctx.tick()
            ctx.set(banks.cfg.write, 0)
            return ctx.get(banks.cfg.write_refused)

        assert not ctx.get(banks.loaded)
        assert await swap(0, 3, 4) == (0, 1)          # another epoch is expected
        assert await swap(0, 0, 4) == (1, 0)
        assert (ctx.get(banks.epoch), ctx.get(banks.loaded)) == (4, 1)
        for _ in range(LinearEngine.latency):
            assert await write(1, 0, 9) == 1          # a swap is too young
        assert await write(1, 0, 9) == 0
        assert await write(0, 0, 9) == 1              # live bank
        assert ctx.get(banks.active.weights[0]) == -5
        assert await swap(0, 4, 5) == (0, 1)          # already live
        assert await write(1, BiasWord + 1, 9) == 1   # no such word
        assert await swap(1, 4, 5) == (1, 0)
        assert ctx.get(banks.active.weights[0]) == 9

    run(banks, check)


def test_bad_guard_is_named():
    with pytest.raises(ValueError, match="guard_cycles must be >= 1, was 0"):
        ModelBanks(guard_cycles=0)
