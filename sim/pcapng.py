"""Read the frames of a pcapng file.

Ref: draft-ietf-opsawg-pcapng: sections in both byte orders, several interfaces with stamps of
their own, enhanced, simple and (obsolete) packet blocks; every other block is passed over.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from sim.capture_file import CaptureError, CaptureReader, Record

__all__ = ["MAGIC", "read_pcapng"]

#: The type of a section header block, the same in both byte orders.
MAGIC = b"\x0a\x0d\x0d\x0a"

_BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_VERSION = 1
_LINK_ETHERNET = 1
_SECOND_NS = 1_000_000_000
_MICROSECONDS = 6

_HEAD_BYTES = 8        # block type, total length
_TAIL_BYTES = 4        # total length again
_SECTION_BYTES = 28    # the shortest section header
_LARGEST_BLOCK = 1 << 24
_LARGEST_FRAME = 262144


class _Block(IntEnum):
    INTERFACE = 1
    OBSOLETE_PACKET = 2
    SIMPLE_PACKET = 3
    ENHANCED_PACKET = 6


class _Option(IntEnum):
    END = 0
    INTERFACE_STAMP_RESOLUTION = 9
    INTERFACE_FCS_BYTES = 13
    INTERFACE_STAMP_OFFSET = 14
    PACKET_FLAGS = 2


@dataclass(frozen=True)
class _Interface:
    """What stands in an interface description block."""

    link: int
    snap_bytes: int
    ticks_per_second: int
    offset_s: int
    fcs_bytes: int

    def time_ns(self, ticks: int) -> int:
        return self.offset_s * _SECOND_NS + ticks * _SECOND_NS // self.ticks_per_second


@dataclass(frozen=True)
class _Packet:
    """A packet block without its frame; the frame is ``kept`` bytes from ``start`` on."""

    interface: int
    ticks: int | None
    start: int
    kept: int
    whole: int


class _Section:
    """What has been learnt since a section header."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.interfaces: list[_Interface] = []

    def unpack(self, layout: str, content: bytes, at: int = 0) -> tuple[int, ...]:
        return struct.unpack_from(self.order + layout, content, at)

    def options(self, content: bytes, at: int) -> dict[int, bytes]:
        """Return the options from `at` on; the first one of each code counts."""
        found: dict[int, bytes] = {}
        while at + 4 <= len(content):
            code, size = self.unpack("HH", content, at)
            if code == _Option.END:
                break
            found.setdefault(code, content[at + 4:at + 4 + size])
            at += 4 + (size + 3 & ~3)
        return found

    def interface(self, content: bytes) -> _Interface:
        link, _, snap_bytes = self.unpack("HHI", content)
        options = self.options(content, 8)
        resolution = (options.get(_Option.INTERFACE_STAMP_RESOLUTION) or bytes([_MICROSECONDS]))[0]
        offset = options.get(_Option.INTERFACE_STAMP_OFFSET, b"")
        fcs = options.get(_Option.INTERFACE_FCS_BYTES, b"")
        return _Interface(
            link=link, snap_bytes=snap_bytes,
            ticks_per_second=2 ** (resolution & 0x7F) if resolution & 0x80 else 10 ** resolution,
            offset_s=self.unpack("q", offset)[0] if len(offset) == 8 else 0,
            fcs_bytes=fcs[0] if fcs else 0)

    def packet(self, kind: int, content: bytes) -> _Packet:
        """Return the head of a packet block, which must be as long as its kind's head is."""
        if kind == _Block.SIMPLE_PACKET:
            whole, = self.unpack("I", content)
            snap_bytes = self.interfaces[0].snap_bytes if self.interfaces else 0
            return _Packet(0, None, 4, min(whole, snap_bytes or whole, len(content) - 4), whole)
        if kind == _Block.OBSOLETE_PACKET:
            interface, _, high, low, kept, whole = self.unpack("HHIIII", content)
        else:
            interface, high, low, kept, whole = self.unpack("IIIII", content)
        return _Packet(interface, high << 32 | low, 20, kept, whole)


#: Blocks that are read, and how long the fixed part of their content is.
_HEAD_OF: dict[int, int] = {_Block.INTERFACE: 8, _Block.OBSOLETE_PACKET: 20,
                            _Block.SIMPLE_PACKET: 4, _Block.ENHANCED_PACKET: 20}


