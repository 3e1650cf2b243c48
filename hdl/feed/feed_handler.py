"""The feed stage: datagrams in, book operations and trading state out."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.feed.itch_decoder import ItchDecoder
from hdl.feed.message_framer import MessageFramer
from hdl.feed.symbol_filter import SymbolFilter
from hdl.feed.trading_state import TradingState
from hdl.profile import Profile
from hdl.telemetry.message_recorder import MessageRecorder

__all__ = ["FeedHandler"]


class FeedHandler(wiring.Component):
    """Frame, filter and decode one MoldUDP64 / TotalView-ITCH 5.0 stream.

    Latency: 3 cycles, `beats` transfer of the beat with a message's final byte to
    `operations.valid`.
    Throughput: 1 beat per cycle with packed messages of 19 bytes and more, while each operation
    is taken in its first cycle, or every second cycle on average.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    beats, datagram, outcomes
        As of :class:`~hdl.feed.message_framer.MessageFramer`.
    operations, ahead, stale_symbols, context_tag, context, order_context_turn, order_context_tag, \
order_context_busy, order_context, stamp_tag, stamp_cycles, stamp_time, stamp_hidden_trades, \
cfg_record, cfg_record_all
        As of :class:`~hdl.feed.itch_decoder.ItchDecoder`.
    words, now_cycles, cfg_wait
        Records of messages, as of :class:`~hdl.telemetry.message_recorder.MessageRecorder`.
    records_empty : ``Out(1)``
        No record of a message waits.
    admin : ``Out(stream.Signature(AdminMessage(profile), always_ready=True))``
        News of trading state, for records; `tradable` and the like follow from it.
    restart : ``In(1)``
        Pulse: forget the session and all trading state.
    stream_stale : ``Out(1)``
        Pulse: messages of any symbol may be missing.
    symbol_write, symbol_index, symbol_stock, symbol_locate, symbol_locate_valid, symbol_enable
        Configuration of :class:`~hdl.feed.symbol_filter.SymbolFilter`.
    learned, learned_index, learned_locate : ``Out``
        Pulse and what was learnt from the directory.
    cfg_enable : ``In(1)``
        Walk datagrams; while low, frames pass by.
    cfg_* : ``In``
        Other settings, as of the framer and of :class:`~hdl.feed.trading_state.TradingState`.
    session, next_sequence, tradable, short_restricted, states, market_halted, event : ``Out``
        State.
    gap_messages : ``Out(32)``
        Messages missing, with `stat_gaps`.
    stat_* : ``Out(1)``
        One-cycle pulses of all parts.
    """

    _FRAMER = ("datagram", "cfg_session", "cfg_session_learn", "cfg_sequence_learn",
               "cfg_next_sequence", "cfg_lenient", "cfg_load", "session", "next_sequence",
               "gap_messages", "stat_packets", "stat_messages", "stat_heartbeats",
               "stat_end_of_session", "stat_gaps", "stat_duplicates", "stat_overlaps",
               "stat_duplicate_messages", "stat_foreign_session", "stat_unnumbered",
               "stat_malformed")
    _DECODER = ("ahead", "stale_symbols", "context_tag", "context", "order_context_turn",
                "order_context_tag", "order_context_busy", "order_context", "stamp_tag",
                "stamp_cycles", "stamp_time", "stamp_hidden_trades", "cfg_record",
                "cfg_record_all", "stat_operations", "stat_admin",
                "stat_unwatched", "stat_unknown_type", "stat_bad_length")
    _RECORDER = ("words", "now_cycles", "cfg_wait", "stat_recorded", "stat_dropped")
    _FILTER = ("learned", "learned_index", "learned_locate")
    _FILTER_CONFIGURATION = ("write", "index", "stock", "locate", "locate_valid", "enable")
    _TRADING = ("cfg_market_code", "cfg_trading_events", "cfg_lift_market_halt", "tradable",
                "short_restricted", "states", "market_halted", "event")

    def __init__(self, profile: Profile):
        self.profile = profile
        self._framer = MessageFramer()
        self._decoder = ItchDecoder(profile)
        self._filter = SymbolFilter(profile)
        self._trading = TradingState(profile)
        self._recorder = MessageRecorder(profile)
        framer = self._framer.signature.members
        decoder = self._decoder.signature.members
        super().__init__({
            "beats":        framer["beats"],
            "outcomes":     framer["outcomes"],
            "operations":   decoder["operations"],
            "admin":        decoder["admin"],
            "restart":      In(1),
            "cfg_enable":   In(1),
            "stream_stale": Out(1),
            "records_empty": Out(1),
            **{name: part.signature.members[name] for part, name in self._passed()},
            **{f"symbol_{name}": self._filter.signature.members[f"cfg_{name}"]
               for name in self._FILTER_CONFIGURATION},
        })

    def _passed(self):
        """Yield every port that is a part's own, and the part."""
        for part, names in ((self._framer, self._FRAMER), (self._decoder, self._DECODER),
                            (self._filter, self._FILTER), (self._trading, self._TRADING),
                            (self._recorder, self._RECORDER)):
            for name in names:
                yield part, name

    def elaborate(self, platform):
        m = Module()

        m.submodules.framer = framer = self._framer
        m.submodules.decoder = decoder = self._decoder
        m.submodules.filter = symbols = self._filter
        m.submodules.trading = trading = self._trading
        m.submodules.recorder = recorder = self._recorder

        def drive(sink, source):
            m.d.comb += Value.cast(sink).eq(Value.cast(source))

        for part, name in self._passed():
            own, inner = getattr(self, name), getattr(part, name)
            if not part.signature.members[name].is_port:
                connect(m, inner, flipped(own))
                continue
            drive(*((inner, own) if part.signature.members[name].flow is In else (own, inner)))
        m.d.comb += framer.datagram.accepted.eq(self.datagram.accepted & self.cfg_enable)
        for name in self._FILTER_CONFIGURATION:
            drive(getattr(symbols, f"cfg_{name}"), getattr(self, f"symbol_{name}"))

        connect(m, flipped(self.beats), framer.beats)
        connect(m, flipped(self.outcomes), framer.outcomes)
        connect(m, framer.messages, decoder.messages)
        connect(m, decoder.operations, flipped(self.operations))

        for name in ("frame_settled", "frame_good"):
            drive(getattr(decoder, name), getattr(framer, name))
        for name in ("locate", "look_up", "directory", "directory_stock", "directory_locate"):
            drive(getattr(symbols, name), getattr(decoder, name))
        for name in ("watched", "symbol_index", "learned", "learned_index", "unknown"):
            drive(getattr(decoder, name), getattr(symbols, name))

        drive(recorder.window, framer.messages.p)
        for sink, source in ((recorder.taken, framer.messages.valid & framer.messages.ready),
                             (recorder.record, decoder.record),
                             (recorder.sequence, decoder.record_sequence),
                             (recorder.symbol_index, symbols.symbol_index),
                             (recorder.watched, symbols.watched),
                             (decoder.hold, recorder.busy), (decoder.hold_first, recorder.full),
                             (self.records_empty, recorder.empty)):
            drive(sink, source)

        for news in (trading.admin, self.admin):
            drive(news.payload, decoder.admin.payload)
            drive(news.valid, decoder.admin.valid)
        m.d.comb += [
            framer.cfg_restart.eq(self.restart),
            trading.restart.eq(self.restart),
            self.stream_stale.eq(framer.stream_stale | decoder.stream_stale),
        ]

        return m
