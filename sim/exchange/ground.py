"""What the traders of one symbol share: its value, what makers think of it, and the market."""

from dataclasses import dataclass
from enum import Enum
from random import Random

from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder, Outcome, Side, TimeInForce, other_side
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.randomness import chance, heavy_tailed

__all__ = ["FULL_PRESSURE", "STEPS", "Fundamental", "Ground", "Phase", "any_side", "sign_of"]

#: Value and estimates are kept in this part of a tick.
STEPS = 16

#: The most that recent trades can press, and the part of it that each new trade replaces.
FULL_PRESSURE = 1024
_PRESSURE_DECAY = 6
_HIGHEST_PRICE_E4 = 1_999_999_900


class Phase(Enum):
    """What traders may do."""

    PREOPEN = "before the opening cross"
    CONTINUOUS = "continuous trading"
    HALTED = "halted"
    COLLECTING = "before the cross that ends a halt"


def sign_of(side: Side) -> int:
    """Return 1 for buying, -1 for selling."""
    return 1 if side is Side.BUY else -1


def any_side(random: Random) -> Side:
    """Return either side."""
    return Side.BUY if random.getrandbits(1) else Side.SELL


class Fundamental:
    """What a share is worth, in 1/16 tick: a walk of small steps, and news.

    Parameters
    ----------
    start : int
        The value at the start.
    random : Random
        Its own source: it does not depend on what traders do.
    settings : PopulationSettings
        Steps and news.
    """

    def __init__(self, start: int, random: Random, settings: PopulationSettings) -> None:
        self.value = start
        self._random = random
        self._settings = settings
        self._lowest = STEPS * (settings.half_spread_ticks + 10
                                + settings.maker_levels * settings.spacing_ticks)

    def move(self) -> None:
        """Let the time of one action pass."""
        random, settings = self._random, self._settings
        if chance(random, settings.walk_per_mille, 1000):
            self.value += 1 if random.getrandbits(1) else -1
        if chance(random, settings.news_per_mille, 1000):
            self.news()
        self.value = max(self.value, self._lowest)

    def news(self) -> None:
        """Jump."""
        settings = self._settings
        ticks = settings.news_ticks * heavy_tailed(self._random, settings.news_doubling, 6)
        self.value += STEPS * ticks * (1 if self._random.getrandbits(1) else -1)
        self.value = max(self.value, self._lowest)


@dataclass
class Ground:
    """What the traders of one symbol share.

    Attributes
    ----------
    engine, instrument, random, settings
        The market, what is traded there, and how.
    value : Fundamental
        What a share is worth.
    estimate : int
        What makers think that it is worth, 1/16 tick.
    pressure : int
        Recent trades: those that bought less those that sold, decaying, -1024 to 1024.
    phase : Phase
        What may be done.
    """

    engine: MatchingEngine
    instrument: Instrument
    random: Random
    settings: PopulationSettings
    value: Fundamental
    estimate: int
    pressure: int = 0
    phase: Phase = Phase.CONTINUOUS

    def best_e4(self, side: Side) -> int:
        """Return the best displayed price, or 0; stub quotes are nobody's price."""
        price_e4, _, _ = self.engine.best(self.instrument.symbol, side)
        stub = self.instrument.tick_e4 if side is Side.BUY else self.stub_offer_e4
        return 0 if price_e4 == stub else price_e4

    @property
    def stub_offer_e4(self) -> int:
        """Price of the highest offer."""
        return _HIGHEST_PRICE_E4 // self.instrument.tick_e4 * self.instrument.tick_e4

    @property
    def middle_e4(self) -> int:
        """The estimate as a price."""
        return self.estimate // STEPS * self.instrument.tick_e4

    def note_trade(self, side: Side, shares: int) -> None:
        """Let makers learn from a trade that everybody saw: from what of it they did not expect."""
        settings, sign = self.settings, sign_of(side)
        lots = 1 + shares // self.instrument.round_lot
        surprise = 100 * FULL_PRESSURE - settings.foresight_percent * sign * self.pressure
        self.estimate += sign * settings.impact_sixteenths * lots.bit_length() * surprise \
            // (2 * 100 * FULL_PRESSURE)
        self.pressure += (sign * FULL_PRESSURE - self.pressure) // _PRESSURE_DECAY

    def shares(self) -> int:
        """Return the size of an order of somebody who is no maker."""
        settings, lot = self.settings, self.instrument.round_lot
        if lot > 1 and chance(self.random, settings.odd_lot_percent, 100):
            return self.random.randrange(1, lot)
        return lot * heavy_tailed(self.random, settings.size_doubling, 7)

    def passive_e4(self, side: Side, price_e4: int) -> int:
        """Return the price, moved away so that it does not trade with what is displayed.

        While orders collect they may cross, and the price stays.
        """
        tick = self.instrument.tick_e4
        touch_e4 = self.best_e4(other_side(side))
        if touch_e4 and self.phase is not Phase.COLLECTING:
            price_e4 = (min(price_e4, touch_e4 - tick) if side is Side.BUY
                        else max(price_e4, touch_e4 + tick))
        return max(2 * tick, price_e4)

    def enter(self, side: Side, quantity: int, price_e4: int, now_ns: int, *,
              time_in_force: TimeInForce = TimeInForce.DAY, displayed: bool = True,
              improvement_e4: int = 0, mpid: str = "") -> Outcome:
        """Enter an order."""
        return self.engine.enter(NewOrder(
            symbol=self.instrument.symbol, side=side, quantity=quantity, price_e4=price_e4,
            time_in_force=time_in_force, displayed=displayed, improvement_e4=improvement_e4,
            mpid=mpid), now_ns)

    def enter_for_cross(self, now_ns: int) -> Outcome:
        """Enter an order for the next cross, with a limit not far from the estimate."""
        side, settings = any_side(self.random), self.settings
        half = settings.half_spread_ticks
        ticks = self.random.randrange(4 * half + 1) - half
        price_e4 = self.middle_e4 + sign_of(side) * ticks * self.instrument.tick_e4
        return self.enter(side, self.shares(), max(2 * self.instrument.tick_e4, price_e4), now_ns,
                          time_in_force=TimeInForce.CROSS)
