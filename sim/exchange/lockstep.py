"""The protocol by which an exchange process and an appliance process share simulated time.

A local stream socket (a Unix socket's path, or ``127.0.0.1:PORT``) carries records. The exchange
listens and is the master of time. Two kinds of peers connect to it: one *appliance*, and any number
of *controllers*. All integers are big endian; times are ns since midnight of the exchange.

==========  =====  ============================================================
Record      Type   Content after the header (length u32, version u8, type u8)
==========  =====  ============================================================
HELLO       1      JSON ``{"role": "appliance" | "controller", "name": ...}``
WELCOME     2      JSON ``{"start_ns", "now_ns", "seed", "feed_latency_ns",
                   "order_latency_ns"}``
FRAME       3      time_ns u64, line u8 (as :class:`sim.library.Line`), the frame
                   from the destination address on, without FCS
GRANT       4      until_ns u64
DONE        5      until_ns u64, next_ns u64
FINISHED    6      JSON: the final status
COMMAND     7      JSON ``{"command": ..., arguments}``
REPLY       8      JSON ``{"ok": true, ...}`` or ``{"ok": false, "error": ...}``
==========  =====  ============================================================

The length counts the bytes after the header. A record of another version ends the connection.

Time. FRAME records and then a GRANT go to the appliance: it may run up to, not including,
``until_ns``, and each frame starts at its pins at the frame's time. It answers with FRAME records
(what started to leave before ``until_ns``, with the times of their Start) and then DONE.
``next_ns`` is the earliest time at which it will send anything if nothing more comes in;
``until_ns`` if it does not know. Frames take a latency, feed and order line each, so an order that
leaves in a grant cannot matter to the exchange before its end: grants are as long as the latency of
the order line, and longer while nothing can happen. Nothing depends on the wall clock; with the
same seed, commands at the same simulated times and the same appliance, every frame and every stamp
repeats.

Commands of a controller. Time stands still until the first ``run``.

- ``run`` ``{"until_ns": T}``: run; the reply, with ``now_ns``, comes when T is reached or at a
  pause.
- ``pause``: stop at the end of the grant that is out.
- ``status``: messages, orders, positions, cash and fills of every account, best prices.
- ``halt`` / ``resume`` ``{"symbol": S}``: the feed tells, and orders are refused / taken again.
- ``finish``: close the day, run on for ``drain_ns`` (1 ms by default) so that both sides see it,
  and end; the reply is the final status.
"""

import json
import socket
import struct
from collections import deque
from collections.abc import Iterable
from enum import IntEnum
from types import TracebackType
from typing import Any, NamedTuple, Self

from sim.errors import SimulationError
from sim.exchange.venue import TimedFrame
from sim.library import Line

__all__ = ["Command", "Grant", "Kind", "Link", "LockstepController", "LockstepError",
           "LockstepPeer", "Record", "Role", "connect_socket", "listen_socket"]

VERSION = 1

_HEADER = struct.Struct(">IBB")
_FRAME = struct.Struct(">QB")
_GRANT = struct.Struct(">Q")
_DONE = struct.Struct(">QQ")
_CHUNK_BYTES = 1 << 16
_LARGEST_RECORD_BYTES = 1 << 24

Json = dict[str, Any]


class LockstepError(SimulationError):
    """A peer is gone, or says what it must not."""


class Kind(IntEnum):
    """Types of records."""

    HELLO = 1
    WELCOME = 2
    FRAME = 3
    GRANT = 4
    DONE = 5
    FINISHED = 6
    COMMAND = 7
    REPLY = 8


_KINDS = frozenset(Kind)


class Role(IntEnum):
    """Who connects; its lower-case name stands in HELLO."""

    APPLIANCE = 1
    CONTROLLER = 2


class Command(IntEnum):
    """What a controller may ask; the lower-case name stands in COMMAND."""

    RUN = 1
    PAUSE = 2
    STATUS = 3
    HALT = 4
    RESUME = 5
    FINISH = 6


