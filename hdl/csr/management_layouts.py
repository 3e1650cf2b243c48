"""What the parts of the management port hand to each other.

Ref: docs/management-protocol.md.
"""

from amaranth.lib import data, enum

from proto.wire.management import ACKNOWLEDGE, HEADER, MAXIMUM_BYTES, OPERATION
from proto.wire.message import Message

__all__ = [
    "Acknowledgement", "Answer", "BodySource", "Datagram", "Header", "LENGTH_BITS", "Operation",
    "Peer",
]

#: Width of the length of a datagram that the appliance sends.
LENGTH_BITS = MAXIMUM_BYTES.bit_length()


def _layout(message: Message) -> data.StructLayout:
    """Return the layout of a little-endian message, its first byte in the lowest bits."""
    if message.byteorder != "little":
        raise ValueError(f"{message.name} must be little-endian")
    return data.StructLayout({field.name: field.bits for field in message.fields})


#: Header of every datagram.
Header = _layout(HEADER)

#: One operation of a request.
Operation = _layout(OPERATION)

#: What follows the header of an acknowledgement; that of an OPEN has the same form.
Acknowledgement = _layout(ACKNOWLEDGE)


class Peer(data.Struct):
    """Where a datagram came from, and answers go to."""

    mac: 48
    address: 32
    port: 16


class Datagram(data.Struct):
    """A received datagram; its body is in the receiver's memory."""

    sender: Peer
    length: 16          #: bytes of the payload; the header is undefined if it is below its size
    header: Header
    codes_good: 1       #: every whole operation in the body has a known code


class BodySource(enum.Enum, shape=2):
    """What follows the header of an answer."""

    NONE = 0
    OPENED = 1
    VALUES = 2
    RECORDS = 3


class Answer(data.Struct):
    """A datagram to send."""

    receiver: Peer
    length: LENGTH_BITS     #: bytes of the payload, a multiple of 4
    header: Header
    source: BodySource
