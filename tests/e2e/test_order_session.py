"""Orders over a real TCP socket: the appliance behind a TAP, the venue an independent server."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap

from proto.events import AnswerCode, EventKind, OrderFlag, StateFlag
from sim.appliance import Appliance
from sim.exchange.pcap import PcapWriter
from sim.order_entry import (
    LimitSettings,
    SessionSettings,
    StrategySettings,
    arm,
    configure_risk,
    configure_session,
    load_linear_model,
)
from sim.tap import Tap
from tests.support.order_line import Market
from tests.support.tap import tap_with_address

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
VENUE, PORT = "10.9.0.254", 8083
#: The score is this multiple of the imbalance of the touch, 256 a factor of two in size.
WEIGHT = 16
DAY = 1


class Venue:
    """The server, in the namespace of a TAP.

    Attributes
    ----------
    events : list of dict
        What it has reported.
    """

    def __init__(self, tap: Tap) -> None:
        self.events: list[dict] = []
        self.process = subprocess.Popen(
            tap.command([sys.executable, "-m", "tests.support.ouch_venue", VENUE, str(PORT)]),
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.events.append(json.loads(line))

    def of(self, event: str) -> list[dict]:
        """Return the reports of one kind."""
        return [entry for entry in self.events if entry["event"] == event]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self._reader.join()


class Desk:
    """The appliance with its order port at a TAP, and its market data."""

    def __init__(self, appliance: Appliance, tap: Tap) -> None:
        self.appliance = appliance
        self.tap = tap
        self.frames: list[tuple[int, bool, bytes]] = []
        self.market = Market(appliance, symbols=2)
        configure_session(appliance, SessionSettings(
            peer_address=0x0A0900FE, peer_port=PORT, retransmit_ns=2_000_000_000))
        load_linear_model(appliance, {"imbalance_top1": WEIGHT}, 0, epoch=7)
        both = {"buy_threshold": 1000, "sell_threshold": 1000}
        configure_risk(appliance, [LimitSettings()] * 2, [
            StrategySettings(**both, quantity=100),
            StrategySettings(**both, quantity=400, time_in_force=DAY, near=1,
                             cancel_buy_threshold=0, cancel_sell_threshold=0)])

    def run(self, seconds: float) -> None:
        """Run for some wall time."""
        self.appliance.simulation.bridge(self.tap.descriptor, int(seconds * 1e9))
        self.frames += self.appliance.simulation.bridged()

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Run until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            self.run(0.01)

    def state(self, field: str) -> int:
        """Return part of the state of the session."""
        return self.appliance.read("session.state", field)


@pytest.fixture
def tap():
    with tap_with_address(f"{VENUE}/24") as made:
        yield made


def check_frames(path: Path) -> list:
    """Check every checksum that the appliance made; return its TCP segments."""
    segments = []
    for packet in rdpcap(str(path)):
        packet = Ether(bytes(packet))
        if ARP in packet:
            continue
        ip = packet[IP]
        again = IP(bytes(ip)[:ip.len])
        del again.chksum
        del again[TCP].chksum
        again = IP(bytes(again))
        assert (ip.chksum, ip[TCP].chksum) == (again.chksum, again[TCP].chksum)
        segments.append(again)
    return segments


def test_a_session_over_a_real_tcp_socket(tap, tmp_path):
    venue = Venue(tap)
    try:
        with Appliance() as appliance:
            desk = Desk(appliance, tap)
            trade(desk, venue)
            records = appliance.order_events()
            counters = appliance.counters()
    finally:
        venue.close()
    sent = tmp_path / "orders.pcap"
    with PcapWriter(sent) as file:
        for at, out, frame in desk.frames:
            if out:
                file.write(at, frame)
    segments = check_frames(sent)
    orders = [s for s in segments if b"SYM" in bytes(s[TCP].payload)]
    summary, = venue.of("logout")
    assert len(orders) == summary["counts"]["orders"] == counters["order.enters"]
    assert counters["order_net.frames_sent"] == len(segments) + counters["arp.requests"] + \
        counters["arp.replies"]
    # The link is clean: what was sent again would have been sent too early.
    for name in ("tcp.retransmitted", "tcp.bad_checksum", "ouch.malformed", "ouch.unknown",
                 "soup.protocol_error", "events.lost", "risk.refused", "order_net.frames_bad_fcs"):
        assert counters[name] == 0, name
    check_records(records, venue)


def trade(desk: Desk, venue: Venue) -> None:
    """Log in, trade, and log out; check what the appliance's registers say."""
    appliance, market = desk.appliance, desk.market
    desk.until(lambda: venue.of("listening"), "server listens")
    appliance.write("session.enable", 1)
    desk.until(lambda: desk.state("up"), "session is up")
    login, = venue.of("login")
    assert (login["user"], login["password"], login["sequence"]) == ("TEST", "PASSWORD", "1")
    assert arm(appliance)

    # Symbol 1 takes: immediate-or-cancel, a new order with each change of a lopsided book. Sizes of
    # the far side decide: the score is 16 x 256 x log2(bid / ask).
    for symbol in (1, 2):
        market.send([market.add(b"B", 1_000_000, 800, symbol=symbol),
                     market.add(b"S", 1_000_100, 800, symbol=symbol)])
    for turn in range(12):
        side = b"B" if turn % 3 else b"S"
        price = 1_000_000 if side == b"B" else 1_000_100
        market.send([market.add(side, price, 8000)])
        desk.until(lambda count=turn + 1: settled(desk, venue, count), f"order {turn + 1}")
        market.send([market.change(b"D", market.reference)])

    # Symbol 2 rests, then the signal turns and the order is taken back.
    for turn in range(6):
        side = b"B" if turn % 2 else b"S"
        price = 1_000_000 if side == b"B" else 1_000_100
        before = len(venue.of("request"))
        market.send([market.add(side, price, 8000, symbol=2)])
        desk.until(lambda count=before + 1: settled(desk, venue, count), "enter")
        reference = market.reference
        market.send([market.change(b"D", reference, symbol=2),
                     market.add(b"B" if side == b"S" else b"S",
                                1_000_000 if side == b"S" else 1_000_100, 8000, symbol=2)])
        desk.until(lambda count=before + 2: settled(desk, venue, count), "cancel")
        market.send([market.change(b"D", market.reference, symbol=2)])
        desk.run(0.02)

    # Both keep the connection alive when nothing happens.
    heartbeats = appliance.counters()["soup.heartbeats"]
    desk.run(2.5)
    assert appliance.counters()["soup.heartbeats"] > heartbeats

    # Disarmed, nothing enters any more; what still rests is cancelled.
    appliance.write("risk.command", 1 << 1)
    appliance.write("risk.command", 1 << 4)
    desk.until(lambda: not open_orders(appliance), "every order is cancelled")
    desk.run(0.1)
    appliance.write("session.enable", 0)
    desk.until(lambda: venue.of("logout"), "logout")
    desk.until(lambda: desk.state("tcp") in (0, 7), "connection is closed")

    summary, = venue.of("logout")
    assert summary["open"] == {}
    counts = summary["counts"]
    for what in ("orders", "accepts", "fills", "cancels", "rejects"):
        assert counts[what] > 0, what
    for index in range(2):
        position = appliance.read(f"positions[{index}].position")
        position -= (position & 1 << 31) << 1
        assert position == summary["position"][f"SYM{index + 1}"]
        assert appliance.read(f"positions[{index}].open_orders") == 0
        assert appliance.read_wide(f"positions[{index}].open_buy") == 0
        assert appliance.read_wide(f"positions[{index}].open_sell") == 0
    assert appliance.read_wide("account.cash", signed=True) == summary["cash"]
    assert appliance.read("risk.cause") == 0
    assert appliance.read("latency.orders") == counts["orders"]


