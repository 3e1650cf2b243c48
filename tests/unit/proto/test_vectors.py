"""Every table against bytes that our encoder did not make; see tests/vectors."""

import pytest

from proto.wire import ethernet, itch50, moldudp64, ouch50, soupbintcp
from tests.unit.proto.vectors import vectors

_OUCH = {"in": ouch50.INBOUND, "out": ouch50.OUTBOUND}
_SOUP = {"client": soupbintcp.CLIENT_PACKETS, "server": soupbintcp.SERVER_PACKETS}
_MOLD = {message.name: message
         for message in (moldudp64.HEADER, moldudp64.BLOCK, moldudp64.REQUEST)}


def _types(name, key=None, value=None):
    rows = [parameter.values[0] for parameter in vectors(name)]
    return {ord(row["message"]) for row in rows if key is None or row[key] == value}


@pytest.mark.parametrize("vector", vectors("ethernet"))
def test_network_header(vector):
    message = getattr(ethernet, vector["message"])
    assert message.decode(vector["bytes"]) == vector["fields"]
    assert message.encode(vector["fields"]) == vector["bytes"]


@pytest.mark.parametrize("vector", vectors("moldudp64"))
def test_moldudp64(vector):
    message = _MOLD[vector["message"]]
    assert message.decode(vector["bytes"]) == vector["fields"]
    assert message.encode(vector["fields"]) == vector["bytes"]


@pytest.mark.parametrize("vector", vectors("itch50"))
def test_itch50(vector):
    message = itch50.MESSAGES[vector["bytes"][0]]
    assert message.decode(vector["bytes"]) == vector["fields"]
    assert message.encode(vector["fields"]) == vector["bytes"]


@pytest.mark.parametrize("vector", vectors("soupbintcp"))
def test_soupbintcp(vector):
    data, payload = vector["bytes"], bytes.fromhex(vector["payload"])
    header = soupbintcp.HEADER.decode_from(data)
    packet = _SOUP[vector["sender"]][header["packet_type"]]
    assert header["packet_length"] == len(data) - soupbintcp.LENGTH_BYTES
    assert packet.decode_from(data) == vector["fields"]
    assert data[packet.size:] == payload
    values = {name: value for name, value in vector["fields"].items()
              if name not in ("packet_length", "packet_type")}
    assert soupbintcp.frame(packet, payload, **values) == data


@pytest.mark.parametrize("vector", vectors("ouch50"))
def test_ouch50(vector):
    message = _OUCH[vector["direction"]][vector["bytes"][0]]
    assert message.decode(vector["bytes"]) == (vector["fields"], vector["options"])
    assert message.encode(vector["fields"], vector["options"]) == vector["bytes"]


def test_every_message_type_has_a_vector():
    assert _types("itch50") == set(itch50.MESSAGES)
    for direction, messages in _OUCH.items():
        assert _types("ouch50", "direction", direction) == set(messages)
    # Debug packets may come from either side; one vector is enough.
    assert _types("soupbintcp") == set(soupbintcp.CLIENT_PACKETS) | set(soupbintcp.SERVER_PACKETS)
    assert {p.values[0]["message"] for p in vectors("moldudp64")} == set(_MOLD)
    assert {p.values[0]["message"] for p in vectors("ethernet")} == {
        "MAC", "VLAN_TAG", "ARP", "IPV4", "ROUTER_ALERT", "ICMP_ECHO", "IGMP", "IGMP_REPORT",
        "IGMP_RECORD", "UDP", "TCP"}


def test_codes_of_vectors_are_listed():
    """A code that decodes to a plain string is missing from its enumeration."""
    for parameter in vectors("itch50"):
        vector = parameter.values[0]
        message = itch50.MESSAGES[vector["bytes"][0]]
        values = message.decode(vector["bytes"])
        for field in message:
            if field.codes is not None:
                assert isinstance(values[field.name], field.codes), field.name
