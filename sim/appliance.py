"""The simulated appliance: a Verilated core with its registers by name and its events as arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdl.book.tick import reciprocal
from proto.counters import COUNTERS
from proto.events import (
    EVENT_BYTES,
    EVENTS,
    HEADER,
    SCHEMA_VERSION,
    TOP_OF_BOOK,
    EventKind,
    numpy_dtype,
)
from proto.feed_records import FeedMessageReader, RecordedMessage
from proto.registers import MAGIC, RegisterError, RegisterMap, register_map
from proto.wire import itch50
from sim import verilate
from sim.errors import SimulationError
from sim.framing import FeedAddress
from sim.library import Line, Simulation

__all__ = ["Appliance", "SymbolSettings", "TOP_OF_BOOK_DTYPE"]

#: A top-of-book record as NumPy reads it.
TOP_OF_BOOK_DTYPE = np.dtype(numpy_dtype(TOP_OF_BOOK))

_DETAILS = (EventKind.BID_DEPTH, EventKind.ASK_DEPTH, EventKind.FEATURE_VECTOR)

_CLEAR_CYCLES = 2_000_000
_SYMBOL_CHARACTERS = 8
_COUNTER_CYCLES = 600  # two sweeps over all of them, and what is before


@dataclass(frozen=True)
class SymbolSettings:
    """What the appliance must know of a symbol.

    Attributes
    ----------
    stock : str
        Symbol, eight characters at most.
    locate : int or None
        Stock locate of the day; None lets the appliance learn it from the directory.
    tick_size : int
        Distance of two prices, in 1e-4 USD.
    """

    stock: str
    locate: int | None
    tick_size: int = 100


class Appliance:
    """A simulated appliance, out of reset and with its memories cleared.

    Parameters
    ----------
    profile : str
        Sizes, by name.
    library : Path, optional
        A library made from another Verilog; by default that of the profile is built or found.
    traced : bool
        Whether waveforms can be written.
    trading : bool
        Whether there are an order side and a management port; without, it simulates faster.
    make : callable
        Returns the simulation of a library.

    Raises
    ------
    SimulationError
        If it is not the appliance that this package was made for.
    """

    def __init__(self, profile: str = "sim", *, library: Path | None = None,
                 traced: bool = False, trading: bool = True,
                 make: Callable[[Path], Simulation] = Simulation) -> None:
        if library is None:
            arguments = {"profile": profile} if trading else {"profile": profile, "trading": False}
            emitted = verilate.emit(verilate.APPLIANCE, arguments)
            library = verilate.build(emitted, traced=traced)
        self.simulation = make(library)
        self._order_records: list[bytes] = []
        self._messages: list[RecordedMessage] = []
        self._details: list[bytes] = []
        self._reader = FeedMessageReader()
        smallest = register_map(symbols=1)
        magic = self.simulation.csr_read(smallest["identity.magic"].address)
        if magic != MAGIC:
            raise SimulationError(f"not an appliance: magic must be {MAGIC:#x}, was {magic:#x}")
        self.symbols = self.simulation.csr_read(smallest["identity.profile_symbols"].address)
        self.map: RegisterMap = register_map(symbols=self.symbols)
        if (found := self.read("identity.map_hash")) != self.map.hash:
            raise SimulationError(f"map hash must be {self.map.hash:#x}, was {found:#x}: "
                                  "the library is of another version")
        self._wait_until_cleared()

    def __enter__(self) -> Self:
        """Return this appliance; leaving the block ends it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """End the simulation."""
        self.close()

    def close(self) -> None:
        """Free the simulation."""
        self.simulation.close()

    def _wait_until_cleared(self) -> None:
        limit = self.simulation.cycle + _CLEAR_CYCLES
        while not self.read("control.status", "memories_cleared"):
            if self.simulation.cycle > limit:
                raise SimulationError(f"memories not cleared after {_CLEAR_CYCLES} cycles")
            self.simulation.run(1000)

    def read(self, name: str, field: str | None = None) -> int:
        """Return a register, or one field of it.

        Raises
        ------
        RegisterError
            If it does not exist.
        """
        location = self.map[name]
        part = None if field is None else location.register.field(field)
        word = self.simulation.csr_read(location.address)
        return word if part is None else part.extract(word)

    def write(self, name: str, value: int) -> None:
        """Write a whole register.

        Raises
        ------
        RegisterError
            If it does not exist.
        """
        self.simulation.csr_write(self.map[name].address, value)

    def read_wide(self, name: str, *, signed: bool = False) -> int:
        """Return the number in the registers ``<name>_lo`` and ``<name>_hi``."""
        low = self.read(f"{name}_lo")    # keeps the upper half
        word = self.read(f"{name}_hi") << 32 | low
        return word - (1 << 64) if signed and word >> 63 else word

    def write_number(self, name: str, value: int) -> None:
        """Write a number of one or two words; a negative one as two's complement."""
        try:
            self.map[name]
        except RegisterError:
            self.write(f"{name}_lo", value & 0xFFFFFFFF)
            self.write(f"{name}_hi", value >> 32 & 0xFFFFFFFF)
        else:
            self.write(name, value & 0xFFFFFFFF)

    def write_text(self, name: str, text: str) -> None:
        """Write a text, padded with spaces, into the registers ``<name>_0`` and up.

        Raises
        ------
        SimulationError
            If it does not fit.
        """
        block, _, register = name.partition(".")
        sizes = [entry.fields[0].width // 8
                 for entry in next(b for b in self.map.blocks if b.name == block).registers
                 if entry.name.rpartition("_")[0] == register
                 and entry.name.rpartition("_")[2].isdecimal()]
        if len(text) > sum(sizes):
            raise SimulationError(f"{name} has {sum(sizes)} characters, was {text!r}")
        content = text.ljust(sum(sizes)).encode("ascii")
        for number, size in enumerate(sizes):
            at = sum(sizes[:number])
            self.write(f"{name}_{number}", int.from_bytes(content[at:at + size], "little"))

    def commit_row(self, array: str, index: int, values: Mapping[str, int]) -> None:
        """Write settings of one element of ``strategy`` or ``limits``, then make them take effect.

        What is not among `values` stays as it was written for the last element.
        """
        for name, value in values.items():
            self.write_number(f"{array}[{index}].{name}", value)
        self.write(f"{array}[{index}].commit", 1)

    def counters(self) -> dict[str, int]:
        """Return every counter by its dotted name, once the last counts have arrived there."""
        self.simulation.run(_COUNTER_CYCLES)
        return {counter.name: self.read(f"counters.{counter.register}") for counter in COUNTERS}

    def configure_feed(self, address: FeedAddress, *, next_sequence: int = 1,
                       strict: bool = True) -> None:
        """Set where market data come from, and accept it."""
        session = address.session.encode("latin-1").ljust(10)
        self.write("feed.enable", 0)
        self.write("control.strict", int(strict))
        self.write("feed.group_ip", address.group_ip)
        self.write("feed.udp_port", address.udp_port)
        self.write("feed.session_hi", int.from_bytes(session[0:4], "big"))
        self.write("feed.session_mid", int.from_bytes(session[4:8], "big"))
        self.write("feed.session_lo", int.from_bytes(session[8:10], "big"))
        self.write("feed.session_learn", 0)
        self.expect_sequence(next_sequence)
        self.write("feed.enable", 1)
        self.simulation.run(16)

    def expect_sequence(self, next_sequence: int) -> None:
        """Set the sequence number of the message that must come next."""
        self.write("feed.next_sequence_lo", next_sequence & 0xFFFFFFFF)
        self.write("feed.next_sequence_hi", next_sequence >> 32)
        self.write("feed.load_sequence", 1)
        self.simulation.run(8)

    def watch(self, symbols: Sequence[SymbolSettings]) -> None:
        """Watch these symbols, from index 0 on, and no others.

        Raises
        ------
        SimulationError
            If there are more than the appliance has books.
        """
        if len(symbols) > self.symbols:
            raise SimulationError(f"at most {self.symbols} symbols can be watched, "
                                  f"was {len(symbols)}")
        for index in range(self.symbols):
            symbol = symbols[index] if index < len(symbols) else None
            self._set_symbol(index, symbol)
        # Commits are handed on one after the other.
        self.simulation.run(64 * (self.symbols + 1))

    def _set_symbol(self, index: int, symbol: SymbolSettings | None) -> None:
        prefix = f"symbols[{index}]"
        if symbol is not None:
            stock = symbol.stock.ljust(_SYMBOL_CHARACTERS).encode("ascii")
            inverse = reciprocal(symbol.tick_size)
            locate = 0 if symbol.locate is None else 1 << 16 | symbol.locate
            self.write(f"{prefix}.stock_hi", int.from_bytes(stock[:4], "big"))
            self.write(f"{prefix}.stock_lo", int.from_bytes(stock[4:], "big"))
            self.write(f"{prefix}.locate", locate)
            self.write(f"{prefix}.tick_size", symbol.tick_size)
            self.write(f"{prefix}.reciprocal", inverse.multiplier)
            self.write(f"{prefix}.shift", inverse.exponent)
        self.write(f"{prefix}.enable", int(symbol is not None))
        self.write(f"{prefix}.commit", 1)

    def events(self) -> npt.NDArray[Any]:
        """Return and forget the top-of-book records since the last call.

        Records of other kinds that come between are kept for :meth:`order_events`,
        :meth:`messages` and :meth:`details`.

        Raises
        ------
        SimulationError
            If a record is of an unknown version.
        """
        content, _ = self.simulation.events()
        records = np.frombuffer(content, TOP_OF_BOOK_DTYPE)
        if TOP_OF_BOOK_DTYPE.itemsize != EVENT_BYTES or np.any(
                records["schema_version"] != SCHEMA_VERSION):
            raise SimulationError(f"event records must have version {SCHEMA_VERSION}")
        tops = records["kind"] == EventKind.TOP_OF_BOOK
        for number in np.flatnonzero(~tops):
            at = EVENT_BYTES * int(number)
            record = content[at:at + EVENT_BYTES]
            kind = EventKind(int(records["kind"][number]))
            if kind in (EventKind.FEED_MESSAGE, EventKind.FEED_MESSAGE_REST):
                message = self._reader.take(kind, record)
                if message is not None:
                    self._messages.append(message)
            elif kind in _DETAILS:
                self._details.append(record)
            else:
                self._order_records.append(record)
        return records[tops]

    def record_messages(self, *types: str, all_symbols: bool = False) -> None:
        """Set which messages of the feed are recorded, by the character of their type."""
        register = self.map["feed.record"].register
        bits = sum(register.field(itch50.MESSAGES[ord(kind)].name).mask for kind in set(types))
        self.write("feed.record",
                   bits | (register.field("all_symbols").mask if all_symbols else 0))
        self.simulation.run(8)

    def messages(self) -> list[RecordedMessage]:
        """Return and forget the messages of the feed that were recorded, in order.

        Top-of-book records that have not been fetched are forgotten as well.
        """
        self.events()
        found, self._messages = self._messages, []
        return found

    def record_details(self, *, depth: bool = False, vectors: bool = False) -> None:
        """Set whether the levels after each event are recorded, and its features and score."""
        register = self.map["control.details"].register
        self.write("control.details", (register.field("depth").mask if depth else 0)
                   | (register.field("vectors").mask if vectors else 0))

    def details(self) -> list[bytes]:
        """Return and forget the records of levels and vectors that :meth:`events` has found."""
        found, self._details = self._details, []
        return found

    def order_events(self) -> list[tuple[EventKind, dict[str, Any]]]:
        """Return and forget the records of orders and state, with those :meth:`events` found.

        Top-of-book records that have not been fetched are forgotten as well.
        """
        self.events()
        records, self._order_records = self._order_records, []
        decoded: list[tuple[EventKind, dict[str, Any]]] = []
        for record in records:
            kind = EventKind(HEADER.decode(record[:HEADER.size])["kind"])
            decoded.append((kind, EVENTS[kind].decode(record)))
        return decoded

    def send_frames(self, frames: Sequence[bytes], line: Line = Line.FEED_A, **how: Any) -> None:
        """Queue frames; see :meth:`Simulation.send`."""
        self.simulation.send(frames, line, **how)

    def settle(self, *, quiet: int = 256, most: int = 100_000_000) -> None:
        """Run until everything that was sent has had all its effects."""
        self.simulation.settle(quiet=quiet, most=most)
