"""Look through a capture before it is replayed: symbols, grids of prices, where it was sent."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from proto.wire import ethernet, itch50, moldudp64
from proto.wire.message import Message
from sim.captures import Capture
from sim.framing import FeedAddress

__all__ = ["LARGEST_TICK", "Packet", "Prescan", "SymbolInfo", "packet_of", "prescan"]

#: Largest tick size that the appliance takes, in 1e-4 USD, and the one tried if a grid is coarser.
LARGEST_TICK = 65535
_COARSE_TICK = 10000

_ADDS = {ord("A"): itch50.ADD_ORDER, ord("F"): itch50.ADD_ORDER_MPID}
_PRICED: dict[int, Message] = {**_ADDS, ord("U"): itch50.ORDER_REPLACE}
_NAMED: dict[int, Message] = {**_ADDS, ord("R"): itch50.STOCK_DIRECTORY}
_LOCATE = itch50.HEADER.field("stock_locate").span


@dataclass
class SymbolInfo:
    """What a capture shows of one locate.

    Attributes
    ----------
    locate : int
        Stock locate.
    stock : str
        Symbol, or empty if no message names it.
    adds : int
        Orders added.
    grid : int
        Greatest common divisor of all its prices, in 1e-4 USD.
    """

    locate: int
    stock: str = ""
    adds: int = 0
    grid: int = 0

    @property
    def tick_size(self) -> int:
        """Tick size that every price is a multiple of."""
        if self.grid == 0:
            return 1
        return self.grid if self.grid <= LARGEST_TICK else math.gcd(self.grid, _COARSE_TICK)


@dataclass(frozen=True)
class Packet:
    """A MoldUDP64 packet found in a frame."""

    address: FeedAddress
    sequence: int
    count: int
    messages: tuple[bytes, ...]


@dataclass
class Prescan:
    """What was found in a capture.

    Attributes
    ----------
    symbols : dict of int to SymbolInfo
        Every locate that has a name or a price.
    records, messages : int
        Frames or messages of the file, and feed messages in them.
    address : FeedAddress or None
        Of a pcap, where most of its packets were sent; None if it has none.
    other_packets : int
        Packets sent elsewhere or of another session.
    first_sequence : int
        Sequence number of the first packet of that stream.
    """

    symbols: dict[int, SymbolInfo] = field(default_factory=dict[int, SymbolInfo])
    records: int = 0
    messages: int = 0
    address: FeedAddress | None = None
    other_packets: int = 0
    first_sequence: int = 1

    def with_books(self) -> list[SymbolInfo]:
        """Return the locates that can have a book, in order: those with orders added."""
        return [info for _, info in sorted(self.symbols.items()) if info.adds]

    def note(self, message: bytes) -> None:
        """Take in one feed message."""
        self.messages += 1
        kind = message[0] if message else 0
        table = _PRICED.get(kind) or _NAMED.get(kind)
        if table is None or len(message) != table.size:
            return
        locate = int.from_bytes(message[_LOCATE], "big")
        info = self.symbols.setdefault(locate, SymbolInfo(locate))
        if kind in _PRICED:
            price = int.from_bytes(message[table.field("price").span], "big")
            info.grid = math.gcd(info.grid, price)
        if kind in _ADDS:
            info.adds += 1
        if kind in _NAMED and not info.stock:
            info.stock = message[table.field("stock").span].decode("latin-1").rstrip()


def packet_of(frame: bytes) -> Packet | None:
    """Return the MoldUDP64 packet of a frame, or None if it holds none that is well formed.

    Addresses, checksums, session and sequence are not judged: the appliance does that.
    """
    at = ethernet.MAC.field("ethertype").offset
    vlan = None
    tags = (ethernet.EtherType.VLAN, ethernet.EtherType.VLAN_OUTER)
    while (ethertype := int.from_bytes(frame[at:at + 2], "big")) in tags:
        vlan = int.from_bytes(frame[at + 2:at + 4], "big")
        at += ethernet.VLAN_TAG.size
    ip = at + 2
    udp = ip + ethernet.IPV4.size
    mold = udp + ethernet.UDP.size
    blocks = mold + moldudp64.HEADER.size
    if ethertype != ethernet.EtherType.IPV4 or len(frame) < blocks:
        return None
    ip_header = ethernet.IPV4.decode_from(frame, ip)
    udp_header = ethernet.UDP.decode_from(frame, udp)
    header = moldudp64.HEADER.decode_from(frame, mold)
    if ip_header["version_ihl"] != 0x45 or ip_header["protocol"] != ethernet.IpProtocol.UDP:
        return None
    count = int(header["message_count"])
    wanted = 0 if count == moldudp64.END_OF_SESSION else count
    messages: list[bytes] = []
    end = udp + int(udp_header["length"])
    at = blocks
    while len(messages) < wanted and at + moldudp64.BLOCK.size <= min(end, len(frame)):
        length = int.from_bytes(frame[at:at + moldudp64.BLOCK.size], "big")
        at += moldudp64.BLOCK.size
        messages.append(frame[at:at + length])
        at += length
    if len(messages) != wanted or at != end or end > len(frame):
        return None
    session = frame[mold:mold + moldudp64.HEADER.field("session").size].decode("latin-1")
    address = FeedAddress(
        session=session, vlan=vlan, group_ip=int(ip_header["destination_address"]),
        source_ip=int(ip_header["source_address"]), udp_port=int(udp_header["destination_port"]),
        source_port=int(udp_header["source_port"]))
    return Packet(address, int(header["sequence_number"]), count, tuple(messages))


def _stream(packet: Packet) -> tuple[int, int, str]:
    return packet.address.group_ip, packet.address.udp_port, packet.address.session


def _packets(capture: Capture) -> Iterator[Packet | None]:
    for record in capture.records():
        yield None if record.sliced else packet_of(record.data)


def prescan(capture: Capture) -> Prescan:
    """Look through a whole capture.

    Raises
    ------
    CaptureError
        If the file is not what it should be.
    """
    found = Prescan()
    if capture.kind == "itch":
        for record in capture.records():
            found.records += 1
            found.note(record.data)
        return found
    streams = Counter(_stream(packet) for packet in _packets(capture) if packet is not None)
    chosen = streams.most_common(1)[0][0] if streams else None
    for packet in _packets(capture):
        found.records += 1
        if packet is None:
            continue
        if _stream(packet) != chosen:
            found.other_packets += 1
            continue
        if found.address is None:
            found.address = packet.address
            found.first_sequence = packet.sequence
        for message in packet.messages:
            found.note(message)
    return found
