"""The management protocol over UDP: docs/management-protocol.md, the host's side."""

import asyncio
import contextlib
import secrets
import struct
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Self, cast

from control.device import Operation, Transport
from control.errors import ControlError, Reason
from proto.events import EVENT_BYTES
from proto.wire import management as wire
from proto.wire.management import Code, Kind, Status

__all__ = ["UdpTransport"]

_MODULUS = wire.SEQUENCE_MODULUS
_DEFAULT_CREDIT = 16384


class UdpTransport(asyncio.DatagramProtocol, Transport):
    """A session with an appliance over UDP; use :meth:`open`.

    Requests are sent one at a time, again after `retry_s` without an answer, and given up after
    `timeout_s`. A session that is lost stays lost until :meth:`reopen`.

    Parameters
    ----------
    retry_s, timeout_s : float
        See above.
    credit : int
        Event records kept here until they are read.
    take_over : bool
        End the session of another control plane, should there be one.
    """

    def __init__(self, *, retry_s: float, timeout_s: float, credit: int, take_over: bool) -> None:
        self._retry_s = retry_s
        self._timeout_s = timeout_s
        self._credit = credit
        self._take_over = take_over
        self._transport: asyncio.DatagramTransport | None = None
        self._one = asyncio.Lock()
        self._answer: asyncio.Future[bytes] | None = None
        self._wanted: tuple[int, int] = (0, 0)   # kind and sequence of the answer waited for
        self._session = 0
        self._sequence = 0
        self._beats = 0
        self._expected = 0       # number of the next record wanted
        self._asked_again = False
        self._records: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._running: set[asyncio.Task[tuple[int, ...]]] = set()

    @classmethod
    async def open(cls, host: str, port: int = wire.UDP_PORT, *, retry_s: float = 0.05,
                   timeout_s: float = 2.0, credit: int = _DEFAULT_CREDIT,
                   take_over: bool = False) -> Self:
        """Open a session.

        Raises
        ------
        ControlError
            DEVICE_UNREACHABLE without an answer, DEVICE_BUSY if another session lives.
        """
        loop = asyncio.get_running_loop()
        try:
            _, transport = await loop.create_datagram_endpoint(
                lambda: cls(retry_s=retry_s, timeout_s=timeout_s, credit=credit,
                            take_over=take_over), remote_addr=(host, port))
        except OSError as error:
            raise ControlError(Reason.DEVICE_UNREACHABLE,
                               f"{host}:{port} cannot be reached: {error}") from error
        try:
            await transport.reopen()
        except BaseException:
            transport._end()
            raise
        return transport

    @property
    def is_open(self) -> bool:
        """Whether there is a session, as far as is known here."""
        return self._session != 0

    async def reopen(self) -> None:
        """Begin a new session; see :meth:`Transport.reopen`."""
        async with self._one:
            self._session = 0
            nonce = secrets.randbits(32)
            body = wire.OPEN.encode({"credit": self._credit - len(self._records),
                                     "flags": wire.TAKE_OVER_FLAG if self._take_over else 0})
            answer = await self._ask(Kind.OPEN, nonce, body, session=0)
            head = wire.HEADER.decode_from(answer)
            if head["status"] == Status.BUSY:
                raise ControlError(Reason.DEVICE_BUSY, "another control plane has a session with "
                                                       "the appliance: end it, or take over")
            self._check_status(head["status"])
            opened = wire.OPENED.decode_from(answer, wire.HEADER.size)
            self._session = cast(int, head["session"])
            self._sequence = 0
            self._beats = 0
            self._expected = cast(int, opened["event_sequence"])
            self._asked_again = False
        await self.heartbeat()

    async def exchange(self, operations: Sequence[Operation]) -> tuple[int, ...]:
        """Execute operations exactly once; see :meth:`Transport.exchange`.

        A caller that is cancelled does not stop an exchange that is under way.
        """
        if not 1 <= len(operations) <= wire.MAXIMUM_OPERATIONS:
            raise ValueError(f"operations must be 1 to {wire.MAXIMUM_OPERATIONS}, "
                             f"were {len(operations)}")
        task = asyncio.ensure_future(self._exchange(list(operations)))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[tuple[int, ...]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, even if the caller has gone

    async def _exchange(self, operations: list[Operation]) -> tuple[int, ...]:
        async with self._one:
            if not self._session:
                raise _lost("there is no session with the appliance")
            self._sequence = (self._sequence + 1) % _MODULUS
            body = b"".join(wire.OPERATION.encode({
                "address": operation.address, "value": operation.value or 0,
                "code": Code.READ if operation.value is None else Code.WRITE,
            }) for operation in operations)
            answer = await self._ask(Kind.REQUEST, self._sequence, body, count=len(operations),
                                     session=self._session)
            head = wire.HEADER.decode_from(answer)
            self._check_status(head["status"])
            if len(answer) != wire.HEADER.size + wire.VALUE.size * len(operations):
                self._session = 0
                raise _lost("the appliance gave another number of values")
            return struct.unpack_from(f"<{len(operations)}I", answer, wire.HEADER.size)

    def _check_status(self, status: object) -> None:
        if status == Status.DONE:
            return
        self._session = 0
        if status == Status.VERSION:
            raise ControlError(Reason.WRONG_DEVICE, "the appliance speaks another version of the "
                                                    "management protocol")
        name = Status(status).name.lower() if status in list(Status) else str(status)
        raise _lost(f"the appliance refused: {name.replace('_', ' ')}")

    async def _ask(self, kind: Kind, sequence: int, body: bytes, *, session: int,
                   count: int = 0) -> bytes:
        """Send until the answer comes; the caller holds the lock."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._wanted = (kind | wire.REPLY_BIT, sequence)
        limit = loop.time() + self._timeout_s
        try:
            while loop.time() < limit and not self._closed:
                self._send(kind, sequence, body, session=session, count=count)
                done, _ = await asyncio.wait({self._answer}, timeout=self._retry_s)
                if done:
                    return self._answer.result()
        finally:
            self._answer = None
        self._session = 0
        raise _lost(f"no answer from the appliance in {self._timeout_s} s")

    async def heartbeat(self) -> None:
        """Feed the watchdog, and repeat the acknowledgement; nothing without a session."""
        if self._session:
            self._beats = (self._beats + 1) % _MODULUS
            self._send(Kind.HEARTBEAT, self._beats, session=self._session)
            self._acknowledge()

    async def events(self) -> AsyncIterator[bytes]:
        """Return the event records; see :meth:`Transport.events`. Ends when this is closed."""
        while True:
            while self._records:
                full = len(self._records) >= self._credit // 2
                record = self._records.popleft()
                if full and len(self._records) < self._credit // 2 and self._session:
                    self._acknowledge()
                yield record
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def close(self) -> None:
        """End the session, if there is one, and wait shortly for the appliance to say so."""
        async with self._one:
            if self._session and not self._closed:
                session, self._session = self._session, 0
                # Without an answer it ends by itself after the lease.
                with contextlib.suppress(ControlError):
                    await self._ask(Kind.CLOSE, 0, b"", session=session)
        self._end()

    def _end(self) -> None:
        self._closed = True
        self._session = 0
        self._arrived.set()
        if self._transport is not None:
            self._transport.close()

    def _send(self, kind: Kind, sequence: int, body: bytes = b"", *, session: int,
              count: int = 0) -> None:
        if self._transport is not None and not self._transport.is_closing():
            head = wire.HEADER.encode({
                "magic": wire.MAGIC, "version": wire.VERSION, "kind": kind, "status": 0,
                "count": count, "session": session, "sequence": sequence})
            self._transport.sendto(head + body)

    def _acknowledge(self, *, again: bool = False) -> None:
        self._send(Kind.ACKNOWLEDGE, self._expected, wire.ACKNOWLEDGE.encode({
            "credit": max(0, self._credit - len(self._records)),
            "flags": wire.RESEND_FLAG if again else 0}), session=self._session)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def error_received(self, exc: Exception) -> None:
        """Ignore what the network says of earlier datagrams: they are sent again."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take a datagram of the appliance; anything else is dropped."""
        if len(data) < wire.HEADER.size:
            return
        head = wire.HEADER.decode_from(data)
        if head["magic"] != wire.MAGIC:
            return
        kind, sequence = cast(int, head["kind"]), cast(int, head["sequence"])
        if kind == Kind.EVENTS:
            if head["session"] == self._session and head["version"] == wire.VERSION:
                self._take_records(sequence, cast(int, head["count"]), data[wire.HEADER.size:])
        elif self._answer is not None and not self._answer.done() and (
                (kind, sequence) == self._wanted):
            self._answer.set_result(data)

    def _take_records(self, sequence: int, count: int, body: bytes) -> None:
        if len(body) != count * EVENT_BYTES:
            return
        if wire.is_newer(sequence, self._expected):
            # Some before these are missing: ask once, then it is the appliance's timer's turn.
            if not self._asked_again:
                self._asked_again = True
                self._acknowledge(again=True)
            return
        known = (self._expected - sequence) % _MODULUS
        room = self._credit - len(self._records)
        fresh = range(known, min(count, known + room))
        for place in fresh:
            self._records.append(body[place * EVENT_BYTES:(place + 1) * EVENT_BYTES])
        if fresh:
            self._expected = (self._expected + len(fresh)) % _MODULUS
            self._asked_again = False
            self._arrived.set()
        self._acknowledge()


def _lost(message: str) -> ControlError:
    return ControlError(Reason.DEVICE_UNREACHABLE, message)
