"""The MoldUDP64 packet in a frame: what it holds, and the same frame sent elsewhere.

Ref: MoldUDP64 1.00; RFC 768, 791, 1624.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from proto.wire import ethernet, itch50, moldudp64
from sim.framing import FeedAddress

__all__ = ["Packet", "Stream", "packet_of", "readdressed", "timestamp_of"]

_ETHERTYPE = ethernet.MAC.field("ethertype").offset
_TAGS = tuple(tag.to_bytes(2, "big") for tag in (
    ethernet.EtherType.VLAN, ethernet.EtherType.VLAN_OUTER))
_IPV4 = ethernet.EtherType.IPV4.to_bytes(2, "big")
_PLAIN_HEADER = 0x45    # version 4, no options
_PROTOCOL = ethernet.IPV4.field("protocol").offset
_SOURCE = ethernet.IPV4.field("source_address").span
_GROUP = ethernet.IPV4.field("destination_address").span
_HEADER_CHECKSUM = ethernet.IPV4.field("header_checksum").offset
_DESTINATION_PORT = ethernet.UDP.field("destination_port").offset
_UDP_LENGTH = ethernet.UDP.field("length").offset
_UDP_CHECKSUM = ethernet.UDP.field("checksum").offset
_SESSION = moldudp64.HEADER.field("session").span
_SEQUENCE = moldudp64.HEADER.field("sequence_number").span
_COUNT = moldudp64.HEADER.field("message_count").span
_HEADERS_BYTES = ethernet.IPV4.size + ethernet.UDP.size + moldudp64.HEADER.size
_TIMESTAMP = itch50.HEADER.field("timestamp").span


class Stream(NamedTuple):
    """What tells the packets of one stream."""

    group_ip: int
    udp_port: int
    session: str


@dataclass(frozen=True)
class Packet:
    """A MoldUDP64 packet found in a frame."""

    address: FeedAddress
    sequence: int
    count: int
    messages: tuple[bytes, ...]

    @property
    def stream(self) -> Stream:
        """The stream that it is of."""
        return Stream(self.address.group_ip, self.address.udp_port, self.address.session)


def _field(frame: bytes, base: int, span: slice) -> bytes:
    return frame[base + span.start:base + span.stop]


def _ip_of(frame: bytes) -> int | None:
    """Return where the IPv4 header of a UDP datagram with a MoldUDP64 header begins."""
    at = _ETHERTYPE
    while frame[at:at + 2] in _TAGS:
        at += ethernet.VLAN_TAG.size
    ip = at + 2
    if (frame[at:ip] != _IPV4 or len(frame) < ip + _HEADERS_BYTES or frame[ip] != _PLAIN_HEADER
            or frame[ip + _PROTOCOL] != ethernet.IpProtocol.UDP):
        return None
    return ip


def packet_of(frame: bytes) -> Packet | None:
    """Return the MoldUDP64 packet of a frame, or None if it holds none that is well formed.

    Addresses, checksums, session and sequence are not judged: the appliance does that.
    """
    ip = _ip_of(frame)
    if ip is None:
        return None
    udp = ip + ethernet.IPV4.size
    mold = udp + ethernet.UDP.size
    count = int.from_bytes(_field(frame, mold, _COUNT), "big")
    wanted = 0 if count == moldudp64.END_OF_SESSION else count
    messages: list[bytes] = []
    at = mold + moldudp64.HEADER.size
    end = udp + int.from_bytes(frame[udp + _UDP_LENGTH:udp + _UDP_LENGTH + 2], "big")
    while len(messages) < wanted and at + moldudp64.BLOCK.size <= min(end, len(frame)):
        length = int.from_bytes(frame[at:at + moldudp64.BLOCK.size], "big")
        at += moldudp64.BLOCK.size
        messages.append(frame[at:at + length])
        at += length
    if len(messages) != wanted or at != end or end > len(frame):
        return None
    tagged = ip > _ETHERTYPE + 2
    source_port, udp_port = struct.unpack_from(">HH", frame, udp)
    address = FeedAddress(
        session=_field(frame, mold, _SESSION).decode("latin-1"),
        vlan=int.from_bytes(frame[ip - 4:ip - 2], "big") if tagged else None,
        group_ip=int.from_bytes(_field(frame, ip, _GROUP), "big"),
        source_ip=int.from_bytes(_field(frame, ip, _SOURCE), "big"),
        udp_port=udp_port, source_port=source_port)
    return Packet(address, int.from_bytes(_field(frame, mold, _SEQUENCE), "big"), count,
                  tuple(messages))


def timestamp_of(packet: Packet) -> int:
    """Return the exchange time of a packet's first message, ns since midnight; -1 without one."""
    if not packet.messages:
        return -1
    return int.from_bytes(packet.messages[0][_TIMESTAMP], "big")


def readdressed(frame: bytes, address: FeedAddress) -> bytes:
    """Return a frame with a UDP datagram as it would be had it been sent to another group.

    Destination addresses and port change, and both checksums by as much (RFC 1624): wrong ones stay
    wrong. A frame without such a datagram is returned as it is.
    """
    ip = _ip_of(frame)
    if ip is None:
        return frame
    udp = ip + ethernet.IPV4.size
    changed = bytearray(frame)
    changed[:6] = address.group_mac.to_bytes(6, "big")
    places = ((ip + _GROUP.start, address.group_ip.to_bytes(4, "big")),
              (udp + _DESTINATION_PORT, address.udp_port.to_bytes(2, "big")))
    moved = 0
    for number, (at, value) in enumerate(places):
        before = changed[at:at + len(value)]
        moved += _sum(value) + (0xFFFF * len(value) // 2 - _sum(before))
        changed[at:at + len(value)] = value
        if number == 0:
            _adjust(changed, ip + _HEADER_CHECKSUM, moved)
    if any(changed[udp + _UDP_CHECKSUM:udp + _UDP_CHECKSUM + 2]):
        _adjust(changed, udp + _UDP_CHECKSUM, moved)
    return bytes(changed)


def _sum(content: bytes | bytearray) -> int:
    return sum(struct.unpack(f">{len(content) // 2}H", content))


def _adjust(frame: bytearray, at: int, moved: int) -> None:
    total = (0xFFFF ^ int.from_bytes(frame[at:at + 2], "big")) + moved
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    frame[at:at + 2] = (0xFFFF ^ total).to_bytes(2, "big")
