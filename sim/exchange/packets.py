"""Ethernet frames of an endpoint: ARP, TCP segments and UDP datagrams.

Every checksum is made and verified. Frames begin with the destination address and have no FCS.

Ref: RFC 768, 791, 826, 9293.
"""

from dataclasses import dataclass
from enum import Enum

from proto.wire import ethernet
from proto.wire.ethernet import ArpOperation, EtherType, IpProtocol, Ipv4Flag, TcpFlag, TcpOption
from sim.framing import checksum

__all__ = ["ArpRequest", "Drop", "Endpoint", "Segment", "UdpTemplate", "arp_reply", "ipv4_frame",
           "parse", "tcp_frame", "udp_frame"]

#: A frame without FCS is padded to this size.
_SHORTEST_BYTES = ethernet.MINIMUM_FRAME_BYTES - ethernet.FCS_BYTES
_TIME_TO_LIVE = 64
_IPV4_VERSION = 4
_WORD_BYTES = 4


class Drop(Enum):
    """Why a frame is not taken."""

    NOT_FOR_US = "not for us"
    UNKNOWN_PROTOCOL = "unknown protocol"
    MALFORMED = "malformed"
    FRAGMENT = "fragment"
    BAD_HEADER_CHECKSUM = "bad IPv4 header checksum"
    BAD_TCP_CHECKSUM = "bad TCP checksum"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Addresses of one end, first byte most significant, and its port."""

    mac: int
    ip: int
    port: int


@dataclass(frozen=True, slots=True)
class ArpRequest:
    """Who asks for our address."""

    mac: int
    ip: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A TCP segment.

    Attributes
    ----------
    sequence, acknowledgment : int
        Modulo 2**32.
    flags : int
        Control bits, of `TcpFlag`.
    window : int
        Bytes, not scaled.
    payload : bytes
        Data.
    maximum_segment_size : int or None
        The option of that name.
    """

    source: Endpoint
    destination: Endpoint
    sequence: int
    acknowledgment: int = 0
    flags: int = 0
    window: int = 0
    payload: bytes = b""
    maximum_segment_size: int | None = None

    @property
    def length(self) -> int:
        """Sequence numbers that it takes."""
        return len(self.payload) + bool(self.flags & TcpFlag.SYN) + bool(self.flags & TcpFlag.FIN)


def parse(frame: bytes, local: Endpoint) -> ArpRequest | Segment | Drop:
    """Return what a frame holds for `local`, or why it is not taken."""
    if len(frame) < ethernet.MAC.size:
        return Drop.MALFORMED
    link = ethernet.MAC.decode_from(frame)
    broadcast = (1 << ethernet.MAC.field("destination").bits) - 1
    if link["destination"] not in (local.mac, broadcast):
        return Drop.NOT_FOR_US
    body = frame[ethernet.MAC.size:]
    if link["ethertype"] == EtherType.ARP:
        return _parse_arp(body, local)
    if link["ethertype"] == EtherType.IPV4:
        return _parse_ipv4(body, int(link["source"]), local)
    return Drop.UNKNOWN_PROTOCOL


def _parse_arp(body: bytes, local: Endpoint) -> ArpRequest | Drop:
    if len(body) < ethernet.ARP.size:
        return Drop.MALFORMED
    arp = ethernet.ARP.decode_from(body)
    if (arp["hardware_type"], arp["protocol_type"]) != (1, EtherType.IPV4):
        return Drop.MALFORMED
    if arp["operation"] != ArpOperation.REQUEST or arp["target_protocol_address"] != local.ip:
        return Drop.NOT_FOR_US
    return ArpRequest(int(arp["sender_hardware_address"]), int(arp["sender_protocol_address"]))


