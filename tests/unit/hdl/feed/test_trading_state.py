import random

import pytest

from hdl.feed.trading_state import SYSTEM_EVENTS, TradingState
from hdl.profile import PROFILES
from hdl.records import AdminKind
from tests.support.streams import run

PROFILE = PROFILES["bench"]
MARKET_HOURS = 1 << [event.value for event in SYSTEM_EVENTS].index("Q")


async def tell(ctx, dut, kind, code, *, symbol=0, market="Q"):
    ctx.set(dut.admin.payload, {"kind": kind, "symbol_index": symbol, "code": ord(code),
                                "market": ord(market), "tag": 0})
    ctx.set(dut.admin.valid, 1)
    await ctx.tick()
    ctx.set(dut.admin.valid, 0)
    await ctx.tick()
    return ctx.get(dut.tradable)


def simulate(check):
    dut = TradingState(PROFILE)

    async def bench(ctx):
        ctx.set(dut.cfg_trading_events, MARKET_HOURS)
        await check(ctx, dut)

    run(dut, bench)


def test_nothing_is_tradable_before_it_is_said():
    async def check(ctx, dut):
        await ctx.tick().repeat(3)
        assert ctx.get(dut.tradable) == 0
        assert ctx.get(dut.short_restricted) == (1 << PROFILE.symbols) - 1
        assert await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q") == 0
        assert await tell(ctx, dut, AdminKind.TRADING_ACTION, "T", symbol=2) == 4
        assert ctx.get(dut.states.word_select(2, 8)) == ord("T")
        assert ctx.get(dut.states.word_select(1, 8)) == 0
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        await ctx.tick()
        assert ctx.get(dut.tradable) == 0
        assert await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q") == 0

    simulate(check)


@pytest.mark.parametrize("state", "HPQX ")
def test_any_other_state_forbids(state):
    async def check(ctx, dut):
        await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q")
        assert await tell(ctx, dut, AdminKind.TRADING_ACTION, "T", symbol=5) == 32
        assert await tell(ctx, dut, AdminKind.TRADING_ACTION, state, symbol=5) == 0
        assert ctx.get(dut.states.word_select(5, 8)) == ord(state)

    simulate(check)


def test_session_phases():
    async def check(ctx, dut):
        await tell(ctx, dut, AdminKind.TRADING_ACTION, "T")
        for code in "OSQMECARB":
            assert await tell(ctx, dut, AdminKind.SYSTEM_EVENT, code) == (code == "Q")
        ctx.set(dut.cfg_trading_events, MARKET_HOURS | 1 << 1)
        for code in "OSQMEC":
            assert await tell(ctx, dut, AdminKind.SYSTEM_EVENT, code) == (code in "SQ")

    simulate(check)


def test_market_wide_halt_lasts_until_it_is_lifted():
    async def check(ctx, dut):
        await tell(ctx, dut, AdminKind.TRADING_ACTION, "T")
        await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q")
        assert await tell(ctx, dut, AdminKind.MWCB_STATUS, "1") == 0
        assert await tell(ctx, dut, AdminKind.TRADING_ACTION, "T") == 0
        assert await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q") == 0
        ctx.set(dut.cfg_lift_market_halt, 1)
        await ctx.tick()
        ctx.set(dut.cfg_lift_market_halt, 0)
        await ctx.tick()
        assert ctx.get(dut.tradable) == 1
        assert await tell(ctx, dut, AdminKind.MWCB_STATUS, "3") == 0
        await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "O")
        assert await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q") == 1

    simulate(check)


def test_operational_halts_of_our_market_count():
    async def check(ctx, dut):
        await tell(ctx, dut, AdminKind.TRADING_ACTION, "T", symbol=1)
        await tell(ctx, dut, AdminKind.SYSTEM_EVENT, "Q")
        halt = AdminKind.OPERATIONAL_HALT
        assert await tell(ctx, dut, halt, "H", symbol=1, market="B") == 2
        assert await tell(ctx, dut, halt, "H", symbol=1) == 0
        assert await tell(ctx, dut, halt, "T", symbol=1, market="X") == 0
        assert await tell(ctx, dut, halt, "T", symbol=1) == 2
        assert await tell(ctx, dut, halt, "?", symbol=1) == 0

    simulate(check)


def test_short_sale_rule():
    async def check(ctx, dut):
        everyone = (1 << PROFILE.symbols) - 1
        for code, restricted in (("0", 0), ("1", 1), ("0", 0), ("2", 1), ("0", 0), ("9", 1)):
            await tell(ctx, dut, AdminKind.REG_SHO, code, symbol=3)
            assert ctx.get(dut.short_restricted) == everyone & ~(8 * (1 - restricted))

    simulate(check)


def test_random_news_against_a_table():
    rng = random.Random(2)

    async def check(ctx, dut):
        state, halt = {}, {}
        event, market = "", False
        for _ in range(400):
            kind = rng.choice([AdminKind.TRADING_ACTION] * 4 + [AdminKind.OPERATIONAL_HALT] * 2
                              + [AdminKind.SYSTEM_EVENT, AdminKind.MWCB_STATUS,
                                 AdminKind.DIRECTORY])
            symbol = rng.randrange(PROFILE.symbols)
            code = rng.choice({AdminKind.SYSTEM_EVENT: "OSQQQM",
                               AdminKind.MWCB_STATUS: "123"}.get(kind, "HTTTP"))
            where = rng.choice("QQB")
            if kind is AdminKind.TRADING_ACTION:
                state[symbol] = code
            elif kind is AdminKind.OPERATIONAL_HALT and where == "Q":
                halt[symbol] = code != "T"
            elif kind is AdminKind.SYSTEM_EVENT:
                event = code
                market = market and code != "O"
            elif kind is AdminKind.MWCB_STATUS:
                market = True
            want = sum(1 << index for index in range(PROFILE.symbols)
                       if event == "Q" and not market and state.get(index) == "T"
                       and not halt.get(index))
            assert await tell(ctx, dut, kind, code, symbol=symbol, market=where) == want

    simulate(check)
