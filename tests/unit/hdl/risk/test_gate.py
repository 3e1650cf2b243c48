"""The gate's verdicts against plain Python, at every limit, on both ways through it."""

import random

import pytest

from hdl.orders import IntentKind
from hdl.profile import PROFILES
from hdl.risk.evaluation import Evaluation
from hdl.risk.gate import RiskGate
from proto.checks import Check, failed_checks
from sim.golden.risk import Book, Exposure, Flags, Limits, mask, sells_short
from tests.support.streams import run

PROFILE = PROFILES["bench"]
SYMBOL = 3
LIMITS = Limits(maximum_quantity=1000, maximum_value=1000 * 500_000, collar_fraction=656,
                collar_minimum=300, maximum_long=5000, maximum_short=4000, maximum_open_orders=4)
BOOK = Book(bid=499_900, ask=500_001)
HOLD_NS = 1000


NO_ORDERS = Exposure()
OPEN = Flags()


def set_all(ctx, dut, limits=LIMITS, exposure=NO_ORDERS, flags=OPEN, tradable=True,
            price_test=False):
    """Set every level that the gate sees."""
    if limits is not None:
        ctx.set(dut.limits, {name: int(getattr(limits, name)) for name in vars(limits)})
    ctx.set(dut.limits_loaded, limits is not None)
    ctx.set(dut.exposure, {
        "worst_long": exposure.worst_long, "worst_short": exposure.worst_short,
        "count_buy": exposure.open_orders // 2,
        "count_sell": exposure.open_orders - exposure.open_orders // 2})
    ctx.set(dut.slot_free, exposure.slot_free)
    ctx.set(dut.session_up, flags.session_up)
    ctx.set(dut.armed, flags.armed)
    ctx.set(dut.killed, flags.killed)
    ctx.set(dut.tradable, tradable << SYMBOL)
    ctx.set(dut.short_restricted, price_test << SYMBOL)
    ctx.set(dut.feed_up, 1)
    ctx.set(dut.cfg_hold_ns, HOLD_NS)
    ctx.set(dut.cfg_interval_ns, not flags.rate_exceeded)
    ctx.set(dut.cfg_burst_ns, 2**32 - 1)


async def publish(ctx, dut, book: Book):
    """Publish a book."""
    ctx.set(dut.tops.payload, {
        "symbol_index": SYMBOL, "bid": {"price": book.bid, "quantity": 1, "count": 1},
        "ask": {"price": book.ask, "quantity": 1, "count": 1}, "exact": book.usable})
    ctx.set(dut.tops.valid, 1)
    await ctx.tick()
    ctx.set(dut.tops.valid, 0)
    await ctx.tick().repeat(2)


def intent_of(side, price, quantity, kind=IntentKind.ENTER, reference=0):
    return {"symbol_index": SYMBOL, "tag": 5, "start_cycles": 1234, "kind": kind, "side": side,
            "price": price, "quantity": quantity, "user_ref_num": reference, "score": -7,
            "epoch": 3, "time_in_force": 1}


def announce(ctx, dut, side, price, quantity):
    """Announce an order of one side; the other side's is another one."""
    other = {"buy_price": 1, "sell_price": 1, "buy_quantity": 1, "sell_quantity": 1}
    name = ("buy", "sell")[side]
    ctx.set(dut.orders_symbol, SYMBOL)
    ctx.set(dut.orders, {**other, f"{name}_price": price, f"{name}_quantity": quantity})


async def offer(ctx, dut, side=0, price=500_000, quantity=10, **more):
    """Announce an order, send its intent; return whether it is offered at once."""
    announce(ctx, dut, side, price, quantity)
    await ctx.tick().repeat(Evaluation.latency)
    return await send(ctx, dut, {**intent_of(side, price, quantity), **more})


async def send(ctx, dut, intent):
    """Send an intent; return whether it is offered at once."""
    ctx.set(dut.intents.payload, intent)
    ctx.set(dut.intents.valid, 1)
    at_once = ctx.get(dut.requests.valid)
    await ctx.tick()
    ctx.set(dut.intents.valid, 0)
    return at_once


async def judge(ctx, dut, side, price, quantity, *, waits=False):
    """Send an intent; return (cycles to the request or None, verdict, request).

    One that waits comes in the cycle after a reservation was absorbed.
    """
    announce(ctx, dut, side, price, quantity)
    await ctx.tick().repeat(Evaluation.latency)
    ctx.set(dut.absorbed, waits)
    await ctx.tick()
    ctx.set(dut.absorbed, 0)
    ctx.set(dut.intents.payload, intent_of(side, price, quantity))
    ctx.set(dut.intents.valid, 1)
    left = request = None
    for cycle in range(20):
        if cycle == 1:
            ctx.set(dut.intents.valid, 0)
        if ctx.get(dut.requests.valid) and left is None:
            left = cycle
            request = ctx.get(dut.requests.payload)
            assert (request.price, request.quantity, request.side.value, request.kind) == (
                price, quantity, side, IntentKind.ENTER)
        if ctx.get(dut.verdicts.valid):
            verdict = ctx.get(dut.verdicts.payload)
            assert (ctx.get(dut.refused) == 1) == (left is None) == (verdict.mask != 0)
            intent = verdict.intent
            assert (intent.price, intent.quantity, intent.tag, intent.start_cycles, intent.epoch,
                    intent.score) == (price, quantity, 5, 1234, 3, -7)
            assert verdict.waited == waits
            await ctx.tick()
            assert not ctx.get(dut.verdicts.valid)
            if left is not None:
                ctx.set(dut.absorbed, 1)
                await ctx.tick()
                ctx.set(dut.absorbed, 0)
                await ctx.tick().repeat(Evaluation.latency)
            return left, verdict, request
        await ctx.tick()
    raise AssertionError("no verdict")


def limit_cases():
    """Yield (side, price, quantity, limits, book, exposure) at limit-1, limit, limit+1."""
    reference = BOOK.reference
    band = max(reference * LIMITS.collar_fraction // 65536, LIMITS.collar_minimum)
    for d in (-1, 0, 1):
        for side in range(2):
            yield side, 500_000, 1000 + d, Limits(**{**vars(LIMITS), "maximum_value": 2**52 - 1})
            yield side, 500_000 + d, 1000, Limits(**vars(LIMITS))
            yield side, 500_000, 999, Limits(**{**vars(LIMITS), "maximum_value": 999 * 500_000 + d})
            yield side, reference + (1, -1)[side] * band + d, 1, LIMITS
            yield side, reference + (1, -1)[side] * 9000 + d, 1, Limits(
                **{**vars(LIMITS), "collar_minimum": 9000})
            yield side, 500_000, 1, LIMITS, BOOK, Exposure(open_orders=4 + d)
        # Covered or not, on either side of the best bid, with and without the price test.
        for test in (True, False):
            book = Book(**{**vars(BOOK), "price_test": test})
            for price in (BOOK.bid - 1, BOOK.bid, BOOK.bid + 1):
                yield 1, price, 500, LIMITS, book, Exposure(worst_short=500 + d)
                yield 0, price, 500, LIMITS, book, Exposure(worst_short=500 + d)
        yield 0, 500_000, 500, LIMITS, BOOK, Exposure(worst_long=4500 + d, worst_short=-9999)
        yield 1, 500_000, 500, LIMITS, BOOK, Exposure(worst_short=-3500 + d, worst_long=9999)
    for side in range(2):
        for quantity in (0, 1, 2**20 - 1, 2**20, 2**32 - 1):
            yield side, 500_000, quantity, Limits(
                maximum_quantity=2**20 - 1, maximum_value=2**52 - 1, collar_fraction=65535,
                collar_minimum=2**32 - 1, maximum_long=2**31 - 1, maximum_short=2**31 - 1,
                maximum_open_orders=2**10 - 1)
        for price in (0, 1, 2**32 - 1):
            yield side, price, 7, LIMITS
            yield side, price, 2**20 - 1, Limits(
                **{**vars(LIMITS), "maximum_quantity": 2**20 - 1, "maximum_value": 2**52 - 1})
            yield side, price, 7, LIMITS, Book(bid=2**32 - 1, ask=2**32 - 1)
            yield side, price, 7, LIMITS, Book(bid=1, ask=2)
        yield side, 500_000, 7, Limits(**{**vars(LIMITS), "restricted": True})
        yield side, 500_000, 7, LIMITS, BOOK, Exposure(slot_free=False)
        yield side, 500_000, 7, LIMITS, Book(bid=499_900, ask=500_001, usable=False)
        yield side, 500_000, 7, LIMITS, BOOK, Exposure(worst_long=-2**40, worst_short=2**40)
        yield side, 500_000, 7, LIMITS, BOOK, Exposure(worst_long=2**40, worst_short=-2**40)


@pytest.mark.parametrize("waits", [False, True])
def test_every_check_at_its_limit(waits):
    dut = RiskGate(PROFILE)
    seen: dict[int, set[bool]] = {}

    async def check(ctx):
        ctx.set(dut.requests.ready, 1)
        for side, price, quantity, limits, *rest in limit_cases():
            book = rest[0] if rest else BOOK
            exposure = rest[1] if len(rest) > 1 else Exposure()
            set_all(ctx, dut, limits, exposure, price_test=book.price_test)
            await publish(ctx, dut, book)
            wanted = mask(side, price, quantity, limits, book, exposure, Flags())
            left, verdict, request = await judge(ctx, dut, side, price, quantity, waits=waits)
            assert failed_checks(verdict.mask) == failed_checks(wanted), (side, price, quantity)
            if not wanted:
                assert request.short == (side == 1 and sells_short(quantity, exposure))
            assert left == (None if wanted else (Evaluation.latency + 4) * waits)
            assert (verdict.state.reference, verdict.state.worst_long, verdict.state.worst_short,
                    verdict.state.open_orders) == (
                book.reference, exposure.worst_long, exposure.worst_short, exposure.open_orders)
            for number in (1, 2, 4, 9, 12, 17, 22, 31):
                seen.setdefault(number, set()).add(bool(wanted >> number - 1 & 1))

    run(dut, check)
    assert all(results == {True, False} for results in seen.values()), seen


@pytest.mark.parametrize("seed", [1, 2])
def test_masks_of_random_orders_equal_the_model(seed):
    rng = random.Random(seed)
    dut = RiskGate(PROFILE)
    passed = 0

    async def check(ctx):
        nonlocal passed
        ctx.set(dut.requests.ready, 1)
        for _ in range(150):
            limits = None if rng.random() < 0.05 else Limits(
                maximum_quantity=rng.randint(0, 2**20 - 1),
                maximum_value=rng.getrandbits(rng.randint(30, 52)),
                collar_fraction=rng.getrandbits(16), collar_minimum=rng.getrandbits(20),
                maximum_long=rng.getrandbits(rng.randint(10, 31)),
                maximum_short=rng.getrandbits(rng.randint(10, 31)),
                maximum_open_orders=rng.randint(0, 9), restricted=rng.random() < 0.05)
            exposure = Exposure(
                worst_long=rng.randint(-2**20, 2**20), worst_short=rng.randint(-2**20, 2**20),
                open_orders=rng.randint(0, 6), slot_free=rng.random() < 0.95)
            flags = Flags(session_up=rng.random() < 0.9, armed=rng.random() < 0.9,
                          killed=rng.random() < 0.1, rate_exceeded=rng.random() < 0.1)
            bid = rng.getrandbits(rng.randint(10, 32))
            book = Book(bid=bid, ask=min(bid + rng.getrandbits(12), 2**32 - 1),
                        usable=rng.random() < 0.95, tradable=rng.random() < 0.95,
                        price_test=rng.random() < 0.3)
            set_all(ctx, dut, limits, exposure, flags, book.tradable, book.price_test)
            await publish(ctx, dut, book)
            side, waits = rng.randrange(2), rng.random() < 0.3
            price = max(0, min(2**32 - 1, book.reference + rng.randint(-2**14, 2**14)))
            quantity = rng.getrandbits(rng.choice([3, 8, 15, 20, 32]))
            wanted = mask(side, price, quantity, limits, book, exposure, flags)
            _, verdict, _ = await judge(ctx, dut, side, price, quantity, waits=waits)
            got = verdict.mask
            if limits is None:
                got &= ~sum(1 << n - 1 for n in (1, 2, 4, 9, 12, 17))
            if waits and (flags.killed or not flags.armed):
                # Refused before the checks of the symbol were known.
                wanted &= sum(c.mask for c in (
                    Check.MESSAGE_RATE, Check.SESSION, Check.DISARMED, Check.KILLED))
            assert failed_checks(got) == failed_checks(wanted)
            passed += not wanted

    run(dut, check)
    assert passed > 5


def test_a_busy_transmitter_gets_nothing_stale():
    dut = RiskGate(PROFILE)

    async def check(ctx):
        set_all(ctx, dut)
        await publish(ctx, dut, BOOK)
        assert await offer(ctx, dut)
        offers = []
        for _ in range(11):
            offers.append(ctx.get(dut.requests.valid))
            await ctx.tick()
        # It was offered at once; it is judged anew, then offered as long as it passes.
        again = Evaluation.latency + 3
        assert offers == [0] * again + [1] * (len(offers) - again)
        ctx.set(dut.exposure.worst_long, 5000)
        await ctx.tick().repeat(Evaluation.latency + 2)
        assert not ctx.get(dut.requests.valid)
        assert failed_checks(ctx.get(dut.verdicts.payload.mask)) == (Check.POSITION,)
        assert ctx.get(dut.verdicts.valid) and ctx.get(dut.verdicts.payload.waited)
        ctx.set(dut.requests.ready, 1)
        await ctx.tick().repeat(5)
        assert not ctx.get(dut.requests.valid) and not ctx.get(dut.busy)

    run(dut, check)


@pytest.mark.parametrize(("cause", "value", "wanted"), [
    ("killed", 1, Check.KILLED), ("armed", 0, Check.DISARMED), ("now_ns", 10**6, Check.AGE)])
def test_a_waiting_order_is_refused_at_once_when_the_gate_closes(cause, value, wanted):
    dut = RiskGate(PROFILE)

    async def check(ctx):
        set_all(ctx, dut)
        await publish(ctx, dut, BOOK)
        assert await offer(ctx, dut)
        await ctx.tick().repeat(8)
        assert ctx.get(dut.requests.valid)
        ctx.set(getattr(dut, cause), value)
        await ctx.tick().repeat(1 if cause != "now_ns" else 3)
        assert not ctx.get(dut.requests.valid)
        assert ctx.get(dut.verdicts.valid)
        assert failed_checks(ctx.get(dut.verdicts.payload.mask)) == (wanted,)

    run(dut, check)


def test_a_reservation_must_be_absorbed_before_the_next_order():
    dut = RiskGate(PROFILE)

    async def check(ctx):
        set_all(ctx, dut)
        ctx.set(dut.requests.ready, 1)
        await publish(ctx, dut, BOOK)
        assert await offer(ctx, dut)
        assert not await send(ctx, dut, intent_of(0, 500_000, 10))
        assert ctx.get(dut.stat_waited)
        for _ in range(20):
            assert not ctx.get(dut.requests.valid)
            assert ctx.get(dut.stat_reserved_wait)
            await ctx.tick()
        ctx.set(dut.exposure.worst_long, 4991)
        ctx.set(dut.absorbed, 1)
        await ctx.tick()
        ctx.set(dut.absorbed, 0)
        for _ in range(10):
            assert not ctx.get(dut.requests.valid)
            if ctx.get(dut.verdicts.valid):
                break
            await ctx.tick()
        assert failed_checks(ctx.get(dut.verdicts.payload.mask)) == (Check.POSITION,)

    run(dut, check)


@pytest.mark.parametrize("flags", [Flags(), Flags(killed=True), Flags(armed=False),
                                   Flags(rate_exceeded=True)])
def test_cancels_pass_before_a_waiting_order_whatever_the_checks_say(flags):
    dut = RiskGate(PROFILE)

    async def check(ctx):
        set_all(ctx, dut)
        await publish(ctx, dut, BOOK)
        assert await offer(ctx, dut)
        await ctx.tick().repeat(8)
        set_all(ctx, dut, None, Exposure(worst_long=2**40, slot_free=False), flags, False)
        ctx.set(dut.cancels.payload, intent_of(1, 0, 0, IntentKind.CANCEL, 77))
        ctx.set(dut.cancels.valid, 1)
        await ctx.tick().until(dut.cancels.ready)
        ctx.set(dut.cancels.valid, 0)
        ctx.set(dut.requests.ready, 1)
        sent = []
        for _ in range(20):
            if ctx.get(dut.requests.valid):
                request = ctx.get(dut.requests.payload)
                sent.append((request.kind, request.user_ref_num))
            await ctx.tick()
        assert sent == [(IntentKind.CANCEL, 77)]

    run(dut, check)


@pytest.mark.parametrize("port", ["cancels", "intents"])
def test_a_cancel_fails_only_when_the_session_is_down(port):
    dut = RiskGate(PROFILE)

    async def put(ctx, stream):
        ctx.set(stream.valid, 1)
        if stream is dut.cancels:
            await ctx.tick()
        assert ctx.get(stream.ready) and not ctx.get(dut.busy)
        await ctx.tick()
        ctx.set(stream.valid, 0)

    async def check(ctx):
        set_all(ctx, dut, None, flags=Flags(session_up=False, killed=True))
        stream = getattr(dut, port)
        ctx.set(stream.payload, intent_of(1, 0, 0, IntentKind.CANCEL, 77))
        await put(ctx, stream)
        while not ctx.get(dut.verdicts.valid):
            assert not ctx.get(dut.requests.valid)
            await ctx.tick()
        assert failed_checks(ctx.get(dut.verdicts.payload.mask)) == (Check.SESSION,)
        assert ctx.get(dut.verdicts.payload.intent.user_ref_num) == 77
        ctx.set(dut.session_up, 1)
        await put(ctx, stream)
        for _ in range(5):
            await ctx.tick()
        assert ctx.get(dut.requests.valid)
        ctx.set(dut.session_up, 0)
        await ctx.tick()
        assert not ctx.get(dut.requests.valid)
        assert ctx.get(dut.verdicts.valid)
        await ctx.tick()
        assert not ctx.get(dut.verdicts.valid)

    run(dut, check)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_traffic_gets_one_verdict_each_and_keeps_the_rules(seed):
    rng = random.Random(seed)
    dut = RiskGate(PROFILE)
    given: dict[int, dict] = {}     # by score, as it is in the verdict
    judged: list[int] = []
    sent = {IntentKind.ENTER: 0, IntentKind.CANCEL: 0}
    at_once = 0

    def intent_to(kind, side=0, price=0):
        number = len(given) + 1
        given[number] = {**intent_of(side, price, 10, kind, number), "score": number,
                         "start_cycles": number}
        return given[number]

    async def check(ctx):
        nonlocal at_once
        set_all(ctx, dut)
        await publish(ctx, dut, BOOK)
        ctx.set(dut.orders_symbol, SYMBOL)
        absorb_in = None
        sweeps = False
        announced = [[1, 1]] * RiskGate.notice
        for cycle in range(3000):
            prices = [rng.choice([500_000, 500_010, 600_000]) for _ in range(2)]
            ctx.set(dut.orders, {"buy_price": prices[0], "sell_price": prices[1],
                                 "buy_quantity": 10, "sell_quantity": 10})
            ctx.set(dut.intents.valid, 0)
            if not ctx.get(dut.busy) and rng.random() < 0.2 and cycle < 2900:
                side = rng.randrange(2)
                intent = intent_to(IntentKind.CANCEL) if rng.random() < 0.2 else \
                    intent_to(IntentKind.ENTER, side, announced[-RiskGate.notice][side])
                ctx.set(dut.intents.payload, intent)
                ctx.set(dut.intents.valid, 1)
            if not sweeps and rng.random() < 0.05 and cycle < 2900:
                ctx.set(dut.cancels.payload, intent_to(IntentKind.CANCEL, 1))
                sweeps = True
            ctx.set(dut.cancels.valid, sweeps)
            ctx.set(dut.requests.ready, rng.random() < 0.4 or cycle > 2900)
            ctx.set(dut.armed, rng.random() < 0.97)
            ctx.set(dut.killed, rng.random() < 0.03)
            ctx.set(dut.session_up, rng.random() < 0.97)
            ctx.set(dut.exposure.worst_long, rng.choice([0, 0, 0, 5000]))
            ctx.set(dut.absorbed, absorb_in == 0)
            absorb_in = None if not absorb_in else absorb_in - 1
            closed = not ctx.get(dut.armed) or ctx.get(dut.killed) or not ctx.get(dut.session_up)
            if ctx.get(dut.requests.valid):
                request = ctx.get(dut.requests.payload)
                if request.kind == IntentKind.ENTER:
                    assert not closed
                    asked = given[request.start_cycles]
                    assert (request.price, request.side.value, request.quantity) == (
                        asked["price"], asked["side"], 10)
                if ctx.get(dut.requests.ready):
                    sent[request.kind] += 1
                    if request.kind == IntentKind.ENTER:
                        assert absorb_in is None
                        absorb_in = rng.randint(3, 12)
                        at_once += not ctx.get(dut.busy)
            if ctx.get(dut.verdicts.valid):
                judged.append(ctx.get(dut.verdicts.payload.intent.score))
            if ctx.get(dut.cancels.ready):
                sweeps = False
            announced.append(prices)
            await ctx.tick()

    run(dut, check)
    assert sorted(judged) == sorted(given)
    assert sent[IntentKind.ENTER] > 20 and sent[IntentKind.CANCEL] > 20 and at_once > 5


def test_a_cancel_of_the_strategy_takes_two_cycles():
    dut = RiskGate(PROFILE)

    async def check(ctx):
        set_all(ctx, dut, flags=Flags(armed=False))
        ctx.set(dut.requests.ready, 1)
        assert not await send(ctx, dut, intent_of(1, 0, 0, IntentKind.CANCEL, 77))
        assert not ctx.get(dut.requests.valid)
        await ctx.tick()
        assert ctx.get(dut.requests.valid) and RiskGate.cancel_latency == 2

    run(dut, check)


def test_a_book_that_is_spoilt_after_its_last_event_fails_check_31():
    dut = RiskGate(PROFILE)

    async def check(ctx):
        set_all(ctx, dut)
        ctx.set(dut.requests.ready, 1)
        await publish(ctx, dut, BOOK)
        ctx.set(dut.spoilt, 1 << SYMBOL)
        await ctx.tick()
        left, verdict, _ = await judge(ctx, dut, 0, 500_000, 10)
        assert left is None and failed_checks(verdict.mask) == (Check.BOOK,)
        ctx.set(dut.spoilt, ~(1 << SYMBOL))
        await ctx.tick()
        assert (await judge(ctx, dut, 0, 500_000, 10))[0] == 0

    run(dut, check)
