import random

from hdl.feed.symbol_filter import SymbolFilter
from hdl.profile import PROFILES
from tests.support.streams import run

PROFILE = PROFILES["bench"]


def stock(name):
    return int.from_bytes(name.encode().ljust(8), "big")


async def configure(ctx, dut, index, name, *, locate=0, valid=0, enable=1):
    for port, value in (("index", index), ("stock", stock(name)), ("locate", locate),
                        ("locate_valid", valid), ("enable", enable), ("write", 1)):
        ctx.set(getattr(dut, f"cfg_{port}"), value)
    await ctx.tick()
    ctx.set(dut.cfg_write, 0)
    await ctx.tick().repeat(4)


async def look_up(ctx, dut, locate):
    ctx.set(dut.locate, locate)
    ctx.set(dut.look_up, 1)
    await ctx.tick()
    ctx.set(dut.look_up, 0)
    ctx.set(dut.locate, 0xFFFF)
    return (ctx.get(dut.watched), ctx.get(dut.symbol_index))


async def directory(ctx, dut, name, locate):
    ctx.set(dut.directory_stock, stock(name))
    ctx.set(dut.directory_locate, locate)
    ctx.set(dut.directory, 1)
    await ctx.tick()
    ctx.set(dut.directory, 0)
    for _ in range(4):
        await ctx.tick()
        assert not ctx.get(dut.learned) and not ctx.get(dut.unknown)
    await ctx.tick()
    learned = (ctx.get(dut.learned), ctx.get(dut.learned_index), ctx.get(dut.learned_locate))
    assert ctx.get(dut.unknown) == (not learned[0])
    return learned


def test_locates_are_looked_up_in_one_cycle_and_stay():
    dut = SymbolFilter(PROFILE)

    async def bench(ctx):
        rng = random.Random(1)
        locates = rng.sample(range(65536), PROFILE.symbols)
        assert await look_up(ctx, dut, 0) == (0, 0)
        for index, locate in enumerate(locates):
            await configure(ctx, dut, index, f"S{index}", locate=locate, valid=1,
                            enable=index != 3)
        for index, locate in enumerate(locates):
            assert await look_up(ctx, dut, locate) == ((1, index) if index != 3 else (0, 0))
            await ctx.tick().repeat(3)
            assert ctx.get(dut.watched) == (index != 3)
            assert (await look_up(ctx, dut, locate ^ 1 << rng.randrange(16)))[0] == 0

    run(dut, bench)


def test_locate_is_learnt_from_the_directory():
    dut = SymbolFilter(PROFILE)
    names = ["A", "AA", "AAPL", "MSFT", "BRK.A", "ZXZZT", "IVOO", "LONGNAME"]

    async def bench(ctx):
        for index, name in enumerate(names):
            await configure(ctx, dut, index, name, enable=name != "AA")
        for locate, name in enumerate(["AAP", "AAPLE", "", "B", "LONGNAMF"]):
            assert (await directory(ctx, dut, name, 100 + locate))[0] == 0
            assert (await look_up(ctx, dut, 100 + locate))[0] == 0
        for index, name in enumerate(names):
            if name == "AA":
                assert (await directory(ctx, dut, name, 7000))[0] == 0
                continue
            assert await directory(ctx, dut, name, 7000 + index) == (1, index, 7000 + index)
            assert await look_up(ctx, dut, 7000 + index) == (1, index)
        # A new day: another locate, and the old one no longer counts.
        assert await directory(ctx, dut, "MSFT", 9) == (1, 3, 9)
        assert (await look_up(ctx, dut, 7003))[0] == 0
        assert await look_up(ctx, dut, 9) == (1, 3)
        # Another stock in the entry: the locate goes with the old one.
        await configure(ctx, dut, 3, "NVDA")
        assert (await look_up(ctx, dut, 9))[0] == 0
        assert (await directory(ctx, dut, "MSFT", 9))[0] == 0
        assert await directory(ctx, dut, "NVDA", 10) == (1, 3, 10)

    run(dut, bench)
