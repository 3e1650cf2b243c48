"""The exchange in lockstep: time, frames, commands; a small appliance trades in simulated time."""

import json
import socket
import struct
import subprocess
import sys
import threading

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from sim.captures import Capture
from sim.errors import SimulationError
from sim.exchange.lockstep import (
    Kind,
    Link,
    LockstepController,
    LockstepError,
    LockstepPeer,
    connect_socket,
    listen_socket,
)
from sim.exchange.master import Master, MasterSettings
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.venue import ExchangeSettings, TimedFrame, simulated_exchange
from sim.golden.book import Books
from sim.library import Line
from sim.prescan import packet_of
from tests.unit.sim.exchange.test_ouch_session import cancel, decode, enter, login, unsequenced

MS_NS = 1_000_000
START_NS = ExchangeSettings.start_ns
OPENINGS = {"AAPL": 1_895_000, "INTC": 314_000}
MAC, ADDRESS = "02:00:00:00:00:99", "192.0.2.9"
LATENCY_NS = 20_000


class Running:
    """A master in a thread of its own."""

    def __init__(self, path, seed=4, **more):
        self.exchange = simulated_exchange(
            OPENINGS, seed=seed, population=PopulationSettings(actions_per_second=2000))
        self.address = str(path)
        self.final = {}
        self.listener = listen_socket(self.address)
        self.master = Master(self.exchange, self.listener,
                             MasterSettings(order_latency_ns=LATENCY_NS), **more)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with self.listener:
            self.final = self.master.serve()

    def join(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.final


class Trader:
    """An appliance of a few lines: opens TCP, logs in, sends one order every 5 ms, and cancels."""

    def __init__(self, address, told_next=True):
        self.peer = LockstepPeer(address, "test")
        self.told_next = told_next
        self.books, self.grants, self.fills, self.answers = Books(), [], [], []
        self.sequence, self.acknowledged, self.expected_feed = 500, 0, 1
        self.state, self.number, self.stream = "arp", 0, b""
        self.next_order_ns = 0
        self.out, self.times = [], []

    def segment(self, time_ns, flags, payload=b""):
        frame = (Ether(src=MAC, dst="02:00:00:00:00:02") / IP(src=ADDRESS, dst="192.0.2.2")
                 / TCP(sport=40000, dport=26400, flags=flags, seq=self.sequence,
                       ack=self.acknowledged) / payload)
        self.sequence += len(payload) + ("S" in flags) + ("F" in flags)
        self.out.append(TimedFrame(time_ns, Line.ORDER, bytes(frame)))

    def take(self, item):
        self.times.append(item.time_ns)
        if item.line is Line.FEED_A:
            packet = packet_of(item.frame)
            if 0 < packet.count < 0xFFFF:
                assert packet.sequence == self.expected_feed
                self.expected_feed += packet.count
            for message in packet.messages:
                self.books.apply(message)
            return
        frame = Ether(item.frame)
        if ARP in frame:
            self.segment(item.time_ns + 100, "S")
            return
        segment = frame[TCP]
        data = bytes(segment.payload)[:frame[IP].len - 20 - 4 * segment.dataofs]
        self.acknowledged = (segment.seq + len(data) + ("S" in segment.flags)
                             + ("F" in segment.flags)) % 2**32
        if "S" in segment.flags:
            self.segment(item.time_ns + 100, "A")
            self.segment(item.time_ns + 200, "PA", login("TICKW", "WIRETICK"))
            self.next_order_ns = item.time_ns + MS_NS
        elif data or "F" in segment.flags:
            self.segment(item.time_ns + 50, "A")
        self.stream += data
        self.parse()

    def parse(self):
        while len(self.stream) > 2:
            end = 2 + int.from_bytes(self.stream[:2], "big")
            if len(self.stream) < end:
                return
            packet, self.stream = self.stream[:end], self.stream[end:]
            self.answers.append(packet[2:3])
            if packet[2:3] == b"S":
                kind, fields = decode(packet[3:])
                if kind == "E":
                    self.fills.append((fields["user_ref_num"], fields["quantity"],
                                       fields["price"]))

    def order(self, time_ns):
        self.number += 1
        bid, _, _, ask, _, _ = self.books.top(1)
        if self.number % 3 == 0:
            message = enter(self.number, side="B", quantity=300, price_e4=ask, tif="3")
        elif self.number % 3 == 1:
            message = enter(self.number, side="S", quantity=200, price_e4=bid, tif="3")
        else:
            message = enter(self.number, side="B", quantity=100, price_e4=bid)
        self.segment(time_ns, "PA", unsequenced(message, cancel(max(0, self.number - 3))))
        self.next_order_ns = time_ns + 5 * MS_NS

    def run(self):
        with self.peer:     # a failure here ends the run of the controller
            self.trade()

    def trade(self):
        arp = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op="who-has", hwsrc=MAC, psrc=ADDRESS, pdst="192.0.2.2")
        self.out.append(TimedFrame(START_NS + 1000, Line.ORDER, bytes(arp)))
        now_ns = START_NS
        while (grant := self.peer.grant()) is not None:
            self.grants.append((now_ns, grant.until_ns))
            for item in grant.frames:
                assert now_ns <= item.time_ns < grant.until_ns
                self.take(item)
            if self.next_order_ns and now_ns <= self.next_order_ns < grant.until_ns:
                self.order(self.next_order_ns)
            ready = [item for item in self.out if item.time_ns < grant.until_ns]
            self.out = [item for item in self.out if item.time_ns >= grant.until_ns]
            due = [item.time_ns for item in self.out]
            due += [self.next_order_ns] if self.next_order_ns else []
            self.peer.done(grant.until_ns, ready,
                           min(due, default=START_NS + 10**12) if self.told_next else None)
            now_ns = grant.until_ns