def _parse_ipv4(body: bytes, source_mac: int, local: Endpoint) -> Segment | Drop:
    if len(body) < ethernet.IPV4.size:
        return Drop.MALFORMED
    ip = ethernet.IPV4.decode_from(body)
    version, words = divmod(int(ip["version_ihl"]), 16)
    header_bytes, total = _WORD_BYTES * words, int(ip["total_length"])
    if version != _IPV4_VERSION or not ethernet.IPV4.size <= header_bytes <= total <= len(body):
        return Drop.MALFORMED
    if checksum(body[:header_bytes]):
        return Drop.BAD_HEADER_CHECKSUM
    if ip["destination_address"] != local.ip:
        return Drop.NOT_FOR_US
    if int(ip["flags_fragment_offset"]) & (Ipv4Flag.MORE_FRAGMENTS | Ipv4Flag.OFFSET_MASK):
        return Drop.FRAGMENT
    if ip["protocol"] != IpProtocol.TCP:
        return Drop.UNKNOWN_PROTOCOL
    return _parse_tcp(body[header_bytes:total], source_mac, int(ip["source_address"]), local)


def _parse_tcp(content: bytes, source_mac: int, source_ip: int, local: Endpoint) -> Segment | Drop:
    if len(content) < ethernet.TCP.size:
        return Drop.MALFORMED
    tcp = ethernet.TCP.decode_from(content)
    offset = _WORD_BYTES * (int(tcp["data_offset"]) >> 4)
    if not ethernet.TCP.size <= offset <= len(content):
        return Drop.MALFORMED
    if checksum(content, _pseudo(source_ip, local.ip, IpProtocol.TCP, len(content))):
        return Drop.BAD_TCP_CHECKSUM
    return Segment(
        source=Endpoint(source_mac, source_ip, int(tcp["source_port"])),
        destination=Endpoint(local.mac, local.ip, int(tcp["destination_port"])),
        sequence=int(tcp["sequence_number"]), acknowledgment=int(tcp["acknowledgment_number"]),
        flags=int(tcp["flags"]), window=int(tcp["window"]), payload=content[offset:],
        maximum_segment_size=_maximum_segment_size(content[ethernet.TCP.size:offset]))


def _maximum_segment_size(options: bytes) -> int | None:
    """Return the option, or None without it; a malformed list ends where it goes wrong."""
    at = 0
    while at < len(options) and options[at] != TcpOption.END:
        if options[at] == TcpOption.NO_OPERATION:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            return None
        if options[at] == TcpOption.MAXIMUM_SEGMENT_SIZE and length == 4:
            return int.from_bytes(options[at + 2:at + 4], "big")
        at += length
    return None


def _pseudo(source_ip: int, destination_ip: int, protocol: int, length: int) -> int:
    """Return the sum of the pseudo header."""
    return sum((source_ip >> 16, source_ip & 0xFFFF, destination_ip >> 16,
                destination_ip & 0xFFFF, protocol, length))


def _link(destination: int, source: int, ethertype: int, vlan: int | None) -> bytes:
    header = ethernet.MAC.encode({"destination": destination, "source": source,
                                  "ethertype": ethertype})
    if vlan is None:
        return header
    tag = ethernet.VLAN_TAG.encode({"tpid": EtherType.VLAN, "tci": vlan})
    at = ethernet.MAC.field("ethertype").offset
    return header[:at] + tag + header[at:]


def ipv4_frame(source: Endpoint, destination: Endpoint, protocol: int, content: bytes, *,
               vlan: int | None = None) -> bytes:
    """Return a frame of one IPv4 packet, padded to the shortest frame."""
    values = {
        "version_ihl": _IPV4_VERSION << 4 | ethernet.IPV4.size // _WORD_BYTES,
        "type_of_service": 0, "total_length": ethernet.IPV4.size + len(content),
        "identification": 0, "flags_fragment_offset": Ipv4Flag.DONT_FRAGMENT,
        "time_to_live": _TIME_TO_LIVE, "protocol": protocol, "header_checksum": 0,
        "source_address": source.ip, "destination_address": destination.ip,
    }
    values["header_checksum"] = checksum(ethernet.IPV4.encode(values))
    frame = (_link(destination.mac, source.mac, EtherType.IPV4, vlan)
             + ethernet.IPV4.encode(values) + content)
    return frame.ljust(_SHORTEST_BYTES, b"\0")


