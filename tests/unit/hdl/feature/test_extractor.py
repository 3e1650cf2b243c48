"""Features against their plain-Python twin, bit for bit."""

import random

import pytest
from amaranth.hdl import Module

from hdl.feature.definitions import OFI_BITS, SLOW_NAMES, TRADE_FLOW_BITS, VOLATILITY_BITS
from hdl.feature.extractor import FeatureExtractor
from hdl.feature.log2 import PiecewiseLog2
from hdl.orders import FEATURE_NAMES
from hdl.profile import PROFILES
from proto.features import DEPTH_LEVELS, FEATURES, schema_sha256
from sim.golden.feature import BookEvent, Features, Touch, event_rows, vectors
from tests.support.streams import collect, run

PROFILE = PROFILES["bench"]


def item(symbol: int, tag: int, touch: Touch, event: BookEvent) -> dict:
    """Return the payload of one event."""
    return {
        "symbol_index": symbol, "tag": tag, "exact": touch.exact,
        "bid": {"price": touch.bid_price, "quantity": touch.bid_quantity,
                "count": touch.bid_count},
        "ask": {"price": touch.ask_price, "quantity": touch.ask_quantity,
                "count": touch.ask_count},
        "side": int(event.sells), "repeated": event.repeated, "execution": event.execution,
        "traded": event.traded,
    }