def trade(path, seed=4, told_next=True):
    """Run a short day; return trader and final status."""
    running = Running(path, seed)
    trader = Trader(running.address, told_next)
    thread = threading.Thread(target=trader.run, daemon=True)
    thread.start()
    with LockstepController(running.address) as controller:
        assert controller.run_until(START_NS + 50 * MS_NS) == START_NS + 50 * MS_NS
        controller.halt("INTC")
        assert controller.run_until(START_NS + 60 * MS_NS) == START_NS + 60 * MS_NS
        assert controller.status()["symbols"]["INTC"]["halted"]
        final = controller.finish()
    thread.join(20)
    running.join()
    return trader, final


def test_a_day_in_lockstep_reconciles_and_repeats(tmp_path):
    trader, final = trade(tmp_path / "a.sock")
    account = final["accounts"]["TICKW"]
    sides = {n: 1 if n % 3 != 1 else -1 for n in range(1, trader.number + 1)}
    assert trader.number >= 10 and len(trader.fills) >= 5
    assert account["fills"] == len(trader.fills)
    assert account["positions"]["AAPL"] == sum(sides[n] * q for n, q, _ in trader.fills)
    assert account["cash_e4"] == -sum(sides[n] * q * p for n, q, p in trader.fills)
    assert account["open_orders"] == [] and not final["open"]
    assert trader.answers[0] == b"A" and trader.answers[-1] == b"Z"
    assert trader.peer.final_status == final
    assert trader.expected_feed - 1 == final["feed_messages"]
    assert trader.books.unknown == 0
    assert {"bad TCP checksum", "malformed"} & final["frames"].keys() == set()
    for locate, symbol in enumerate(OPENINGS, start=1):
        status = final["symbols"][symbol]
        assert trader.books.top(locate) == tuple(
            status[f"{side}_{what}"] for side in ("bid", "ask")
            for what in ("price_e4", "quantity", "orders"))

    again, same = trade(tmp_path / "b.sock")
    assert same["digest"] == final["digest"] and again.fills == trader.fills
    short, steps = trade(tmp_path / "c.sock", told_next=False)
    assert short.fills == trader.fills, "the length of the grants changes nothing"
    assert steps["digest"] == final["digest"]
    assert len(short.grants) > len(trader.grants)
    _, other = trade(tmp_path / "d.sock", seed=5)
    assert other["digest"] != final["digest"]


def test_time_is_granted_without_hole_and_frames_arrive_a_latency_later(tmp_path):
    trader, _ = trade(tmp_path / "a.sock")
    assert trader.grants[0][0] == START_NS
    assert all(a[1] == b[0] for a, b in zip(trader.grants, trader.grants[1:], strict=False))
    assert max(b - a for a, b in trader.grants) <= MasterSettings.longest_grant_ns
    assert trader.times == sorted(trader.times)
    assert trader.times[0] == START_NS + MasterSettings.feed_latency_ns


def test_alone_the_exchange_runs_without_an_appliance(tmp_path):
    running = Running(tmp_path / "x.sock", alone=True)
    with LockstepController(running.address) as controller:
        controller.run_until(START_NS + 20 * MS_NS)
        assert controller.pause() == START_NS + 20 * MS_NS
        status = controller.status()
        assert status["feed_messages"] > 50 and not status["appliance"]
        with pytest.raises(LockstepError, match="symbol must be one of AAPL, INTC, was 'IBM'"):
            controller.halt("IBM")
        with pytest.raises(LockstepError, match="until_ns must be a time from"):
            controller.run_until(START_NS)
        controller.halt("AAPL")
        controller.resume("AAPL")
        final = controller.finish()
    assert running.join()["digest"] == final["digest"]


