"""An appliance that trades: feed in, orders out, and which message caused which order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from proto.events import EventKind, OrderFlag
from proto.wire import moldudp64
from sim.appliance import Appliance, SymbolSettings
from sim.bench.counterparty import Counterparty, OrderFrame
from sim.bench.flow import Kind, Symbol, directory, kind_of
from sim.errors import SimulationError
from sim.framing import FeedAddress, frame_messages
from sim.library import byte_cycle

__all__ = ["Caused", "Spread", "Trading", "message_cycles"]

_LANES = 8


@dataclass(frozen=True, slots=True)
class Caused:
    """An order and its trigger; cycles are those of words at the pins.

    Attributes
    ----------
    kind : Kind
        Of the message that caused it.
    som_cycle, eot_cycle : int
        Words with the first and the last byte of that message.
    sof_cycle : int
        Word with Start of the order's frame.
    queued : bool
        It was not judged at once, or found the transmitter busy.
    order : OrderFrame
        What left.
    """

    kind: Kind
    som_cycle: int
    eot_cycle: int
    sof_cycle: int
    queued: bool
    order: OrderFrame

    @property
    def eot_sof_cycles(self) -> int:
        """Cycles from the last byte of the trigger to Start of the order."""
        return self.sof_cycle - self.eot_cycle

    @property
    def som_sof_cycles(self) -> int:
        """Cycles from the first byte of the trigger to Start of the order."""
        return self.sof_cycle - self.som_cycle


@dataclass
class Spread:
    """Smallest, middle and largest of some numbers of cycles."""

    cycles: list[int] = field(default_factory=list[int])

    def as_dict(self) -> dict[str, int | float | None]:
        """Return them as the report has them; None where there are no numbers."""
        if not self.cycles:
            return {"min": None, "median": None, "max": None, "n": 0}
        median = float(np.median(self.cycles))
        return {"min": min(self.cycles), "median": int(median) if median.is_integer() else median,
                "max": max(self.cycles), "n": len(self.cycles)}


@dataclass(frozen=True, slots=True)
class _Trigger:
    kind: Kind
    som_cycle: int
    eot_cycle: int


def message_cycles(start: int, frame_bytes: int, messages: Sequence[bytes], *, lanes: int = 8
                   ) -> list[tuple[int, int]]:
    """Return the cycles of the first and the last byte of each message of a frame.

    Parameters
    ----------
    start : int
        Position of the frame's Start.
    frame_bytes : int
        Its length without FCS.
    messages : sequence of bytes
        Messages without their length field, in order; they end the frame.
    lanes : int
        Bytes of the line in a cycle.
    """
    block = moldudp64.BLOCK.size
    at = frame_bytes - sum(block + len(message) for message in messages)
    found: list[tuple[int, int]] = []
    for message in messages:
        first = at + block
        at = first + len(message)
        found.append((byte_cycle(start, first, lanes=lanes),
                      byte_cycle(start, at - 1, lanes=lanes)))
    return found


class Trading:
    """An appliance between a feed and a venue.

    Parameters
    ----------
    appliance : Appliance
        Watches the symbols from now on, and listens to the feed.
    symbols : sequence of Symbol
        What is traded.
    seed : int
        Of the venue's answers.
    tick_size : int
        Distance of two prices, 1e-4 USD.

    Attributes
    ----------
    counterparty : Counterparty
        The venue.
    refused : int
        Orders that the gate refused.
    failed_checks : int
        Mask of every check that has failed.
    last_record : dict
        The record of the order that was collected last.
    """

    def __init__(self, appliance: Appliance, symbols: Sequence[Symbol], *, seed: int = 1,
                 tick_size: int = 100) -> None:
        self.appliance = appliance
        self.symbols = list(symbols)
        self.counterparty = Counterparty(appliance, seed=seed)
        self.refused = 0
        self.failed_checks = 0
        self.last_record: dict[str, Any] = {}
        self._address = FeedAddress()
        self._sequence = 1
        self._records: list[dict[str, Any]] = []
        self._waiting: list[tuple[int, int, list[bytes]]] = []
        self._triggers: dict[int, _Trigger] = {}
        simulation = appliance.simulation
        self._offset = simulation.now_cycles - simulation.cycle
        appliance.watch([SymbolSettings(symbol.name, symbol.locate, tick_size)
                         for symbol in symbols])
        appliance.configure_feed(self._address)
        self.publish(directory(symbols))
        self.settle()

    def publish(self, messages: Iterable[bytes], **how: Any) -> None:
        """Queue messages in as few frames as they need; see :meth:`Simulation.send`."""
        content = list(messages)
        for datagram in frame_messages(content, self._address, first_sequence=self._sequence):
            sent, content = content[:datagram.count], content[datagram.count:]
            self._waiting.append((self._sequence, len(datagram.frame), sent))
            self._sequence += datagram.count
            self.appliance.send_frames([datagram.frame], **how)

    def step(self, cycles: int = 256) -> None:
        """Run, and let the venue answer."""
        self.counterparty.step(cycles)
        starts = self.appliance.simulation.starts().tolist()
        for start in starts:
            first, frame_bytes, messages = self._waiting.pop(0)
            places = message_cycles(start, frame_bytes, messages,
                                    lanes=self.appliance.simulation.lanes)
            for number, (message, place) in enumerate(zip(messages, places, strict=True), first):
                if (kind := kind_of(message)) is not None:
                    self._triggers[number] = _Trigger(kind, *place)

    def settle(self, steps: int = 8) -> None:
        """Run until what was sent has had its effects, the venue's answers included."""
        for _ in range(steps):
            self.step(128)

    def collect(self) -> tuple[list[Caused], int]:
        """Return the orders since the last call whose trigger is known, and how many others.

        An order whose frame has not ended yet comes with the next call.

        Raises
        ------
        SimulationError
            If a record and the pins disagree.
        """
        for kind, record in self.appliance.order_events():
            if kind is EventKind.ORDER_REFUSED:
                self.refused += record["count"]
                self.failed_checks |= record["mask"]
            elif kind is EventKind.ORDER_SENT and not record["flags"] & OrderFlag.CANCEL:
                self._records.append(record)
        ended = [record for record in self._records
                 if record["user_ref_num"] in self.counterparty.entered]
        self._records = self._records[len(ended):]
        caused = [self._caused(record) for record in ended]
        known = [order for order in caused if order is not None]
        return known, len(caused) - len(known)

    @property
    def outstanding(self) -> int:
        """Orders that are recorded as sent, and have not left whole."""
        return len(self._records)

    def _caused(self, record: dict[str, Any]) -> Caused | None:
        number = record["user_ref_num"]
        order = self.counterparty.entered[number]
        sof_cycle = order.start // _LANES
        if record["cycle"] - self._offset != sof_cycle or record["quantity"] != order.quantity:
            raise SimulationError(
                f"order {number} must be as recorded: cycle {record['cycle'] - self._offset}, "
                f"{record['quantity']} shares; was cycle {sof_cycle}, {order.quantity} shares")
        self.last_record = record
        trigger = self._triggers.get(record["feed_sequence"])
        if trigger is None:
            return None
        return Caused(trigger.kind, trigger.som_cycle, trigger.eot_cycle, sof_cycle,
                      bool(record["flags"] & OrderFlag.WAITED), order)
