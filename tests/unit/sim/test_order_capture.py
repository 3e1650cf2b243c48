"""The drop copy: every answer once, in order, whatever the network and the session repeat."""

import random
from itertools import pairwise

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from proto.wire import soupbintcp
from proto.wire.ethernet import TcpFlag
from sim.exchange.packets import Endpoint, Segment, tcp_frame
from sim.order_capture import DropCopy, OrderCapture, PortFrame

VENUE = Endpoint(0x020000000002, 0xC0000202, 26400)
DESK = Endpoint(0x020000000001, 0xC0000201, 40001)
START = 0xFFFFFFF0  # so that sequence numbers wrap


def login(sequence: int, session: str = "S1") -> bytes:
    return soupbintcp.frame(soupbintcp.LOGIN_ACCEPTED, session=session, sequence_number=sequence)


def answer(text: bytes) -> bytes:
    return soupbintcp.frame(soupbintcp.SEQUENCED_DATA, text)


HEARTBEAT = soupbintcp.frame(soupbintcp.SERVER_HEARTBEAT)


def syn(port: int = 40001) -> bytes:
    return tcp_frame(Segment(source=VENUE, destination=Endpoint(DESK.mac, DESK.ip, port),
                             sequence=START, flags=TcpFlag.SYN | TcpFlag.ACK))


def segments(content: bytes, cuts: list[int], port: int = 40001) -> list[bytes]:
    """Return frames of a stream that is cut at some places."""
    edges = [0, *cuts, len(content)]
    return [tcp_frame(Segment(
        source=VENUE, destination=Endpoint(DESK.mac, DESK.ip, port),
        sequence=(START + 1 + low) % (1 << 32), flags=TcpFlag.ACK, payload=content[low:high]))
        for low, high in pairwise(edges)]


def copied(copy: DropCopy, frames: list[bytes]) -> list[bytes]:
    found = []
    for frame in frames:
        for made in copy.take(frame):
            packet = Ether(made)
            assert (packet[TCP].sport, packet[TCP].dport) == (26400, packet[TCP].dport)
            found.append(bytes(packet[TCP].payload))
    return found


def without_padding(content: list[bytes]) -> list[bytes]:
    return [item[:2 + int.from_bytes(item[:2], "big")] for item in content]


def test_every_answer_once_whatever_the_network_does():
    rng = random.Random(20261123)
    answers = [answer(rng.randbytes(rng.randrange(1, 60))) for _ in range(40)]
    content = login(1) + b"".join(
        item + HEARTBEAT * rng.randrange(2) for item in answers)
    for _ in range(50):
        cuts = sorted(rng.sample(range(1, len(content)), 25))
        frames = segments(content, cuts)
        frames += rng.sample(frames, 10)                       # sent again
        frames += segments(content, sorted(rng.sample(range(1, len(content)), 3)))  # overlapping
        for at in range(len(frames) - 1):
            if rng.random() < 0.3:
                frames[at], frames[at + 1] = frames[at + 1], frames[at]
        found = copied(DropCopy(), [syn(), *frames])
        assert without_padding(found) == [login(1), *answers]


def test_numbers_of_tcp_count_on_and_checksums_are_right():
    first, second = b"one", b"seventeen bytes.."
    content = login(1) + answer(first) + answer(second)
    made = [frame for part in [syn(), *segments(content, [])] for frame in DropCopy().take(part)]
    assert made == []   # each part above had a copy of its own: no beginning was seen
    copy = DropCopy()
    made = [frame for part in [syn(), *segments(content, [])] for frame in copy.take(part)]
    packets = [Ether(frame) for frame in made]
    sizes = [len(login(1)), len(answer(first)), len(answer(second))]
    assert [packet[TCP].seq for packet in packets] == [1, 1 + sizes[0], 1 + sizes[0] + sizes[1]]
    for packet in packets:
        right = packet[TCP].chksum
        del packet[TCP].chksum
        assert Ether(bytes(packet))[TCP].chksum == right


def test_what_the_session_repeats_after_a_reconnect_is_left_out():
    copy = DropCopy()
    one, two, three = (answer(bytes([n])) for n in (1, 2, 3))
    found = copied(copy, [syn(), *segments(login(1) + one + two, [])])
    found += copied(copy, [syn(40002), *segments(login(2) + two + three, [], 40002)])
    assert without_padding(found) == [login(1), one, two, three]


def test_missed_numbers_and_a_new_session_are_told():
    copy = DropCopy()
    one, five, new = (answer(bytes([n])) for n in (1, 5, 9))
    found = copied(copy, [syn(), *segments(login(1) + one, [])])
    found += copied(copy, [syn(40002), *segments(login(5) + five, [], 40002)])
    found += copied(copy, [syn(40003), *segments(login(1, "S2") + new, [], 40003)])
    assert without_padding(found) == [login(1), one, login(5), five, login(1, "S2"), new]


@pytest.mark.parametrize("frame", [b"", bytes(60), bytes(12) + b"\x08\x06" + bytes(46)])
def test_other_frames_are_left_out(frame):
    assert DropCopy().take(frame) == []


def test_files_have_times_in_nanoseconds(tmp_path):
    orders, answers = tmp_path / "orders.pcap", tmp_path / "drop-copy.pcap"
    sent = tcp_frame(Segment(source=DESK, destination=VENUE, sequence=1, payload=b"order"))
    at_ns = 34_200_000_000_123
    with OrderCapture(orders=orders, drop_copy=answers) as capture:
        capture.take([PortFrame(at_ns, False, syn()), PortFrame(at_ns + 1, True, sent)])
        capture.take([PortFrame(at_ns + 2, False, segments(login(1) + answer(b"x"), [])[0])])
    order, = rdpcap(str(orders))
    assert (bytes(order), int(order.time * 10**9)) == (sent, at_ns + 1)
    assert [int(packet.time * 10**9) for packet in rdpcap(str(answers))] == [at_ns + 2] * 2


def test_nothing_is_written_unasked(tmp_path):
    with OrderCapture() as capture:
        capture.take([PortFrame(1, True, bytes(60)), PortFrame(1, False, syn())])
    assert list(tmp_path.iterdir()) == []
