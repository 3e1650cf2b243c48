"""Settings as they were in force at a moment, from the writes that reached the registers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from control.explain.history import RegisterWrite
from control.limits import Limits
from control.strategy import Strategy
from control.symbols import WatchedSymbol, symbol_of
from control.units import signed
from proto.events import NO_SYMBOL
from proto.registers import Access, Location, RegisterMap, register_map
from proto.trading_registers import ROW_STATE

__all__ = ["SettingsInForce", "settings_at"]

_HALF_WORD_BITS = 16
#: Arrays whose rows go through a shadow row.
_ROWS = ("limits", "strategy")


@dataclass
class SettingsInForce:
    """What software has set.

    Attributes
    ----------
    registers : dict of str to int
        Registers that stand once, by name.
    rows : dict of (str, int) to dict
        Rows of ``limits`` and ``strategy`` in force, by array and symbol.
    symbols : dict of int to WatchedSymbol
        Watched symbols by the number of their book.
    limits_version : int
        Commits and revocations of limits, modulo 2**16.
    weights : dict of int to int
        Words of the bank that scores, by address.
    epoch : int
        Of that bank.
    loads : dict of int to (int, int)
        Cycle, and position that was loaded then, by symbol.
    """

    registers: dict[str, int] = field(default_factory=dict[str, int])
    rows: dict[tuple[str, int], dict[str, int]] = field(
        default_factory=dict[tuple[str, int], dict[str, int]])
    symbols: dict[int, WatchedSymbol] = field(default_factory=dict[int, WatchedSymbol])
    limits_version: int = 0
    weights: dict[int, int] = field(default_factory=dict[int, int])
    epoch: int = 0
    loads: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])

    def limits(self, symbol_index: int) -> Limits | None:
        """Return the limits of a symbol, None if it has none."""
        row = self.rows.get(("limits", symbol_index))
        return None if row is None else Limits.from_registers(_loaded(row))

    def strategy(self, symbol_index: int) -> Strategy | None:
        """Return the parameters of a symbol, None if it has none."""
        row = self.rows.get(("strategy", symbol_index))
        return None if row is None else Strategy.from_registers(row)

    def wide(self, name: str) -> int:
        """Return a number of two registers."""
        return self.registers[f"{name}_hi"] << 32 | self.registers[f"{name}_lo"]

    def model(self, features: int) -> tuple[tuple[int, ...], int] | None:
        """Return weights and bias of the model that scores, None before one does."""
        if not self.epoch:
            return None
        return (tuple(signed(self.weights.get(n, 0), _HALF_WORD_BITS) for n in range(features)),
                signed(self.weights.get(features, 0)))

    def name_of(self, symbol_index: int) -> str:
        """Return what people call a symbol; its number if it is not watched."""
        symbol = self.symbols.get(symbol_index)
        if symbol is not None:
            return symbol.name
        return "several symbols" if symbol_index == NO_SYMBOL else str(symbol_index)


def _loaded(row: Mapping[str, int]) -> dict[str, int]:
    return {**row, ROW_STATE.name: ROW_STATE.field("loaded").mask}


class _Follower:
    """Do to settings what the registers do."""

    def __init__(self, table: RegisterMap) -> None:
        self.found = SettingsInForce()
        self._locations = {location.address: location for location in table.locations}
        self._banks: dict[int, dict[int, int]] = {0: {}, 1: {}}
        self._active = 0
        self._shadows: dict[str, dict[str, int]] = {}
        self._elements: dict[tuple[str, int], dict[str, int]] = {}
        for location in table.locations:
            if location.index is None:
                self.found.registers[location.name] = location.register.reset

    def write(self, address: int, value: int, cycle: int) -> None:
        """Follow a write."""
        location = self._locations.get(address)
        if location is None:
            return
        if location.name == f"positions[{location.index}].load" and location.index is not None:
            position = signed(self.found.registers["account.load_position"])
            self.found.loads[location.index] = (cycle, position)
        elif location.index is not None:
            self._array(location, location.index, value)
        elif location.register.fields[0].access is Access.RW:
            self.found.registers[location.name] = value
        elif location.block.name == "model" and value & 1:
            self._model(location.register.name)

    def _model(self, pulse: str) -> None:
        registers = self.found.registers
        if pulse == "write" and registers["model.bank"] != self._bank():
            self._banks[registers["model.bank"]][registers["model.address"]] = \
                registers["model.data"]
        elif pulse == "swap" and registers["model.expected_epoch"] == self.found.epoch:
            self._active = registers["model.swap_bank"]
            self.found.epoch = registers["model.swap_epoch"]
            self.found.weights = dict(self._banks[self._active])

    def _bank(self) -> int | None:
        return self._active if self.found.epoch else None

    def _array(self, location: Location, index: int, value: int) -> None:
        array, name = location.block.name, location.register.name
        # Rows of limits and strategy share one shadow; elements of other arrays have their own.
        shadow = (self._shadows.setdefault(array, {}) if array in _ROWS
                  else self._elements.setdefault((array, index), {}))
        if location.register.fields[0].access is Access.RW:
            shadow[name] = value
        elif value & 1 and name in ("commit", "revoke"):
            complete = {register.name: register.reset for register in location.block.registers}
            if array == "symbols":
                self._symbol(index, {**complete, **shadow})
            elif array in _ROWS:
                self.found.limits_version = (self.found.limits_version
                                             + (array == "limits")) % (1 << _HALF_WORD_BITS)
                self.found.rows.pop((array, index), None)
                if name == "commit":
                    self.found.rows[array, index] = {**complete, **shadow}

    def _symbol(self, index: int, row: Mapping[str, int]) -> None:
        self.found.symbols.pop(index, None)
        if (symbol := symbol_of(index, row)) is not None:
            self.found.symbols[index] = symbol


def settings_at(writes: Iterable[RegisterWrite], cycle: int, symbols: int) -> SettingsInForce:
    """Return what was in force in a cycle, after reset and the writes before it.

    Parameters
    ----------
    writes : iterable of RegisterWrite
        All writes in order.
    cycle : int
        The cycle.
    symbols : int
        Books that the appliance has.
    """
    follower = _Follower(register_map(symbols=symbols))
    for write in writes:
        if write.cycle > cycle:
            break
        follower.write(write.address, write.value, write.cycle)
    return follower.found
