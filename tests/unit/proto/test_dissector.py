"""The Wireshark dissector: Wireshark's own reading of real frames, against the codec."""

import shutil
import subprocess

import pytest

from proto.dissector import wireshark_dissector
from proto.wire import itch50, ouch50, soupbintcp
from sim.captures import Capture
from sim.packets import packet_of
from tests.support.data import data_path

TSHARK = shutil.which("tshark")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")

OUCH = {"EnterOrderMessage": 8001, "CancelOrderMessage": None, "OrderAcceptedMessage": 8003,
        "CanceledMessage": None}


def tshark(script, capture, *arguments) -> list[str]:
    """Return what Wireshark prints."""
    done = subprocess.run([str(TSHARK), "-X", f"lua_script:{script}", "-r", str(capture),
                           *arguments], capture_output=True, text=True, check=True)
    assert "error" not in done.stderr.lower(), done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("wireshark") / "tickwire.lua"
    path.write_text(wireshark_dissector(), encoding="utf-8")
    return path


def test_every_message_field_and_option_is_there():
    text = wireshark_dissector()
    for message in itch50.MESSAGES.values():
        assert f'id = "{message.name}"' in text
    for message in (*ouch50.INBOUND.values(), *ouch50.OUTBOUND.values()):
        assert f'id = "{message.name}"' in text
        for field in message.layout:
            assert f'name = "{field.name}"' in text
    for tag, field in ouch50.OPTIONS.items():
        assert f'[{tag}] = {{ id = "option"' in text and f'name = "{field.name}"' in text
    assert max(map(len, text.splitlines())) < 250


@needs_tshark
def test_feed_messages_of_a_real_packet(script):
    capture = data_path("nasdaq-pcap", "Nasdaq.Equities.TotalView.Itch.v5.0",
                        "Multiple.Packets.pcap")
    messages = [message for record in Capture(capture).records()
                for message in packet_of(record.data).messages]
    assert len(messages) == 39
    tables = {itch50.MESSAGES[message[0]] for message in messages}
    names = [(table, field.name) for table in sorted(tables, key=lambda item: item.name)
             for field in table]
    lines = tshark(script, capture, "-d", "udp.port==26477,moldudp64",
                   "-d", "moldudp64.payload,tickwire_itch50", "-T", "fields", "-E", "separator=|",
                   *(part for table, name in names
                     for part in ("-e", f"tickwire_itch50.{table.name}.{name}")))
    found: dict = {key: [] for key in names}
    for line in lines:
        for key, values in zip(names, line.split("|"), strict=True):
            found[key] += values.split(",") if values else []
    for table, name in names:
        wanted = [str(table.decode(message)[name]) for message in messages
                  if itch50.MESSAGES[message[0]] is table and name in table.decode(message)]
        if wanted:
            assert found[table, name] == wanted, (table.name, name)


def ouch_of(frame: bytes) -> tuple[bytes, bytes]:
    """Return packet type and OUCH message of a real frame with one SoupBinTCP packet."""
    at = 14 + 4 * (frame[12:14] == b"\x81\x00")
    tcp = at + 20
    soup = frame[tcp + 4 * (frame[tcp + 12] >> 4):at + int.from_bytes(frame[at + 2:at + 4], "big")]
    return soup[2:3], soup[3:2 + int.from_bytes(soup[:2], "big")]


@needs_tshark
@pytest.mark.parametrize("name", OUCH)
def test_orders_and_answers_of_a_real_session(script, name):
    capture = data_path("nasdaq-pcap", "Nasdaq.Nsm.Ouch.v5.0", f"{name}.pcap")
    record, = Capture(capture).records()
    kind, content = ouch_of(record.data)
    table = (ouch50.OUTBOUND if kind == soupbintcp.SEQUENCED_DATA.type else ouch50.INBOUND)[
        content[0]]
    fields = table.layout.decode(content[:table.layout.size])
    ports = tshark(script, capture, "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport")
    port = min(map(int, ports[0].split()))
    line, = tshark(script, capture, "-d", f"tcp.port=={port},soupbintcp", "-T", "fields",
                   "-E", "separator=|", "-e", "_ws.col.Protocol",
                   *(part for field in fields
                     for part in ("-e", f"tickwire_ouch50.{table.name}.{field}")))
    protocol, *values = line.split("|")
    assert protocol == "OUCH 5.0"
    assert values == [str(value) for value in fields.values()]
