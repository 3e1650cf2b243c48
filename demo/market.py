"""The market of the demo: four symbols, and how busy they are."""

from dataclasses import asdict

from sim.exchange.population import PopulationSettings

__all__ = ["OPENINGS_E4", "TICK_E4", "exchange_arguments", "population"]

#: Opening prices; locates count up from 1 in this order.
OPENINGS_E4 = {"AAPL": 1_895_000, "MSFT": 4_122_500, "INTC": 314_000, "AMD": 1_587_500}
TICK_E4 = 100

#: So that a simulated second takes a few seconds on one core.
_ACTIONS_PER_SECOND = 800


def population(actions_per_second: int = _ACTIONS_PER_SECOND) -> PopulationSettings:
    """Return who trades there."""
    return PopulationSettings(actions_per_second=actions_per_second)


def exchange_arguments(settings: PopulationSettings) -> list[str]:
    """Return the arguments of ``python -m sim.exchange serve`` that make this market."""
    symbols = ",".join(f"{symbol}={price_e4 // 10_000}.{price_e4 % 10_000 // 100:02d}"
                       for symbol, price_e4 in OPENINGS_E4.items())
    arguments = ["--symbols", symbols]
    for name, value in asdict(settings).items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments
