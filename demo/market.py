"""The market of the demo: four symbols, who trades them, and what happens in their day."""

from dataclasses import asdict

from sim.exchange.day import DaySettings
from sim.exchange.population_settings import PopulationSettings

__all__ = ["OPENINGS_E4", "TICK_E4", "day", "exchange_arguments", "population"]

#: Opening prices; locates count up from 1 in this order.
OPENINGS_E4 = {"AAPL": 1_895_000, "MSFT": 4_122_500, "INTC": 314_000, "AMD": 1_587_500}
TICK_E4 = 100

#: So that a simulated second takes a few seconds on one core.
_ACTIONS_PER_SECOND = 600
_MARKET_HOURS_NS = 34_200_000_000_000


def population(actions_per_second: int = _ACTIONS_PER_SECOND) -> PopulationSettings:
    """Return who trades there.

    Makers lean much and do not foresee: their quotes tell of the next move for a while, so that a
    linear model of the touch has something to find.
    """
    return PopulationSettings(
        actions_per_second=actions_per_second, informed_percent=10, lean_percent=95,
        impact_sixteenths=8, foresight_percent=0, watch_percent=0, news_per_mille=16, news_ticks=6)


def day() -> DaySettings:
    """Return what the venue does by itself: crosses, now and then a halt, a few broken trades."""
    return DaySettings(preopen_ns=10_000_000, halt_every_ns=2_000_000_000)


def exchange_arguments(settings: PopulationSettings) -> list[str]:
    """Return the arguments of ``python -m sim.exchange serve`` that make this market."""
    symbols = ",".join(f"{symbol}={price_e4 // 10_000}.{price_e4 % 10_000 // 100:02d}"
                       for symbol, price_e4 in OPENINGS_E4.items())
    arguments = ["--symbols", symbols, "--start-ns", str(_MARKET_HOURS_NS - day().preopen_ns)]
    for name, value in {**asdict(settings), **asdict(day())}.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments
