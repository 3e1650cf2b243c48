"""What a look through a capture finds."""

import struct

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from sim.captures import Capture
from sim.framing import FeedAddress, frame_messages
from sim.prescan import SymbolInfo, packet_of, prescan
from tests.support.data import data_path


def add(locate: int, stock: bytes, price: int) -> bytes:
    return (b"A" + struct.pack(">HH6xQ", locate, 0, 1) + b"B" + struct.pack(">I", 100) +
            stock.ljust(8) + struct.pack(">I", price))


def replace(locate: int, price: int) -> bytes:
    return b"U" + struct.pack(">HH6xQQII", locate, 0, 1, 2, 100, price)


def directory(locate: int, stock: bytes) -> bytes:
    return b"R" + struct.pack(">HH6x", locate, 0) + stock.ljust(8) + bytes(20)


MESSAGES = [directory(7, b"AAA"), directory(8, b"BBB"), add(7, b"AAA", 10_500), replace(7, 10_600),
            replace(9, 700), add(5, b"CCC", 2_000_000_000), bytes([0x53]) + bytes(11)]


def test_symbols_and_grids_of_a_file_of_messages(tmp_path):
    path = tmp_path / "a.itch"
    path.write_bytes(b"".join(len(m).to_bytes(2, "big") + m for m in MESSAGES))
    found = prescan(Capture(path))
    assert (found.records, found.messages, found.address) == (7, 7, None)
    # Locate 9 has only a replacement of an order nobody added: it can have no book.
    assert found.with_books() == [SymbolInfo(5, "CCC", 1, 2_000_000_000),
                                  SymbolInfo(7, "AAA", 1, 100)]
    assert found.symbols[8].stock == "BBB"


@pytest.mark.parametrize(("grid", "tick"), [(100, 100), (65535, 65535), (65536, 16),
                                            (2_000_000_000, 10_000), (0, 1)])
def test_tick_size_divides_the_grid_and_fits(grid, tick):
    assert SymbolInfo(1, grid=grid).tick_size == tick
    assert grid % tick == 0


def test_packets_of_most_frequent_stream_are_looked_at(tmp_path):
    wanted = FeedAddress()
    other = FeedAddress(udp_port=5)
    frames = [d.frame for d in frame_messages(MESSAGES, wanted, first_sequence=50, packed=False)]
    frames += [d.frame for d in frame_messages(MESSAGES[:2], other)]
    frames.append(bytes(Ether() / IP() / UDP() / b"no packet"))
    path = tmp_path / "a.pcap"
    wrpcap(str(path), [Ether(frame) for frame in frames])
    found = prescan(Capture(path))
    assert (found.records, found.messages, found.other_packets) == (9, 7, 1)
    assert (found.address, found.first_sequence) == (wanted, 50)
    assert [info.stock for info in found.with_books()] == ["CCC", "AAA"]


def stamped(message: bytes, ns: int) -> bytes:
    return message[:5] + ns.to_bytes(6, "big") + message[11:]


def test_what_comes_from_a_time_on_is_not_looked_at(tmp_path):
    messages = [stamped(add(number, b"AAA", 100), 10 * number) for number in range(1, 6)]
    path = tmp_path / "a.itch"
    path.write_bytes(b"".join(len(m).to_bytes(2, "big") + m for m in messages))
    assert sorted(prescan(Capture(path), until_ns=30).symbols) == [1, 2]
    frames = [d.frame for d in frame_messages(messages, FeedAddress(), packed=False)]
    path = tmp_path / "a.pcap"
    wrpcap(str(path), [Ether(frame) for frame in frames])
    found = prescan(Capture(path), until_ns=30)
    assert (sorted(found.symbols), found.messages) == ([1, 2], 2)


def test_second_line_has_the_session_of_the_first_and_its_own_losses(tmp_path):
    address, other = FeedAddress(), FeedAddress(group_ip=0xE9360C70, udp_port=9)
    first = [d.frame for d in frame_messages(MESSAGES, address, packed=False)]
    second = [d.frame for d in frame_messages(MESSAGES, other, packed=False)]
    foreign = [d.frame for d in frame_messages(MESSAGES, FeedAddress(session="X"))]
    path = tmp_path / "a.pcap"
    wrpcap(str(path), [Ether(frame) for frame in (*first, *foreign, *second[:2], *second[4:])])
    capture = Capture(path)
    found = prescan(capture)
    assert (found.address, found.packets, found.skipped) == (address, 7, 0)
    line = prescan(capture, second_of=address)
    assert (line.address, line.packets, line.skipped) == (other, 5, 2)
    assert prescan(capture, second_of=FeedAddress(session="Y")).address is None
    line.take_symbols(found)
    assert line.symbols[7].grid == 100 and line.symbols[8].stock == "BBB"


def test_who_waits_is_told_how_far_it_is(tmp_path):
    path = tmp_path / "a.itch"
    message = add(1, b"AAA", 100)
    path.write_bytes((len(message).to_bytes(2, "big") + message) * 20_000)
    told = []
    prescan(Capture(path), looked=lambda records, fraction: told.append((records, fraction)))
    assert [records for records, _ in told] == [8192, 16384]
    assert 0 < told[0][1] <= told[1][1] <= 1


def test_packet_is_read_as_it_was_made():
    address = FeedAddress(vlan=141)
    datagram, = frame_messages(MESSAGES, address, first_sequence=9)
    packet = packet_of(datagram.frame)
    assert packet is not None
    assert (packet.address, packet.sequence, packet.count) == (address, 9, 7)
    assert list(packet.messages) == MESSAGES


@pytest.mark.parametrize("damage", [
    lambda f: f[:50], lambda f: f[:12] + b"\x08\x06" + f[14:], lambda f: f[:14] + b"\x46" + f[15:],
    lambda f: f[:23] + b"\x06" + f[24:], lambda f: f[:60] + b"\x00\x09" + f[62:],
    lambda f: f[:-1], lambda f: f[:62] + b"\xff\xff" + f[64:]])
def test_damaged_packet_is_none(damage):
    datagram, = frame_messages(MESSAGES, FeedAddress())
    assert packet_of(damage(datagram.frame)) is None


def test_real_frames():
    path = data_path("nasdaq-pcap", "Nasdaq.Equities.TotalView.Itch.v5.0", "Multiple.Packets.pcap")
    found = prescan(Capture(path))
    assert (found.records, found.messages, found.first_sequence) == (2, 39, 14764496)
    assert found.address is not None
    assert (found.address.session, found.address.vlan) == ("000010059B", 141)
