"""The threshold strategy with its candidates and parameters against plain Python."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from hdl.orders import IntentKind, TimeInForce
from hdl.profile import PROFILES
from hdl.row_table import RowTable
from hdl.strategy.candidates import CandidateOrders
from hdl.strategy.parameters import StrategyRow
from hdl.strategy.threshold import ThresholdStrategy
from sim.golden.strategy import Intent, Parameters, Strategy
from tests.support.streams import run

PROFILE = PROFILES["bench"]
DELAY = 2


def wired():
    """Return parameters, candidates and strategy, joined."""
    m = Module()
    m.submodules.table = table = RowTable(StrategyRow, PROFILE.symbols)
    m.submodules.candidates = candidates = CandidateOrders(PROFILE)
    m.submodules.strategy = strategy = ThresholdStrategy(PROFILE, delay=DELAY)
    m.d.comb += [table.row_0.eq(candidates.row), candidates.parameters.eq(table.settings_0),
                 candidates.loaded.eq(table.loaded_0)]
    wiring.connect(m, candidates.candidates, strategy.candidates)
    return m, table, candidates, strategy


async def commit(ctx, table: RowTable, symbol: int, fields: dict) -> None:
    """Write a row word by word and commit it."""
    for address, word in enumerate(table.words):
        ctx.set(table.cfg.word, address)
        ctx.set(table.cfg.data, (fields[word.field] >> word.offset) & 0xFFFFFFFF)
        ctx.set(table.cfg.write, 1)
        await ctx.tick()
    ctx.set(table.cfg.write, 0)
    ctx.set(table.cfg.row, symbol)
    ctx.set(table.cfg.commit, 1)
    await ctx.tick()
    ctx.set(table.cfg.commit, 0)


def fields_of(row: Parameters) -> dict:
    return {**{name: int(getattr(row, name)) for name in (
        "buy_threshold", "sell_threshold", "cancel_buy_threshold", "cancel_sell_threshold",
        "quantity", "offset", "cooldown_ns", "near", "enable")}, "time_in_force": int(row.day)}


async def decide(ctx, candidates, strategy, symbol, score, bid, ask, *, usable=True):
    """Send an event and its score, compared as the model does it; return the intent."""
    ctx.set(candidates.tops.payload, {
        "symbol_index": symbol, "tag": 3, "bid": {"price": bid}, "ask": {"price": ask}})
    ctx.set(candidates.tops.valid, 1)
    await ctx.tick()
    ctx.set(candidates.tops.valid, 0)
    await ctx.tick().repeat(CandidateOrders.latency - 1)
    # A score at an end of its range stands for any sum beyond.
    total = score * 3 if score in (-2**31, 2**31 - 1) else score
    below = sum((total < level) << n
                for n, level in enumerate(ctx.get(candidates.candidates.p.levels)))
    await ctx.tick().repeat(DELAY)
    ctx.set(strategy.scores.payload, {
        "below": below,
        "symbol_index": symbol, "tag": 3, "start_cycles": 77, "score": score, "epoch": 9,
        "usable": usable, "bid_price": bid, "ask_price": ask})
    ctx.set(strategy.scores.valid, 1)
    made, intent = ctx.get(strategy.intents.valid), ctx.get(strategy.intents.payload)
    await ctx.tick()
    ctx.set(strategy.scores.valid, 0)
    if not made:
        return None
    assert (intent.tag, intent.start_cycles, intent.epoch, intent.score) == (3, 77, 9, score)
    if intent.kind == IntentKind.CANCEL:
        return Intent("CANCEL", intent.symbol_index, intent.side.value, 0, 0, False,
                      intent.user_ref_num)
    return Intent("ENTER", intent.symbol_index, intent.side.value, intent.quantity, intent.price,
                  intent.time_in_force == TimeInForce.DAY, 0)


def set_orders(ctx, strategy, golden) -> None:
    for name in ("working", "resting"):
        bits = sum(1 << 2 * symbol + side for symbol, side in getattr(golden, name))
        ctx.set(getattr(strategy, name), bits)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_decisions_equal_the_model(seed):
    rng = random.Random(seed)
    m, table, candidates, strategy = wired()
    rows = {symbol: Parameters(
        buy_threshold=rng.choice([rng.randint(0, 50), -2**31, 2**31 - 1]),
        sell_threshold=rng.choice([rng.randint(0, 50), -2**31, 1 - 2**31, 2**31 - 1]),
        cancel_buy_threshold=rng.choice([-2**31, 0, 20, 2**31 - 1]),
        cancel_sell_threshold=rng.choice([-2**31, 1 - 2**31, 0, 20]),
        quantity=rng.randint(1, 2**20 - 1), offset=rng.choice([0, 100, -100, -2**31, 2**31 - 1]),
        cooldown_ns=rng.choice([0, 500]), near=rng.random() < 0.5, day=rng.random() < 0.5,
        enable=symbol != 5) for symbol in range(7)}
    golden = Strategy(dict(rows))
    seen = {"ENTER": 0, "CANCEL": 0, None: 0}

    async def check(ctx):
        now = 1
        for symbol, row in rows.items():
            await commit(ctx, table, symbol, fields_of(row))
        ctx.set(strategy.buy_user_ref_num, 1000)
        ctx.set(strategy.sell_user_ref_num, 2000)
        for key in [(symbol, side) for symbol in range(8) for side in range(2)]:
            golden.references[key] = 1000 * (1 + key[1])
        for _ in range(250):
            now += rng.choice([1, 100, 1000])
            ctx.set(strategy.now_ns, now)
            for name in ("working", "resting"):
                keys = getattr(golden, name)
                keys ^= {(rng.randrange(8), rng.randrange(2))}
            set_orders(ctx, strategy, golden)
            key = rng.randrange(8), rng.randrange(2)
            pulse = rng.choice(["refused", "absorbed"])
            getattr(golden, pulse)(*key)
            ctx.set(getattr(strategy, f"{pulse}_symbol"), key[0])
            ctx.set(getattr(strategy, f"{pulse}_side"), key[1])
            ctx.set(getattr(strategy, pulse), 1)
            await ctx.tick()
            ctx.set(getattr(strategy, pulse), 0)
            golden.cancelling &= golden.working
            busy = rng.random() < 0.1
            ctx.set(strategy.gate_busy, busy)
            symbol, usable = rng.randrange(8), rng.random() < 0.9
            row = rows.get(symbol, rows[0])
            score = rng.choice([
                row.buy_threshold, row.buy_threshold - 1, -row.sell_threshold,
                1 - row.sell_threshold, row.cancel_buy_threshold, -row.cancel_sell_threshold,
                rng.randint(-100, 100), 2**31 - 1, -2**31])
            score = max(-2**31, min(2**31 - 1, score))
            bid = rng.choice([100, 1_000_000, 2**32 - 300])
            wanted = golden.decide(symbol, score, bid, bid + 100, usable=usable, busy=busy,
                                   now_ns=now)
            got = await decide(ctx, candidates, strategy, symbol, score, bid, bid + 100,
                               usable=usable)
            assert got == wanted
            await ctx.tick()  # no verdict falls in an intent's first cycle
            seen[got and got.kind] += 1

    run(m, check)
    assert min(seen.values()) > 5, seen


@pytest.mark.parametrize(("score", "side"), [(10, 0), (9, None), (-19, None), (-20, 1)])
def test_thresholds_are_inclusive(score, side):
    m, table, candidates, strategy = wired()

    async def check(ctx):
        await commit(ctx, table, 2, fields_of(Parameters(buy_threshold=10, sell_threshold=20)))
        got = await decide(ctx, candidates, strategy, 2, score, 10_000, 10_100)
        assert (got and got.side) == side
        assert got is None or got.price == (10_100, 10_000)[side]

    run(m, check)


def test_a_busy_gate_blocks():
    m, table, candidates, strategy = wired()

    async def check(ctx):
        await commit(ctx, table, 1, fields_of(Parameters(buy_threshold=10, sell_threshold=20)))
        ctx.set(strategy.gate_busy, 1)
        assert await decide(ctx, candidates, strategy, 1, 10, 10_000, 10_100) is None
        assert ctx.get(strategy.stat_blocked)
        ctx.set(strategy.gate_busy, 0)
        await ctx.tick()
        assert (await decide(ctx, candidates, strategy, 1, 10, 10_000, 10_100)).symbol == 1
        assert not ctx.get(strategy.stat_blocked)

    run(m, check)


def test_a_refusal_in_the_first_cycle_frees_the_side():
    m, table, candidates, strategy = wired()

    async def check(ctx):
        await commit(ctx, table, 1, fields_of(Parameters(buy_threshold=10, sell_threshold=20)))
        ctx.set(strategy.refused_symbol, 1)
        for refused, made in ((True, True), (False, True), (False, False)):
            got = await decide(ctx, candidates, strategy, 1, 10, 10_000, 10_100)
            assert (got is not None) == made
            ctx.set(strategy.refused, refused)
            await ctx.tick()
            ctx.set(strategy.refused, 0)

    run(m, check)


def test_short_delay_is_refused():
    with pytest.raises(ValueError, match="delay must be >= 2, was 1"):
        ThresholdStrategy(PROFILE, delay=1)
