"""Look through a capture before it is replayed: symbols, grids of prices, where it was sent."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from proto.wire import itch50
from proto.wire.message import Message
from sim.captures import Capture
from sim.framing import FeedAddress
from sim.packets import Packet, Stream, packet_of, timestamp_of

__all__ = ["LARGEST_TICK", "Packet", "Prescan", "SymbolInfo", "packet_of", "prescan"]

#: Largest tick size that the appliance takes, in 1e-4 USD, and the one tried if a grid is coarser.
LARGEST_TICK = 65535
_COARSE_TICK = 10000

_ADDS = {ord("A"): itch50.ADD_ORDER, ord("F"): itch50.ADD_ORDER_MPID}
_PRICED: dict[int, Message] = {**_ADDS, ord("U"): itch50.ORDER_REPLACE}
_NAMED: dict[int, Message] = {**_ADDS, ord("R"): itch50.STOCK_DIRECTORY}
_TIMESTAMP = itch50.HEADER.field("timestamp").span
_LOCATE = itch50.HEADER.field("stock_locate").span

#: Records between two calls of who wants to know how far it is.
_LOOK_RECORDS = 8192

Looked = Callable[[int, float], None]


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


@dataclass
class Prescan:
    """What was found of one stream in a capture.

    Attributes
    ----------
    symbols : dict of int to SymbolInfo
        Every locate that has a name or a price.
    records, messages : int
        Frames or messages that were looked at, and feed messages of the stream in them.
    address : FeedAddress or None
        Of frames, where the stream was sent; None if there is no stream.
    packets, other_packets : int
        Packets of the stream, and of others.
    first_sequence : int
        Sequence number of its first packet.
    skipped : int
        Messages that a packet jumped over: lost on this line, or late.
    first_ns, last_ns : int
        When its first and its last packet were captured.
    """

    symbols: dict[int, SymbolInfo] = field(default_factory=dict[int, SymbolInfo])
    records: int = 0
    messages: int = 0
    address: FeedAddress | None = None
    packets: int = 0
    other_packets: int = 0
    first_sequence: int = 1
    skipped: int = 0
    first_ns: int = 0
    last_ns: int = 0
    _next_sequence: int = 0

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

    def note_packet(self, packet: Packet, captured_ns: int) -> None:
        """Take in one packet of the stream."""
        if self.address is None:
            self.address = packet.address
            self.first_sequence = self._next_sequence = packet.sequence
            self.first_ns = captured_ns
        self.packets += 1
        self.last_ns = captured_ns
        self.skipped += max(0, packet.sequence - self._next_sequence)
        self._next_sequence = max(self._next_sequence, packet.sequence + len(packet.messages))
        for message in packet.messages:
            self.note(message)

    def take_symbols(self, other: "Prescan") -> None:
        """Take in what another line of the same feed shows of symbols."""
        for locate, theirs in other.symbols.items():
            ours = self.symbols.setdefault(locate, SymbolInfo(locate))
            ours.stock = ours.stock or theirs.stock
            ours.adds += theirs.adds
            ours.grid = math.gcd(ours.grid, theirs.grid)


def _most(streams: Iterable[Stream], found: dict[Stream, Prescan]) -> Stream | None:
    """Return the stream with the most packets, the first of those with equally many."""
    return max(streams, key=lambda stream: found[stream].packets, default=None)


def prescan(capture: Capture, *, until_ns: int | None = None, second_of: FeedAddress | None = None,
            looked: Looked | None = None) -> Prescan:
    """Look through a capture, and choose the stream with the most packets.

    Parameters
    ----------
    capture : Capture
        What to look through.
    until_ns : int, optional
        Exchange time, ns since midnight; what comes from the first message of that time on is not
        taken in.
    second_of : FeedAddress, optional
        Choose a second line of this feed: a stream with the same session, and if there is one, with
        another destination.
    looked : callable, optional
        Called now and then with records so far, and how much of the file that is, from 0 to 1.

    Raises
    ------
    CaptureError
        If the file is not what it should be.
    """
    if capture.kind == "itch":
        return _prescan_messages(capture, until_ns, looked)
    found: dict[Stream, Prescan] = {}
    ended: set[Stream] = set()
    records = 0
    for records, record in enumerate(capture.records(), start=1):
        if looked is not None and records % _LOOK_RECORDS == 0:
            looked(records, capture.fraction)
        packet = None if record.sliced else packet_of(record.data)
        if packet is None:
            continue
        stream = packet.stream
        if until_ns is not None and (stream in ended or timestamp_of(packet) >= until_ns):
            ended.add(stream)
            if stream == _most(found, found):
                break
        else:
            found.setdefault(stream, Prescan()).note_packet(packet, record.captured_ns)
    chosen = _most(found, found) if second_of is None else _second(found, second_of)
    result = Prescan() if chosen is None else found[chosen]
    result.records = records
    result.other_packets = sum(other.packets for other in found.values()) - result.packets
    return result


def _second(found: dict[Stream, Prescan], first: FeedAddress) -> Stream | None:
    same = [stream for stream in found if stream.session == first.session]
    destination = first.group_ip, first.udp_port
    elsewhere = [item for item in same if (item.group_ip, item.udp_port) != destination]
    return _most(elsewhere or same, found)


def _prescan_messages(capture: Capture, until_ns: int | None, looked: Looked | None) -> Prescan:
    found = Prescan()
    for record in capture.records():
        if until_ns is not None and int.from_bytes(record.data[_TIMESTAMP], "big") >= until_ns:
            break
        found.records += 1
        found.note(record.data)
        if looked is not None and found.records % _LOOK_RECORDS == 0:
            looked(found.records, capture.fraction)
    return found
