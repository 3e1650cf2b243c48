"""An appliance by the names of its registers, whatever the way to it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

from control.errors import ControlError, Reason
from proto.registers import MAGIC, VERSION, Access, RegisterMap, register_map
from proto.wire.management import MAXIMUM_OPERATIONS

__all__ = ["Device", "Operation", "Transport"]


@dataclass(frozen=True)
class Operation:
    """An access to a register; `value` None reads."""

    address: int
    value: int | None = None


class Transport(ABC):
    """A way to an appliance, with one session on it."""

    @abstractmethod
    async def exchange(self, operations: Sequence[Operation]) -> tuple[int, ...]:
        """Execute up to 64 operations in order, exactly once; return their values, 0 of a write.

        Raises
        ------
        ControlError
            DEVICE_UNREACHABLE if there was no answer; the operations may have been executed.
        """

    @abstractmethod
    async def heartbeat(self) -> None:
        """Feed the watchdog, and ask for event records that got lost."""

    @abstractmethod
    def events(self) -> AsyncIterator[bytes]:
        """Return the event records, 64 bytes each, in order and without loss; for one reader."""

    @abstractmethod
    async def reopen(self) -> None:
        """Begin a new session after the old one was lost.

        Raises
        ------
        ControlError
            DEVICE_UNREACHABLE or DEVICE_BUSY.
        """

    @abstractmethod
    async def close(self) -> None:
        """End the session."""


class Device:
    """Typed access to an appliance that has proved to be the one of this package.

    Use :meth:`open`.

    Attributes
    ----------
    transport : Transport
        The way to it.
    map : RegisterMap
        Its registers.
    symbols : int
        Books that it has.
    core_hz : int
        Frequency of its core clock.
    version : str
        Its version.
    """

    def __init__(self, transport: Transport, table: RegisterMap, *, core_hz: int,
                 version: str) -> None:
        self.transport = transport
        self.map = table
        self.symbols = table["identity.profile_symbols"].register.reset
        self.core_hz = core_hz
        self.version = version

    @classmethod
    async def open(cls, transport: Transport) -> Self:
        """Check what is at the other end and return access to it.

        Raises
        ------
        ControlError
            WRONG_DEVICE if it is no appliance, or of another version.
        """
        smallest = register_map(symbols=1)
        names = ("magic", "version", "map_hash", "profile_symbols", "core_hz")
        magic, version, found, symbols, core_hz = await transport.exchange(
            [Operation(smallest[f"identity.{name}"].address) for name in names])
        if magic != MAGIC:
            raise ControlError(Reason.WRONG_DEVICE,
                               f"magic must be {MAGIC:#010x}, was {magic:#010x}: no appliance")
        numbers = (version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF)
        text = ".".join(map(str, numbers))
        if numbers[:2] != VERSION[:2]:
            wanted = ".".join(map(str, VERSION))
            raise ControlError(Reason.WRONG_DEVICE, f"version must be that of the control plane, "
                                                    f"{wanted}, was {text}")
        if not 1 <= symbols <= 1024:
            raise ControlError(Reason.WRONG_DEVICE, f"profile_symbols must be 1 to 1024, "
                                                    f"was {symbols}")
        table = register_map(symbols=symbols)
        if found != table.hash:
            raise ControlError(Reason.WRONG_DEVICE, f"map hash must be {table.hash:#010x}, "
                                                    f"was {found:#010x}: update one side")
        return cls(transport, table, core_hz=core_hz, version=text)

    async def batch(self, operations: Iterable[Operation]) -> list[int]:
        """Execute operations in order; those of a request, 64 at most, without anything between."""
        rest = iter(operations)
        values: list[int] = []
        while part := list(islice(rest, MAXIMUM_OPERATIONS)):
            values += await self.transport.exchange(part)
        return values

    async def read(self, name: str) -> int:
        """Return a register.

        Raises
        ------
        RegisterError
            If there is no register `name`.
        """
        return (await self.read_many([name]))[name]

    async def read_many(self, names: Iterable[str]) -> dict[str, int]:
        """Return some registers by name."""
        names = list(names)
        values = await self.batch(Operation(self.map[name].address) for name in names)
        return dict(zip(names, values, strict=True))

    async def read_flags(self, name: str) -> dict[str, int]:
        """Return the fields of a register."""
        word = await self.read(name)
        return self.fields(name, word)

    def fields(self, name: str, word: int) -> dict[str, int]:
        """Return the fields of a register whose value is `word`."""
        return {field.name: field.extract(word) for field in self.map[name].register.fields}

    async def read_block(self, prefix: str) -> dict[str, int]:
        """Return every register of a block, or of an element of an array, that can be read."""
        start = f"{prefix}."
        names = [location.name for location in self.map.locations
                 if location.name.startswith(start)
                 and location.register.fields[0].access is not Access.PULSE]
        values = await self.read_many(names)
        return {name.removeprefix(start): value for name, value in values.items()}

    async def read_blocks(self, array: str, indexes: Iterable[int]) -> dict[int, dict[str, int]]:
        """Return :meth:`read_block` of some elements of an array."""
        return {index: await self.read_block(f"{array}[{index}]") for index in indexes}

    async def read_wide(self, name: str, bits: int = 64) -> int:
        """Return a number of two registers as it was at one instant."""
        # Reading the lower half keeps the upper one.
        low, high = await self.transport.exchange(
            [Operation(self.map[f"{name}_{half}"].address) for half in ("lo", "hi")])
        return (high << 32 | low) & ((1 << bits) - 1)

    async def write(self, name: str, value: int) -> None:
        """Write a whole register."""
        await self.write_many({name: value})

    async def write_many(self, values: Mapping[str, int]) -> None:
        """Write registers in the order of the mapping."""
        await self.batch(Operation(self.map[name].address, value)
                         for name, value in values.items())

    async def pulse(self, name: str, *fields: str) -> None:
        """Raise pulses of a register for a cycle; all of its fields, unless some are named."""
        register = self.map[name].register
        chosen = fields or tuple(field.name for field in register.fields)
        await self.write(name, sum(register.field(field).mask for field in chosen))
