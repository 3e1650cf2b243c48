"""The register map behind its bus."""

import random
from itertools import pairwise

import pytest
from amaranth import ResetInserter, Signal

from hdl.csr.bridge import CsrBridge
from hdl.csr.bus import READ_LATENCY
from hdl.csr.register_file import RegisterFile
from hdl.csr.settings_array import SettingsArray
from hdl.profile import Profile
from proto.counters import COUNTERS
from proto.registers import MAGIC, Access, BitField, Block, Register, register_map
from tests.support.streams import run

PROFILE = Profile(name="test", symbols=4, window_ticks=64, orders=64, frame_buffer_bytes=2048,
                  tcp_ring_bytes=1024, event_ring_bytes=1024)
MAP = register_map(symbols=PROFILE.symbols)


async def write(ctx, bus, address, value):
    ctx.set(bus.address, address)
    ctx.set(bus.write_data, value)
    ctx.set(bus.write, 1)
    await ctx.tick()
    ctx.set(bus.write, 0)


async def read(ctx, bus, address, latency=READ_LATENCY, strobe=1):
    ctx.set(bus.address, address)
    ctx.set(bus.read, strobe)
    for _ in range(latency):
        await ctx.tick()
        ctx.set(bus.address, 0xFFFC)  # nothing: the data must not depend on it any more
        ctx.set(bus.read, 0)
    return ctx.get(bus.read_data)


def test_every_register_reads_its_reset_after_the_stated_latency():
    dut = CsrBridge(PROFILE)

    async def bench(ctx):
        constants = {"identity.map_hash": MAP.hash, "identity.profile_orders": 64,
                     "identity.profile_window_ticks": 64, "identity.profile_symbols": 4,
                     "identity.magic": MAGIC, "identity.core_hz": PROFILE.core_hz}
        await ctx.tick().repeat(150)  # the counters' first sweeps
        for location in MAP.locations:
            expected = constants.get(location.name, location.register.reset)
            assert await read(ctx, dut.bus, location.address) == expected, location.name
        for hole in (0x001C, 0x00F0, 0x0700, 0x7FFC, 0x8080, 0xFFFC, 0x10034, 0x10100,
                     0xFFFFC):
            assert await read(ctx, dut.bus, hole) == 0

    run(dut, bench)


def test_settings_are_written_and_seen_by_hardware_and_software():
    dut = CsrBridge(PROFILE)

    async def bench(ctx):
        rng = random.Random(1)
        for location in MAP.locations:
            if location.block.count is not None or location.block.name in ("identity", "counters"):
                continue
            for field in location.register.fields:
                value = rng.getrandbits(32)
                port = getattr(dut, f"{location.block.name}_{location.register.name}" +
                               ("" if field.name == "value" else f"_{field.name}"))
                if field.access is Access.R:
                    continue
                await write(ctx, dut.bus, location.address, value)
                await ctx.tick()
                expected = field.extract(value)
                assert ctx.get(port) == expected
                await ctx.tick()
                assert ctx.get(port) == (0 if field.access is Access.PULSE else expected)
                if field.access is Access.RW:
                    assert field.extract(await read(ctx, dut.bus, location.address)) == expected

    run(dut, bench)


def test_status_is_read():
    dut = CsrBridge(PROFILE)

    async def bench(ctx):
        ctx.set(dut.control_status_memories_cleared, 1)
        ctx.set(dut.control_status_feed_idle, 1)
        assert await read(ctx, dut.bus, MAP["control.status"].address) == 0b101

    run(dut, bench)


