"""The best levels of every side, beside the datapath; what the rest of the path acts on."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.book.cache_update import CacheAction, CacheUpdate
from hdl.book.layouts import CachedLevel, CacheRow, FoundLevel, LevelOp, LevelOpKind, row_bits
from hdl.book.publisher import TopPublisher
from hdl.book.tick import KEY_BITS
from hdl.book.upkeep import RebuildControl, RefillControl
from hdl.profile import Profile
from hdl.records import TAG_BITS, LevelUpdate, Side, TopOfBook, UpdateKind

__all__ = ["TopCache"]

#: Cycles from a REBASE leaving here to `levels_clearing`, with some to spare.
_REBASE_CYCLES = 15


class TopCache(wiring.Component):
    """Apply level updates to the best levels of each side and publish the top of the book.

    Latency: 3 cycles, `updates` transfer to `top_of_book.valid`. Throughput: 1 update every 2
    cycles; `updates.ready` falls for longer only while a side whose cached levels were all used
    up is refilled (so that every event's top is published), and while the window of a side is
    being emptied. Each message publishes once, with its last update: a replace never shows its
    removal half.

    A side with orders of which none is cached is not known. It is published as stale, until it
    is known again; then the top is published with the tag of the latest message.

    Parameters
    ----------
    profile : Profile

    Members
    -------
    updates : ``In(stream.Signature(LevelUpdate))``
    level_operations : ``Out(stream.Signature(LevelOp, always_ready=True))``
        The same changes for the price-level memory, and searches.
    found : ``In(stream.Signature(FoundLevel))``
        Answers of searches.
    walk : ``Out(stream.Signature({symbol_index, side}))``
        Asks the order table for all orders of a side.
    top_of_book : ``Out(stream.Signature(TopOfBook, always_ready=True))``
    outside, outside_row, outside_key, walk_ended, failed, failed_row, levels_clearing : ``In``
        From the price-level memory, see there.
    stale_symbols, incomplete_symbols : ``In(symbols)``
        Mark books (pulses): no longer exact; seen to miss data. Both last until `clear`.
    clear : ``In(1)``
        Forget everything; `clearing` is high until done (and after reset).
    settled : ``Out(1)``
        A message's last update has been applied.
    idle : ``Out(1)``
        Nothing is under way, every side is known and no window is about to move.
    stale, incomplete : ``Out(symbols)``
    stat_rebuild, stat_refill : ``Out(1)``
    """

    LATENCY = 3

    def __init__(self, profile: Profile):
        self.profile = profile
        rows = row_bits(profile)
        symbols = 1 << profile.symbol_bits
        super().__init__({
            "updates": In(stream.Signature(LevelUpdate(profile))),
            "level_operations": Out(stream.Signature(LevelOp(profile), always_ready=True)),
            "found": In(stream.Signature(FoundLevel(profile))),
            "walk": Out(stream.Signature(data.StructLayout({
                "symbol_index": profile.symbol_bits, "side": Side}))),
            "top_of_book": Out(stream.Signature(TopOfBook(profile), always_ready=True)),
            "outside": In(1), "outside_row": In(rows), "outside_key": In(KEY_BITS),
            "walk_ended": In(1),
            "failed": In(1), "failed_row": In(rows),
            "levels_clearing": In(1),
            "stale_symbols": In(symbols), "incomplete_symbols": In(symbols),
            "clear": In(1), "clearing": Out(1, init=1),
            "settled": Out(1), "idle": Out(1),
            "stale": Out(symbols), "incomplete": Out(symbols),
            "stat_rebuild": Out(1), "stat_refill": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        profile = self.profile
        row_width = row_bits(profile)
        rows = 1 << row_width
        row_shape = CacheRow(profile)

        m.submodules.rows = cached = memory.Memory(shape=row_shape, depth=rows, init=[])
        m.submodules.publisher = publisher = TopPublisher(profile)
        m.submodules.update = update = CacheUpdate(profile)
        m.submodules.refill = refill = ResetInserter(self.clearing)(RefillControl(profile))
        m.submodules.rebuild = rebuild = ResetInserter(self.clearing)(RebuildControl(profile))
        connect(m, rebuild.walk, flipped(self.walk))

        symbols = 1 << profile.symbol_bits
        clear_row = Signal(row_width)
        failed_rows = Signal(rows)
        with m.If(self.failed):
            m.d.sync += failed_rows.bit_select(self.failed_row, 1).eq(1)
        with m.If(refill.hopeless):
            m.d.sync += failed_rows.bit_select(refill.exhausted_row, 1).eq(1)

        # Stage 1: an update, a search to start, or a found level; never two cycles in a row.
        update_1 = self.updates.p
        valid_2 = Signal()
        valid_3 = Signal()
        blocked = Signal()          # a side is refilled before anything else happens
        blocked_row = Signal(row_width)
        mid_event = Signal()        # the first half of a replace has been taken
        rebase_wait = Signal(range(_REBASE_CYCLES + 1))
        holding = Signal()
        # From the moment the order table begins a walk, nothing may pass before the REBASE.
        placing = Signal()
        with m.If(rebuild.walk.valid & rebuild.walk.ready):
            m.d.sync += placing.eq(1)
        take_place = Signal()
        m.d.comb += take_place.eq(placing & ~valid_2)
        with m.If(take_place):
            m.d.sync += placing.eq(0)
        may_empty = Signal()
        m.d.comb += [
            holding.eq(self.clearing | self.levels_clearing | (rebase_wait != 0) | placing),
            self.updates.ready.eq(~valid_2 & ~holding & (mid_event | ~(blocked | may_empty))),
        ]
        take_update = Signal()
        take_found = Signal()
        take_start = Signal()
        m.d.comb += [
            take_update.eq(self.updates.valid & self.updates.ready),
            take_found.eq(self.found.valid & ~take_update & ~valid_2 & ~holding),
            self.found.ready.eq(take_found),
            take_start.eq(refill.request & ~take_update & ~take_found & ~valid_2 & ~holding),
        ]
        with m.If(take_update & ~update_1.walk):
            m.d.sync += mid_event.eq(~update_1.event_last)

        row_1 = Signal(row_width)
        with m.If(take_update):
            m.d.comb += row_1.eq(Cat(Value.cast(update_1.side), update_1.symbol_index))
        with m.Elif(take_place):
            m.d.comb += row_1.eq(rebuild.row)
        with m.Else():
            m.d.comb += row_1.eq(refill.row)
        key_1 = update_1.price ^ (update_1.side == Side.BUY).replicate(KEY_BITS)
        row_read = cached.read_port(domain="comb")
        row_write = cached.write_port()
        row_3 = Signal(row_width, reset_less=True)
        row_2 = Signal(row_shape, reset_less=True)
        level_2 = Signal(CachedLevel(profile), reset_less=True)
        action_2 = Signal(CacheAction)
        final_2 = Signal(reset_less=True)
        m.d.comb += row_read.addr.eq(row_1)
        m.d.sync += [
            # The operation before the last one may just be leaving: take its row on the way.
            Value.cast(row_2).eq(Mux(valid_3 & (row_3 == row_1), Value.cast(update.result),
                                     Value.cast(row_read.data))),
            final_2.eq(update_1.final),
            level_2.count.eq(self.found.p.level.count),
            action_2.eq(CacheAction.NONE),
        ]
        with m.If(take_update):
            m.d.sync += [level_2.key.eq(key_1), level_2.quantity.eq(update_1.quantity)]
            with m.If(~update_1.walk & (update_1.kind == UpdateKind.ADD)):
                m.d.sync += action_2.eq(CacheAction.ADD)
            with m.If(~update_1.walk & (update_1.kind == UpdateKind.REMOVE)):
                m.d.sync += action_2.eq(CacheAction.REMOVE)
        with m.Else():
            m.d.sync += [level_2.key.eq(self.found.p.level.key),
                         level_2.quantity.eq(self.found.p.level.quantity)]
            with m.If(take_found & self.found.p.found):
                m.d.sync += action_2.eq(CacheAction.APPEND)

        # Stage 2: the row is compared (inside `update`).
        m.d.comb += [
            Value.cast(update.row).eq(Value.cast(row_2)),
            Value.cast(update.level).eq(Value.cast(level_2)),
            update.action.eq(action_2), update.final.eq(final_2),
        ]
        record_2 = Signal(data.StructLayout({
            "row": row_width, "key": KEY_BITS, "update": LevelUpdate(profile),
            "is_update": 1, "is_start": 1, "is_place": 1, "is_found": 1,
            "found": FoundLevel(profile), "side_empty": 1, "none_cached": 1}), reset_less=True)
        record = Signal.like(record_2, reset_less=True)
        m.d.sync += [
            valid_2.eq(take_update | take_found | take_start | take_place), valid_3.eq(valid_2),
            record_2.row.eq(row_1),
            Value.cast(record_2.update).eq(Value.cast(update_1)),
            record_2.is_update.eq(take_update), record_2.is_start.eq(take_start),
            record_2.is_found.eq(take_found), record_2.is_place.eq(take_place),
            Value.cast(record_2.found).eq(Value.cast(self.found.p)),
            Value.cast(record).eq(Value.cast(record_2)),
            record.key.eq(level_2.key),
            record.none_cached.eq(~row_2.valid[0]),
            record.side_empty.eq(~row_2.valid[0] & (row_2.beyond == 0)),
            row_3.eq(record_2.row),
        ]
        m.d.comb += refill.offer_key.eq(level_2.key)

        # Stage 3: the new row; what it means for the upkeep.
        result = update.result
        change = record.update
        is_update = valid_3 & record.is_update
        is_found = valid_3 & record.is_found
        counts = is_update & ~change.walk
        unknown = Signal()
        m.d.comb += [
            update.allow.eq(refill.allow),
            may_empty.eq(counts & update.may_empty),
            unknown.eq(~result.valid[0] & update.more),
            row_write.addr.eq(Mux(self.clearing, clear_row, row_3)),
            Value.cast(row_write.data).eq(Mux(self.clearing, 0, Value.cast(result))),
            row_write.en.eq(self.clearing | is_update | is_found),
            refill.urgent.eq(blocked), refill.urgent_row.eq(blocked_row),
            refill.barred.eq(rebuild.needed | failed_rows),
            refill.taken.eq(take_start),
            refill.rebuilt.eq(rebuild.rebuilt), refill.rebuilt_row.eq(rebuild.row),
            rebuild.outside.eq(self.outside), rebuild.outside_row.eq(self.outside_row),
            rebuild.outside_key.eq(self.outside_key), rebuild.walk_ended.eq(self.walk_ended),
            self.stat_rebuild.eq(rebuild.stat_rebuild), self.stat_refill.eq(refill.stat_refill),
        ]
        # The upkeep learns it a cycle later.
        m.d.sync += [
            refill.settled.eq(counts | is_found),
            refill.settled_row.eq(row_3),
            refill.settled_wants.eq(~result.valid[profile.cached_levels - 1] & update.more),
            refill.settled_empty.eq(unknown),
            refill.settled_added.eq(counts & (change.kind == UpdateKind.ADD) &
                                    (update.missed | update.pushed)),
            refill.missed.eq(counts & (update.missed | update.pushed)),
            refill.missed_key.eq(Mux(update.pushed, update.pushed_key, record.key)),
            refill.started.eq(valid_3 & record.is_start),
            refill.refused.eq(is_found & record.found.found & ~update.appended),
            refill.ended.eq(is_found & record.found.end),
            refill.ended_dry.eq(record.found.dry),
        ]

        # A side that lost its last cached level: refill it before anything else; if its window
        # is bare or about to move, go on without.
        settling = Signal(2)        # until the upkeep knows of the side that blocks
        settled_row = settling == 0
        empties = Signal()
        m.d.comb += empties.eq(counts & update.emptied)
        m.d.sync += settling.eq(Cat(empties, settling))
        bare = Signal()
        abandoned = Signal()
        refilled = Signal()
        m.d.comb += [
            bare.eq(blocked & settled_row & refill.dry.bit_select(blocked_row, 1)),
            refilled.eq(settled_row & ~refill.empty.bit_select(blocked_row, 1)),
            rebuild.need.eq(refill.exhausted | bare),
            rebuild.need_row.eq(Mux(refill.exhausted, refill.exhausted_row, blocked_row)),
        ]
        # With nothing in stage 2, stage 3 is free in the cycle after.
        m.d.sync += abandoned.eq(blocked & settled_row & ~abandoned & ~valid_2 &
                                 (rebuild.needed | failed_rows).bit_select(blocked_row, 1))
        with m.If(empties):
            m.d.sync += [blocked.eq(1), blocked_row.eq(row_3)]
        with m.Elif(abandoned | refilled):
            m.d.sync += blocked.eq(0)

        # The price-level memory gets its part.
        op = self.level_operations.p
        m.d.sync += [
            self.level_operations.valid.eq(0),
            op.row.eq(row_3), op.key.eq(record.key), op.keyed.eq(1),
            op.quantity.eq(change.quantity), op.final.eq(change.final),
            op.want.eq(sum(~result.valid[n] for n in range(profile.cached_levels))),
        ]
        begins = valid_3 & record.is_place
        m.d.comb += rebuild.placed.eq(begins)
        with m.If(valid_3 & record.is_start):
            m.d.sync += [self.level_operations.valid.eq(1), op.kind.eq(LevelOpKind.SEARCH),
                         op.key.eq(update.worst_key), op.keyed.eq(result.valid[0])]
        with m.Elif(begins):
            m.d.sync += [
                self.level_operations.valid.eq(1), op.kind.eq(LevelOpKind.REBASE),
                op.key.eq(Mux(result.valid[0], result.levels[0].key, rebuild.candidate)),
                op.keyed.eq(result.valid[0] | rebuild.candidate_valid),
                rebase_wait.eq(_REBASE_CYCLES),
            ]
        with m.Elif(is_update & (change.kind == UpdateKind.WALK_END)):
            m.d.sync += [self.level_operations.valid.eq(1), op.kind.eq(LevelOpKind.WALK_END)]
        with m.Elif(is_update & (change.kind == UpdateKind.REMOVE)):
            m.d.sync += [self.level_operations.valid.eq(change.touch_levels),
                         op.kind.eq(LevelOpKind.REMOVE)]
        with m.Elif(is_update & (change.kind == UpdateKind.ADD)):
            m.d.sync += [
                self.level_operations.valid.eq(change.touch_levels),
                op.kind.eq(Mux(record.side_empty & ~change.walk, LevelOpKind.FIRST,
                               LevelOpKind.ADD)),
            ]
        with m.If((rebase_wait != 0) & ~begins):
            m.d.sync += rebase_wait.eq(rebase_wait - 1)

        # What is not exact any more stays so until everything is forgotten.
        marked_stale = Signal(symbols)
        failed_symbols = Cat(failed_rows.word_select(n, 2).any() for n in range(symbols))
        unknown_symbols = Cat(refill.empty.word_select(n, 2).any() for n in range(symbols))
        lasting = Signal(symbols)
        m.d.comb += lasting.eq(marked_stale | failed_symbols)

        # The event's end is published, but for one that waits for the refill of its side.
        marks = Signal(2)           # stale, incomplete: of this event alone
        waiting = Signal()
        publisher_tag = Signal(TAG_BITS, reset_less=True)
        publisher_execution = Signal(reset_less=True)
        publisher_traded = Signal(32, reset_less=True)
        ends = counts & change.event_last
        waits = unknown & (blocked | empties)
        gives_up = abandoned & waiting
        recovers = is_found & update.appended & record.none_cached
        row_published = Mux(abandoned, blocked_row, row_3)
        symbol = row_published >> 1
        m.d.comb += [
            marks.eq(Mux(counts, Cat(change.overflow, change.suspect), 0)),
            publisher.publish.eq((ends & ~waits) | recovers | gives_up),
            publisher.row.eq(row_published), publisher.known.eq(~unknown & ~abandoned),
            publisher.other_known.eq(~refill.empty.bit_select(row_published ^ 1, 1)),
            publisher.stale.eq(lasting.bit_select(symbol, 1) | marks[0]),
            publisher.incomplete.eq(self.incomplete.bit_select(symbol, 1) | marks[1]),
            publisher.tag.eq(Mux(ends, change.tag, publisher_tag)),
            publisher.execution.eq(Mux(ends, change.execution, waiting & publisher_execution)),
            publisher.traded.eq(Mux(ends, change.quantity & change.execution.replicate(32),
                                    publisher_traded & waiting.replicate(32))),
            self.settled.eq(ends),
        ]
        with m.If(result.valid[0]):
            best = result.levels[0]
            m.d.comb += [
                publisher.top.price.eq(best.key ^ (~row_3[0]).replicate(KEY_BITS)),
                publisher.top.quantity.eq(best.quantity),
                publisher.top.count.eq(best.count),
            ]
        with m.If(ends):
            m.d.sync += [publisher_tag.eq(change.tag), publisher_execution.eq(change.execution),
                         publisher_traded.eq(publisher.traded), waiting.eq(waits)]
        with m.Elif(recovers | gives_up):
            m.d.sync += waiting.eq(0)
        connect(m, publisher.top_of_book, flipped(self.top_of_book))

        event_symbol = Signal(symbols)
        m.d.comb += event_symbol.eq(1 << symbol)
        m.d.sync += [
            marked_stale.eq(marked_stale | self.stale_symbols |
                            Mux(marks[0], event_symbol, 0)),
            self.incomplete.eq(self.incomplete | self.incomplete_symbols |
                               Mux(marks[1], event_symbol, 0)),
            self.stale.eq(lasting | self.stale_symbols | unknown_symbols),
            self.idle.eq(~take_update & ~valid_2 & ~valid_3 & ~blocked & ~holding &
                         ~rebuild.needed.any() & ~(refill.empty & ~failed_rows).any()),
        ]

        # Forgetting.
        m.d.comb += [publisher.clear.eq(self.clearing), publisher.clear_row.eq(clear_row)]
        with m.If(self.clear):
            m.d.sync += [self.clearing.eq(1), clear_row.eq(0)]
        with m.Elif(self.clearing):
            m.d.sync += clear_row.eq(clear_row + 1)
            with m.If(clear_row == rows - 1):
                m.d.sync += self.clearing.eq(0)
        with m.If(self.clearing):
            m.d.sync += [valid_2.eq(0), valid_3.eq(0), blocked.eq(0), mid_event.eq(0),
                         placing.eq(0), failed_rows.eq(0), rebase_wait.eq(0), marked_stale.eq(0),
                         self.incomplete.eq(0), waiting.eq(0)]
        return m
