"""A seeded population of traders: market makers, noise takers, patient traders, informed traders.

Each symbol has a value that nobody but the informed sees. Makers quote round an estimate of it,
which they form from the trades; informed traders take while a touch is worse than the value, and so
bring the estimate there; noise takers work large orders in pieces and push it away for a while. So
the signs of trades are persistent, prices move the way of the trades with a concave impact, news
makes fat tails, and the sizes of the touch, which makers lean with the trades, tell a little of the
next move. With no lean, no impact, no informed traders and no news nothing can be predicted but the
bounce.

A symbol's actions come at random times; each lets one trader act. Beside them orders end or chase
the touch, and makers look after quotes that were executed. See :mod:`.traders` for who does what,
:mod:`.population_settings` for how much of it.
"""

from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from random import Random

from proto.wire.itch50 import EventCode, Side, TradingState
from sim.exchange.ground import STEPS, Fundamental, Ground, Phase
from sim.exchange.makers import MarketMaker
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, Outcome, Party, SystemTold, Trade
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.randomness import chance, exponential
from sim.exchange.traders import InformedTrader, NoiseTaker, PatientTrader

__all__ = ["OTHERS", "Population"]

#: Name of all who are no makers and have no account.
OTHERS = "others"

_SECOND_NS = 1_000_000_000
_STUB_MPID = "STUB"
_PHASES = {TradingState.TRADING: Phase.CONTINUOUS, TradingState.QUOTATION_ONLY: Phase.COLLECTING,
           TradingState.HALTED: Phase.HALTED, TradingState.PAUSED: Phase.HALTED}


class _Kind(Enum):
    ACT = "somebody acts"
    WAKE = "a patient trader looks after an order"
    REACT = "a maker looks after what was executed"
    REQUOTE = "a maker makes every quote anew"
    FOLLOW = "a noise taker goes on"


@dataclass
class _Symbol:
    """The traders of one symbol."""

    ground: Ground
    makers: list[MarketMaker]
    takers: NoiseTaker
    informed: InformedTrader
    patient: PatientTrader
    reacting: set[int] = field(default_factory=set[int])
    inventories: dict[str, int] = field(default_factory=dict[str, int])


class Population:
    """Traders of all symbols, acting on one engine.

    Parameters
    ----------
    engine : MatchingEngine
        The market.
    openings_e4 : dict of Instrument to int
        Price at which each symbol begins.
    seed : int
        Each symbol has random sources of its own, made from the seed and its name.
    start_ns : int
        When they begin.
    settings : PopulationSettings
        How they behave.
    preopen : bool
        Whether trading is only about the opening cross until market hours start.
    """

    def __init__(self, engine: MatchingEngine, openings_e4: dict[Instrument, int], *, seed: int,
                 start_ns: int, settings: PopulationSettings | None = None,
                 preopen: bool = False) -> None:
        self.settings = settings or PopulationSettings()
        self._engine = engine
        self._start_ns = start_ns
        self._interval_ns = max(1, _SECOND_NS // self.settings.actions_per_second)
        self._agenda: list[tuple[int, int, str, _Kind, int]] = []
        self._serial = 0
        self._symbols: dict[str, _Symbol] = {}
        for instrument, price_e4 in openings_e4.items():
            symbol = self._make(instrument, price_e4, seed)
            symbol.ground.phase = Phase.PREOPEN if preopen else Phase.CONTINUOUS
            self._symbols[instrument.symbol] = symbol
            self._plan_action(symbol, start_ns)

    def _make(self, instrument: Instrument, price_e4: int, seed: int) -> _Symbol:
        start = STEPS * price_e4 // instrument.tick_e4
        ground = Ground(self._engine, instrument, Random(f"{seed}:{instrument.symbol}"),
                        self.settings, Fundamental(
                            start, Random(f"{seed}:{instrument.symbol}:value"), self.settings),
                        start)
        makers = [MarketMaker(ground, number, f"MKR{number}" if number % 2 == 0 else "")
                  for number in range(self.settings.makers)]
        return _Symbol(ground, makers, NoiseTaker(ground), InformedTrader(ground),
                       PatientTrader(ground))

    @property
    def next_ns(self) -> int:
        """When somebody acts next."""
        return self._agenda[0][0]

    def ground(self, symbol: str) -> Ground:
        """Return what the traders of a symbol share."""
        return self._symbols[symbol].ground

    def makers(self, symbol: str) -> list[MarketMaker]:
        """Return the makers of a symbol."""
        return self._symbols[symbol].makers

    def inventories(self, symbol: str) -> dict[str, int]:
        """Return what everybody has bought less what they have sold, in shares; the sum is 0.

        Makers are told by number, accounts by name, all others as `OTHERS`.
        """
        return dict(self._symbols[symbol].inventories)

    def set_state(self, symbol: str, state: TradingState, now_ns: int) -> None:
        """Let nobody act in a halt, whose reason is news; let all quote anew after it."""
        traders = self._symbols[symbol]
        ground = traders.ground
        ground.phase = _PHASES[state]
        if ground.phase is Phase.HALTED:
            ground.value.news()
        elif ground.phase is Phase.COLLECTING:
            ground.estimate, ground.pressure = ground.value.value, 0
            for maker in traders.makers:
                self._put(self._later(ground, now_ns, self.settings.react_actions),
                          symbol, _Kind.REQUOTE, maker.number)

    def observe(self, outcome: Outcome) -> None:
        """Learn from trades, and from the start of market hours."""
        for trade in outcome.trades:
            self._observe_trade(trade)
        for event in outcome.events:
            if isinstance(event, SystemTold) and event.code is EventCode.START_OF_MARKET_HOURS:
                for traders in self._symbols.values():
                    if traders.ground.phase is Phase.PREOPEN:
                        traders.ground.phase = Phase.CONTINUOUS

    def opening(self) -> list[Outcome]:
        """Let every maker quote; to be called once, at the start."""
        outcomes: list[Outcome] = []
        for traders in self._symbols.values():
            ground = traders.ground
            if self.settings.stub_quotes:
                lot, tick = ground.instrument.round_lot, ground.instrument.tick_e4
                outcomes += [
                    ground.enter(Side.BUY, lot, tick, self._start_ns, mpid=_STUB_MPID),
                    ground.enter(Side.SELL, lot, ground.stub_offer_e4, self._start_ns,
                                 mpid=_STUB_MPID)]
            for maker in traders.makers:
                outcomes += maker.open(self._start_ns)
        return outcomes

    def step(self) -> list[Outcome]:
        """Let who is next act; return what came of it."""
        now_ns, _, name, kind, number = heappop(self._agenda)
        traders = self._symbols[name]
        if kind is _Kind.ACT:
            self._plan_action(traders, now_ns)
            return self._act(traders, now_ns)
        if kind is _Kind.WAKE:
            outcomes, wait = traders.patient.wake(number, now_ns)
            if wait:
                self._put(now_ns + wait * self._interval_ns, name, _Kind.WAKE, number)
            return outcomes
        if kind is _Kind.FOLLOW:
            return self._take(traders, now_ns) if traders.ground.phase is Phase.CONTINUOUS else []
        if kind is _Kind.REACT:
            traders.reacting.discard(number)
        if traders.ground.phase is Phase.HALTED:
            return []
        maker = traders.makers[number]
        return maker.react(now_ns) if kind is _Kind.REACT else maker.open(now_ns)

    def _act(self, traders: _Symbol, now_ns: int) -> list[Outcome]:
        """Let one trader act."""
        ground, settings = traders.ground, self.settings
        if ground.phase is Phase.HALTED:
            return []
        ground.value.move()
        drawn = ground.random.randrange(100)
        continuous = ground.phase is Phase.CONTINUOUS
        if drawn < settings.taker_percent + settings.rester_percent and not continuous and \
                chance(ground.random, settings.cross_percent, 100):
            return [ground.enter_for_cross(now_ns)]
        if drawn < settings.taker_percent:
            return self._take(traders, now_ns) if continuous else []
        drawn -= settings.taker_percent
        if drawn < settings.rester_percent:
            outcome, number, wait = traders.patient.act(now_ns)
            self._put(now_ns + wait * self._interval_ns, ground.instrument.symbol, _Kind.WAKE,
                      number)
            return [outcome]
        drawn -= settings.rester_percent
        if drawn < settings.informed_percent:
            return traders.informed.act(now_ns) if continuous else []
        return ground.random.choice(traders.makers).act(now_ns)

    def _take(self, traders: _Symbol, now_ns: int) -> list[Outcome]:
        """Let noise take, and perhaps go on soon."""
        ground = traders.ground
        if chance(ground.random, self.settings.follow_percent, 100):
            self._put(self._later(ground, now_ns, 1), ground.instrument.symbol, _Kind.FOLLOW, 0)
        return traders.takers.act(now_ns)

    def _observe_trade(self, trade: Trade) -> None:
        traders = self._symbols[trade.symbol]
        if trade.taker is not None:
            traders.ground.note_trade(trade.taker, trade.quantity)
            for maker in traders.makers:
                if chance(traders.ground.random, self.settings.watch_percent, 100):
                    self._wake_maker(traders, maker, trade.ts_ns)
        for side, party in ((Side.BUY, trade.buyer), (Side.SELL, trade.seller)):
            name = self._note_party(traders, side, party, trade)
            sign = 1 if side is Side.BUY else -1
            traders.inventories[name] = traders.inventories.get(name, 0) + sign * trade.quantity

    def _note_party(self, traders: _Symbol, side: Side, party: Party, trade: Trade) -> str:
        """Tell a maker of its execution; return the name that the shares are booked under."""
        if party.account:
            return party.account
        for maker in traders.makers:
            if party.reference in maker.owned:
                maker.note_trade(party.reference, side, trade.quantity)
                self._wake_maker(traders, maker, trade.ts_ns)
                return f"maker {maker.number}"
        return OTHERS

    def _wake_maker(self, traders: _Symbol, maker: MarketMaker, now_ns: int) -> None:
        """Let a maker look after its best quotes soon, once."""
        if maker.number not in traders.reacting:
            traders.reacting.add(maker.number)
            self._put(self._later(traders.ground, now_ns, self.settings.react_actions),
                      traders.ground.instrument.symbol, _Kind.REACT, maker.number)

    def _later(self, ground: Ground, now_ns: int, actions: int) -> int:
        return now_ns + 1 + exponential(ground.random, actions * self._interval_ns)

    def _plan_action(self, traders: _Symbol, now_ns: int) -> None:
        self._put(self._later(traders.ground, now_ns, 1), traders.ground.instrument.symbol,
                  _Kind.ACT, 0)

    def _put(self, at_ns: int, symbol: str, kind: _Kind, number: int) -> None:
        self._serial += 1
        heappush(self._agenda, (at_ns, self._serial, symbol, kind, number))
