"""Every message of the real captures against what an independent dissector made of it."""

import csv
import struct
from decimal import Decimal

import pytest

from proto.wire import itch50, ouch50, soupbintcp
from proto.wire.ethernet import IPV4, MAC, TCP
from proto.wire.message import Kind
from tests.support.data import data_path

#: Columns that describe the frame or the MoldUDP64 packet, not the ITCH message.
_FRAMING = {"frame.number", "messagecount", "messageindex", "messagelength", "sequencenumber",
            "session"}

#: Columns of the dissector that are not the field's name without its underscores.
_COLUMNS = {
    "cancelled_shares": "canceledshares", ("cross_trade", "shares"): "crossshares",
    ("reg_sho_restriction", "stock_locate"): "locatecode",
}


def _column(message, field):
    special = _COLUMNS.get((message.name, field.name), _COLUMNS.get(field.name))
    return special or field.name.replace("_", "")


def _binary_file(path):
    data = path.read_bytes()
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from(">H", data, offset)
        yield data[offset + 2:offset + 2 + length]
        offset += 2 + length


@pytest.mark.parametrize("name, count", [
    ("20191230-0304-start-of-day-1000", 1000),
    ("20191230-0400-first-500-book-messages", 500),
    ("20191230-0930-open-1000", 1000),
    ("20191230-ten-of-each-book-type", 60),
])
def test_itch_file_equals_dissector(name, count):
    messages = list(_binary_file(data_path("nasdaq-itch50", f"{name}.itch")))
    expected = data_path("nasdaq-itch50", "expected", f"{name}.fields.psv")
    with expected.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    assert len(messages) == len(rows) == count
    for data, row in zip(messages, rows, strict=True):
        message = itch50.MESSAGES[data[0]]
        values = message.decode(data)
        assert message.encode(values) == data
        filled = {column for column, cell in row.items() if cell} - _FRAMING
        for field in message:
            column = _column(message, field)
            filled.discard(column)
            cell = row[column]
            if "USD" in field.unit:
                assert Decimal(cell) * 10_000 == values[field.name], (message, column, row)
            else:
                assert cell.strip() == str(values[field.name]).strip(), (message, column, row)
            if field.kind is Kind.CODE:
                assert isinstance(values[field.name], field.codes), (message, column, row)
        assert not filled, (message, filled)


def _tcp_payload(path):
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    (length,) = struct.unpack_from(f"{order}I", data, 24 + 8)
    frame = data[24 + 16:24 + 16 + length]
    start = MAC.size + (4 if MAC.decode_from(frame)["ethertype"] == 0x8100 else 0)
    ip = IPV4.decode_from(frame, start)
    tcp = TCP.decode_from(frame, start + IPV4.size)
    header = IPV4.size + 4 * (tcp["data_offset"] >> 4)
    return frame[start + header:start + ip["total_length"]]


@pytest.mark.parametrize("name, packets, messages", [
    ("EnterOrderMessage", soupbintcp.CLIENT_PACKETS, ouch50.INBOUND),
    ("CancelOrderMessage", soupbintcp.CLIENT_PACKETS, ouch50.INBOUND),
    ("OrderAcceptedMessage", soupbintcp.SERVER_PACKETS, ouch50.OUTBOUND),
    ("CanceledMessage", soupbintcp.SERVER_PACKETS, ouch50.OUTBOUND),
    ("ClientHeartbeatPacket", soupbintcp.CLIENT_PACKETS, None),
    ("ServerHeartbeatPacket", soupbintcp.SERVER_PACKETS, None),
])
def test_ouch_capture_equals_dissector(name, packets, messages):
    payload = _tcp_payload(data_path("nasdaq-pcap", "Nasdaq.Nsm.Ouch.v5.0", f"{name}.pcap"))
    shown = _dissected(name)
    header = soupbintcp.HEADER.decode_from(payload)
    packet = packets[header["packet_type"]]
    assert header["packet_length"] == len(payload) - soupbintcp.LENGTH_BYTES
    assert header["packet_length"] == int(shown.pop("packetlength"))
    body = payload[packet.size:]
    assert soupbintcp.frame(packet, body) == payload
    if messages is None:
        assert not body
        return
    message = messages[body[0]]
    values, options = message.decode(body)
    assert message.encode(values, options) == body
    for field, value in [*((field, values[field.name]) for field in message.layout),
                         *((ouch50.OPTIONS[tag], options[field.name])
                           for tag, field in ouch50.OPTIONS.items() if field.name in options)]:
        if field.kind is Kind.TYPE:
            continue
        text = shown.pop("cancelorderreason" if field.name == "reason"
                         else field.name.replace("_", ""))
        if field.unit == "ns since midnight":
            assert text == "1970-01-01 " + _clock(value)
        elif "USD" in field.unit:
            assert Decimal(text) == Decimal(value) / 10_000
        elif field.kind is Kind.CODE:
            assert text.endswith(f"({value})")
        else:
            assert text == str(value)
    assert shown.keys() <= {"packettype", "unsequencedmessagetype", "sequencedmessagetype",
                            "appendagelength", "optionalfieldlength", "enterorderoptionalfield",
                            "orderacceptedoptionalfield"}


def _dissected(name):
    """Return the labels and values of one capture's tree in the dissector's output."""
    path = data_path("nasdaq-pcap", "expected", "Nasdaq.Nsm.Ouch.v5.0.decoded.txt")
    section = path.read_text(encoding="utf-8").split(f"## {name}.pcap\n")[1].split("\n## ")[0]
    pairs = (line.split(":", 1) for line in section.splitlines() if ":" in line)
    return {label.replace(" ", "").lower(): value.strip() for label, value in pairs
            if value.strip()}


def _clock(ns):
    seconds, fraction = divmod(ns, 10**9)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:09}"
