"""Parameters of the threshold strategy: ranges, and the registers that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.errors import wrong_field
from control.units import signed, unsigned
from proto.wire.ouch50 import MAXIMUM_QUANTITY

__all__ = ["DISABLED", "Strategy"]

_SIGNED = ("buy_threshold", "sell_threshold", "cancel_buy_threshold", "cancel_sell_threshold")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """Parameters of a symbol; thresholds in the unit of the score.

    Attributes
    ----------
    buy_threshold, sell_threshold : int
        A score at or above the first buys, one at or below minus the second sells.
    cancel_buy_threshold, cancel_sell_threshold : int
        A score below the first cancels a resting buy, one above minus the second a resting sale.
    quantity : int
        Shares of an order.
    offset_e4 : int
        Added to the reference price of a buy, taken off that of a sale, 1e-4 USD.
    cooldown_ns : int
        Time after an order in which there is no other.
    near, day, enable : bool
        Reference is the near touch; orders rest; the symbol makes orders.

    Raises
    ------
    ControlError
        If a value is out of its range.
    """

    buy_threshold: int
    sell_threshold: int
    cancel_buy_threshold: int
    cancel_sell_threshold: int
    quantity: int
    offset_e4: int = 0
    cooldown_ns: int = 0
    near: bool = False
    day: bool = False
    enable: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        for field in _SIGNED:
            low = -2**31 + 1 if field.startswith(("sell", "cancel_sell")) else -2**31
            if not low <= getattr(self, field) < 2**31:
                raise wrong_field(field, f"{low} to {2**31 - 1}", getattr(self, field))
        if not int(self.enable) <= self.quantity <= MAXIMUM_QUANTITY:
            raise wrong_field("quantity", f"{int(self.enable)} to {MAXIMUM_QUANTITY}",
                              self.quantity)
        if not -2**31 <= self.offset_e4 < 2**31:
            raise wrong_field("offset_e4", f"{-2**31} to {2**31 - 1}", self.offset_e4)
        if not 0 <= self.cooldown_ns < 2**32:
            raise wrong_field("cooldown_ns", f"0 to {2**32 - 1}", self.cooldown_ns)

    def registers(self) -> dict[str, int]:
        """Return the registers of an element of ``strategy``."""
        return {
            **{field: unsigned(getattr(self, field)) for field in _SIGNED},
            "quantity": self.quantity,
            "offset": unsigned(self.offset_e4),
            "cooldown": self.cooldown_ns,
            "near": int(self.near),
            "time_in_force": int(self.day),
            "enable": int(self.enable),
        }

    @classmethod
    def from_registers(cls, registers: Mapping[str, int]) -> "Strategy":
        """Return the parameters that an element of ``strategy`` holds."""
        thresholds = {field: signed(registers[field]) for field in _SIGNED}
        return cls(
            **thresholds, quantity=registers["quantity"], offset_e4=signed(registers["offset"]),
            cooldown_ns=registers["cooldown"], near=bool(registers["near"]),
            day=bool(registers["time_in_force"]), enable=bool(registers["enable"]))


#: Parameters that never make an order.
DISABLED = Strategy(buy_threshold=2**31 - 1, sell_threshold=2**31 - 1,
                    cancel_buy_threshold=-2**31, cancel_sell_threshold=-2**31 + 1, quantity=0)
