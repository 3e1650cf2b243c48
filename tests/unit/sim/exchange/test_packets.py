"""Frames from a template are those that are made field by field."""

from random import Random

import pytest

from sim.exchange.packets import Endpoint, UdpTemplate, udp_frame


@pytest.mark.parametrize("vlan", [None, 141])
def test_template_makes_the_same_frames(vlan):
    random = Random(20260212)
    source = Endpoint(0x020000000001, 0xC0000201, 26477)
    group = Endpoint(0x01005E360C6F, 0xE9360C6F, 26477)
    template = UdpTemplate(source, group, vlan=vlan)
    for size in (0, 1, 2, 17, 18, 19, 500, 1471, 1472, 3):
        payload = random.randbytes(size)
        assert template.frame(payload) == udp_frame(source, group, payload, vlan=vlan)


def test_a_checksum_of_zero_is_sent_as_ones():
    ends = Endpoint(0, 0, 0), Endpoint(0, 0, 0)
    # 17 (protocol), twice the length 10, and the payload that makes the sum FFFF.
    payload = (0xFFFF - 17 - 2 * 10).to_bytes(2, "big")
    frame = UdpTemplate(*ends).frame(payload)
    assert frame == udp_frame(*ends, payload)
    assert frame[40:42] == b"\xff\xff"
