"""What a replay sends: merged lines, windows and times."""

import pytest

from sim.captures import Capture
from sim.exchange.pcap import PcapWriter
from sim.framing import FeedAddress, frame_messages
from sim.packets import packet_of
from sim.prescan import prescan
from sim.replay_input import ReplayInput

A = FeedAddress(vlan=3)
B = FeedAddress(group_ip=0xE9360C70, udp_port=9)


def message(ns: int) -> bytes:
    return b"S" + bytes(4) + ns.to_bytes(6, "big") + b"Q"


STAMPS = [10, 10, 10, 20, 30, 25, 40]


@pytest.fixture
def itch(tmp_path):
    path = tmp_path / "a.itch"
    path.write_bytes(b"".join(b"\0\x0c" + message(ns) for ns in STAMPS))
    return Capture(path)


def test_messages_of_a_moment_share_a_frame_due_then(itch):
    sends = list(ReplayInput(itch, prescan(itch), timed=True).frames())
    assert [(s.due_ns, s.messages, s.sequence) for s in sends] == [
        (10, 3, 1), (20, 1, 4), (30, 1, 5), (30, 1, 6), (40, 1, 7)]
    packets = [packet_of(s.frame) for s in sends]
    assert [m for p in packets for m in p.messages] == [message(ns) for ns in STAMPS]
    assert [p.sequence for p in packets] == [1, 4, 5, 6, 7]


def test_what_is_before_the_window_is_not_timed_and_behind_it_not_sent(itch):
    sends = list(ReplayInput(itch, prescan(itch), timed=True, from_ns=20, until_ns=40).frames())
    assert [(s.due_ns, s.messages) for s in sends] == [(None, 3), (20, 1), (30, 1), (30, 1)]
    plain, = ReplayInput(itch, prescan(itch), from_ns=20, until_ns=40).frames()
    assert (plain.due_ns, plain.messages) == (None, 6)


def packets(address, numbers, delay_ns):
    for number in numbers:
        content = [message(100 * number), message(100 * number + 1)]
        datagram, = frame_messages(content, address, first_sequence=2 * number)
        yield 1_000_000 * number + delay_ns, datagram.frame


def write(path, frames):
    with PcapWriter(path) as writer:
        for at_ns, frame in frames:
            writer.write(at_ns, frame)
    return Capture(path)


def test_lines_are_merged_by_time_and_sent_to_one_place(tmp_path):
    a = write(tmp_path / "a.pcap", packets(A, (1, 2, 4), 500))
    b = write(tmp_path / "b.pcap", packets(B, (1, 3, 4), 500))
    found = prescan(a)
    second = b, prescan(b, second_of=found.address)
    sends = list(ReplayInput(a, found, second=second, timed=True).frames())
    assert [s.sequence for s in sends] == [2, 2, 4, 6, 8, 8]
    assert [s.due_ns for s in sends] == [
        1_000_500, 1_000_500, 2_000_500, 3_000_500, 4_000_500, 4_000_500]
    addresses = [packet_of(s.frame).address for s in sends]
    assert {(item.group_ip, item.udp_port) for item in addresses} == {(A.group_ip, A.udp_port)}
    assert [item.vlan for item in addresses] == [3, None, 3, None, 3, None]  # line A is first


def test_of_the_same_time_the_lower_number_is_first(tmp_path):
    a = write(tmp_path / "a.pcap", ((0, frame) for _, frame in packets(A, (1, 3), 0)))
    b = write(tmp_path / "b.pcap", ((0, frame) for _, frame in packets(B, (2, 3), 0)))
    found = prescan(a)
    sends = ReplayInput(a, found, second=(b, prescan(b, second_of=found.address))).frames()
    assert [s.sequence for s in sends] == [2, 4, 6, 6]


def test_both_lines_in_one_file(tmp_path):
    frames = sorted([*packets(A, (1, 2, 4, 5), 500), *packets(B, (1, 3), 400)])
    foreign = frame_messages([message(1)], FeedAddress(session="X"))
    both = write(tmp_path / "ab.pcap", [*frames, (9_000_000, next(foreign).frame)])
    found = prescan(both)
    sends = list(ReplayInput(both, found, second=(both, prescan(
        both, second_of=found.address))).frames())
    assert [s.sequence for s in sends] == [2, 2, 4, 6, 8, 10, None]
    assert [s.messages for s in sends] == [2, 2, 2, 2, 2, 2, 0]


def test_each_line_ends_by_itself_and_times_begin_in_the_window(tmp_path):
    a = write(tmp_path / "a.pcap", packets(A, range(1, 6), 500))
    b = write(tmp_path / "b.pcap", packets(B, range(1, 6), 900_000))
    found = prescan(a, until_ns=400)
    second = b, prescan(b, until_ns=400, second_of=found.address)
    sends = list(ReplayInput(a, found, second=second, timed=True, from_ns=250,
                             until_ns=400).frames())
    assert [(s.sequence, s.due_ns) for s in sends] == [
        (2, None), (2, None), (4, None), (4, None), (6, 3_000_500), (6, 3_900_000)]


def test_time_that_has_begun_goes_on_for_both_lines(tmp_path):
    a = write(tmp_path / "a.pcap", packets(A, (1, 2, 3), 0))
    b = write(tmp_path / "b.pcap", packets(B, (1, 2, 3), 1_500_000))
    found = prescan(a)
    second = b, prescan(b, second_of=found.address)
    sends = ReplayInput(a, found, second=second, timed=True, from_ns=250).frames()
    assert [(s.sequence, s.due_ns) for s in sends] == [
        (2, None), (4, None), (2, None), (6, 3_000_000), (4, 3_500_000), (6, 4_500_000)]


def test_a_sliced_frame_is_told_and_short_ones_are_padded(tmp_path):
    path = tmp_path / "a.pcap"
    capture = write(path, packets(A, (1,), 0))
    content = bytearray(path.read_bytes())
    content[36:40] = (2000).to_bytes(4, "little")
    path.write_bytes(content)
    send, = ReplayInput(capture, prescan(capture)).frames()
    assert send.frame is None
    short = write(path, [(5, bytes(20))])
    send, = ReplayInput(short, prescan(short)).frames()
    assert (send.frame, send.sequence) == (bytes(60), None)
