"""Rows of ``limits`` and ``strategy``: whether one is in force, and since which change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from proto.trading_registers import ROW_STATE

__all__ = ["RowState"]


@dataclass(frozen=True, kw_only=True)
class RowState:
    """State of a row.

    Attributes
    ----------
    loaded : bool
        It has been committed and not revoked; else what it holds means nothing.
    version : int
        Changes of the table up to its last commit, modulo 2**16.
    """

    loaded: bool
    version: int

    @classmethod
    def from_registers(cls, registers: Mapping[str, int]) -> Self:
        """Return the state that the registers of a row tell."""
        word = registers[ROW_STATE.name]
        return cls(loaded=bool(ROW_STATE.field("loaded").extract(word)),
                   version=ROW_STATE.field("version").extract(word))
