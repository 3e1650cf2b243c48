"""Limits of a symbol and of the session: ranges, and the registers that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.errors import wrong_field
from control.rows import RowState
from proto.wire.ouch50 import MAXIMUM_QUANTITY

__all__ = ["Limits", "SessionLimits"]


def _in_range(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise wrong_field(field, f"{low} to {high}", value)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a symbol, all inclusive.

    Attributes
    ----------
    maximum_quantity : int
        Shares of an order.
    maximum_value_e4 : int
        Price times quantity, 1e-4 USD.
    collar_fraction : int
        Relative band round the mid, 2**-16.
    collar_minimum_e4 : int
        Least width of the band to each side, 1e-4 USD.
    maximum_long, maximum_short : int
        Shares, if every open order executes.
    maximum_open_orders : int
        Both sides.
    restricted : bool
        No order passes.

    Raises
    ------
    ControlError
        If a value is out of its range.
    """

    maximum_quantity: int
    maximum_value_e4: int
    collar_fraction: int
    collar_minimum_e4: int
    maximum_long: int
    maximum_short: int
    maximum_open_orders: int
    restricted: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _in_range("maximum_quantity", self.maximum_quantity, 1, MAXIMUM_QUANTITY)
        _in_range("maximum_value_e4", self.maximum_value_e4, 1, 2**52 - 1)
        _in_range("collar_fraction", self.collar_fraction, 0, 2**16 - 1)
        _in_range("collar_minimum_e4", self.collar_minimum_e4, 0, 2**32 - 1)
        _in_range("maximum_long", self.maximum_long, 0, 2**31 - 1)
        _in_range("maximum_short", self.maximum_short, 0, 2**31 - 1)
        _in_range("maximum_open_orders", self.maximum_open_orders, 0, 2**10 - 1)

    def registers(self) -> dict[str, int]:
        """Return the registers of an element of ``limits``."""
        return {
            "maximum_quantity": self.maximum_quantity,
            "maximum_value_lo": self.maximum_value_e4 & 0xFFFFFFFF,
            "maximum_value_hi": self.maximum_value_e4 >> 32,
            "collar_fraction": self.collar_fraction,
            "collar_minimum": self.collar_minimum_e4,
            "maximum_long": self.maximum_long,
            "maximum_short": self.maximum_short,
            "maximum_open_orders": self.maximum_open_orders,
            "restricted": int(self.restricted),
        }

    @classmethod
    def from_registers(cls, registers: Mapping[str, int]) -> "Limits | None":
        """Return the limits that an element of ``limits`` holds; None if it lets no order pass."""
        if not RowState.from_registers(registers).loaded or registers["maximum_quantity"] == 0:
            return None
        return cls(
            maximum_quantity=registers["maximum_quantity"],
            maximum_value_e4=registers["maximum_value_hi"] << 32 | registers["maximum_value_lo"],
            collar_fraction=registers["collar_fraction"],
            collar_minimum_e4=registers["collar_minimum"],
            maximum_long=registers["maximum_long"],
            maximum_short=registers["maximum_short"],
            maximum_open_orders=registers["maximum_open_orders"],
            restricted=bool(registers["restricted"]))


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """Limits of the session, and the watchdog's; times in ns.

    Attributes
    ----------
    message_interval_ns, message_burst_ns : int
        Time between messages at the sustained rate, 0 allows none; how far a burst runs ahead.
    hold_ns : int
        Longest wait for a verdict.
    watchdog_timeout_ns : int
        Longest silence of the control plane, 0 never arms.
    cancel_on_kill : bool
        A kill asks for a cancel of every open order, whatever its cause.

    Raises
    ------
    ControlError
        If a value is out of its range.
    """

    message_interval_ns: int
    message_burst_ns: int
    hold_ns: int
    watchdog_timeout_ns: int
    cancel_on_kill: bool

    def __post_init__(self) -> None:
        """Check every value."""
        for field in ("message_interval_ns", "message_burst_ns", "hold_ns"):
            _in_range(field, getattr(self, field), 0, 2**32 - 1)
        _in_range("watchdog_timeout_ns", self.watchdog_timeout_ns, 0, 2**40 - 1)

    def registers(self) -> dict[str, int]:
        """Return the registers of the block ``risk``, by their names in the map."""
        return {
            "risk.message_interval": self.message_interval_ns,
            "risk.message_burst": self.message_burst_ns,
            "risk.hold": self.hold_ns,
            "risk.watchdog_timeout_lo": self.watchdog_timeout_ns & 0xFFFFFFFF,
            "risk.watchdog_timeout_hi": self.watchdog_timeout_ns >> 32,
            "risk.cancel_on_kill": int(self.cancel_on_kill),
        }

    @classmethod
    def from_registers(cls, registers: Mapping[str, int]) -> "SessionLimits":
        """Return what registers of the block ``risk``, by their names in it, hold."""
        return cls(
            message_interval_ns=registers["message_interval"],
            message_burst_ns=registers["message_burst"],
            hold_ns=registers["hold"],
            watchdog_timeout_ns=(registers["watchdog_timeout_hi"] << 32
                                 | registers["watchdog_timeout_lo"]),
            cancel_on_kill=bool(registers["cancel_on_kill"]))
