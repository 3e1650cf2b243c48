"""Traders who are no makers: noise takers, informed traders, patient traders.

Each class has one way to act and returns what came of it. Only informed traders look at the value.
"""

from dataclasses import dataclass

from sim.exchange.ground import STEPS, Ground, Phase, any_side, sign_of
from sim.exchange.orders import Outcome, Side, TimeInForce, other_side
from sim.exchange.randomness import chance, exponential, heavy_tailed

__all__ = ["InformedTrader", "NoiseTaker", "PatientTrader"]


@dataclass
class _Parent:
    """A large order in pieces."""

    side: Side
    pieces: int


class NoiseTaker:
    """Takes at the touch for reasons of its own, several times on the same side."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._parents: list[_Parent] = []

    def act(self, now_ns: int) -> list[Outcome]:
        """Let the next piece of one of the large orders take."""
        ground, settings = self._ground, self._ground.settings
        while len(self._parents) < settings.parents:
            self._parents.append(_Parent(any_side(ground.random), heavy_tailed(
                ground.random, settings.parent_doubling, 6)))
        number = ground.random.randrange(len(self._parents))
        parent = self._parents[number]
        touch_e4 = ground.best_e4(other_side(parent.side))
        if not touch_e4:
            return []
        parent.pieces -= 1
        if not parent.pieces:
            del self._parents[number]
        return [ground.enter(parent.side, ground.shares(), touch_e4, now_ns,
                             time_in_force=TimeInForce.IOC)]


class InformedTrader:
    """Knows the value, and takes as long as the touch is worse than it by a margin."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def act(self, now_ns: int) -> list[Outcome]:
        """Take what is too cheap or too dear, at no worse price than is worth it."""
        ground, settings = self._ground, self._ground.settings
        for side in Side:
            touch_e4 = ground.best_e4(other_side(side))
            edge = sign_of(side) * (ground.value.value
                                  - STEPS * touch_e4 // ground.instrument.tick_e4)
            if touch_e4 and edge > settings.margin_sixteenths:
                lots = max(1, exponential(ground.random, settings.informed_lots))
                return [ground.enter(side, lots * ground.instrument.round_lot, touch_e4, now_ns,
                                     time_in_force=TimeInForce.IOC)]
        return []


@dataclass
class _Resting:
    """What a patient trader wants with an order."""

    reference: int
    side: Side
    partial: bool
    chases: bool


class PatientTrader:
    """Enters orders that rest near the touch, hidden ones among them, and cancels them later.

    Some are cut to a part first; some follow the touch, by being replaced, until they end.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._orders: dict[int, _Resting] = {}
        self._serial = 0

    def act(self, now_ns: int) -> tuple[Outcome, int, int]:
        """Enter an order; return what came of it, its number here, and the actions to its end."""
        ground, random, settings = self._ground, self._ground.random, self._ground.settings
        side = any_side(random)
        price_e4 = ground.passive_e4(side, self._wanted_e4(side))
        outcome = ground.enter(side, ground.shares(), price_e4, now_ns,
                               displayed=not chance(random, settings.hidden_percent, 100))
        self._serial += 1
        self._orders[self._serial] = _Resting(
            outcome.reference, side, chance(random, settings.partial_percent, 100),
            chance(random, settings.chase_percent, 100))
        return outcome, self._serial, self._life()

    def wake(self, number: int, now_ns: int) -> tuple[list[Outcome], int]:
        """Look after an order; return what came of it and when it wakes again, 0 for never."""
        ground, resting = self._ground, self._orders[number]
        order = ground.engine.order(resting.reference)
        if order is None:
            del self._orders[number]
            return [], 0
        if resting.partial and order.quantity > 1:
            resting.partial = False
            half = order.quantity // 2
            return [ground.engine.reduce(order.reference, half, now_ns)], self._life()
        if resting.chases and ground.phase is Phase.HALTED:
            return [], self._life()         # it may be cancelled, but not replaced
        if resting.chases and not chance(ground.random, 1, 4):
            price_e4 = ground.passive_e4(resting.side, self._wanted_e4(resting.side))
            outcome = ground.engine.replace(order.reference, order.quantity, price_e4, now_ns)
            resting.reference = outcome.reference
            return [outcome], 1 + exponential(ground.random, ground.settings.fleeting_actions)
        del self._orders[number]
        return [ground.engine.reduce(order.reference, order.quantity, now_ns)], 0

    def _life(self) -> int:
        random, settings = self._ground.random, self._ground.settings
        if chance(random, settings.fleeting_percent, 100):
            return 1 + exponential(random, settings.fleeting_actions)
        return 1 + exponential(random, settings.rest_actions
                               * heavy_tailed(random, settings.rest_doubling, 8))

    def _wanted_e4(self, side: Side) -> int:
        """Return a price: inside the spread, or some way behind the touch."""
        ground, settings = self._ground, self._ground.settings
        tick, random = ground.instrument.tick_e4, ground.random
        touch_e4 = ground.best_e4(side) or \
            ground.middle_e4 - sign_of(side) * settings.half_spread_ticks * tick
        opposite_e4 = ground.best_e4(other_side(side))
        room = sign_of(side) * (opposite_e4 - touch_e4) // tick - 1 if opposite_e4 else 0
        if room > 0 and chance(random, settings.inside_percent, 100):
            return touch_e4 + sign_of(side) * tick * (1 + random.randrange(room))
        ticks = heavy_tailed(random, settings.distance_doubling, 8) - 1
        return touch_e4 - sign_of(side) * tick * ticks * settings.half_spread_ticks
