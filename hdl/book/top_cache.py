"""The best levels of every side, beside the datapath; what the rest of the path acts on."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.book.cache_update import CacheAction, CacheUpdate
from hdl.book.depth import DepthPublisher
from hdl.book.layouts import CacheRow, FoundLevel, LevelOp, LevelOpKind, UpdateComing, row_bits
from hdl.book.publisher import TopPublisher
from hdl.book.replace_top import ReplaceTop
from hdl.book.tick import KEY_BITS
from hdl.book.upkeep import RebuildControl, RefillControl
from hdl.profile import Profile
from hdl.records import TAG_BITS, LevelUpdate, Side, SideDepth, TopOfBook, UpdateKind

__all__ = ["TopCache"]

#: Cycles from a REBASE leaving here to `levels_clearing`, with some to spare.
_REBASE_CYCLES = 15


class TopCache(wiring.Component):
    """Apply level updates to the best levels of each side and publish the top of the book.

    Latency: 2 cycles, `updates` transfer to `top_of_book.valid`; an update is taken in the cycle in
    which it is offered if it was foretold by `coming`. Throughput: 1 update every 2
    cycles; `updates.ready` falls for longer only while a side whose cached levels were all used
    up is refilled (so that every event's top is published), and while the window of a side is
    being emptied. Each message publishes once, with its last update, but for a replace: its first
    half publishes the top that its second half will leave, unless that cannot be known yet. It
    never shows the removal alone.

    A side with orders of which none is cached is not known. It is published as stale, until it
    is known again; then the top is published with the tag of the latest message.

    Parameters
    ----------
    profile : Profile

    Attributes
    ----------
    low_levels : int
        A side with fewer cached levels, though it has more, is low.

    Members
    -------
    updates : ``In(stream.Signature(LevelUpdate))``
    coming : ``In(UpdateComing)``
        What `updates` may offer in the next cycle, unless one is taken in this cycle; its row is
        fetched meanwhile.
    level_operations : ``Out(stream.Signature(LevelOp, always_ready=True))``
        The same changes for the price-level memory, and searches.
    found : ``In(stream.Signature(FoundLevel))``
        Answers of searches.
    stop_search : ``Out(1)``
        No more of them are wanted.
    walk : ``Out(stream.Signature({symbol_index, side}))``
        Asks the order table for all orders of a side.
    top_of_book : ``Out(stream.Signature(TopOfBook, always_ready=True))``
    sides : ``Out(stream.Signature(SideDepth, always_ready=True))``
        The best levels of the side of each message, when its last update has been applied; again
        when more of them have become known.
    next_symbol, next_tag : ``Out``
        Symbol and tag of what `top_of_book` shows in the next cycle, if it shows something.
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
    steady : ``Out(1)``, any_low : ``Out(1)``
        As `idle`, whatever is under way; some side has fewer than `low_levels` levels cached, and
        others. Both 2 cycles after `settled`.
    searching : ``Out(1)``
        More levels of some side can be found. 4 cycles after `settled`.
    stale, incomplete : ``Out(symbols)``
    stat_rebuild, stat_refill : ``Out(1)``
    """

    LATENCY = 2

    def __init__(self, profile: Profile):
        self.profile = profile
        self.low_levels = profile.cached_levels // 2
        rows = row_bits(profile)
        symbols = 1 << profile.symbol_bits
        super().__init__({
            "updates": In(stream.Signature(LevelUpdate(profile))),
            "coming": In(UpdateComing(profile)),
            "level_operations": Out(stream.Signature(LevelOp(profile), always_ready=True)),
            "stop_search": Out(1),
            "found": In(stream.Signature(FoundLevel(profile))),
            "walk": Out(stream.Signature(data.StructLayout({
                "symbol_index": profile.symbol_bits, "side": Side}))),
            "top_of_book": Out(stream.Signature(TopOfBook(profile), always_ready=True)),
            "sides": Out(stream.Signature(SideDepth(profile), always_ready=True)),
            "next_symbol": Out(profile.symbol_bits), "next_tag": Out(TAG_BITS),
            "outside": In(1), "outside_row": In(rows), "outside_key": In(KEY_BITS),
            "walk_ended": In(1),
            "failed": In(1), "failed_row": In(rows),
            "levels_clearing": In(1),
            "stale_symbols": In(symbols), "incomplete_symbols": In(symbols),
            "clear": In(1), "clearing": Out(1, init=1),
            "settled": Out(1), "idle": Out(1), "steady": Out(1), "any_low": Out(1),
            "searching": Out(1),
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
        m.submodules.depth = depth = DepthPublisher(profile)
        m.submodules.update = update = CacheUpdate(profile)
        m.submodules.replaced = replaced = ReplaceTop(profile)
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

        # One cycle ahead: whose turn it is, and the row in question.
        blocked = Signal()          # a side is refilled before anything else happens
        blocked_row = Signal(row_width)
        mid_event = Signal()        # the first half of a replace has been taken
        rebase_wait = Signal(range(_REBASE_CYCLES + 1))
        emptying = Signal(init=1)   # the window of a side; `rebase_wait` covers its first cycle
        m.d.sync += emptying.eq(self.levels_clearing)
        holding = Signal()
        # From the moment the order table begins a walk, nothing may pass before the REBASE.
        placing = Signal()
        with m.If(rebuild.walk.valid & rebuild.walk.ready):
            m.d.sync += placing.eq(1)
        choosing = Signal()         # something was taken in the last cycle
        record = Signal(data.StructLayout({
            "row": row_width, "update": LevelUpdate(profile), "is_update": 1, "is_start": 1,
            "is_place": 1, "is_found": 1, "found": FoundLevel(profile),
            "counts": 1, "ends": 1, "halves": 1}), reset_less=True)
        turn_upkeep = Signal()
        turn_place = Signal()
        turn_start = Signal()
        upkeep_row = Signal(row_width)
        upkeep_next = Signal()
        take_place = Signal()
        coming_row = Signal(row_width)
        fetch_row = Signal(row_width)
        m.d.comb += [
            upkeep_row.eq(Mux(placing, rebuild.row, refill.row)),
            # A search is started at once: its answers shall be there when they are needed.
            upkeep_next.eq(~self.coming.valid | ((blocked | refill.request) & ~mid_event) |
                           placing),
            coming_row.eq(Cat(Value.cast(self.coming.side), self.coming.symbol_index)),
            fetch_row.eq(Mux(upkeep_next, upkeep_row, coming_row)),
        ]
        m.d.sync += [turn_upkeep.eq(upkeep_next), turn_place.eq(placing & ~take_place),
                     turn_start.eq(refill.request)]
        result = update.result
        row_read, row_write = cached.read_port(domain="comb"), cached.write_port()
        fetched = Signal(row_shape, reset_less=True)
        latest = Signal(row_shape, reset_less=True)     # the last result, written a cycle later
        latest_row = Signal(row_width, reset_less=True)
        writes = Signal()
        m.d.comb += row_read.addr.eq(fetch_row)
        # What is chosen now, or was in the cycle before, is not in memory yet: take it on the way.
        # Both rows are compared while it is worked out which one is fetched.
        forward = Signal()
        bids = Signal(reset_less=True)      # it is a row of bids

        def is_new(row: Value) -> Value:
            return (choosing & (record.row == row)) | (writes & (latest_row == row))

        m.d.sync += [
            forward.eq(Mux(upkeep_next, is_new(upkeep_row), is_new(coming_row)) & ~self.clearing),
            Value.cast(fetched).eq(Value.cast(row_read.data)),
            latest_row.eq(record.row),
            bids.eq(~fetch_row[0]),
        ]
        with m.If(choosing):
            m.d.sync += Value.cast(latest).eq(Value.cast(result))
        present = Signal(row_shape)
        m.d.comb += Value.cast(present).eq(
            Mux(forward, Value.cast(latest), Value.cast(fetched)))

        # Stage 1: an update, a search to start, or a found level is compared (inside `update`);
        # never two cycles in a row.
        update_1 = self.updates.p
        found_1 = self.found.p
        take_update = Signal()
        take_found = Signal()
        take_start = Signal()
        free = ~choosing & ~holding
        m.d.comb += [
            holding.eq(self.clearing | emptying | (rebase_wait != 0) | placing),
            self.updates.ready.eq(free & ~turn_upkeep & (mid_event | ~blocked)),
            take_update.eq(self.updates.valid & self.updates.ready),
            take_found.eq(self.found.valid & free & turn_upkeep),
            # A level that comes with a removal is taken if it could be appended.
            self.found.ready.eq(record.is_found | (record.counts & update.appended)),
            take_start.eq(refill.request & turn_start & ~self.found.valid & free &
                          turn_upkeep),
            take_place.eq(turn_place & ~choosing),
        ]
        with m.If(take_place):
            m.d.sync += placing.eq(0)
        with m.If(take_update & ~update_1.walk):
            m.d.sync += mid_event.eq(~update_1.event_last)

        row_1 = Signal(row_width)
        m.d.comb += row_1.eq(Mux(turn_upkeep, upkeep_row,
                                 Cat(Value.cast(update_1.side), update_1.symbol_index)))
        m.d.comb += [
            Value.cast(update.row).eq(Value.cast(present)),
            update.bids.eq(bids),
            update.price.eq(update_1.price),
            update.quantity.eq(update_1.quantity),
            update.found.price.eq(found_1.key ^ bids.replicate(KEY_BITS)),
            update.found.quantity.eq(found_1.quantity),
            update.found.count.eq(found_1.count),
            update.append.eq(self.found.valid & found_1.found & (row_1 == refill.row) & (
                take_found | (take_update & ~update_1.walk &
                              (update_1.kind == UpdateKind.REMOVE)))),
            update.final.eq(update_1.final),
            Value.cast(replaced.row).eq(Value.cast(present)),
            replaced.bids.eq(bids),
            replaced.new_price.eq(update_1.new_price),
            replaced.quantity.eq(update_1.quantity),
            replaced.new_quantity.eq(update_1.new_quantity),
            refill.offer_key.eq(found_1.key),
        ]
        # What is made of an update that is not taken after all is not looked at.
        with m.If(~turn_upkeep & ~update_1.walk & (update_1.kind == UpdateKind.ADD)):
            m.d.comb += update.action.eq(CacheAction.ADD)
        with m.If(~turn_upkeep & ~update_1.walk & (update_1.kind == UpdateKind.REMOVE)):
            m.d.comb += update.action.eq(CacheAction.REMOVE)
        m.d.sync += [
            choosing.eq(take_update | take_found | take_start | take_place),
            record.row.eq(row_1),
            Value.cast(record.update).eq(Value.cast(update_1)),
            record.is_update.eq(take_update), record.is_start.eq(take_start),
            record.is_found.eq(take_found), record.is_place.eq(take_place),
            Value.cast(record.found).eq(Value.cast(found_1)),
            record.counts.eq(take_update & ~update_1.walk),
            record.ends.eq(take_update & ~update_1.walk & update_1.event_last),
            record.halves.eq(take_update & ~update_1.walk & ~update_1.event_last &
                             (update_1.kind == UpdateKind.REMOVE)),
        ]

        # Stage 2: the new row; what it means for the upkeep.
        row_2 = record.row
        inverted = (~row_2[0]).replicate(KEY_BITS)      # from prices to keys
        none_cached = ~update.row_2.valid[0]
        side_empty = none_cached & (update.row_2.beyond == 0)
        change = record.update
        is_update = record.is_update
        is_found = record.is_found
        counts = record.counts
        unknown = update.unknown
        m.d.comb += [
            update.allow.eq(refill.allow),
            Value.cast(replaced.row_2).eq(Value.cast(update.row_2)),
            replaced.best_changed.eq(update.best_changed), replaced.best_gone.eq(update.best_gone),
            row_write.addr.eq(Mux(self.clearing, clear_row, latest_row)),
            Value.cast(row_write.data).eq(Mux(self.clearing, 0, Value.cast(latest))),
            row_write.en.eq(self.clearing | writes),
            self.stop_search.eq(refill.stop),
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
            writes.eq((is_update | is_found) & ~self.clearing),
            refill.settled.eq(counts | is_found),
            refill.settled_row.eq(row_2),
            refill.settled_wants.eq(~result.valid[profile.cached_levels - 1] & update.more),
            refill.settled_empty.eq(unknown),
            refill.settled_low.eq(~result.valid[self.low_levels - 1] & update.more),
            refill.settled_added.eq(counts & (change.kind == UpdateKind.ADD) &
                                    (update.missed | update.pushed)),
            refill.missed.eq(counts & (update.missed | update.pushed)),
            refill.missed_key.eq(
                Mux(update.pushed, update.pushed_price, update.price_2) ^ inverted),
            refill.started.eq(record.is_start),
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
        ]
        m.d.sync += [
            rebuild.need.eq(refill.exhausted | bare),
            rebuild.need_row.eq(Mux(refill.exhausted, refill.exhausted_row, blocked_row)),
        ]
        # With nothing taken now, stage 2 is free in the next cycle.
        m.d.sync += abandoned.eq(blocked & settled_row & ~abandoned & ~take_update & ~take_found &
                                 ~take_start & ~take_place &
                                 (rebuild.needed | failed_rows).bit_select(blocked_row, 1))
        with m.If(empties):
            m.d.sync += [blocked.eq(1), blocked_row.eq(row_2)]
        with m.Elif(abandoned | refilled |
                    ((counts | is_found) & update.appended & (row_2 == blocked_row))):
            m.d.sync += blocked.eq(0)

        # The price-level memory gets its part.
        op = self.level_operations.p
        m.d.sync += [
            self.level_operations.valid.eq(0),
            op.row.eq(row_2), op.key.eq(update.price_2 ^ inverted), op.keyed.eq(1),
            op.quantity.eq(change.quantity), op.final.eq(change.final),
        ]
        begins = record.is_place
        m.d.comb += rebuild.placed.eq(begins)
        with m.If(record.is_start):
            m.d.sync += [self.level_operations.valid.eq(1), op.kind.eq(LevelOpKind.SEARCH),
                         op.key.eq(update.worst_price ^ inverted), op.keyed.eq(~none_cached)]
        with m.Elif(begins):
            m.d.sync += [
                self.level_operations.valid.eq(1), op.kind.eq(LevelOpKind.REBASE),
                op.key.eq(Mux(none_cached, rebuild.candidate,
                              update.row_2.levels[0].price ^ inverted)),
                op.keyed.eq(~none_cached | rebuild.candidate_valid),
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
                op.kind.eq(Mux(side_empty & ~change.walk, LevelOpKind.FIRST,
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
        shown = Signal()            # the first half of the replace has published
        publisher_tag = Signal(TAG_BITS, reset_less=True)
        publisher_execution = Signal(reset_less=True)
        publisher_traded = Signal(32, reset_less=True)
        ends = record.ends
        waits = unknown & (blocked | empties)
        gives_up = abandoned & waiting
        # The first half of a replace shows the top that the second one will make.
        shows = record.halves & ~none_cached & ~update.bares
        with m.If(counts):
            m.d.sync += shown.eq(shows)
        recovers = is_found & update.appended & none_cached
        row_published = Mux(abandoned, blocked_row, row_2)
        symbol = row_published >> 1
        m.d.comb += [
            marks.eq(Mux(counts, Cat(change.overflow, change.suspect), 0)),
            publisher.publish.eq((ends & ~waits & ~(shown & ~marks.any())) | shows | recovers |
                                 gives_up),
            publisher.row.eq(row_published), publisher.known.eq((~unknown | shows) & ~abandoned),
            publisher.other_known.eq(~refill.empty.bit_select(row_published ^ 1, 1)),
            publisher.stale.eq(lasting.bit_select(symbol, 1) | marks[0]),
            publisher.incomplete.eq(self.incomplete.bit_select(symbol, 1) | marks[1]),
            publisher.tag.eq(Mux(ends | shows, change.tag, publisher_tag)),
            publisher.execution.eq(
                Mux(ends | shows, change.execution, waiting & publisher_execution)),
            publisher.traded.eq(Mux(ends | shows, change.quantity & change.execution.replicate(32),
                                    publisher_traded & waiting.replicate(32))),
            publisher.repeated.eq((ends & shown) | (recovers & ~waiting)),
            self.settled.eq(ends),
        ]
        # A side without levels has a best one of zeros.
        m.d.comb += [publisher.top[name].eq(Mux(shows, replaced.best[name], result.levels[0][name]))
                     for name in ("price", "quantity", "count")]
        with m.If(ends):
            m.d.sync += [publisher_tag.eq(change.tag), publisher_execution.eq(change.execution),
                         publisher_traded.eq(publisher.traded), waiting.eq(waits)]
        with m.Elif(recovers | gives_up):
            m.d.sync += waiting.eq(0)
        connect(m, publisher.top_of_book, flipped(self.top_of_book))
        # Of what an update makes, its own tag; of a side that recovers, that of the last event.
        m.d.comb += [
            self.next_symbol.eq(symbol),
            self.next_tag.eq(Mux(counts, change.tag, publisher_tag)),
            depth.settled.eq(ends | (recovers & waiting)), depth.waits.eq(ends & waits),
            depth.refilled.eq(is_found & update.appended),
            depth.row.eq(latest_row), Value.cast(depth.levels).eq(Value.cast(latest)),
            depth.more.eq(update.more),
        ]
        connect(m, depth.sides, flipped(self.sides))

        steady = (~blocked & ~holding & ~rebuild.needed.any() &
                  ~(refill.empty & ~failed_rows).any())
        m.d.comb += [self.any_low.eq(refill.any_low), self.searching.eq(refill.searching)]
        event_symbol = Signal(symbols)
        m.d.comb += event_symbol.eq(1 << symbol)
        m.d.sync += [
            marked_stale.eq(marked_stale | self.stale_symbols |
                            Mux(marks[0], event_symbol, 0)),
            self.incomplete.eq(self.incomplete | self.incomplete_symbols |
                               Mux(marks[1], event_symbol, 0)),
            self.stale.eq(lasting | self.stale_symbols | unknown_symbols),
            self.steady.eq(steady), self.idle.eq(steady & ~take_update & ~choosing),
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
            m.d.sync += [choosing.eq(0), shown.eq(0), blocked.eq(0), mid_event.eq(0),
                         placing.eq(0), failed_rows.eq(0), rebase_wait.eq(0), marked_stale.eq(0),
                         self.incomplete.eq(0), waiting.eq(0)]
        return m