def test_time_stands_still_without_the_appliance_and_a_lost_one_fails_the_run(tmp_path):
    running = Running(tmp_path / "x.sock")
    with LockstepController(running.address) as controller:
        peer = LockstepPeer(running.address)

        def leave():
            peer.grant()
            peer.close()

        thread = threading.Thread(target=leave)
        thread.start()
        with pytest.raises(LockstepError, match="the appliance is gone"):
            controller.run_until(START_NS + MS_NS)
        thread.join()
        assert controller.status()["appliance"] is False
        controller.finish()
    running.join()


def raw(running):
    return Link(connect_socket(running.address))


def ends(link):
    with pytest.raises(LockstepError, match=r"closed the connection|peer is gone"):
        link.read()
    link.close()


def test_wrong_records_end_only_their_own_connection(tmp_path):
    running = Running(tmp_path / "x.sock", alone=True)
    link = raw(running)
    link.socket.sendall(struct.pack(">IBB", 2, 9, 1) + b"{}")
    ends(link)
    for kind, content in ((Kind.GRANT, b""), (Kind.HELLO, b"x"), (Kind.HELLO, b"[]"),
                          (Kind.HELLO, b'{"role": "king"}')):
        link = raw(running)
        link.put(kind, content)
        link.flush()
        ends(link)
    link = raw(running)
    link.put_json(Kind.HELLO, {"role": "appliance", "name": "x"})
    link.flush()
    assert link.expect(Kind.WELCOME).json()["start_ns"] == START_NS
    link.put_done(5, 5)
    link.flush()
    ends(link)
    with LockstepController(running.address) as controller:
        link = raw(running)
        link.put_json(Kind.HELLO, {"role": "controller", "name": "x"})
        link.put_json(Kind.COMMAND, {"command": "dance"})
        link.flush()
        link.expect(Kind.WELCOME)
        assert link.expect(Kind.REPLY).json() == {"ok": False,
                                                  "error": "no such command: 'dance'"}
        link.close()
        controller.finish()
    running.join()


def test_frame_outside_the_grant_ends_the_appliance(tmp_path):
    running = Running(tmp_path / "x.sock")
    with LockstepController(running.address) as controller, \
            LockstepPeer(running.address) as peer:
        thread = threading.Thread(target=lambda: peer.done(
            peer.grant().until_ns, [TimedFrame(START_NS - 1, Line.ORDER, bytes(60))]))
        thread.start()
        with pytest.raises(LockstepError, match="lies outside the grant"):
            controller.run_until(START_NS + MS_NS)
        thread.join()
        controller.finish()
    running.join()


@pytest.mark.parametrize(("more", "message"), [
    ({"order_latency_ns": 0}, "order latency must be 1 to"),
    ({"feed_latency_ns": -1}, "feed latency must be >= 0")])
def test_impossible_latencies_are_refused(more, message):
    with pytest.raises(SimulationError, match=message):
        MasterSettings(**more)


def test_only_local_addresses_are_taken():
    with pytest.raises(LockstepError, match=r"path or 127\.0\.0\.1:PORT"):
        listen_socket("0.0.0.0:5000")
    with listen_socket("127.0.0.1:0") as listener:
        assert listener.family == socket.AF_INET


def run_process(*arguments):
    return subprocess.run([sys.executable, "-m", "sim.exchange", *arguments], check=False,
                          capture_output=True, text=True, timeout=30)


def test_process_serves_and_obeys_the_command_line(tmp_path):
    address, pcap = str(tmp_path / "x.sock"), tmp_path / "orders.pcap"
    with subprocess.Popen(
            [sys.executable, "-m", "sim.exchange", "serve", "--listen", address, "--alone",
             "--symbols", "AAPL=189.5", "--seed", "3", "--pcap", str(pcap)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert "listening" in serving.stderr.readline()
        ran = run_process("control", address, "run", "+5000000")
        assert json.loads(ran.stdout) == {"now_ns": START_NS + 5 * MS_NS}
        assert run_process("control", address, "run").returncode == 2
        finished = run_process("control", address, "finish")
        final = json.loads(finished.stdout)
        output, _ = serving.communicate(timeout=20)
    assert serving.returncode == 0 and json.loads(output) == final
    assert final["seed"] == 3 and final["accounts"]["TICKW"]["fills"] == 0
    assert list(Capture(pcap).records()) == []
    assert run_process("control", address, "status").returncode == 4
    shown = run_process("serve", "--help").stdout
    assert "Example: python -m sim.exchange serve" in shown.replace("\n", " ")