class Record(NamedTuple):
    """One record."""

    kind: Kind
    content: bytes

    def json(self) -> Json:
        """Return the content of a JSON record.

        Raises
        ------
        LockstepError
            If it is no JSON object.
        """
        try:
            found = json.loads(self.content)
        except ValueError as error:
            raise LockstepError(f"{self.kind.name} must hold JSON: {error}") from error
        if not isinstance(found, dict):
            raise LockstepError(f"{self.kind.name} must hold a JSON object")
        return found  # pyright: ignore[reportUnknownVariableType]

    def frame(self) -> TimedFrame:
        """Return the content of a FRAME."""
        time_ns, line = self._integers(_FRAME, exactly=False)
        try:
            return TimedFrame(time_ns, Line(line), self.content[_FRAME.size:])
        except ValueError as error:
            raise LockstepError(f"FRAME of line {line}") from error

    def grant(self) -> int:
        """Return until_ns of a GRANT."""
        return self._integers(_GRANT)[0]

    def done(self) -> tuple[int, int]:
        """Return until_ns and next_ns of a DONE."""
        until_ns, next_ns = self._integers(_DONE)
        return until_ns, next_ns

    def _integers(self, layout: struct.Struct, *, exactly: bool = True) -> tuple[int, ...]:
        size = len(self.content)
        if size < layout.size or (exactly and size != layout.size):
            raise LockstepError(f"{self.kind.name} must have {layout.size} bytes, was {size}")
        return layout.unpack_from(self.content)


