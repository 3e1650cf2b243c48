"""One's complement sums of the segments that leave, most of each known before it starts.

Ref: RFC 1071.
"""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import PAYLOAD_LANE, PAYLOAD_WORDS, PayloadSource, Segment, TcpAddresses
from proto.wire.ethernet import IPV4, TCP, IpProtocol, Ipv4Flag, TcpFlag

__all__ = ["PayloadSum", "TransmitSums", "halves"]

#: Phase in which a payload's sum has gone through the sums of the frame.
_SETTLED = 13
_KINDS = 3      #: two kinds of orders, and a segment


def halves(value) -> list[Value]:
    """Return the 16-bit words of an integer in network order."""
    value = Value.cast(value)
    return [value[bit:bit + 16] for bit in range(0, len(value), 16)]


class PayloadSum(wiring.Component):
    """Sum a payload word by word.

    Latency: at most 42 cycles, `start` to `done`; the last 7 are for what follows `total`. `word`
    is what `index` selected a cycle before.

    Members
    -------
    start, length : ``In(1)``, ``In(7)``
        Begin; bytes of the payload. The length must stay.
    index, word : ``Out(3)``, ``In(64)``
        The payload as it stands in the frame; bytes outside of it do not count.
    done, total : ``Out(1)``, ``Out(16)``
        Level: `total` is the folded sum, until the next `start`.
    """

    start: In(1)
    length: In(7)
    index: Out(3)
    word: In(64)
    done: Out(1)
    total: Out(16)

    def elaborate(self, platform):
        m = Module()

        end = Signal(8)
        m.d.comb += end.eq(PAYLOAD_LANE + self.length)
        masked = Signal(64, reset_less=True)
        wide = Signal(18, reset_less=True)
        accumulator = Signal(20, reset_less=True)
        step = Signal(range(PAYLOAD_WORDS))
        phase = Signal(range(_SETTLED + 1))   # mask, add, accumulate; at the end fold and settle
        m.d.comb += [self.index.eq(step), self.done.eq(phase == _SETTLED)]
        m.d.sync += self.total.eq(accumulator[:16] + accumulator[16])

        words = [Cat(masked[at + 8:at + 16], masked[at:at + 8]) for at in range(0, 64, 16)]
        with m.If(self.start):
            m.d.sync += [step.eq(0), phase.eq(0), accumulator.eq(0)]
        with m.Else():
            with m.Switch(phase):
                with m.Case(0):     # the word of `step` is there with the next edge
                    m.d.sync += phase.eq(1)
                with m.Case(1):
                    for lane in range(8):
                        at = Cat(C(lane, 3), step)
                        inside = (at < end) & ((at >= PAYLOAD_LANE) if lane < PAYLOAD_LANE else 1)
                        m.d.sync += masked.word_select(lane, 8).eq(
                            self.word.word_select(lane, 8) & inside.replicate(8))
                    m.d.sync += phase.eq(2)
                with m.Case(2):
                    m.d.sync += [wide.eq(sum(words)), phase.eq(3)]
                with m.Case(3):
                    m.d.sync += [accumulator.eq(accumulator + wide), step.eq(step + 1),
                                 phase.eq(0)]
                    with m.If(Cat(C(0, 3), step) + 8 >= end):
                        m.d.sync += phase.eq(4)
                with m.Case(4):
                    m.d.sync += [accumulator.eq(accumulator[:16] + accumulator[16:]), phase.eq(5)]
                with m.Default():   # `total` follows, and what it is added to
                    m.d.sync += phase.eq(phase + (phase != _SETTLED))
        return m


