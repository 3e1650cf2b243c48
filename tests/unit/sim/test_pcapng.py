"""Reader of pcapng: blocks made by hand and by another program, and every kind of damage."""

import random
import struct

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter

from sim.captures import Capture, CaptureError

FRAME = bytes(range(60))
OTHER = bytes(range(100, 163))  # 63 bytes: one byte of padding


class Blocks:
    """Blocks in one byte order."""

    def __init__(self, order: str = "<"):
        self.order = order

    def block(self, kind: int, content: bytes) -> bytes:
        size = struct.pack(f"{self.order}I", 12 + len(content))
        return struct.pack(f"{self.order}I", kind) + size + content + size

    def option(self, code: int, value: bytes) -> bytes:
        return struct.pack(f"{self.order}HH", code, len(value)) + value + bytes(-len(value) % 4)

    def section(self, version: int = 1) -> bytes:
        return self.block(0x0A0D0D0A, struct.pack(f"{self.order}IHHq", 0x1A2B3C4D, version, 0, -1))

    def interface(self, *options: bytes, link: int = 1, snap: int = 0) -> bytes:
        content = struct.pack(f"{self.order}HHI", link, 0, snap) + b"".join(options)
        return self.block(1, content + (self.option(0, b"") if options else b""))

    def enhanced(self, frame: bytes, ticks: int = 0, *options: bytes, interface: int = 0,
                 whole: int | None = None) -> bytes:
        head = struct.pack(f"{self.order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF,
                           len(frame), len(frame) if whole is None else whole)
        return self.block(6, head + frame + bytes(-len(frame) % 4) + b"".join(options))

    def simple(self, frame: bytes, whole: int | None = None) -> bytes:
        head = struct.pack(f"{self.order}I", len(frame) if whole is None else whole)
        return self.block(3, head + frame + bytes(-len(frame) % 4))

    def obsolete(self, frame: bytes, ticks: int) -> bytes:
        head = struct.pack(f"{self.order}HHIIII", 0, 0, ticks >> 32, ticks & 0xFFFFFFFF,
                           len(frame), len(frame))
        return self.block(2, head + frame + bytes(-len(frame) % 4))


@pytest.fixture
def read(tmp_path):
    def read_blocks(*blocks: bytes):
        path = tmp_path / "a.pcapng"
        path.write_bytes(b"".join(blocks))
        capture = Capture(path)
        assert capture.kind == "pcap"
        return capture
    return read_blocks


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_packet_block_in_both_orders(read, order):
    b = Blocks(order)
    capture = read(b.section(), b.interface(), b.enhanced(FRAME, 1_500_000),
                   b.block(4, bytes(8)), b.block(0x0BAD, b"custom__"),  # names, and a custom block
                   b.obsolete(OTHER, 7), b.simple(OTHER))
    found = list(capture.records())
    assert [r.data for r in found] == [FRAME, OTHER, OTHER]
    assert [r.captured_ns for r in found] == [1_500_000_000, 7_000, 0]
    assert found[0].offset == len(b.section() + b.interface())
    assert capture.truncated_at is None
    assert list(capture.records()) == found


@pytest.mark.parametrize("resolution, ticks, ns", [
    (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789), (3, 5, 5_000_000),
    (0x80 | 10, 1536, 1_500_000_000), (0, 3, 3_000_000_000), (12, 1999, 1)])
def test_stamps_by_resolution(read, resolution, ticks, ns):
    b = Blocks()
    record, = read(b.section(), b.interface(b.option(9, bytes([resolution]))),
                   b.enhanced(FRAME, ticks)).records()
    assert record.captured_ns == ns


def test_interfaces_have_stamps_and_lengths_of_their_own(read):
    b = Blocks(">")
    capture = read(
        b.section(), b.interface(b.option(9, b"\x09"), b.option(14, struct.pack(">q", 100))),
        b.interface(b.option(13, b"\x04")), b.interface(link=113),
        b.enhanced(FRAME, 5, interface=0), b.enhanced(FRAME + b"FCS!", 5, interface=1),
        b.enhanced(b"cooked", 5, interface=2), b.enhanced(FRAME[:20], 5, interface=1, whole=64))
    assert [(r.data, r.captured_ns, r.sliced) for r in capture.records()] == [
        (FRAME, 100_000_000_005, False), (FRAME, 5_000, False), (FRAME[:20], 5_000, True)]


