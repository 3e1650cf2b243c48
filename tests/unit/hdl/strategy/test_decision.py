"""The whole decision path against the chain of plain models, and its latency."""

import random

import pytest

from hdl.orders import FEATURE_NAMES, AnswerKind, IntentKind
from hdl.profile import PROFILES
from hdl.risk.gate import RiskGate
from hdl.risk.limits import LimitRow
from hdl.row_table import row_words
from hdl.strategy.decision import KILL_CAUSES, DecisionPath
from hdl.strategy.parameters import StrategyRow
from proto.checks import Check, failed_checks
from proto.features import TIME_SHIFT
from sim.golden.feature import BookEvent, Features, Touch
from sim.golden.model import linear_score
from sim.golden.own_orders import OwnOrders
from sim.golden.risk import Book, Exposure, Flags, Limits, mask, sells_short
from sim.golden.strategy import Parameters, Strategy
from tests.support.streams import run

PROFILE = PROFILES["bench"]
#: Of the features that an event itself decides, and of most of the others.
WEIGHTS, BIAS = [{"mid_move": 3, "imbalance_top1": 1}.get(name, 0) for name in FEATURE_NAMES], 10
ALL_WEIGHTS = [{"mid_move": 3, "imbalance_top1": 1, "position": -1, "volatility": 1,
                "message_intensity": -1, "time_since_trade": 5, "trade_flow": 2}.get(name, 0)
               for name in FEATURE_NAMES]
LIMITS = Limits(maximum_quantity=1000, maximum_value=2**45, collar_fraction=700, collar_minimum=300,
                maximum_long=700, maximum_short=500, maximum_open_orders=2)


async def pulse(ctx, signal) -> None:
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


async def commit(ctx, port, layout, row: int, fields: dict) -> None:
    for address, word in enumerate(row_words(layout)):
        ctx.set(port.word, address)
        ctx.set(port.data, (int(fields[word.field]) >> word.offset) & 0xFFFFFFFF)
        await pulse(ctx, port.write)
    ctx.set(port.row, row)
    await pulse(ctx, port.commit)


async def load_model(ctx, dut, weights) -> None:
    port = dut.model_cfg
    ctx.set(port.bank, 1)
    for address, word in enumerate([*weights, BIAS]):
        ctx.set(port.address, address)
        ctx.set(port.data, word & 0xFFFFFFFF)
        await pulse(ctx, port.write)
    ctx.set(port.swap_bank, 1)
    ctx.set(port.swap_epoch, 1)
    await pulse(ctx, port.swap)


async def set_up(ctx, dut, rows: dict[int, Parameters], limits=LIMITS, *, arm=True,
                 weights=WEIGHTS) -> None:
    """Load everything and arm."""
    ctx.set(dut.tradable, (1 << PROFILE.symbols) - 1)
    ctx.set(dut.feed_up, 1)
    ctx.set(dut.session_up, 1)
    ctx.set(dut.cfg_hold_ns, 10**6)
    ctx.set(dut.cfg_interval_ns, 1)
    ctx.set(dut.cfg_burst_ns, 2**31)
    ctx.set(dut.cfg_timeout_ns, 2**39)
    ctx.set(dut.cfg_cancel_on_kill, 1)
    await load_model(ctx, dut, weights)
    for symbol, row in rows.items():
        fields = {name: getattr(row, name) for name in (
            "buy_threshold", "sell_threshold", "cancel_buy_threshold", "cancel_sell_threshold",
            "quantity", "offset", "cooldown_ns", "near", "enable")}
        await commit(ctx, dut.strategy_cfg, StrategyRow, symbol,
                     {**fields, "time_in_force": row.day})
        await commit(ctx, dut.limits_cfg, LimitRow, symbol, vars(limits))
    while not ctx.get(dut.ready):
        await ctx.tick()
    await pulse(ctx, dut.heartbeat)
    await ctx.tick().repeat(3)
    if arm:
        await pulse(ctx, dut.arm)
        assert ctx.get(dut.armed)


