"""Rows of settings: shadow, commit, revocation, read-back."""

import pytest
from amaranth.hdl import signed
from amaranth.lib import data

from hdl.row_table import RowTable, row_words
from tests.support.streams import run

ROW = data.StructLayout({"level": signed(20), "value": 52, "flag": 1})


async def write(ctx, dut, words) -> None:
    ctx.set(dut.cfg.write, 1)
    for address, word in enumerate(words):
        ctx.set(dut.cfg.word, address)
        ctx.set(dut.cfg.data, word)
        await ctx.tick()
    ctx.set(dut.cfg.write, 0)


async def pulse(ctx, dut, name: str, row: int) -> None:
    ctx.set(dut.cfg.row, row)
    ctx.set(getattr(dut.cfg, name), 1)
    await ctx.tick()
    ctx.set(getattr(dut.cfg, name), 0)


def test_words_begin_with_a_field():
    assert [(word.field, word.offset, word.width) for word in row_words(ROW)] == [
        ("level", 0, 20), ("value", 0, 32), ("value", 32, 20), ("flag", 0, 1)]


def test_a_row_changes_as_a_whole_in_one_cycle():
    dut = RowTable(ROW, 5, reads=2)

    async def check(ctx):
        ctx.set(dut.row_0, 3)
        ctx.set(dut.row_1, 4)
        await write(ctx, dut, [0xFFFFFFFF, 2, 3, 1])
        assert not ctx.get(dut.loaded_0)
        await pulse(ctx, dut, "commit", 3)
        assert (ctx.get(dut.loaded_0), ctx.get(dut.loaded_1), ctx.get(dut.cfg.version)) == (1, 0, 1)
        row = ctx.get(dut.settings_0)
        assert (row.level, row.value, row.flag) == (-1, (3 << 32) + 2, 1)
        await write(ctx, dut, [5])
        assert ctx.get(dut.settings_0).level == -1  # the shadow alone has changed
        ctx.set(dut.cfg.read_row, 3)
        for address, word in enumerate([0xFFFFF, 2, 3, 1]):
            ctx.set(dut.cfg.read_word, address)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.cfg.read_data) == word
        assert (ctx.get(dut.cfg.read_loaded), ctx.get(dut.cfg.read_version)) == (1, 1)
        await pulse(ctx, dut, "revoke", 3)
        assert (ctx.get(dut.loaded_0), ctx.get(dut.cfg.version)) == (0, 2)
        await pulse(ctx, dut, "commit", 4)
        states = []
        for row in (3, 4, 0):
            ctx.set(dut.cfg.read_row, row)
            await ctx.tick().repeat(2)
            states.append((ctx.get(dut.cfg.read_loaded), ctx.get(dut.cfg.read_version)))
        assert states == [(0, 1), (1, 3), (0, 0)]

    run(dut, check)


@pytest.mark.parametrize(("rows", "reads"), [(0, 1), (1, 0)])
def test_an_empty_table_is_refused(rows, reads):
    with pytest.raises(ValueError, match="rows and reads must be >= 1"):
        RowTable(ROW, rows, reads=reads)
