"""The appliance's side of the management protocol under loss, duplication and reordering."""

import random
import struct

import pytest

from proto.wire import management as wire
from proto.wire.management import Code, Kind, Status
from sim.golden.management import ManagementEndpoint

HOST = ("10.0.0.2", 4000)
MILLISECOND = 1_000_000


class Registers:
    """Registers that remember every access."""

    def __init__(self):
        self.words = {}
        self.log = []

    def read(self, address):
        self.log.append(("read", address))
        return self.words.get(address, 0)

    def write(self, address, value):
        self.log.append(("write", address, value))
        self.words[address] = value


def endpoint(**how):
    registers = Registers()
    beats = []
    port = ManagementEndpoint(read=registers.read, write=registers.write,
                              feed_watchdog=lambda: beats.append(1), **how)
    port.registers, port.beats = registers, beats
    return port


def packet(kind, *, session=0, sequence=0, count=0, body=b"", version=wire.VERSION):
    return wire.HEADER.encode({"magic": wire.MAGIC, "version": version, "kind": kind, "status": 0,
                               "count": count, "session": session, "sequence": sequence}) + body


def opening(nonce, *, take_over=False, credit=100):
    return packet(Kind.OPEN, sequence=nonce, body=wire.OPEN.encode(
        {"flags": int(take_over), "credit": credit}))


def request(session, sequence, *operations):
    body = b"".join(wire.OPERATION.encode({
        "address": address, "code": Code.READ if value is None else Code.WRITE,
        "value": value or 0}) for address, value in operations)
    return packet(Kind.REQUEST, session=session, sequence=sequence, count=len(operations),
                  body=body)


def acknowledge(session, sequence, credit, *, again=False):
    return packet(Kind.ACKNOWLEDGE, session=session, sequence=sequence,
                  body=wire.ACKNOWLEDGE.encode({"flags": int(again), "credit": credit}))


def head(datagram):
    return wire.HEADER.decode_from(datagram.payload)


def open_session(port, *, now=0, peer=HOST, nonce=77, **how):
    (answer,) = port.datagram(opening(nonce, **how), peer, now)
    assert head(answer)["status"] == Status.DONE
    return head(answer)["session"]


def record(number):
    return struct.pack("<I60x", number)


def numbers(datagrams):
    """Return (sequence of the first record, numbers in the records) of EVENTS datagrams."""
    out = []
    for datagram in datagrams:
        fields = head(datagram)
        assert fields["kind"] == Kind.EVENTS
        body = datagram.payload[wire.HEADER.size:]
        assert len(body) == 64 * fields["count"]
        out.append((fields["sequence"], [struct.unpack_from("<I", body, 64 * n)[0]
                                         for n in range(fields["count"])]))
    return out


def test_a_request_is_executed_once_and_its_reply_repeated():
    port = endpoint()
    session = open_session(port)
    first = request(session, 1, (8, 5), (8, None), (12, None))
    (reply,) = port.datagram(first, HOST, 1)
    assert struct.unpack("<3I", reply.payload[wire.HEADER.size:]) == (0, 5, 0)
    assert port.datagram(first, HOST, 2) == [reply]
    assert len(port.registers.log) == 3
    port.datagram(request(session, 2, (8, 6)), HOST, 3)
    assert port.datagram(first, HOST, 4) == []               # late: dropped
    assert port.datagram(request(session, 4, (8, 9)), HOST, 5) == []   # ahead of its turn
    assert port.registers.words[8] == 6


def test_sessions_of_others_are_kept_out_until_the_lease_is_over():
    port = endpoint()
    session = open_session(port)
    other = ("10.0.0.3", 1)
    (busy,) = port.datagram(opening(5), other, 1999 * MILLISECOND)
    assert head(busy)["status"] == Status.BUSY
    (refused,) = port.datagram(request(session, 1, (0, None)), other, 0)
    assert head(refused)["status"] == Status.UNKNOWN_SESSION
    assert refused.peer == other
    newer = open_session(port, now=2000 * MILLISECOND, peer=other, nonce=5)
    assert newer != session
    (refused,) = port.datagram(request(session, 1, (0, 1)), HOST, 2000 * MILLISECOND)
    assert head(refused)["status"] == Status.UNKNOWN_SESSION
    assert port.registers.log == []


def test_take_over_and_close_end_a_session():
    port = endpoint()
    old = open_session(port)
    new = open_session(port, peer=("b", 1), nonce=1, take_over=True)
    assert new != old
    (closed,) = port.datagram(packet(Kind.CLOSE, session=new), ("b", 1), 0)
    assert head(closed)["kind"] == Kind.CLOSED and port.session == 0
    (late,) = port.datagram(packet(Kind.CLOSE, session=new), ("b", 1), 0)
    assert head(late)["status"] == Status.UNKNOWN_SESSION


def test_a_repeated_open_is_the_same_session():
    port = endpoint()
    session = open_session(port)
    port.datagram(request(session, 1, (0, 1)), HOST, 0)
    assert open_session(port) == session
    port.datagram(request(session, 2, (4, 1)), HOST, 0)
    assert port.registers.words == {0: 1, 4: 1}


