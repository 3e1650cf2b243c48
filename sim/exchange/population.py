"""A seeded population of traders: market makers, noise, and an informed flow with momentum.

Each symbol has a latent mid price in 1/16 tick that nobody sees. It makes a small random walk, and
while a *trend* lasts it also drifts. A trend begins at random, lasts an exponential time and has
one direction. What makes the visible book worth reading:

- informed takers trade in the direction of the trend only, and eat the touch on that side;
- market makers who renew a quote during a trend show more size on the side that the price leaves
  (``lean``) and less on the other, before the latent mid has moved by a tick;
- quotes follow the latent mid only as fast as the makers wake up.

So top-of-book imbalance and order-flow imbalance predict the next moves of the mid for a part of a
trend's length. Noise takers and noise resters, who know nothing, blur it. With ``lean_percent = 0``
and ``informed_percent = 0`` nothing can be predicted but the bounce.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder, Outcome, Side, TimeInForce, other_side
from sim.exchange.randomness import chance, exponential

__all__ = ["Population", "PopulationSettings"]

#: The latent mid is kept in this part of a tick.
LATENT_STEPS = 16

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class PopulationSettings:
    """How busy and how readable a market is. Percentages are shares of the actions of a symbol.

    Attributes
    ----------
    actions_per_second : int
        Actions of one symbol a simulated second; each makes about one feed message.
    taker_percent : int
        Actions of noise takers: IOC at the touch, either side.
    rester_percent : int
        Actions of noise resters: an order one to eight ticks from the touch, later cancelled.
    informed_percent : int
        Actions of informed takers while there is a trend; without one they wait. The makers have
        what is left of the actions.
    makers, maker_levels : int
        Market makers of a symbol, and quotes a side of each, one tick apart.
    half_spread_ticks : int
        Distance of a maker's best quote from the latent mid.
    quote_lots : int
        Mean round lots of a quote.
    lean_percent : int
        By how much makers increase one side and decrease the other during a trend.
    trend_ns, calm_ns : int
        Mean length of a trend, and of the time between trends.
    drift_ticks : int
        How far the latent mid drifts in a trend of mean length.
    walk_per_mille : int
        Chance that an action moves the latent mid by 1/16 tick either way.
    rest_ns : int
        Mean life of the order of a noise rester.
    hidden_percent, improving_percent : int
        Noise resters whose order is hidden, and makers whose quote trades at a better price.
    """

    actions_per_second: int = 5_000
    taker_percent: int = 6
    rester_percent: int = 14
    informed_percent: int = 6
    makers: int = 4
    maker_levels: int = 4
    half_spread_ticks: int = 1
    quote_lots: int = 3
    lean_percent: int = 70
    trend_ns: int = 60_000_000
    calm_ns: int = 60_000_000
    drift_ticks: int = 8
    walk_per_mille: int = 250
    rest_ns: int = 20_000_000
    hidden_percent: int = 5
    improving_percent: int = 2


@dataclass
class _Symbol:
    """What the population knows of one symbol."""

    instrument: Instrument
    random: Random
    latent: int                         # 1/16 tick
    trend: int = 0                      # -1, 0 or 1
    trend_until_ns: int = 0
    last_drift_ns: int = 0
    drift_rest: int = 0
    #: (maker, side, level) -> reference of the quote.
    quotes: dict[tuple[int, Side, int], int] = field(
        default_factory=dict[tuple[int, Side, int], int])


class Population:
    """Traders of all symbols, acting on one engine.

    Parameters
    ----------
    engine : MatchingEngine
        The market.
    openings_e4 : dict of Instrument to int
        Price at which each symbol begins.
    seed : int
        Each symbol has a random source of its own, made from the seed and its name.
    start_ns : int
        When they begin.
    settings : PopulationSettings
        How they behave.
    """

    def __init__(self, engine: MatchingEngine, openings_e4: dict[Instrument, int], *, seed: int,
                 start_ns: int, settings: PopulationSettings | None = None) -> None:
        self.settings = settings or PopulationSettings()
        self._engine = engine
        self._agenda: list[tuple[int, int, str, int]] = []  # time, serial, symbol, order to cancel
        self._serial = 0
        self._halted: set[str] = set()
        self._symbols: dict[str, _Symbol] = {}
        for instrument, price_e4 in openings_e4.items():
            random = Random(f"{seed}:{instrument.symbol}")
            self._symbols[instrument.symbol] = _Symbol(
                instrument, random, LATENT_STEPS * price_e4 // instrument.tick_e4,
                trend_until_ns=start_ns, last_drift_ns=start_ns)
            self._schedule(self._symbols[instrument.symbol], start_ns)
        self._start_ns = start_ns

    @property
    def next_ns(self) -> int:
        """When somebody acts next."""
        return self._agenda[0][0]

    def trend(self, symbol: str) -> int:
        """Return the direction of the trend of a symbol now: -1, 0 or 1."""
        return self._symbols[symbol].trend

    def set_halted(self, symbol: str, halted: bool) -> None:
        """Let nobody act in a symbol, or let them again."""
        (self._halted.add if halted else self._halted.discard)(symbol)

    def opening(self) -> list[Outcome]:
        """Let every maker quote; to be called once, at the start."""
        outcomes: list[Outcome] = []
        for state in self._symbols.values():
            for maker in range(self.settings.makers):
                for side in Side:
                    for level in range(self.settings.maker_levels):
                        outcomes += self._quote(state, maker, side, level, self._start_ns)
        return outcomes

    def step(self) -> list[Outcome]:
        """Let who is next act; return what came of it."""
        now_ns, _, symbol, expired = heappop(self._agenda)
        state = self._symbols[symbol]
        if expired:
            return self._cancel(expired, now_ns)
        self._schedule(state, now_ns)
        if symbol in self._halted:
            return []
        self._move(state, now_ns)
        drawn, settings = state.random.randrange(100), self.settings
        if drawn < settings.taker_percent:
            side = Side.BUY if state.random.getrandbits(1) else Side.SELL
            return self._take(state, side, now_ns)
        drawn -= settings.taker_percent
        if drawn < settings.rester_percent:
            return self._rest(state, now_ns)
        drawn -= settings.rester_percent
        if drawn < settings.informed_percent:
            if not state.trend:
                return []
            return self._take(state, Side.BUY if state.trend > 0 else Side.SELL, now_ns)
        return self._renew(state, now_ns)

    def _schedule(self, state: _Symbol, now_ns: int) -> None:
        wait = exponential(state.random, _SECOND_NS // self.settings.actions_per_second)
        self._put(now_ns + max(1, wait), state.instrument.symbol, 0)

    def _put(self, at_ns: int, symbol: str, reference: int) -> None:
        self._serial += 1
        heappush(self._agenda, (at_ns, self._serial, symbol, reference))

    def _move(self, state: _Symbol, now_ns: int) -> None:
        """Move the latent mid and begin or end a trend."""
        settings, random = self.settings, state.random
        if state.trend:
            passed = state.drift_rest + (now_ns - state.last_drift_ns) * LATENT_STEPS \
                * settings.drift_ticks
            steps, state.drift_rest = divmod(passed, settings.trend_ns)
            state.latent += state.trend * steps
        state.last_drift_ns = now_ns
        if chance(random, settings.walk_per_mille, 1000):
            state.latent += 1 if random.getrandbits(1) else -1
        lowest = LATENT_STEPS * (settings.half_spread_ticks + settings.maker_levels + 10)
        state.latent = max(state.latent, lowest)
        if now_ns < state.trend_until_ns:
            return
        state.drift_rest = 0
        if state.trend:
            state.trend = 0
            state.trend_until_ns = now_ns + exponential(random, settings.calm_ns)
        else:
            state.trend = 1 if random.getrandbits(1) else -1
            state.trend_until_ns = now_ns + exponential(random, settings.trend_ns)

    def _lots(self, state: _Symbol, mean: int) -> int:
        return max(1, exponential(state.random, mean)) * state.instrument.round_lot

    def _take(self, state: _Symbol, side: Side, now_ns: int) -> list[Outcome]:
        """Take at the touch, one in four times a tick through it."""
        price_e4, _, _ = self._engine.best(state.instrument.symbol, other_side(side))
        if not price_e4:
            return []
        through = state.instrument.tick_e4 if chance(state.random, 1, 4) else 0
        sign = 1 if side is Side.BUY else -1
        return [self._engine.enter(NewOrder(
            symbol=state.instrument.symbol, side=side,
            quantity=self._lots(state, 2 * self.settings.quote_lots),
            price_e4=max(state.instrument.tick_e4, price_e4 + sign * through),
            time_in_force=TimeInForce.IOC), now_ns)]

    def _rest(self, state: _Symbol, now_ns: int) -> list[Outcome]:
        """Rest somewhere near the touch for a while."""
        random, tick = state.random, state.instrument.tick_e4
        side = Side.BUY if random.getrandbits(1) else Side.SELL
        sign = 1 if side is Side.BUY else -1
        price_e4, _, _ = self._engine.best(state.instrument.symbol, side)
        price_e4 = (price_e4 or self._mid_e4(state)) - sign * tick * random.randrange(8)
        outcome = self._enter_passive(state, side, price_e4, self._lots(state, 2), now_ns,
                                      displayed=not chance(random, self.settings.hidden_percent,
                                                           100))
        self._put(now_ns + 1 + exponential(random, self.settings.rest_ns),
                  state.instrument.symbol, outcome.reference)
        return [outcome]

    def _renew(self, state: _Symbol, now_ns: int) -> list[Outcome]:
        """Let one maker look after one quote, most often one of the best."""
        random, settings = state.random, self.settings
        maker = random.randrange(settings.makers)
        side = Side.BUY if random.getrandbits(1) else Side.SELL
        levels = settings.maker_levels
        level = min(random.randrange(levels), random.randrange(levels))
        return self._quote(state, maker, side, level, now_ns)

    def _quote(self, state: _Symbol, maker: int, side: Side, level: int,
               now_ns: int) -> list[Outcome]:
        key = (maker, side, level)
        price_e4 = self._passive_e4(state, side, self._wanted_e4(state, side, level))
        quantity = self._wanted_quantity(state, side)
        order = self._engine.order(state.quotes.get(key, 0))
        random = state.random
        if order is None:
            improving = chance(random, self.settings.improving_percent, 100)
            outcome = self._engine.enter(NewOrder(
                symbol=state.instrument.symbol, side=side, quantity=quantity, price_e4=price_e4,
                improvement_e4=state.instrument.tick_e4 // 2 if improving else 0), now_ns)
        elif order.price_e4 == price_e4:
            if quantity >= order.quantity:
                if quantity < 2 * order.quantity:
                    return []
                outcome = self._engine.replace(order.reference, quantity, price_e4, now_ns)
            else:
                return [self._engine.reduce(order.reference, order.quantity - quantity, now_ns)]
        elif chance(random, 1, 3):
            # Two messages instead of one: some makers cancel first.
            state.quotes.pop(key, None)
            return [self._engine.reduce(order.reference, order.quantity, now_ns)]
        else:
            outcome = self._engine.replace(order.reference, quantity, price_e4, now_ns)
        state.quotes[key] = outcome.reference
        return [outcome]

    def _cancel(self, reference: int, now_ns: int) -> list[Outcome]:
        order = self._engine.order(reference)
        if order is None:
            return []
        return [self._engine.reduce(reference, order.quantity, now_ns)]

    def _mid_e4(self, state: _Symbol) -> int:
        return state.latent // LATENT_STEPS * state.instrument.tick_e4

    def _wanted_e4(self, state: _Symbol, side: Side, level: int) -> int:
        """Return a quote's price: bids rounded down from the latent mid, offers up."""
        distance = LATENT_STEPS * (self.settings.half_spread_ticks + level) - LATENT_STEPS // 2
        if side is Side.BUY:
            ticks = (state.latent - distance) // LATENT_STEPS
        else:
            ticks = -(-(state.latent + distance) // LATENT_STEPS)
        return ticks * state.instrument.tick_e4

    def _passive_e4(self, state: _Symbol, side: Side, price_e4: int) -> int:
        """Return the price, moved away so that it does not trade at once with what is displayed."""
        touch_e4, _, _ = self._engine.best(state.instrument.symbol, other_side(side))
        tick = state.instrument.tick_e4
        if not touch_e4:
            return max(tick, price_e4)
        if side is Side.BUY:
            return max(tick, min(price_e4, touch_e4 - tick))
        return max(price_e4, touch_e4 + tick)

    def _wanted_quantity(self, state: _Symbol, side: Side) -> int:
        """Return a quote's size; a rising price brings large bids and small offers."""
        sign = 1 if side is Side.BUY else -1
        percent = 100 + sign * state.trend * self.settings.lean_percent
        shares = self._lots(state, 2 * self.settings.quote_lots) * percent // 100
        lot = state.instrument.round_lot
        return max(lot, shares // lot * lot)

    def _enter_passive(self, state: _Symbol, side: Side, price_e4: int, quantity: int, now_ns: int,
                       *, displayed: bool) -> Outcome:
        return self._engine.enter(NewOrder(
            symbol=state.instrument.symbol, side=side, quantity=quantity,
            price_e4=self._passive_e4(state, side, price_e4), displayed=displayed), now_ns)
