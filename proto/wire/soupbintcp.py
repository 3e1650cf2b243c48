"""SoupBinTCP: the session layer over TCP under OUCH, GLIMPSE and ITCH.

Ref: Nasdaq, SoupBinTCP Version 3.00. A packet begins with its length, which does not count itself;
a length of 0, like an unknown type, is a protocol error that ends the connection.
"""

from proto.wire.message import Code, Message, by_type, code, digits, text, type_byte, uint

__all__ = [
    "CLIENT_HEARTBEAT", "CLIENT_PACKETS", "DEBUG", "END_OF_SESSION", "HEADER", "LENGTH_BYTES",
    "LOGIN_ACCEPTED", "LOGIN_REJECTED", "LOGIN_REQUEST", "LOGOUT_REQUEST", "SEQUENCED_DATA",
    "SERVER_HEARTBEAT", "SERVER_PACKETS", "UNSEQUENCED_DATA", "LoginRejectReason", "frame",
]

#: Bytes of the length field, which it does not count.
LENGTH_BYTES = 2

_SOURCE = "SoupBinTCP 3.00, "


class LoginRejectReason(Code):
    """Reject Reason Code; any other is a refusal as well."""

    NOT_AUTHORIZED = "A"
    SESSION_NOT_AVAILABLE = "S"


_LENGTH = uint("packet_length", LENGTH_BYTES, unit="bytes", description="bytes after this field")
_TYPE = type_byte("packet_type")

#: What all packets begin with.
HEADER = Message("packet_header", size=3, source=_SOURCE + "logical packet",
                 fields=(_LENGTH, uint("packet_type", 1)))

DEBUG = Message("debug", type=b"+", size=3, source=_SOURCE + "Debug Packet; text follows",
                fields=(_LENGTH, _TYPE))
LOGIN_ACCEPTED = Message(
    "login_accepted", type=b"A", size=33, source=_SOURCE + "Login Accepted Packet", fields=(
        _LENGTH, _TYPE, text("session", 10, right=True),
        digits("sequence_number", 20, description="of the next sequenced packet"),
    ))
LOGIN_REJECTED = Message(
    "login_rejected", type=b"J", size=4, source=_SOURCE + "Login Rejected Packet", fields=(
        _LENGTH, _TYPE, code("reject_reason_code", 1, LoginRejectReason),
    ))
SEQUENCED_DATA = Message(
    "sequenced_data", type=b"S", size=3, source=_SOURCE + "Sequenced Data Packet; message follows",
    fields=(_LENGTH, _TYPE))
SERVER_HEARTBEAT = Message(
    "server_heartbeat", type=b"H", size=3, source=_SOURCE + "Server Heartbeat Packet",
    fields=(_LENGTH, _TYPE))
END_OF_SESSION = Message(
    "end_of_session", type=b"Z", size=3, source=_SOURCE + "End of Session Packet",
    fields=(_LENGTH, _TYPE))
LOGIN_REQUEST = Message(
    "login_request", type=b"L", size=49, source=_SOURCE + "Login Request Packet", fields=(
        _LENGTH, _TYPE, text("username", 6), text("password", 10),
        text("requested_session", 10, right=True, description="blank = the active one"),
        digits("requested_sequence_number", 20,
               description="next one wanted; 1 = from the start, 0 = the most recent"),
    ))
UNSEQUENCED_DATA = Message(
    "unsequenced_data", type=b"U", size=3,
    source=_SOURCE + "Unsequenced Data Packet; message follows", fields=(_LENGTH, _TYPE))
CLIENT_HEARTBEAT = Message(
    "client_heartbeat", type=b"R", size=3, source=_SOURCE + "Client Heartbeat Packet",
    fields=(_LENGTH, _TYPE))
LOGOUT_REQUEST = Message(
    "logout_request", type=b"O", size=3, source=_SOURCE + "Logout Request Packet",
    fields=(_LENGTH, _TYPE))

#: Packets that a server sends, and that a client sends, by the value of their type byte.
SERVER_PACKETS = by_type(DEBUG, LOGIN_ACCEPTED, LOGIN_REJECTED, SEQUENCED_DATA, SERVER_HEARTBEAT,
                         END_OF_SESSION)
CLIENT_PACKETS = by_type(DEBUG, LOGIN_REQUEST, UNSEQUENCED_DATA, CLIENT_HEARTBEAT, LOGOUT_REQUEST)


def frame(packet: Message, payload: bytes = b"", **values: int | str) -> bytes:
    """Return a whole packet: its length, its type, its fields and `payload`.

    Raises
    ------
    WireError
        If a value does not fit, or the packet is longer than its length field can tell.
    """
    length = packet.size - LENGTH_BYTES + len(payload)
    return packet.encode({**values, "packet_length": length}) + payload
