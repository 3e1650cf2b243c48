"""How a simulated market behaves: the parameters of its traders, and what they were taken from."""

from dataclasses import dataclass, fields

from sim.errors import SimulationError

__all__ = ["AAPL_2012", "MARKETS", "PopulationSettings"]

_PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class PopulationSettings:
    """Who trades, how much and how; all integers.

    Percentages are shares of the *actions* of a symbol: a clock that ticks at random times, at the
    rate of `actions_per_second`, and lets one trader act. Everything that takes time is given in
    mean actions, so that a busier market is the same market, only faster. Where no source is given,
    a number was chosen so that the whole looks like AAPL of 2012-06-21 (docs/market.md).

    Attributes
    ----------
    actions_per_second : int
        Actions of one symbol in a simulated second; each makes about one feed message.
    taker_percent : int
        Actions of noise takers.
    rester_percent : int
        Actions of patient traders, who enter an order that rests.
    informed_percent : int
        Actions of informed traders, who do nothing most of the time. The makers have what is left.
    makers, maker_levels : int
        Market makers of a symbol, and quotes a side of each.
    half_spread_ticks : int
        Distance of a maker's best quote from its estimate of the value.
    spacing_ticks : int
        Distance between two quotes of a maker; each is off its place by less than that at random.
    quote_lots : int
        Mean round lots of a quote.
    inventory_lots : int
        Position, in round lots, that makes a maker stop quoting the side that would increase it.
    skew_sixteenths : int
        By how much a maker's estimate moves against each round lot of its inventory, 1/16 tick
        (Ho and Stoll 1981; Avellaneda and Stoikov 2008).
    lean_percent : int
        By how much makers at most increase the side that recent trades took, and decrease the
        other: the next trade is likely to be on the same side.
    impact_sixteenths : int
        By how much a trade of one round lot moves the makers' common estimate, 1/16 tick; it grows
        with the logarithm of the size (Kyle 1985; Potters and Bouchaud 2003).
    foresight_percent : int
        By how much less a trade moves the estimate that has the same side as all before it, and by
        how much more one of the other side: what was expected tells nothing, and so prices can
        hardly be predicted though trades can (Lillo and Farmer 2004).
    leak_per_mille : int
        Part of the difference between value and estimate that makers learn from elsewhere whenever
        one of them acts.
    react_actions : int
        Mean time after which a maker whose quote was executed looks after its quotes.
    watch_percent : int
        Chance that any other maker does so too.
    cancelling_percent : int
        Quotes that move by cancel and a new order; the others are replaced.
    improving_percent : int
        Quotes that trade at a better price than they show: executions with price.
    parents : int
        Noise takers of a symbol at work at the same time, each with a large order in pieces.
    parent_doubling : int
        Chance per mille that a large order has twice as many pieces: a power law of exponent
        -log2(p) (Lillo, Mike and Farmer 2005 find 1.5); makes the signs of trades persistent.
    follow_percent : int
        Pieces that the next one follows within an action or two.
    odd_lot_percent : int
        Orders of takers and patient traders below a round lot (35 % in AAPL).
    size_doubling : int
        Chance per mille that any other of them has twice as many round lots.
    inside_percent : int
        Patient orders that improve the touch if there is room.
    distance_doubling : int
        Chance per mille that the others are twice as far from the touch (Zovko and Farmer 2002
        find an exponent of 1.5).
    hidden_percent : int
        Patient orders that are not displayed.
    fleeting_percent, fleeting_actions : int
        Patient orders that live for a few actions only, and their mean life.
    rest_actions, rest_doubling : int
        Mean life of the others before it is doubled, with this chance per mille, over and again.
    partial_percent : int
        Patient orders of which a part is cancelled first.
    chase_percent : int
        Patient orders that follow the touch by being replaced, over and again.
    informed_lots : int
        Mean round lots of an informed order.
    margin_sixteenths : int
        Profit that an informed trader wants, 1/16 tick a share.
    walk_per_mille : int
        Chance that an action moves the value by 1/16 tick either way.
    news_per_mille : int
        Chance that an action brings news.
    news_ticks, news_doubling : int
        Least move of the value by news, and the chance per mille that it is twice as large: fat
        tails of returns. Exponents of 3 are usual (Gopikrishnan and others 1998).
    cross_percent : int
        Actions of takers and patient traders before a cross that make an order for it.
    stub_quotes : int
        1 if the book has a bid of one tick and an offer of 199,999.99 USD, as makers who must
        quote but do not want to trade entered until 2010; 0 if not.
    """

    actions_per_second: int = 5_000
    taker_percent: int = 6
    rester_percent: int = 26
    informed_percent: int = 8
    makers: int = 4
    maker_levels: int = 4
    half_spread_ticks: int = 1
    spacing_ticks: int = 1
    quote_lots: int = 4
    inventory_lots: int = 200
    skew_sixteenths: int = 2
    lean_percent: int = 70
    impact_sixteenths: int = 4
    foresight_percent: int = 30
    leak_per_mille: int = 5
    react_actions: int = 2
    watch_percent: int = 20
    cancelling_percent: int = 33
    improving_percent: int = 2
    parents: int = 2
    parent_doubling: int = 500
    follow_percent: int = 20
    odd_lot_percent: int = 30
    size_doubling: int = 300
    inside_percent: int = 30
    distance_doubling: int = 450
    hidden_percent: int = 8
    fleeting_percent: int = 35
    fleeting_actions: int = 4
    rest_actions: int = 20
    rest_doubling: int = 500
    partial_percent: int = 6
    chase_percent: int = 8
    informed_lots: int = 3
    margin_sixteenths: int = 8
    walk_per_mille: int = 250
    news_per_mille: int = 8
    news_ticks: int = 4
    news_doubling: int = 250
    cross_percent: int = 50
    stub_quotes: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        for item in fields(self):
            value, least = getattr(self, item.name), 0
            if item.name in _AT_LEAST_ONE:
                least = 1
            if value < least:
                raise SimulationError(f"{item.name} must be >= {least}, was {value}")
            if item.name.endswith("percent") and value > _PERCENT:
                raise SimulationError(f"{item.name} must be <= {_PERCENT}, was {value}")
        acting = self.taker_percent + self.rester_percent + self.informed_percent
        if acting > _PERCENT:
            raise SimulationError(f"takers, patient and informed traders must have at most "
                                  f"{_PERCENT} percent of the actions, had {acting}")


_AT_LEAST_ONE = frozenset({
    "actions_per_second", "makers", "maker_levels", "spacing_ticks", "quote_lots",
    "inventory_lots", "react_actions", "parents", "fleeting_actions", "rest_actions",
    "informed_lots", "news_ticks"})

#: A market with the spread of a stock of 580 USD: what AAPL was on 2012-06-21.
AAPL_2012 = PopulationSettings(
    taker_percent=3, rester_percent=60, informed_percent=2, half_spread_ticks=15, spacing_ticks=7,
    quote_lots=1, inventory_lots=100, skew_sixteenths=6, impact_sixteenths=60,
    foresight_percent=70, react_actions=1, watch_percent=100, parents=1, parent_doubling=400,
    follow_percent=60, odd_lot_percent=65, inside_percent=6, hidden_percent=40,
    fleeting_percent=55, fleeting_actions=2, rest_doubling=570, margin_sixteenths=40,
    news_per_mille=4, news_ticks=12)

#: What ``--market`` offers.
MARKETS = {"default": PopulationSettings(), "aapl2012": AAPL_2012}
