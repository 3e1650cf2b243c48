"""Frames that a port may see and should not trust: valid ones changed, foreign ones, garbage.

Everything is drawn from one seeded source. A frame is made with its FCS, good or bad.
"""

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proto.wire import ethernet, moldudp64
from proto.wire.management import HEADER, MAGIC, OPERATION, VERSION, Code, Kind
from sim.framing import FeedAddress, checksum
from sim.golden.ethernet import fcs_bytes

__all__ = ["Mutated", "feed_datagram", "changed", "datagram", "garbage", "management_frame",
           "mold_packet", "with_fcs"]

_MAC = ethernet.MAC.size
_IP = _MAC
_UDP = _IP + ethernet.IPV4.size
_PAYLOAD = _UDP + ethernet.UDP.size
_FCS_BYTES = 4
_SHORTEST, _LONGEST = 60, 1522


@dataclass(frozen=True, slots=True)
class Mutated:
    """A frame with its FCS, and where an error character stands in it, if one does."""

    frame: bytes
    error_offset: int | None = None


def with_fcs(body: bytes) -> Mutated:
    """Return a frame as it should be, padded to the shortest one."""
    padded = body.ljust(_SHORTEST, b"\0")
    return Mutated(padded + fcs_bytes(padded))


def datagram(payload: bytes, *, destination_mac: int, destination: int, port: int,
             source: int = 0xC0000201, source_port: int = 26477) -> bytes:
    """Return an Ethernet frame, without FCS, with a UDP datagram whose checksums are right."""
    udp = ethernet.UDP.encode({
        "source_port": source_port, "destination_port": port,
        "length": ethernet.UDP.size + len(payload), "checksum": 0}) + payload
    pseudo = struct.pack(">IIHH", source, destination, ethernet.IpProtocol.UDP, len(udp))
    right = checksum(pseudo + udp) or 0xFFFF
    at = ethernet.UDP.field("checksum").offset
    udp = udp[:at] + right.to_bytes(2, "big") + udp[at + 2:]
    header = ethernet.IPV4.encode({
        "version_ihl": 0x45, "type_of_service": 0, "total_length": ethernet.IPV4.size + len(udp),
        "identification": 0, "flags_fragment_offset": ethernet.Ipv4Flag.DONT_FRAGMENT,
        "time_to_live": 16, "protocol": ethernet.IpProtocol.UDP, "header_checksum": 0,
        "source_address": source, "destination_address": destination})
    return ethernet.MAC.encode({
        "destination": destination_mac, "source": 0x020000000077,
        "ethertype": ethernet.EtherType.IPV4}) + _checked(header) + udp


def _checked(header: bytes) -> bytes:
    """Return an IPv4 header with its checksum right."""
    at = ethernet.IPV4.field("header_checksum").offset
    bare = header[:at] + b"\0\0" + header[at + 2:]
    return bare[:at] + checksum(bare).to_bytes(2, "big") + bare[at + 2:]


def mold_packet(address: FeedAddress, session: str, sequence: int, count: int,
                blocks: bytes) -> bytes:
    """Return a frame, without FCS, with a MoldUDP64 packet that may contradict itself."""
    return feed_datagram(address, moldudp64.HEADER.encode({
        "session": session, "sequence_number": sequence, "message_count": count}) + blocks)


def feed_datagram(address: FeedAddress, payload: bytes) -> bytes:
    """Return a frame, without FCS, with a datagram to the group of a feed."""
    return datagram(payload, destination_mac=address.group_mac, destination=address.group_ip,
                    port=address.udp_port, source=address.source_ip,
                    source_port=address.source_port)


def garbage(rng: random.Random) -> Mutated:
    """Return random bytes, of any length, with a right FCS or none; or another protocol's frame."""
    length = rng.choice((rng.randint(5, 59), rng.randint(60, 200), rng.randint(60, 2000)))
    body = bytearray(rng.randbytes(length))
    if length >= _MAC:
        kind = rng.choice((0x0800, 0x0806, 0x8100, 0x86DD, rng.getrandbits(16)))
        body[_MAC - 2:_MAC] = kind.to_bytes(2, "big")
    good = rng.random() < 0.7
    return Mutated(bytes(body) + (fcs_bytes(bytes(body)) if good else rng.randbytes(_FCS_BYTES)))


