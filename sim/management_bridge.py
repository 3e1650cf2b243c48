"""A UDP socket on loopback that reaches the management port of a simulated appliance.

What a board gets over Ethernet, the simulated appliance gets over this: the payload of each
datagram is put into a frame with headers and checksums, and taken out of the answers' frames. So
the same transport reaches either.

Ref: RFC 768, 791; docs/management-protocol.md.
"""

import contextlib
import select
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from proto.management_registers import DEFAULT_ADDRESS, DEFAULT_MAC
from proto.wire import ethernet
from proto.wire.ethernet import EtherType, IpProtocol
from proto.wire.management import MAXIMUM_BYTES, UDP_PORT
from sim.exchange.packets import Endpoint, udp_frame
from sim.framing import checksum

__all__ = ["ManagementBridge"]

#: Source of the frames: a locally administered address.
_HOST_MAC = 0x020000000002
_IP, _UDP = ethernet.MAC.size, ethernet.MAC.size + ethernet.IPV4.size
_PAYLOAD = _UDP + ethernet.UDP.size
_GOOD_SUM = 0
#: Largest payload that goes into a frame.
_LARGEST_BYTES = 1500 - ethernet.IPV4.size - ethernet.UDP.size


class ManagementBridge:
    """Turn datagrams into frames for the management line, and frames into datagrams.

    Peers keep their own addresses and ports in the frames, so the appliance tells them apart as it
    does on a network. Frames that hold no datagram of the appliance, ARP for example, are dropped,
    and so is a frame with a wrong checksum: it is counted.

    Parameters
    ----------
    host : str
        IPv4 address to listen at.
    port : int
        UDP port to listen at; 0 takes a free one.
    mac, address, udp_port : int
        Addresses of the appliance on its side.

    Attributes
    ----------
    sent, received : int
        Frames given to, datagrams taken from the appliance.
    bad : int
        Frames of the appliance with a wrong checksum.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, mac: int = DEFAULT_MAC,
                 address: int = DEFAULT_ADDRESS, udp_port: int = UDP_PORT) -> None:
        self._appliance = Endpoint(mac, address, udp_port)
        self.sent = 0
        self.received = 0
        self.bad = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """Return this bridge; leaving the block closes the socket."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the socket."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The UDP port to which a control plane connects."""
        return int(self._socket.getsockname()[1])

    def wait(self, seconds: float) -> bool:
        """Wait until a datagram is there, for some time at most; return whether one is."""
        return bool(select.select([self], [], [], seconds)[0])

    def frames(self) -> list[bytes]:
        """Return what has come since the last call, as frames without FCS."""
        frames: list[bytes] = []
        while True:
            try:
                payload, (host, port) = self._socket.recvfrom(_LARGEST_BYTES + 1)
            except BlockingIOError:
                self.sent += len(frames)
                return frames
            except ConnectionError:
                continue  # a peer that has gone; what was sent to it is lost, as on a network
            if len(payload) <= _LARGEST_BYTES:
                source = Endpoint(_HOST_MAC, int.from_bytes(socket.inet_aton(host), "big"), port)
                frames.append(udp_frame(source, self._appliance, payload))

    def deliver(self, frames: Iterable[bytes]) -> None:
        """Send the datagrams in frames of the appliance, with FCS, to whom they are for."""
        for frame in frames:
            found = self._datagram(frame)
            if found is None:
                continue
            payload, host, port = found
            self.received += 1
            # The peer may have gone, or its buffer be full: then it is lost, as on a network.
            with contextlib.suppress(OSError):
                self._socket.sendto(payload, (host, port))

    def _datagram(self, frame: bytes) -> tuple[bytes, str, int] | None:
        """Return payload and receiver of a frame, if it is a datagram of the appliance."""
        if len(frame) < _PAYLOAD + ethernet.FCS_BYTES:
            return None
        link = ethernet.MAC.decode_from(frame)
        ip = ethernet.IPV4.decode_from(frame, _IP)
        udp = ethernet.UDP.decode_from(frame, _UDP)
        if (link["ethertype"] != EtherType.IPV4 or ip["protocol"] != IpProtocol.UDP
                or udp["source_port"] != self._appliance.port):
            return None
        length = udp["length"]
        assert isinstance(length, int)
        datagram = frame[_UDP:_UDP + length]
        addresses = frame[_IP + ethernet.IPV4.field("source_address").offset:_UDP]
        pseudo = addresses + bytes([0, IpProtocol.UDP]) + length.to_bytes(2, "big")
        if (len(datagram) != length or length > ethernet.UDP.size + MAXIMUM_BYTES
                or checksum(frame[_IP:_UDP]) != _GOOD_SUM
                or checksum(pseudo + datagram) != _GOOD_SUM):
            self.bad += 1
            return None
        port = udp["destination_port"]
        assert isinstance(port, int)
        return datagram[ethernet.UDP.size:], socket.inet_ntoa(addresses[4:]), port