def open_orders(appliance: Appliance) -> int:
    """Return the number of open orders, both symbols and sides."""
    words = [appliance.read(f"positions[{index}].open_orders") for index in range(2)]
    return sum((word & 0xFFFF) + (word >> 16) for word in words)


def settled(desk: Desk, venue: Venue, requests: int) -> bool:
    """Tell whether so many requests have been answered, and the answers have arrived."""
    done = venue.of("request")
    answers = sum(len(entry["answers"]) for entry in done)
    return len(done) >= requests and \
        desk.appliance.read_wide("session.next_sequence") == 1 + answers


def check_records(records: list, venue: Venue) -> None:
    """Check that the records tell the venue's story."""
    by_kind = {kind: [record for k, record in records if k is kind] for kind in EventKind}
    assert [record["event_sequence"] for _, record in records] == list(range(len(records)))
    requests = venue.of("request")
    sent = by_kind[EventKind.ORDER_SENT]
    assert [(record["user_ref_num"], "X" if record["flags"] & OrderFlag.CANCEL else "O")
            for record in sent] == [(entry["number"], entry["kind"]) for entry in requests]
    for record in sent:
        if record["ingress_cycle"]:
            assert record["ingress_cycle"] < record["decision_cycle"] < record["cycle"]
            assert record["latency"] == record["cycle"] - record["ingress_cycle"] + 3
            assert record["feed_sequence"] and record["epoch"] == 7
    letters = {AnswerCode.ACCEPTED: "A", AnswerCode.EXECUTED: "E", AnswerCode.CANCELED: "C",
               AnswerCode.REJECTED: "J"}
    assert [letters[AnswerCode(record["answer"])] for record in by_kind[EventKind.VENUE_ANSWER]] \
        == [letter for entry in requests for letter in entry["answers"]]
    states = by_kind[EventKind.STATE]
    assert any(state["flags"] & StateFlag.SESSION_UP for state in states)
    assert not states[-1]["flags"] & (StateFlag.SESSION_UP | StateFlag.ARMED)
