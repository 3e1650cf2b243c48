"""Every price level of a window, in block RAM, with the search for the next best one."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from hdl.book.layouts import FoundLevel, LevelOp, LevelOpKind, row_bits
from hdl.book.level_search import LevelSearch
from hdl.book.tick import KEY_BITS, OFFSET_BITS, TickConfig, TickDivider
from hdl.profile import Profile

__all__ = ["PriceLevels", "leaf_bits"]

#: Part of the window kept for prices better than the touch it was placed round: 1/4.
_BETTER_SHIFT = 2


def leaf_bits(profile: Profile) -> int:
    """Return the width of an occupancy word: about the square root of the window."""
    return 1 << ((ceil_log2(profile.window_ticks) + 1) // 2)


class PriceLevels(wiring.Component):
    """Keep shares and orders of each tick of a window, for every side of every symbol.

    Latency: 10 cycles, `operations` valid to the change being stored. Throughput: 1 operation
    every 2 cycles, never stalled. The results of the last two operations are forwarded, so that
    runs on one level, or one occupancy word, are exact. A level is valid if its bit in its
    occupancy word is set; a REBASE clears the words, one a cycle, not the levels; `clearing`
    rises eleven cycles after it and no operation may come until it has fallen again.

    Operations on a price outside the window change nothing. A price off the tick grid inside
    the window changes nothing and pulses `failed`, as does a removal from an empty level.

    Parameters
    ----------
    profile : Profile

    Members
    -------
    operations : ``In(stream.Signature(LevelOp, always_ready=True))``
        At least two cycles apart.
    found : ``Out(stream.Signature(FoundLevel))``
        Answers to SEARCH operations; one search at a time.
    stop_search : ``In(1)``
        Close the search that is under way.
    config_write, config_symbol, config : ``In``
        Write the tick size of a symbol; only while it has no orders.
    clear : ``In(1)``
        Forget every level; `clearing` is high until that is done (after reset as well).
    clearing : ``Out(1)``
        A clear or a REBASE is going on.
    outside : ``Out(1)``, outside_row : ``Out``, outside_key : ``Out(32)``
        An order was added at a price better than the window.
    walk_ended : ``Out(1)``
        A WALK_END has passed.
    failed : ``Out(1)``, failed_row : ``Out``
        The levels of a side are no longer exact.
    stat_off_grid, stat_underflow : ``Out(1)``
        Why: a price off the grid; a removal from a level without orders.
    """

    LATENCY = 10

    def __init__(self, profile: Profile):
        self.profile = profile
        rows = row_bits(profile)
        super().__init__({
            "operations":    In(stream.Signature(LevelOp(profile), always_ready=True)),
            "found":         Out(stream.Signature(FoundLevel(profile))),
            "stop_search":   In(1),
            "config_write":  In(1),
            "config_symbol": In(profile.symbol_bits),
            "config":        In(TickConfig),
            "clear":         In(1),
            "clearing":      Out(1, init=1),
            "outside":       Out(1),
            "outside_row":   Out(rows),
            "outside_key":   Out(KEY_BITS),
            "walk_ended":    Out(1),
            "failed":        Out(1),
            "failed_row":    Out(rows),
            "stat_off_grid": Out(1),
            "stat_underflow": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        profile = self.profile
        rows = 1 << row_bits(profile)
        leaf_width = leaf_bits(profile)
        leaves = profile.window_ticks // leaf_width
        index_bits = ceil_log2(profile.window_ticks)
        low_bits = ceil_log2(leaf_width)
        level_shape = data.StructLayout({"quantity": 32, "count": profile.count_bits})
        op_shape = LevelOp(profile)

        m.submodules.configs = configs = memory.Memory(
            shape=TickConfig, depth=1 << profile.symbol_bits, init=[])
        m.submodules.bases = bases = memory.Memory(
            shape=signed(OFFSET_BITS), depth=rows, init=[])
        m.submodules.levels = levels = memory.Memory(
            shape=level_shape, depth=rows * profile.window_ticks, init=[])
        m.submodules.leaves = leaf_words = memory.Memory(
            shape=leaf_width, depth=rows * leaves, init=[])
        m.submodules.summary = summaries = memory.Memory(shape=leaves, depth=rows, init=[])

        config_write = configs.write_port()
        m.d.comb += [config_write.addr.eq(self.config_symbol),
                     Value.cast(config_write.data).eq(Value.cast(self.config)),
                     config_write.en.eq(self.config_write)]

        def delayed(value, cycles, name, reset_less=True):
            for stage in range(cycles):
                after = Signal(value.shape(), name=f"{name}_{stage}", reset_less=reset_less)
                m.d.sync += after.eq(value)
                value = after
            return value

        # Stage 0: base and tick of the side; FIRST and REBASE place the window.
        op = self.operations.p
        valid = self.operations.valid
        config_read = configs.read_port(domain="comb")
        base_read = bases.read_port(domain="comb")
        base_write = bases.write_port()
        m.d.comb += [config_read.addr.eq(op.row >> 1), base_read.addr.eq(op.row)]
        places = (op.kind == LevelOpKind.FIRST) | (op.kind == LevelOpKind.REBASE)
        nowhere = (op.kind == LevelOpKind.REBASE) & ~op.keyed
        new_base = Signal(signed(OFFSET_BITS))
        margin = config_read.data.tick_size << (index_bits - _BETTER_SHIFT)
        m.d.comb += [
            new_base.eq(Mux(nowhere, 1 << (KEY_BITS + 1), op.key - margin)),
            base_write.addr.eq(op.row),
            base_write.data.eq(new_base),
            base_write.en.eq(valid & places),
        ]
        op_1 = Signal(op_shape, reset_less=True)
        base_1 = Signal(signed(OFFSET_BITS), reset_less=True)
        config_1 = Signal(TickConfig, reset_less=True)
        m.d.sync += [Value.cast(op_1).eq(Value.cast(op)),
                     base_1.eq(Mux(places, new_base, base_read.data)),
                     Value.cast(config_1).eq(Value.cast(config_read.data))]

        # Stage 1: distance; stages 2 to 5: its division by the tick.
        offset_2 = Signal(signed(OFFSET_BITS), reset_less=True)
        m.d.sync += offset_2.eq(op_1.key - base_1)
        m.submodules.divider = divider = TickDivider(profile.window_ticks)
        config_2 = delayed(config_1, 1, "config_2")
        m.d.comb += [divider.offset.eq(offset_2), divider.config.eq(config_2)]
        op_6 = delayed(op_1, 5, "op")
        valid_6 = delayed(valid, 6, "valid", reset_less=False)
        base_6 = delayed(base_1, 5, "base")

        # Stage 6: addresses go to the memories; an add better than the window is reported.
        adds_6 = (op_6.kind == LevelOpKind.ADD) | (op_6.kind == LevelOpKind.FIRST)
        changes_6 = Signal()
        m.d.comb += changes_6.eq(
            valid_6 & divider.inside & (adds_6 | (op_6.kind == LevelOpKind.REMOVE)))
        m.d.sync += [
            self.outside.eq(valid_6 & adds_6 & divider.better),
            self.outside_row.eq(op_6.row),
            self.outside_key.eq(op_6.key),
        ]
        search = LevelSearch(profile, leaf_width)
        clear_all = Signal(init=1)
        m.submodules.search = ResetInserter(clear_all)(search)
        m.d.comb += [
            search.start.eq(valid_6 & (op_6.kind == LevelOpKind.SEARCH)),
            search.row.eq(op_6.row),
            search.base.eq(base_6),
            search.tick_size.eq(divider.config_out.tick_size),
            search.index.eq(divider.index),
            search.from_best.eq(~op_6.keyed | divider.better),
            search.nothing.eq(op_6.keyed & ~divider.better & ~divider.inside),
            search.stop.eq(self.stop_search),
            search.memory_free.eq(~changes_6),
        ]
        connect(m, search.found, flipped(self.found))

        level_read = levels.read_port()
        leaf_read = leaf_words.read_port()
        level_address_6 = Cat(divider.index, op_6.row)
        m.d.comb += [
            level_read.en.eq(1), leaf_read.en.eq(1),
            level_read.addr.eq(Mux(changes_6, level_address_6, search.level_address)),
            leaf_read.addr.eq(Mux(changes_6, level_address_6[low_bits:], search.leaf_address)),
        ]

        # Stage 7: memories answer. Stage 8: their answers are in registers; the grid is checked.
        level_8 = Signal(level_shape, reset_less=True)
        leaf_8 = Signal(leaf_width, reset_less=True)
        m.d.sync += [Value.cast(level_8).eq(Value.cast(level_read.data)),
                     leaf_8.eq(leaf_read.data)]
        m.d.comb += [search.leaf_word.eq(leaf_8),
                     search.quantity.eq(level_8.quantity), search.count.eq(level_8.count)]
        back_7 = Signal(OFFSET_BITS, reset_less=True)
        m.d.sync += back_7.eq(divider.index * divider.config_out.tick_size)
        offset_7 = delayed(divider.offset_out, 1, "offset_7")
        on_grid_8 = Signal(reset_less=True)
        m.d.sync += on_grid_8.eq(back_7 == offset_7)

        op_8 = delayed(op_6, 2, "op_late")
        changes_8 = delayed(changes_6, 2, "changes", reset_less=False)
        address_7 = delayed(level_address_6, 1, "address")
        address_8 = delayed(address_7, 1, "address_late")
        rebase_6 = valid_6 & (op_6.kind == LevelOpKind.REBASE)
        ends_6 = valid_6 & (op_6.kind == LevelOpKind.WALK_END)
        m.d.comb += self.walk_ended.eq(delayed(ends_6, 4, "walk_end", reset_less=False))

        # What the last operation, and the one before it, stored.
        done_address = [Signal(len(address_8), name=f"done_address_{n}") for n in range(2)]
        done_level = [Signal(level_shape, name=f"done_level_{n}") for n in range(2)]
        done_leaf = [Signal(leaf_width, name=f"done_leaf_{n}") for n in range(2)]
        done = [Signal(name=f"done_{n}") for n in range(2)]

        # Stage 8 also compares with them: by the time the answers are used, both are known.
        def forward(stored, address, answer, shift):
            hits = [done[n] & (done_address[n][shift:] == address[shift:]) for n in range(2)]
            return Mux(hits[0], stored[0], Mux(hits[1], stored[1], answer))

        level_9 = Signal(level_shape, reset_less=True)
        leaf_9 = Signal(leaf_width, reset_less=True)
        onehot_9 = Signal(leaf_width, reset_less=True)
        onehot_8 = Signal(leaf_width, reset_less=True)
        present_9 = Signal(reset_less=True)
        on_grid_9 = Signal(reset_less=True)
        leaf_now = Signal(leaf_width)
        m.d.comb += leaf_now.eq(forward(done_leaf, address_8, leaf_8, low_bits))
        m.d.sync += [
            Value.cast(level_9).eq(forward([Value.cast(x) for x in done_level], address_8,
                                           Value.cast(level_8), 0)),
            leaf_9.eq(leaf_now),
            # The bit of each word, while it is found out which word it is.
            present_9.eq(forward([(word & onehot_8).any() for word in done_leaf], address_8,
                                 (leaf_8 & onehot_8).any(), low_bits)),
            onehot_8.eq(1 << address_7[:low_bits]), onehot_9.eq(onehot_8),
            on_grid_9.eq(on_grid_8),
        ]
        op_9 = delayed(op_8, 1, "op_9")
        changes_9 = delayed(changes_8, 1, "changes_9", reset_less=False)
        address_9 = delayed(address_8, 1, "address_9")

        # Stage 9: the new level and its occupancy bit.
        removes = op_9.kind == LevelOpKind.REMOVE
        quantity = Mux(present_9, level_9.quantity, 0)
        count = Mux(present_9, level_9.count, 0)
        level_new = Signal(level_shape)
        empties = Signal()
        underflow = removes & ~present_9
        m.d.comb += [
            level_new.quantity.eq(Mux(removes, quantity - op_9.quantity,
                                      quantity + op_9.quantity)),
            level_new.count.eq(Mux(removes, count - op_9.final, count + 1)),
            empties.eq(removes & op_9.final & (level_9.count == 1)),
        ]
        stores = Signal()
        m.d.comb += stores.eq(changes_9 & on_grid_9 & ~underflow)
        store_10 = Signal()
        m.d.sync += [
            store_10.eq(stores),
            self.stat_off_grid.eq(changes_9 & ~on_grid_9),
            self.stat_underflow.eq(changes_9 & on_grid_9 & underflow),
            self.failed.eq(changes_9 & (~on_grid_9 | underflow)),
            self.failed_row.eq(op_9.row),
        ]
        with m.If(stores):
            m.d.sync += [
                done[0].eq(1), done[1].eq(done[0]),
                done_address[0].eq(address_9), done_address[1].eq(done_address[0]),
                Value.cast(done_level[0]).eq(Value.cast(level_new)),
                Value.cast(done_level[1]).eq(Value.cast(done_level[0])),
                done_leaf[0].eq(Mux(empties, leaf_9 & ~onehot_9, leaf_9 | onehot_9)),
                done_leaf[1].eq(done_leaf[0]),
            ]

        # Stage 10: memories are written. A clear has the occupancy words for itself.
        level_write = levels.write_port()
        leaf_write = leaf_words.write_port()
        summary_write = summaries.write_port()
        summary_now = summaries.read_port(domain="comb")
        summary_search = summaries.read_port(domain="comb")
        m.d.comb += [summary_search.addr.eq(search.row_searched),
                     search.summary.eq(summary_search.data)]
        row_10 = done_address[0][index_bits:]
        leaf_index_10 = done_address[0][low_bits:index_bits]
        leaf_bit_10 = Signal(leaves)
        m.d.comb += [
            level_write.addr.eq(done_address[0]),
            Value.cast(level_write.data).eq(Value.cast(done_level[0])),
            level_write.en.eq(store_10),
            summary_now.addr.eq(row_10),
            leaf_bit_10.eq(1 << leaf_index_10),
        ]

        clear_address = Signal(range(rows * leaves))
        clear_last = Signal(range(rows * leaves), init=rows * leaves - 1)
        with m.If(self.clearing):
            m.d.comb += [
                leaf_write.addr.eq(clear_address), leaf_write.data.eq(0), leaf_write.en.eq(1),
                summary_write.addr.eq(clear_address >> ceil_log2(leaves)),
                summary_write.data.eq(0), summary_write.en.eq(1),
            ]
            m.d.sync += clear_address.eq(clear_address + 1)
            with m.If(clear_address == clear_last):
                m.d.sync += [self.clearing.eq(0), clear_all.eq(0)]
            m.d.sync += [done[0].eq(0), done[1].eq(0)]
        with m.Else():
            m.d.comb += [
                leaf_write.addr.eq(done_address[0][low_bits:]),
                leaf_write.data.eq(done_leaf[0]),
                leaf_write.en.eq(store_10),
                summary_write.addr.eq(row_10),
                summary_write.data.eq(Mux(done_leaf[0].any(), summary_now.data | leaf_bit_10,
                                          summary_now.data & ~leaf_bit_10)),
                summary_write.en.eq(store_10),
            ]
        rebase_10 = delayed(rebase_6, 4, "rebase", reset_less=False)
        row_of_rebase = delayed(op_9.row, 1, "rebase_row")
        # A REBASE that was under way as a clear came clears no more than that does.
        with m.If(rebase_10 & ~clear_all):
            m.d.sync += [
                self.clearing.eq(1),
                clear_address.eq(Cat(C(0, ceil_log2(leaves)), row_of_rebase)),
                clear_last.eq(Cat(C(leaves - 1, ceil_log2(leaves)), row_of_rebase)),
            ]
        with m.If(self.clear):
            m.d.sync += [self.clearing.eq(1), clear_all.eq(1), clear_address.eq(0),
                         clear_last.eq(rows * leaves - 1)]

        return m
