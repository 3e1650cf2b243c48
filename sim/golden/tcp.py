"""A TCP server in plain Python, frame in and frame out: the other end for tests.

Ref: RFC 791, 826, 9293. It is the specification of what a peer may do, written for clarity: out of
order data are kept, segments of any size are sent, losses are repaired by timer or by the third
duplicate acknowledgment.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FIN", "ACK", "PSH", "RST", "SYN", "Packet", "TcpServer", "arp_packet", "checksum",
           "parse", "segment"]

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_MODULUS = 1 << 32


def checksum(data: bytes) -> int:
    """Return the Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def distance(ahead: int, behind: int) -> int:
    """Return the signed difference of two sequence numbers."""
    return (ahead - behind + _MODULUS // 2) % _MODULUS - _MODULUS // 2


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A TCP segment with its addresses."""

    source: int
    destination: int
    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    payload: bytes = b""
    options: bytes = b""


def segment(packet: Packet, destination_mac: bytes, source_mac: bytes) -> bytes:
    """Return the frame of a segment, padded, without FCS."""
    head = struct.pack(">HHIIBBHHH", packet.source_port, packet.destination_port, packet.sequence,
                       packet.acknowledgment, (20 + len(packet.options)) // 4 << 4, packet.flags,
                       packet.window, 0, 0) + packet.options
    length = len(head) + len(packet.payload)
    pseudo = struct.pack(">IIHH", packet.source, packet.destination, 6, length)
    tcp = bytearray(head + packet.payload)
    tcp[16:18] = checksum(pseudo + bytes(tcp)).to_bytes(2, "big")
    ip = bytearray(struct.pack(">BBHHHBBHII", 0x45, 0, 20 + length, 7, 0x4000, 64, 6, 0,
                               packet.source, packet.destination))
    ip[10:12] = checksum(bytes(ip)).to_bytes(2, "big")
    frame = destination_mac + source_mac + b"\x08\x00" + bytes(ip) + bytes(tcp)
    return frame.ljust(60, b"\0")


def parse(frame: bytes) -> Packet | None:
    """Return the segment of a frame, None if it holds none; the checksums must be right."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    total = int.from_bytes(frame[16:18], "big")
    assert checksum(frame[14:34]) == 0, "IPv4 checksum"
    tcp = frame[34:14 + total]
    source, destination = struct.unpack(">II", frame[26:34])
    assert checksum(struct.pack(">IIHH", source, destination, 6, len(tcp)) + tcp) == 0, "checksum"
    fields = struct.unpack(">HHIIBBHHH", tcp[:20])
    header = 4 * (fields[4] >> 4)
    return Packet(source=source, destination=destination, source_port=fields[0],
                  destination_port=fields[1], sequence=fields[2], acknowledgment=fields[3],
                  flags=fields[5], window=fields[6], payload=tcp[header:], options=tcp[20:header])


def arp_packet(operation: int, sender: tuple[bytes, int], target: tuple[bytes, int],
               destination: bytes) -> bytes:
    """Return the frame of an ARP packet, padded, without FCS."""
    frame = destination + sender[0] + b"\x08\x06"
    frame += struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    for mac, address in (sender, target):
        frame += mac + address.to_bytes(4, "big")
    return frame.ljust(60, b"\0")


class TcpServer:
    """Accept one connection on a port, again and again.

    Parameters
    ----------
    mac, address, port : bytes, int, int
        Who it is.
    initial_sequence : int
        First sequence number of every connection.
    window : int
        Receive window to announce; the attribute may change.
    retransmit_ns : int
        Time to repeat what is not acknowledged.
    pieces : callable
        Says how many bytes the next segment carries.

    Attributes
    ----------
    frames : list of bytes
        Frames to send; the owner takes them.
    received : bytearray
        Payload in order since the connection began.
    state : str
        ``LISTEN``, ``SYN_RECEIVED``, ``ESTABLISHED`` or ``CLOSED`` (either side's FIN acknowledged
        or RST seen).
    """

    def __init__(self, *, mac: bytes, address: int, port: int, initial_sequence: int = 1,
                 window: int = 65535, retransmit_ns: int = 50_000,
                 pieces: Callable[[], int] = lambda: 1460) -> None:
        self.mac, self.address, self.port = mac, address, port
        self.initial_sequence = initial_sequence
        self.window = window
        self.retransmit_ns = retransmit_ns
        self.pieces = pieces
        self.frames: list[bytes] = []
        self.state = "LISTEN"
        self.received = bytearray()
        self.arp_replies = True
        self.resets = 0
        self._reset()

    def _reset(self) -> None:
        self.unacknowledged = self.next = self.initial_sequence % _MODULUS
        self.expected = 0
        self.buffer = bytearray()       # from `unacknowledged` on
        self.early: dict[int, bytes] = {}
        self.fin_wanted = self.fin_sent = self.fin_received = False
        self.deadline: int | None = None
        self.duplicates = 0
        self.client: tuple[bytes, int, int] = (bytes(6), 0, 0)
        self.client_window = 0

    def send(self, data: bytes) -> None:
        """Queue data for the client."""
        self.buffer += data

    def close(self) -> None:
        """Send FIN after the data."""
        self.fin_wanted = True

    def _emit(self, flags: int, sequence: int, payload: bytes = b"", options: bytes = b"") -> None:
        mac, address, port = self.client
        self.frames.append(segment(Packet(
            source=self.address, destination=address, source_port=self.port, destination_port=port,
            sequence=sequence % _MODULUS, acknowledgment=self.expected if flags & ACK else 0,
            flags=flags, window=self.window, payload=payload, options=options), mac, self.mac))

    def reset(self) -> None:
        """Send RST."""
        self._emit(RST, self.next)
        self.state = "CLOSED"

    def announce(self) -> None:
        """Send an acknowledgment, for example of a changed window."""
        self._emit(ACK, self.next)

    def receive(self, frame: bytes, now_ns: int) -> None:
        """Take a frame of the client."""
        if frame[12:14] == b"\x08\x06":
            if frame[20:22] == b"\0\1" and int.from_bytes(frame[38:42], "big") == self.address \
                    and self.arp_replies:
                asker = (frame[22:28], int.from_bytes(frame[28:32], "big"))
                self.frames.append(arp_packet(2, (self.mac, self.address), asker, asker[0]))
            return
        packet = parse(frame)
        if packet is None or packet.destination_port != self.port:
            return
        if packet.flags & RST:
            self.resets += 1
            if self.state != "LISTEN" and packet.sequence == self.expected:
                self.state = "CLOSED"
            return
        if packet.flags & SYN:
            if self.state in ("LISTEN", "CLOSED"):
                self._reset()
                self.received = bytearray()
                self.state = "SYN_RECEIVED"
            elif self.state != "SYN_RECEIVED":
                self.announce()
                return
            self.client = (frame[6:12], packet.source, packet.source_port)
            self.client_window = packet.window
            self.expected = (packet.sequence + 1) % _MODULUS
            self.next = (self.unacknowledged + 1) % _MODULUS
            self._emit(SYN | ACK, self.unacknowledged, options=b"\x02\x04\x05\xb4")
            self.deadline = now_ns + self.retransmit_ns
            return
        if self.state in ("LISTEN", "CLOSED"):
            if self.fin_received and packet.flags & FIN:
                self.announce()     # TIME-WAIT
            elif self.state == "LISTEN":
                self.client = (frame[6:12], packet.source, packet.source_port)
                self._emit(RST, packet.acknowledgment)
            return
        self._acknowledged(packet, now_ns)
        self._data(packet)

    def _acknowledged(self, packet: Packet, now_ns: int) -> None:
        news = distance(packet.acknowledgment, self.unacknowledged)
        if news < 0 or distance(packet.acknowledgment, self.next) > 0:
            return
        self.client_window = packet.window
        if self.state == "SYN_RECEIVED" and news == 1:
            self.state, self.unacknowledged, self.deadline = "ESTABLISHED", self.next, None
            return
        if news:
            data = min(news, len(self.buffer))
            del self.buffer[:data]
            self.unacknowledged = packet.acknowledgment
            self.duplicates = 0
            self.deadline = None if self.unacknowledged == self.next \
                else now_ns + self.retransmit_ns
            if self.fin_sent and self.unacknowledged == self.next and self.fin_received:
                self.state = "CLOSED"
        elif not packet.payload and self.unacknowledged != self.next:
            self.duplicates += 1
            if self.duplicates == 3:
                self._again()

    def _data(self, packet: Packet) -> None:
        length = len(packet.payload)
        fin = bool(packet.flags & FIN)
        if not length and not fin:
            if packet.sequence != self.expected:
                self.announce()
            return
        offset = distance(packet.sequence, self.expected)
        if offset + length + fin <= 0 or offset >= max(self.window, 1):
            self.announce()
            return
        if offset > 0:
            self.early[packet.sequence] = packet.payload
        elif self.window or not length:
            self._in_order(packet.payload[-offset:] if offset else packet.payload)
            for sequence in sorted(self.early, key=lambda s: distance(s, self.expected)):
                behind = distance(self.expected, sequence)
                if behind >= 0:
                    self._in_order(self.early.pop(sequence)[behind:])
            if fin and packet.sequence + length == self.expected and not self.fin_received:
                self.fin_received = True
                self.expected = (self.expected + 1) % _MODULUS
                if self.fin_sent and self.unacknowledged == self.next:
                    self.state = "CLOSED"
        self.announce()

    def _in_order(self, data: bytes) -> None:
        self.received += data
        self.expected = (self.expected + len(data)) % _MODULUS

    def _again(self) -> None:
        """Send the oldest segment again."""
        if self.state == "SYN_RECEIVED":
            self._emit(SYN | ACK, self.unacknowledged, options=b"\x02\x04\x05\xb4")
        elif self.buffer:
            sent = distance(self.next, self.unacknowledged) - self.fin_sent
            self._emit(PSH | ACK, self.unacknowledged, bytes(self.buffer[:min(sent, 1460)]))
        elif self.fin_sent:
            self._emit(FIN | ACK, self.unacknowledged)

    def tick(self, now_ns: int) -> None:
        """Send what can be sent, and again what is overdue."""
        if self.state not in ("SYN_RECEIVED", "ESTABLISHED"):
            return
        if self.state == "ESTABLISHED":
            while not self.fin_sent:
                sent = distance(self.next, self.unacknowledged)
                room = self.client_window - sent
                chunk = bytes(self.buffer[sent:sent + max(0, min(self.pieces(), room, 1460))])
                if not chunk:
                    break
                self._emit(PSH | ACK, self.next, chunk)
                self.next = (self.next + len(chunk)) % _MODULUS
                self.deadline = self.deadline or now_ns + self.retransmit_ns
            if self.fin_wanted and not self.fin_sent \
                    and distance(self.next, self.unacknowledged) == len(self.buffer):
                self._emit(FIN | ACK, self.next)
                self.next = (self.next + 1) % _MODULUS
                self.fin_sent = True
                self.deadline = self.deadline or now_ns + self.retransmit_ns
        if self.deadline is not None and now_ns >= self.deadline:
            self._again()
            self.deadline = now_ns + self.retransmit_ns
