"""Market makers: quotes on both sides, moved with the estimate and against the inventory."""

from sim.exchange.ground import FULL_PRESSURE, STEPS, Ground, Phase, any_side, sign_of
from sim.exchange.orders import Outcome, Side
from sim.exchange.randomness import chance, exponential
from sim.exchange.resting import RestingOrder

__all__ = ["MarketMaker"]


class MarketMaker:
    """Quotes several prices on both sides, and moves them by replacing.

    Its quotes stand round the common estimate, moved against its inventory. A quote that would
    increase an inventory that is at its limit is taken away.

    Parameters
    ----------
    ground : Ground
        The market.
    number : int
        Among the makers of the symbol.
    mpid : str
        What the feed attributes its best quotes to; empty for a maker who is not attributed.
    """

    def __init__(self, ground: Ground, number: int, mpid: str = "") -> None:
        self.number = number
        self.inventory = 0
        self.quotes: dict[tuple[Side, int], int] = {}
        self.owned: dict[int, tuple[Side, int]] = {}
        self._ground = ground
        self._mpid = mpid

    def open(self, now_ns: int) -> list[Outcome]:
        """Make every quote."""
        levels = self._ground.settings.maker_levels
        return [outcome for side in Side for level in range(levels)
                for outcome in self.look_after(side, level, now_ns)]

    def act(self, now_ns: int) -> list[Outcome]:
        """Look after one quote, most often one of the best."""
        ground, random = self._ground, self._ground.random
        ground.estimate += (ground.value.value - ground.estimate) \
            * ground.settings.leak_per_mille // 1000
        levels = ground.settings.maker_levels
        level = min(random.randrange(levels), random.randrange(levels))
        return self.look_after(any_side(random), level, now_ns)

    def react(self, now_ns: int) -> list[Outcome]:
        """Look after the best quotes, and those that now are better than they should be."""
        outcomes: list[Outcome] = []
        for side in Side:
            best_e4 = self._wanted_e4(side, 0)
            outcomes += self.look_after(side, 0, now_ns)
            for level in range(1, self._ground.settings.maker_levels):
                order = self._ground.engine.order(self.quotes.get((side, level), 0))
                if order is not None and sign_of(side) * (order.price_e4 - best_e4) > 0:
                    outcomes += self.look_after(side, level, now_ns)
        return outcomes

    def note_trade(self, reference: int, side: Side, shares: int) -> None:
        """Learn that one of its quotes was executed."""
        self.inventory += sign_of(side) * shares
        if self._ground.engine.order(reference) is None:
            self._forget(reference)

    def look_after(self, side: Side, level: int, now_ns: int) -> list[Outcome]:
        """Make, move, resize or take away one quote."""
        ground = self._ground
        order = ground.engine.order(self.quotes.get((side, level), 0))
        if self._is_full(side):
            return [] if order is None else self._withdraw(order, now_ns)
        price_e4 = ground.passive_e4(side, self._wanted_e4(side, level))
        quantity = self._wanted_quantity(side)
        if order is None:
            return [self._quote(side, level, quantity, price_e4, now_ns)]
        slack = (ground.settings.spacing_ticks - 1) // 2 * ground.instrument.tick_e4
        if abs(order.price_e4 - price_e4) <= slack:
            return self._resize(order, quantity, now_ns)
        if chance(ground.random, ground.settings.cancelling_percent, 100):
            return [*self._withdraw(order, now_ns),
                    self._quote(side, level, quantity, price_e4, now_ns)]
        return [self._replace(order, quantity, price_e4, now_ns)]

    def _quote(self, side: Side, level: int, quantity: int, price_e4: int,
               now_ns: int) -> Outcome:
        ground = self._ground
        improving = chance(ground.random, ground.settings.improving_percent, 100)
        outcome = ground.enter(
            side, quantity, price_e4, now_ns, mpid=self._mpid if level == 0 else "",
            improvement_e4=ground.instrument.tick_e4 // 2 if improving else 0)
        self._own(outcome, side, level)
        return outcome

    def _resize(self, order: RestingOrder, quantity: int, now_ns: int) -> list[Outcome]:
        """Leave a quote at its price; make it smaller, or much larger."""
        if quantity >= 2 * order.quantity:
            return [self._replace(order, quantity, order.price_e4, now_ns)]
        if 2 * quantity <= order.quantity:
            return [self._ground.engine.reduce(order.reference, order.quantity - quantity, now_ns)]
        return []

    def _replace(self, order: RestingOrder, quantity: int, price_e4: int, now_ns: int) -> Outcome:
        side, level = self.owned[order.reference]
        self._forget(order.reference)
        outcome = self._ground.engine.replace(order.reference, quantity, price_e4, now_ns)
        self._own(outcome, side, level)
        return outcome

    def _withdraw(self, order: RestingOrder, now_ns: int) -> list[Outcome]:
        self._forget(order.reference)
        return [self._ground.engine.reduce(order.reference, order.quantity, now_ns)]

    def _own(self, outcome: Outcome, side: Side, level: int) -> None:
        self.quotes[side, level] = outcome.reference
        self.owned[outcome.reference] = (side, level)

    def _forget(self, reference: int) -> None:
        key = self.owned.pop(reference)
        if self.quotes.get(key) == reference:
            del self.quotes[key]

    def _is_full(self, side: Side) -> bool:
        limit = self._ground.settings.inventory_lots * self._ground.instrument.round_lot
        return sign_of(side) * self.inventory >= limit

    def _wanted_e4(self, side: Side, level: int) -> int:
        """Return a quote's price: bids rounded down, offers up."""
        ground, settings = self._ground, self._ground.settings
        lots = self.inventory // ground.instrument.round_lot
        centre = ground.estimate - settings.skew_sixteenths * lots
        ticks = settings.half_spread_ticks + level * settings.spacing_ticks \
            + ground.random.randrange(settings.spacing_ticks)
        if ground.phase is Phase.PREOPEN:
            ticks += settings.half_spread_ticks     # nobody is sure yet
        distance = STEPS * ticks - STEPS // 2
        if side is Side.BUY:
            return (centre - distance) // STEPS * ground.instrument.tick_e4
        return -(-(centre + distance) // STEPS) * ground.instrument.tick_e4

    def _wanted_quantity(self, side: Side) -> int:
        """Return a quote's size; buying makes bids large and offers small."""
        ground, settings = self._ground, self._ground.settings
        lean = sign_of(side) * ground.pressure * settings.lean_percent // FULL_PRESSURE
        lot = ground.instrument.round_lot
        shares = lot * max(1, exponential(ground.random, settings.quote_lots)) * (100 + lean) // 100
        return max(lot, shares // lot * lot)
