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
_SETTLED = 14
_KINDS = 3      #: two kinds of orders, and a segment


def halves(value) -> list[Value]:
    """Return the 16-bit words of an integer in network order."""
    value = Value.cast(value)
    return [value[bit:bit + 16] for bit in range(0, len(value), 16)]


class PayloadSum(wiring.Component):
    """Sum a payload word by word.

    Latency: at most 50 cycles, `start` to `done`; the last 7 are for what follows `total`. `word`
    is what `index` selected two cycles before.

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

        end = Signal(8, reset_less=True)
        m.d.sync += end.eq(PAYLOAD_LANE + self.length)
        masked = Signal(64, reset_less=True)
        wide = Signal(18, reset_less=True)
        accumulator = Signal(20, reset_less=True)
        step = Signal(range(PAYLOAD_WORDS))
        # Wait, wait, mask, add, accumulate; at the end fold and settle.
        phase = Signal(range(_SETTLED + 1))
        m.d.comb += [self.index.eq(step), self.done.eq(phase == _SETTLED)]
        m.d.sync += self.total.eq(accumulator[:16] + accumulator[16])

        # No word comes after the one with the end; it, and the first, are not whole.
        outside = Signal(8)
        for lane in range(8):
            beyond = (step == end[3:]) & (end[:3] <= lane)
            m.d.sync += outside[lane].eq(beyond | ((step == 0) if lane < PAYLOAD_LANE else 0))
            m.d.sync += masked.word_select(lane, 8).eq(
                Mux(outside[lane], 0, self.word.word_select(lane, 8)))

        words = [Cat(masked[at + 8:at + 16], masked[at:at + 8]) for at in range(0, 64, 16)]
        with m.If(self.start):
            m.d.sync += [step.eq(0), phase.eq(0), accumulator.eq(0)]
        with m.Else():
            with m.Switch(phase):
                with m.Case(3):
                    m.d.sync += [wide.eq(sum(words)), phase.eq(4)]
                with m.Case(4):
                    m.d.sync += [accumulator.eq(accumulator + wide), step.eq(step + 1),
                                 phase.eq(0)]
                    with m.If(Cat(C(0, 3), step) + 8 >= end):
                        m.d.sync += phase.eq(5)
                with m.Case(5):
                    m.d.sync += [accumulator.eq(accumulator[:16] + accumulator[16:]), phase.eq(6)]
                with m.Default():   # `total` follows, and what it is added to
                    m.d.sync += phase.eq(phase + (phase != _SETTLED))
        return m


class TransmitSums(wiring.Component):
    """Have the checksums of the next frame nearly ready, and finish that of TCP as it leaves.

    Latency: 5 cycles, `start` to `checksum`; 1 cycle to `header_checksum`. What the sums stand on
    must be stable for 6 cycles before `start` (`addresses` and `order_bytes`: 10), but for
    `acknowledgment`: `sent_acknowledgment` and `segment_acknowledgment` are what the sums contain.

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
    sent_acknowledgment, segment_acknowledgment : ``Out(32)``
        Of an order; of a segment (zero without the flag ACK).
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

        # Sums of what changes seldom, and of constants.
        pair = registered(sum(halves(addresses.local_address))
                          + sum(halves(addresses.peer_address)), "pair_sum")
        ports = registered(addresses.local_port + addresses.peer_port, "ports_sum")
        constant = (0x45 << 8) + int(Ipv4Flag.DONT_FRAGMENT) + (self.time_to_live << 8) \
            + int(IpProtocol.TCP) + IPV4.size + TCP.size
        header_base = fold(registered(pair + constant, "header_sum"), "header_base")
        constant = int(IpProtocol.TCP) + TCP.size + self.window
        tcp_base = fold(registered(pair + ports + constant, "tcp_sum"), "tcp_base")

        # The header of each kind, one after the other.
        lengths = Array([self.order_bytes[0], self.order_bytes[1], segment.length])
        turn = Signal(range(_KINDS))
        header = Array(Signal(16, name=f"header_{kind}", reset_less=True)
                       for kind in range(_KINDS))
        m.d.sync += turn.eq(Mux(turn == _KINDS - 1, 0, turn + 1))
        header_sum = registered(header_base + lengths[turn], "header_turn_sum")
        summed = registered(turn, "summed")
        for kind in range(_KINDS):
            with m.If(summed == kind):
                m.d.sync += header[kind].eq(header_sum[:16] + header_sum[16])

        # Sequence and acknowledgment numbers; a copy of the latter in step with its sum.
        has_ack = (segment.flags & int(TcpFlag.ACK)).any()
        order_sequence = registered(sum(halves(self.next_sequence)), "order_sequence_sum")
        sequence = registered(sum(halves(segment.sequence)), "sequence_sum")
        copies = [self.acknowledgment]
        for stage in range(4):
            copies.append(registered(copies[-1], f"acknowledgment_{stage}"))
        acknowledgment = registered(sum(halves(copies[-3])), "acknowledgment_sum")
        order_numbers = registered(order_sequence + acknowledgment, "order_numbers")
        segment_numbers = registered(sequence + Mux(has_ack, acknowledgment, 0), "segment_numbers")
        m.d.comb += [
            self.sent_acknowledgment.eq(copies[-1]),
            self.segment_acknowledgment.eq(Mux(has_ack, copies[-1], 0)),
        ]

        # From the start on: choose, add, add, fold, fold.
        own, numbers = Signal(16, reset_less=True), Signal(18, reset_less=True)
        length, words = Signal(7, reset_less=True), Signal(16, reset_less=True)
        is_enter, is_order = Signal(), Signal()
        option = segment.source == PayloadSource.MAXIMUM_SEGMENT_SIZE
        segment_words = Cat(segment.flags, Mux(option, C(0x60, 8), C(0x50, 8)))
        is_segment = self.kind[1]
        with m.If(self.start):
            m.d.sync += [
                own.eq(Mux(is_segment, self.payload_sum, self.order_sums[self.kind[0]])),
                length.eq(Mux(is_segment, segment.length, self.order_bytes[self.kind[0]])),
                words.eq(Mux(is_segment, segment_words, 0x5000 | self.order_flags)),
                numbers.eq(Mux(is_segment, segment_numbers, order_numbers)),
                is_order.eq(~is_segment), is_enter.eq(self.kind == 0),
                self.header_checksum.eq(~header[self.kind]),
            ]
        first = registered(own + numbers + Mux(is_enter, self.symbol_sum, 0), "first_sum")
        second = registered(tcp_base + length + words, "second_sum")
        whole = registered((first + second) + Mux(is_order, self.sum_a + self.sum_b, 0),
                           "whole_sum")
        m.d.comb += self.checksum.eq(~fold(whole, "sum"))
        return m
