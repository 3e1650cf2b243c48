"""The TCP server against a client made with scapy, over a bad line, and against Linux."""

from random import Random

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from sim.exchange.packets import Endpoint
from sim.exchange.tcp_connection import NEVER_NS, TcpSettings, TcpState
from sim.exchange.tcp_server import TcpServer

LOCAL = Endpoint(mac=0x020000000002, ip=0x0A090002, port=26400)
LOCAL_MAC, LOCAL_IP = "02:00:00:00:00:02", "10.9.0.2"
CLIENT_MAC, CLIENT_IP, CLIENT_PORT = "02:00:00:00:00:99", "10.9.0.1", 40000
MS_NS = 1_000_000


class Echo:
    """An application that sends back what it gets; a logout byte closes."""

    def __init__(self):
        self.output = bytearray()
        self.received = bytearray()
        self.closing = False
        self.gone = 0

    @property
    def next_ns(self):
        return 0 if self.output else NEVER_NS

    def receive(self, data, now_ns):
        self.received += data
        self.output += data
        self.closing = self.closing or b"\xff" in data

    def advance(self, now_ns):
        pass

    def take_output(self):
        output = bytes(self.output)
        self.output.clear()
        return output

    def disconnected(self, now_ns):
        self.gone += 1


class Bench:
    """A server with an echo, and a client that says what it is told to."""

    def __init__(self, **settings):
        self.echo = Echo()
        self.server = TcpServer(LOCAL, lambda: self.echo, TcpSettings(**settings), seed=3)
        self.sequence, self.acknowledged, self.now_ns = 1000, 0, 0

    def raw(self, frame):
        self.server.receive(bytes(frame), self.now_ns)
        return self.taken()

    def taken(self):
        return [Ether(frame) for frame in self.server.take_frames()]

    def send(self, flags="A", payload=b"", sequence=None, acknowledged=None, window=65535,
             options=()):
        """Send a segment; return the TCP headers of the answers, checked by scapy."""
        answers = self.raw(
            Ether(src=CLIENT_MAC, dst=LOCAL_MAC) / IP(src=CLIENT_IP, dst=LOCAL_IP)
            / TCP(sport=CLIENT_PORT, dport=LOCAL.port, flags=flags, window=window,
                  seq=self.sequence if sequence is None else sequence,
                  ack=self.acknowledged if acknowledged is None else acknowledged,
                  options=list(options)) / payload)
        return [self.checked(frame) for frame in answers]

    def checked(self, frame):
        again = Ether(bytes(frame))
        del again[IP].chksum, again[TCP].chksum, again[IP].len
        assert bytes(again) == bytes(frame), "lengths and checksums as scapy makes them"
        assert len(frame) >= 60 and frame.dst == CLIENT_MAC
        segment = frame[TCP]
        segment.data = bytes(segment.payload)[:frame[IP].len - 20 - 4 * segment.dataofs]
        return segment

    def open(self, **more):
        [answer] = self.send("S", **more)
        assert answer.flags == "SA" and answer.ack == self.sequence + 1
        assert answer.options == [("MSS", 1460)]
        self.sequence += 1
        self.acknowledged = (answer.seq + 1) % 2**32
        assert self.send(window=more.get("window", 65535)) == []
        return self

    def wait(self, until_ns):
        self.now_ns = until_ns
        self.server.advance(until_ns)
        return [self.checked(frame) for frame in self.taken()]

    @property
    def state(self):
        return [item.state for item in self.server.connections]


def test_arp_request_for_our_address_is_answered():
    bench = Bench()
    request = Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op="who-has", hwsrc=CLIENT_MAC, psrc=CLIENT_IP, pdst=LOCAL_IP)
    [answer] = bench.raw(request)
    assert (answer[ARP].op, answer[ARP].hwsrc, answer[ARP].psrc, answer[ARP].hwdst,
            answer[ARP].pdst) == (2, LOCAL_MAC, LOCAL_IP, CLIENT_MAC, CLIENT_IP)
    assert (answer.dst, answer.src, len(answer)) == (CLIENT_MAC, LOCAL_MAC, 60)
    request[ARP].pdst = "10.9.0.3"
    assert bench.raw(request) == []


