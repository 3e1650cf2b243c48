"""The bytes of a frame: each in exactly one field, each field by its table."""

import json
import zlib
from pathlib import Path

import pytest

from control.explain.frame import decode_frame
from control.explain.history import LineFrame
from proto.wire import soupbintcp
from proto.wire.ethernet import TcpFlag
from sim.exchange.packets import ArpRequest, Endpoint, Segment, arp_reply, tcp_frame

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "ouch50.json"
OURS = Endpoint(0x020000000001, 0xC0000201, 40001)
VENUE = Endpoint(0x020000000002, 0xC0000202, 26400)
INBOUND = [vector for vector in json.loads(VECTORS.read_text()) if vector["direction"] == "in"]


def line_frame(content):
    return LineFrame(0, content, zlib.crc32(content).to_bytes(4, "little"))


def segment(payload, **more):
    return tcp_frame(Segment(source=OURS, destination=VENUE, sequence=1, acknowledgment=2,
                             flags=TcpFlag.ACK | TcpFlag.PSH, window=100, payload=payload, **more))


def packet(body):
    return soupbintcp.frame(soupbintcp.UNSEQUENCED_DATA, body)


def check_every_byte(frame, fields):
    assert b"".join(field.raw for field in fields) == frame.content + frame.fcs
    assert [field.offset for field in fields] == [
        sum(len(other.raw) for other in fields[:n]) for n in range(len(fields))]


@pytest.mark.parametrize("vector", INBOUND, ids=lambda vector: vector["origin"][:40])
def test_messages_from_outside_are_decoded(vector):
    frame = line_frame(segment(packet(bytes.fromhex(vector["hex"]))))
    fields = decode_frame(frame)
    check_every_byte(frame, fields)
    ouch = {field.name: field.value for field in fields if field.layer == "OUCH"}
    assert {name: ouch[name] for name in vector["fields"]} == vector["fields"]
    assert all("WRONG" not in field.text for field in fields)
    if vector.get("options"):
        text = next(field.text for field in fields if field.name == "options")
        assert all(name in text for name in vector["options"])


def test_several_packets_of_a_segment_and_padding():
    body = bytes.fromhex(INBOUND[0]["hex"])
    heartbeat = soupbintcp.frame(soupbintcp.CLIENT_HEARTBEAT)
    for payload, names in ((packet(body) + packet(body), ["'O'", "'O'"]), (heartbeat, [])):
        frame = line_frame(segment(payload))
        fields = decode_frame(frame)
        check_every_byte(frame, fields)
        types = [field.text for field in fields if field.name == "message_type"]
        assert types == names
    assert any(field.name == "padding" for field in fields)


def test_an_option_of_tcp_and_a_frame_of_arp():
    frame = line_frame(segment(b"", maximum_segment_size=1460))
    fields = decode_frame(frame)
    check_every_byte(frame, fields)
    assert any((field.layer, field.name) == ("TCP", "options") for field in fields)
    frame = line_frame(arp_reply(ArpRequest(OURS.mac, OURS.ip), VENUE))
    fields = decode_frame(frame)
    check_every_byte(frame, fields)
    assert any((field.layer, field.name) == ("ARP", "operation") for field in fields)


@pytest.mark.parametrize(("offset", "name"), [
    (24, "header_checksum"), (50, "checksum"), (70, "checksum"), (-1, "frame_check_sequence")])
def test_a_wrong_checksum_is_told(offset, name):
    content = bytearray(segment(packet(bytes.fromhex(INBOUND[0]["hex"]))))
    fcs = bytearray(zlib.crc32(bytes(content)).to_bytes(4, "little"))
    part = fcs if offset < 0 else content
    part[offset] ^= 1
    fields = decode_frame(LineFrame(0, bytes(content), bytes(fcs)))
    wrong = {field.name for field in fields if "WRONG" in field.text}
    assert name in wrong


def test_bytes_that_no_table_knows_are_shown_all_the_same():
    for payload in (packet(b"?unknown"), b"\x00", b"\xff\xff?"):
        frame = line_frame(segment(payload))
        check_every_byte(frame, decode_frame(frame))
