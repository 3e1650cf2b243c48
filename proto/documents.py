"""Markdown printed from the tables: messages, registers and events."""

from collections.abc import Callable, Iterable
from enum import IntEnum, IntFlag

from proto import events, features, registers
from proto.dissector import wireshark_dissector
from proto.wire import ethernet, itch50, moldudp64, ouch50, ouch50_codes, soupbintcp
from proto.wire.message import Code, Field, Message

__all__ = ["DOCUMENTS", "events_document", "features_document", "messages_document",
           "registers_document"]

#: Symbols of the map that is printed; only the length of the array depends on it.
_SYMBOLS = 16

_NETWORK = (ethernet.MAC, ethernet.VLAN_TAG, ethernet.ARP, ethernet.IPV4, ethernet.ROUTER_ALERT,
            ethernet.ICMP_ECHO, ethernet.IGMP, ethernet.IGMP_REPORT, ethernet.IGMP_RECORD,
            ethernet.UDP, ethernet.TCP)
_MOLD = (moldudp64.HEADER, moldudp64.BLOCK, moldudp64.REQUEST)


def _notice(source: str) -> str:
    return f"<!-- generated from {source} by `make generate`, do not edit -->\n"


def _table(header: str, rows: Iterable[tuple[object, ...]]) -> str:
    columns = header.split("|")
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def _codes(codes: type[Code]) -> str:
    return ", ".join(f"`{member.value}` {member.name.lower().replace('_', ' ')}"
                     for member in codes)


def _meaning(field: Field) -> str:
    parts = [field.unit, field.description, _codes(field.codes) if field.codes else ""]
    return "; ".join(part for part in parts if part)


def _fields(message: Message) -> str:
    return _table("Offset|Bytes|Field|Kind|Meaning", (
        (field.offset, field.size, f"`{field.name}`", field.kind.value, _meaning(field))
        for field in message))


def _message(message: Message) -> str:
    kind = "" if message.type is None else f" `{message.type.decode('latin-1')}`"
    return (f"### {message.name}{kind}, {message.size} bytes\n\n{message.source}\n\n"
            f"{_fields(message)}")


def _ouch(message: ouch50.OuchMessage) -> str:
    allowed = ", ".join(f"`{name}`" for name in sorted(message.options)) or "none"
    length = {
        ouch50.Appendage.REQUIRED: "`appendage_length` (2 bytes) follows always.",
        ouch50.Appendage.OPTIONAL: "`appendage_length` (2 bytes) follows, or nothing.",
        ouch50.Appendage.NONE: "Nothing follows.",
    }[message.appendage]
    return f"{_message(message.layout)}\n{length} Options: {allowed}.\n"


def _section(title: str, parts: Iterable[str]) -> str:
    return f"## {title}\n\n" + "\n".join(parts)


def messages_document() -> str:
    """Return docs/messages.md: every wire format."""
    options = _table("Tag|Option|Bytes|Kind|Meaning", (
        (tag, f"`{field.name}`", field.size, field.kind.value, _meaning(field))
        for tag, field in ouch50.OPTIONS.items()))
    reasons = _table("Code|Reason", (
        (f"{reason.value:04X}", reason.name.lower().replace("_", " "))
        for reason in ouch50_codes.RejectReason))
    soup = {**soupbintcp.SERVER_PACKETS, **soupbintcp.CLIENT_PACKETS}
    return "\n".join([
        _notice("proto/wire"),
        "# Messages\n\nIntegers are in network byte order. Text is ASCII, padded with spaces.\n",
        _section("Network headers", map(_message, _NETWORK)),
        _section("MoldUDP64", map(_message, _MOLD)),
        _section("TotalView-ITCH 5.0", map(_message, itch50.MESSAGES.values())),
        _section("SoupBinTCP 3.00", map(_message, soup.values())),
        _section("OUCH 5.0, to the exchange", map(_ouch, ouch50.INBOUND.values())),
        _section("OUCH 5.0, from the exchange", map(_ouch, ouch50.OUTBOUND.values())),
        f"## OUCH 5.0 options\n\nEach is one byte of length (of tag and value), one byte of tag, "
        f"then the value.\n\n{options}",
        f"## OUCH 5.0 reject reasons\n\n{reasons}",
    ])


def _register_rows(block: registers.Block) -> Iterable[tuple[object, ...]]:
    for number, register in enumerate(block.registers):
        address = f"`{block.base + registers.WORD_BYTES * number:#06x}`"
        for field in register.fields:
            top = field.lsb + field.width - 1
            bits = f"{field.lsb}" if field.width == 1 else f"{top}:{field.lsb}"
            single = len(register.fields) == 1
            name = register.name if single else f"{register.name}.{field.name}"
            text = f"{field.description}{f' Unit: {field.unit}.' if field.unit else ''}"
            yield (address, f"`{name}`", bits, field.access.value, f"`{field.reset:#x}`", text)


def _register_block(block: registers.Block) -> str:
    array = "" if block.count is None else (
        f" One element for each symbol, {block.stride} bytes apart; addresses are those of "
        f"element 0.")
    return (f"## {block.name}\n\n{block.description}{array}\n\n"
            + _table("Address|Register|Bits|Access|Reset|Meaning", _register_rows(block)))


