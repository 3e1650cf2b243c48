"""The tables of the management protocol, its page, and arithmetic of sequence numbers."""

import struct
from pathlib import Path

import pytest

from proto.registers import register_map
from proto.wire import management as wire

PAGE = Path(__file__).resolve().parents[3] / "docs" / "management-protocol.md"


def test_a_request_has_the_bytes_that_the_page_says():
    head = wire.HEADER.encode({"magic": wire.MAGIC, "version": 1, "kind": wire.Kind.REQUEST,
                               "status": 0, "count": 1, "session": 0x01020304, "sequence": 7})
    operation = wire.OPERATION.encode({"address": 0x030014, "code": wire.Code.WRITE,
                                       "value": 0xDEADBEEF})
    assert head == b"TWMP" b"\x01\x02\x00\x01" b"\x04\x03\x02\x01" b"\x07\x00\x00\x00"
    assert operation == b"\x14\x00\x03\x02" b"\xef\xbe\xad\xde"
    assert struct.unpack("<I", operation[:4])[0] == wire.Code.WRITE << 24 | 0x030014


def test_header_of_the_page_is_that_of_the_table():
    text = PAGE.read_text(encoding="utf-8")
    for field in wire.HEADER:
        assert f"| {field.offset} | {field.size} | `{field.name}` |" in text
    for kind in wire.Kind:
        number = f"{kind:#x}" if kind & wire.REPLY_BIT else str(int(kind))
        assert f"| {number} {kind.name} |" in text
    for layout in (wire.OPEN, wire.OPENED, wire.OPERATION, wire.ACKNOWLEDGE):
        assert all(f"`{field.name}` ({field.size}" in text for field in layout)
    for status in wire.Status:
        assert f"| {int(status)} | {status.name.lower().replace('_', ' ').split()[0]}" in text \
            or status is wire.Status.VERSION


def test_every_datagram_fits():
    assert wire.HEADER.size + wire.MAXIMUM_OPERATIONS * wire.OPERATION.size <= wire.MAXIMUM_BYTES
    assert wire.EVENTS_PER_DATAGRAM == 21
    assert register_map(symbols=1)[wire.HEARTBEAT_REGISTER]


@pytest.mark.parametrize("one, other, newer", [
    (1, 0, True), (0, 1, False), (5, 5, False), (0, 2**32 - 1, True), (2**32 - 1, 0, False),
    (2**31 - 1, 0, True), (2**31, 0, False),
])
def test_newer_is_modulo(one, other, newer):
    assert wire.is_newer(one, other) is newer
