"""Records of levels and vectors."""

import random

import pytest

from hdl.profile import PROFILES
from hdl.telemetry.detail_recorder import DetailRecorder
from hdl.telemetry.staged_queue import PLACES
from proto.events import EVENTS, UNKNOWN_PRICE, EventKind, VectorFlag
from proto.features import DEPTH_LEVELS, FEATURES
from tests.support.streams import run

PROFILE = PROFILES["bench"]


def levels(rng, count):
    found = [{"price": rng.getrandbits(31) + 1, "quantity": rng.getrandbits(32)}
             for _ in range(count)]
    return found + [{"price": 0, "quantity": 0}] * (DEPTH_LEVELS - count)


class Bench:
    """Drives events as the books and the decision path do, and takes what comes."""

    def __init__(self, *, take=1.0, seed=1):
        self.dut = DetailRecorder(PROFILE)
        self.rng = random.Random(seed)
        self.take = take
        self.records: list[bytes] = []
        self.words: list[int] = []
        self.counts = [0, 0]
        self.cycle = 0
        self.begun = False

    async def tick(self, ctx, **levels_of):
        """One cycle; what is given is valid in it."""
        dut = self.dut
        for name in ("sides", "vectors", "scores"):
            stream = getattr(dut, name)
            ctx.set(stream.valid, name in levels_of)
            if name in levels_of:
                ctx.set(stream.payload, levels_of[name])
        ctx.set(dut.context_valid, "context" in levels_of)
        if "context" in levels_of:
            ctx.set(dut.context, levels_of["context"])
        ctx.set(dut.now_cycles, self.cycle)
        # Once a record has begun its taker takes a word a cycle.
        ready = self.begun or self.rng.random() < self.take
        ctx.set(dut.words.ready, ready)
        if ctx.get(dut.words.valid) and ready:
            self.words.append(ctx.get(dut.words.p.data))
            self.begun = True
            if ctx.get(dut.words.p.last):
                self.records.append(b"".join(word.to_bytes(8, "little") for word in self.words))
                self.words, self.begun = [], False
        else:
            assert not self.begun, "a record has a pause"
        self.counts[0] += ctx.get(dut.stat_recorded)
        self.counts[1] += ctx.get(dut.stat_dropped)
        await ctx.tick()
        self.cycle += 1

    async def event(self, ctx, number, side, values, *, score=0, usable=1, scored=1, gap=8):
        """Levels and top, two cycles later the vector and context, two later the score."""
        symbol = number % 8
        await self.tick(ctx, sides={"symbol_index": symbol, "event": 1, **side})
        await self.tick(ctx)
        await self.tick(ctx, vectors={"symbol_index": symbol, "features": values, "usable": usable},
                        context={"sequence": 1000 + number, "timestamp_ns": 10**13 + number})
        await self.tick(ctx)
        await self.tick(ctx, scores={"score": score, "epoch": 7, "usable": scored})
        for _ in range(gap):
            await self.tick(ctx)


def decoded(records):
    return [(EventKind(record[1]), EVENTS[EventKind(record[1])].decode(record))
            for record in records]


@pytest.mark.parametrize("take", [1.0, 0.3])
def test_records_are_what_the_events_were(take):
    bench = Bench(take=take)
    rng = random.Random(3)
    wanted = []

    async def feed(ctx):
        ctx.set(bench.dut.cfg_depth, 1)
        ctx.set(bench.dut.cfg_vectors, 1)
        for number in range(40):
            count = rng.randrange(DEPTH_LEVELS + 1)
            unknown = count < DEPTH_LEVELS and rng.random() < 0.5
            shown = levels(rng, count)
            selling = rng.randrange(2)
            values = [rng.randint(-32768, 32767) for _ in FEATURES]
            score = rng.randint(-2**31, 2**31 - 1)
            usable, scored = rng.randrange(2), rng.randrange(2)
            prices = [level["price"] if place < count else UNKNOWN_PRICE * unknown
                      for place, level in enumerate(shown)]
            wanted.append((EventKind.ASK_DEPTH if selling else EventKind.BID_DEPTH, {
                "symbol_index": number % 8, "feed_sequence": 1000 + number,
                **{f"price_{place}": price for place, price in enumerate(prices)},
                **{f"quantity_{place}": level["quantity"] for place, level in enumerate(shown)}}))
            wanted.append((EventKind.FEATURE_VECTOR, {
                "symbol_index": number % 8, "feed_sequence": 1000 + number,
                "ts_ns": 10**13 + number, "score": score, "epoch": 7,
                "flags": usable * VectorFlag.USABLE | scored * VectorFlag.SCORED,
                **{feature.name: value
                   for feature, value in zip(FEATURES, values, strict=True)}}))
            await bench.event(ctx, number, {
                "side": selling, "levels": shown, "valid": (1 << count) - 1, "unknown": unknown,
            }, values, score=score, usable=usable, scored=scored)
        for _ in range(400):
            await bench.tick(ctx)
        assert ctx.get(bench.dut.empty)

    run(bench.dut, feed)
    found = decoded(bench.records)
    assert [kind for kind, _ in found] == [kind for kind, _ in wanted]
    for number, ((_, fields), (_, values)) in enumerate(zip(found, wanted, strict=True)):
        assert fields["event_sequence"] == number
        assert {name: fields[name] for name in values} == values
    assert bench.counts == [80, 0]