def random_touch(rng: random.Random, near: int) -> Touch:
    """Return a touch near a price, now and then an extreme or unusable one."""
    def size() -> int:
        return rng.choice([0, 1, 100, 65535, 65536, 2**32 - 1,
                           rng.getrandbits(rng.randint(1, 32))])

    bid = near + rng.randint(-3, 3) * 100
    ask = bid + rng.choice([100, 200, 40000, -100])
    if rng.random() < 0.05:
        bid, ask = rng.getrandbits(32), rng.getrandbits(32)
    bid_quantity = size()
    ask_quantity = rng.choice([size(), 2 * bid_quantity, bid_quantity // 2, 8 * bid_quantity,
                               bid_quantity // 8 + rng.randint(-1, 1)])
    return Touch(bid, bid_quantity, rng.choice([0, 1, 1, 1, 1, 1, 9]), ask,
                 min(max(ask_quantity, 0), 2**32 - 1), rng.choice([0, 1, 1, 1, 1, 1, 300]),
                 rng.random() < 0.9)


def random_levels(rng: random.Random) -> tuple[list[int], bool]:
    """Return the sizes of a side's levels, and whether it has more than are known."""
    count = rng.choice([0, 1, 4, DEPTH_LEVELS, DEPTH_LEVELS])
    sizes = [rng.choice([1, 100, 2**32 - 1, rng.getrandbits(rng.randint(1, 32))])
             for _ in range(count)]
    return sizes, count < DEPTH_LEVELS and rng.random() < 0.2


Step = tuple[int, int, Touch, BookEvent, list[int], bool]


def random_steps(rng: random.Random, count: int) -> list[Step]:
    """Return symbol, tag, touch, event, and the levels of its side, of some events."""
    steps: list[Step] = []
    depths: dict[tuple[int, int], int | None] = {}
    time_ns, tag = 34_200_000_000_000, 0
    for _ in range(count):
        symbol = rng.choice([0, 0, 3, 7])
        repeated = rng.random() < 0.05
        tag = (tag + rng.randint(0, 3)) % 32
        if not repeated:
            time_ns += rng.choice([0, 0, 100, 1024, 50_000, 9_000_000, 400_000_000,
                                   rng.getrandbits(rng.randint(1, 40)), -1000, -20_000_000])
        execution = not repeated and rng.random() < 0.3
        side = rng.randrange(2)
        sizes, more = random_levels(rng)
        depths[symbol, side] = None if more else sum(sizes)
        event = BookEvent(
            time_ns=time_ns, execution=execution, sells=bool(side), repeated=repeated,
            traded=rng.choice([1, 100, 65535, 65536, 2**32 - 1]) if execution else 0,
            hidden_trades=rng.choice([0, 0, 0, 1, 7]),
            bid_depth=depths.get((symbol, 0), 0), ask_depth=depths.get((symbol, 1), 0),
            position=rng.choice([0, 5, -5, 32767, -32769, 2**31 - 1, -2**31]))
        steps.append((symbol, tag, random_touch(rng, 1_000_000), event, sizes, more))
    return steps


def simulate(steps: list[Step], gaps: list[int], clear_before: int | None = None) -> list:
    """Return (cycle of valid - cycle of transfer, payload) of each event.

    All books are cleared before the event of the number given. What is `known` a cycle before the
    vector is asserted to be in it.
    """
    dut = FeatureExtractor(PROFILE)
    out: list = []
    known: dict[int, list[int]] = {}
    sent: list[int] = []

    async def feed(ctx):
        cycle = 1
        for number, ((symbol, tag, touch, event, sizes, more), gap) in enumerate(
                zip(steps, gaps, strict=True)):
            if number == clear_before:
                for clear in (0, 0, 0, 1, 0):
                    ctx.set(dut.clear, clear)
                    await ctx.tick()
                cycle += 5
            ctx.set(dut.coming, {
                "symbol_index": symbol, "start_cycles": 1000 + number,
                "time": event.time_ns >> 10, "hidden_trades": event.hidden_trades})
            await ctx.tick()
            ctx.set(dut.coming, {})
            ctx.set(dut.tops.payload, item(symbol, tag, touch, event))
            ctx.set(dut.position, event.position)
            ctx.set(dut.sides.payload, {
                "symbol_index": symbol, "side": int(event.sells), "event": 1, "unknown": more,
                "levels": [{"price": 7, "quantity": size} for size in sizes]
                + [{"price": 0, "quantity": 0}] * (DEPTH_LEVELS - len(sizes))})
            ctx.set(dut.tops.valid, 1)
            ctx.set(dut.sides.valid, 1)
            sent.append(cycle)
            await ctx.tick()
            ctx.set(dut.tops.valid, 0)
            ctx.set(dut.sides.valid, 0)
            known[number] = [ctx.get(value) for value in dut.known]
            if gap > 1:
                await ctx.tick().repeat(gap - 1)
            cycle += 1 + gap
        await ctx.tick().repeat(4)

    async def watch(ctx):
        await collect(ctx, dut.vectors, out)

    run(dut, feed, background=[watch])
    assert len(out) == len(steps)
    for number, (_, vector) in enumerate(out):
        assert known[number] == [vector.features[n] for n in range(
            len(FEATURE_NAMES) - len(SLOW_NAMES), len(FEATURE_NAMES))]
    return [(cycle - start, payload) for (cycle, payload), start in zip(out, sent, strict=True)]


@pytest.mark.parametrize("seed", [1, 2])
def test_vectors_equal_the_twin_and_take_two_cycles(seed):
    rng = random.Random(seed)
    steps = random_steps(rng, 700)
    gaps = [rng.choice([1, 1, 1, 2, 5]) for _ in steps]
    golden = Features()
    seen: dict[str, set[int]] = {name: set() for name in FEATURE_NAMES}
    for number, ((symbol, tag, touch, event, *_), (latency, vector)) in enumerate(
            zip(steps, simulate(steps, gaps), strict=True)):
        assert latency == FeatureExtractor.latency == 2
        wanted = golden.update(symbol, touch, event)
        got = tuple(vector.features[n] for n in range(len(FEATURE_NAMES)))
        assert dict(zip(FEATURE_NAMES, got, strict=True)) == dict(
            zip(FEATURE_NAMES, wanted, strict=True)), (number, touch, event)
        for name, value in zip(FEATURE_NAMES, got, strict=True):
            seen[name].add(value)
        assert (vector.symbol_index, vector.tag, vector.start_cycles, vector.usable) == (
            symbol, tag, 1000 + number, touch.usable)
        assert (vector.bid_price, vector.ask_price, vector.bid_quantity, vector.ask_quantity) == (
            touch.bid_price, touch.ask_price, touch.bid_quantity, touch.ask_quantity)
    for feature in FEATURES:
        assert min(seen[feature.name]) >= feature.minimum, feature.name
        assert max(seen[feature.name]) <= feature.maximum, feature.name
        assert len(seen[feature.name]) > 4, feature.name


@pytest.mark.parametrize("seed", [3, 4])
def test_after_a_feed_reset_nothing_is_left_of_the_events_before(seed):
    rng = random.Random(seed)
    runs = [random_steps(rng, 60), random_steps(rng, 60)]
    steps = [step for run_of in runs for step in run_of]
    found = simulate(steps, [2] * len(steps), clear_before=len(runs[0]))
    wanted = [golden.update(symbol, touch, event) for golden, run_of in zip(
        (Features(), Features()), runs, strict=True) for symbol, _, touch, event, *_ in run_of]
    for number, ((_, vector), values) in enumerate(zip(found, wanted, strict=True)):
        assert [vector.features[n] for n in range(len(FEATURE_NAMES))] == list(values), number


def test_flows_and_volatility_never_leave_their_accumulators():
    golden = Features()
    steps = []
    for n in range(400):
        price = (n % 2) * 100_000
        touch = Touch(100 + n + price, 2**32 - 1, 1, 200 + n + price, 2**32 - 1, 1)
        event = BookEvent(execution=True, traded=2**32 - 1, sells=True)
        golden.update(0, touch, event)
        steps.append((0, n % 32, touch, event, [], False))
        state = golden.states[0]
        assert abs(state.order_flow) < 1 << OFI_BITS - 1
        assert abs(state.trade_flow) < 1 << TRADE_FLOW_BITS - 1
        assert state.volatility < 1 << VOLATILITY_BITS
    (_, last) = simulate(steps[:80], [1] * 80)[-1]
    features = dict(zip(FEATURE_NAMES, (last.features[n] for n in range(12)), strict=True))
    assert (features["trade_flow"], features["volatility"]) == (32767, 32767)


def test_more_levels_and_a_feed_reset_change_the_depth_as_they_should():
    dut = FeatureExtractor(PROFILE)
    known = SLOW_NAMES.index("imbalance_top5")

    async def check(ctx):
        async def depth(size, **fields):
            ctx.set(dut.sides.payload, {"symbol_index": 2, "side": 0, "levels": [
                {"price": 7, "quantity": size}] * DEPTH_LEVELS, **fields})
            ctx.set(dut.sides.valid, 1)
            await ctx.tick()
            ctx.set(dut.sides.valid, 0)
            await ctx.tick().repeat(4)
            return ctx.get(dut.known[known])

        ctx.set(dut.tops.payload, {"symbol_index": 2})
        assert await depth(1000, event=1) == 256 * 12 + ((5000 << 8) >> 12) - 256
        assert await depth(400, event=0) == 256 * 10 + ((2000 << 8) >> 10) - 256  # known later
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.known[known]) == 0

    run(dut, check)


def test_an_event_in_the_very_next_cycle_is_dropped_and_counted():
    dut = FeatureExtractor(PROFILE)
    out, dropped = [], 0

    async def feed(ctx):
        nonlocal dropped
        touch = Touch(100, 5, 1, 200, 5, 1)
        ctx.set(dut.tops.payload, item(1, 0, touch, BookEvent()))
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


@pytest.mark.parametrize("seed", [5, 6])
def test_numpy_twin_equals_the_plain_one(seed):
    rng = random.Random(seed)
    steps = [step for step in random_steps(rng, 1500) if step[0] == 0]
    golden = Features()
    wanted = [golden.update(0, touch, event) for _, _, touch, event, *_ in steps]
    found = vectors(event_rows([(touch, event) for _, _, touch, event, *_ in steps]))
    for number, (row, other) in enumerate(zip(found.tolist(), wanted, strict=True)):
        assert tuple(row) == other, number


def test_schema_names_every_feature_and_has_a_hash():
    assert tuple(feature.name for feature in FEATURES) == FEATURE_NAMES
    assert len(schema_sha256()) == 64
