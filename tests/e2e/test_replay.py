"""Captures through the command line, the simulated appliance and back, against other programs."""

import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.data import data_path

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]

CAPTURES = {
    "AAPL, an hour of one symbol": (
        ("derived", "AAPL-20120621-0930-1030.itch.xz"),
        ("derived", "AAPL-20120621-0930-1030.bbo.csv.xz"), 23457, 1),
    "ESM4, 13,604 live orders": (
        ("derived", "ESM4-20240508-2s.itch.xz"),
        ("derived", "ESM4-20240508-2s.bbo.csv.xz"), 944, 1),
    "04:00, 198 symbols": (
        ("nasdaq-itch50", "20191230-0400-first-500-book-messages.itch"),
        ("nasdaq-itch50", "expected/20191230-0400-first-500-book-messages.bbo.csv"), 307, 198),
    "09:30, a mid-session join": (
        ("nasdaq-itch50", "20191230-0930-open-1000.itch"),
        ("nasdaq-itch50", "expected/20191230-0930-open-1000.bbo.csv"), 384, 185),
}


def tickwire(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    return subprocess.run([sys.executable, "-m", "control", *map(str, arguments)], cwd=ROOT,
                          capture_output=True, text=True, check=False)


def read(path: Path) -> bytes:
    """Return the content of a file, unpacked."""
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


@pytest.mark.parametrize("name", CAPTURES)
def test_rows_equal_those_of_independent_programs(name, tmp_path):
    capture, expected, count, symbols = CAPTURES[name]
    rows = tmp_path / "rows.csv"
    done = tickwire("replay", data_path(*capture), "--bbo", rows, "--output", "json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["symbols"], summary["losses"]) == (count, symbols, {})
    assert rows.read_bytes() == read(data_path(*expected))


def test_symbols_can_be_chosen_and_text_is_for_people(tmp_path):
    rows = tmp_path / "rows.csv"
    capture, expected, *_ = CAPTURES["04:00, 198 symbols"]
    done = tickwire("replay", data_path(*capture), "--bbo", rows, "--symbols", "AAPL,ABB",
                    "--tick", "AAPL=0.05")
    assert done.returncode == 0, done.stderr
    assert "tick 0.0500: AAPL\n" in done.stderr
    assert "2 symbols, 1 passes" in done.stdout
    found = rows.read_text().splitlines()
    locates = {line.split(",")[2] for line in found[1:]}
    assert len(locates) == 2
    wanted = [line for line in read(data_path(*expected)).decode().splitlines()
              if line.split(",")[2] in locates | {"locate"}]
    assert found == wanted


def test_frames_of_a_real_capture(tmp_path):
    rows = tmp_path / "rows.csv"
    capture = data_path("nasdaq-pcap", "Nasdaq.Equities.TotalView.Itch.v5.0",
                        "Multiple.Packets.pcap")
    done = tickwire("replay", capture, "--bbo", rows, "--output", "json")
    assert done.returncode == 0, done.stderr
    counters = json.loads(done.stdout)["counters"]
    assert counters["net.frames_good"] == 2
    assert counters["mold.messages"] == 39
    assert counters["mold.gaps"] == 1
    assert counters["mold.gap_messages"] == 19009117 - 14764496 - 1


def test_rebuilt_headers_need_lenient(tmp_path):
    capture = data_path("nasdaq-pcap", "Nasdaq.Equities.TotalView.Itch.v5.0.20230822",
                        "AddOrderNoMPID.pcap")
    rows = tmp_path / "rows.csv"
    refused = json.loads(tickwire("replay", capture, "--output", "json").stdout)
    assert refused["rows"] == 0
    done = tickwire("replay", capture, "--lenient", "--bbo", rows, "--output", "json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["counters"]["itch.operations"] == 5
    assert summary["rows"] == len(rows.read_text().splitlines()) - 1 > 0


def test_truncated_tail_is_replayed_and_reported(tmp_path):
    capture, *_ = CAPTURES["04:00, 198 symbols"]
    cut = tmp_path / "cut.itch.gz"
    content = data_path(*capture).read_bytes()
    cut.write_bytes(gzip.compress(content[:38 * 40 + 10]))
    done = tickwire("replay", cut, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["truncated_at"] == 38 * 40
    assert f"truncated_at {38 * 40}" in done.stderr
    assert tickwire("replay", cut, "--strict").returncode == 1


def test_foreign_file_fails_with_one_message(tmp_path):
    foreign = tmp_path / "notes.txt"
    foreign.write_text("these are notes")
    done = tickwire("replay", foreign)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "at byte 0" in done.stderr


def test_wrong_usage(tmp_path):
    assert tickwire("replay").returncode == 2
    assert tickwire("replay", tmp_path / "missing.itch", "--tick", "0.00001").returncode == 2
    assert tickwire("replay", tmp_path / "missing.itch").returncode == 1
