"""Books of all symbols: from a message that names an order to the top of the book."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.book.order_table import OrderTable
from hdl.book.price_levels import PriceLevels
from hdl.book.tick import TickConfig
from hdl.book.top_cache import TopCache
from hdl.profile import Profile
from hdl.records import TAG_BITS, BookOperation, OperationAhead, SideDepth, TopOfBook

__all__ = ["Book"]


class Book(wiring.Component):
    """Keep the books of the watched symbols and publish the top after each message.

    Latency: 2 cycles, `operations` transfer to `top_of_book.valid`, for an ADD when no older
    operation is on its way; 7 cycles for every other operation, and for an ADD behind one.
    Throughput: one operation every 2 cycles, a REPLACE in 4. Backpressure only while a side is
    refilled or its window is emptied (see :class:`TopCache`), and with `cfg_hold`, under which no
    operation is taken while a window moves, or may have to be moved before its predecessors' tops
    can be published.

    Members
    -------
    operations : ``In(stream.Signature(BookOperation))``
    ahead : ``In(OperationAhead)``
        Announces each operation in the cycle before it is offered.
    top_of_book : ``Out(stream.Signature(TopOfBook, always_ready=True))``
    sides : ``Out(stream.Signature(SideDepth, always_ready=True))``
    next_symbol, next_tag : ``Out``
        See :class:`TopCache`.
    cfg_hold : ``In(1)``
        Wait for moving windows: a replay then loses no row to them.
    cfg_one_by_one, hold : ``In(1)``
        No operation is taken before its predecessors' levels are published, known if a search
        finds them; nor while `hold` is high, which may rise 2 cycles after `sides.valid`.
    cfg_seeds : ``In``
        Keys of the order table's hashes; taken over while it is empty.
    tick_write, tick_symbol, tick : ``In``
        Write the tick size of a symbol; only while it has no orders.
    stale_symbols, incomplete_symbols : ``In(symbols)``
        Mark books, see :class:`TopCache`.
    clear : ``In(1)``
        Forget every order and every mark.
    ready : ``Out(1)``
        Memories are cleared.
    idle : ``Out(1)``
        Every operation taken has been published and no upkeep is left.
    stale, incomplete : ``Out(symbols)``
    stat_* : ``Out(1)``
        Pulses, see the parts.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.table = OrderTable(profile)
        symbols = 1 << profile.symbol_bits
        self.stats = ("stat_unknown_reference", "stat_duplicate_reference", "stat_overfill",
                      "stat_overflow", "stat_off_grid", "stat_underflow", "stat_rebuild",
                      "stat_refill")
        super().__init__({
            "operations": In(stream.Signature(BookOperation(profile))),
            "ahead": In(OperationAhead(profile)),
            "top_of_book": Out(stream.Signature(TopOfBook(profile), always_ready=True)),
            "sides": Out(stream.Signature(SideDepth(profile), always_ready=True)),
            "next_symbol": Out(profile.symbol_bits), "next_tag": Out(TAG_BITS),
            "cfg_hold": In(1), "cfg_one_by_one": In(1), "hold": In(1),
            "cfg_seeds": self.table.signature.members["cfg_seeds"],
            "tick_write": In(1), "tick_symbol": In(profile.symbol_bits), "tick": In(TickConfig),
            "stale_symbols": In(symbols), "incomplete_symbols": In(symbols),
            "clear": In(1), "ready": Out(1), "idle": Out(1),
            "stale": Out(symbols), "incomplete": Out(symbols),
            "occupancy": Out(profile.count_bits),
            **{name: Out(1) for name in self.stats},
        })

    def elaborate(self, platform):
        m = Module()

        symbols = len(self.stale)
        m.submodules.table = table = self.table
        m.submodules.cache = cache = TopCache(self.profile)
        m.submodules.levels = levels = PriceLevels(self.profile)
        connect(m, table.updates, cache.updates)
        m.d.comb += Value.cast(cache.coming).eq(Value.cast(table.coming))
        connect(m, cache.walk, table.walk)
        connect(m, cache.level_operations, levels.operations)
        connect(m, levels.found, cache.found)
        connect(m, cache.top_of_book, flipped(self.top_of_book))
        connect(m, cache.sides, flipped(self.sides))
        m.d.comb += [self.next_symbol.eq(cache.next_symbol), self.next_tag.eq(cache.next_tag)]

        # Under `cfg_hold` no operation follows one that may use up the cached levels of a side: so
        # many may be under way as each side has levels, or one.
        under_way = Signal(range(32))
        settled = Signal(2)             # what the cache says of itself is that much behind
        taken = self.operations.valid & self.operations.ready
        m.d.sync += [
            settled.eq(Mux(self.clear, 0, Cat(cache.settled, settled))),
            under_way.eq(Mux(self.clear, 0, under_way + taken - settled[-1])),
        ]
        # A register, as it stands before everything that an operation passes at once. It is a cycle
        # late, in which the table takes no second operation.
        admit = Signal()
        apart = Signal()        # nothing is under way, and nothing can be found out any more
        m.d.comb += apart.eq((under_way == 0) & ~settled.any() & ~cache.searching & ~self.hold)
        m.d.sync += admit.eq((~self.cfg_hold | (cache.steady & Mux(
            cache.any_low, under_way == 0, under_way < cache.low_levels)))
            & (~self.cfg_one_by_one | (apart & ~taken)))
        # While an operation waits here, what is near is the one behind it.
        m.d.comb += [Value.cast(table.ahead).eq(Value.cast(self.ahead)),
                     table.ahead.near.eq(self.ahead.near & (admit | ~self.operations.valid))]
        m.d.comb += [
            Value.cast(table.operations.payload).eq(Value.cast(self.operations.payload)),
            table.operations.valid.eq(self.operations.valid & admit),
            self.operations.ready.eq(table.operations.ready & admit),
            self.idle.eq((under_way == 0) & cache.idle),
        ]

        late = 1 << table.late_symbol_index
        m.d.comb += [
            table.cfg_seeds.eq(self.cfg_seeds),
            table.clear.eq(self.clear), cache.clear.eq(self.clear), levels.clear.eq(self.clear),
            self.ready.eq(table.cleared & ~cache.clearing & ~levels.clearing),
            levels.stop_search.eq(cache.stop_search),
            levels.config_write.eq(self.tick_write),
            levels.config_symbol.eq(self.tick_symbol),
            Value.cast(levels.config).eq(Value.cast(self.tick)),
            cache.outside.eq(levels.outside), cache.outside_row.eq(levels.outside_row),
            cache.outside_key.eq(levels.outside_key), cache.walk_ended.eq(levels.walk_ended),
            cache.failed.eq(levels.failed), cache.failed_row.eq(levels.failed_row),
            cache.levels_clearing.eq(levels.clearing),
            cache.stale_symbols.eq(self.stale_symbols |
                                   Mux(table.late_overflow, late, 0)[:symbols]),
            cache.incomplete_symbols.eq(self.incomplete_symbols |
                                        Mux(table.late_duplicate, late, 0)[:symbols]),
            self.stale.eq(cache.stale), self.incomplete.eq(cache.incomplete),
            self.occupancy.eq(table.occupancy),
        ]
        for part in (table, levels, cache):
            for name in self.stats:
                if name in part.signature.members:
                    m.d.comb += getattr(self, name).eq(getattr(part, name))
        return m
