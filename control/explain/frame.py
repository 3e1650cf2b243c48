"""The bytes of a frame, field by field, by the tables of :mod:`proto.wire`."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from control.explain.history import LineFrame
from control.units import format_ipv4, format_mac, format_price
from proto.wire import ethernet, ouch50, soupbintcp
from proto.wire.ethernet import EtherType, IpProtocol, TcpFlag
from proto.wire.message import Code, Field, Message, Value

__all__ = ["FrameField", "decode_frame", "shown"]

_IP = ethernet.MAC.size
_TCP = _IP + ethernet.IPV4.size
_PAYLOAD = _TCP + ethernet.TCP.size
_PRICE_UNIT = "1e-4 USD"
#: What the sum of a header and its checksum must be.
_ALL_ONES = 0xFFFF


@dataclass(frozen=True, kw_only=True)
class FrameField:
    """Some bytes of a frame.

    Attributes
    ----------
    offset : int
        From the destination address on.
    layer : str
        What they belong to.
    name : str
        In the specification.
    raw : bytes
        As they are.
    value : int or str
        Decoded.
    text : str
        For people.
    """

    offset: int
    layer: str
    name: str
    raw: bytes
    value: int | str
    text: str


def shown(field: Field, value: Value) -> str:
    """Return a value of a table's field for people."""
    if isinstance(value, Code):
        return f"{value.value!r} {value.name.lower().replace('_', ' ')}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return repr(value)
    if field.unit == _PRICE_UNIT:
        return f"{format_price(value)} USD"
    return f"{value:,}" + (f" {field.unit}" if field.unit else "")


