"""What each account has done, for reconciliation: positions, cash and fills."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sim.exchange.orders import Fill, Report, Side

__all__ = ["Account", "Ledger"]


@dataclass
class Account:
    """Executions of one account, no fees.

    Attributes
    ----------
    positions : dict of str to int
        Shares by symbol; negative if sold short.
    cash_e4 : int
        Received less paid, in 1e-4 USD.
    fills, shares : int
        Executions and shares executed.
    turnover_e4 : int
        Value of all executions, in 1e-4 USD.
    """

    positions: dict[str, int] = field(default_factory=dict[str, int])
    cash_e4: int = 0
    fills: int = 0
    shares: int = 0
    turnover_e4: int = 0

    def note(self, fill: Fill) -> None:
        """Take in an execution."""
        sign = 1 if fill.side is Side.BUY else -1
        self.positions[fill.symbol] = self.positions.get(fill.symbol, 0) + sign * fill.quantity
        self.cash_e4 -= sign * fill.quantity * fill.price_e4
        self.fills += 1
        self.shares += fill.quantity
        self.turnover_e4 += fill.quantity * fill.price_e4


class Ledger:
    """All accounts by name."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.accounts: dict[str, Account] = {name: Account() for name in names}

    def note(self, report: Report) -> None:
        """Take in a report; only fills change anything."""
        if isinstance(report, Fill):
            self.accounts.setdefault(report.account, Account()).note(report)
