"""The Verilated management port against the golden endpoint, frame by frame."""

import random
from collections import deque

import pytest
from scapy.layers.l2 import ARP, Ether

from proto.wire.ethernet import FCS_BYTES
from proto.wire.management import (
    ACKNOWLEDGE,
    LEASE_NS,
    OPEN,
    OPERATION,
    RETRANSMIT_NS,
    Kind,
    Status,
)
from sim import verilate
from sim.golden.management import ManagementEndpoint
from sim.library import FrameFlag, Line, Simulation, byte_cycle
from tests.support.management_bench import (
    ADDED,
    BEATS,
    LOG,
    LOG_WORDS,
    MAKE_RECORDS,
    NOW_HIGH,
    NOW_LOW,
    RAM_BYTES,
    record_bytes,
)
from tests.support.management_line import (
    APPLIANCE_ADDRESS,
    APPLIANCE_MAC,
    HOSTS,
    arp_request,
    datagram,
    frame,
    payload_of,
)

WINDOW = 32
_MODULUS = 1 << 32


@pytest.fixture(scope="module")
def library():
    return verilate.build(verilate.emit("tests.support.management_bench:bench",
                                        {"window_records": WINDOW}))


@pytest.fixture
def sim(library):
    with Simulation(library) as simulation:
        yield simulation


class Follower(ManagementEndpoint):
    """The golden endpoint, which sends records when the hardware does, not as soon as it may."""

    def tick(self, now_ns):
        return []

    def follow(self, count: int, sequence: int, now_ns: int) -> str:
        """Take note of records that were sent; return why they must not have been."""
        outstanding = (self._next - self._acknowledged) % _MODULUS
        if not outstanding:
            self._progress_ns = now_ns
        elif now_ns - self._progress_ns >= self.retransmit_ns:
            self._next, self._progress_ns = self._acknowledged, now_ns
        if not self.session:
            return "no session"
        if sequence != self._next:
            return f"sequence must be {self._next}, was {sequence}"
        most = self.sendable
        if not 1 <= count <= most:
            return f"at most {most} records may be sent, were {count}"
        self._next = (self._next + count) % _MODULUS
        return ""

    @property
    def sendable(self) -> int:
        room = (self._limit - self._next) % _MODULUS
        room = 0 if room >> 31 else room
        return min(21, self._unsent(), room) if self.session else 0


