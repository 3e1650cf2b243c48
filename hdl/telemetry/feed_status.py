"""What the feed path is doing, for software, for the pacing of a replay and for event records."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.trading_state import SYSTEM_EVENTS
from hdl.profile import Profile
from hdl.telemetry.event_recorder import STATE_BITS
from proto.events import BookState
from proto.wire import itch50

__all__ = ["FeedStatus"]


class FeedStatus(wiring.Component):
    """Sum up levels of the receive buffer, the books and the event ring.

    Latency: 1 cycle, any input to every output.

    Parameters
    ----------
    profile : Profile
        Number of symbols.
    buffer_words : int
        Words of the receive buffer; a frame is asked for while less than a quarter waits.

    Members
    -------
    occupancy_words : ``In``
        Words that wait in the receive buffer.
    offered : ``In(1)``
        A frame or an operation is being passed on.
    book_ready, book_idle : ``In(1)``
        Memories are cleared; nothing is under way in the books.
    ring_nearly_full, ring_empty : ``In(1)``
        Of the event ring.
    tradable, short_restricted, states, market_halted : ``In``
        Of :class:`~hdl.feed.trading_state.TradingState`.
    event, cfg_trading_events : ``In``
        Last system event, and after which of them trading is allowed.
    feed_ready : ``Out(1)``
        A replay may send the next frame and will lose nothing.
    idle : ``Out(1)``
        Nothing is seen in the feed path; a frame that is only being received is not seen.
    calm : ``Out(1)``
        The same, whatever waits in the event ring.
    upkeep : ``Out(1)``
        An operation, a rebuild or a refill is under way in the books.
    flags : ``Out(data.ArrayLayout(STATE_BITS, symbols))``
        `BookState` of each symbol, but for what only the book knows. ``OPERATIONAL_HALT`` is
        told only where nothing else forbids trading.
    """

    def __init__(self, profile: Profile, *, buffer_words: int):
        self.profile = profile
        self.buffer_words = buffer_words
        super().__init__({
            "occupancy_words":  In(range(buffer_words)),
            "offered":          In(1),
            "book_ready":       In(1),
            "book_idle":        In(1),
            "ring_nearly_full": In(1),
            "ring_empty":       In(1),
            "tradable":         In(profile.symbols),
            "short_restricted": In(profile.symbols),
            "states":           In(data.ArrayLayout(8, profile.symbols)),
            "market_halted":    In(1),
            "event":              In(8),
            "cfg_trading_events": In(len(SYSTEM_EVENTS)),
            "feed_ready":       Out(1),
            "idle":             Out(1),
            "calm":             Out(1),
            "upkeep":           Out(1),
            "flags":            Out(data.ArrayLayout(STATE_BITS, profile.symbols)),
        })

    def elaborate(self, platform):
        m = Module()

        calm = Signal()
        m.d.comb += calm.eq((self.occupancy_words == 0) & ~self.offered & self.book_ready &
                            self.book_idle)
        m.d.sync += [
            self.feed_ready.eq((self.occupancy_words < self.buffer_words // 4) & self.book_ready &
                               ~self.ring_nearly_full),
            self.calm.eq(calm), self.idle.eq(calm & self.ring_empty),
            self.upkeep.eq(~self.book_idle),
        ]
        open_phase = Signal()
        m.d.comb += open_phase.eq(Cat(
            (self.event == event.byte) & self.cfg_trading_events[bit]
            for bit, event in enumerate(SYSTEM_EVENTS)).any())
        for index in range(self.profile.symbols):
            halted = self.states[index] != itch50.TradingState.TRADING.byte
            allowed = ~halted & ~self.market_halted & open_phase
            m.d.sync += self.flags[index].eq(
                Mux(halted, int(BookState.HALTED), 0) |
                Mux(allowed & ~self.tradable[index], int(BookState.OPERATIONAL_HALT), 0) |
                Mux(self.market_halted, int(BookState.MARKET_HALT), 0) |
                Mux(open_phase, 0, int(BookState.CLOSED)) |
                Mux(self.short_restricted[index], int(BookState.SHORT_RESTRICTED), 0))

        return m