class TransmitSums(wiring.Component):
    """Have the checksums of the next frame nearly ready, and finish that of TCP as it leaves.

    Latency: 5 cycles, `start` to `checksum`; 1 cycle to `header_checksum`. What the sums stand on
    must be stable for 6 cycles before `start`, but for `acknowledgment` and the sequence number of
    a segment: `sent_...` are the values that the sums contain.

    Parameters
    ----------
    window, order_flags, time_to_live : int
        Constant fields.

    Members
    -------
    addresses, order_bytes, order_sums, next_sequence, acknowledgment, segment, payload_sum : inputs
        What the headers contain.
    kind, start : ``In(2)``, ``In(1)``
        A frame of the kind (0, 1 an order, 2 a segment) may start; the last such cycle counts.
    symbol_sum, sum_a, sum_b : inputs
        Sums of an order's payload, 1 and 2 cycles after `start`.
    sent_sequence, sent_acknowledgment, segment_acknowledgment : ``Out(32)``
        Of a segment; of an order; of a segment (zero without the flag ACK).
    header_checksum, checksum : ``Out(16)``
        Of IPv4, of TCP.
    """

    def __init__(self, *, window: int, order_flags: int, time_to_live: int):
        self.window = window
        self.order_flags = order_flags
        self.time_to_live = time_to_live
        super().__init__({
            "addresses":      In(TcpAddresses),
            "order_bytes":    In(data.ArrayLayout(7, 2)),
            "order_sums":     In(data.ArrayLayout(16, 2)),
            "next_sequence":  In(32),
            "acknowledgment": In(32),
            "segment":        In(Segment),
            "payload_sum":    In(16),
            "kind":           In(2),
            "start":          In(1),
            "symbol_sum":     In(16),
            "sum_a":          In(18),
            "sum_b":          In(18),
            "sent_sequence":          Out(32),
            "sent_acknowledgment":    Out(32),
            "segment_acknowledgment": Out(32),
            "header_checksum": Out(16),
            "checksum":        Out(16),
        })

    def elaborate(self, platform):
        m = Module()
        addresses, segment = self.addresses, self.segment

        def registered(value, name):
            held = Signal(Value.cast(value).shape(), name=name, reset_less=True)
            m.d.sync += held.eq(value)
            return held

        def fold(value, name):
            """Return the folded sum, two cycles later."""
            once = registered(value[:16] + value[16:], name + "_once")
            return registered((once[:16] + once[16:])[:16], name)

        # Sums of what changes seldom.
        pair = fold(registered(sum(halves(addresses.local_address))
                               + sum(halves(addresses.peer_address)), "pair_sum"), "pair")
        ports = fold(registered(addresses.local_port + addresses.peer_port, "ports_sum"), "ports")
        payload = [self.order_bytes[0], self.order_bytes[1], segment.length]
        constant = (0x45 << 8) + int(Ipv4Flag.DONT_FRAGMENT) \
            + (self.time_to_live << 8) + int(IpProtocol.TCP)
        header, fixed = [], []
        option = segment.source == PayloadSource.MAXIMUM_SEGMENT_SIZE
        segment_words = Cat(segment.flags, Mux(option, C(0x60, 8), C(0x50, 8)))
        for kind, length in enumerate(payload):
            total = registered(length + (constant + IPV4.size + TCP.size), f"total_{kind}")
            header.append(fold(registered(total + pair, f"header_{kind}_sum"), f"header_{kind}"))
            words = segment_words if kind == 2 else C(0x5000 | self.order_flags, 16)
            tcp = registered(length + (int(IpProtocol.TCP) + TCP.size + self.window) + words,
                             f"tcp_{kind}")
            own = self.payload_sum if kind == 2 else self.order_sums[kind]
            fixed.append(fold(registered(tcp + pair + ports + own, f"fixed_{kind}_sum"),
                              f"fixed_{kind}"))

        # Sequence and acknowledgment numbers, and their copies in step with the sums.
        stages = 4
        has_ack = (segment.flags & int(TcpFlag.ACK)).any()
        order_sequence = registered(sum(halves(self.next_sequence)), "order_sequence_sum")
        sequence = registered(sum(halves(segment.sequence)), "sequence_sum")
        acknowledgment = registered(sum(halves(self.acknowledgment)), "acknowledgment_sum")
        ready = []
        for kind in range(_KINDS):
            numbers = order_sequence + acknowledgment if kind < 2 \
                else sequence + Mux(has_ack, acknowledgment, 0)
            ready.append(fold(registered(numbers + fixed[kind], f"ready_{kind}_sum"),
                              f"ready_{kind}"))
        sequence_copy, acknowledgment_copy = segment.sequence, self.acknowledgment
        for stage in range(stages):
            sequence_copy = registered(sequence_copy, f"sequence_{stage}")
            acknowledgment_copy = registered(acknowledgment_copy, f"acknowledgment_{stage}")
        m.d.comb += [
            self.sent_sequence.eq(sequence_copy),
            self.sent_acknowledgment.eq(acknowledgment_copy),
            self.segment_acknowledgment.eq(Mux(has_ack, acknowledgment_copy, 0)),
        ]

        # From the start on: choose, add, add, fold, fold.
        base, is_enter, is_order = Signal(16, reset_less=True), Signal(), Signal()
        with m.If(self.start):
            m.d.sync += [
                base.eq(Array(ready)[self.kind]), is_order.eq(~self.kind[1]),
                is_enter.eq(self.kind == 0),
                self.header_checksum.eq(~Array(header)[self.kind]),
            ]
        first = registered(base + Mux(is_enter, self.symbol_sum, 0), "first_sum")
        whole = registered(first + Mux(is_order, self.sum_a + self.sum_b, 0), "whole_sum")
        m.d.comb += self.checksum.eq(~fold(whole, "sum"))
        return m
