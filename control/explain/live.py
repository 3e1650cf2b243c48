"""What can be explained of an appliance that runs: the event records that its service has kept.

There are no frames and no writes of registers; limits and parameters are asked for as they are now.
"""

from dataclasses import dataclass, field
from pathlib import Path

from control.broker import DecodedEvent, decode_event
from control.client.appliance import Appliance
from control.explain.history import History
from control.explain.run import Run
from control.explain.settings import SettingsInForce, settings_at
from control.limits import Limits
from control.orders import OrderLog
from control.strategy import Strategy
from control.symbols import WatchedSymbol, parse_name
from proto.events import EventKind, StateFlag
from proto.recording import RecordingHead

__all__ = ["LiveRun", "live_run"]

_CLOCKED = (EventKind.VENUE_ANSWER.name.lower(), EventKind.STATE.name.lower())


@dataclass
class LiveRun(Run):
    """A run that goes on.

    Attributes
    ----------
    now : SettingsInForce
        Settings as they are now.
    """

    now: SettingsInForce = field(default_factory=SettingsInForce)

    def settings(self, cycle: int) -> SettingsInForce:
        """Return the settings of now, whatever the cycle."""
        return self.now


def live_run(appliance: Appliance) -> LiveRun:
    """Return what a management service knows of its appliance.

    Raises
    ------
    ControlError
        What the service said, or DEVICE_UNREACHABLE without an answer.
    """
    status = appliance.status()
    records = [decode_event(event.record) for event in appliance.past_events()]
    flags = StateFlag(0)
    for flag, is_set in ((StateFlag.ARMED, status.armed), (StateFlag.KILLED, status.killed),
                         (StateFlag.FEED_UP, status.feed_up),
                         (StateFlag.SESSION_UP, status.session_up),
                         (StateFlag.MODEL_LOADED, status.model_loaded)):
        flags |= flag if is_set else StateFlag(0)
    history = History(
        Path(appliance.connection.server),
        RecordingHead(profile="", symbols=status.symbols, core_hz=status.core_hz,
                      map_hash=status.map_hash, begin_cycle=0, cycle_offset=0),
        records=records, recorded=False, flags=flags,
        clock=[(event.fields["cycle"], event.fields["now_ns"], False) for event in records
               if event.kind in _CLOCKED])
    return LiveRun(Path(), history, now=_settings(appliance, status.limits_version,
                                                  status.model_epoch, status.symbols, records))


def _settings(appliance: Appliance, limits_version: int, epoch: int, symbols: int,
              records: list[DecodedEvent]) -> SettingsInForce:
    """Ask for everything that an explanation needs."""
    found = settings_at([], 0, symbols)
    found.limits_version, found.epoch = limits_version, epoch
    indexes: dict[str, int] = {}
    for symbol in appliance.symbols():
        indexes[symbol.symbol] = symbol.symbol_index
        found.symbols[symbol.symbol_index] = WatchedSymbol(
            stock=parse_name(symbol.symbol), index=symbol.symbol_index,
            tick_size_e4=symbol.tick_size_e4, locate=symbol.locate)
    for name, row in appliance.limits().items():
        found.rows["limits", indexes[name]] = Limits(
            maximum_quantity=row.maximum_quantity, maximum_value_e4=row.maximum_value_e4,
            collar_fraction=row.collar_fraction, collar_minimum_e4=row.collar_minimum_e4,
            maximum_long=row.maximum_long, maximum_short=row.maximum_short,
            maximum_open_orders=row.maximum_open_orders, restricted=row.restricted).registers()
    for name, row in appliance.strategies().items():
        if row.loaded:
            found.rows["strategy", indexes[name]] = Strategy(
                buy_threshold=row.buy_threshold, sell_threshold=row.sell_threshold,
                cancel_buy_threshold=row.cancel_buy_threshold,
                cancel_sell_threshold=row.cancel_sell_threshold, quantity=row.quantity,
                offset_e4=row.offset_e4, cooldown_ns=row.cooldown_ns,
                near=row.price_reference == "near", day=row.time_in_force == "day",
                enable=row.enable).registers()
    session = appliance.session_limits()
    found.registers |= {"risk.message_interval": session.message_interval_ns,
                        "risk.message_burst": session.message_burst_ns,
                        "risk.hold": session.hold_ns}
    # Positions of now, less what was executed meanwhile, are those before the first record.
    log = OrderLog()
    for event in records:
        log.take(event.kind, event.fields)
    for row in appliance.positions().positions:
        account = log.accounts.get(indexes[row.symbol])
        executed = 0 if account is None else account.position
        found.loads[indexes[row.symbol]] = (-1, row.position - executed)
    return found
