"""The feed handler in plain Python: what the gateware has to make of a list of datagrams."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

__all__ = ["AdminRow", "DecodedMessage", "FeedModel", "OperationRow", "Packet", "RecordedRow",
           "split_packet"]

_END_OF_SESSION = 0xFFFF
_HEADER_BYTES = 20


@dataclass(frozen=True)
class Packet:
    """The header of a MoldUDP64 packet and the messages that could be cut out of it.

    Attributes
    ----------
    session : bytes
        Ten characters.
    sequence : int
        Number of the first message, or of the next one to come.
    count : int
        As sent: 0 for a heartbeat, 65535 at the end of the session.
    messages : tuple of bytes
        Whole messages, up to the first thing that does not fit.
    malformed : bool
        Whether something did not fit.
    """

    session: bytes
    sequence: int
    count: int
    messages: tuple[bytes, ...]
    malformed: bool


def split_packet(payload: bytes, *, cut: bool = False) -> Packet | None:
    """Return the packet in a UDP payload, or None if it is too short for a header.

    `cut` says that the frame ended before the payload did: what is there is used, but even a
    packet that looks whole is malformed.
    """
    if len(payload) < _HEADER_BYTES:
        return None
    session, sequence, count = struct.unpack(">10sQH", payload[:_HEADER_BYTES])
    if count in (0, _END_OF_SESSION):
        return Packet(session, sequence, count, (), False)
    messages: list[bytes] = []
    place = _HEADER_BYTES
    while len(messages) < count:
        if place + 2 > len(payload):
            return Packet(session, sequence, count, tuple(messages), True)
        (length,) = struct.unpack(">H", payload[place:place + 2])
        if place + 2 + length > len(payload):
            return Packet(session, sequence, count, tuple(messages), True)
        messages.append(payload[place + 2:place + 2 + length])
        place += 2 + length
    return Packet(session, sequence, count, tuple(messages), cut or place != len(payload))


@dataclass(frozen=True)
class DecodedMessage:
    """One message as it leaves the framing."""

    sequence: int
    accept: bool
    content: bytes


@dataclass(frozen=True)
class OperationRow:
    """What a message does to the book; fields that its kind does not have are None.

    ``hidden_trades`` counts the trades of hidden orders (P) of its symbol since the row before.
    """

    kind: str
    symbol_index: int
    sequence: int
    timestamp_ns: int
    locate: int
    message_type: str
    reference: int
    new_reference: int | None = None
    side: str | None = None
    shares: int | None = None
    price: int | None = None
    execution: bool = False
    hidden_trades: int = 0


@dataclass(frozen=True)
class AdminRow:
    """What a message says of trading state."""

    kind: str
    symbol_index: int | None
    sequence: int
    code: int | None = None
    market: int | None = None


@dataclass(frozen=True)
class RecordedRow:
    """A message that is recorded as it came."""

    sequence: int
    symbol_index: int | None
    content: bytes


#: Lengths of the messages, typed from the fact sheet's summary.
_LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21,
    "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19,
    "I": 50, "N": 20, "O": 48,
}


@dataclass
class FeedModel:
    """Follow one session and decode what concerns watched symbols.

    Attributes
    ----------
    session : bytes or None
        Session to follow; None takes that of the first packet.
    sequence_learn : bool
        Whether the first packet's number is the expected one.
    lenient : bool
        A packet with number 0, which no session has, is the next one, of whatever session.
    stocks : dict of str to int
        Symbol index by stock name; its locate is learnt from the directory.
    locates : dict of int to int
        Symbol index by stock locate.
    record_types : str
        Types of messages to record: those of watched symbols and of the whole market.
    record_all : bool
        Also those of other symbols.
    next_sequence : int
        Number expected next.
    stale : bool
        Messages were lost, or cannot be read: every book is stale until it is reset.
    counts : dict of str to int
        How often each thing happened.
    messages, operations, admin, recorded : list
        What came out, in order.
    """

    session: bytes | None = None
    sequence_learn: bool = False
    lenient: bool = False
    stocks: dict[str, int] = field(default_factory=dict[str, int])
    locates: dict[int, int] = field(default_factory=dict[int, int])
    record_types: str = ""
    record_all: bool = False
    next_sequence: int = 1
    stale: bool = False
    counts: dict[str, int] = field(default_factory=dict[str, int])
    messages: list[DecodedMessage] = field(default_factory=list[DecodedMessage])
    operations: list[OperationRow] = field(default_factory=list[OperationRow])
    admin: list[AdminRow] = field(default_factory=list[AdminRow])
    recorded: list[RecordedRow] = field(default_factory=list[RecordedRow])
    _started: bool = False
    _hidden_trades: dict[int, int] = field(default_factory=dict[int, int])

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a count."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def packets(self, payloads: Iterable[bytes]) -> None:
        """Take UDP payloads in order of arrival."""
        for payload in payloads:
            self.packet(payload)

    def packet(self, payload: bytes, *, cut: bool = False) -> None:
        """Take one UDP payload."""
        packet = split_packet(payload, cut=cut)
        if packet is None:      # of no session: if it lost anything, the next number shows it
            self.count("malformed")
            return
        if self.lenient and packet.sequence == 0:
            self.count("unnumbered")
            self._packet_of_session(replace(packet, sequence=self.next_sequence))
            return
        if self.session is None:
            self.session = packet.session
        if packet.session != self.session:
            self.count("foreign_session")
            for content in packet.messages:
                self.messages.append(DecodedMessage(0, False, content))
            return
        self._packet_of_session(packet)

    def _packet_of_session(self, packet: Packet) -> None:
        self.count("packets")
        if packet.malformed:
            self.count("malformed")
            self.stale = True
        if packet.count == 0:
            self.count("heartbeats")
        if packet.count == _END_OF_SESSION:
            self.count("end_of_session")
        number = 0 if packet.count == _END_OF_SESSION else packet.count
        if not self._started and self.sequence_learn:
            self.next_sequence = packet.sequence
        self._started = True
        expected = self.next_sequence
        if packet.sequence > expected:
            self.count("gaps")
            self.stale = True
            self.count("gap_messages", min(packet.sequence - expected, 0xFFFF_FFFF))
            expected = packet.sequence
        elif packet.sequence < expected and number:
            self.count("duplicates")
            if packet.sequence + number > expected:
                self.count("overlaps")
        self.next_sequence = max(expected, packet.sequence + number)
        for place, content in enumerate(packet.messages):
            message = DecodedMessage(packet.sequence + place, packet.sequence + place >= expected,
                                     content)
            self.messages.append(message)
            self.count("messages")
            if message.accept:
                self._decode(message)
            else:
                self.count("duplicate_messages")

    def _decode(self, message: DecodedMessage) -> None:
        content = message.content
        kind = chr(content[0]) if content else ""
        if kind not in _LENGTHS:
            self.count("unknown_type")
            return
        if len(content) != _LENGTHS[kind]:
            self.count("bad_length")
            self.stale = True
            return
        (locate,) = struct.unpack_from(">H", content, 1)
        timestamp = int.from_bytes(content[5:11], "big")
        symbol = self.locates.get(locate)
        if kind in self.record_types and (symbol is not None or kind in "SVW" or self.record_all):
            self.count("recorded")
            self.recorded.append(RecordedRow(message.sequence, symbol, content))
        if kind in "AFECXDU":
            if symbol is None:
                self.count("unwatched")
                return
            self.count("operations")
            row = self._operation(message, kind, symbol, locate, timestamp)
            self.operations.append(replace(row, hidden_trades=self._hidden_trades.pop(symbol, 0)))
        elif kind == "P" and symbol is not None:
            self._hidden_trades[symbol] = self._hidden_trades.get(symbol, 0) + 1
        elif kind in "SW":
            self.count("admin")
            name = {"S": "SYSTEM_EVENT", "W": "MWCB_STATUS"}[kind]
            self.admin.append(AdminRow(name, None, message.sequence, content[11]))
        elif kind == "R":
            self._directory(message, locate)
        elif kind in "HhY":
            if symbol is None:
                self.count("unwatched")
                return
            self.count("admin")
            if kind == "h":
                row = AdminRow("OPERATIONAL_HALT", symbol, message.sequence, content[20],
                               content[19])
            else:
                name = {"H": "TRADING_ACTION", "Y": "REG_SHO"}[kind]
                row = AdminRow(name, symbol, message.sequence, content[19])
            self.admin.append(row)

    def _directory(self, message: DecodedMessage, locate: int) -> None:
        stock = message.content[11:19].decode("latin-1").rstrip(" ")
        if stock not in self.stocks:
            self.count("unwatched")
            return
        symbol = self.stocks[stock]
        self.locates = {known: index for known, index in self.locates.items() if index != symbol}
        self.locates[locate] = symbol
        self.count("admin")
        self.admin.append(AdminRow("DIRECTORY", symbol, message.sequence))

    @staticmethod
    def _operation(message: DecodedMessage, kind: str, symbol: int, locate: int,
                   timestamp: int) -> OperationRow:
        content = message.content
        (reference,) = struct.unpack_from(">Q", content, 11)
        common = (symbol, message.sequence, timestamp, locate, kind, reference)
        if kind in "AF":
            shares, = struct.unpack_from(">I", content, 20)
            price, = struct.unpack_from(">I", content, 32)
            return OperationRow("ADD", *common, side="BUY" if content[19:20] == b"B" else "SELL",
                                shares=shares, price=price)
        if kind in "ECX":
            shares, = struct.unpack_from(">I", content, 19)
            return OperationRow("REDUCE", *common, shares=shares, execution=kind != "X")
        if kind == "D":
            return OperationRow("DELETE", *common)
        new, shares, price = struct.unpack_from(">QII", content, 19)
        return OperationRow("REPLACE", *common, new_reference=new, shares=shares, price=price)
