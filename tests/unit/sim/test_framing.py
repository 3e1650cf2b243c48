"""Frames made for the simulated line, read back with scapy."""

import random
import struct

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from sim.framing import FeedAddress, frame_messages


def blocks(payload: bytes) -> list[bytes]:
    found, at = [], 20
    while at < len(payload):
        length, = struct.unpack_from(">H", payload, at)
        found.append(payload[at + 2:at + 2 + length])
        at += 2 + length
    return found


@pytest.mark.parametrize("vlan", [None, 141])
@pytest.mark.parametrize("packed", [True, False])
def test_headers_checksums_and_blocks(vlan, packed):
    rng = random.Random(1)
    messages = [rng.randbytes(rng.choice([0, 12, 19, 36, 50])) for _ in range(300)]
    address = FeedAddress(vlan=vlan)
    found, expected = [], 1
    for datagram in frame_messages(messages, address, packed=packed):
        frame = Ether(datagram.frame)
        assert frame.dst == "01:00:5e:36:0c:6f"
        assert (Dot1Q in frame) == (vlan is not None)
        sums = frame[IP].chksum, frame[UDP].chksum
        del frame[IP].chksum, frame[UDP].chksum
        again = Ether(bytes(frame))
        assert (again[IP].chksum, again[UDP].chksum) == sums
        assert frame[IP].dst == "233.54.12.111" and frame[UDP].dport == 26477
        payload = bytes(frame[UDP].payload)
        assert len(payload) <= 1472
        assert payload[:10] == b"TICKWIRE01"
        sequence, count = struct.unpack_from(">QH", payload, 10)
        inside = blocks(payload)
        assert (sequence, count) == (expected, len(inside))
        assert (datagram.sequence, datagram.count) == (sequence, count)
        expected += count
        found += inside
        assert packed or count == 1
    assert found == messages


def test_full_frame_holds_as_many_adds_as_go_in():
    counts = [d.count for d in frame_messages([b"A" * 36] * 100, FeedAddress())]
    assert counts == [38, 38, 24]
