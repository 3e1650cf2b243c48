"""Wrap feed messages in MoldUDP64, UDP, IPv4 and Ethernet, as an exchange sends them.

Ref: MoldUDP64 1.00; RFC 768, 791.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proto.wire import ethernet, moldudp64
from proto.wire.message import Message

__all__ = ["Datagram", "FeedAddress", "checksum", "frame_messages"]

#: UDP payload of an Ethernet frame with a 1500-byte MTU.
LARGEST_PAYLOAD_BYTES = 1500 - ethernet.IPV4.size - ethernet.UDP.size


@dataclass(frozen=True, kw_only=True)
class FeedAddress:
    """Where a feed is sent from and to.

    Attributes
    ----------
    session : str
        MoldUDP64 session, ten characters at most.
    group_ip, source_ip : int
        IPv4 addresses, first byte most significant.
    udp_port, source_port : int
        UDP ports.
    vlan : int or None
        VLAN of the frames.
    """

    session: str = "TICKWIRE01"
    group_ip: int = 0xE9360C6F
    source_ip: int = 0xC0000201
    udp_port: int = 26477
    source_port: int = 26477
    vlan: int | None = None

    @property
    def group_mac(self) -> int:
        """The Ethernet address of the multicast group (RFC 1112, 6.4)."""
        return 0x01005E000000 | self.group_ip & 0x7FFFFF


@dataclass(frozen=True)
class Datagram:
    """One frame without its FCS, and the messages in it: ``count`` from ``sequence`` on."""

    frame: bytes
    sequence: int
    count: int


def checksum(content: bytes, start: int = 0) -> int:
    """Return the Internet checksum (RFC 1071) of `content`, continued from the sum `start`."""
    padded = content if len(content) % 2 == 0 else content + b"\0"
    total = start + sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class _Template:
    """The headers of a feed's frames, encoded once; each frame changes lengths and sequence."""

    def __init__(self, address: FeedAddress) -> None:
        link = ethernet.MAC.encode({
            "destination": address.group_mac, "source": 0x020000000001,
            "ethertype": ethernet.EtherType.IPV4,
        })
        if address.vlan is not None:
            tag = ethernet.VLAN_TAG.encode({"tpid": ethernet.EtherType.VLAN, "tci": address.vlan})
            ethertype = ethernet.MAC.field("ethertype")
            link = link[:ethertype.offset] + tag + link[ethertype.offset:]
        self.ip = len(link)
        self.udp = self.ip + ethernet.IPV4.size
        self.mold = self.udp + ethernet.UDP.size
        self.blocks = self.mold + moldudp64.HEADER.size
        self._bytes = link + ethernet.IPV4.encode({
            "version_ihl": 0x45, "type_of_service": 0, "total_length": 0, "identification": 0,
            "flags_fragment_offset": ethernet.Ipv4Flag.DONT_FRAGMENT, "time_to_live": 16,
            "protocol": ethernet.IpProtocol.UDP, "header_checksum": 0,
            "source_address": address.source_ip, "destination_address": address.group_ip,
        }) + ethernet.UDP.encode({
            "source_port": address.source_port, "destination_port": address.udp_port,
            "length": 0, "checksum": 0,
        }) + moldudp64.HEADER.encode({
            "session": address.session, "sequence_number": 0, "message_count": 0,
        })

    def fill(self, sequence: int, count: int, blocks: bytes) -> bytes:
        """Return the frame of one packet."""
        frame = bytearray(self._bytes + blocks)

        def put(base: int, table: Message, name: str, value: int) -> None:
            field = table.field(name)
            start = base + field.offset
            frame[start:start + field.size] = value.to_bytes(field.size, "big")

        udp_bytes = len(frame) - self.udp
        put(self.ip, ethernet.IPV4, "total_length", len(frame) - self.ip)
        put(self.ip, ethernet.IPV4, "header_checksum", checksum(bytes(frame[self.ip:self.udp])))
        put(self.udp, ethernet.UDP, "length", udp_bytes)
        put(self.mold, moldudp64.HEADER, "sequence_number", sequence)
        put(self.mold, moldudp64.HEADER, "message_count", count)
        # The pseudo header: both addresses, the protocol and the length (RFC 768).
        addresses = self.ip + ethernet.IPV4.field("source_address").offset
        pseudo = 0xFFFF ^ checksum(bytes(frame[addresses:self.udp]),
                                   ethernet.IpProtocol.UDP + udp_bytes)
        put(self.udp, ethernet.UDP, "checksum", checksum(bytes(frame[self.udp:]), pseudo) or 0xFFFF)
        return bytes(frame)


def frame_messages(messages: Iterable[bytes], address: FeedAddress, *, first_sequence: int = 1,
                   packed: bool = True) -> Iterator[Datagram]:
    """Yield frames that carry the messages in order.

    Parameters
    ----------
    messages : iterable of bytes
        Messages without their length field.
    address : FeedAddress
        Where they are sent.
    first_sequence : int
        Sequence number of the first one.
    packed : bool
        As many messages in a frame as go in, else one each.
    """
    template = _Template(address)
    room = LARGEST_PAYLOAD_BYTES - moldudp64.HEADER.size
    sequence, count, blocks = first_sequence, 0, bytearray()
    for message in messages:
        block = len(message).to_bytes(moldudp64.BLOCK.size, "big") + message
        if count and (not packed or len(blocks) + len(block) > room):
            yield Datagram(template.fill(sequence, count, bytes(blocks)), sequence, count)
            sequence, count, blocks = sequence + count, 0, bytearray()
        blocks += block
        count += 1
    if count:
        yield Datagram(template.fill(sequence, count, bytes(blocks)), sequence, count)
