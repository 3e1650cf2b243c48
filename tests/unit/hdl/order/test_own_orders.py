"""The table of own orders against plain Python."""

import random

import pytest

from hdl.order.own_orders import OwnOrders, exposure_layout
from hdl.orders import AnswerKind, IntentKind
from hdl.profile import PROFILES
from sim.golden.own_orders import OwnOrders as Golden
from tests.support.streams import run

PROFILE = PROFILES["bench"]
SIZE = 8
PULSES = ("unexpected", "overfilled", "broken", "lost")


class Bench:
    """Drive a table and count its pulses."""

    def __init__(self, dut):
        self.dut = dut
        self.pulses = dict.fromkeys(PULSES, 0)

    async def tick(self, ctx, count=1):
        for _ in range(count):
            await ctx.tick()
            for name in PULSES:
                self.pulses[name] += ctx.get(getattr(self.dut, name))

    async def start(self, ctx):
        cycles = 0
        while not ctx.get(self.dut.ready):
            await self.tick(ctx)
            cycles += 1
        assert cycles == max(self.dut.size, PROFILE.symbols)

    async def send(self, ctx, number, symbol, side, quantity, price, day=False):
        """Send an order; return the cycles until it is absorbed."""
        dut = self.dut
        ctx.set(dut.sent.payload, {
            "kind": IntentKind.ENTER, "user_ref_num": number, "symbol_index": symbol,
            "side": side, "quantity": quantity, "price": price, "time_in_force": int(day)})
        ctx.set(dut.sent.valid, 1)
        await self.tick(ctx)
        ctx.set(dut.sent.valid, 0)
        cycles = 1
        while not ctx.get(dut.absorbed):
            assert not ctx.get(dut.slot_free)
            await self.tick(ctx)
            cycles += 1
            assert cycles < 30
        assert (ctx.get(dut.absorbed_symbol), ctx.get(dut.absorbed_side).value) == (symbol, side)
        return cycles

    async def answer(self, ctx, kind, number, quantity=0, price=0):
        dut = self.dut
        ctx.set(dut.answers.payload, {"kind": AnswerKind[kind], "user_ref_num": number,
                                      "quantity": quantity, "price": price})
        ctx.set(dut.answers.valid, 1)
        await self.tick(ctx)
        ctx.set(dut.answers.valid, 0)


