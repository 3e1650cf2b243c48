"""Settings of the order side of a simulated appliance, as software writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from proto.features import FEATURES
from sim.appliance import Appliance
from sim.errors import SimulationError

__all__ = ["LimitSettings", "SessionSettings", "StrategySettings", "arm", "configure_risk",
           "configure_session", "load_linear_model"]


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Where an order session connects to, and as whom; addresses first byte most significant."""

    peer_address: int
    peer_port: int
    local_mac: int = 0x020000000001
    local_address: int = 0x0A090001
    local_port: int = 40001
    username: str = "TEST"
    password: str = "PASSWORD"
    initial_sequence: int = 0x1000
    retransmit_ns: int = 200_000_000
    heartbeat_ns: int = 1_000_000_000
    peer_timeout_ns: int = 15_000_000_000
    time_wait_ns: int = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class StrategySettings:
    """A row of ``strategy``; see the register map."""

    buy_threshold: int
    sell_threshold: int
    cancel_buy_threshold: int = -(1 << 31)
    cancel_sell_threshold: int = -(1 << 31)
    quantity: int = 100
    offset: int = 0
    cooldown: int = 0
    near: int = 0
    time_in_force: int = 0
    enable: int = 1


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """A row of ``limits``; see the register map."""

    maximum_quantity: int = 1000
    maximum_value: int = 1000 * 1000 * 10_000
    collar_fraction: int = 6554
    collar_minimum: int = 10_000
    maximum_long: int = 100_000
    maximum_short: int = 100_000
    maximum_open_orders: int = 100
    restricted: int = 0


def configure_session(appliance: Appliance, settings: SessionSettings) -> None:
    """Write the addresses, the login and the timers; the session stays down."""
    appliance.write("session.enable", 0)
    for name, value in (
            ("local_mac", settings.local_mac), ("local_address", settings.local_address),
            ("local_port", settings.local_port), ("peer_address", settings.peer_address),
            ("peer_port", settings.peer_port), ("next_hop", settings.peer_address),
            ("initial_sequence", settings.initial_sequence),
            ("retransmit", settings.retransmit_ns), ("heartbeat", settings.heartbeat_ns),
            ("peer_timeout", settings.peer_timeout_ns), ("time_wait", settings.time_wait_ns)):
        appliance.write_number(f"session.{name}", value)
    appliance.write_text("session.username", settings.username)
    appliance.write_text("session.password", settings.password)


def load_linear_model(appliance: Appliance, weights: Mapping[str, int], bias: int, *,
                      epoch: int) -> None:
    """Write the idle bank, given weights by feature, and swap it in."""
    words = [weights.get(feature.name, 0) for feature in FEATURES]
    if unknown := weights.keys() - {feature.name for feature in FEATURES}:
        raise SimulationError(f"there is no feature {', '.join(sorted(unknown))}")
    active = appliance.read("model.state", "active_bank")
    loaded = appliance.read("model.state", "loaded")
    bank = 1 - active if loaded else 0
    for address, word in enumerate((*words, bias)):
        appliance.write("model.bank", bank)
        appliance.write("model.address", address)
        appliance.write("model.data", word & 0xFFFFFFFF)
        appliance.write("model.write", 1)
    appliance.write("model.swap_bank", bank)
    appliance.write("model.swap_epoch", epoch)
    appliance.write("model.expected_epoch", appliance.read("model.epoch"))
    appliance.write("model.swap", 1)


def configure_risk(appliance: Appliance, limits: Sequence[LimitSettings],
                   strategies: Sequence[StrategySettings], *, interval_ns: int = 100,
                   burst_ns: int = 1_000_000, hold_ns: int = 10_000_000,
                   watchdog_ns: int = 60_000_000_000) -> None:
    """Commit limits and strategy of the symbols from index 0 on, and the session's limits."""
    for index, row in enumerate(limits):
        appliance.commit_row("limits", index, asdict(row))
    for index, row in enumerate(strategies):
        appliance.commit_row("strategy", index, asdict(row))
    appliance.write("risk.message_interval", interval_ns)
    appliance.write("risk.message_burst", burst_ns)
    appliance.write("risk.hold", hold_ns)
    appliance.write_number("risk.watchdog_timeout", watchdog_ns)


def arm(appliance: Appliance) -> bool:
    """Give a heartbeat and arm; return whether that was accepted."""
    appliance.write("risk.heartbeat", 1)
    appliance.simulation.run(4)
    appliance.write("risk.command", 1)
    appliance.simulation.run(4)
    return bool(appliance.read("risk.state", "armed"))