def offer(ctx, dut, symbol: int, touch: Touch, known: BookEvent | None = None) -> None:
    known = known or BookEvent()
    ctx.set(dut.tops.payload, {
        "symbol_index": symbol, "tag": symbol, "exact": touch.exact,
        "execution": known.execution, "repeated": known.repeated, "traded": known.traded,
        "side": int(known.sells),
        "bid": {"price": touch.bid_price, "quantity": touch.bid_quantity,
                "count": touch.bid_count},
        "ask": {"price": touch.ask_price, "quantity": touch.ask_quantity,
                "count": touch.ask_count}})
    ctx.set(dut.tops.valid, 1)


async def event(ctx, dut, symbol: int, touch: Touch, number: int, ready_after: int = 0,
                known: BookEvent | None = None):
    """Publish a touch, play the session; return (latency, request, verdict)."""
    time = 0 if known is None else known.time_ns >> TIME_SHIFT
    ctx.set(dut.coming, {"symbol_index": symbol, "start_cycles": 4321, "time": time})
    await ctx.tick()
    ctx.set(dut.coming, {})
    offer(ctx, dut, symbol, touch, known)
    latency = request = verdict = None
    for cycle in range(60):
        ctx.set(dut.requests.ready, cycle >= ready_after)
        ctx.set(dut.sent.valid, 0)
        if ctx.get(dut.requests.valid):
            latency = cycle if latency is None else latency
            if cycle >= ready_after:
                request = ctx.get(dut.requests.payload)
                # The frame begins a cycle later.
                fields = {name: request[name] for name in (
                    "symbol_index", "kind", "side", "quantity", "price", "time_in_force")}
                if request.kind == IntentKind.ENTER:
                    fields["user_ref_num"] = number
                ctx.set(dut.sent.payload, fields)
                ctx.set(dut.sent.valid, 1)
        if ctx.get(dut.verdicts.valid):
            assert verdict is None
            verdict = ctx.get(dut.verdicts.payload)
        await ctx.tick()
        ctx.set(dut.tops.valid, 0)
    return latency, request, verdict


async def answer(ctx, dut, kind: str, number: int, quantity: int = 0, price: int = 0) -> None:
    ctx.set(dut.answers.payload, {"kind": AnswerKind[kind], "user_ref_num": number,
                                  "quantity": quantity, "price": price})
    await pulse(ctx, dut.answers.valid)
    await ctx.tick().repeat(12)


async def sweep(ctx, dut) -> list[int]:
    """Return the orders that are cancelled until a sweep would have ended; nothing else leaves."""
    cancelled = []
    for _ in range(900):
        if ctx.get(dut.requests.valid):
            request = ctx.get(dut.requests.payload)
            assert request.kind == IntentKind.CANCEL
            cancelled.append(request.user_ref_num)
        await ctx.tick()
    assert not ctx.get(dut.sweeping)
    return cancelled


BUY = Touch(499_900, 6400, 1, 500_000, 100, 1)
ROW = Parameters(buy_threshold=1000, sell_threshold=1000, cancel_buy_threshold=0,
                 cancel_sell_threshold=0, quantity=200, day=True)


def test_an_order_is_requested_four_cycles_after_its_touch():
    dut = DecisionPath(PROFILE)

    async def check(ctx):
        await set_up(ctx, dut, {2: ROW, 3: ROW})
        for number, symbol in enumerate((2, 3), start=1):
            latency, request, verdict = await event(ctx, dut, symbol, BUY, number)
            assert latency == DecisionPath.latency == 4
            assert (request.price, request.quantity, request.side.value, request.symbol_index,
                    request.tag, request.start_cycles) == (500_000, 200, 0, symbol, symbol, 4321)
            assert (verdict.mask, verdict.waited, verdict.limits_version) == (0, 0, 2)
            assert verdict.intent.epoch == 1

    run(dut, check)


def test_events_every_second_cycle_are_all_judged():
    """Two symbols that want to trade in turn: the second waits for the first's reservation."""
    dut = DecisionPath(PROFILE)
    seen = []

    async def check(ctx):
        await set_up(ctx, dut, dict.fromkeys(range(4), ROW))
        ctx.set(dut.requests.ready, 1)
        for cycle in range(80):
            ctx.set(dut.tops.valid, 0)
            if cycle % 2 == 0 and cycle < 8:
                offer(ctx, dut, cycle // 2, BUY)
            request = ctx.get(dut.requests.payload)
            ctx.set(dut.sent.valid, ctx.get(dut.requests.valid))
            if ctx.get(dut.requests.valid):
                seen.append((cycle, request.symbol_index))
                ctx.set(dut.sent.payload, {
                    "symbol_index": request.symbol_index, "kind": request.kind,
                    "side": request.side, "quantity": request.quantity, "price": request.price,
                    "user_ref_num": len(seen)})
            await ctx.tick()

    run(dut, check)
    # The gate holds one intent; what comes while it is busy is blocked, not queued.
    assert [symbol for _, symbol in seen] == [0, 1]
    assert seen[0][0] == DecisionPath.latency
    assert seen[1][0] < seen[0][0] + 20


def test_nothing_is_open_after_reset():
    dut = DecisionPath(PROFILE)

    async def check(ctx):
        await set_up(ctx, dut, {2: ROW}, arm=False)
        await commit(ctx, dut.strategy_cfg, StrategyRow, 4, {
            **{name: getattr(ROW, name) for name in vars(ROW) if name != "day"},
            "time_in_force": 1})
        _, request, verdict = await event(ctx, dut, 2, BUY, 1)
        assert request is None and failed_checks(verdict.mask) == (Check.DISARMED,)
        _, request, verdict = await event(ctx, dut, 4, BUY, 1)
        assert request is None
        assert {Check.DISARMED, Check.NO_LIMITS} <= set(failed_checks(verdict.mask))

    run(dut, check)


def test_a_kill_closes_the_gate_and_cancels_what_is_open():
    dut = DecisionPath(PROFILE)

    async def check(ctx):
        await set_up(ctx, dut, {2: ROW, 3: ROW})
        for number, symbol in enumerate((2, 3), start=1):
            assert (await event(ctx, dut, symbol, BUY, number))[1] is not None
        await pulse(ctx, dut.kill)
        assert ctx.get(dut.killed) and not ctx.get(dut.armed)
        assert ctx.get(dut.cause) == 1 << KILL_CAUSES.index("operator")
        ctx.set(dut.requests.ready, 1)
        assert await sweep(ctx, dut) == [1, 2]
        await answer(ctx, dut, "CANCELED", 1, 200)
        await pulse(ctx, dut.kill)      # once more, of what is open still
        assert await sweep(ctx, dut) == [2]
        ctx.set(dut.cfg_cancel_on_kill, 0)
        await pulse(ctx, dut.kill)
        assert await sweep(ctx, dut) == []
        _, request, verdict = await event(ctx, dut, 2, BUY, 3)
        assert request is None
        assert {Check.KILLED, Check.DISARMED} == set(failed_checks(verdict.mask))

    run(dut, check)


@pytest.mark.parametrize(("answers", "cause"), [
    ([("EXECUTED", 1, 201)], "overfill"), ([("EXECUTED", 9, 1)], "unexpected_answer"),
    ([("BROKEN", 1, 0)], "broken_trade")])
def test_an_answer_that_cannot_be_kills(answers, cause):
    dut = DecisionPath(PROFILE)

    async def check(ctx):
        await set_up(ctx, dut, {2: ROW})
        await event(ctx, dut, 2, BUY, 1)
        for item in answers:
            await answer(ctx, dut, *item)
        assert ctx.get(dut.killed) and ctx.get(dut.cause) == 1 << KILL_CAUSES.index(cause)

    run(dut, check)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_session_equals_the_chain_of_models(seed):
    rng = random.Random(seed)
    dut = DecisionPath(PROFILE)
    rows = {symbol: Parameters(
        buy_threshold=rng.randint(0, 800), sell_threshold=rng.randint(0, 800),
        cancel_buy_threshold=0, cancel_sell_threshold=0, quantity=rng.choice([100, 400]),
        offset=rng.choice([0, 100, 6000]), near=rng.random() < 0.3, day=symbol != 0)
        for symbol in range(4)}
    features, strategy, own = Features(), Strategy(rows), OwnOrders()
    outcomes: dict[object, int] = {}
    tested = {1, 2}     # short sales are restricted

    async def check(ctx):
        await set_up(ctx, dut, rows, weights=ALL_WEIGHTS)
        time_ns = 0
        ctx.set(dut.short_restricted, sum(1 << symbol for symbol in tested))
        number = 1
        price = 500_000
        for _ in range(110):
            # The venue answers something.
            live = own.live()
            if live and rng.random() < 0.4:
                order = rng.choice(live)
                kind = rng.choice(["ACCEPTED", "EXECUTED", "EXECUTED", "CANCELED", "REJECTED"])
                item = (kind, order.number, rng.randint(1, order.open), order.price)
                own.answer(*item)
                await answer(ctx, dut, *item)
            for side in range(2):
                for symbol in range(8):
                    key = symbol, side
                    (strategy.working.add if own.exposure(symbol).count[side]
                     else strategy.working.discard)(key)

            # A touch changes.
            symbol = rng.randrange(4)
            price += rng.randint(-2, 2) * 100
            sizes = [rng.choice([100, 500, 3000]) for _ in range(2)]
            touch = Touch(price, sizes[0], 1, price + 100, sizes[1], 1, rng.random() < 0.95)
            time_ns += rng.choice([1000, 100_000, 5_000_000])
            trades = rng.random() < 0.3
            known = BookEvent(time_ns=time_ns, execution=trades, sells=rng.random() < 0.5,
                              traded=rng.randint(1, 300) if trades else 0,
                              repeated=rng.random() < 0.1,
                              position=own.exposure(symbol).position)
            score = linear_score(features.update(symbol, touch, known), ALL_WEIGHTS, BIAS)
            intent = strategy.decide(symbol, score, touch.bid_price, touch.ask_price,
                                     usable=touch.usable)
            latency, request, verdict = await event(ctx, dut, symbol, touch, number,
                                                    rng.choice([0, 0, 0, 20]), known)
            if intent is None:
                assert request is None and verdict is None
                outcomes[None] = outcomes.get(None, 0) + 1
                continue
            exposure = own.exposure(symbol)
            risk = Exposure(worst_long=exposure.worst_long, worst_short=exposure.worst_short,
                            open_orders=sum(exposure.count))
            wanted = 0 if intent.kind == "CANCEL" else mask(
                intent.side, intent.price, intent.quantity, LIMITS,
                Book(bid=touch.bid_price, ask=touch.ask_price, usable=touch.usable,
                     price_test=symbol in tested), risk, Flags())
            assert failed_checks(verdict.mask) == failed_checks(wanted)
            outcomes[intent.kind, wanted] = outcomes.get((intent.kind, wanted), 0) + 1
            if wanted:
                assert request is None
                strategy.refused(symbol, intent.side)
                continue
            assert latency == DecisionPath.latency + RiskGate.cancel_latency * (
                intent.kind == "CANCEL")
            assert (request.kind.name, request.symbol_index, request.side.value) == (
                intent.kind, symbol, intent.side)
            if intent.kind == "CANCEL":
                assert request.user_ref_num == intent.reference
                continue
            assert (request.quantity, request.price) == (intent.quantity, intent.price)
            assert request.short == (intent.side == 1 and sells_short(intent.quantity, risk))
            own.sent(number, symbol, intent.side, intent.quantity, intent.price, intent.day)
            key = symbol, intent.side
            strategy.absorbed(*key)
            (strategy.resting.add if intent.day else strategy.resting.discard)(key)
            strategy.references[key] = number
            number += 1
            for other in range(4):
                risk = own.exposure(other)
                assert risk.worst_long <= LIMITS.maximum_long
                assert -risk.worst_short <= LIMITS.maximum_short
        assert (ctx.get(dut.cash), ctx.get(dut.turnover)) == (own.cash, own.turnover)
        assert ctx.get(dut.armed)

    run(dut, check)
    kinds = {outcome[0] for outcome in outcomes if outcome}
    assert kinds == {"ENTER", "CANCEL"} and len(outcomes) > 4, outcomes


@pytest.mark.parametrize("seed", [5, 6])
def test_limits_hold_under_load_whatever_executes(seed):
    """Events every other cycle, a slow transmitter, answers at any time: no limit is passed."""
    rng = random.Random(seed)
    dut = DecisionPath(PROFILE)
    rows = {symbol: Parameters(
        buy_threshold=rng.randint(-100, 300), sell_threshold=rng.randint(-100, 300),
        cancel_buy_threshold=0, cancel_sell_threshold=0, quantity=rng.choice([100, 300]),
        offset=rng.choice([0, 100]), day=True) for symbol in range(6)}
    own = OwnOrders()
    entered = cancelled = verdicts = 0

    async def check(ctx):
        nonlocal entered, cancelled, verdicts
        await set_up(ctx, dut, rows)
        number, busy_until, price = 1, 0, 500_000
        begins = None                 # the request whose frame begins now
        quiet_before_answer = 0
        for cycle in range(2500):
            ctx.set(dut.tops.valid, 0)
            if cycle % 2 == 0 and rng.random() < 0.7 and cycle < 2400:
                price += rng.randint(-2, 2) * 100
                offer(ctx, dut, rng.randrange(6), Touch(
                    price, rng.choice([100, 3000]), 1, price + 100, rng.choice([100, 3000]), 1,
                    rng.random() < 0.95))
            ctx.set(dut.sent.valid, begins is not None)
            if begins is not None:
                ctx.set(dut.sent.payload, begins)
            begins = None
            ctx.set(dut.requests.ready, cycle >= busy_until)
            if ctx.get(dut.requests.valid) and cycle >= busy_until:
                request = ctx.get(dut.requests.payload)
                begins = {name: request[name] for name in (
                    "symbol_index", "kind", "side", "quantity", "price", "time_in_force",
                    "user_ref_num")}
                busy_until = cycle + rng.choice([2, 17, 40])
                if request.kind == IntentKind.ENTER:
                    begins["user_ref_num"] = number
                    own.sent(number, request.symbol_index, request.side.value, request.quantity,
                             request.price, True)
                    number += 1
                    entered += 1
                    risk = own.exposure(request.symbol_index)
                    assert risk.worst_long <= LIMITS.maximum_long
                    assert -risk.worst_short <= LIMITS.maximum_short
                    assert sum(risk.count) <= LIMITS.maximum_open_orders
                    assert risk.count[request.side.value] == 1
                    quiet_before_answer = cycle + 40
                else:
                    cancelled += 1
                    assert own.slots[request.user_ref_num].symbol == request.symbol_index
            ctx.set(dut.answers.valid, 0)
            live = own.live()
            # An answer follows its order's frame by far more than the table's latency.
            if live and cycle > quiet_before_answer and rng.random() < 0.1:
                order = live[0]
                kind = rng.choice(["EXECUTED", "EXECUTED", "CANCELED", "ACCEPTED"])
                quantity = rng.randint(1, order.open)
                own.answer(kind, order.number, quantity, order.price)
                ctx.set(dut.answers.payload, {
                    "kind": AnswerKind[kind], "user_ref_num": order.number,
                    "quantity": quantity, "price": order.price})
                ctx.set(dut.answers.valid, 1)
            verdicts += ctx.get(dut.verdicts.valid)
            await ctx.tick()
        ctx.set(dut.answers.valid, 0)
        await ctx.tick().repeat(200)
        for symbol in range(6):
            ctx.set(dut.read_symbol, symbol)
            await ctx.tick().repeat(2)
            got, wanted = ctx.get(dut.read_exposure), own.exposure(symbol)
            assert (got.position, got.worst_long, got.worst_short) == (
                wanted.position, wanted.worst_long, wanted.worst_short)
        assert (ctx.get(dut.cash), ctx.get(dut.turnover)) == (own.cash, own.turnover)
        assert ctx.get(dut.armed) and not ctx.get(dut.killed)

    run(dut, check)
    assert entered > 10 and cancelled > 0 and verdicts >= entered + cancelled
