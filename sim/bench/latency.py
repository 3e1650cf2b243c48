"""Cycles from a message at the feed's pins to Start of the order that it causes."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sim.appliance import Appliance
from sim.bench.checks import CheckTour
from sim.bench.flow import Kind, OrderFlow, Symbol
from sim.bench.trading import Caused, Spread, Trading
from sim.errors import SimulationError
from sim.library import FrameFlag
from sim.order_entry import LimitSettings, StrategySettings, configure_risk, load_linear_model

__all__ = ["FCS_MODES", "measure_latency", "symbols_of"]

#: Both ways to treat the FCS, and the value of ``control.fcs_mode``.
FCS_MODES = {"cut_through": 1, "store_and_forward": 0}

#: Weights by feature: the tour's, then those of the flow.
_TOUR_WEIGHTS = {"imbalance_top1": 16}
_FLOW_WEIGHTS = {"spread": -2, "mid_move": 3, "imbalance_top1": 16, "order_flow_imbalance": 1}
_THRESHOLD = 4096
_LIMITS = LimitSettings(maximum_quantity=950, maximum_value=900 * 200 * 10_000,
                        maximum_long=50_000, maximum_short=50_000, maximum_open_orders=20)

_STEP_CYCLES = 384
_FRAMES_A_STEP = 3
_SETTINGS_EVERY_STEPS = 4

Progress = Callable[[str], None]


def symbols_of(count: int, *, first_centre: int = 500_000, step: int = 137_000) -> list[Symbol]:
    """Return symbols at prices that differ."""
    return [Symbol(f"SYM{n + 1}", n + 1, first_centre + n * step) for n in range(count)]


def _strategy(rng: random.Random) -> StrategySettings:
    """Return a strategy whose orders have another size, price and time in force."""
    return StrategySettings(
        buy_threshold=_THRESHOLD, sell_threshold=_THRESHOLD, cancel_buy_threshold=0,
        cancel_sell_threshold=0, quantity=rng.randint(1, 1000), offset=100 * rng.randint(-4, 4),
        near=rng.randrange(2), time_in_force=int(rng.random() < 0.2))


def measure_latency(profile: str, mode: str, *, orders: int, seed: int = 1,
                    most_steps: int = 100_000, progress: Progress | None = None
                    ) -> dict[str, Any]:
    """Trade on a seeded mixed flow until each kind of message has caused so many orders.

    First every check of the gate is made to fail once, in the same run.

    Parameters
    ----------
    profile : str
        Sizes of the appliance.
    mode : str
        One of `FCS_MODES`.
    orders : int
        Orders wanted of each kind that found nothing to wait for.
    seed : int
        Of the flow, the settings and the venue.
    most_steps : int
        Steps of 384 cycles after which it is given up.

    Returns
    -------
    dict
        Cycles by kind, what became of the orders, and which checks failed.

    Raises
    ------
    SimulationError
        If a check does not fail that should, the counts do not add up, or records are wrong.
    """
    rng = random.Random(seed)
    with Appliance(profile) as appliance:
        appliance.write("control.fcs_mode", FCS_MODES[mode])
        symbols = symbols_of(appliance.symbols)
        trading = Trading(appliance, symbols, seed=seed)
        flow = OrderFlow(symbols, seed=seed, resting=25 * len(symbols), spread=8)
        load_linear_model(appliance, _TOUR_WEIGHTS, 0, epoch=1)
        configure_risk(appliance, [_LIMITS] * len(symbols), [], interval_ns=500,
                       burst_ns=100_000, hold_ns=100_000)
        checks = CheckTour(trading, flow).run()
        entered = len(trading.counterparty.entered)
        refused = appliance.counters()["risk.refused"]
        cancels = trading.counterparty.cancels

        load_linear_model(appliance, _FLOW_WEIGHTS, 0, epoch=2)
        for index in range(len(symbols)):
            appliance.commit_row("limits", index, asdict(_LIMITS))
            appliance.commit_row("strategy", index, asdict(_strategy(rng)))
        caused: list[Caused] = []
        others = 0
        done: Counter[Kind] = Counter()
        steps = 0
        while steps < most_steps and min(done[kind] for kind in Kind) < orders:
            if steps % _SETTINGS_EVERY_STEPS == 0:
                row = rng.randrange(len(symbols))
                appliance.commit_row("strategy", row, asdict(_strategy(rng)))
            begin = appliance.simulation.cycle + 16
            for n in range(_FRAMES_A_STEP):
                trading.publish(
                    flow.messages(rng.choice((1, 1, 1, 2, 3))),
                    flags=rng.choice((FrameFlag.LANE_0, FrameFlag.LANE_4)),
                    not_before=begin + n * _STEP_CYCLES // _FRAMES_A_STEP + rng.randrange(64))
            trading.step(_STEP_CYCLES)
            found, unknown = trading.collect()
            others += unknown
            caused += found
            done.update(order.kind for order in found if not order.queued)
            steps += 1
            if progress is not None and steps % 500 == 0:
                progress(f"{mode}: {len(caused):,} orders, fewest of a kind "
                         f"{min(done[kind] for kind in Kind):,} of {orders:,}")
        trading.settle()
        found, unknown = trading.collect()
        caused += found
        others += unknown
        sent = len(trading.counterparty.entered) - entered
        if trading.outstanding or sent != len(caused) + others:
            raise SimulationError(f"{sent} orders left, but {len(caused)} with a known and "
                                  f"{others} with an unknown trigger are recorded")
        return {
            **_figures(caused),
            "orders": {
                "sent": sent, "measured": sum(not order.queued for order in caused),
                "queued": sum(order.queued for order in caused), "trigger_unknown": others,
                "refused": appliance.counters()["risk.refused"] - refused,
                "cancels": trading.counterparty.cancels - cancels,
                "sides": dict(sorted(Counter(o.order.side for o in caused).items())),
                "quantities": len({order.order.quantity for order in caused}),
                "prices": len({order.order.price for order in caused}),
            },
            "checks_failed": [check.name.lower() for check in checks],
            "seed": seed,
        }


def _figures(caused: list[Caused]) -> dict[str, Any]:
    """Return cycles by kind."""
    eot, som, queued = ({kind: Spread() for kind in Kind} for _ in range(3))
    for order in caused:
        if order.queued:
            queued[order.kind].cycles.append(order.eot_sof_cycles)
        else:
            eot[order.kind].cycles.append(order.eot_sof_cycles)
            som[order.kind].cycles.append(order.som_sof_cycles)
    return {name: {kind.value: spread.as_dict() for kind, spread in spreads.items()}
            for name, spreads in (("eot_sof_cycles", eot), ("som_sof_cycles", som),
                                  ("eot_sof_queued_cycles", queued))}
