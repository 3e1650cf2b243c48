"""What a venue does by itself in a day: opening cross, halts with their crosses, broken trades.

The order of a day: messages, directory and trading states; continuous trading before the opening
with an indication of the opening cross every so often; start of market hours and the opening
crosses; continuous trading. A halt of a symbol is a state ``H`` in which nobody trades, then ``Q``
in which orders collect and indications are told, then a cross and ``T``. Everything is told by the
feed, and everything random has a source of its own, made from the seed.

Ref: Nasdaq TotalView-ITCH 5.0, sections 1.2.2, 1.5 and 1.6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from random import Random

from proto.wire.itch50 import CrossType, EventCode, TradingState
from sim.errors import SimulationError
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Broken, Outcome, StateChanged, SystemTold
from sim.exchange.randomness import chance, exponential
from sim.exchange.tcp_connection import NEVER_NS

__all__ = ["DaySettings", "TradingDay"]

_HALT_REASON, _RESUME_REASON = "T1", "T3"


@dataclass(frozen=True, kw_only=True)
class DaySettings:
    """When what happens. A real venue counts in minutes what a simulated one does in milliseconds.

    Attributes
    ----------
    preopen_ns : int
        Time of continuous trading before market hours and the opening crosses; 0 for neither:
        market hours begin at once. Nasdaq: from 04:00 to 09:30.
    imbalance_ns : int
        Between two indications of a cross. Nasdaq: 10 s, and 1 s in the last two minutes.
    halt_every_ns : int
        Mean time from the start, or from the end of a halt, to the next halt of a symbol; 0 for no
        halts. Nasdaq: a few tens of news halts a day among some thousands of symbols.
    halt_ns, quotation_ns : int
        How long a halt lasts, and how long orders collect after it. Nasdaq: 5 minutes each at
        least.
    breaks_per_mille : int
        Trades of the background that are broken later. Nasdaq: about none.
    break_after_ns : int
        Mean time from a trade to its being broken.
    """

    preopen_ns: int = 10_000_000
    imbalance_ns: int = 1_000_000
    halt_every_ns: int = 2_000_000_000
    halt_ns: int = 30_000_000
    quotation_ns: int = 20_000_000
    breaks_per_mille: int = 2
    break_after_ns: int = 50_000_000

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("preopen_ns", "halt_every_ns", "breaks_per_mille"):
            if getattr(self, name) < 0:
                raise SimulationError(f"{name} must be >= 0, was {getattr(self, name)}")
        for name in ("imbalance_ns", "halt_ns", "quotation_ns", "break_after_ns"):
            if getattr(self, name) < 1:
                raise SimulationError(f"{name} must be >= 1, was {getattr(self, name)}")


class _Act(Enum):
    OPEN = "open"
    INDICATE = "indicate"
    HALT = "halt"
    COLLECT = "collect"
    RESUME = "resume"
    BREAK = "break"


class TradingDay:
    """The calendar of a venue.

    Parameters
    ----------
    engine : MatchingEngine
        The market.
    symbols : sequence of str
        What is traded.
    seed : int
        Of everything random here.
    start_ns : int
        When the day starts.
    settings : DaySettings
        When what happens.

    Attributes
    ----------
    states : dict of str to TradingState
        State of each symbol; ``TRADING`` at the start.
    """

    def __init__(self, engine: MatchingEngine, symbols: Sequence[str], *, seed: int, start_ns: int,
                 settings: DaySettings | None = None) -> None:
        self.settings = settings or DaySettings()
        self.states = dict.fromkeys(symbols, TradingState.TRADING)
        self._engine = engine
        self._random = Random(f"{seed}:day")
        self._agenda: list[tuple[int, int, _Act, str, int]] = []
        self._serial = 0
        self._suspended: set[str] = set()
        self._opening_ns = start_ns + self.settings.preopen_ns
        if self.settings.preopen_ns:
            self._put(self._opening_ns, _Act.OPEN)
            for symbol in symbols:
                self._put(start_ns + self.settings.imbalance_ns, _Act.INDICATE, symbol)
        for symbol in symbols:
            self._plan_halt(symbol, self._opening_ns)

    @property
    def market_hours(self) -> bool:
        """Whether market hours begin at once."""
        return not self.settings.preopen_ns

    @property
    def next_ns(self) -> int:
        """When something happens next."""
        return self._agenda[0][0] if self._agenda else NEVER_NS

    def suspend(self, symbol: str, suspended: bool) -> None:
        """Let no halt begin while somebody else has halted the symbol.

        Raises
        ------
        SimulationError
            If a halt of the calendar lasts.
        """
        if self.states[symbol] is not TradingState.TRADING:
            raise SimulationError(f"{symbol} is in a halt of the venue's own, "
                                  f"state {self.states[symbol].value}; wait until it trades")
        (self._suspended.add if suspended else self._suspended.discard)(symbol)

    def observe(self, outcome: Outcome) -> None:
        """Choose trades that will be broken; those of an account and of a cross are not."""
        for trade in outcome.trades:
            told = trade.taker is not None      # by its own number, and not as part of a cross
            if told and not trade.buyer.account and not trade.seller.account and \
                    chance(self._random, self.settings.breaks_per_mille, 1000):
                after_ns = 1 + exponential(self._random, self.settings.break_after_ns)
                self._put(trade.ts_ns + after_ns, _Act.BREAK, trade.symbol, trade.match_number)

    def step(self) -> list[Outcome]:
        """Do what is next; return what came of it."""
        now_ns, _, act, symbol, number = heappop(self._agenda)
        match act:
            case _Act.OPEN:
                return self._open(now_ns)
            case _Act.INDICATE:
                return self._indicate(symbol, now_ns)
            case _Act.HALT:
                return self._halt(symbol, now_ns)
            case _Act.COLLECT:
                self._put(now_ns + self.settings.imbalance_ns, _Act.INDICATE, symbol)
                self._put(now_ns + self.settings.quotation_ns, _Act.RESUME, symbol)
                return [self._state(symbol, TradingState.QUOTATION_ONLY, _RESUME_REASON, now_ns)]
            case _Act.RESUME:
                outcome = self._engine.cross(symbol, CrossType.HALT_OR_IPO, now_ns)
                self._engine.collect(symbol, False)
                self._plan_halt(symbol, now_ns)
                return [outcome,
                        self._state(symbol, TradingState.TRADING, _RESUME_REASON, now_ns)]
            case _Act.BREAK:
                return [Outcome(0, events=[Broken(now_ns, symbol, number)])]

    def _open(self, now_ns: int) -> list[Outcome]:
        told = Outcome(0, events=[SystemTold(now_ns, EventCode.START_OF_MARKET_HOURS)])
        return [told, *(self._engine.cross(symbol, CrossType.OPENING, now_ns)
                        for symbol in self.states)]

    def _indicate(self, symbol: str, now_ns: int) -> list[Outcome]:
        """Tell how the cross would end, as long as it has not taken place."""
        opening = now_ns < self._opening_ns
        if not opening and self.states[symbol] is not TradingState.QUOTATION_ONLY:
            return []
        self._put(now_ns + self.settings.imbalance_ns, _Act.INDICATE, symbol)
        kind = CrossType.OPENING if opening else CrossType.HALT_OR_IPO
        return [Outcome(0, events=[self._engine.imbalance(symbol, kind, now_ns)])]

    def _halt(self, symbol: str, now_ns: int) -> list[Outcome]:
        if symbol in self._suspended:
            self._plan_halt(symbol, now_ns)
            return []
        self._engine.collect(symbol, True)
        self._put(now_ns + self.settings.halt_ns, _Act.COLLECT, symbol)
        return [self._state(symbol, TradingState.HALTED, _HALT_REASON, now_ns)]

    def _state(self, symbol: str, state: TradingState, reason: str, now_ns: int) -> Outcome:
        self.states[symbol] = state
        return Outcome(0, events=[StateChanged(now_ns, symbol, state, reason)])

    def _plan_halt(self, symbol: str, now_ns: int) -> None:
        if self.settings.halt_every_ns:
            wait_ns = 1 + exponential(self._random, self.settings.halt_every_ns)
            self._put(now_ns + wait_ns, _Act.HALT, symbol)

    def _put(self, at_ns: int, act: _Act, symbol: str = "", number: int = 0) -> None:
        self._serial += 1
        heappush(self._agenda, (at_ns, self._serial, act, symbol, number))