def compare(ctx, dut, golden, number):
    """Check every output against the model; call it only when the table is at rest."""
    for symbol in range(PROFILE.symbols):
        wanted = golden.exposure(symbol)
        ctx.set(dut.symbol_index, symbol)
        got = ctx.get(dut.exposure)
        assert (got.position, got.open_buy, got.open_sell, got.count_buy, got.count_sell) == (
            wanted.position, *wanted.open, *wanted.count)
        assert (got.worst_long, got.worst_short) == (wanted.worst_long, wanted.worst_short)
        for side in range(2):
            assert ctx.get(dut.working) >> (2 * symbol + side) & 1 == (wanted.count[side] > 0)
    assert (ctx.get(dut.cash), ctx.get(dut.turnover)) == (golden.cash, golden.turnover)
    assert ctx.get(dut.slot_free) == golden.slot_free(number)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_sequence_equals_the_model(seed):
    rng = random.Random(seed)
    dut = OwnOrders(PROFILE, size=SIZE)
    golden = Golden(SIZE)
    bench = Bench(dut)
    refused = 0

    async def check(ctx):
        nonlocal refused
        await bench.start(ctx)
        number = 250
        compare(ctx, dut, golden, number)
        for _ in range(200):
            if rng.random() < 0.45:
                # The venue answers an order long after its frame, so nothing that waits concerns
                # the slot of the next one.
                await bench.tick(ctx, 60)
                if golden.slot_free(number):
                    assert ctx.get(dut.slot_free)
                    order = (number, rng.randrange(8), rng.randrange(2),
                             rng.choice([1, 100, 2**20, 2**32 - 1]), rng.getrandbits(32))
                    golden.sent(*order)
                    assert await bench.send(ctx, *order) <= 17
                    number += 1
                else:
                    refused += 1
                    order = golden.slots[number % SIZE]
                    kind = rng.choice(["CANCELED", "REJECTED", "DEAD"])
                    answer = (kind, order.number, order.open)
                    golden.answer(*answer)
                    await bench.answer(ctx, *answer)
            else:
                target = number - rng.randint(1, 12)
                order = golden.slots.get(target % SIZE)
                left = order.open if order is not None else 5
                quantity = rng.choice([1, max(left, 1), max(left // 2, 1), min(left + 1, 2**31)])
                kind = rng.choice(["ACCEPTED", "EXECUTED", "EXECUTED", "CANCELED", "REJECTED",
                                   "DEAD", "BROKEN", "OTHER"])
                if kind == "EXECUTED" and quantity > 2**24:
                    quantity = 2**24
                answer = (kind, target, quantity, rng.getrandbits(31))
                golden.answer(*answer)
                await bench.answer(ctx, *answer)
            if rng.random() < 0.4:
                await bench.tick(ctx, 60)
                compare(ctx, dut, golden, number)
            else:
                await bench.tick(ctx, rng.randint(3, 9))
        await bench.tick(ctx, 60)
        compare(ctx, dut, golden, number)

    run(dut, check)
    assert bench.pulses == {"unexpected": golden.unexpected, "overfilled": golden.overfilled,
                            "broken": golden.broken, "lost": 0}
    assert golden.unexpected and golden.overfilled and golden.broken and refused


def test_an_order_is_absorbed_after_eight_cycles():
    dut = OwnOrders(PROFILE, size=SIZE)
    bench = Bench(dut)

    async def check(ctx):
        await bench.start(ctx)
        assert await bench.send(ctx, 1, 2, 0, 100, 10_000, day=True) == 8
        ctx.set(dut.lookup_symbol, 2)
        assert ctx.get(dut.buy_user_ref_num) == 1
        assert ctx.get(dut.working) == ctx.get(dut.resting) == 1 << 4
        assert await bench.send(ctx, 2, 2, 1, 100, 10_000) == 8
        assert ctx.get(dut.sell_user_ref_num) == 2
        assert (ctx.get(dut.working), ctx.get(dut.resting)) == (3 << 4, 1 << 4)

    run(dut, check)


@pytest.mark.parametrize("seed", [7])
def test_a_sweep_cancels_every_live_order_under_stalls(seed):
    rng = random.Random(seed)
    dut = OwnOrders(PROFILE, size=SIZE)
    golden = Golden(SIZE)
    bench = Bench(dut)
    seen = []

    async def check(ctx):
        await bench.start(ctx)
        for number in range(100, 108):
            order = (number, number % 8, number % 2, 50, 10_000)
            golden.sent(*order)
            await bench.send(ctx, *order)
        for number in (101, 106):
            golden.answer("REJECTED", number)
            await bench.answer(ctx, "REJECTED", number)
        await bench.tick(ctx, 30)
        ctx.set(dut.sweep, 1)
        await bench.tick(ctx)
        ctx.set(dut.sweep, 0)
        for _ in range(200):
            ready = rng.random() < 0.3
            ctx.set(dut.cancels.ready, ready)
            if ready and ctx.get(dut.cancels.valid):
                cancel = ctx.get(dut.cancels.payload)
                assert cancel.kind == IntentKind.CANCEL
                seen.append((cancel.user_ref_num, cancel.symbol_index, cancel.side.value))
            await bench.tick(ctx)
        assert not ctx.get(dut.sweeping)

    run(dut, check)
    assert seen == [(o.number, o.symbol, o.side) for o in golden.live()]
    assert len(seen) == 6


@pytest.mark.parametrize("kind", ["EXECUTED", "CANCELED", "BROKEN"])
def test_a_sweep_does_not_take_the_last_answer_again(kind):
    # Numbers below the size: the slot walked is the number itself, so that it looks like an answer.
    dut = OwnOrders(PROFILE, size=SIZE)
    bench = Bench(dut)

    async def check(ctx):
        await bench.start(ctx)
        for number in (1, 2, 3):
            await bench.send(ctx, number, 0, 0, 50, 10_000)
            await bench.answer(ctx, kind, number, 50, 10_000)
        await bench.tick(ctx, 40)
        before = dict(bench.pulses)
        assert before["unexpected"] == before["overfilled"] == 0
        ctx.set(dut.sweep, 1)
        ctx.set(dut.cancels.ready, 1)
        await bench.tick(ctx)
        ctx.set(dut.sweep, 0)
        await bench.tick(ctx, 60)
        assert not ctx.get(dut.sweeping)
        assert bench.pulses == before

    run(dut, check)


def test_answers_that_come_too_fast_are_reported_lost():
    dut = OwnOrders(PROFILE, size=SIZE)
    bench = Bench(dut)

    async def check(ctx):
        await bench.start(ctx)
        for _ in range(30):
            await bench.answer(ctx, "OTHER", 3)
        await bench.tick(ctx, 3)

    run(dut, check)
    assert bench.pulses["lost"] > 0


def test_a_position_can_be_loaded_and_saturates():
    dut = OwnOrders(PROFILE, size=SIZE)
    bench = Bench(dut)

    async def check(ctx):
        await bench.start(ctx)
        ctx.set(dut.load_symbol, 3)
        ctx.set(dut.load_position, 2**31 - 10)
        ctx.set(dut.load, 1)
        await bench.tick(ctx)
        ctx.set(dut.load, 0)
        await bench.tick(ctx, 10)
        ctx.set(dut.read_symbol, 3)
        await bench.tick(ctx)
        assert ctx.get(dut.read_exposure).position == 2**31 - 10
        await bench.send(ctx, 5, 3, 0, 100, 10)
        await bench.answer(ctx, "EXECUTED", 5, 100, 10)
        await bench.tick(ctx, 20)
        assert ctx.get(dut.read_exposure).position == 2**31 - 1

    run(dut, check)
    assert bench.pulses == {"unexpected": 1, "overfilled": 0, "broken": 0, "lost": 0}


def test_size_is_checked():
    with pytest.raises(ValueError, match="size must be a power of two and >= 4, was 6"):
        OwnOrders(PROFILE, size=6)
    assert exposure_layout(8)["open_buy"].width == 35