class Pair:
    """The hardware and its model, given the same."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.memory: dict[int, int] = {}
        self.added = self.beats = self.made = self.waiting = 0
        self.now_ns = 0
        self.golden = Follower(self.read, self.write, self.beat, ring_records=WINDOW)
        self.seeded = False
        self.given: deque = deque()     # (payload, host) that the model has not taken
        self.answers: deque = deque()
        self.taken = 0                  # datagrams that the model has taken
        self.datagrams = 0              # datagrams with records seen
        self.records = 0
        self.sent = 0                   # number after the last record that ever was sent

    # Registers of the model.

    def read(self, address: int) -> int:
        if address == ADDED:
            return self.added
        if address == BEATS:
            return self.beats
        return self.memory.get(address, 0)

    def write(self, address: int, value: int) -> None:
        if address == ADDED:
            self.added = (self.added + value) % _MODULUS
        elif address < RAM_BYTES and address % 4 == 0:
            self.memory[address] = value

    def beat(self) -> None:
        from hdl.profile import PROFILES
        from proto.registers import register_map
        self.beats += 1
        self.write(register_map(symbols=PROFILES["bench"].symbols)["risk.heartbeat"].address, 1)

    # What both are given.

    def advance(self, nanoseconds: int) -> None:
        self.now_ns += nanoseconds
        self.sim.csr_write(NOW_HIGH, self.now_ns >> 32)
        self.sim.csr_write(NOW_LOW, self.now_ns % _MODULUS)

    def make_records(self, count: int) -> None:
        self.sim.csr_write(MAKE_RECORDS, count)
        self.waiting += count
        self.fill()

    def fill(self) -> None:
        """Let the model's ring take what the source has made."""
        while self.waiting and self.golden.record(record_bytes(self.made)):
            self.waiting -= 1
            self.made += 1

    def take(self) -> None:
        payload, host = self.given.popleft()
        self.taken += 1
        if not self.seeded and payload[5:6] == bytes([Kind.OPEN]):
            # The number of the first session is the hardware's to choose.
            wanted = next((answer for answer, _ in self.outputs
                           if answer[5] == Kind.OPENED and answer[6] == Status.DONE), None)
            if wanted is not None:
                self.golden.next_session = int.from_bytes(wanted[8:12], "little")
        self.answers.extend((answer.payload, answer.peer) for answer in
                            self.golden.datagram(payload, host, self.now_ns))
        self.seeded = self.seeded or self.golden.session != 0
        self.fill()

    def settle(self, cycles: int = 3000) -> None:
        """Run, and compare all that came out."""
        while True:
            self.sim.run(cycles)
            received = self.sim.received(Line.MANAGEMENT)
            if not received:
                break
            assert all(one.good for one in received)
            self.compare([payload_of(one.frame) for one in received])
        while self.given:
            self.take()
        assert not self.answers
        assert self.golden.sendable == 0, "records were not sent"

    def compare(self, outputs) -> None:
        self.outputs = deque(outputs)
        while self.outputs:
            payload, host = self.outputs[0]
            if payload[5:7] == bytes([Kind.EVENTS, Status.DONE]):
                self.compare_events(payload, host)
            else:
                while not self.answers:
                    assert self.given, f"answer without a reason: {payload[:16].hex()}"
                    self.take()
                assert (payload, host) == self.answers.popleft()
            self.outputs.popleft()

    def compare_events(self, payload: bytes, host) -> None:
        session, sequence = (int.from_bytes(payload[at:at + 4], "little") for at in (8, 12))
        # The bench has noted which datagrams were dealt with before.
        before = self.sim.csr_read(LOG + 4 * (self.datagrams % LOG_WORDS))
        self.datagrams += 1
        while self.taken < before:
            self.take()
        assert not self.answers
        assert self.golden.follow(payload[7], sequence, self.now_ns) == ""
        assert (session, host) == (self.golden.session, self.golden._peer)
        self.sent = max(self.sent, sequence + payload[7])
        assert payload[:8] == b"TWMP" + bytes([1, Kind.EVENTS, 0, payload[7]])
        assert payload[16:] == b"".join(record_bytes(sequence + place)
                                        for place in range(payload[7]))
        self.records += payload[7]

    def send(self, payload: bytes, host=HOSTS[0], **how) -> None:
        self.sim.send([frame(payload, host)], Line.MANAGEMENT, **how)
        self.given.append((payload, host))

    def final(self) -> None:
        """Compare the registers."""
        self.settle()
        assert self.sim.csr_read(ADDED) == self.added
        assert self.sim.csr_read(BEATS) == self.beats
        for address, value in self.memory.items():
            assert self.sim.csr_read(address) == value


def operations(*accesses: tuple[int, int | None], codes=None) -> bytes:
    return b"".join(OPERATION.encode({"address": address, "value": value or 0,
                                      "code": 1 if value is None else 2})
                    for address, value in accesses)


def open_body(credit: int, flags: int = 0) -> bytes:
    return OPEN.encode({"flags": flags, "credit": credit})


def acknowledge_body(credit: int, flags: int = 0) -> bytes:
    return ACKNOWLEDGE.encode({"flags": flags, "credit": credit})