def changed(frame: bytes, rng: random.Random) -> Mutated:
    """Return a valid frame, given without FCS, with one thing changed."""
    return rng.choice(_CHANGES)(frame.ljust(_SHORTEST, b"\0"), rng)


def _bad_fcs(frame: bytes, rng: random.Random) -> Mutated:
    wrong = int.from_bytes(fcs_bytes(frame), "little") ^ 1 << rng.randrange(32)
    return Mutated(frame + wrong.to_bytes(_FCS_BYTES, "little"))


def _error_character(frame: bytes, rng: random.Random) -> Mutated:
    return Mutated(frame + fcs_bytes(frame), rng.choice((0, rng.randrange(len(frame)))))


def _byte(frame: bytes, rng: random.Random) -> Mutated:
    """Change a byte, of the headers more often than not, and make the FCS right."""
    at = rng.randrange(_PAYLOAD if rng.random() < 0.7 else len(frame))
    value = frame[at] ^ rng.randint(1, 255)
    return with_fcs(frame[:at] + bytes([value]) + frame[at + 1:])


def _header_field(frame: bytes, rng: random.Random) -> Mutated:
    """Change a field of the IPv4 header, and make its checksum right."""
    field = rng.choice([field for field in ethernet.IPV4.fields
                        if field.name != "header_checksum"])
    value = rng.getrandbits(8 * field.size).to_bytes(field.size, "big")
    header = frame[_IP:_UDP]
    header = header[:field.offset] + value + header[field.offset + field.size:]
    return with_fcs(frame[:_IP] + _checked(header) + frame[_UDP:])


def _cut(frame: bytes, rng: random.Random) -> Mutated:
    body = frame[:rng.randint(1, len(frame) - 1)]
    return Mutated(body + (fcs_bytes(body) if rng.random() < 0.5 else b""))


def _longer(frame: bytes, rng: random.Random) -> Mutated:
    return with_fcs(frame + rng.randbytes(rng.choice((1, 7, 64, _LONGEST))))


def _tagged(frame: bytes, rng: random.Random) -> Mutated:
    """Insert one to three VLAN tags; up to two are understood."""
    tags = b"".join(ethernet.VLAN_TAG.encode({"tpid": ethernet.EtherType.VLAN,
                                              "tci": rng.getrandbits(16)})
                    for _ in range(rng.randint(1, 3)))
    at = ethernet.MAC.field("ethertype").offset
    return with_fcs(frame[:at] + tags + frame[at:])


def _no_checksum(frame: bytes, rng: random.Random) -> Mutated:
    at = _UDP + ethernet.UDP.field("checksum").offset
    return with_fcs(frame[:at] + b"\0\0" + frame[at + 2:])


_CHANGES: Sequence[Callable[[bytes, random.Random], Mutated]] = (
    _bad_fcs, _error_character, _byte, _byte, _header_field, _cut, _longer, _tagged, _no_checksum)


def management_frame(rng: random.Random, *, destination_mac: int, destination: int, port: int,
                     addresses: Sequence[int]) -> bytes:
    """Return a frame, without FCS, with a request of a session that there is not.

    Its operations write to registers; nothing of it may take effect.
    """
    count = rng.randint(1, 8)
    operations = b"".join(OPERATION.encode({
        "address": rng.choice(addresses), "code": rng.choice((Code.READ, Code.WRITE, Code.WRITE)),
        "value": rng.getrandbits(32)}) for _ in range(count))
    header = HEADER.encode({
        "magic": MAGIC if rng.random() < 0.9 else rng.getrandbits(32),
        "version": VERSION if rng.random() < 0.9 else rng.getrandbits(8),
        "kind": rng.choice((Kind.REQUEST, Kind.HEARTBEAT, Kind.ACKNOWLEDGE, Kind.CLOSE)),
        "status": 0, "count": count if rng.random() < 0.8 else rng.getrandbits(8),
        # Sessions are numbered from 1 on.
        "session": rng.randint(1 << 24, (1 << 32) - 1), "sequence": rng.getrandbits(32)})
    return datagram(header + operations, destination_mac=destination_mac, destination=destination,
                    port=port, source=0xC0A80102, source_port=5000)
