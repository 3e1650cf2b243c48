"""Which symbols may be traded, as the exchange says."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from hdl.records import AdminKind, AdminMessage
from proto.wire import itch50

__all__ = ["SYSTEM_EVENTS", "TradingState"]

#: System events in the order of the bits of ``cfg_trading_events``.
SYSTEM_EVENTS = tuple(itch50.EventCode)


class TradingState(wiring.Component):
    """Keep the state of every symbol and of the market; the most restrictive one decides.

    Latency: 2 cycles, `admin` transfer to `tradable` and `short_restricted`.

    After reset, or `restart`, nothing is tradable and every symbol is restricted for short sales:
    a symbol needs a trading action, the market a system event that allows trading. An unknown code
    of a system event, trading state or halt forbids; one of the short sale rule restricts. A
    market-wide halt lasts until software lifts it or a new day's first message comes: the feed has
    no message that ends it.

    Parameters
    ----------
    profile : Profile
        Gives the number of symbols.

    Members
    -------
    admin : ``In(stream.Signature(AdminMessage(profile), always_ready=True))``
        News of trading state.
    restart : ``In(1)``
        Pulse: forget everything.
    cfg_market_code : ``In(8)``
        Market whose operational halts count.
    cfg_trading_events : ``In(6)``
        For each of :data:`SYSTEM_EVENTS` whether trading is allowed after it.
    cfg_lift_market_halt : ``In(1)``
        Pulse: the market-wide halt is over.
    tradable : ``Out(symbols)``
        Continuous trading is allowed.
    short_restricted : ``Out(symbols)``
        The short sale price test is active.
    states : ``Out(8 * symbols)``
        Trading state code of each symbol as last received, 0 before; that of symbol 0 lowest.
    market_halted : ``Out(1)``
    event : ``Out(8)``
        Code of the last system event, 0 before.
    stat_changed : ``Out(1)``
        Pulse: `tradable` or `short_restricted` has changed.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "admin":                In(stream.Signature(AdminMessage(profile), always_ready=True)),
            "restart":              In(1),
            "cfg_market_code":      In(8, init=itch50.MarketCode.NASDAQ.byte),
            "cfg_trading_events":   In(len(SYSTEM_EVENTS)),
            "cfg_lift_market_halt": In(1),
            "tradable":             Out(profile.symbols),
            "short_restricted":     Out(profile.symbols, init=(1 << profile.symbols) - 1),
            "states":               Out(8 * profile.symbols),
            "market_halted":        Out(1),
            "event":                Out(8),
            "stat_changed":         Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        news = self.admin.p
        code = news.code
        symbols = self.profile.symbols
        halted = Signal(symbols)
        restricted = Signal(symbols, init=(1 << symbols) - 1)

        with m.If(self.cfg_lift_market_halt):
            m.d.sync += self.market_halted.eq(0)
        with m.If(self.admin.valid):
            with m.Switch(news.kind):
                with m.Case(AdminKind.SYSTEM_EVENT):
                    m.d.sync += self.event.eq(code)
                    with m.If(code == itch50.EventCode.START_OF_MESSAGES.byte):
                        m.d.sync += self.market_halted.eq(0)
                with m.Case(AdminKind.MWCB_STATUS):
                    m.d.sync += self.market_halted.eq(1)
            for index in range(symbols):
                with m.If(news.symbol_index == index), m.Switch(news.kind):
                    with m.Case(AdminKind.TRADING_ACTION):
                        m.d.sync += self.states.word_select(index, 8).eq(code)
                    with m.Case(AdminKind.OPERATIONAL_HALT):
                        with m.If(news.market == self.cfg_market_code):
                            m.d.sync += halted[index].eq(
                                code != itch50.OperationalHaltAction.LIFTED.byte)
                    with m.Case(AdminKind.REG_SHO):
                        m.d.sync += restricted[index].eq(
                            code != itch50.RegShoAction.NO_PRICE_TEST.byte)
        with m.If(self.restart):
            m.d.sync += [halted.eq(0), restricted.eq(~0), self.market_halted.eq(0),
                         self.event.eq(0)]
            m.d.sync += self.states.eq(0)

        opened = Signal()
        m.d.comb += opened.eq(~self.market_halted & Cat(
            (self.event == event.byte) & self.cfg_trading_events[bit]
            for bit, event in enumerate(SYSTEM_EVENTS)).any())
        tradable = Signal(symbols)
        for index in range(symbols):
            m.d.comb += tradable[index].eq(
                opened & ~halted[index]
                & (self.states.word_select(index, 8) == itch50.TradingState.TRADING.byte))
        m.d.sync += [
            self.tradable.eq(tradable), self.short_restricted.eq(restricted),
            self.stat_changed.eq((tradable != self.tradable)
                                 | (restricted != self.short_restricted)),
        ]

        return m
