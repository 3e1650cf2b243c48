"""Readers of capture files: every packing, byte order and kind of damage."""

import gzip
import lzma
import struct

import pytest
from backports import zstd

from sim.captures import Capture, CaptureError
from tests.support.data import data_path

DELETE = b"D" + bytes(18)
CANCEL = b"X" + bytes(22)


def binary_file(*messages: bytes) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


def pcap(*frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1) -> bytes:
    content = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(frames, start=1):
        content += struct.pack(f"{order}IIII", number, 5, len(frame), len(frame)) + frame
    return content


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, content: bytes):
        path = tmp_path / name
        path.write_bytes(content)
        return path
    return write_file


@pytest.mark.parametrize(("suffix", "pack"), [
    ("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd.compress),
    ("-gzip", gzip.compress), ("-xz", lzma.compress), ("-zstd", zstd.compress)])
def test_messages_are_read_with_their_offsets(write, suffix, pack):
    capture = Capture(write(f"a.itch{suffix}", pack(binary_file(DELETE, CANCEL))))
    assert capture.kind == "itch"
    for _ in range(2):  # reading again gives the same
        records = list(capture.records())
        assert [(r.offset, r.data) for r in records] == [(0, DELETE), (21, CANCEL)]
        assert capture.truncated_at is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_frames_are_read_in_both_orders_and_resolutions(write, order, magic, unit_ns):
    capture = Capture(write("a.pcap", pcap(b"x" * 60, b"y" * 70, order=order, magic=magic)))
    records = list(capture.records())
    assert capture.kind == "pcap"
    assert [r.data for r in records] == [b"x" * 60, b"y" * 70]
    assert [r.offset for r in records] == [24, 100]
    assert [r.captured_ns for r in records] == [10**9 + 5 * unit_ns, 2 * 10**9 + 5 * unit_ns]


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_truncated_tail_of_messages_is_reported(write, cut):
    capture = Capture(write("a.itch", binary_file(DELETE, CANCEL)[:21 + cut]))
    assert [r.data for r in capture.records()] == [DELETE]
    assert capture.truncated_at == 21


@pytest.mark.parametrize("cut", [3, 16, 40])
def test_truncated_tail_of_frames_is_reported(write, cut):
    capture = Capture(write("a.pcap", pcap(b"x" * 60, b"y" * 70)[:100 + cut]))
    assert [r.data for r in capture.records()] == [b"x" * 60]
    assert capture.truncated_at == 100


@pytest.mark.parametrize(("suffix", "pack"), [
    (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd.compress)])
def test_truncated_packing_is_a_truncated_tail(write, suffix, pack):
    content = binary_file(*[b"D" + bytes([n % 256] * 18) for n in range(3000)])
    packed = pack(content)
    capture = Capture(write(f"a.itch{suffix}", packed[:len(packed) * 2 // 3]))
    records = list(capture.records())
    assert all(r.data == content[r.offset + 2:r.offset + 21] for r in records)
    assert capture.truncated_at == 21 * len(records)


@pytest.mark.parametrize(("name", "content", "offset", "says"), [
    ("a.txt", b"hello, this is not a capture", 0, "neither a pcap nor a pcapng nor a BinaryFILE"),
    ("a.pcapng", b"\x0a\x0d\x0d\x0a" + bytes(40), 8, "byte-order magic is 00000000"),
    ("a.pcap", pcap(b"x" * 60, link=113), 20, "link type must be 1"),
    ("a.pcap", pcap() + struct.pack("<IIII", 1, 1, 1 << 30, 1 << 30), 24, "record of"),
    ("a.itch", binary_file(DELETE, DELETE[:-1]), 21, "message D must have 19 bytes, has 18"),
    ("a.itch", binary_file(DELETE) + bytes(2) + b"x", 21, "after the end marker"),
    ("a.itch.gz", b"not packed", 0, "cannot be unpacked"),
    ("a.itch.xz", b"not packed", 0, "cannot be unpacked"),
    ("a.itch.zst", b"not packed", 0, "cannot be unpacked"),
    ("a.csv", b"DBN\x01 and so on", 0, "neither a pcap"),  # a length and a type of ITCH, by chance
])
def test_foreign_file_gives_one_message_with_the_offset(write, name, content, offset, says):
    path = write(name, content)
    with pytest.raises(CaptureError, match=says) as failure:
        list(Capture(path).records())
    assert failure.value.offset == offset
    assert str(path) in str(failure.value)


def test_unknown_type_is_passed_by_its_length(write):
    capture = Capture(write("a.itch", binary_file(DELETE, b"~abc", CANCEL)))
    assert [r.data for r in capture.records()] == [DELETE, b"~abc", CANCEL]


def test_end_marker_ends_the_file(write):
    capture = Capture(write("a.itch", binary_file(DELETE) + bytes(2)))
    assert len(list(capture.records())) == 1
    assert capture.truncated_at is None


def test_fcs_in_the_capture_is_taken_off_and_a_sliced_frame_marked(write):
    link = 1 | 0x0400_0000 | 2 << 28
    content = pcap(b"x" * 60 + b"FCS!", link=link) + struct.pack("<IIII", 1, 1, 20, 64) + b"y" * 20
    whole, sliced = Capture(write("a.pcap", content)).records()
    assert (whole.data, whole.sliced) == (b"x" * 60, False)
    assert (sliced.data, sliced.sliced) == (b"y" * 20, True)


def test_fraction_tells_how_much_has_been_read(write):
    capture = Capture(write("a.itch", binary_file(*[DELETE] * 200_000)))
    seen = [capture.fraction for _ in capture.records()]
    assert seen == sorted(seen)
    assert len(set(seen)) >= 4
    assert capture.fraction == 1.0


REAL = {
    ("iex", "DEEP10.pcap.gz"): (121_314, True),
    ("iex", "TOPS16.pcapng.gz"): (13_022, False),  # a pcap, whatever its name says
    ("iex", "deep-20231002-5000.pcap.gz"): (5_000, False),
    ("other-venues", "cboe-cfe-pitch-v1.1.6-20190501.pcap.xz"): (12_015, False),
    ("other-venues", "cme-ab-lines-sample.pcap"): (104, False),
    ("derived", "ESM4-20240508-2s.itch.xz"): (13_792, False),
}


@pytest.mark.parametrize("place", REAL)
def test_real_captures_have_as_many_records_as_their_origin_says(place):
    count, truncated = REAL[place]
    capture = Capture(data_path(*place))
    assert sum(1 for _ in capture.records()) == count
    assert (capture.truncated_at is not None) == truncated


@pytest.mark.parametrize("place", [
    ("databento", "orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst"),
    ("lobster", "AAPL_2012-06-21_34200000_37800000_message_50.csv.xz"),
    ("lobster", "LOBSTER_SampleFiles_ReadMe.txt"),
    ("derived", "ESM4-20240508-2s.bbo.csv.xz"),
    ("other-venues", "omi-data-packets-without-psx.tar.xz")])
def test_real_files_of_other_kinds_are_told_apart(place):
    with pytest.raises(CaptureError, match="at byte 0: is neither a pcap nor a pcapng"):
        list(Capture(data_path(*place)).records())
