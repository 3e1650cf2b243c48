"""An appliance under control: its device, what is remembered about it, and changes in turn."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from control.books import BookLog
from control.broker import EventBroker, decode_event
from control.changes import Revision, WriterLease
from control.device import Device, Transport
from control.errors import ControlError, Reason
from control.orders import OrderLog
from control.rows import RowState
from control.symbols import WatchedSymbol, find, symbol_of
from proto.events import HEADER, EventKind, Sequence
from proto.trading_registers import ROW_STATE

__all__ = ["Appliance", "ChangeOptions", "LoadedModel"]

_LOG = logging.getLogger(__name__)

#: Heartbeats between two questions whether the appliance still answers.
_BEATS_PER_QUESTION = 10

_KIND = HEADER.field("kind").offset
_ORDER_KINDS = tuple(kind for kind in EventKind if kind.sequence is Sequence.ORDERS)

#: After these the appliance may have been changed although the change failed.
_HALFWAY = (Reason.READBACK_DIFFERS, Reason.DEVICE_UNREACHABLE, Reason.SWAP_REFUSED)


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """How a change is to be made, and by whom."""

    writer: str
    take_over: bool = False
    expected_revision: int | None = None
    validate_only: bool = False


@dataclass(frozen=True)
class LoadedModel:
    """A model that this control plane has loaded."""

    name: str
    sha256: str


class Appliance:
    """One appliance; the registers are the truth, and only what they cannot hold is kept here.

    Parameters
    ----------
    device : Device
        The appliance.
    clock : callable
        Returns the time in seconds, for leases.
    heartbeat_s : float
        Time between heartbeats.

    Attributes
    ----------
    revision : Revision
        Number of the configuration.
    models : dict of int to LoadedModel
        Models loaded here, by epoch.
    kill_reason : str
        Reason given for the last kill.
    broker : EventBroker
        Event records.
    orders : OrderLog
        Orders, as the records tell them.
    books : BookLog
        Books, as the records tell them.
    """

    def __init__(self, device: Device, *, clock: Callable[[], float],
                 heartbeat_s: float = 0.1) -> None:
        self.device = device
        self.revision = Revision()
        self.lease = WriterLease()
        self.models: dict[int, LoadedModel] = {}
        self.kill_reason = ""
        self.broker = EventBroker()
        self.orders = OrderLog()
        self.books = BookLog()
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._one = asyncio.Lock()
        self._named: tuple[int, dict[int, WatchedSymbol]] = (0, {})    # as of which revision

    @property
    def transport(self) -> Transport:
        """The way to the appliance."""
        return self.device.transport

    @asynccontextmanager
    async def change(self, options: ChangeOptions) -> AsyncGenerator[bool]:
        """Make a change, one at a time; the block is told whether to do it or only to check it.

        Raises
        ------
        ControlError
            REVISION_MOVED or WRITER_HELD; nothing has been done then.
        """
        async with self._one:
            self.revision.check(options.expected_revision)
            if options.validate_only:
                yield False
                return
            self.lease.take(options.writer, self._clock(), take_over=options.take_over)
            try:
                yield True
            except ControlError as error:
                if error.reason in _HALFWAY:
                    self.revision.advance()
                raise
            self.revision.advance()

    async def watched(self) -> dict[int, WatchedSymbol]:
        """Return the watched symbols by the number of their book."""
        blocks = await self.device.read_blocks("symbols", range(self.device.symbols))
        found = {index: symbol_of(index, registers) for index, registers in blocks.items()}
        return {index: symbol for index, symbol in found.items() if symbol is not None}

    async def known(self) -> dict[int, WatchedSymbol]:
        """Return what :meth:`watched` does, read again only after a change of the configuration.

        For those who ask often; a locate that the appliance learns may be missing.
        """
        revision = self.revision.number
        if self._named[0] != revision:
            self._named = (revision, await self.watched())
        return self._named[1]

    async def symbol(self, stock: str) -> WatchedSymbol:
        """Return the watched symbol of a stock.

        Raises
        ------
        ControlError
            UNKNOWN_SYMBOL.
        """
        return find(await self.watched(), stock)

    async def refuse_if_armed(self, what: str) -> None:
        """Refuse a change that an armed appliance must not see.

        Raises
        ------
        ControlError
            ARMED.
        """
        if (await self.device.read_flags("risk.state"))["armed"]:
            raise ControlError(Reason.ARMED, f"{what} cannot be changed while armed: disarm first")

    async def verify(self, prefix: str, wanted: dict[str, int]) -> None:
        """Read registers back.

        Raises
        ------
        ControlError
            READBACK_DIFFERS.
        """
        found = await self.device.read_many(f"{prefix}.{name}" for name in wanted)
        for name, value in wanted.items():
            if found[f"{prefix}.{name}"] != value:
                raise ControlError(Reason.READBACK_DIFFERS,
                                   f"{prefix}.{name} must read {value:#x}, "
                                   f"was {found[f'{prefix}.{name}']:#x}")

    async def write_row(self, prefix: str, values: dict[str, int]) -> None:
        """Write an element of an array with a shadow row, commit it and read it back.

        Raises
        ------
        ControlError
            READBACK_DIFFERS.
        """
        await self.device.write_many(
            {f"{prefix}.{name}": value for name, value in {**values, "commit": 1}.items()})
        await self.verify(prefix, values)

    async def row_state(self, prefix: str) -> RowState:
        """Return whether an element of ``limits`` or ``strategy`` is in force."""
        return RowState.from_registers(
            {ROW_STATE.name: await self.device.read(f"{prefix}.{ROW_STATE.name}")})

    async def load_row(self, prefix: str, values: dict[str, int]) -> RowState:
        """Put an element of ``limits`` or ``strategy`` in force; return its state.

        Raises
        ------
        ControlError
            READBACK_DIFFERS.
        """
        await self.write_row(prefix, values)
        state = await self.row_state(prefix)
        if not state.loaded:
            raise ControlError(Reason.READBACK_DIFFERS, f"{prefix} must be loaded after its commit")
        return state

    async def revoke_row(self, prefix: str) -> None:
        """Take an element of ``limits`` or ``strategy`` out of force.

        Raises
        ------
        ControlError
            READBACK_DIFFERS.
        """
        await self.device.write(f"{prefix}.revoke", 1)
        if (await self.row_state(prefix)).loaded:
            raise ControlError(Reason.READBACK_DIFFERS, f"{prefix} must not be loaded any more")

    # What goes on all the time.

    async def run(self) -> None:
        """Send heartbeats, collect event records, and renew a lost session; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._collect())

    async def _beat(self) -> None:
        beats = 0
        while True:
            await self.transport.heartbeat()
            beats += 1
            if beats % _BEATS_PER_QUESTION == 0:
                await self._question()
            await asyncio.sleep(self._heartbeat_s)

    async def _question(self) -> None:
        """Ask whether the appliance is there; open a new session if not."""
        try:
            await self.device.read("risk.state")
            return
        except ControlError as error:
            _LOG.warning("the appliance does not answer: %s", error)
        try:
            await self.transport.reopen()
            self.device = await Device.open(self.transport)
        except ControlError as error:
            _LOG.warning("no new session: %s", error)
            return
        _LOG.warning("a new session with the appliance is open")
        self.broker.restart()
        self.books.forget()
        self.revision.advance()

    async def _collect(self) -> None:
        async for record in self.transport.events():
            self.broker.publish(record)
            if record[_KIND] in _ORDER_KINDS:
                event = decode_event(record)
                self.orders.take(event.kind, event.fields)
            else:
                self.books.take(record)
