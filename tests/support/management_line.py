"""A host on the line of a management port; its frames are made and checked by scapy."""

from dataclasses import dataclass

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from proto.management_registers import DEFAULT_ADDRESS, DEFAULT_MAC
from proto.wire.management import HEADER, MAGIC, UDP_PORT, VERSION

__all__ = [
    "APPLIANCE_ADDRESS", "APPLIANCE_MAC", "HOSTS", "Host", "arp_request", "datagram", "frame",
    "payload_of",
]

APPLIANCE_MAC = DEFAULT_MAC.to_bytes(6, "big").hex(":")
APPLIANCE_ADDRESS = ".".join(map(str, DEFAULT_ADDRESS.to_bytes(4, "big")))


@dataclass(frozen=True)
class Host:
    """Whom a frame comes from."""

    mac: str
    address: str
    port: int


#: The first two differ by their port alone, the third by its address.
HOSTS = (Host("02:00:00:00:00:71", "192.168.1.2", 5000), Host("02:00:00:00:00:71", "192.168.1.2",
                                                             5001),
         Host("02:00:00:00:00:73", "192.168.1.3", 5000))


def datagram(kind: int, *, session: int = 0, sequence: int = 0, count: int = 0, body: bytes = b"",
             magic: int = MAGIC, version: int = VERSION, status: int = 0) -> bytes:
    """Return a datagram of the protocol."""
    return HEADER.encode({"magic": magic, "version": version, "kind": kind, "status": status,
                          "count": count, "session": session, "sequence": sequence}) + body


def frame(payload: bytes, host: Host, *, mac: str = APPLIANCE_MAC, port: int = UDP_PORT,
          address: str = APPLIANCE_ADDRESS, **udp) -> bytes:
    """Return a frame with a datagram, padded, without FCS."""
    packet = (Ether(dst=mac, src=host.mac) / IP(src=host.address, dst=address)
              / UDP(sport=host.port, dport=port, **udp) / payload)
    return bytes(packet).ljust(60, b"\0")


def arp_request(host: Host, address: str = APPLIANCE_ADDRESS) -> bytes:
    """Return a frame that asks for the MAC address of `address`."""
    return bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=host.mac) / ARP(
        op="who-has", hwsrc=host.mac, psrc=host.address, pdst=address)).ljust(60, b"\0")


def payload_of(received: bytes) -> tuple[bytes, Host]:
    """Return the payload of a frame with its FCS, and to whom it goes; its headers are checked."""
    packet = Ether(received[:-4])
    assert packet.src == APPLIANCE_MAC
    assert (packet[IP].src, packet[UDP].sport) == (APPLIANCE_ADDRESS, UDP_PORT)
    again = packet.copy()
    del again[IP].chksum, again[UDP].chksum, again[IP].len, again[UDP].len
    assert bytes(Ether(bytes(again)))[:len(received) - 4] == received[:-4]
    length = packet[UDP].len - 8
    assert len(received) == max(64, 42 + length + 4)
    return (received[42:42 + length],
            Host(packet.dst, packet[IP].dst, packet[UDP].dport))
