"""A small userspace TCP server on Ethernet frames: ARP, connections, one application each.

Nothing depends on the wall clock: times come with the frames. Sequence numbers begin at seeded
random values, so a run repeats exactly.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Protocol

from proto.wire.ethernet import TcpFlag
from sim.exchange.packets import ArpRequest, Drop, Endpoint, Segment, arp_reply, parse, tcp_frame
from sim.exchange.tcp_connection import NEVER_NS, TcpConnection, TcpSettings, TcpState

__all__ = ["Application", "TcpServer"]

_MODULUS = 1 << 32


class Application(Protocol):
    """What speaks over a connection.

    Attributes
    ----------
    closing : bool
        Nothing more will be put out; the connection is to be closed after what is there.
    next_ns : int
        When `advance` has something to do.
    """

    @property
    def closing(self) -> bool:
        """Whether the connection is to be closed."""
        ...

    @property
    def next_ns(self) -> int:
        """When something is due."""
        ...

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take in data as they came, split at any byte."""
        ...

    def advance(self, now_ns: int) -> None:
        """Do what is due."""
        ...

    def take_output(self) -> bytes:
        """Return and forget what is to be sent."""
        ...

    def disconnected(self, now_ns: int) -> None:
        """Learn that the connection is gone."""
        ...


class _Peer:
    """A connection and its application."""

    def __init__(self, connection: TcpConnection, application: Application) -> None:
        self.connection = connection
        self.application = application
        self.told = False

    @property
    def next_ns(self) -> int:
        application = NEVER_NS if self.told else self.application.next_ns
        return min(self.connection.next_ns, application)

    def work(self, now_ns: int) -> None:
        """Carry data both ways, and the end of them."""
        connection, application = self.connection, self.application
        if self.told:
            connection.received.clear()
            return
        if connection.received:
            data = bytes(connection.received)
            connection.received.clear()
            application.receive(data, now_ns)
        application.advance(now_ns)
        # The peer of an order session closes both ways: it cannot be told anything any more.
        gone = connection.peer_closed or connection.state is TcpState.CLOSED
        if output := application.take_output():
            connection.send(output, now_ns)
        if gone or application.closing:
            connection.close(now_ns)
            application.disconnected(now_ns)
            self.told = True


class TcpServer:
    """Serve one address and port.

    Parameters
    ----------
    local : Endpoint
        The address.
    accept : callable
        Makes the application of a new connection.
    settings : TcpSettings
        Behaviour of the connections.
    seed : int
        Of the initial sequence numbers.

    Attributes
    ----------
    counters : Counter
        Frames by what they were: ``received``, ``sent``, ``arp``, ``reset``, ``retransmitted`` and
        one for each :class:`~sim.exchange.packets.Drop`.
    """

    def __init__(self, local: Endpoint, accept: Callable[[], Application],
                 settings: TcpSettings | None = None, *, seed: int = 0) -> None:
        self.local = local
        self.counters: Counter[str] = Counter()
        self._accept = accept
        self._settings = settings or TcpSettings()
        self._random = Random(seed)
        self._peers: dict[tuple[int, int], _Peer] = {}
        self._frames: list[bytes] = []

    @property
    def next_ns(self) -> int:
        """When `advance` has something to do."""
        return min((peer.next_ns for peer in self._peers.values()), default=NEVER_NS)

    @property
    def connections(self) -> list[TcpConnection]:
        """Connections that are not closed."""
        return [peer.connection for peer in self._peers.values()]

    def take_frames(self) -> list[bytes]:
        """Return and forget the frames that leave, without FCS."""
        frames, self._frames = self._frames, []
        self.counters["sent"] += len(frames)
        return frames

    def receive(self, frame: bytes, now_ns: int) -> None:
        """Take in a frame without FCS."""
        self.counters["received"] += 1
        content = parse(frame, self.local)
        if isinstance(content, Drop):
            self.counters[content.value] += 1
        elif isinstance(content, ArpRequest):
            self.counters["arp"] += 1
            self._frames.append(arp_reply(content, self.local))
        else:
            self._receive_segment(content, now_ns)

    def advance(self, now_ns: int) -> None:
        """Do what is due, and send what the applications have put out since."""
        for key, peer in list(self._peers.items()):
            peer.connection.advance(now_ns)
            self._work(key, peer, now_ns)

    def _receive_segment(self, segment: Segment, now_ns: int) -> None:
        key = (segment.source.ip, segment.source.port)
        peer = self._peers.get(key)
        opens = segment.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST) == TcpFlag.SYN
        if peer is not None and opens and peer.connection.state is TcpState.TIME_WAIT:
            del self._peers[key]
            peer = None
        if peer is None and opens and segment.destination.port == self.local.port:
            connection = TcpConnection(segment, self._random.getrandbits(32), self._settings,
                                       self._emit, now_ns)
            self._peers[key] = _Peer(connection, self._accept())
        elif peer is None:
            self._refuse(segment)
        else:
            peer.connection.receive(segment, now_ns)
            self._work(key, peer, now_ns)

    def _work(self, key: tuple[int, int], peer: _Peer, now_ns: int) -> None:
        peer.work(now_ns)
        self.counters["retransmitted"] += peer.connection.take_retransmitted()
        if peer.connection.state is TcpState.CLOSED:
            if not peer.told:
                peer.application.disconnected(now_ns)
            self._peers.pop(key, None)

    def _emit(self, segment: Segment) -> None:
        self._frames.append(tcp_frame(segment))

    def _refuse(self, segment: Segment) -> None:
        """Answer a segment of no connection with a reset (RFC 9293, 3.10.7.1)."""
        if segment.flags & TcpFlag.RST:
            return
        self.counters["reset"] += 1
        if segment.flags & TcpFlag.ACK:
            flags, sequence, acknowledged = TcpFlag.RST, segment.acknowledgment, 0
        else:
            flags, sequence = TcpFlag.RST | TcpFlag.ACK, 0
            acknowledged = (segment.sequence + segment.length) % _MODULUS
        self._emit(Segment(source=segment.destination, destination=segment.source,
                           sequence=sequence, acknowledgment=acknowledged, flags=flags))