def _address(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    """Return family and address of a Unix path or a loopback ``HOST:PORT``."""
    host, colon, port = address.rpartition(":")
    if "/" in address or not colon:
        return socket.AF_UNIX, address
    if host not in ("127.0.0.1", "localhost") or not port.isdigit():
        raise LockstepError(f"address must be a path or 127.0.0.1:PORT, was {address!r}")
    return socket.AF_INET, ("127.0.0.1", int(port))


def listen_socket(address: str) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    LockstepError
        If the address is neither a path nor on loopback.
    OSError
        If it is taken.
    """
    family, where = _address(address)
    listener = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(where)
    listener.listen()
    return listener


def connect_socket(address: str) -> socket.socket:
    """Return a connected socket.

    Raises
    ------
    LockstepError
        If the address is neither a path nor on loopback.
    OSError
        If nobody listens there.
    """
    family, where = _address(address)
    peer = socket.socket(family, socket.SOCK_STREAM)
    try:
        peer.connect(where)
        if family == socket.AF_INET:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        peer.close()
        raise
    return peer


class Link:
    """Records over a connected socket; what is put is sent by :meth:`flush`."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._input = bytearray()
        self._output = bytearray()
        self._records: deque[Record] = deque()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def put(self, kind: Kind, content: bytes) -> None:
        """Add a record to what is sent next."""
        self._output += _HEADER.pack(len(content), VERSION, kind) + content

    def put_json(self, kind: Kind, content: Json) -> None:
        """Add a JSON record."""
        self.put(kind, json.dumps(content, sort_keys=True).encode())

    def put_frames(self, frames: Iterable[TimedFrame]) -> None:
        """Add FRAME records."""
        for time_ns, line, frame in frames:
            self.put(Kind.FRAME, _FRAME.pack(time_ns, line) + frame)

    def put_grant(self, until_ns: int) -> None:
        """Add a GRANT."""
        self.put(Kind.GRANT, _GRANT.pack(until_ns))

    def put_done(self, until_ns: int, next_ns: int) -> None:
        """Add a DONE."""
        self.put(Kind.DONE, _DONE.pack(until_ns, next_ns))

    @property
    def pending(self) -> bool:
        """Whether a record has come that was not read."""
        return bool(self._records)

    def flush(self) -> None:
        """Send what was put.

        Raises
        ------
        LockstepError
            If the peer is gone.
        """
        try:
            self.socket.sendall(self._output)
        except OSError as error:
            raise LockstepError(f"the peer is gone: {error}") from error
        finally:
            self._output.clear()

    def read(self) -> Record:
        """Wait for the next record.

        Raises
        ------
        LockstepError
            If the peer is gone or sends what is no record.
        """
        while not self._records:
            self.receive()
        return self._records.popleft()

    def take(self) -> list[Record]:
        """Return and forget the records that have come, without waiting."""
        records = list(self._records)
        self._records.clear()
        return records

    def receive(self) -> None:
        """Wait for some bytes and take the records in them.

        Raises
        ------
        LockstepError
            If the peer is gone or sends what is no record.
        """
        try:
            chunk = self.socket.recv(_CHUNK_BYTES)
        except OSError as error:
            raise LockstepError(f"the peer is gone: {error}") from error
        if not chunk:
            raise LockstepError("the peer has closed the connection")
        self._input += chunk
        while len(self._input) >= _HEADER.size:
            length, version, kind = _HEADER.unpack_from(self._input)
            if version != VERSION or kind not in _KINDS or length > _LARGEST_RECORD_BYTES:
                raise LockstepError(f"record must have version {VERSION} and a known type, was "
                                    f"version {version}, type {kind}, {length} bytes")
            end = _HEADER.size + length
            if len(self._input) < end:
                return
            self._records.append(Record(Kind(kind), bytes(self._input[_HEADER.size:end])))
            del self._input[:end]

    def expect(self, kind: Kind) -> Record:
        """Wait for a record of a kind.

        Raises
        ------
        LockstepError
            If another one comes.
        """
        record = self.read()
        if record.kind is not kind:
            raise LockstepError(f"record must be {kind.name}, was {record.kind.name}")
        return record


class Grant(NamedTuple):
    """Time to run.

    Attributes
    ----------
    until_ns : int
        Run up to, not including, this time.
    frames : tuple of TimedFrame
        What comes in meanwhile, in order of time.
    """

    until_ns: int
    frames: tuple[TimedFrame, ...]


class _Client:
    """A connected peer that has said who it is."""

    def __init__(self, address: str, role: Role, name: str) -> None:
        self._link = Link(connect_socket(address))
        self._link.put_json(Kind.HELLO, {"role": role.name.lower(), "name": name})
        self._link.flush()
        self.welcome = self._link.expect(Kind.WELCOME).json()

    def __enter__(self) -> Self:
        """Return this peer; leaving the block closes the connection."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


class LockstepPeer(_Client):
    """The appliance's side.

    Parameters
    ----------
    address : str
        Where the exchange listens.
    name : str
        Told to the exchange for its messages.

    Attributes
    ----------
    welcome : dict
        ``start_ns``, ``now_ns``, ``seed`` and the latencies.
    final_status : dict or None
        What the exchange said when it ended.

    Raises
    ------
    LockstepError
        If the exchange does not answer as it must.
    OSError
        If nobody listens there.
    """

    def __init__(self, address: str, name: str = "appliance") -> None:
        super().__init__(address, Role.APPLIANCE, name)
        self.final_status: Json | None = None

    @property
    def start_ns(self) -> int:
        """When simulated time begins."""
        return int(self.welcome["start_ns"])

    @property
    def pending(self) -> bool:
        """Whether the exchange has said something that was not read."""
        return self._link.pending

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self._link.socket.fileno()

    def grant(self) -> Grant | None:
        """Wait for time to run; None when the exchange has finished.

        Raises
        ------
        LockstepError
            If the exchange is gone.
        """
        frames: list[TimedFrame] = []
        while True:
            record = self._link.read()
            if record.kind is Kind.FRAME:
                frames.append(record.frame())
            elif record.kind is Kind.GRANT:
                return Grant(record.grant(), tuple(frames))
            elif record.kind is Kind.FINISHED:
                self.final_status = record.json()
                return None
            else:
                raise LockstepError(f"an appliance gets no {record.kind.name}")

    def done(self, until_ns: int, frames: Iterable[TimedFrame] = (),
             next_ns: int | None = None) -> None:
        """Tell that a grant has been used.

        Parameters
        ----------
        until_ns : int
            That of the grant.
        frames : iterable of TimedFrame
            What started to leave meanwhile.
        next_ns : int, optional
            Earliest time of the next frame if nothing comes in; by default, not known.
        """
        self._link.put_frames(frames)
        self._link.put_done(until_ns, until_ns if next_ns is None else next_ns)
        self._link.flush()


class LockstepController(_Client):
    """The side of who commands.

    Parameters
    ----------
    address : str
        Where the exchange listens.
    name : str
        Told to the exchange for its messages.

    Raises
    ------
    LockstepError
        If the exchange does not answer as it must, or refuses a command.
    OSError
        If nobody listens there.
    """

    def __init__(self, address: str, name: str = "controller") -> None:
        super().__init__(address, Role.CONTROLLER, name)

    def run_until(self, until_ns: int) -> int:
        """Let time run; return the time at which it stopped."""
        return int(self._ask(Command.RUN, until_ns=until_ns)["now_ns"])

    def pause(self) -> int:
        """Stop time; return the time."""
        return int(self._ask(Command.PAUSE)["now_ns"])

    def status(self) -> Json:
        """Return the status; see :meth:`sim.exchange.venue.Exchange.status`."""
        return self._ask(Command.STATUS)

    def halt(self, symbol: str) -> None:
        """Halt a symbol."""
        self._ask(Command.HALT, symbol=symbol)

    def resume(self, symbol: str) -> None:
        """Let a symbol trade again."""
        self._ask(Command.RESUME, symbol=symbol)

    def finish(self) -> Json:
        """End the day and the exchange; return the final status."""
        return self._ask(Command.FINISH)

    def _ask(self, command: Command, **arguments: int | str) -> Json:
        self._link.put_json(Kind.COMMAND, {"command": command.name.lower(), **arguments})
        self._link.flush()
        reply = self._link.expect(Kind.REPLY).json()
        if not reply.pop("ok", False):
            raise LockstepError(f"{command.name.lower()}: {reply.get('error', 'refused')}")
        return reply
