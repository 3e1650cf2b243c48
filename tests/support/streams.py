"""Drive and watch Amaranth streams in the Amaranth simulator, under stalls."""

import random
from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import Elaboratable, Value
from amaranth.sim import Simulator

__all__ = ["always", "collect", "drive", "drive_announced", "offer_announced", "run", "stalls"]


def always() -> bool:
    """Return True: a stall pattern without stalls."""
    return True


def stalls(seed: int, chance: float = 0.5) -> Callable[[], bool]:
    """Return a pattern that says "go" with probability `chance`, seeded."""
    rng = random.Random(seed)
    return lambda: rng.random() < chance


async def drive(ctx, stream, items: Iterable[Any], go: Callable[[], bool] = always) -> None:
    """Put every item on a stream; `go` says each cycle whether a new item may be offered.

    An item is whatever ``ctx.set`` takes for the payload (a dict of fields for a layout).
    """
    for item in items:
        while not go():
            await ctx.tick()
        ctx.set(stream.payload, item)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def offer_announced(ctx, dut, operation: dict, behind: dict | None = None) -> None:
    """Announce a book operation on ``dut.ahead``, then offer it until it is taken.

    The end of the message of `behind` waits meanwhile, so that it is near all the time.
    """
    ctx.set(dut.ahead, {"load": 1, "near": 1, "symbol_index": operation["symbol_index"],
                        "reference": operation["reference"], "side": operation["side"]})
    await ctx.tick()
    # Nothing of an announcement is left when the operation is there.
    waiting = behind or {"symbol_index": 0, "reference": 0, "side": 0}
    ctx.set(dut.ahead, {"load": 0, "near": behind is not None, **{
        name: waiting[name] for name in ("symbol_index", "reference", "side")}})
    ctx.set(dut.operations.payload, operation)
    ctx.set(dut.operations.valid, 1)
    await ctx.tick().until(dut.operations.ready)
    ctx.set(dut.operations.valid, 0)


async def drive_announced(ctx, dut, items: Iterable[dict], go: Callable[[], bool] = always) -> None:
    """Put every book operation on ``dut.operations``, each announced; `go` as of `drive`."""
    for item in items:
        while not go():
            await ctx.tick()
        await offer_announced(ctx, dut, item)


async def collect(ctx, stream, out: list, go: Callable[[], bool] = always) -> None:
    """Append (cycle, payload) for every transfer to `out`, for ever; run it as a background bench.

    The payload is read as an ``amaranth.lib.data.Const`` or an integer. `go` sets ``ready``.
    """
    always_ready = not isinstance(stream.ready, Value) or getattr(
        stream.signature, "always_ready", False)
    cycle = 0
    while True:
        ready = True if always_ready else go()
        if not always_ready:
            ctx.set(stream.ready, ready)
        _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        if valid and ready:
            out.append((cycle, payload))
        cycle += 1


def run(dut: Elaboratable, *benches, background: Iterable = (), cycles: int = 1_000_000,
        vcd: str | None = None) -> None:
    """Simulate until every bench of `benches` is done.

    Parameters
    ----------
    dut : Elaboratable
        The design; its domain ``sync`` gets a clock.
    *benches : coroutine function
        Each takes the simulator context.
    background : iterable of coroutine function
        Benches that need not finish.
    cycles : int
        Fail after this many cycles.
    vcd : str or None
        File for a waveform.

    Raises
    ------
    TimeoutError
        If a bench is not done in time.
    """
    period = 1e-9
    sim = Simulator(dut)
    sim.add_clock(period)
    for bench in background:
        sim.add_testbench(bench, background=True)
    for bench in benches:
        sim.add_testbench(bench)

    def advance() -> None:
        for _ in range(2 * cycles + 2):  # an edge each step
            if not sim.advance():
                return
        raise TimeoutError(f"simulation did not end within {cycles} cycles")

    if vcd is None:
        advance()
    else:
        with sim.write_vcd(vcd):
            advance()
