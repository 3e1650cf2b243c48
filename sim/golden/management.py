"""The appliance's side of the management protocol in plain Python: its specification.

Layouts are typed out again here, so that a wrong table in ``proto/wire/management.py`` is noticed.
"""

import struct
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

__all__ = ["Datagram", "ManagementEndpoint"]

_MAGIC = 0x504D5754
_VERSION = 1
_HEADER = struct.Struct("<IBBBBII")
_TWO_WORDS = struct.Struct("<II")
_RECORD_BYTES = 64
_RECORDS_PER_DATAGRAM = 21
_MOST_OPERATIONS = 64

_OPEN, _REQUEST, _HEARTBEAT, _ACKNOWLEDGE, _CLOSE = 1, 2, 3, 4, 5
_ANSWER = 0x80
_DONE, _BUSY, _UNKNOWN_SESSION, _MALFORMED, _WRONG_VERSION = 0, 1, 2, 3, 4
_READ, _WRITE = 1, 2


@dataclass(frozen=True)
class Datagram:
    """A payload and whom it goes to."""

    payload: bytes
    peer: Hashable


@dataclass(frozen=True)
class _Head:
    """The header of what a host sent."""

    kind: int
    count: int
    session: int
    sequence: int


def _after(one: int, other: int) -> int:
    """Return how far `one` is after `other`; negative if it is before."""
    distance = (one - other) & 0xFFFFFFFF
    return distance - (1 << 32) if distance >> 31 else distance


