"""The plain-Python book against the rows of independent programs."""

import csv
import lzma
from pathlib import Path

import pytest

from sim.golden.book import CSV_HEADER, Books, bbo_rows
from tests.support.data import data_path

CAPTURES = [
    ("derived", "AAPL-20120621-0930-1030.itch.xz", "AAPL-20120621-0930-1030.bbo.csv.xz", 23457),
    ("derived", "ESM4-20240508-2s.itch.xz", "ESM4-20240508-2s.bbo.csv.xz", 944),
    ("nasdaq-itch50", "20191230-0400-first-500-book-messages.itch",
     "expected/20191230-0400-first-500-book-messages.bbo.csv", 307),
    ("nasdaq-itch50", "20191230-0930-open-1000.itch",
     "expected/20191230-0930-open-1000.bbo.csv", 384),
]


def read(path: Path) -> bytes:
    """Return the content of a file, unpacked."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def split(content: bytes) -> list[bytes]:
    """Return the messages of a BinaryFILE."""
    messages, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at:at + 2], "big")
        messages.append(content[at + 2:at + 2 + length])
        at += 2 + length
    return messages


@pytest.mark.parametrize(("folder", "capture", "expected", "count"), CAPTURES)
def test_rows_equal_those_of_independent_programs(folder, capture, expected, count):
    messages = split(read(data_path(folder, capture)))
    lines = read(data_path(folder, expected)).decode().splitlines()
    assert lines[0] == CSV_HEADER
    wanted = [tuple(map(int, row)) for row in csv.reader(lines[1:])]
    assert len(wanted) == count
    assert list(bbo_rows(messages)) == wanted


def test_unknown_reference_changes_nothing_and_is_counted():
    books = Books()
    delete = b"D" + bytes([0, 7, 0, 0]) + bytes(6) + (5).to_bytes(8, "big")
    assert books.apply(delete) is None
    assert (books.unknown, books.top(7)) == (1, (0, 0, 0, 0, 0, 0))
