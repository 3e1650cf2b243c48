"""What the receive path must make of a frame; plain Python, the specification of ``hdl/net``."""

import zlib
from dataclasses import dataclass

__all__ = ["Reception", "fcs_bytes", "internet_checksum", "receive", "verdict"]


def fcs_bytes(body: bytes) -> bytes:
    """Return the frame check sequence of `body` as it stands on the wire."""
    return zlib.crc32(body).to_bytes(4, "little")


def internet_checksum(octets: bytes) -> int:
    """Return the one's complement sum of the 16-bit words of `octets`; 0xFFFF if it verifies."""
    octets += b"\0" * (len(octets) % 2)
    total = sum(int.from_bytes(octets[i:i + 2], "big") for i in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclass(frozen=True)
class Reception:
    """The fate of one frame.

    Attributes
    ----------
    reason : str
        ``frames_good`` if a datagram is delivered, else what is counted, named as the pulse
        ``stat_<reason>``. A frame refused for its headers or late checks counts as a good frame
        as well.
    accepted : bool
        The headers are those of a datagram for us.
    good : bool
        Nothing is wrong with the frame, wanted or not; the outcome in cut-through mode.
    payload_offset, payload_length : int
        Of the datagram, if accepted.
    payload : bytes
        Of the datagram, if it is delivered.
    """

    reason: str
    accepted: bool = False
    good: bool = False
    payload_offset: int = 0
    payload_length: int = 0
    payload: bytes = b""


def verdict(frame: bytes, *, maximum: int = 1526) -> str:
    """Return what the MAC counts for a frame that arrived without coding errors."""
    if len(frame) > maximum:
        return "oversize"
    if len(frame) < 64:
        return "runt"
    if fcs_bytes(frame[:-4]) != frame[-4:]:
        return "bad_fcs"
    return "frames_good"


def receive(frame: bytes, *, group_ip: int, udp_port: int, strict: bool = True,
            maximum: int = 1526) -> Reception:
    """Return the fate of a frame, from destination address to FCS.

    Parameters
    ----------
    frame : bytes
        The frame as it arrived; without coding errors.
    group_ip, udp_port : int
        Wanted destination.
    strict : bool
        False: the checksums of IPv4 and UDP may be anything, and a destination of zero is ours.
    maximum : int
        Longest legal frame.
    """
    mac = verdict(frame, maximum=maximum)
    if mac in ("runt", "oversize"):
        return Reception(mac)  # whether it was accepted is not specified

    headers = _headers(frame, group_ip, udp_port, strict)
    if isinstance(headers, str):
        if mac != "frames_good":
            return Reception(mac)
        return Reception(headers, good=True)

    offset, length = headers
    ip = offset - 28
    total = length + 28
    late = "frames_good"
    datagram = frame[ip + 20:ip + total]
    if ip + total > len(frame) - 4:
        late = "bad_length"
    elif strict and datagram[6:8] != b"\0\0":
        pseudo = frame[ip + 12:ip + 20] + bytes([0, 17]) + (length + 8).to_bytes(2, "big")
        if internet_checksum(pseudo + datagram) != 0xFFFF:
            late = "bad_udp_checksum"
    reason = mac if mac != "frames_good" else late
    good = reason == "frames_good"
    return Reception(reason, accepted=True, good=good, payload_offset=offset,
                     payload_length=length, payload=datagram[8:] if good else b"")


def _headers(frame: bytes, group_ip: int, udp_port: int, strict: bool) -> str | tuple[int, int]:
    """Return why the headers are refused, or offset and length of the payload."""
    ip = 14
    while frame[ip - 2:ip] in (b"\x81\x00", b"\x88\xa8") and ip < 22:
        ip += 4
    if frame[ip - 2:ip] != b"\x08\x00":
        return "not_ipv4"
    if frame[ip] >> 4 != 4 or frame[ip] & 15 < 5:
        return "not_ipv4"
    if frame[ip] & 15 > 5:
        return "options"
    if strict and internet_checksum(frame[ip:ip + 20]) != 0xFFFF:
        return "bad_header_checksum"
    if int.from_bytes(frame[ip + 6:ip + 8], "big") & 0x3FFF:
        return "fragments"
    if frame[ip + 9] != 17:
        return "not_udp"
    address = int.from_bytes(frame[ip + 16:ip + 20], "big")
    port = int.from_bytes(frame[ip + 22:ip + 24], "big")
    zero_or_none = () if strict else (0,)
    if address not in (group_ip, *zero_or_none) or port not in (udp_port, *zero_or_none):
        return "other_destination"
    total = int.from_bytes(frame[ip + 2:ip + 4], "big")
    length = int.from_bytes(frame[ip + 24:ip + 26], "big")
    if length < 8 or total != length + 20:
        return "bad_length"
    return ip + 28, length - 8
