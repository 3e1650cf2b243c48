"""Frames sent elsewhere: checksums as another program makes them."""

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from sim.framing import FeedAddress
from sim.packets import packet_of, readdressed, timestamp_of

TARGET = FeedAddress(group_ip=0xE9360C6F, udp_port=26477)
MOLD = b"SESSION   " + (7).to_bytes(8, "big") + (1).to_bytes(2, "big")
MESSAGE = b"S" + bytes(4) + (34_200_000_000_123).to_bytes(6, "big") + b"Q"


def frame(tags=0, group="233.54.12.112", port=9, **udp) -> bytes:
    packet = Ether(dst="01:00:5e:36:0c:70", src="02:00:00:00:00:01")
    for _ in range(tags):
        packet /= Dot1Q(vlan=141)
    packet /= IP(src="10.1.2.3", dst=group) / UDP(sport=5, dport=port, **udp)
    return bytes(packet / (MOLD + len(MESSAGE).to_bytes(2, "big") + MESSAGE))


@pytest.mark.parametrize("tags", [0, 1, 2])
def test_a_frame_sent_elsewhere_is_as_another_program_makes_it(tags):
    wanted = bytearray(frame(tags, group="233.54.12.111", port=26477))
    wanted[:6] = bytes.fromhex("01005e360c6f")
    assert readdressed(frame(tags), TARGET) == bytes(wanted)


def test_no_udp_checksum_stays_none_and_a_wrong_one_stays_wrong():
    moved = Ether(readdressed(frame(chksum=0), TARGET))
    assert moved[UDP].chksum == 0
    right = Ether(frame())[UDP].chksum
    wrong = Ether(readdressed(frame(chksum=right ^ 0x0100), TARGET))[UDP].chksum
    good = Ether(frame(group="233.54.12.111", port=26477))[UDP].chksum
    assert wrong not in (good, 0)


def test_other_frames_are_left_alone():
    arp = bytes(Ether(type=0x0806)) + bytes(50)
    assert readdressed(arp, TARGET) == arp


def test_exchange_time_of_a_packet():
    packet = packet_of(frame())
    assert packet is not None
    assert timestamp_of(packet) == 34_200_000_000_123
    heartbeat = packet_of(frame()[:42] + MOLD[:18] + bytes(2))
    assert heartbeat is None    # its lengths are those of the message
    empty = bytes(Ether() / IP() / UDP(dport=9) / (MOLD[:18] + bytes(2)))
    assert timestamp_of(packet_of(empty)) == -1