def random_operations(rng: random.Random, count: int) -> bytes:
    places = [4 * rng.randrange(RAM_BYTES // 4) for _ in range(3)]
    places += [ADDED, BEATS, RAM_BYTES - 4, 1, 0x1_0000, 0xF_FFFC, 0x10_0000, 0x80_0000,
               (1 << 20) + ADDED]
    return operations(*((rng.choice(places), rng.choice([None, rng.getrandbits(32)]))
                        for _ in range(count)))


def random_payload(rng: random.Random, pair: Pair) -> bytes:
    """Return what a host might send: right, late, repeated or wrong."""
    golden = pair.golden
    session = golden.session if rng.random() < 0.93 else rng.choice([0, 1, golden.session + 1])
    near = rng.choice([0, 0, 0, -1, 1, 5, -3, 1 << 31])
    match rng.choices(("open", "request", "heartbeat", "acknowledge", "close", "garbage"),
                      (6, 40, 10, 35, 1, 8))[0]:
        case "open":
            return datagram(Kind.OPEN, session=rng.choice([0, 0, 0, 0, session]),
                            sequence=rng.randrange(3), count=rng.choice([0, 0, 0, 0, 1]),
                            body=open_body(rng.choice([0, 3, 30, 1 << 31, _MODULUS - 1]),
                                           rng.randrange(4)) + rng.choice([b"", b"", b"", b"x"]))
        case "request":
            count = rng.choice([1, 1, 2, 3, rng.randrange(1, 65), 64])
            body = random_operations(rng, count)
            wrong = rng.random()
            if wrong < 0.05:
                at = 8 * rng.randrange(count) + 3
                body = body[:at] + rng.choice([b"\0", b"\3", b"\xFF"]) + body[at + 1:]
            elif wrong < 0.1:
                body += rng.choice([b"\0", bytes(7), bytes(8), operations((0, 0))])
            elif wrong < 0.13:
                count = rng.choice([0, 65, 255, count - 1])
            elif wrong < 0.15:
                count, body = rng.choice([(65, random_operations(rng, 65)), (0, b""),
                                          (150, random_operations(rng, 150))])
            return datagram(Kind.REQUEST, session=session, count=count, body=body,
                            sequence=(golden._last_sequence + rng.choice([1, 1, 1, 0, 0, 2, -1]))
                            % _MODULUS)
        case "heartbeat":
            return datagram(Kind.HEARTBEAT, session=session,
                            sequence=(golden._last_heartbeat + 1 + near) % _MODULUS,
                            count=rng.choice([0] * 9 + [1]), body=rng.choice([b""] * 9 + [b"a"]))
        case "acknowledge":
            # What was sent, even if it is to be sent again, or what there is not. Of records that
            # were not sent yet nobody knows whether they have arrived in the window.
            sent = pair.sent - golden._acknowledged
            done = rng.choice([sent, sent, sent, 0, rng.randrange(sent + 1), 3 * WINDOW, -1,
                               -rng.randrange(9), 1 << 31])
            return datagram(Kind.ACKNOWLEDGE, session=session,
                            sequence=(golden._acknowledged + done) % _MODULUS,
                            count=rng.choice([0] * 19 + [1]),
                            body=acknowledge_body(
                                rng.choice([0, 1, 7, 25, 60, 60, 1 << 30, _MODULUS - 1]),
                                rng.choice([0, 0, 0, 1, 2])) + rng.choice([b""] * 19 + [b"aaaa"]))
        case "close":
            return datagram(Kind.CLOSE, session=session, sequence=rng.getrandbits(32),
                            body=rng.choice([b"", b"abc"]))
        case _:
            whole = datagram(rng.choice([0, 6, 0x81, 0x82, *range(1, 6)]), session=session,
                             sequence=1, status=rng.choice([0, 0, 1]),
                             version=rng.choice([1, 0, 2, 255]),
                             magic=rng.choice([0x504D5754, 0x504D5755, 0]))
            return rng.choice([whole, whole[:rng.randrange(16)], rng.randbytes(rng.randrange(1400)),
                               whole + rng.randbytes(rng.randrange(1380)), bytes(1472)])


def unwanted_frames(rng: random.Random) -> list[tuple[bytes, int]]:
    """Return frames that must have no effect, each with its flags."""
    good = datagram(Kind.OPEN, sequence=7, body=open_body(9, 1))
    host = HOSTS[0]
    tagged = frame(good, host)
    flipped = bytearray(frame(good, host))
    flipped[rng.randrange(14, 14 + 20 + 8 + len(good))] ^= 1 << rng.randrange(8)
    return [
        (frame(good, host, mac="02:54:49:43:4b:02"), 0),
        (frame(good, host, mac="ff:ff:ff:ff:ff:ff"), 0),
        (frame(good, host, port=5450), 0), (frame(good, host, address="192.168.1.11"), 0),
        (frame(good, host, chksum=0), 0), (frame(good, host, chksum=0x1234), 0),
        (frame(good, host, len=20), 0), (frame(good, host), FrameFlag.BAD_FCS),
        (tagged[:12] + b"\x81\0\0\5" + tagged[12:], 0), (bytes(flipped), 0),
        (frame(good, host)[:40], 0), (rng.randbytes(300), 0),
        (arp_request(host, "192.168.1.11"), 0),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_anything_is_answered_as_the_golden_endpoint_does(sim, seed):
    rng = random.Random(seed)
    pair = Pair(sim)
    for _ in range(150):
        if rng.random() < 0.1:
            pair.advance(rng.choice([1, 1000, RETRANSMIT_NS - 1, RETRANSMIT_NS, RETRANSMIT_NS,
                                     LEASE_NS - 1, LEASE_NS, 5 * LEASE_NS]))
            pair.settle()
        if rng.random() < 0.3:
            pair.make_records(rng.choice([1, 2, 5, 21, 22, 60]))
        for _ in range(rng.randrange(1, 7)):
            host = rng.choice(HOSTS) if rng.random() < 0.04 else pair.golden._peer or HOSTS[0]
            if rng.random() < 0.1:
                unwanted, flags = rng.choice(unwanted_frames(rng))
                sim.send([unwanted], Line.MANAGEMENT, flags=flags)
            pair.send(random_payload(rng, pair), host, gap_bytes=rng.choice([5, 12, 40, 3000]))
        pair.settle(rng.choice([2500, 4000]))
    pair.final()
    assert pair.records > 200 and pair.added and pair.beats


ELASTIC_CYCLES = 3


def answer_to(sim: Simulation, payload: bytes) -> tuple[int, bytes]:
    """Return the cycles from the last byte behind the elastic buffer to Start, and the answer."""
    sent = frame(payload, HOSTS[0])
    sim.starts(Line.MANAGEMENT)
    sim.send([sent], Line.MANAGEMENT, flags=FrameFlag.LANE_0)
    sim.run(3000)
    start, = sim.starts(Line.MANAGEMENT)
    answer, = sim.received(Line.MANAGEMENT)
    last = byte_cycle(int(start), len(sent) + FCS_BYTES - 1)
    return answer.start // 8 - last - ELASTIC_CYCLES, payload_of(answer.frame)[0]


def test_requests_are_answered_after_fixed_times(sim):
    sim.run(1000)
    _, opened = answer_to(sim, datagram(Kind.OPEN, sequence=1, body=open_body(0)))
    session = int.from_bytes(opened[8:12], "little")
    for sequence, count in enumerate((1, 2, 3, 10, 64), 1):
        cycles, reply = answer_to(sim, datagram(
            Kind.REQUEST, session=session, sequence=sequence, count=count,
            body=operations(*((4 * place, None) for place in range(count)))))
        assert (cycles, reply[16:]) == (118 + 10 * (count - 1), bytes(4 * count))


def test_arp_requests_are_answered_and_unwanted_frames_are_not(sim):
    rng = random.Random(1)
    sim.run(1000)
    for host in HOSTS:
        sim.send([arp_request(host)], Line.MANAGEMENT)
        sim.run(1000)
        answer, = sim.received(Line.MANAGEMENT)
        found = Ether(answer.frame[:-4])
        assert answer.good and found.dst == found[ARP].hwdst == host.mac
        assert (found[ARP].op, found[ARP].psrc, found[ARP].pdst) == (
            2, APPLIANCE_ADDRESS, host.address)
        assert found.src == found[ARP].hwsrc == APPLIANCE_MAC
    for unwanted, flags in unwanted_frames(rng):
        sim.send([unwanted], Line.MANAGEMENT, flags=flags)
    sim.run(5000)
    assert sim.received(Line.MANAGEMENT) == []


def test_datagrams_that_come_faster_than_they_are_answered_are_lost_whole(sim):
    sim.run(1000)
    _, opened = answer_to(sim, datagram(Kind.OPEN, sequence=1, body=open_body(0)))
    session = int.from_bytes(opened[8:12], "little")
    most = operations(*[(ADDED, 1)] * 64)
    for sequence in range(1, 41):
        sim.send([frame(datagram(Kind.REQUEST, session=session, sequence=sequence, count=64,
                                 body=most), HOSTS[0])], Line.MANAGEMENT)
    sim.run(100_000)
    replies = [payload_of(one.frame)[0] for one in sim.received(Line.MANAGEMENT)]
    # Once one is lost, all that follow are out of sequence.
    assert [int.from_bytes(reply[12:16], "little") for reply in replies] == list(
        range(1, len(replies) + 1))
    assert 5 <= len(replies) < 40
    assert sim.csr_read(ADDED) == 64 * len(replies)
