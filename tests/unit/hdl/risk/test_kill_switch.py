"""Arming, killing and the watchdog."""

import pytest

from hdl.risk.kill_switch import KillSwitch
from tests.support.streams import run

TIMEOUT_NS = 1000


async def pulse(ctx, dut, name: str) -> None:
    ctx.set(getattr(dut, name), 1)
    await ctx.tick()
    ctx.set(getattr(dut, name), 0)


async def arm(ctx, dut) -> None:
    ctx.set(dut.cfg_timeout_ns, TIMEOUT_NS)
    await pulse(ctx, dut, "heartbeat")
    await ctx.tick().repeat(3)
    await pulse(ctx, dut, "arm")


def state(ctx, dut) -> tuple[int, int, int]:
    return ctx.get(dut.armed), ctx.get(dut.killed), ctx.get(dut.cause)


def test_it_starts_disarmed_and_arms_only_with_a_fresh_heartbeat():
    dut = KillSwitch(["operator"])

    async def check(ctx):
        assert state(ctx, dut) == (0, 0, 0)
        ctx.set(dut.cfg_timeout_ns, TIMEOUT_NS)
        await ctx.tick().repeat(3)
        await pulse(ctx, dut, "arm")
        assert state(ctx, dut) == (0, 0, 0) and ctx.get(dut.refused)
        await arm(ctx, dut)
        assert state(ctx, dut) == (1, 0, 0) and not ctx.get(dut.refused)
        await pulse(ctx, dut, "disarm")
        assert state(ctx, dut) == (0, 0, 0)

    run(dut, check)


@pytest.mark.parametrize("armed", [True, False])
def test_a_trigger_kills_in_one_cycle_and_latches(armed):
    dut = KillSwitch(["operator", "overfill"])

    async def check(ctx):
        if armed:
            await arm(ctx, dut)
        ctx.set(dut.triggers, 0b10)
        ctx.set(dut.arm, 1)
        await ctx.tick()
        ctx.set(dut.arm, 0)
        assert state(ctx, dut) == (0, 1, 0b10) and ctx.get(dut.tripped)
        await pulse(ctx, dut, "clear")
        assert state(ctx, dut) == (0, 1, 0b10) and ctx.get(dut.refused)
        assert not ctx.get(dut.tripped)
        ctx.set(dut.triggers, 0)
        await pulse(ctx, dut, "arm")
        assert state(ctx, dut) == (0, 1, 0b10) and ctx.get(dut.refused)
        await pulse(ctx, dut, "clear")
        assert state(ctx, dut) == (0, 0, 0)
        await arm(ctx, dut)
        assert state(ctx, dut) == (1, 0, 0)

    run(dut, check)


@pytest.mark.parametrize(("silence_ns", "killed"), [(TIMEOUT_NS, 0), (TIMEOUT_NS + 1, 1)])
def test_the_watchdog_kills_after_the_silence(silence_ns, killed):
    dut = KillSwitch(["operator"])

    async def check(ctx):
        ctx.set(dut.now_ns, 5_000)
        await arm(ctx, dut)
        ctx.set(dut.now_ns, 5_000 + silence_ns)
        await ctx.tick().repeat(4)
        assert state(ctx, dut) == (1 - killed, killed, killed << 1)
        await pulse(ctx, dut, "heartbeat")
        await ctx.tick().repeat(4)
        assert ctx.get(dut.killed) == killed

    run(dut, check)


def test_a_cause_is_needed():
    with pytest.raises(ValueError, match="at least one trigger"):
        KillSwitch([])