def test_data_are_acknowledged_and_echoed():
    bench = Bench().open()
    answers = bench.send("PA", b"hello")
    assert b"".join(item.data for item in answers) == b"hello"
    assert answers[-1].ack == bench.sequence + 5
    assert bench.echo.received == b"hello"


def test_answers_leave_in_segments_of_the_peers_size():
    bench = Bench().open(options=[("MSS", 100)])
    bench.sequence += 0
    answers = [item for item in bench.send("PA", bytes(250)) if item.data]
    assert [len(item.data) for item in answers] == [100, 100, 50]
    assert [item.flags for item in answers] == ["A", "A", "PA"]


def test_peer_without_the_option_gets_536_bytes():
    bench = Bench().open()
    assert max(len(item.data) for item in bench.send("PA", bytes(600))) == 536


@pytest.mark.parametrize(("frame", "counter"), [
    (Ether(dst=LOCAL_MAC) / IP(dst=LOCAL_IP) / UDP(), "unknown protocol"),
    (Ether(dst=LOCAL_MAC) / IP(dst=LOCAL_IP, chksum=1) / TCP(), "bad IPv4 header checksum"),
    (Ether(dst=LOCAL_MAC) / IP(dst=LOCAL_IP) / TCP(chksum=1), "bad TCP checksum"),
    (Ether(dst=LOCAL_MAC) / IP(dst=LOCAL_IP, flags="MF") / TCP(), "fragment"),
    (Ether(dst=LOCAL_MAC) / IP(dst="10.9.0.7") / TCP(), "not for us"),
    (Ether(dst="02:00:00:00:00:77") / IP(dst=LOCAL_IP) / TCP(), "not for us"),
    (Ether(dst=LOCAL_MAC) / IP(dst=LOCAL_IP, len=10) / TCP(), "malformed"),
    (Ether(dst=LOCAL_MAC, type=0x86DD) / bytes(60), "unknown protocol"),
    (Ether(dst=LOCAL_MAC) / b"", "malformed"),
])
def test_frame_that_is_not_taken_is_counted(frame, counter):
    bench = Bench()
    if isinstance(frame, Ether) and counter == "malformed" and IP not in frame:
        frame = bytes(frame)[:13]
    assert bench.raw(frame) == []
    assert bench.server.counters[counter] == 1


def test_options_of_ip_are_passed_over_and_padding_is_no_data():
    bench = Bench().open()
    frame = (Ether(src=CLIENT_MAC, dst=LOCAL_MAC)
             / IP(src=CLIENT_IP, dst=LOCAL_IP, options=[b"\x01\x01\x01\x00"])
             / TCP(sport=CLIENT_PORT, dport=LOCAL.port, flags="PA", seq=bench.sequence,
                   ack=bench.acknowledged) / b"x")
    bench.raw(bytes(frame) + bytes(20))
    assert bench.echo.received == b"x"


def test_duplicate_overlap_and_hole():
    bench = Bench().open()
    bench.send("PA", b"abc")
    [answer] = bench.send("PA", b"abc")
    assert (answer.flags, answer.ack, answer.data) == ("A", bench.sequence + 3, b"")
    [answer] = bench.send("PA", b"ghi", sequence=bench.sequence + 6)
    assert (answer.flags, answer.ack, answer.data) == ("A", bench.sequence + 3, b"")
    bench.send("PA", b"bcdef", sequence=bench.sequence + 1)
    assert bench.echo.received == b"abcdef"


