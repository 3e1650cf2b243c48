"""What the parts of the TCP endpoint hand to each other.

Ref: RFC 9293.
"""

from amaranth import *
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from proto.wire.ethernet import IPV4, MAC, TCP

__all__ = [
    "MAXIMUM_PAYLOAD_BYTES", "PAYLOAD_LANE", "PAYLOAD_OFFSET", "PAYLOAD_WORDS", "OrderLane",
    "PayloadSource", "Segment", "ServiceFrame", "TcpAddresses", "octets", "payload_words",
]

#: Frame byte at which the payload of a segment without options begins, and its lane.
PAYLOAD_OFFSET = MAC.size + IPV4.size + TCP.size
PAYLOAD_LANE = PAYLOAD_OFFSET % 8
#: Words of 8 bytes that hold a payload as it stands in the frame, from the word of its first byte.
PAYLOAD_WORDS = 8
#: Bytes of payload in those words.
MAXIMUM_PAYLOAD_BYTES = 8 * PAYLOAD_WORDS - PAYLOAD_LANE


def octets(value) -> list[Value]:
    """Return the bytes of an integer in network order."""
    value = Value.cast(value)
    return [value[bit:bit + 8] for bit in range(len(value) - 8, -8, -8)]


def payload_words(content: list[Value]) -> list:
    """Return payload bytes as the words of the frame they stand in, the first at PAYLOAD_LANE."""
    padded = [C(0, 8)] * PAYLOAD_LANE + content
    padded += [C(0, 8)] * (8 * PAYLOAD_WORDS - len(padded))
    return [Cat(*padded[8 * word:8 * word + 8]) for word in range(PAYLOAD_WORDS)]


class TcpAddresses(data.Struct):
    """Who talks to whom; all of it must be stable while the connection is not closed."""

    local_mac: 48
    peer_mac: 48            #: of the next hop
    local_address: 32
    peer_address: 32
    local_port: 16
    peer_port: 16


class PayloadSource(enum.Enum, shape=2):
    """Where the payload (or the option) of a segment comes from."""

    NONE = 0
    MAXIMUM_SEGMENT_SIZE = 1    #: the option of a SYN
    STAGED = 2                  #: new data of the session layer
    RING = 3                    #: data that were sent before


class Segment(data.Struct):
    """A segment other than that of an order."""

    sequence: 32
    flags: 8
    source: PayloadSource
    length: 7               #: bytes of payload, or of the option


class ServiceFrame(data.Struct):
    """A frame that is no segment."""

    length: 7               #: bytes without FCS
    aside: 1                #: it goes to the feed port


#: The short way of an order into a segment; seen from the transmitter.
OrderLane = wiring.Signature({
    "valid":      Out(1),       # an order may and shall leave now
    "ready":      In(1),        # if it does, its frame's Start is at the pins one cycle later
    "kind":       Out(1),       # index into the arrays below
    "bytes":      Out(data.ArrayLayout(7, 2)),
    "ready_sums": Out(data.ArrayLayout(16, 2)),
    "symbol_sum": Out(16),      # 1 cycle after both
    "sum_a":      Out(18),      # 2 cycles after it
    "sum_b":      Out(18),
    "words":      Out(data.ArrayLayout(64, PAYLOAD_WORDS)),   # 2 cycles after it
})