def test_reading_the_lower_half_keeps_the_upper_one():
    dut = CsrBridge(PROFILE)
    pairs = [(name, location.block.lower_half(location.register))
             for name, location in ((location.name, location) for location in MAP.locations)
             if location.block.count is None]
    names = [name.removesuffix("_hi") for name, lower in pairs if lower is not None]
    assert names == ["session.next_sequence", "account.cash", "account.turnover"]

    async def bench(ctx):
        async def get(name, half, **how):
            return await read(ctx, dut.bus, MAP[f"{name}_{half}"].address, **how)

        def put(name, value):
            port = name.replace(".", "_")
            ctx.set(getattr(dut, f"{port}_lo"), value & 0xFFFFFFFF)
            ctx.set(getattr(dut, f"{port}_hi"), value >> 32)

        for name in names:
            put(name, 0x1_FFFF_FFFF)
        for name in names:
            assert await get(name, "lo") == 0xFFFFFFFF
            put(name, 0x2_0000_0000)
        for name in names:
            assert await get(name, "hi") == 1    # each has its own
            assert await get(name, "lo", strobe=0) == 0
            assert await get(name, "hi") == 1    # it was addressed, and not read
            assert (await get(name, "lo"), await get(name, "hi")) == (0, 2)

    run(dut, bench)


def test_the_upper_half_is_that_of_the_cycle_of_the_lower():
    dut = CsrBridge(PROFILE)

    async def bench(ctx):
        low, high = (MAP[f"account.cash_{half}"].address for half in ("lo", "hi"))
        value = 0xFFFFFFF0
        fetched = []
        for cycle in range(64):
            # The lower half, then the upper one in the cycle after, while the number goes up.
            ctx.set(dut.account_cash_lo, value & 0xFFFFFFFF)
            ctx.set(dut.account_cash_hi, value >> 32)
            ctx.set(dut.bus.address, (low, high)[cycle % 2])
            ctx.set(dut.bus.read, 1)
            await ctx.tick()
            value += 1
            fetched.append(ctx.get(dut.bus.read_data))
        words = fetched[READ_LATENCY - 1:-1]
        numbers = [upper << 32 | lower for lower, upper in zip(words[::2], words[1::2],
                                                               strict=False)]
        assert all(after - before == 2 for before, after in pairwise(numbers))
        assert numbers[0] < 1 << 32 < numbers[-1]

    run(dut, bench)


def test_symbol_settings_take_effect_together_on_commit():
    dut = CsrBridge(PROFILE)
    seen = []

    async def watch(ctx):
        while True:
            _, _, pulse, index, settings = await ctx.tick().sample(
                dut.symbol_committed, dut.symbol_index, dut.symbol_settings)
            if pulse:
                seen.append((index, settings.stock_hi, settings.stock_lo, settings.locate,
                             settings.locate_valid, settings.tick_size, settings.enable))

    async def bench(ctx):
        async def put(index, register, value):
            await write(ctx, dut.bus, MAP[f"symbols[{index}].{register}"].address, value)

        for index in (2, 0, 3):
            await put(index, "stock_hi", 0x41414141 + index)
            await put(index, "stock_lo", 0x42424242 + index)
            await put(index, "locate", 1 << 16 | 100 + index)
            await put(index, "tick_size", 5)
            await put(index, "enable", 1)
        await ctx.tick().repeat(40)
        assert seen == []
        for index in (3, 2, 0):
            await put(index, "commit", 1)
        await put(1, "commit", 0)
        await ctx.tick().repeat(80)
        assert await read(ctx, dut.bus, MAP["symbols[2].locate"].address) == 1 << 16 | 102
        assert await read(ctx, dut.bus, MAP["symbols[2].commit"].address) == 0

    run(dut, bench, background=[watch])
    assert sorted(seen) == [(i, 0x41414141 + i, 0x42424242 + i, 100 + i, 1, 5, 1)
                            for i in (0, 2, 3)]


def test_lone_commit_is_handed_on_in_the_stated_time():
    dut = CsrBridge(PROFILE)
    registers = len(MAP["symbols[0].commit"].block.registers)

    async def bench(ctx):
        for index in range(PROFILE.symbols):
            await write(ctx, dut.bus, MAP[f"symbols[{index}].commit"].address, 1)
            cycles = 0
            while not ctx.get(dut.symbol_committed):
                await ctx.tick()
                cycles += 1
            assert cycles <= 2 * PROFILE.symbols + 3 * registers + 5
            await ctx.tick()

    run(dut, bench)