def test_fcs_told_by_the_packet_is_taken_off(read):
    b = Blocks()
    flags = b.option(2, struct.pack("<I", 4 << 5))
    record, = read(b.section(), b.interface(), b.enhanced(OTHER + b"FCS!", 0, flags)).records()
    assert record.data == OTHER


def test_sections_follow_one_another_in_any_order(read):
    little, big = Blocks("<"), Blocks(">")
    capture = read(little.section(), little.interface(link=113), little.interface(),
                   little.enhanced(FRAME, interface=1), big.section(), big.interface(snap=40),
                   big.simple(OTHER[:40], whole=63))
    assert [(r.data, r.sliced) for r in capture.records()] == [(FRAME, False), (OTHER[:40], True)]


def test_a_file_of_another_program(tmp_path):
    path = tmp_path / "scapy.pcapng"
    writer = PcapNgWriter(str(path))
    for number, frame in enumerate((FRAME, OTHER)):
        packet = Ether(frame)
        packet.time = 1_700_000_000 + number / 4
        writer.write(packet)
    writer.close()
    assert [(r.data, r.captured_ns) for r in Capture(path).records()] == [
        (FRAME, 1_700_000_000_000_000_000), (OTHER, 1_700_000_000_250_000_000)]


@pytest.mark.parametrize("cut", [1, 7, 8, 20, 50, 91])
def test_truncated_tail_is_reported(read, cut):
    b = Blocks()
    whole = b.section() + b.interface() + b.enhanced(FRAME)
    capture = read(whole, b.enhanced(FRAME)[:cut])
    assert [r.data for r in capture.records()] == [FRAME]
    assert capture.truncated_at == len(whole)


def test_truncated_first_section(read):
    capture = read(Blocks().section()[:20])
    assert list(capture.records()) == []
    assert capture.truncated_at == 0


B = Blocks()
START = B.section() + B.interface()


@pytest.mark.parametrize("content, offset, says", [
    (B.section(version=2), 12, "version 2"),
    (B.section() + B.enhanced(FRAME), 28, "interface 0, which the file does not describe"),
    (B.section() + B.interface(link=113) + B.enhanced(FRAME), 48, "link type must be 1"),
    (START + struct.pack("<II", 6, 13) + bytes(40), 48, "a block of 13 bytes"),
    (START + struct.pack("<II", 6, 8) + bytes(40), 48, "a block of 8 bytes"),
    (START + struct.pack("<II", 6, 1 << 30) + bytes(40), 48, "at most"),
    (START + B.enhanced(FRAME)[:-4] + bytes(4), 48, "must end with this length"),
    (START + B.block(6, bytes(8)), 48, "too short"),
    (START + B.block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)), 48, "more than its block has"),
])
def test_wrong_blocks_give_one_message_with_the_offset(read, content, offset, says):
    with pytest.raises(CaptureError, match=says) as failure:
        list(read(content).records())
    assert failure.value.offset == offset


def test_damage_of_any_kind_ends_in_records_or_a_capture_error(read):
    rng = random.Random(20261123)
    b = Blocks()
    whole = b.section() + b.interface(b.option(9, b"\x09"), b.option(13, b"\x04")) + b"".join(
        b.enhanced(rng.randbytes(rng.randrange(60, 90)), n, b.option(2, rng.randbytes(4)))
        for n in range(4)) + b.simple(FRAME) + b.obsolete(OTHER, 1)
    errors = []
    for _ in range(2000):
        content = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(12, len(content))] = rng.randrange(256)
        del content[rng.randrange(28, 2 * len(content)):]
        capture = read(bytes(content))
        try:
            assert len(list(capture.records())) <= 6
        except CaptureError as error:
            errors.append(error.offset)
    assert 100 < len(errors) < 1900
    assert all(0 <= offset <= len(whole) for offset in errors)
