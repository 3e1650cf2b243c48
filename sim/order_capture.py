"""What passes an appliance's order port, as capture files that Wireshark decodes.

Ref: SoupBinTCP 3.00; RFC 9293.
"""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from proto.wire import ethernet, soupbintcp
from proto.wire.ethernet import TcpFlag
from sim.exchange.packets import Endpoint, Segment, parse, tcp_frame
from sim.exchange.pcap import PcapWriter

__all__ = ["DropCopy", "OrderCapture", "PortFrame"]

_MODULUS = 1 << 32
_HALF = 1 << 31
_HEAD = soupbintcp.LENGTH_BYTES
_DESTINATION = ethernet.MAC.field("destination").span
_IP = ethernet.MAC.size
_ADDRESS = ethernet.IPV4.field("destination_address").span
_PORT = ethernet.TCP.field("destination_port").span


class PortFrame(NamedTuple):
    """A frame without FCS at the order port.

    Attributes
    ----------
    time_ns : int
        When its Start is at the pins, by the simulated clock, ns since midnight.
    sent : bool
        Whether the appliance sends it.
    frame : bytes
        Destination address first.
    """

    time_ns: int
    sent: bool
    frame: bytes


class _Stream:
    """The bytes of one direction of a connection, in order and each once."""

    def __init__(self, sequence: int) -> None:
        self._next = sequence
        self._later: dict[int, bytes] = {}
        self.buffer = bytearray()

    def take(self, segment: Segment) -> None:
        """Take in a segment, which may be a repetition, overlap another or come early."""
        if segment.payload:
            self._later[segment.sequence] = max(
                self._later.get(segment.sequence, b""), segment.payload, key=len)
        while (ready := self._ready()) is not None:
            payload = self._later.pop(ready)
            fresh = payload[(self._next - ready) % _MODULUS:]
            self.buffer += fresh
            self._next = (self._next + len(fresh)) % _MODULUS

    def _ready(self) -> int | None:
        """Return where a segment begins that reaches the next byte."""
        return next((start for start in self._later
                     if (self._next - start) % _MODULUS < _HALF), None)


class DropCopy:
    """Every sequenced message of a venue, each once and in order, as frames of their own.

    A frame carries one SoupBinTCP packet: Login Accepted, which tells the number of the message
    after it, or Sequenced Data. It has the addresses and ports of the frame that it came in, and
    TCP sequence numbers that count on from 1 whatever connections there were. Repetitions, by TCP
    or by the session after a reconnect, heartbeats and everything else are left out.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[Endpoint, Endpoint], _Stream] = {}
        self._session = ""
        self._last = 0          # number of the last message that was copied
        self._number = 0        # of the message to come, in the current login
        self._sent_bytes = 1

    def take(self, frame: bytes) -> list[bytes]:
        """Take in a frame that the venue has sent; return what is copied."""
        segment = _segment(frame)
        if segment is None:
            return []
        ends = segment.source, segment.destination
        if segment.flags & TcpFlag.SYN:
            self._streams[ends] = _Stream((segment.sequence + 1) % _MODULUS)
        stream = self._streams.get(ends)
        if stream is None:      # the beginning of the connection was not seen
            return []
        stream.take(segment)
        return [self._frame(segment, packet) for packet in self._packets(stream.buffer)
                if self._wanted(packet)]

    def _packets(self, buffer: bytearray) -> Iterable[bytes]:
        """Take the complete packets out of a buffer."""
        while len(buffer) >= _HEAD:
            end = _HEAD + int.from_bytes(buffer[:_HEAD], "big")
            if end == _HEAD or len(buffer) < end:
                return
            yield bytes(buffer[:end])
            del buffer[:end]

    def _wanted(self, packet: bytes) -> bool:
        """Follow the session, and tell whether a packet is copied."""
        kind = packet[_HEAD:_HEAD + 1]
        accepted = soupbintcp.LOGIN_ACCEPTED
        if kind == accepted.type and len(packet) == accepted.size:
            login = accepted.decode(packet)
            self._number = int(login["sequence_number"])
            same = login["session"] == self._session
            if same and self._number <= self._last + 1:
                return False    # the numbers go on
            self._session, self._last = str(login["session"]), self._number - 1
            return True
        if kind != soupbintcp.SEQUENCED_DATA.type:
            return False
        number, self._number = self._number, self._number + 1
        if number <= self._last:
            return False
        self._last = number
        return True

    def _frame(self, segment: Segment, packet: bytes) -> bytes:
        sequence, self._sent_bytes = self._sent_bytes, self._sent_bytes + len(packet)
        return tcp_frame(Segment(
            source=segment.source, destination=segment.destination,
            sequence=sequence % _MODULUS, acknowledgment=1,
            flags=TcpFlag.PSH | TcpFlag.ACK, window=segment.window, payload=packet))


def _segment(frame: bytes) -> Segment | None:
    """Return the TCP segment of a frame, whoever it is for."""
    address = frame[_IP + _ADDRESS.start:_IP + _ADDRESS.stop]
    tcp = _IP + ethernet.IPV4.size
    local = Endpoint(int.from_bytes(frame[_DESTINATION], "big"), int.from_bytes(address, "big"),
                     int.from_bytes(frame[tcp + _PORT.start:tcp + _PORT.stop], "big"))
    found = parse(frame, local)
    return found if isinstance(found, Segment) else None


class OrderCapture:
    """Writes the frames of an order port to capture files.

    Parameters
    ----------
    orders : Path, optional
        File for every frame that the appliance sends.
    drop_copy : Path, optional
        File for every answer of the venue; see :class:`DropCopy`.

    Raises
    ------
    OSError
        If a file cannot be written.
    """

    def __init__(self, *, orders: Path | None = None, drop_copy: Path | None = None) -> None:
        self._copy = DropCopy()
        self._orders = None if orders is None else PcapWriter(orders)
        try:
            self._answers = None if drop_copy is None else PcapWriter(drop_copy)
        except OSError:
            if self._orders is not None:
                self._orders.close()
            raise

    def __enter__(self) -> Self:
        """Return this capture; leaving the block closes the files."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the files."""
        for writer in (self._orders, self._answers):
            if writer is not None:
                writer.close()

    def take(self, frames: Iterable[PortFrame]) -> None:
        """Take in frames of the port, in order of time."""
        for time_ns, sent, frame in frames:
            if sent and self._orders is not None:
                self._orders.write(time_ns, frame)
            elif not sent and self._answers is not None:
                for copy in self._copy.take(frame):
                    self._answers.write(time_ns, copy)