def read_pcapng(reader: CaptureReader) -> Iterator[Record]:
    """Yield every whole Ethernet frame in order; ``reader.truncated_at`` tells of a cut end.

    Raises
    ------
    CaptureError
        If a block cannot be right, or, at the end, if there were frames of other links only.
    """
    ethernet = False
    other: CaptureError | None = None
    for section, kind, content, offset in _blocks(reader):
        if kind == _Block.INTERFACE:
            section.interfaces.append(section.interface(content))
            continue
        packet = section.packet(kind, content)
        if packet.interface >= len(section.interfaces):
            raise reader.error(offset, f"a frame of interface {packet.interface}, which the file "
                                       "does not describe")
        if packet.kept > min(_LARGEST_FRAME, len(content) - packet.start):
            raise reader.error(offset, f"a frame of {packet.kept} bytes, more than its block has")
        interface = section.interfaces[packet.interface]
        if interface.link == _LINK_ETHERNET:
            ethernet = True
            yield _record(section, interface, packet, content, offset)
        elif other is None:
            other = reader.error(offset, f"link type must be 1 (Ethernet), is {interface.link} at "
                                         f"interface {packet.interface}")
    if other is not None and not ethernet:
        raise other


def _blocks(reader: CaptureReader) -> Iterator[tuple[_Section, int, bytes, int]]:
    """Yield section, type, content and offset of the blocks that are of interest."""
    section = _Section("<")
    while head := reader.peek(_SECTION_BYTES):
        offset = reader.offset
        starts = head.startswith(MAGIC)
        if len(head) < (_SECTION_BYTES if starts else _HEAD_BYTES):
            reader.truncated_at = offset
            return
        if starts:
            section = _new_section(reader, head)
        kind, size = section.unpack("II", head)
        if size < _HEAD_BYTES + _TAIL_BYTES or size % 4:
            raise reader.error(offset, f"a block of {size} bytes: must be a multiple of 4 from 12 "
                                       "on")
        if kind not in _HEAD_OF:
            if not reader.skip(size):
                reader.truncated_at = offset
                return
            continue
        if size > _LARGEST_BLOCK:
            raise reader.error(offset, f"a block of {size} bytes, at most {_LARGEST_BLOCK} are "
                                       "possible")
        block = reader.take(size)
        if len(block) < size:
            reader.truncated_at = offset
            return
        if section.unpack("I", block, size - _TAIL_BYTES)[0] != size:
            raise reader.error(offset, f"a block of {size} bytes must end with this length")
        content = block[_HEAD_BYTES:-_TAIL_BYTES]
        if len(content) < _HEAD_OF[kind]:
            raise reader.error(offset, f"a block of type {kind} is too short: {size} bytes")
        yield section, kind, content, offset


def _new_section(reader: CaptureReader, head: bytes) -> _Section:
    order = _BYTE_ORDERS.get(head[8:12])
    if order is None:
        raise reader.error(reader.offset + 8, "looks like pcapng, but its byte-order magic is "
                                              f"{head[8:12].hex()}")
    section = _Section(order)
    major, = section.unpack("H", head, 12)
    if major != _VERSION:
        raise reader.error(reader.offset + 12, f"pcapng of version {major}, only version "
                                               f"{_VERSION} is known")
    return section


def _record(section: _Section, interface: _Interface, packet: _Packet, content: bytes,
            offset: int) -> Record:
    end = packet.start + packet.kept
    frame = content[packet.start:end]
    sliced = packet.kept < packet.whole
    fcs_bytes = interface.fcs_bytes
    if packet.ticks is not None and end + 4 <= len(content):
        flags = section.options(content, end + 3 & ~3).get(_Option.PACKET_FLAGS, b"")
        if len(flags) == 4:
            fcs_bytes = section.unpack("I", flags)[0] >> 5 & 0xF or fcs_bytes
    if fcs_bytes and not sliced:
        frame = frame[:-fcs_bytes]
    time_ns = 0 if packet.ticks is None else interface.time_ns(packet.ticks)
    return Record(offset, frame, time_ns, sliced)