def test_counters_count_every_pulse_and_several_at_once():
    dut = CsrBridge(PROFILE, counter_widths={"mold.gap_messages": 16})
    rng = random.Random(3)
    totals = dict.fromkeys((counter.name for counter in COUNTERS), 0)

    async def bench(ctx):
        for cycle in range(400):
            word = 0
            for counter in COUNTERS:
                bits = dut.count_slice(counter.name)
                top = (1 << (bits.stop - bits.start)) - 1
                # All inputs at their largest for some sweeps, then at random.
                value = top if cycle < 200 else rng.randint(0, top)
                totals[counter.name] += value
                word |= value << bits.start
            ctx.set(dut.counts, word)
            await ctx.tick()
        ctx.set(dut.counts, 0)
        await ctx.tick().repeat(2 * 64 + 3)
        for counter in COUNTERS:
            address = MAP[f"counters.{counter.register}"].address
            assert await read(ctx, dut.bus, address) == totals[counter.name], counter.name

    run(dut, bench)


def test_a_reset_brings_back_what_settings_read():
    def number(name, width, reset=0, lsb=0):
        return BitField(name=name, width=width, lsb=lsb, access=Access.RW, reset=reset,
                        description="A number.")

    blocks = (
        Block(name="a", base=0x40, description="", registers=(
            Register(name="r", description="", fields=(number("value", 5, reset=3),)),)),
        Block(name="b", base=0x80, description="", registers=(
            Register(name="r", description="", fields=(number("x", 2), number("y", 3, 5, 8))),
            Register(name="s", description="", fields=(number("value", 32),)))),
    )
    file = RegisterFile(blocks, constants={})
    reset = Signal()

    async def bench(ctx):
        bus = file.bus

        async def words():
            return [await read(ctx, bus, where, latency=3)
                    for where in (0x40, 0x80, 0x84, 0xC0, 0x1040, 0x42)]

        for _ in range(2):
            assert await words() == [3, 0x500, 0, 0, 0, 0]
            for where in (0xC0, 0x1040, 0x84, 0x42):
                await write(ctx, bus, where, 0xFFFFFFFF)
            assert await words() == [3, 0x500, 0xFFFFFFFF, 0, 0, 0]
            for where in (0x40, 0x80):
                await write(ctx, bus, where, 0xFFFFFFFF)
            assert await words() == [0x1F, 0x703, 0xFFFFFFFF, 0, 0, 0]
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)

    run(ResetInserter(reset)(file), bench)


def test_w1c_bits_stay_until_they_are_cleared():
    field = BitField(name="value", width=2, access=Access.W1C, description="A bit.")
    block = Block(name="b", base=0, description="", registers=(
        Register(name="r", description="", fields=(field,)),))
    dut = RegisterFile((block,), constants={})

    async def bench(ctx):
        ctx.set(dut.b_r, 3)
        await ctx.tick()
        ctx.set(dut.b_r, 0)
        assert await read(ctx, dut.bus, 0, latency=3) == 3
        await write(ctx, dut.bus, 0, 1)
        await ctx.tick().repeat(2)
        assert await read(ctx, dut.bus, 0, latency=3) == 2

    run(dut, bench)


def test_parameters_are_checked():
    blocks = {block.name: block for block in MAP.blocks}
    with pytest.raises(ValueError, match="must not be an array"):
        RegisterFile((blocks["symbols"],), constants={})
    with pytest.raises(ValueError, match="must be an array"):
        SettingsArray(blocks["control"])
    with pytest.raises(ValueError, match="unknown counters: nonsense"):
        CsrBridge(PROFILE, counter_widths={"nonsense": 2})
    with pytest.raises(ValueError, match="no counter"):
        CsrBridge(PROFILE).count_slice("nonsense")
