"""Features against their plain-Python twin, bit for bit."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module

from hdl.feature.definitions import FEATURES, OFI_BITS, schema_sha256
from hdl.feature.extractor import FeatureExtractor
from hdl.feature.log2 import PiecewiseLog2
from hdl.orders import FEATURE_NAMES
from hdl.profile import PROFILES
from sim.golden.feature import Features, Touch, vectors
from tests.support.streams import collect, run

PROFILE = PROFILES["bench"]


def item(symbol: int, tag: int, touch: Touch) -> dict:
    """Return the payload of one event."""
    return {
        "symbol_index": symbol, "tag": tag, "exact": touch.exact,
        "bid": {"price": touch.bid_price, "quantity": touch.bid_quantity,
                "count": touch.bid_count},
        "ask": {"price": touch.ask_price, "quantity": touch.ask_quantity,
                "count": touch.ask_count},
    }


def random_touch(rng: random.Random, near: int) -> Touch:
    """Return a touch near a price, now and then an extreme or unusable one."""
    def size() -> int:
        return rng.choice([1, 100, 65535, 65536, 2**32 - 1, rng.getrandbits(rng.randint(1, 32))])

    bid = near + rng.randint(-3, 3) * 100
    ask = bid + rng.choice([100, 200, 40000, -100])
    if rng.random() < 0.05:
        bid, ask = rng.getrandbits(32), rng.getrandbits(32)
    return Touch(bid, size(), rng.choice([0, 1, 1, 1, 1, 1, 9]), ask, size(),
                 rng.choice([0, 1, 1, 1, 1, 1, 300]), rng.random() < 0.9)


def simulate(events: list[tuple[int, Touch]], gaps: list[int]) -> list:
    """Return (cycle of valid - cycle of transfer, payload) of each event."""
    dut = FeatureExtractor(PROFILE)
    out: list = []
    sent: list[int] = []

    async def feed(ctx):
        cycle = 0
        for number, ((symbol, touch), gap) in enumerate(zip(events, gaps, strict=True)):
            ctx.set(dut.tops.payload, item(symbol, number % 32, touch))
            ctx.set(dut.start_cycles, 1000 + number)
            ctx.set(dut.tops.valid, 1)
            sent.append(cycle)
            await ctx.tick()
            ctx.set(dut.tops.valid, 0)
            await ctx.tick().repeat(gap)
            cycle += 1 + gap
        await ctx.tick().repeat(4)

    async def watch(ctx):
        await collect(ctx, dut.vectors, out)

    run(dut, feed, background=[watch])
    assert len(out) == len(events)
    return [(cycle - start, payload) for (cycle, payload), start in zip(out, sent, strict=True)]


@pytest.mark.parametrize("seed", [1, 2])
def test_vectors_equal_the_twin_and_take_two_cycles(seed):
    rng = random.Random(seed)
    events = [(rng.choice([0, 0, 3, 7]), random_touch(rng, 1_000_000)) for _ in range(600)]
    gaps = [rng.choice([1, 1, 1, 2, 5]) for _ in events]
    golden = Features()
    for number, ((symbol, touch), (latency, vector)) in enumerate(
            zip(events, simulate(events, gaps), strict=True)):
        assert latency == FeatureExtractor.latency == 2
        wanted = golden.update(symbol, touch)
        got = tuple(vector.features[n] for n in range(len(FEATURE_NAMES)))
        assert got == wanted, (number, touch)
        assert (vector.symbol_index, vector.tag, vector.start_cycles, vector.usable) == (
            symbol, number % 32, 1000 + number, touch.usable)
        assert (vector.bid_price, vector.ask_price, vector.bid_quantity, vector.ask_quantity) == (
            touch.bid_price, touch.ask_price, touch.bid_quantity, touch.ask_quantity)


def test_order_flow_never_leaves_its_accumulator():
    up = [Touch(100 + n, 2**32 - 1, 1, 200 + n, 2**32 - 1, 1) for n in range(300)]
    golden = Features()
    for touch in up:
        golden.update(0, touch)
        assert abs(golden.states[0].order_flow) < 1 << OFI_BITS - 1
    (_, last) = simulate([(0, touch) for touch in up[:40]], [1] * 40)[-1]
    assert last.features[3] == 32767


def test_an_event_in_the_very_next_cycle_is_dropped_and_counted():
    dut = FeatureExtractor(PROFILE)
    out, dropped = [], 0

    async def feed(ctx):
        nonlocal dropped
        touch = Touch(100, 5, 1, 200, 5, 1)
        ctx.set(dut.tops.payload, item(1, 0, touch))
        ctx.set(dut.tops.valid, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.tops.valid, 0)
        for _ in range(6):
            dropped += ctx.get(dut.stat_dropped)
            await ctx.tick()

    async def watch(ctx):
        await collect(ctx, dut.vectors, out)

    run(dut, feed, background=[watch])
    assert (len(out), dropped) == (1, 1)


def test_logarithm_of_every_octave():
    m = Module()
    m.submodules.dut = dut = PiecewiseLog2()
    values = [0, 1, 2, 3, 5, 100, 65535, 65536, 2**32 - 1]
    values += [(1 << k) + (1 << k >> 1) for k in range(32)] + [(1 << k) - 1 for k in range(1, 33)]

    async def check(ctx):
        for value in values:
            ctx.set(dut.value, value)
            await ctx.tick()
            k = max(value.bit_length() - 1, 0)
            wanted = 256 * k + ((value << 8) >> k) - 256 if value else 0
            assert ctx.get(dut.logarithm) == wanted, value

    run(m, check)


def test_numpy_twin_equals_the_plain_one():
    rng = np.random.default_rng(5)
    bid = 1_000_000 + 100 * rng.integers(-3, 4, 500).cumsum()
    ask = bid + 100 * rng.integers(1, 4, 500)
    sizes = rng.integers(1, 100_000, (2, 500))
    touches = np.stack([bid, sizes[0], ask, sizes[1]], axis=1)
    golden = Features()
    wanted = [golden.update(0, Touch(int(b), int(q), 1, int(a), int(r), 1))
              for b, q, a, r in touches]
    assert vectors(touches).tolist() == [list(row) for row in wanted]


def test_schema_names_every_feature_and_has_a_hash():
    assert [feature.name for feature in FEATURES] == list(FEATURE_NAMES)
    assert len(schema_sha256()) == 64
