"""Captures through the command line, the simulated appliance and back, against other programs."""

import gzip
import json
import lzma
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter

from sim.captures import Capture
from sim.exchange.pcap import PcapWriter
from sim.framing import FeedAddress, frame_messages
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


LINE_A = FeedAddress()
LINE_B = FeedAddress(group_ip=0xE9360C70, udp_port=26478)


def beginning(tmp_path, count: int) -> tuple[Path, list[str]]:
    """Return the first messages of the AAPL capture as a file, and the rows expected of them."""
    capture, expected, *_ = CAPTURES["AAPL, an hour of one symbol"]
    messages = [record.data for _, record in zip(
        range(count), Capture(data_path(*capture)).records(), strict=False)]
    path = tmp_path / "a.itch"
    path.write_bytes(b"".join(len(m).to_bytes(2, "big") + m for m in messages))
    rows = read(data_path(*expected)).decode().split("\r\n")[:-1]
    return path, [row for row in rows if row.startswith("seq") or int(row.split(",")[0]) <= count]


def stamp(message: bytes) -> int:
    return int.from_bytes(message[5:11], "big")


def line(itch: Path, address: FeedAddress, *, without: Iterable[int] = ()) -> list:
    """Return times and frames of a line with a message each; some are lost."""
    messages = [record.data for record in Capture(itch).records()]
    datagrams = frame_messages(messages, address, packed=False)
    return [(stamp(message), datagram.frame)
            for message, datagram in zip(messages, datagrams, strict=True)
            if datagram.sequence not in without]


def rows_of(path: Path) -> list[str]:
    return path.read_bytes().decode().split("\r\n")[:-1]


def test_two_lines_that_lose_packets_give_what_one_whole_line_gives(tmp_path):
    itch, expected = beginning(tmp_path, 1500)
    lost_a, lost_b = set(range(200, 1500, 7)), set(range(203, 1500, 7))
    for name, address, lost in (("a", LINE_A, lost_a), ("b", LINE_B, lost_b)):
        with PcapWriter(tmp_path / f"{name}.pcap") as writer:
            for at_ns, frame in line(itch, address, without=lost):
                writer.write(at_ns, frame)
    rows = tmp_path / "rows.csv"
    done = tickwire("replay", tmp_path / "a.pcap", "--line-b", tmp_path / "b.pcap", "--bbo", rows,
                    "--output", "json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert rows_of(rows) == expected
    # Each message came once as new and, where both lines have it, once as a duplicate.
    assert summary["counters"].get("mold.gaps", 0) == 0
    assert summary["counters"]["mold.duplicates"] == 1500 - len(lost_a) - len(lost_b)
    assert summary["lines"]["A"] == {"packets": 1500 - len(lost_a),
                                     "messages": 1500 - len(lost_a), "skipped": len(lost_a)}
    assert summary["lines"]["B"]["skipped"] == len(lost_b)
    alone = tickwire("replay", tmp_path / "a.pcap", "--output", "json")
    assert json.loads(alone.stdout)["counters"]["mold.gaps"] == len(lost_a)


def test_pcapng_of_another_program_at_its_own_pace_in_a_window(tmp_path):
    itch, expected = beginning(tmp_path, 800)
    capture = tmp_path / "a.pcapng"
    writer = PcapNgWriter(str(capture))
    for at_ns, frame in line(itch, LINE_A):
        packet = Ether(frame)
        packet.time = at_ns / 1e9
        writer.write(packet)
    writer.close()
    rows = tmp_path / "rows.csv"
    done = tickwire("replay", capture, "--speed", "1", "--from", "09:30:01", "--to", "09:30:03",
                    "--bbo", rows, "--state", "--output", "json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    low, high = ((34_200 + seconds) * 10**9 for seconds in (1, 3))
    window = [row for row in expected[1:] if low <= int(row.split(",")[1]) < high]
    assert len(window) > 10
    assert rows_of(rows)[0] == expected[0] + ",state"
    assert [row.rpartition(",")[0] for row in rows_of(rows)[1:]] == window
    summary = json.loads(done.stdout)
    assert (summary["speed"], summary["from_ns"], summary["until_ns"]) == ("1", low, high)
    # The capture's stamps are whole microseconds: some frames are due while another is sent.
    assert 1.0 < summary["span_ns"] / 1e9 < 2.0
    assert summary["latest_ns"] < 10_000
    # Cycles with nothing to do were left out: two seconds have 312 million.
    assert summary["cycles"] < 10_000_000


def test_an_interrupted_replay_goes_on(tmp_path):
    capture, expected, *_ = CAPTURES["AAPL, an hour of one symbol"]
    rows = tmp_path / "rows.csv"
    command = [sys.executable, "-m", "sim", "replay", str(data_path(*capture)), "--bbo", str(rows),
               "--quiet"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (rows.exists() and rows.stat().st_size > 50_000):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert "has every row up to there; --resume goes on" in said
    whole = read(data_path(*expected))
    found = rows.read_bytes()
    assert len(found) < len(whole) and whole.startswith(found) and found.endswith(b"\r\n")
    other = subprocess.run([*command, "--resume", "--tick", "0.05"], cwd=ROOT,
                           capture_output=True, text=True, check=False)
    assert other.returncode == 1 and "ticks differ" in other.stderr
    again = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    assert again.returncode == 0, again.stderr
    assert rows.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [rows]


def test_symbols_by_locate_and_a_name_that_is_almost_right(tmp_path):
    capture, *_ = CAPTURES["04:00, 198 symbols"]
    done = tickwire("replay", data_path(*capture), "--symbols", "aapl")
    assert done.returncode == 1
    assert "has no orders of aapl; did you mean" in done.stderr and "AAPL" in done.stderr
    by_name = tickwire("replay", data_path(*capture), "--symbols", "AAPL,ABB", "--bbo",
                       tmp_path / "a.csv", "--quiet")
    assert by_name.returncode == 0, by_name.stderr
    locates = {row.split(",")[2] for row in rows_of(tmp_path / "a.csv")[1:]}
    tickwire("replay", data_path(*capture), "--symbols", ",".join(locates), "--bbo",
             tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_frames_without_a_feed_fail_with_one_message():
    done = tickwire("replay", data_path("iex", "TOPS16.pcapng.gz"), "--quiet")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("no MoldUDP64 packet in 13,022 frames")
