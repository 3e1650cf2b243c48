"""Array blocks whose rows stand in a table elsewhere."""

import random

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.csr.array_port import ArrayPort
from hdl.csr.bus import CsrBus
from hdl.risk.limits import LimitRow
from hdl.row_table import RowTable, row_words
from hdl.strategy.parameters import StrategyRow
from proto.registers import Access, register_map
from tests.support.streams import run

ROWS = 4
MAP = register_map(symbols=ROWS)
BLOCKS = {block.name: block for block in MAP.blocks}


class Table(wiring.Component):
    """An array port with the table behind it."""

    def __init__(self, block, layout):
        self.block = block
        self.layout = layout
        self.port = ArrayPort(block)
        self.table = RowTable(layout, ROWS)
        super().__init__({"bus": In(CsrBus)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.port = port = self.port
        m.submodules.table = table = self.table
        m.d.comb += [
            port.bus.address.eq(self.bus.address), port.bus.write_data.eq(self.bus.write_data),
            port.bus.write.eq(self.bus.write), self.bus.read_data.eq(port.bus.read_data),
            table.cfg.word.eq(port.word), table.cfg.data.eq(port.data),
            table.cfg.write.eq(port.write), table.cfg.row.eq(port.row),
            table.cfg.commit.eq(port.commit), table.cfg.revoke.eq(port.revoke),
            table.cfg.read_row.eq(port.read_row), table.cfg.read_word.eq(port.read_word),
            port.read_data.eq(table.cfg.read_data),
        ]
        return m


async def write(ctx, bus, name, value):
    ctx.set(bus.address, MAP[name].address)
    ctx.set(bus.write_data, value)
    ctx.set(bus.write, 1)
    await ctx.tick()
    ctx.set(bus.write, 0)


async def read(ctx, bus, name):
    """Read with the stated latency of 2 cycles."""
    ctx.set(bus.address, MAP[name].address)
    await ctx.tick()
    ctx.set(bus.address, 0)
    await ctx.tick()
    return ctx.get(bus.read_data)


@pytest.mark.parametrize("name, layout", [("limits", LimitRow), ("strategy", StrategyRow)])
def test_registers_are_the_words_of_the_row(name, layout):
    settable = [register for register in BLOCKS[name].registers
                if register.fields[0].access is Access.RW]
    words = row_words(layout)
    assert [register.fields[0].width for register in settable] == [word.width for word in words]
    fields = [word.field for word in words]
    for register, field in zip(settable, fields, strict=True):
        assert field.removesuffix("_ns") == register.name.removesuffix("_lo").removesuffix("_hi")


@pytest.mark.parametrize("name, layout", [("limits", LimitRow), ("strategy", StrategyRow)])
def test_committed_rows_read_back_and_others_do_not(name, layout):
    dut = Table(BLOCKS[name], layout)

    async def bench(ctx):
        rng = random.Random(7)
        written = {}
        for row in (2, 0, 3):
            values = {}
            for register in BLOCKS[name].registers:
                if register.fields[0].access is Access.RW:
                    value = rng.getrandbits(register.fields[0].width)
                    await write(ctx, dut.bus, f"{name}[{row}].{register.name}", value)
                    values[register.name] = value
            await write(ctx, dut.bus, f"{name}[{row}].commit", 0)  # no commit
            await write(ctx, dut.bus, f"{name}[{row}].commit", 1)
            written[row] = values
        await ctx.tick()
        for row, values in written.items():
            for register, value in values.items():
                assert await read(ctx, dut.bus, f"{name}[{row}].{register}") == value
            assert await read(ctx, dut.bus, f"{name}[{row}].commit") == 0
        ctx.set(dut.table.row_0, 2)
        assert ctx.get(dut.table.loaded_0) == 1
        assert ctx.get(dut.table.cfg.version) == 3
        await write(ctx, dut.bus, f"{name}[2].revoke", 1)
        await ctx.tick()
        assert ctx.get(dut.table.loaded_0) == 0
        ctx.set(dut.table.row_0, 1)
        assert ctx.get(dut.table.loaded_0) == 0

    run(dut, bench)


def test_a_pulse_is_one_cycle_for_its_row_and_reads_of_other_blocks_are_zero():
    dut = ArrayPort(BLOCKS["positions"])

    async def bench(ctx):
        ctx.set(dut.read_data, 0x1234)
        await write(ctx, dut.bus, "positions[3].load", 1)
        assert (ctx.get(dut.load), ctx.get(dut.row)) == (1, 3)
        await ctx.tick()
        assert ctx.get(dut.load) == 0
        await write(ctx, dut.bus, "positions[1].position", 9)
        assert ctx.get(dut.write) == 0
        assert await read(ctx, dut.bus, "positions[1].position") == 0x1234
        for strobe in (0, 1):
            ctx.set(dut.bus.address, MAP["positions[2].open_buy_lo"].address)
            ctx.set(dut.bus.read, strobe)
            assert ctx.get(dut.read_row) == 2
            await ctx.tick()
            assert (ctx.get(dut.read), ctx.get(dut.read_word)) == (strobe, 1)
        ctx.set(dut.bus.address, 0)
        await ctx.tick()
        assert ctx.get(dut.read) == 0    # another block
        ctx.set(dut.bus.read, 0)
        assert await read(ctx, dut.bus, "limits[1].maximum_quantity") == 0
        assert await read(ctx, dut.bus, "positions[0].load") == 0

    run(dut, bench)


def test_a_block_that_stands_once_is_refused():
    with pytest.raises(ValueError, match="block risk must be an array"):
        ArrayPort(BLOCKS["risk"])
