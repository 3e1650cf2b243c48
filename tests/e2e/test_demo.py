"""The demo as a whole: three processes in lockstep, twice the same; kept up in the background."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap

from control.analysis.run import analyse, summary
from control.recorder.reader import open_recording
from control.report.signals import recorded_signals
from control.report.words import amount
from proto.checks import Check
from proto.events import EventKind, OrderFlag, StateFlag
from tests.support.tcp_checks import checksums_are_good

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
APPLIANCE_MAC = "02:00:00:00:00:01"
SECONDS = "0.5"


def demo(folder: Path, seed: int) -> tuple[subprocess.Popen, Path]:
    """Start a short demo."""
    return subprocess.Popen(
        [sys.executable, "-m", "demo", "run", "--seed", str(seed), "--seconds", SECONDS,
         "--folder", str(folder), "--output", "json"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), folder


def test_a_demo_twice_and_another_one(tmp_path):
    # One test, so that several workers do not make the same runs.
    started = [demo(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    runs = []
    for process, folder in started:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        runs.append((json.loads(out), folder))
    (first, _), (second, _), (other, _) = runs
    check_same(first, second)
    assert first["events_sha256"] != other["events_sha256"]
    assert first["frames_sha256"] != other["frames_sha256"]
    for report, folder in (runs[0], runs[2]):
        check_three_sides(report)
        check_kill(report, folder)
        check_latency(report)
        check_frames(report, folder)
        check_analysis(report, folder)


def check_same(first: dict, second: dict) -> None:
    """Check that nothing is different but what depends on the wall clock."""
    assert first["events_sha256"] == second["events_sha256"]
    assert first["frames_sha256"] == second["frames_sha256"]
    measured = {"wall_seconds", "events"}
    assert {name: value for name, value in first.items() if name not in measured} == \
        {name: value for name, value in second.items() if name not in measured}
    assert first["events"]["class_1"] == second["events"]["class_1"]


def check_three_sides(report: dict) -> None:
    """Check that exchange, order log and appliance agree, and that there was something to tell."""
    rows = {row["what"]: row for row in report["comparison"]}
    for row in rows.values():
        assert row["exchange"] == row["order_log"] == row["appliance"], row
    assert rows["orders"]["exchange"] > 0 and rows["fills"]["exchange"] > 0
    assert len([name for name in rows if name.startswith("position ")]) == 4
    assert rows["open orders"]["exchange"] == 0
    assert any(report["positions"].values())
    assert all(book["equal"] for book in report["books"].values())
    assert report["messages"]["gaps"] == 0 and report["events"]["lost"] == 0


def check_kill(report: dict, folder: Path) -> None:
    """Check that limits refused orders, and that none left after the kill."""
    assert report["refusals"][Check.POSITION.name.lower()] > 0
    assert report["refusals"][Check.KILLED.name.lower()] > 0
    assert report["orders_after_kill"] == 0 and report["kill_causes"] == ["operator"]
    records = [json.loads(line) for line in
               (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    sent = [record for record in records if record["kind"] == "order_sent"]
    check_recording(report, folder, sent)
    enters = [record for record in sent if not record["flags"] & OrderFlag.CANCEL]
    assert len(enters) == report["orders"]["entered"] < len(sent)
    assert {record["symbol"] for record in sent} == set(report["positions"])
    killed = next(number for number, record in enumerate(records)
                  if record["kind"] == "state" and record["flags"] & StateFlag.KILLED)
    assert not any(record in enters for record in records[killed:])


def check_recording(report: dict, folder: Path, sent: list[dict]) -> None:
    """Check that the Parquet files hold the same records."""
    recording = open_recording(folder)
    assert recording.closed and recording.dropped == 0
    counts = {kind: recording.table(kind).num_rows for kind in EventKind}
    assert counts[EventKind.TOP_OF_BOOK] == report["events"]["tops_of_book"]
    assert counts[EventKind.FEATURE_VECTOR] > counts[EventKind.TOP_OF_BOOK]
    assert sum(counts.values()) == (report["events"]["tops_of_book"] + report["events"]["class_1"]
                                    + counts[EventKind.FEATURE_VECTOR]
                                    + counts[EventKind.BID_DEPTH] + counts[EventKind.ASK_DEPTH])
    assert min(counts[EventKind.BID_DEPTH], counts[EventKind.ASK_DEPTH]) > 500
    rows = recording.table(EventKind.ORDER_SENT).to_pylist()
    for name in ("user_ref_num", "symbol", "cycle", "ingress_cycle", "price", "flags"):
        assert [row[name] for row in rows] == [record[name] for record in sent]


def check_analysis(report: dict, folder: Path) -> None:
    """Check that the records alone give the numbers of the report, and that the page has them."""
    recording = open_recording(folder)
    found = summary(analyse(recording, recorded_signals(recording)))
    caused = [row for row in recording.table(EventKind.ORDER_SENT).to_pylist()
              if row["feed_sequence"] and not row["flags"] & OrderFlag.CANCEL]
    assert caused and found["scores_computed"] == {"equal": len(caused), "different": 0}
    assert found["orders"] == report["orders"]["entered"]
    assert found["cancels"] == report["signals"]["cancels"]
    assert found["refused"] == report["signals"]["refused"]
    assert (found["fills"], found["shares"]) == (report["fills"]["count"],
                                                 report["fills"]["shares"])
    for name in ("positions", "cash_e4", "profit_e4", "refusals"):
        assert found[name] == report[name], name
    assert list(found["latency_cycles"].values()) == [
        row["cycles"] for row in report["tick_to_trade"]["percentiles"]]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert amount(report["profit_e4"], sign=True) in page and "DIFFERENT" not in page


def check_latency(report: dict) -> None:
    """Check that the latency is that of the orders."""
    latency = report["tick_to_trade"]
    assert latency["orders"] == report["orders"]["entered"]
    cycles = [row["cycles"] for row in latency["percentiles"]]
    assert cycles == sorted(cycles) and 20 < cycles[0] and cycles[-1] < 100
    assert latency["percentiles"][0]["ns"] == pytest.approx(cycles[0] * 6.4)


def check_frames(report: dict, folder: Path) -> None:
    """Check every checksum of the order line, and that the orders are on it."""
    orders = 0
    for captured in rdpcap(str(folder / "orders.pcap")):
        packet = Ether(bytes(captured))
        if ARP in packet:
            continue
        assert checksums_are_good(packet[IP])
        orders += packet.src == APPLIANCE_MAC and b"UO" in bytes(packet[TCP].payload)
    assert orders == report["orders"]["entered"]
    answers = [soupbin_packet(bytes(packet[TCP].payload))
               for packet in rdpcap(str(folder / "drop-copy.pcap"))]
    assert [item[:1] for item in answers].count(b"A") == 1    # login accepted
    kinds = [item[1:2] for item in answers if item.startswith(b"S")]
    assert kinds.count(b"A") == report["orders"]["accepted"]
    assert kinds.count(b"E") == report["fills"]["count"]


def soupbin_packet(payload: bytes) -> bytes:
    """Return the one packet of a payload without its length; a short frame is padded."""
    return payload[2:2 + int.from_bytes(payload[:2], "big")]


def command(module: str, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, text=True,
                          capture_output=True, timeout=timeout, check=False)


def test_up_commands_a_crash_and_down(tmp_path):
    folder = ["--folder", str(tmp_path)]
    assert command("demo", "down", *folder).stdout == "Nothing was up.\n"
    up = command("demo", "up", "--listen", "127.0.0.1:0", *folder)
    try:
        assert up.returncode == 0, up.stderr
        assert "already" in command("demo", "up", "--listen", "127.0.0.1:0", *folder).stdout
        server = ["--server", json.loads((tmp_path / "state.json").read_text())["server"]]
        assert command("control", "arm", "--yes", *server).returncode == 0
        limit = time.monotonic() + 60
        total = 0
        while not total:
            assert time.monotonic() < limit
            log = command("control", "orders", "--output", "json", *server)
            total = json.loads(log.stdout)["total"]
        assert command("control", "kill", "--reason", "test", *server).returncode == 0
        status = json.loads(command("control", "status", "--output", "json", *server).stdout)
        assert status["status"]["killed"] and not status["status"]["armed"]
        # One process ends: so do the others, and it is told who began.
        pids = [int((tmp_path / f"{name}.pid").read_text())
                for name in ("keeper", "exchange", "appliance", "control")]
        os.kill(pids[1], signal.SIGKILL)
        while any(runs_still(pid) for pid in pids):
            assert time.monotonic() < limit + 60
            time.sleep(0.1)
    finally:
        down = command("demo", "down", *folder)
    assert down.returncode == 0 and "exchange has ended by itself" in down.stderr
    assert down.stdout == "Nothing was up.\n"


def runs_still(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_wrong_arguments_are_told_in_a_line(tmp_path):
    wrong = command("demo", "run", "--seconds", "-1")
    assert wrong.returncode == 2 and "seconds must be 0.01 to 3600" in wrong.stderr
    unknown = command("demo", "run", "--profile", "nothing", "--folder", str(tmp_path))
    assert unknown.returncode == 1 and "Traceback" not in unknown.stderr
    assert "invalid choice: 'nothing'" in unknown.stderr
