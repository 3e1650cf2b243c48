"""MoldUDP64: messages with sequence numbers in UDP datagrams.

Ref: Nasdaq, MoldUDP64 Protocol Specification V1.00.
"""

from proto.wire.message import Message, text, uint

__all__ = [
    "BLOCK", "END_OF_SESSION", "HEADER", "HEARTBEAT", "MAXIMUM_COUNT", "REQUEST",
]

#: Message counts that are none: nothing to send, and nothing more to come.
HEARTBEAT = 0
END_OF_SESSION = 0xFFFF

#: Largest number of messages in one packet.
MAXIMUM_COUNT = 0xFFFE

HEADER = Message("downstream_packet", size=20, source="MoldUDP64 1.00, Downstream Packet", fields=(
    text("session", 10),
    uint("sequence_number", 8, description="of the first message in the packet; in a heartbeat or "
                                           "at the end of the session, of the next one to be sent"),
    uint("message_count", 2, description="0 heartbeat, 0xFFFF end of session"),
))

BLOCK = Message("message_block", size=2, source="MoldUDP64 1.00, Message Block", fields=(
    uint("message_length", 2, unit="bytes", description="of the message that follows; 0 is legal "
                                                        "and takes a sequence number"),
))

REQUEST = Message("request_packet", size=20, source="MoldUDP64 1.00, Request Packet", fields=(
    text("session", 10),
    uint("sequence_number", 8, description="first message wanted"),
    uint("requested_message_count", 2),
))