def registers_document() -> str:
    """Return docs/registers.md: the register map."""
    table = registers.register_map(symbols=_SYMBOLS)
    access = _table("Access|Meaning", (
        (access.value, access.meaning) for access in registers.Access))
    return "\n".join([
        _notice("proto/registers.py and proto/counters.py"),
        f"# Registers\n\n32-bit words at byte addresses of {registers.ADDRESS_BITS} bits. "
        f"Version {'.'.join(map(str, registers.VERSION))}; with {_SYMBOLS} symbols the map hash is "
        f"`{table.hash:#010x}`.\n",
        access, *map(_register_block, table.blocks),
    ])


def _enumeration(title: str, members: type[IntEnum] | type[IntFlag]) -> str:
    return f"## {title}\n\n" + _table("Value|Name", (
        (f"{member.value:#x}", member.name.lower().replace("_", " ") if member.name else "")
        for member in members))


def events_document() -> str:
    """Return docs/events.md: the event records."""
    return "\n".join([
        _notice("proto/events.py"),
        f"# Events\n\nRecords of {events.EVENT_BYTES} bytes, little-endian, schema version "
        f"{events.SCHEMA_VERSION}.\n",
        *(_message(layout) for layout in (events.HEADER, *events.EVENTS.values())),
        _enumeration("Kinds", events.EventKind),
        _enumeration("Bits of `state`", events.BookState),
        _enumeration("Bits of `flags` of an order", events.OrderFlag),
        _enumeration("Bits of `flags` of `state`", events.StateFlag),
        _enumeration("Bits of `flags` of a vector", events.VectorFlag),
        _enumeration("Values of `answer`", events.AnswerCode),
    ])


_FEATURES_TEXT = f"""# Features

What a model sees of each event of a watched symbol's book: {len(features.FEATURES)} integers of
{features.FEATURE_BITS} bits, saturated. Each message that adds, executes, cancels, deletes or
replaces an order of the symbol is an event, whether it changes the best prices or not. The hardware
computes them (`hdl/feature`), and so does numpy, bit for bit (`sim/golden/feature.py`), from the
messages alone; only the position is our own.

A vector is *usable* when the book is exact and has both sides; no other is traded on. An event
that is not usable ends what `previous` remembers; the flows, intensities and the volatility go on.
A reset of the feed forgets all of it.

Features as of *this event* are on the path from the feed to the order. The others are of *the event
before*: what had happened up to the symbol's event before this one, at the exchange time of this
one. They are multiplied with their weights while the best bid and offer is still being worked on,
and cost an order no cycle, however fast the events of a symbol follow each other.
"""

_FEATURES_NOTES = f"""## Notes

- **Microprice.** Between the touches, nearer to the side with less: `x` is 0 when the sizes are
  within a factor of two, 1 from there to eight, 2 beyond. It takes two compares instead of a
  division, and is the true microprice to within a sixth of the spread.
- **Trades of hidden orders** (P) count in the trade intensity and the time since the last trade,
  with the event that follows them. They are not in the signed flow: their side is always given as
  a purchase since 2014 (TotalView-ITCH 5.0, section 1.5.1).
- **Depth.** While fewer than five levels of a side are known though it has more (for some twenty
  cycles after its best levels were used up, or beyond the window of price levels) the imbalance
  is 0. What numpy needs to do the same stands in the records of the levels.
- **Intensities.** They are halved at the multiples of a period, not period by period from their
  last message: the time since then need not be divided.
- **A book that is published once more**, after a refill, with the number of an earlier message, is
  an event without a message: it adds nothing to intensities, trades and times.

A model file carries the SHA-256 of this table, `{features.schema_sha256()[:16]}...`, and
`tickwire model load` refuses one made for another.

`tickwire feed set --record-vectors` makes each vector, with its score, an event record
([events](events.md), kind {int(events.EventKind.FEATURE_VECTOR)}), and `--record-depth` the five
best levels of each side after its events (kinds {int(events.EventKind.BID_DEPTH)} and
{int(events.EventKind.ASK_DEPTH)}). They are dropped, and counted, when they come faster than they
can be written: one of either in five cycles; sixteen of each can wait.
`tickwire replay CAPTURE --features FILE --depth FILE` writes them as CSV files, and loses none.
"""


def features_document() -> str:
    """Return docs/features.md: what a model sees."""
    return "\n".join([
        _notice("proto/features.py"), _FEATURES_TEXT,
        "## Table\n\n" + _table("Feature|Unit|From|To|As of|Definition", (
            (f"`{feature.name}`", feature.unit, f"{feature.minimum:,}", f"{feature.maximum:,}",
             feature.as_of.value, feature.formula.replace("*", "\\*"))
            for feature in features.FEATURES)),
        _FEATURES_NOTES,
    ])


#: What ``python -m proto docs`` writes: the name of each file and what makes its text.
DOCUMENTS: dict[str, Callable[[], str]] = {
    "messages.md": messages_document,
    "registers.md": registers_document,
    "events.md": events_document,
    "features.md": features_document,
    "tickwire.lua": wireshark_dissector,
}