@pytest.mark.parametrize("body, count", [
    (b"", 0), (b"\0" * 8, 1), (b"\0\0\0\1" + b"\0" * 4, 2), (b"\0\0\0\1\0\0\0", 1),
    (b"\0\0\0\3" + b"\0" * 4, 1), (b"\0\0\0\1" + b"\0" * 516, 65),
])
def test_malformed_requests_execute_nothing_and_use_up_no_number(body, count):
    port = endpoint()
    session = open_session(port)
    (answer,) = port.datagram(packet(Kind.REQUEST, session=session, sequence=1, count=count,
                                     body=body), HOST, 0)
    assert head(answer)["status"] == Status.MALFORMED
    assert port.registers.log == []
    assert port.datagram(request(session, 1, (0, None)), HOST, 0)


@pytest.mark.parametrize("payload", [
    b"", b"TWMP", b"XXXX" + bytes(12), packet(9), packet(Kind.REPLY),
    packet(Kind.HEARTBEAT, session=3, sequence=1)])
def test_what_is_no_datagram_of_a_host_is_dropped(payload):
    port = endpoint()
    assert port.datagram(payload, HOST, 0) == []
    assert port.dropped == 1


def test_another_version_is_told_ours():
    (answer,) = endpoint().datagram(packet(Kind.OPEN, sequence=4, version=2), HOST, 0)
    assert (head(answer)["status"], head(answer)["version"]) == (Status.VERSION, wire.VERSION)


def test_old_and_repeated_heartbeats_do_not_feed_the_watchdog():
    port = endpoint()
    session = open_session(port)
    for sequence in (1, 1, 3, 2, 3, 4):
        port.datagram(packet(Kind.HEARTBEAT, session=session, sequence=sequence), HOST, 0)
    port.datagram(packet(Kind.HEARTBEAT, session=session + 1, sequence=9), HOST, 0)
    port.datagram(packet(Kind.HEARTBEAT, session=session, sequence=9), ("x", 1), 0)
    assert len(port.beats) == 3


def test_records_flow_within_credit_and_go_back_after_a_while():
    port = endpoint(ring_records=64)
    assert all(port.record(record(n)) for n in range(64))
    assert not port.record(record(64))
    session = open_session(port, credit=30)
    sent = numbers(port.tick(0))
    assert [(first, len(part)) for first, part in sent] == [(0, 21), (21, 9)]
    assert port.tick(19 * MILLISECOND) == []
    assert numbers(port.tick(20 * MILLISECOND)) == sent          # nothing acknowledged
    again = port.datagram(acknowledge(session, 10, 25), HOST, 21 * MILLISECOND)
    assert numbers(again) == [(30, [30, 31, 32, 33, 34])]
    back = port.datagram(acknowledge(session, 10, 25, again=True), HOST, 22 * MILLISECOND)
    assert numbers(back)[0] == (10, list(range(10, 31)))
    assert port.record(record(64))                               # room again
    # A late acknowledgement takes neither records nor credit back, a wrong one does nothing.
    assert port.datagram(acknowledge(session, 3, 0), HOST, 22 * MILLISECOND) == []
    assert port.datagram(acknowledge(session, 66, 9), HOST, 22 * MILLISECOND) == []


def test_a_new_session_gets_what_nobody_has_acknowledged():
    port = endpoint()
    for number in range(5):
        port.record(record(number))
    session = open_session(port)
    port.tick(0)
    port.datagram(acknowledge(session, 2, 9), HOST, 0)
    port.datagram(packet(Kind.CLOSE, session=session), HOST, 0)
    (opened,) = port.datagram(opening(3), HOST, 0)
    assert wire.OPENED.decode_from(opened.payload, wire.HEADER.size)["event_sequence"] == 2
    assert numbers(port.tick(0)) == [(2, [2, 3, 4])]


@pytest.mark.parametrize("seed", range(6))
def test_any_loss_leaves_each_request_done_once_and_each_record_seen_once(seed):
    """A small host of its own over a line that loses, repeats and reorders."""
    rng = random.Random(seed)
    port = endpoint(ring_records=32, next_session=rng.getrandbits(32))
    wanted = [("write", 4 * rng.randrange(8), rng.getrandbits(32)) for _ in range(60)]
    produced = 0
    session = open_session(port, credit=rng.randrange(1, 40))
    to_port, to_host = [], []

    def put(line, item):
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            line.insert(rng.randrange(max(0, len(line) - 3), len(line) + 1), item)

    sequence, replies, seen = 1, 0, []
    for now in range(0, 40_000 * MILLISECOND, 3 * MILLISECOND):
        if produced < 200 and rng.random() < 0.5:
            produced += port.record(record(produced))
        if replies < len(wanted):
            put(to_port, request(session, sequence, wanted[replies][1:]))
        put(to_port, acknowledge(session, len(seen), rng.randrange(0, 30),
                                 again=rng.random() < 0.1))
        while to_port and rng.random() < 0.8:
            for answer in port.datagram(to_port.pop(0), HOST, now):
                put(to_host, answer)
        for answer in port.tick(now):
            put(to_host, answer)
        while to_host and rng.random() < 0.8:
            answer = to_host.pop(0)
            fields = head(answer)
            if fields["kind"] == Kind.REPLY:
                assert fields["status"] == Status.DONE
                if fields["sequence"] == sequence:
                    sequence, replies = sequence + 1, replies + 1
            else:
                ((first, part),) = numbers([answer])
                if first <= len(seen):
                    seen += part[len(seen) - first:]
        if replies == len(wanted) and len(seen) == 200:
            break
    assert port.registers.log == wanted
    assert seen == list(range(200))
