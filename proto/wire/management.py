"""The management protocol: registers, heartbeat and event records over UDP.

Ref: docs/management-protocol.md. Everything is little-endian. A datagram is a header, then what
its kind says: words of fixed places, ``count`` operations or values, or ``count`` event records.
Sequence numbers are compared modulo 2**32, see :func:`is_newer`.
"""

from enum import IntEnum

from proto.events import EVENT_BYTES
from proto.wire.message import Message, uint

__all__ = [
    "ACKNOWLEDGE", "EVENTS_PER_DATAGRAM", "HEADER", "HEARTBEAT_REGISTER", "LEASE_NS", "MAGIC",
    "MAXIMUM_BYTES", "MAXIMUM_OPERATIONS", "OPEN", "OPENED", "OPERATION", "REPLY_BIT",
    "RESEND_FLAG", "RETRANSMIT_NS", "SEQUENCE_MODULUS", "TAKE_OVER_FLAG", "UDP_PORT", "VALUE",
    "VERSION", "Code", "Kind", "Status", "is_newer",
]

#: First word of every datagram: the letters TWMP in the order of the wire.
MAGIC = int.from_bytes(b"TWMP", "little")
VERSION = 1

#: UDP port of the appliance, unless it is set otherwise.
UDP_PORT = 5449

#: Most operations of a request: 528 bytes, answered by 272.
MAXIMUM_OPERATIONS = 64

#: Largest datagram of either side, without IP and UDP headers.
MAXIMUM_BYTES = 1400

#: Silence after which another host may open a session without taking over.
LEASE_NS = 2_000_000_000

#: Time without progress after which unacknowledged records are sent again.
RETRANSMIT_NS = 20_000_000

#: Register that the appliance writes 1 to for each new heartbeat of the session.
HEARTBEAT_REGISTER = "risk.heartbeat"

#: Set in the kind of an answer.
REPLY_BIT = 0x80

SEQUENCE_MODULUS = 1 << 32


class Kind(IntEnum):
    """Kind of a datagram; the appliance drops one that it does not know."""

    OPEN = 1                     #: host: begin a session
    REQUEST = 2                  #: host: operations, executed exactly once
    HEARTBEAT = 3                #: host: the control plane lives
    ACKNOWLEDGE = 4              #: host: event records received, and room for more
    CLOSE = 5                    #: host: end the session
    OPENED = OPEN | REPLY_BIT
    REPLY = REQUEST | REPLY_BIT
    EVENTS = ACKNOWLEDGE | REPLY_BIT
    CLOSED = CLOSE | REPLY_BIT


class Status(IntEnum):
    """Outcome, in every answer; zero in what a host sends."""

    DONE = 0
    BUSY = 1             #: another session lives; take over, or try later
    UNKNOWN_SESSION = 2  #: no such session, or of another peer: open one
    MALFORMED = 3        #: count, length or a code is wrong; nothing was executed
    VERSION = 4          #: another version is spoken: that of the answer


class Code(IntEnum):
    """What an operation does."""

    READ = 1   #: answered by the register's value
    WRITE = 2  #: answered by 0


#: What all datagrams begin with.
HEADER = Message("management_header", size=16, byteorder="little", source="Tickwire", fields=(
    uint("magic", 4), uint("version", 1), uint("kind", 1), uint("status", 1), uint("count", 1),
    uint("session", 4, description="given by the appliance; 0 in an OPEN"),
    uint("sequence", 4, description="of the request, heartbeat or first record; nonce of an OPEN"),
))

#: Follows the header of an OPEN.
OPEN = Message("management_open", size=8, byteorder="little", source="Tickwire", fields=(
    uint("flags", 4, description="bit 0: take over from another session"),
    uint("credit", 4, unit="records", description="as in an acknowledgement"),
))

#: Follows the header of an OPENED whose status is DONE.
OPENED = Message("management_opened", size=8, byteorder="little", source="Tickwire", fields=(
    uint("event_sequence", 4, description="number of the oldest record that is kept"),
    uint("ring_records", 4, unit="records", description="that the appliance can keep"),
))

#: One of the ``count`` operations of a REQUEST.
OPERATION = Message("management_operation", size=8, byteorder="little", source="Tickwire", fields=(
    uint("address", 3, unit="bytes", description="of a register"),
    uint("code", 1),
    uint("value", 4, description="to write; 0 of a read"),
))

#: One of the ``count`` values of a REPLY.
VALUE = Message("management_value", size=4, byteorder="little", source="Tickwire", fields=(
    uint("value", 4),
))

#: Follows the header of an ACKNOWLEDGE, whose sequence is that of the next record wanted.
ACKNOWLEDGE = Message("management_acknowledge", size=8, byteorder="little", source="Tickwire",
                      fields=(
    uint("flags", 4, description="bit 0: send again from there at once"),
    uint("credit", 4, unit="records", description="that may be sent from there on"),
))

#: Bit 0 of the flags of an OPEN, and of an ACKNOWLEDGE.
TAKE_OVER_FLAG = 1
RESEND_FLAG = 1

#: Records in an EVENTS datagram, at most.
EVENTS_PER_DATAGRAM = (MAXIMUM_BYTES - HEADER.size) // EVENT_BYTES


def is_newer(one: int, other: int) -> bool:
    """Return whether sequence number `one` comes after `other`, modulo 2**32."""
    return 0 < (one - other) % SEQUENCE_MODULUS < SEQUENCE_MODULUS // 2
