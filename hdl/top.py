"""The core of an appliance: wires the stages; no logic."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.book.book import Book
from hdl.book.tick import TickConfig
from hdl.csr.bridge import CsrBridge
from hdl.csr.bus import CsrBus
from hdl.csr.management_side import ManagementSide
from hdl.feed.feed_handler import FeedHandler
from hdl.feed.feed_health import FeedHealth
from hdl.net.datagram_receiver import DatagramReceiver
from hdl.net.line import LINES
from hdl.no_orders import NoManagement, NoOrders
from hdl.order_side import OrderSide, register_members
from hdl.profile import Profile
from hdl.telemetry.detail_recorder import DetailRecorder
from hdl.telemetry.event_merger import EventMerger
from hdl.telemetry.event_recorder import EventRecorder
from hdl.telemetry.feed_status import FeedStatus
from hdl.telemetry.nanosecond_clock import NanosecondClock
from hdl.telemetry.row_collector import RowCollector
from hdl.telemetry.word_merger import WordMerger
from proto.events import EVENT_BYTES
from proto.wire import itch50

__all__ = ["Top"]

#: Inputs of the counters: the component's part, and the pulse there.
_COUNTERS = {
    "net.frames_good": ("receiver", "stat_frames_good"),
    "net.frames_bad_fcs": ("receiver", "stat_bad_fcs"),
    "net.frames_runt": ("receiver", "stat_runt"),
    "net.frames_oversize": ("receiver", "stat_oversize"),
    "net.frames_error_char": ("receiver", "stat_error_char"),
    "net.frames_dropped_buffer_full": ("receiver", "stat_dropped"),
    "ip.not_ipv4": ("receiver", "stat_not_ipv4"),
    "ip.bad_header_checksum": ("receiver", "stat_bad_header_checksum"),
    "ip.fragments": ("receiver", "stat_fragments"),
    "ip.options": ("receiver", "stat_options"),
    "ip.not_udp": ("receiver", "stat_not_udp"),
    "ip.other_destination": ("receiver", "stat_other_destination"),
    "ip.bad_length": ("receiver", "stat_bad_length"),
    "ip.bad_udp_checksum": ("receiver", "stat_bad_udp_checksum"),
    "mold.packets": ("feed", "stat_packets"),
    "mold.messages": ("feed", "stat_messages"),
    "mold.heartbeats": ("feed", "stat_heartbeats"),
    "mold.end_of_session": ("feed", "stat_end_of_session"),
    "mold.gaps": ("feed", "stat_gaps"),
    "mold.duplicates": ("feed", "stat_duplicates"),
    "mold.overlaps": ("feed", "stat_overlaps"),
    "mold.duplicate_messages": ("feed", "stat_duplicate_messages"),
    "mold.foreign_session": ("feed", "stat_foreign_session"),
    "mold.unnumbered": ("feed", "stat_unnumbered"),
    "mold.malformed": ("feed", "stat_malformed"),
    "itch.operations": ("feed", "stat_operations"),
    "itch.admin": ("feed", "stat_admin"),
    "itch.unwatched": ("feed", "stat_unwatched"),
    "itch.unknown_type": ("feed", "stat_unknown_type"),
    "itch.bad_length": ("feed", "stat_bad_length"),
    "itch.recorded": ("feed", "stat_recorded"),
    "itch.records_dropped": ("feed", "stat_dropped"),
    "book.unknown_reference": ("book", "stat_unknown_reference"),
    "book.duplicate_reference": ("book", "stat_duplicate_reference"),
    "book.overfill": ("book", "stat_overfill"),
    "book.table_overflow": ("book", "stat_overflow"),
    "book.off_grid": ("book", "stat_off_grid"),
    "book.rebuilds": ("book", "stat_rebuild"),
    "book.refills": ("book", "stat_refill"),
    "book.events_dropped": ("recorder", "stat_dropped"),
    "details.recorded": ("details", "stat_recorded"),
    "details.dropped": ("details", "stat_dropped"),
    "net.words_inserted": ("elastic", "stat_inserted"),
    "net.words_deleted": ("elastic", "stat_deleted"),
    "net.elastic_overrun": ("elastic", "stat_overrun"),
    "net.elastic_underrun": ("elastic", "stat_underrun"),
}


class Top(wiring.Component):
    """Feed port to books to orders and event records, with the registers.

    Latency, cut-through, nothing else under way, Start in lane 0: 10 cycles, word at
    `feed_a_rx_data` with the last byte of an Add to the books' `top_of_book`; 15 cycles for every
    other operation. Start in lane 4 costs a cycle more for half of the bytes. The event record
    follows 9 cycles later, Start of an order at `order_tx_data` 5 cycles later. `ingress_cycle` of
    a record is that of the word with Start at the port plus 3, the elastic buffer.

    Parameters
    ----------
    profile : Profile
        Sizes.
    trading : bool
        Whether there are an order side and a management port. A replay needs neither, and simulates
        faster without; what is left is the same, with the same ports.

    Members
    -------
    feed_a_rx_data, feed_a_rx_control : ``In``
        The line of feed A, as the profile says; domain ``rx``.
    feed_a_tx_data, feed_a_tx_control : ``Out``
        The line of feed A: IGMP messages.
    order_rx_data, order_rx_control : ``In``
        The line of the order port; domain ``rx``.
    order_tx_data, order_tx_control : ``Out``
        The line of the order port.
    management_rx_data, management_rx_control : ``In``
        The line of the management port; domain ``rx``.
    management_tx_data, management_tx_control : ``Out``
        The line of the management port.
    csr_* : see :data:`~hdl.csr.bus.CsrBus`
        Registers, for a simulation; a board ties them to zero.
    events_payload, events_valid, events_ready
        Event records, 64 bytes each, byte 0 in the lowest bits, while no host has a session on the
        management port; a board ties ready to zero.
    words_payload, words_last, words_valid, words_ready
        The same for records of feed messages, eight bytes after eight bytes.
    feed_ready : ``Out(1)``
        A replay may send the next frame and will lose nothing.
    idle : ``Out(1)``
        Nothing is seen in the feed path.
    calm : ``Out(1)``
        The same, and no sweep over the own orders goes on, whatever records wait to be taken.
    events_waiting : ``Out(1)``
        A record waits to be taken, by a host or at `events_payload` or `words_payload`.
    now_cycles : ``Out(48)``
        Cycle counter of every stamp.
    time_ns : ``In(64)``
        The time is at least this: of a simulation; zero on a board.
    time_hold : ``In(1)``
        Time stands still: of a simulation; zero on a board.
    now_ns : ``Out(64)``
        The time, of every timer.
    """

    def __init__(self, profile: Profile, *, trading: bool = True):
        self.profile = profile
        self.trading = trading
        bus = CsrBus.members
        line = LINES[profile.line]
        super().__init__({
            **line.inputs("feed_a_rx"),
            **line.outputs("feed_a_tx"),
            **line.inputs("order_rx"),
            **line.outputs("order_tx"),
            **line.inputs("management_rx"),
            **line.outputs("management_tx"),
            **{f"csr_{name}": (In if member.flow == Out else Out)(member.shape)
               for name, member in bus.items()},
            "events_payload":    Out(8 * EVENT_BYTES),
            "events_valid":      Out(1),
            "events_ready":      In(1),
            "words_payload":     Out(64),
            "words_last":        Out(1),
            "words_valid":       Out(1),
            "words_ready":       In(1),
            "feed_ready":        Out(1),
            "idle":              Out(1),
            "calm":              Out(1),
            "events_waiting":    Out(1),
            "now_cycles":        Out(48),
            "time_ns":           In(64),
            "time_hold":         In(1),
            "now_ns":            Out(64),
        })

    def elaborate(self, platform):
        m = Module()

        profile = self.profile
        m.submodules.elastic = elastic = LINES[profile.line].crossing()
        m.submodules.receiver = receiver = DatagramReceiver(
            buffer_bytes=profile.frame_buffer_bytes, line=profile.line)
        m.submodules.feed = feed = FeedHandler(profile)
        m.submodules.book = book = Book(profile)
        m.submodules.recorder = recorder = EventRecorder(profile)
        m.submodules.details = details = DetailRecorder(profile)
        m.submodules.words = words = WordMerger()
        m.submodules.status = status = FeedStatus(
            profile, buffer_words=1 << len(receiver.occupancy_words))
        m.submodules.csr = csr = CsrBridge(
            profile, counter_widths={"mold.gap_messages": len(feed.gap_messages)})
        m.submodules.clock = clock = NanosecondClock(profile.core_hz)
        m.submodules.health = health = FeedHealth()
        m.submodules.orders = orders = (OrderSide if self.trading else NoOrders)(profile)
        m.submodules.merger = merger = EventMerger()
        m.submodules.management = management = (
            ManagementSide if self.trading else NoManagement)(profile)
        m.submodules.collector = collector = RowCollector()
        parts = {"receiver": receiver, "feed": feed, "book": book, "recorder": recorder,
                 "details": details, "elastic": elastic}

        # Feed port to event records.
        m.d.sync += self.now_cycles.eq(self.now_cycles + 1)
        m.d.comb += [
            elastic.line.data.eq(self.feed_a_rx_data),
            elastic.line.control.eq(self.feed_a_rx_control),
            Value.cast(receiver.word).eq(Value.cast(elastic.word)),
            receiver.now_cycles.eq(self.now_cycles),
            Value.cast(feed.datagram).eq(Value.cast(receiver.datagram)),
            Value.cast(feed.outcomes.payload).eq(Value.cast(receiver.outcomes.payload)),
            feed.outcomes.valid.eq(receiver.outcomes.valid),
        ]
        connect(m, receiver.beats, feed.beats)
        connect(m, feed.operations, book.operations)
        m.d.comb += Value.cast(book.ahead).eq(Value.cast(feed.ahead))
        connect(m, book.top_of_book, recorder.top_of_book)
        m.d.comb += [
            feed.context_tag.eq(recorder.context_tag), feed.now_cycles.eq(self.now_cycles),
            recorder.context.eq(feed.context),
            recorder.now_cycles.eq(self.now_cycles),
            self.events_payload.eq(collector.records.payload),
            self.events_valid.eq(collector.records.valid),
            collector.records.ready.eq(self.events_ready),
            self.words_payload.eq(management.feed_words.p.data),
            self.words_last.eq(management.feed_words.p.last),
            self.words_valid.eq(management.feed_words.valid),
            management.feed_words.ready.eq(self.words_ready),
        ]
        connect(m, feed.words, words.first)
        connect(m, details.words, words.second)
        connect(m, words.words, management.words)
        connect(m, merger.rows, management.records)
        connect(m, management.events, collector.rows)
        connect(m, orders.events, merger.first)
        connect(m, recorder.events, merger.second)

        # Book events to orders.
        m.d.comb += [
            clock.floor_ns.eq(self.time_ns), clock.hold.eq(self.time_hold),
            self.now_ns.eq(clock.now_ns),
            health.now_ns.eq(clock.now_ns), health.packet.eq(feed.stat_packets),
            health.ended.eq(feed.stat_end_of_session),
            orders.order_rx_data.eq(self.order_rx_data),
            orders.order_rx_control.eq(self.order_rx_control),
            self.order_tx_data.eq(orders.order_tx_data),
            self.order_tx_control.eq(orders.order_tx_control),
            self.feed_a_tx_data.eq(orders.feed_a_tx_data),
            self.feed_a_tx_control.eq(orders.feed_a_tx_control),
            orders.queries.valid.eq(receiver.queries.valid),
            Value.cast(orders.queries.p).eq(Value.cast(receiver.queries.p)),
            orders.link_fault.eq(receiver.stat_fault),
            orders.igmp_version.eq(csr.feed_igmp), orders.group_ip.eq(csr.feed_group_ip),
            orders.join.eq(csr.feed_enable),
            orders.feed_mac.eq(Cat(csr.feed_local_mac_lo, csr.feed_local_mac_hi)),
            orders.feed_address.eq(csr.feed_local_address),
            orders.tops.valid.eq(book.top_of_book.valid),
            Value.cast(orders.tops.payload).eq(Value.cast(book.top_of_book.payload)),
            feed.stamp_tag.eq(book.next_tag),
            orders.coming.symbol_index.eq(book.next_symbol),
            orders.coming.start_cycles.eq(feed.stamp_cycles),
            orders.coming.time.eq(feed.stamp_time),
            orders.coming.hidden_trades.eq(feed.stamp_hidden_trades),
            orders.books_cleared.eq(csr.control_feed_reset),
            orders.tradable.eq(feed.tradable),
            orders.spoilt.eq(book.stale | book.incomplete),
            orders.short_restricted.eq(feed.short_restricted),
            orders.feed_up.eq(health.up),
            feed.order_context_turn.eq(recorder.context_idle),
            feed.order_context_tag.eq(orders.context_tag),
            orders.context_busy.eq(feed.order_context_busy),
            orders.context.eq(feed.order_context),
            orders.now_cycles.eq(self.now_cycles), orders.now_ns.eq(clock.now_ns),
            orders.max_frame_bytes.eq(csr.control_max_frame_bytes),
        ]

        # What is recorded of each event besides.
        for source, sink in ((book.sides, details.sides), (book.sides, orders.sides),
                             (orders.vectors, details.vectors), (orders.scores, details.scores)):
            m.d.comb += [sink.valid.eq(source.valid),
                         Value.cast(sink.p).eq(Value.cast(source.p))]
        m.d.comb += [
            details.context.eq(feed.context), details.context_valid.eq(recorder.context_valid),
            details.now_cycles.eq(self.now_cycles),
            details.cfg_depth.eq(csr.control_details_depth),
            details.cfg_vectors.eq(csr.control_details_vectors),
            book.cfg_one_by_one.eq(csr.control_hold_on_rebuild & (
                csr.control_details_depth | csr.control_details_vectors)),
            book.hold.eq(details.busy),
        ]

        # What makes a book stale.
        m.d.comb += book.stale_symbols.eq(
            feed.stale_symbols | feed.stream_stale.replicate(profile.symbols))

        self._management(m, csr, management, clock)
        self._settings(m, csr, receiver, feed, book)
        self._order_settings(m, csr, orders, feed, health)

        # Status and counters.
        m.d.comb += [
            status.occupancy_words.eq(receiver.occupancy_words),
            status.offered.eq(receiver.beats.valid | feed.operations.valid),
            status.book_ready.eq(book.ready),
            status.book_idle.eq(book.idle),
            status.ring_nearly_full.eq(recorder.nearly_full),
            status.ring_empty.eq(recorder.empty & feed.records_empty & details.empty),
            status.tradable.eq(feed.tradable),
            status.short_restricted.eq(feed.short_restricted),
            status.states.eq(feed.states),
            status.market_halted.eq(feed.market_halted),
            status.event.eq(feed.event),
            status.cfg_trading_events.eq(csr.feed_trading_events),
            recorder.trading_state.eq(status.flags),
            self.feed_ready.eq(status.feed_ready),
            self.idle.eq(status.idle & orders.empty),
            self.calm.eq(status.calm & ~orders.risk_state_sweeping),
            self.events_waiting.eq(merger.rows.valid | ~feed.records_empty | ~details.empty),
            csr.control_status_memories_cleared.eq(book.ready),
            csr.control_status_upkeep.eq(status.upkeep),
            csr.control_status_feed_idle.eq(status.idle),
            csr.counts[csr.count_slice("mold.gap_messages")].eq(
                Mux(feed.stat_gaps, feed.gap_messages, 0)),
        ]
        for counter, (part, pulse) in _COUNTERS.items():
            m.d.comb += csr.counts[csr.count_slice(counter)].eq(getattr(parts[part], pulse))
        for side in (orders, management):
            for bit, counter in enumerate(side.counters):
                m.d.comb += csr.counts[csr.count_slice(counter)].eq(side.counts[bit])

        return m

    def _management(self, m: Module, csr: CsrBridge, management: ManagementSide,
                    clock: NanosecondClock) -> None:
        """Connect what reaches the registers."""
        direct = management.direct
        m.d.comb += [
            direct.address.eq(self.csr_address), direct.write_data.eq(self.csr_write_data),
            direct.write.eq(self.csr_write), direct.read.eq(self.csr_read),
            self.csr_read_data.eq(direct.read_data),
            management.management_rx_data.eq(self.management_rx_data),
            management.management_rx_control.eq(self.management_rx_control),
            self.management_tx_data.eq(management.management_tx_data),
            self.management_tx_control.eq(management.management_tx_control),
            management.now_ns.eq(clock.now_ns),
            management.mac.eq(Cat(csr.management_mac_lo, csr.management_mac_hi)),
            management.address.eq(csr.management_address),
            management.udp_port.eq(csr.management_udp_port),
            csr.management_state_open.eq(management.open),
        ]
        connect(m, management.bus, csr.bus)

    def _settings(self, m: Module, csr: CsrBridge, receiver: DatagramReceiver, feed: FeedHandler,
                  book: Book) -> None:
        """Connect the registers to what they set."""
        m.d.comb += [
            receiver.cfg_cut_through.eq(csr.control_fcs_mode),
            receiver.cfg_strict.eq(csr.control_strict),
            receiver.cfg_max_frame_bytes.eq(csr.control_max_frame_bytes),
            receiver.cfg_group_ip.eq(csr.feed_group_ip),
            receiver.cfg_udp_port.eq(csr.feed_udp_port),

            feed.cfg_enable.eq(csr.feed_enable),
            feed.cfg_session.eq(Cat(csr.feed_session_lo, csr.feed_session_mid,
                                    csr.feed_session_hi)),
            feed.cfg_session_learn.eq(csr.feed_session_learn),
            feed.cfg_sequence_learn.eq(csr.feed_sequence_learn),
            feed.cfg_next_sequence.eq(Cat(csr.feed_next_sequence_lo, csr.feed_next_sequence_hi)),
            feed.cfg_lenient.eq(~csr.control_strict),
            feed.cfg_load.eq(csr.feed_load_sequence),
            feed.cfg_market_code.eq(csr.feed_market_code),
            feed.cfg_trading_events.eq(csr.feed_trading_events),
            feed.cfg_lift_market_halt.eq(csr.feed_lift_market_halt),
            feed.restart.eq(csr.control_feed_reset),
            feed.cfg_wait.eq(csr.control_hold_on_rebuild),
            feed.cfg_record.eq(Cat(getattr(csr, f"feed_record_{message.name}")
                                   for message in itch50.MESSAGES.values())),
            feed.cfg_record_all.eq(csr.feed_record_all_symbols),

            book.clear.eq(csr.control_feed_reset),
            book.cfg_hold.eq(csr.control_hold_on_rebuild),
            book.cfg_seeds[0].eq(Cat(csr.order_table_seed_0_lo, csr.order_table_seed_0_mid,
                                     csr.order_table_seed_0_hi)),
            book.cfg_seeds[1].eq(Cat(csr.order_table_seed_1_lo, csr.order_table_seed_1_mid,
                                     csr.order_table_seed_1_hi)),
        ]

        # Settings of a symbol go to the feed and to the price levels in the same cycle.
        tick = Signal(TickConfig)
        m.d.comb += [
            feed.symbol_write.eq(csr.symbol_committed),
            feed.symbol_index.eq(csr.symbol_index),
            feed.symbol_stock.eq(Cat(csr.symbol_settings.stock_lo, csr.symbol_settings.stock_hi)),
            feed.symbol_locate.eq(csr.symbol_settings.locate),
            feed.symbol_locate_valid.eq(csr.symbol_settings.locate_valid),
            feed.symbol_enable.eq(csr.symbol_settings.enable),
            tick.tick_size.eq(csr.symbol_settings.tick_size),
            tick.multiplier.eq(csr.symbol_settings.reciprocal),
            tick.exponent.eq(csr.symbol_settings.shift),
            book.tick_write.eq(csr.symbol_committed),
            book.tick_symbol.eq(csr.symbol_index),
            book.tick.eq(tick),
        ]

    def _order_settings(self, m: Module, csr: CsrBridge, orders: OrderSide, feed: FeedHandler,
                        health: FeedHealth) -> None:
        """Connect the registers of the order side, which have the same names there."""
        for name, member in register_members(self.profile).items():
            ours, theirs = getattr(csr, name), getattr(orders, name)
            m.d.comb += theirs.eq(ours) if member.flow == Out else ours.eq(theirs)
        m.d.comb += [
            health.cfg_enable.eq(csr.feed_enable), health.restart.eq(csr.control_feed_reset),
            health.cfg_timeout_ns.eq(Cat(csr.feed_timeout_lo, csr.feed_timeout_hi)),
            orders.stock_write.eq(feed.symbol_write), orders.stock_index.eq(feed.symbol_index),
            orders.stock.eq(feed.symbol_stock),
        ]
