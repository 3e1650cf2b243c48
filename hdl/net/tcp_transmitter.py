"""Segments and frames of the services; orders first, their fields filled in on the way.

Ref: RFC 791, 1071, 9293.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import (
    PAYLOAD_LANE,
    PAYLOAD_OFFSET,
    PAYLOAD_WORDS,
    OrderLane,
    PayloadSource,
    Segment,
    ServiceFrame,
    TcpAddresses,
    octets,
)
from hdl.net.tcp_sums import PayloadSum, TransmitSums
from hdl.net.xgmii_transmitter import HEAD_BYTES, HEAD_SETTLE_CYCLES, FrameStart
from hdl.stream import FrameStream
from proto.wire import ethernet
from proto.wire.ethernet import IPV4, MAC, TCP, EtherType, IpProtocol, Ipv4Flag, TcpFlag

__all__ = ["TcpTransmitter"]

_IP, _TCP = MAC.size, MAC.size + IPV4.size
_FIRST, _PAYLOAD_BEAT = HEAD_BYTES // 8, PAYLOAD_OFFSET // 8
#: Payload word that is got ready in the cycle of the first beat; none before the payload is.
_FIRST_WORD = (_FIRST + 2 - _PAYLOAD_BEAT) % 8
_ORDER_FLAGS = int(TcpFlag.PSH | TcpFlag.ACK)
_TIME_TO_LIVE = 64


class TcpTransmitter(wiring.Component):
    """Build the frames of one TCP connection, and pass those of the services on.

    Latency: 0 cycles, `order.valid` to `starts.valid`; the TCP checksum of an order leaves with its
    frame bytes, 5 cycles after that. Which frame starts is known before the cycle, so that all an
    order decides in it is that one starts: an order that has waited for a cycle goes first, else
    another frame that is ready. A segment's payload is read and summed before it is offered.

    Parameters
    ----------
    window : int
        Receive window to announce, in bytes.
    maximum_segment_size : int
        To announce in a SYN, in bytes.

    Members
    -------
    order : ``In(OrderLane)``
        The segment of an order: its payload is one packet, its flags are PSH and ACK.
    segments : ``In(stream.Signature(Segment))``
        Any other segment; a transfer means that its frame starts. ``sequence`` may still change
        until then, not later than 6 cycles before.
    services : ``In(stream.Signature(ServiceFrame))``
        Frames of the services; a transfer means that the frame starts.
    service_head : ``In(128)``
        The first sixteen bytes of such a frame.
    service_index, service_word : ``Out(4)``, ``In(64)``
        Eight bytes of it that are wanted, and they in the same cycle.
    service_sent : ``Out(1)``
        Its last bytes have been read, in the cycle before.
    aside : ``Out(1)``
        Steady while a frame starts, until it has left: it is to leave at another port.
    cfg_addresses : ``In(TcpAddresses)``
        Addresses and ports.
    next_sequence, acknowledgment : ``In(32)``
        Of the next order; the number to acknowledge.
    sent_acknowledgment : ``Out(32)``
        Acknowledgment number of the last frame, from the cycle after its start on.
    source_index, ring_word, staged_word : ``Out(3)``, ``In(64)``, ``In(64)``
        Payload word wanted, and what the ring and the session layer hold there, two cycles later.
    kept_word, kept_index, kept : ``Out(64)``, ``Out(3)``, ``Out(1)``
        Payload words of new data as they leave, for the ring.
    starts, heads, beats : outputs
        To the transmitter.

    Raises
    ------
    ValueError
        If a size does not fit its field.
    """

    def __init__(self, *, window: int, maximum_segment_size: int = 1460):
        if not 1 <= window <= 65535:
            raise ValueError(f"window must be 1 to 65535 bytes, was {window}")
        if not 1 <= maximum_segment_size <= 65535:
            raise ValueError(f"maximum_segment_size must be 1 to 65535 bytes, "
                             f"was {maximum_segment_size}")
        self.window = window
        self.maximum_segment_size = maximum_segment_size
        super().__init__({
            "order":               In(OrderLane),
            "segments":            In(stream.Signature(Segment)),
            "services":            In(stream.Signature(ServiceFrame)),
            "service_head":        In(8 * HEAD_BYTES),
            "service_index":       Out(4),
            "service_word":        In(64),
            "service_sent":        Out(1),
            "aside":               Out(1),
            "cfg_addresses":       In(TcpAddresses),
            "next_sequence":       In(32),
            "acknowledgment":      In(32),
            "sent_acknowledgment": Out(32),
            "source_index":        Out(3),
            "ring_word":           In(64),
            "staged_word":         In(64),
            "kept_word":           Out(64),
            "kept_index":          Out(3),
            "kept":                Out(1),
            "starts":              Out(stream.Signature(FrameStart)),
            "heads":               Out(data.ArrayLayout(8 * HEAD_BYTES, 2)),
            "beats":               Out(FrameStream()),
        })

    def elaborate(self, platform):
        m = Module()
        order, segment = self.order, self.segments.p

        # What a frame is that starts now: 0 and 1 an order by its kind, 2 a segment, 3 a service's.
        running, number = Signal(), Signal(4, init=_FIRST)
        word_index = Signal(3, init=_FIRST_WORD)    # of the payload: what `next_word` will hold
        kind = Signal(2)
        m.submodules.payload_sum = payload_sum = PayloadSum()
        m.submodules.sums = sums = TransmitSums(
            window=self.window, order_flags=_ORDER_FLAGS, time_to_live=_TIME_TO_LIVE)
        services = self.services
        service_waited = Signal(range(HEAD_SETTLE_CYCLES + 1))
        with m.If(~services.valid | services.ready | (running & (kind == 3))):
            m.d.sync += service_waited.eq(0)
        with m.Elif(service_waited != HEAD_SETTLE_CYCLES):
            m.d.sync += service_waited.eq(service_waited + 1)

        segment_ready = Signal()        # its sums are known
        service_ready = Signal()
        order_waited = Signal()
        m.d.sync += [
            order_waited.eq(order.valid),
            service_ready.eq((service_waited == HEAD_SETTLE_CYCLES) & services.valid
                             & ~services.ready),
        ]
        order_turn = Signal()
        chosen = Signal(2)
        m.d.comb += [
            order_turn.eq(order_waited | ~(segment_ready | service_ready)),
            chosen.eq(Mux(order_turn, order.kind, Mux(segment_ready, 2, 3))),
            self.starts.valid.eq(order.valid | ~order_turn),
            order.ready.eq(order_turn & self.starts.ready),
            self.segments.ready.eq(segment_ready & ~order_waited & self.starts.ready),
            services.ready.eq(service_ready & ~segment_ready & ~order_waited & self.starts.ready),
        ]

        # Lengths by kind, known before.
        lengths = [Signal(8, name=f"length_{n}", reset_less=True) for n in range(4)]
        for which in range(2):
            m.d.sync += lengths[which].eq(PAYLOAD_OFFSET + order.bytes[which])
        m.d.sync += lengths[2].eq(PAYLOAD_OFFSET + segment.length)
        m.d.sync += lengths[3].eq(services.p.length)
        tails = Array(Mux(length < 60, 60 % 8, length[:3]) for length in lengths)
        ready_tail = [Signal(3, name=f"tail_{n}", reset_less=True) for n in range(4)]
        m.d.sync += [ready_tail[n].eq(tails[n]) for n in range(4)]
        m.d.comb += [self.starts.p.head.eq(chosen == 3),
                     self.starts.p.tail.eq(Array(ready_tail)[chosen])]

        # Held from the cycle on in which a frame starts.
        sequence, acknowledgment = Signal(32, reset_less=True), Signal(32, reset_less=True)
        flags, option = Signal(8, reset_less=True), Signal(reset_less=True)
        length, source = Signal(8, reset_less=True), Signal(PayloadSource)
        with m.If(self.starts.ready & self.starts.valid):
            m.d.sync += self.aside.eq((chosen == 3) & services.p.aside)
        with m.If(self.starts.ready):
            m.d.sync += [
                running.eq(self.starts.valid), kind.eq(chosen),
                length.eq(Array(lengths)[chosen]),
                sequence.eq(Mux(order_turn, self.next_sequence, segment.sequence)),
                acknowledgment.eq(Mux(order_turn, sums.sent_acknowledgment,
                                      sums.segment_acknowledgment)),
                flags.eq(Mux(order_turn, _ORDER_FLAGS, segment.flags)),
                option.eq(~order_turn & (segment.source == PayloadSource.MAXIMUM_SEGMENT_SIZE)),
                source.eq(segment.source),
            ]
        m.d.comb += [
            sums.addresses.eq(self.cfg_addresses), sums.order_bytes.eq(order.bytes),
            sums.order_sums.eq(order.ready_sums), sums.next_sequence.eq(self.next_sequence),
            sums.acknowledgment.eq(self.acknowledgment), sums.segment.eq(segment),
            sums.payload_sum.eq(payload_sum.total), sums.kind.eq(chosen),
            sums.start.eq(self.starts.ready),
            sums.symbol_sum.eq(order.symbol_sum), sums.sum_a.eq(order.sum_a),
            sums.sum_b.eq(order.sum_b),
            self.sent_acknowledgment.eq(acknowledgment),
        ]

        # Payload words: of the order, or of the source two cycles after its index.
        is_order = ~kind[1]
        next_word = Signal(64, reset_less=True)
        option_bytes = [C(ethernet.TcpOption.MAXIMUM_SEGMENT_SIZE, 8), C(4, 8),
                        *octets(C(self.maximum_segment_size, 16))]
        option_words = Array([Cat(C(0, 8 * PAYLOAD_LANE), *option_bytes[:2]),
                              Cat(*option_bytes[2:], C(0, 48))] + [C(0, 64)] * (PAYLOAD_WORDS - 2))
        option_word = Signal(64, reset_less=True)
        option_index = Signal.like(self.source_index)
        m.d.sync += [option_index.eq(self.source_index),
                     option_word.eq(option_words[option_index])]

        # The source is read for the frame of a segment, else for the sum of the next one.
        sending = running & (kind == 2)
        source_word = Signal(64)
        with m.Switch(Mux(sending, source, segment.source)):
            with m.Case(PayloadSource.RING):
                m.d.comb += source_word.eq(self.ring_word)
            with m.Case(PayloadSource.STAGED):
                m.d.comb += source_word.eq(self.staged_word)
            with m.Case(PayloadSource.MAXIMUM_SEGMENT_SIZE):
                m.d.comb += source_word.eq(option_word)
        m.d.sync += next_word.eq(Mux(
            is_order, order.words[word_index], source_word))

        # A segment is offered once its payload has been summed; not while another one reads.
        with m.FSM(name="preparation"):
            with m.State("IDLE"):
                with m.If(self.segments.valid & ~(running & kind[1])):
                    m.d.comb += payload_sum.start.eq(1)
                    m.next = "SUM"
            with m.State("SUM"):
                with m.If(payload_sum.done):
                    m.next = "READY"
            with m.State("READY"):
                m.d.comb += segment_ready.eq(1)
                with m.If(self.segments.ready):
                    m.next = "IDLE"
        m.d.comb += [
            payload_sum.length.eq(segment.length),
            payload_sum.word.eq(source_word),
            self.source_index.eq(Mux(sending, (word_index + 2)[:3], payload_sum.index)),
        ]

        self._beats(m, running, number, word_index, kind, length, next_word, source, sequence,
                    acknowledgment, flags, option, sums)
        return m

    def _beats(self, m, running, number, word_index, kind, length, next_word, source, sequence,
               acknowledgment, flags, option, sums):
        """Lay the frame out and hand it over beat by beat."""
        addresses = self.cfg_addresses
        tcp = [C(0, 8)] * 64

        def put(base, field, value):
            content = octets(Value.cast(value) if not isinstance(value, int)
                             else C(value, field.bits))
            assert len(content) == field.size
            tcp[base + field.offset:base + field.end] = content

        for field, value in {
            "destination": addresses.peer_mac, "source": addresses.local_mac,
            "ethertype": int(EtherType.IPV4),
        }.items():
            put(0, MAC.field(field), value)
        for field, value in {
            "version_ihl": 0x45, "flags_fragment_offset": int(Ipv4Flag.DONT_FRAGMENT),
            "total_length": Cat((length - MAC.size)[:8], C(0, 8)),
            "time_to_live": _TIME_TO_LIVE, "protocol": int(IpProtocol.TCP),
            "header_checksum": sums.header_checksum, "source_address": addresses.local_address,
            "destination_address": addresses.peer_address,
        }.items():
            put(_IP, IPV4.field(field), value)
        for field, value in {
            "source_port": addresses.local_port, "destination_port": addresses.peer_port,
            "sequence_number": sequence, "acknowledgment_number": acknowledgment,
            "data_offset": Mux(option, C(0x60, 8), C(0x50, 8)), "flags": flags,
            "window": self.window,
        }.items():
            put(_TCP, TCP.field(field), value)

        def word(index):
            return Cat(*tcp[8 * index:8 * index + 8])

        m.d.comb += [self.heads[0].eq(Cat(*tcp[:HEAD_BYTES])), self.heads[1].eq(self.service_head)]

        # `beat` holds the beat `number`, but for the first one and the late checksum; that of a
        # service has a register of its own, which holds the first one before the frame starts.
        beat = Signal(64, reset_less=True)
        service_beat = Signal(64, reset_less=True)
        is_service = Signal()
        following = Signal.like(number, init=_FIRST + 1)
        m.d.comb += [
            is_service.eq(kind == 3),
            self.service_index.eq(Mux(running & self.beats.ready, following, number)),
        ]
        m.d.sync += service_beat.eq(self.service_word)
        # No frame is so short that these would come too late.
        end = Signal(4, reset_less=True)
        ending = Signal()
        keep = Signal(8, reset_less=True)
        m.d.sync += [end.eq((length - 1) >> 3),
                     keep.eq(Array([0xFF] + [(1 << n) - 1 for n in range(1, 8)])[length[:3]])]
        checksum = _TCP + TCP.field("checksum").offset
        payload = self.beats.p
        m.d.comb += [
            payload.data.eq(beat), payload.first.eq(0), payload.last.eq(ending),
            payload.keep.eq(Mux(payload.last, keep, 0xFF)), self.beats.valid.eq(running),
        ]
        with m.If(number == _FIRST):
            m.d.comb += payload.data.eq(word(_FIRST))
        with m.If(number == checksum // 8):
            for index, byte in enumerate(octets(sums.checksum)):
                m.d.comb += payload.data.word_select(checksum % 8 + index, 8).eq(byte)
        with m.If(is_service):
            m.d.comb += payload.data.eq(service_beat)

        with m.If(self.beats.ready & running):
            m.d.sync += [
                number.eq(following), following.eq(following + 1), word_index.eq(word_index + 1),
                beat.eq(next_word), ending.eq(following == end),
            ]
            for index in range(_FIRST, _PAYLOAD_BEAT):
                after = word(index + 1)
                if index + 1 == _PAYLOAD_BEAT:
                    after = Cat(after[:8 * PAYLOAD_LANE], next_word[8 * PAYLOAD_LANE:])
                with m.If(number == index):
                    m.d.sync += beat.eq(after)
            with m.If(payload.last):
                m.d.sync += [running.eq(0), number.eq(_FIRST), following.eq(_FIRST + 1),
                             word_index.eq(_FIRST_WORD), ending.eq(0)]

        m.d.sync += self.service_sent.eq(running & is_service & self.beats.ready & payload.last)
        m.d.comb += [
            self.kept_word.eq(beat), self.kept_index.eq((word_index - 2)[:3]),
            self.kept.eq(running & self.beats.ready & (number >= _PAYLOAD_BEAT)
                         & (~kind[1] | ((kind == 2) & (source == PayloadSource.STAGED)))),
        ]