def udp_frame(source: Endpoint, destination: Endpoint, payload: bytes, *,
              vlan: int | None = None) -> bytes:
    """Return a frame of one UDP datagram."""
    length = ethernet.UDP.size + len(payload)
    values = {"source_port": source.port, "destination_port": destination.port, "length": length,
              "checksum": 0}
    total = checksum(ethernet.UDP.encode(values) + payload,
                     _pseudo(source.ip, destination.ip, IpProtocol.UDP, length))
    values["checksum"] = total or 0xFFFF  # 0 would mean: not computed
    return ipv4_frame(source, destination, IpProtocol.UDP, ethernet.UDP.encode(values) + payload,
                      vlan=vlan)


class UdpTemplate:
    """Makes the same frames as :func:`udp_frame`, from headers that are encoded once.

    Parameters
    ----------
    source, destination : Endpoint
        Of every frame.
    vlan : int or None
        VLAN of every frame.
    """

    def __init__(self, source: Endpoint, destination: Endpoint, *, vlan: int | None = None) -> None:
        empty = udp_frame(source, destination, b"", vlan=vlan)
        link = ethernet.MAC.size + (0 if vlan is None else ethernet.VLAN_TAG.size)
        self._link = empty[:link]
        self._ip = bytearray(empty[link:link + ethernet.IPV4.size])
        self._udp = bytearray(empty[link + ethernet.IPV4.size:][:ethernet.UDP.size])
        self._pseudo = _pseudo(source.ip, destination.ip, IpProtocol.UDP, 0)
        self._total_length = ethernet.IPV4.field("total_length").span
        self._header_checksum = ethernet.IPV4.field("header_checksum").span
        self._length = ethernet.UDP.field("length").span
        self._checksum = ethernet.UDP.field("checksum").span

    def frame(self, payload: bytes) -> bytes:
        """Return the frame of one datagram."""
        ip, udp, length = self._ip, self._udp, ethernet.UDP.size + len(payload)
        ip[self._total_length] = (ethernet.IPV4.size + length).to_bytes(2, "big")
        ip[self._header_checksum] = bytes(2)
        ip[self._header_checksum] = checksum(bytes(ip)).to_bytes(2, "big")
        udp[self._length] = length.to_bytes(2, "big")
        udp[self._checksum] = bytes(2)
        total = checksum(bytes(udp) + payload, self._pseudo + length)
        udp[self._checksum] = (total or 0xFFFF).to_bytes(2, "big")  # 0 would mean: not computed
        return (self._link + bytes(ip) + bytes(udp) + payload).ljust(_SHORTEST_BYTES, b"\0")


def tcp_frame(segment: Segment) -> bytes:
    """Return a frame of one segment."""
    options = b"" if segment.maximum_segment_size is None else bytes(
        [TcpOption.MAXIMUM_SEGMENT_SIZE, 4]) + segment.maximum_segment_size.to_bytes(2, "big")
    values = {
        "source_port": segment.source.port, "destination_port": segment.destination.port,
        "sequence_number": segment.sequence, "acknowledgment_number": segment.acknowledgment,
        "data_offset": (ethernet.TCP.size + len(options)) // _WORD_BYTES << 4,
        "flags": segment.flags, "window": segment.window, "checksum": 0, "urgent_pointer": 0,
    }
    tail = options + segment.payload
    length = ethernet.TCP.size + len(tail)
    values["checksum"] = checksum(
        ethernet.TCP.encode(values) + tail,
        _pseudo(segment.source.ip, segment.destination.ip, IpProtocol.TCP, length))
    return ipv4_frame(segment.source, segment.destination, IpProtocol.TCP,
                      ethernet.TCP.encode(values) + tail)


def arp_reply(request: ArpRequest, local: Endpoint) -> bytes:
    """Return the answer to a request for the address of `local`."""
    body = ethernet.ARP.encode({
        "hardware_type": 1, "protocol_type": EtherType.IPV4,
        "hardware_length": ethernet.MAC.field("source").size,
        "protocol_length": ethernet.IPV4.field("source_address").size,
        "operation": ArpOperation.REPLY,
        "sender_hardware_address": local.mac, "sender_protocol_address": local.ip,
        "target_hardware_address": request.mac, "target_protocol_address": request.ip,
    })
    frame = _link(request.mac, local.mac, EtherType.ARP, None) + body
    return frame.ljust(_SHORTEST_BYTES, b"\0")
