"""An exchange as one thing: a market, its feed, and an order session behind a TCP server.

It knows two Ethernet ports, that of the feed (out) and that of orders (both ways), and simulated
time. What happens at the same time happens in this order: the venue's own calendar, the background,
timers, frames that arrive.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from proto.wire.itch50 import TradingState
from proto.wire.ouch50_codes import RejectReason
from sim.errors import SimulationError
from sim.exchange.accounts import Ledger
from sim.exchange.day import DaySettings, TradingDay
from sim.exchange.itch_feed import ItchFeed
from sim.exchange.lines import ImpairedLine, Impairment, line_b
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, Market, Outcome, Side, StateChanged
from sim.exchange.ouch_session import OuchSession
from sim.exchange.packets import Endpoint
from sim.exchange.population import Population
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.soup_server import SoupConnection, SoupSettings
from sim.exchange.tcp_connection import NEVER_NS, TcpSettings
from sim.exchange.tcp_server import TcpServer
from sim.framing import FeedAddress
from sim.library import Line

__all__ = ["Background", "Exchange", "ExchangeSettings", "TimedFrame", "feed_of",
           "simulated_exchange"]


_ORDER_PORT = Endpoint(mac=0x020000000002, ip=0xC0000202, port=26400)


class TimedFrame(NamedTuple):
    """A frame without FCS, and the time at which it starts on its line."""

    time_ns: int
    line: Line
    frame: bytes


class Background(Protocol):
    """Everybody but us."""

    @property
    def next_ns(self) -> int:
        """When the next of them acts."""
        ...

    def opening(self) -> list[Outcome]:
        """Return what they do at the start."""
        ...

    def step(self) -> list[Outcome]:
        """Let the next one act."""
        ...

    def set_state(self, symbol: str, state: TradingState, now_ns: int) -> None:
        """Learn that the trading state of a symbol has changed."""
        ...

    def observe(self, outcome: Outcome) -> None:
        """See what somebody's action has caused, one's own included."""
        ...


@dataclass(frozen=True, kw_only=True)
class ExchangeSettings:
    """Addresses, login and behaviour.

    Attributes
    ----------
    feed : FeedAddress
        Session and addresses of the feed.
    order_port : Endpoint
        Addresses of the order session's server.
    soup : SoupSettings
        Login, session and timers; the user name is the account.
    tcp : TcpSettings
        Behaviour of the connection.
    cancel_on_disconnect : bool
        Whether a lost connection cancels all orders of the account.
    start_ns : int
        When the exchange opens, ns since midnight.
    line_a : Impairment
        What the network does to line A of the feed.
    line_b : Impairment or None
        What it does to line B; without it there is none.
    """

    feed: FeedAddress = field(default_factory=FeedAddress)
    order_port: Endpoint = _ORDER_PORT
    soup: SoupSettings = field(default_factory=SoupSettings)
    tcp: TcpSettings = field(default_factory=TcpSettings)
    cancel_on_disconnect: bool = False
    start_ns: int = 34_200_000_000_000
    line_a: Impairment = field(default_factory=Impairment)
    line_b: Impairment | None = None


class Exchange:
    """One market with its feed and one order session.

    Parameters
    ----------
    instruments : sequence of Instrument
        What is traded.
    market : Market
        Where the session's orders go.
    settings : ExchangeSettings
        Addresses, login and behaviour.
    feed : ItchFeed
        Where book events go.
    background : Background
        Everybody but us.
    seed : int
        Of TCP sequence numbers; told in the status.
    opens_feed : bool
        Whether the feed's opening messages are made here; a capture brings its own.
    day : TradingDay, optional
        What the venue does by itself; without it market hours begin at once, and nothing more.

    Attributes
    ----------
    ledger : Ledger
        Positions, cash and fills of the accounts.
    observer : callable or None
        Called with every frame in and out, at its time here.
    now_ns : int
        The time up to which everything has happened.
    """

    def __init__(self, instruments: Sequence[Instrument], market: Market,
                 settings: ExchangeSettings, feed: ItchFeed, background: Background, *, seed: int,
                 opens_feed: bool = True, day: TradingDay | None = None) -> None:
        self.settings = settings
        self.instruments = {item.symbol: item for item in instruments}
        self.market = market
        self.feed = feed
        self.ledger = Ledger([settings.soup.username])
        self.session = OuchSession(market, settings.soup, apply=self._apply,
                                   refusal=self._refusal,
                                   cancel_on_disconnect=settings.cancel_on_disconnect)
        self.server = TcpServer(settings.order_port, self._accept, settings.tcp, seed=seed)
        self.now_ns = settings.start_ns
        self.observer: Callable[[TimedFrame], None] | None = None
        self._background = background
        self._seed = seed
        self._opens_feed = opens_feed
        self._day = day
        self._states = dict.fromkeys(self.instruments, TradingState.TRADING)
        self._open = False
        self._frames: list[TimedFrame] = []
        self._lines = {Line.FEED_A: ImpairedLine("A", seed, settings.line_a)}
        if settings.line_b is not None:
            self._lines[Line.FEED_B] = ImpairedLine("B", seed, settings.line_b)
        self._hash = hashlib.sha256()

    @property
    def next_ns(self) -> int:
        """Earliest time at which the exchange does anything by itself."""
        market: list[int] = []
        if self._open:
            market = [self._background.next_ns, self._day_next_ns]
        return max(self.now_ns, min(self.feed.next_ns, self.server.next_ns, *market))

    @property
    def _day_next_ns(self) -> int:
        return NEVER_NS if self._day is None else self._day.next_ns

    def start(self) -> None:
        """Open the day."""
        self._open = True
        if self._opens_feed:
            self.feed.start(self.now_ns,
                            market_hours=self._day is None or self._day.market_hours)
        for outcome in self._background.opening():
            self._apply(outcome)
        self.session.start_of_day(self.now_ns)
        self._collect()

    def finish(self) -> None:
        """Close the day: what is open is cancelled, the feed and the session end."""
        if not self._open:
            return
        self.session.end_of_day(self.now_ns)
        self._open = False
        self.server.advance(self.now_ns)
        self.feed.end(self.now_ns)
        self._collect()

    def advance(self, until_ns: int) -> None:
        """Do everything that is due before `until_ns`."""
        self._do_before(until_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def _do_before(self, until_ns: int) -> None:
        while (at_ns := self.next_ns) < until_ns:
            self.now_ns = at_ns
            while self._open and self._day is not None and self._day.next_ns <= at_ns:
                for outcome in self._day.step():
                    self._apply(outcome)
            if self._open and self._background.next_ns <= at_ns:
                for outcome in self._background.step():
                    self._apply(outcome)
            if self.server.next_ns <= at_ns:
                self.server.advance(at_ns)
            if self.feed.next_ns <= at_ns:
                self.feed.advance(at_ns)
            self._collect()
        self.feed.flush()
        self._collect()

    def receive(self, frame: TimedFrame) -> None:
        """Take in a frame at the order port; everything up to its time happens first."""
        self._do_before(frame.time_ns + 1)
        self.now_ns = max(self.now_ns, frame.time_ns)
        self._note(frame)
        if frame.line is Line.ORDER:
            self.server.receive(frame.frame, self.now_ns)
            self.server.advance(self.now_ns)
            self._collect()

    def take_frames(self) -> list[TimedFrame]:
        """Return and forget the frames that leave, in order of time.

        Frames that the network delays may arrive after the time that is over.
        """
        frames, self._frames = self._frames, []
        frames.sort(key=lambda item: item.time_ns)
        for frame in frames:
            self._note(frame)
        return frames

    def set_halted(self, symbol: str, halted: bool) -> None:
        """Halt a symbol, or let it trade again; the feed tells.

        Raises
        ------
        SimulationError
            If there is no such symbol, or the venue itself has halted it.
        """
        if symbol not in self.instruments:
            raise SimulationError(f"symbol must be one of {', '.join(self.instruments)}, "
                                  f"was {symbol!r}")
        if self._day is not None:
            self._day.suspend(symbol, halted)
        state = TradingState.HALTED if halted else TradingState.TRADING
        self._apply(Outcome(0, events=[
            StateChanged(self.now_ns, symbol, state, "T1" if halted else "")]))
        self.feed.flush()
        self._collect()

    def status(self) -> dict[str, Any]:
        """Return all that a reconciliation or a report asks for, ready for JSON."""
        return {
            "now_ns": self.now_ns, "seed": self._seed, "open": self._open,
            "digest": self._hash.hexdigest(),
            "feed_messages": self.feed.messages,
            "lines": {line.name.lower(): dict(carrier.counters)
                      for line, carrier in self._lines.items()},
            "session_messages": len(self.session.stream.messages),
            "orders": dict(self.session.port.counters),
            "frames": dict(self.server.counters),
            "connections": [item.state.value for item in self.server.connections],
            "symbols": {symbol: self._symbol_status(symbol) for symbol in self.instruments},
            "accounts": {name: self._account_status(name) for name in self.ledger.accounts},
        }

    def _symbol_status(self, symbol: str) -> dict[str, Any]:
        status: dict[str, Any] = {
            "halted": self._states[symbol] is not TradingState.TRADING,
            "state": self._states[symbol].value}
        for side, name in ((Side.BUY, "bid"), (Side.SELL, "ask")):
            price_e4, quantity, orders = self.market.best(symbol, side)
            status |= {f"{name}_price_e4": price_e4, f"{name}_quantity": quantity,
                       f"{name}_orders": orders}
        return status

    def _account_status(self, name: str) -> dict[str, Any]:
        account = self.ledger.accounts[name]
        live = self.session.port.live_orders if name == self.session.port.account else []
        return {
            "positions": dict(account.positions), "cash_e4": account.cash_e4,
            "fills": account.fills, "shares": account.shares,
            "turnover_e4": account.turnover_e4,
            "open_orders": [{"user_ref_num": order.user_ref_num,
                             "symbol": order.fields["symbol"], "side": order.fields["side"],
                             "open_quantity": order.open_quantity,
                             "price_e4": order.fields["price"]} for order in live],
        }

    def _accept(self) -> SoupConnection:
        return self.session.connect(self.now_ns)

    def _refusal(self, symbol: str) -> RejectReason | None:
        if not self._open:
            return RejectReason.DESTINATION_CLOSED
        return None if self._states[symbol] is TradingState.TRADING else RejectReason.HALTED

    def _apply(self, outcome: Outcome) -> None:
        self.feed.publish(outcome.events)
        for report in outcome.reports:
            self.ledger.note(report)
            if report.account == self.session.port.account:
                self.session.port.report(report)
        for event in outcome.events:
            if isinstance(event, StateChanged):
                self._states[event.symbol] = event.state
                self._background.set_state(event.symbol, event.state, self.now_ns)
        self._background.observe(outcome)
        if self._day is not None:
            self._day.observe(outcome)

    def _collect(self) -> None:
        """Take the frames of both ports."""
        self._frames += [TimedFrame(self.now_ns, Line.ORDER, frame)
                         for frame in self.server.take_frames()]
        self._deliver(Line.FEED_A, self.feed.take_frames())
        self._deliver(Line.FEED_B, self.feed.take_second_frames())

    def _deliver(self, line: Line, packets: list[tuple[int, bytes]]) -> None:
        if packets and line in self._lines:
            self._frames += [TimedFrame(time_ns, line, frame)
                             for time_ns, frame in self._lines[line].carry(packets)]

    def _note(self, frame: TimedFrame) -> None:
        self._hash.update(f"{frame.time_ns} {frame.line} ".encode() + frame.frame)
        if self.observer is not None:
            self.observer(frame)


def simulated_exchange(openings_e4: dict[str, int], *, seed: int,
                       settings: ExchangeSettings | None = None,
                       population: PopulationSettings | None = None,
                       day: DaySettings | None = None) -> Exchange:
    """Return an exchange with a matching engine and a population.

    Parameters
    ----------
    openings_e4 : dict of str to int
        Price at which each symbol begins; locates count up from 1 in this order.
    seed : int
        Of everything random.
    settings, population
        By default, their defaults.
    day : DaySettings, optional
        What the venue does by itself; without it, nothing.
    """
    settings = settings or ExchangeSettings()
    instruments = [Instrument(symbol=symbol, locate=locate)
                   for locate, symbol in enumerate(openings_e4, start=1)]
    engine = MatchingEngine(instruments)
    traders = Population(engine, {item: openings_e4[item.symbol] for item in instruments},
                         seed=seed, start_ns=settings.start_ns, settings=population,
                         preopen=day is not None and day.preopen_ns > 0)
    calendar = None if day is None else TradingDay(
        engine, list(openings_e4), seed=seed, start_ns=settings.start_ns, settings=day)
    return Exchange(instruments, engine, settings, feed_of(instruments, settings), traders,
                    seed=seed, day=calendar)


def feed_of(instruments: Sequence[Instrument], settings: ExchangeSettings) -> ItchFeed:
    """Return the feed that settings describe, with as many lines as they have."""
    second = None if settings.line_b is None else line_b(settings.feed)
    return ItchFeed(instruments, settings.feed, second=second)
