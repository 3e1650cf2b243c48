"""What the slow services of a port must answer; plain Python, the specification of ``hdl/net``.

Ref: RFC 792, 826, 2236, 3376. Frames are without padding and FCS.
"""

import struct
from dataclasses import dataclass, field

from sim.golden.ethernet import internet_checksum

__all__ = ["AddressCache", "arp_reply", "arp_request", "echo_reply", "membership_message",
           "solicited_address"]

_ARP, _IPV4 = b"\x08\x06", b"\x08\x00"
_FORM = b"\0\1\x08\0\6\4"       # Ethernet, IPv4
_LONGEST_ECHO = 124
#: A learnt address is believed for 256 units of 2**32 ns, in which time is cut off.
_UNIT_BITS, _UNITS = 32, 256


def _checksum(octets: bytes) -> bytes:
    return (0xFFFF ^ internet_checksum(octets)).to_bytes(2, "big")


def arp_request(mac: bytes, address: bytes, target: bytes) -> bytes:
    """Return the request of `mac` and `address` for the owner of `target`."""
    return b"\xFF" * 6 + mac + _ARP + _FORM + b"\0\1" + mac + address + bytes(6) + target


def arp_reply(frame: bytes, mac: bytes, address: bytes) -> bytes | None:
    """Return the answer of `mac` and `address` to a frame, if it is an ARP request for them."""
    if frame[12:22] != _ARP + _FORM + b"\0\1" or frame[38:42] != address:
        return None
    return frame[22:28] + mac + _ARP + _FORM + b"\0\2" + mac + address + frame[22:32]


def solicited_address(frame: bytes, mac: bytes, address: bytes, asked: bytes) -> bytes | None:
    """Return the MAC address that a frame tells of `asked`, if it is an ARP reply to us."""
    if frame[12:22] != _ARP + _FORM + b"\0\2" or frame[32:42] != mac + address:
        return None
    return frame[22:28] if frame[28:32] == asked else None


def echo_reply(frame: bytes, mac: bytes, address: bytes) -> bytes | None:
    """Return the answer to a frame with padding, if it is an echo request that gets one."""
    header = frame[14:34]
    total = int.from_bytes(header[2:4], "big")
    if (frame[:6] != mac or frame[12:14] != _IPV4 or header[0] != 0x45 or header[9] != 1
            or header[16:20] != address or internet_checksum(header) != 0xFFFF
            or int.from_bytes(header[6:8], "big") & 0x3FFF or not 28 <= total <= len(frame) - 14
            or total > _LONGEST_ECHO - 14 or frame[34:36] != b"\x08\0"):
        return None
    # The request's own checksum is not looked at: what is wrong with it stays wrong.
    message = frame[34:14 + total]
    checksum = int.from_bytes(message[2:4], "big") + 0x0800
    checksum = (checksum & 0xFFFF) + (checksum >> 16)
    message = b"\0\0" + checksum.to_bytes(2, "big") + message[4:]
    head = header[:8] + b"\x40\x01\0\0" + address + header[12:16]
    head = head[:10] + _checksum(head) + head[12:]
    return frame[6:12] + mac + _IPV4 + head + message


def membership_message(*, version: int, group: bytes, mac: bytes, address: bytes, leave: bool,
                       change: bool) -> bytes:
    """Return an IGMP message, with the Router Alert option."""
    if version == 3:
        record = 3 if leave else 4 if change else 2
        content = struct.pack(">BBHHHBBH", 0x22, 0, 0, 0, 1, record, 0, 0) + group
        destination = bytes([224, 0, 0, 22])
    else:
        content = struct.pack(">BBH", 0x17 if leave else 0x16, 0, 0) + group
        destination = bytes([224, 0, 0, 2]) if leave else group
    content = content[:2] + _checksum(content) + content[4:]
    head = struct.pack(">BBHHHBBH", 0x46, 0xC0, 24 + len(content), 0, 0x4000, 1, 2, 0) \
        + address + destination + bytes([148, 4, 0, 0])
    head = head[:10] + _checksum(head) + head[12:]
    low = bytes([destination[1] & 0x7F]) + destination[2:]
    return b"\x01\x00\x5E" + low + mac + _IPV4 + head + content


@dataclass
class AddressCache:
    """Addresses by ARP: entries in use as (address, MAC address, time learnt or None if fixed).

    Attributes
    ----------
    entries : list
        None where nothing is in use.
    oldest : int
        Entry that is filled next, unless it is fixed.
    """

    entries: list[tuple[bytes, bytes, int | None] | None] = field(
        default_factory=lambda: [None] * 4)
    oldest: int = 0

    def look_up(self, address: bytes, now_ns: int) -> bytes | None:
        """Return what is known of an address; entries of it that are too old go."""
        for place, entry in enumerate(self.entries):
            if entry is None or entry[0] != address:
                continue
            if entry[2] is None or (now_ns >> _UNIT_BITS) - (entry[2] >> _UNIT_BITS) < _UNITS:
                return entry[1]
            self.entries[place] = None
        return None

    def learn(self, address: bytes, mac: bytes, now_ns: int) -> None:
        """Keep what an answer told, unless software has fixed every entry."""
        for step in range(4):
            place = (self.oldest + step) % 4
            entry = self.entries[place]
            if entry is None or entry[2] is not None:
                self.entries[place] = (address, mac, now_ns)
                self.oldest = (place + 1) % 4
                return
