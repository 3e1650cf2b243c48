"""What an independent program says of checksums."""

from scapy.layers.inet import IP, TCP

__all__ = ["checksums_are_good"]


def checksums_are_good(packet: IP) -> bool:
    """Tell whether the IPv4 and the TCP checksum of a packet are what scapy makes."""
    again = IP(bytes(packet)[:packet.len])
    found = (again.chksum, again[TCP].chksum)
    del again.chksum
    del again[TCP].chksum
    again = IP(bytes(again))
    return found == (again.chksum, again[TCP].chksum)
