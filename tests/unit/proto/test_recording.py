"""Recordings: what is written is read, and a file that ends early is good up to there."""

import gzip

import pytest

from proto.recording import (
    WORD,
    Entry,
    EntryKind,
    RecordingError,
    RecordingHead,
    RecordingLine,
    RecordingReader,
    RecordingWriter,
)

HEAD = RecordingHead(profile="bench", symbols=8, core_hz=156_250_000, map_hash=0x12345678,
                     begin_cycle=1040, cycle_offset=-9)
ENTRIES = [Entry(1040 + n, 34_200_000_000_000 + n, EntryKind.TIME, RecordingLine.FEED_A,
                 WORD.pack(n)) for n in range(1000)]


def write(path, *, end=True):
    writer = RecordingWriter(path, HEAD)
    for entry in ENTRIES:
        writer.put(EntryKind(entry.kind), entry.payload, cycle=entry.cycle, time_ns=entry.time_ns,
                   line=entry.line)
    if end:
        writer.put(EntryKind.END, cycle=5000, time_ns=0)
    writer.close()
    return path


def test_what_is_written_is_read(tmp_path):
    with RecordingReader(write(tmp_path / "a.twr")) as reader:
        assert reader.head == HEAD
        assert list(reader) == ENTRIES
        assert reader.complete


def test_without_an_end_it_is_not_complete(tmp_path):
    with RecordingReader(write(tmp_path / "a.twr", end=False)) as reader:
        assert list(reader) == ENTRIES
        assert not reader.complete


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_is_good_up_to_there(tmp_path, share):
    path = write(tmp_path / "a.twr")
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    with RecordingReader(path) as reader:
        found = list(reader)
    assert found == ENTRIES[:len(found)] and len(found) < len(ENTRIES)
    assert not reader.complete


@pytest.mark.parametrize("content", [
    b"", b"no gzip", gzip.compress(b"no json\n"), gzip.compress(b"[1]\n"),
    gzip.compress(b'{"format": "tickwire-recording/2"}\n'),
    gzip.compress(b'{"format": "tickwire-recording/1", "profile": "bench"}\n'),
], ids=["empty", "plain", "no json", "no object", "other version", "without fields"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "a.twr"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"a\.twr"):
        RecordingReader(path)