def test_what_comes_too_fast_is_dropped_and_uses_up_its_number():
    bench = Bench()
    count = 3 * PLACES

    async def feed(ctx):
        ctx.set(bench.dut.cfg_depth, 1)
        for number in range(count):
            await bench.tick(ctx, sides={"symbol_index": number % 8, "event": 1},
                             context={"sequence": number})
        for _ in range(10 * count):
            await bench.tick(ctx)

    run(bench.dut, feed)
    found = decoded(bench.records)
    assert bench.counts == [len(found), count - len(found)] and PLACES <= len(found) < count
    numbers = [fields["event_sequence"] for _, fields in found]
    assert numbers == sorted(set(numbers)) and numbers[-1] < count
    assert [fields["symbol_index"] for _, fields in found[:PLACES - 1]] == [
        number % 8 for number in range(PLACES - 1)]


@pytest.mark.parametrize(("depth", "vectors", "enough", "less", "count"), [
    (0, 1, 5, 4, 120), (1, 0, 5, 4, 120), (1, 1, 10, 7, 70)])
def test_as_many_are_kept_as_are_said_and_none_more(depth, vectors, enough, less, count):
    """So many cycles from event to event lose nothing; with less some are, after a while."""
    lost = []
    for gap in (enough, less):
        bench = Bench()

        async def feed(ctx, bench=bench, gap=gap):
            ctx.set(bench.dut.cfg_depth, depth)
            ctx.set(bench.dut.cfg_vectors, vectors)
            due: dict[int, dict] = {}
            for number in range(count):
                at = number * gap
                due.setdefault(at, {})["sides"] = {
                    "symbol_index": 1, "event": 1,
                    "levels": [{"price": 1, "quantity": number}] * DEPTH_LEVELS}
                due.setdefault(at + 2, {}).update(vectors={"symbol_index": 1},
                                                  context={"sequence": number})
                due.setdefault(at + 4, {})["scores"] = {"score": number}
            for cycle in range(count * gap + 900):
                await bench.tick(ctx, **due.get(cycle, {}))

        run(bench.dut, feed)
        assert bench.counts[0] == len(bench.records)
        # Two that are lost in one cycle are one pulse.
        assert sum(bench.counts) <= count * (depth + vectors)
        assert gap == less or bench.counts == [count * (depth + vectors), 0]
        for kind, fields in decoded(bench.records):
            value = "score" if kind == EventKind.FEATURE_VECTOR else "quantity_0"
            assert fields[value] == fields["feed_sequence"]
        lost.append(bench.counts[1])
    assert lost[0] == 0 < lost[1]


def test_a_vector_takes_ten_cycles_to_its_first_word_and_one_a_word():
    bench = Bench()
    shown = []

    async def feed(ctx):
        ctx.set(bench.dut.cfg_vectors, 1)
        for cycle in range(40):
            values = {0: {"vectors": {}, "context": {"sequence": 1}}, 2: {"scores": {}}}
            await bench.tick(ctx, **values.get(cycle, {}))
            if ctx.get(bench.dut.words.valid):
                shown.append(bench.cycle)

    run(bench.dut, feed)
    assert shown == list(range(10, 18))


def test_a_full_ring_drops_and_says_busy():
    bench = Bench(take=0.0)

    async def feed(ctx):
        dut = bench.dut
        ctx.set(dut.cfg_vectors, 1)
        for number in range(dut.records + 24):
            await bench.event(ctx, number, {}, [0] * len(FEATURES), gap=4)
        assert ctx.get(dut.busy) and bench.counts[1] > 0
        dropped = bench.counts[1]
        bench.take = 1.0
        for _ in range(40 * dut.records):
            await bench.tick(ctx)
        assert not ctx.get(dut.busy) and ctx.get(dut.empty)
        assert bench.counts[1] == dropped

    run(bench.dut, feed)
    assert len(bench.records) == bench.counts[0]


def test_levels_found_later_are_recorded_for_the_side_of_the_last_event_alone():
    bench = Bench()

    async def feed(ctx):
        ctx.set(bench.dut.cfg_depth, 1)
        await bench.event(ctx, 2, {"side": 1}, [0] * len(FEATURES))
        for side, symbol in ((1, 2), (0, 2), (1, 3)):
            await bench.tick(ctx, sides={"side": side, "symbol_index": symbol, "event": 0})
            for _ in range(12):
                await bench.tick(ctx)
        # An event that has not been published yet is not recorded with the number of another.
        await bench.tick(ctx, sides={"side": 1, "symbol_index": 2, "event": 1, "waits": 1})
        for _ in range(12):
            await bench.tick(ctx)

    run(bench.dut, feed)
    assert [fields["feed_sequence"] for _, fields in decoded(bench.records)] == [1002, 1002]


def test_nothing_is_recorded_unless_it_is_asked_for():
    bench = Bench()

    async def feed(ctx):
        for number in range(4):
            await bench.event(ctx, number, {}, [0] * len(FEATURES))

    run(bench.dut, feed)
    assert bench.records == [] and bench.counts == [0, 0]