def test_unacknowledged_data_are_sent_again_with_doubling_waits_and_then_given_up():
    bench = Bench(retransmit_ns=10 * MS_NS, retransmissions=3).open()
    [*_, first] = [item for item in bench.send("PA", b"data") if item.data]
    times, answer = [], first
    while bench.server.next_ns != NEVER_NS:
        at_ns = bench.server.next_ns
        [answer] = bench.wait(at_ns)
        times.append(at_ns // MS_NS)
        if answer.flags == "PA":
            assert (answer.seq, answer.data) == (first.seq, b"data")
    assert times == [10, 30, 70, 150]
    assert answer.flags == "RA" and bench.echo.gone == 1 and bench.state == []
    assert bench.server.counters["retransmitted"] == 3


def test_third_duplicate_acknowledgment_brings_the_first_segment_at_once():
    bench = Bench().open(options=[("MSS", 100)])
    answers = [item for item in bench.send("PA", bytes(range(250)) + b"") if item.data]
    acknowledged = answers[0].seq
    bench.sequence += 250
    assert bench.send(acknowledged=acknowledged) == []
    assert bench.send(acknowledged=acknowledged) == []
    [again] = bench.send(acknowledged=acknowledged)
    assert (again.seq, again.data) == (acknowledged, bytes(range(100)))


def test_window_is_obeyed_probed_and_used_when_it_opens():
    bench = Bench(retransmit_ns=10 * MS_NS, retransmissions=3).open(window=4)
    sent = [item for item in bench.send("PA", b"0123456789", window=4) if item.data]
    assert [item.data for item in sent] == [b"0123"]
    bench.sequence += 10
    bench.acknowledged = (sent[0].seq + 4) % 2**32
    assert bench.send(window=0) == []
    for _ in range(8):  # as long as probes are answered the peer is not given up
        [probe] = bench.wait(bench.server.next_ns)
        assert probe.data == b"4"
        bench.send(window=0)
    answers = bench.send(window=100)
    assert b"".join(item.data for item in answers).endswith(b"56789")
    assert answers[0].data == b"4"


def test_peer_closes_and_the_server_closes_after_its_data():
    bench = Bench().open()
    answers = bench.send("FPA", b"bye")
    assert b"".join(item.data for item in answers) == b"bye"
    assert [item.flags for item in answers].count("FA") == 1
    assert answers[-1].flags == "FA" and answers[-1].ack == bench.sequence + 4
    assert bench.state == [TcpState.LAST_ACK] and bench.echo.gone == 1
    bench.acknowledged = (answers[-1].seq + 1) % 2**32
    bench.send(sequence=bench.sequence + 4)
    assert bench.state == []


def test_server_closes_first_and_waits_before_it_forgets():
    bench = Bench(time_wait_ns=50 * MS_NS).open()
    answers = bench.send("PA", b"\xff")
    assert answers[-1].flags == "FA" and bench.state == [TcpState.FIN_WAIT_1]
    bench.sequence += 1
    bench.acknowledged = (answers[-1].seq + 1) % 2**32
    bench.send()
    assert bench.state == [TcpState.FIN_WAIT_2]
    [answer] = bench.send("FA")
    assert answer.ack == bench.sequence + 1 and bench.state == [TcpState.TIME_WAIT]
    assert bench.server.next_ns == 50 * MS_NS
    bench.wait(50 * MS_NS)
    assert bench.state == []


def test_simultaneous_close():
    bench = Bench().open()
    answers = bench.send("PA", b"\xff")
    bench.sequence += 1
    bench.acknowledged = answers[-1].seq % 2**32     # our FIN is not acknowledged yet
    bench.send("FA")
    assert bench.state == [TcpState.CLOSING]
    bench.acknowledged = (answers[-1].seq + 1) % 2**32
    bench.send(sequence=bench.sequence + 1)
    assert bench.state == [TcpState.TIME_WAIT]


def test_reset_counts_only_at_the_next_sequence_number():
    bench = Bench().open()
    [challenge] = bench.send("R", sequence=bench.sequence + 5)
    assert (challenge.flags, challenge.ack) == ("A", bench.sequence)
    assert bench.send("R", sequence=bench.sequence - 5) == []
    assert bench.state == [TcpState.ESTABLISHED]
    assert bench.send("R") == []
    assert bench.state == [] and bench.echo.gone == 1


def test_half_open_peer_comes_back_after_a_challenge():
    bench = Bench().open()
    [challenge] = bench.send("S", sequence=777_777)
    assert (challenge.flags, challenge.ack) == ("A", bench.sequence)
    bench.send("R", sequence=challenge.ack)
    bench.sequence = 777_777
    bench.open()
    assert bench.state == [TcpState.ESTABLISHED]


def test_segment_of_no_connection_is_reset():
    bench = Bench()
    [answer] = bench.send("PA", b"data", acknowledged=555)
    assert (answer.flags, answer.seq) == ("R", 555)
    [answer] = bench.send("", b"data")
    assert (answer.flags, answer.seq, answer.ack) == ("RA", 0, bench.sequence + 4)
    assert bench.send("R") == []
    assert bench.server.counters["reset"] == 2


def test_lost_syn_ack_is_sent_again():
    bench = Bench(retransmit_ns=10 * MS_NS)
    [first] = bench.send("S")
    [again] = bench.wait(10 * MS_NS)
    assert (again.flags, again.seq, again.ack) == ("SA", first.seq, first.ack)
    [again] = bench.send("S")
    assert (again.flags, again.seq) == ("SA", first.seq)


def test_acknowledgment_of_what_was_never_sent_is_answered_and_dropped():
    bench = Bench().open()
    [answer] = bench.send("PA", b"x", acknowledged=bench.acknowledged + 9)
    assert (answer.flags, answer.data) == ("A", b"") and bench.echo.received == b""


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_over_a_bad_line_and_round_the_end_of_the_sequence_numbers(seed):
    """A plain client: go back N, acknowledges what comes in order; both directions lose frames."""
    random = Random(seed)
    bench = Bench(retransmit_ns=10 * MS_NS, retransmissions=40)
    bench.sequence = 2**32 - 2000
    [answer] = bench.send("S", options=[("MSS", 200)])
    base = (bench.sequence + 1) % 2**32
    expected = (answer.seq + 1) % 2**32
    data = bytes(random.randrange(255) for _ in range(5000))
    received, sent_until, acknowledged = bytearray(), 0, 0
    line = []

    def take(segments):
        nonlocal expected, acknowledged
        for item in segments:
            if random.random() < 0.15:
                continue
            acknowledged = max(acknowledged, (item.ack - base + 2**31) % 2**32 - 2**31)
            if item.data and item.seq == expected:
                received.extend(item.data)
                expected = (expected + len(item.data)) % 2**32

    for _ in range(1000):
        if len(received) == len(data):
            break
        bench.now_ns += MS_NS
        again = sent_until >= min(acknowledged + 3000, len(data)) or random.random() < 0.2
        start = acknowledged if again else sent_until
        piece = data[start:min(start + random.randrange(1, 300), acknowledged + 3000)]
        sent_until = max(sent_until, start + len(piece))
        line.append((start, piece))
        if len(line) > 1 and random.random() < 0.2:
            line[-1], line[-2] = line[-2], line[-1]
        while line and (len(line) > 3 or random.random() < 0.7):
            at, piece = line.pop(0)
            for _ in range(random.choices((0, 1, 2), (15, 75, 10))[0]):
                take(bench.send("PA", piece, sequence=(base + at) % 2**32, acknowledged=expected))
        if bench.server.next_ns <= bench.now_ns:
            take(bench.wait(bench.now_ns))
    assert bytes(received) == data
    assert bench.server.counters["retransmitted"] > 0


# The real thing.

ECHO_CLIENT = """
import random, socket, sys
peer = socket.create_connection(("10.9.0.2", 26400), timeout=20)
data = random.Random(9).randbytes(60_000).replace(b"\\xff", b"x")
sent, got = 0, b""
peer.setblocking(False)
import select
while len(got) < len(data):
    readable, writable, _ = select.select([peer], [peer] if sent < len(data) else [], [], 20)
    if writable:
        sent += peer.send(data[sent:sent + 5000])
    if readable:
        got += peer.recv(65536)
assert got == data
peer.setblocking(True)
peer.send(b"\\xff")
assert peer.recv(10) == b"\\xff" and peer.recv(10) == b""
print("echoed", len(got))
"""


@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_linux_echoes_60_kb_and_closes(tap, loss):
    random, echo = Random(11), Echo()
    server = TcpServer(LOCAL, lambda: echo, TcpSettings(retransmit_ns=30 * MS_NS), seed=1)
    assert tap.serve(server, tap.start(ECHO_CLIENT),
                     lost=lambda: random.random() < loss) == "echoed 60000\n"
    assert echo.gone == 1
    assert server.counters["bad TCP checksum"] == server.counters["malformed"] == 0
    assert server.counters["retransmitted"] == 0 or loss