def _sum(content: bytes) -> int:
    """Return the ones' complement sum of 16-bit words."""
    padded = content + bytes(len(content) % 2)
    total = sum(int.from_bytes(padded[at:at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & _ALL_ONES) + (total >> 16)
    return total


def _flags(value: int) -> str:
    return " ".join(flag.name or "" for flag in TcpFlag if value & flag) or "none"


_ETHERNET: dict[str, Callable[[int], str]] = {
    "destination": format_mac, "source": format_mac,
    "ethertype": lambda value: EtherType(value).name if value in list(EtherType) else hex(value),
}
_IPV4: dict[str, Callable[[int], str]] = {
    "version_ihl": lambda value: f"version {value >> 4}, header {4 * (value & 15)} bytes",
    "source_address": format_ipv4, "destination_address": format_ipv4,
    "flags_fragment_offset": lambda value: "may not be fragmented" if value == (
        ethernet.Ipv4Flag.DONT_FRAGMENT) else f"{value:#06x}",
    "protocol": lambda value: IpProtocol(value).name if value in list(IpProtocol) else str(value),
}
_TCP_TEXT: dict[str, Callable[[int], str]] = {
    "source_port": str, "destination_port": str,
    "data_offset": lambda value: f"header {4 * (value >> 4)} bytes", "flags": _flags,
}


class _Decoder:
    """Where in a frame the decoding has come to."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0
        self.fields: list[FrameField] = []

    def table(self, layer: str, message: Message,
              texts: dict[str, Callable[[int], str]] | None = None) -> dict[str, Value]:
        """Take the fields of a table."""
        values = message.decode_from(self.content, self.at)
        for field in message:
            value = values[field.name]
            special = (texts or {}).get(field.name)
            text = special(value) if special and isinstance(value, int) else shown(field, value)
            self.put(layer, field.name, field.size, value, text)
        return values

    def put(self, layer: str, name: str, size: int, value: Value, text: str) -> None:
        """Take one field."""
        raw = self.content[self.at:self.at + size]
        plain = value.hex() if isinstance(value, bytes) else (
            value.value if isinstance(value, Code) else value)
        self.fields.append(FrameField(offset=self.at, layer=layer, name=name, raw=raw, value=plain,
                                      text=text))
        self.at += size

    def rest(self, layer: str, name: str) -> None:
        """Take what is left."""
        if self.at < len(self.content):
            raw = self.content[self.at:]
            self.put(layer, name, len(raw), raw, raw.hex())


def _checksum(summed: bytes) -> Callable[[int], str]:
    """Return what says of a checksum whether it is good, given all that it is the sum of."""
    outcome = "good" if _sum(summed) == _ALL_ONES else "WRONG"

    def text(value: int) -> str:
        return f"{value:#06x}, {outcome}"

    return text


def _segment(content: bytes) -> bytes:
    """Return the pseudo header of a TCP segment, and the segment."""
    addresses = content[_IP + ethernet.IPV4.field("source_address").offset:_TCP]
    segment = content[_TCP:]
    return addresses + bytes([0, IpProtocol.TCP]) + len(segment).to_bytes(2, "big") + segment


def _packets(decoder: _Decoder) -> None:
    """Take the SoupBinTCP packets of a client, and the OUCH messages in them."""
    content = decoder.content
    while decoder.at + soupbintcp.HEADER.size <= len(content):
        head = soupbintcp.HEADER.decode_from(content, decoder.at)
        length, kind = head["packet_length"], head["packet_type"]
        assert isinstance(length, int) and isinstance(kind, int)
        end = decoder.at + soupbintcp.LENGTH_BYTES + length
        packet = soupbintcp.CLIENT_PACKETS.get(kind)
        if packet is None or end > len(content):
            return
        decoder.table("SoupBinTCP", packet)
        if packet is soupbintcp.UNSEQUENCED_DATA and decoder.at < end:
            _message(decoder, end)


def _message(decoder: _Decoder, end: int) -> None:
    message = ouch50.INBOUND.get(decoder.content[decoder.at])
    if message is None or decoder.at + message.layout.size > end:
        decoder.put("OUCH", "unknown", end - decoder.at, decoder.content[decoder.at:end],
                    "of a type that no table has")
        return
    decoder.table("OUCH", message.layout)
    if decoder.at + ouch50.APPENDAGE_LENGTH.size <= end:
        size = ouch50.APPENDAGE_LENGTH.size
        length = int.from_bytes(decoder.content[decoder.at:decoder.at + size], "big")
        decoder.put("OUCH", ouch50.APPENDAGE_LENGTH.name, size, length, f"{length} bytes")
        options = decoder.content[decoder.at:end]
        texts = ", ".join(f"{name} {value!r}"
                          for name, value in ouch50.decode_options(options).items())
        if options:
            decoder.put("OUCH", "options", len(options), options, texts)


def decode_frame(frame: LineFrame) -> list[FrameField]:
    """Return every byte of a frame of the order line, in order: each is in one field."""
    decoder = _Decoder(frame.content)
    link = decoder.table("Ethernet", ethernet.MAC, _ETHERNET)
    if link["ethertype"] == EtherType.ARP:
        decoder.table("ARP", ethernet.ARP)
    elif link["ethertype"] == EtherType.IPV4:
        length = ethernet.IPV4.decode_from(frame.content, _IP)["total_length"]
        assert isinstance(length, int)
        decoder.content = frame.content[:_IP + length]
        ip = decoder.table("IPv4", ethernet.IPV4, _IPV4 | {
            "header_checksum": _checksum(decoder.content[_IP:_TCP])})
        if ip["protocol"] == IpProtocol.TCP:
            tcp = decoder.table("TCP", ethernet.TCP, _TCP_TEXT | {
                "checksum": _checksum(_segment(decoder.content))})
            options = 4 * (int(tcp["data_offset"]) >> 4) - ethernet.TCP.size
            if options:
                raw = decoder.content[decoder.at:decoder.at + options]
                decoder.put("TCP", "options", options, raw, raw.hex())
            _packets(decoder)
        decoder.rest("IPv4", "payload")
        decoder.content = frame.content
    decoder.rest("Ethernet", "padding")
    if frame.fcs:
        good = zlib.crc32(frame.content) == int.from_bytes(frame.fcs, "little")
        value = int.from_bytes(frame.fcs, "little")
        decoder.content += frame.fcs
        decoder.put("Ethernet", "frame_check_sequence", ethernet.FCS_BYTES, value,
                    f"{value:#010x}, {'good' if good else 'WRONG'}")
    return decoder.fields