@dataclass
class ManagementEndpoint:
    """One management port: at most one session, one outstanding request, one stream of records.

    Attributes
    ----------
    read, write : callable
        Access to a register by its byte address.
    feed_watchdog : callable
        Called for each new heartbeat of the session.
    next_session : int
        Number of the next session; after a reset the low 32 bits of a free-running counter, so
        that what was sent to an earlier session never fits a later one.
    ring_records : int
        Records kept until they are acknowledged.
    lease_ns, retransmit_ns : int
        Times of the protocol.
    session : int
        The present session, 0 for none.
    dropped : int
        Datagrams dropped without an answer.
    """

    read: Callable[[int], int]
    write: Callable[[int, int], None]
    feed_watchdog: Callable[[], None]
    next_session: int = 1
    ring_records: int = 4096
    lease_ns: int = 2_000_000_000
    retransmit_ns: int = 20_000_000
    session: int = 0
    dropped: int = 0
    _peer: Hashable = None
    _nonce: int = 0
    _opened: bytes = b""
    _heard_ns: int = 0
    _last_sequence: int = 0
    _last_reply: bytes = b""
    _last_heartbeat: int = 0
    _ring: deque[bytes] = field(default_factory=deque[bytes])
    _acknowledged: int = 0   # number of the oldest record in the ring
    _next: int = 0           # number of the next record to send
    _limit: int = 0          # number of the first record that the host has no room for
    _progress_ns: int = 0

    # Records.

    def record(self, record: bytes) -> bool:
        """Take a record; return whether the ring had room for it."""
        if len(record) != _RECORD_BYTES:
            raise ValueError(f"record must have {_RECORD_BYTES} bytes, was {len(record)}")
        if len(self._ring) >= self.ring_records:
            return False
        self._ring.append(record)
        return True

    def tick(self, now_ns: int) -> list[Datagram]:
        """Return the records that may be sent now, and those to be sent again."""
        if not self.session:
            return []
        if _after(self._next, self._acknowledged) == 0:
            self._progress_ns = now_ns
        elif now_ns - self._progress_ns >= self.retransmit_ns:
            self._next = self._acknowledged
            self._progress_ns = now_ns
        out: list[Datagram] = []
        while (count := min(_RECORDS_PER_DATAGRAM, self._unsent(),
                            _after(self._limit, self._next))) > 0:
            start = _after(self._next, self._acknowledged)
            records = [self._ring[start + place] for place in range(count)]
            out.append(self._answer(_ACKNOWLEDGE, _DONE, count, self.session, self._next,
                                    b"".join(records)))
            self._next = (self._next + count) & 0xFFFFFFFF
        return out

    def _unsent(self) -> int:
        return len(self._ring) - _after(self._next, self._acknowledged)

    # Datagrams of a host.

    def datagram(self, payload: bytes, peer: Hashable, now_ns: int) -> list[Datagram]:
        """Take a datagram; return the answers."""
        if len(payload) < _HEADER.size:
            return self._drop()
        magic, version, kind, status, count, session, sequence = _HEADER.unpack_from(payload)
        if magic != _MAGIC or status != 0 or not _OPEN <= kind <= _CLOSE:
            return self._drop()
        head = _Head(kind, count, session, sequence)
        if version != _VERSION:
            return self._refuse(head, peer, _WRONG_VERSION)
        body = payload[_HEADER.size:]
        if kind == _OPEN:
            return self._open(head, body, peer, now_ns)
        if session == 0 or session != self.session or peer != self._peer:
            if kind in (_REQUEST, _CLOSE):
                return self._refuse(head, peer, _UNKNOWN_SESSION)
            return self._drop()
        self._heard_ns = now_ns
        if kind == _REQUEST:
            return self._request(head, body)
        if kind == _HEARTBEAT:
            return self._heartbeat(head, body)
        if kind == _ACKNOWLEDGE:
            return self._acknowledge(head, body, now_ns)
        return self._close(head)

    def _drop(self) -> list[Datagram]:
        self.dropped += 1
        return []

    def _answer(self, kind: int, status: int, count: int, session: int, sequence: int,
                body: bytes = b"", peer: Hashable = None) -> Datagram:
        head = _HEADER.pack(_MAGIC, _VERSION, kind | _ANSWER, status, count, session, sequence)
        return Datagram(head + body, self._peer if peer is None else peer)

    def _refuse(self, head: _Head, peer: Hashable, status: int) -> list[Datagram]:
        return [self._answer(head.kind, status, 0, head.session, head.sequence, peer=peer)]

    def _open(self, head: _Head, body: bytes, peer: Hashable, now_ns: int) -> list[Datagram]:
        if len(body) != _TWO_WORDS.size or head.count or head.session:
            return self._refuse(head, peer, _MALFORMED)
        flags, credit = _TWO_WORDS.unpack(body)
        if self.session:
            if peer == self._peer and head.sequence == self._nonce:
                return [Datagram(self._opened, peer)]
            if not flags & 1 and now_ns - self._heard_ns < self.lease_ns:
                return self._refuse(head, peer, _BUSY)
        self.session = self.next_session or 1
        self.next_session = (self.session + 1) & 0xFFFFFFFF
        self._peer, self._nonce, self._heard_ns = peer, head.sequence, now_ns
        self._last_sequence, self._last_reply, self._last_heartbeat = 0, b"", 0
        # Records that nobody has acknowledged are sent to the new session.
        self._next = self._acknowledged
        self._limit = (self._acknowledged + min(credit, 1 << 30)) & 0xFFFFFFFF
        self._progress_ns = now_ns
        answer = self._answer(_OPEN, _DONE, 0, self.session, head.sequence,
                              _TWO_WORDS.pack(self._acknowledged, self.ring_records))
        self._opened = answer.payload
        return [answer]

    def _request(self, head: _Head, body: bytes) -> list[Datagram]:
        operations = list(_TWO_WORDS.iter_unpack(body)) if len(body) % 8 == 0 else []
        if (not 1 <= head.count <= _MOST_OPERATIONS or head.count * 8 != len(body)
                or any(place >> 24 not in (_READ, _WRITE) for place, _ in operations)):
            return self._refuse(head, self._peer, _MALFORMED)
        if head.sequence == self._last_sequence and self._last_reply:
            return [Datagram(self._last_reply, self._peer)]
        if head.sequence != (self._last_sequence + 1) & 0xFFFFFFFF:
            return self._drop()
        values: list[int] = []
        for place, value in operations:
            address = place & 0xFFFFFF
            if place >> 24 == _WRITE:
                self.write(address, value)
            values.append(self.read(address) if place >> 24 == _READ else 0)
        answer = self._answer(_REQUEST, _DONE, head.count, head.session, head.sequence,
                              struct.pack(f"<{len(values)}I", *values))
        self._last_sequence, self._last_reply = head.sequence, answer.payload
        return [answer]

    def _heartbeat(self, head: _Head, body: bytes) -> list[Datagram]:
        if body or head.count or _after(head.sequence, self._last_heartbeat) <= 0:
            return self._drop()
        self._last_heartbeat = head.sequence
        self.feed_watchdog()
        return []

    def _acknowledge(self, head: _Head, body: bytes, now_ns: int) -> list[Datagram]:
        done = _after(head.sequence, self._acknowledged)
        if len(body) != _TWO_WORDS.size or head.count or not 0 <= done <= len(self._ring):
            return self._drop()
        flags, credit = _TWO_WORDS.unpack(body)
        for _ in range(done):
            self._ring.popleft()
        self._acknowledged = head.sequence
        if _after(self._next, self._acknowledged) < 0:
            self._next = self._acknowledged   # acknowledged after a step back
        if done:
            self._progress_ns = now_ns
        limit = (head.sequence + min(credit, 1 << 30)) & 0xFFFFFFFF
        if _after(limit, self._limit) > 0:
            self._limit = limit
        if flags & 1:
            self._next, self._progress_ns = self._acknowledged, now_ns
        return self.tick(now_ns)

    def _close(self, head: _Head) -> list[Datagram]:
        answer = self._answer(_CLOSE, _DONE, 0, head.session, head.sequence)
        self.session, self._peer, self._nonce = 0, None, 0
        return [answer]
