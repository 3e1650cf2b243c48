"""Answers of the management protocol, and ARP replies, as frames.

Ref: RFC 768, 791, 826, 1071; docs/management-protocol.md.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.csr.management_layouts import LENGTH_BITS, Answer
from hdl.csr.management_sums import SETTLE_CYCLES, TIME_TO_LIVE, VERSION_IHL, DatagramSums
from hdl.net.arp import ArpReply
from hdl.net.tcp_layouts import octets
from hdl.net.xgmii_transmitter import HEAD_BYTES, HEAD_SETTLE_CYCLES, FrameStart
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import (
    ARP,
    FCS_BYTES,
    IPV4,
    MAC,
    MINIMUM_FRAME_BYTES,
    UDP,
    ArpOperation,
    EtherType,
    IpProtocol,
    Ipv4Flag,
)
from proto.wire.management import HEADER

__all__ = ["FRAME_TAILS", "ManagementTransmitter"]

_IP, _UDP = MAC.size, MAC.size + IPV4.size
_PAYLOAD = _UDP + UDP.size
_LANE = _PAYLOAD % BEAT_BYTES
_MINIMUM_BYTES = MINIMUM_FRAME_BYTES - FCS_BYTES
_HEADER_WORDS = HEADER.size // BEAT_BYTES
#: Bytes of the last beat, modulo 8: answers have whole words of four bytes, the rest is padded.
FRAME_TAILS = (_PAYLOAD % BEAT_BYTES, (_PAYLOAD + 4) % BEAT_BYTES, _MINIMUM_BYTES % BEAT_BYTES)

#: Places count words of the body; the protocol's header stands before it, at negative places, and
#: the headers of the network before that.
_BEAT_OF_PLACE_0 = _PAYLOAD // BEAT_BYTES + _HEADER_WORDS
_FIRST_PLACE = HEAD_BYTES // BEAT_BYTES - _BEAT_OF_PLACE_0
_PLACE_BITS = 9
#: Cycles from the last place to the checksum: memory, register, sum.
_DRAIN_CYCLES = 3 + SETTLE_CYCLES


class ManagementTransmitter(wiring.Component):
    """Build frames for an :class:`XgmiiTransmitter`: sum a datagram, then send it.

    Latency: 87 cycles, `arp.valid` or a short datagram's `answers.valid` to `starts.valid`: as
    long as the transmitter must know a head before; longer datagrams are read once before that,
    a word a cycle. `answers` and `arp` transfer when the last beat has left; ARP goes first.

    Members
    -------
    answers : ``In(stream.Signature(Answer))``
        Datagrams to send.
    arp : ``In(stream.Signature(ArpReply))``
        ARP replies to send.
    body_index, body_enable, body_word : ``Out(8)``, ``Out(1)``, ``In(64)``
        Word of the body of `answers`, read twice; its content after the next cycle with
        ``body_enable``, in which the index moves on.
    cfg_mac, cfg_address, cfg_port : ``In(48)``, ``In(32)``, ``In(16)``
        Our addresses and UDP port.
    starts, heads, beats : outputs
        To the transmitter.
    """

    answers: In(stream.Signature(Answer))
    arp: In(stream.Signature(ArpReply))
    body_index: Out(8)
    body_enable: Out(1)
    body_word: In(64)
    cfg_mac: In(48)
    cfg_address: In(32)
    cfg_port: In(16)
    starts: Out(stream.Signature(FrameStart))
    heads: Out(data.ArrayLayout(8 * HEAD_BYTES, 2))
    beats: Out(FrameStream())

    def elaborate(self, platform):
        m = Module()
        answer = self.answers.p

        # What is sent, taken as it begins.
        is_arp = Signal()
        receiver = Signal.like(answer.receiver.mac, reset_less=True)
        own = Signal.like(self.cfg_mac, reset_less=True)
        length = Signal(LENGTH_BITS, reset_less=True)
        last_place = Signal(signed(_PLACE_BITS), reset_less=True)
        m.d.sync += last_place.eq(((length + (_PAYLOAD - 1)) >> 3) - _BEAT_OF_PLACE_0)

        # Places to words: memory, register, and the beat made of two words.
        place = Signal(signed(_PLACE_BITS))
        moving, feeding, sending = Signal(), Signal(), Signal()
        valid = Signal(3)
        places = [Signal.like(place, name=f"place_{n}", reset_less=True) for n in (1, 2)]
        lasts = [Signal(name=f"last_{n}", reset_less=True) for n in (1, 2, 3)]
        word, before = Signal(64, reset_less=True), Signal(64, reset_less=True)
        beat = Signal(64, reset_less=True)
        at_last = place == last_place
        m.submodules.sums = sums = DatagramSums()
        m.d.comb += [
            self.body_index.eq(place[:len(self.body_index)]), self.body_enable.eq(moving),
            moving.eq(~sending | ~valid[2] | self.beats.ready),
            sums.length.eq(length), sums.source_address.eq(self.cfg_address),
            sums.destination_address.eq(answer.receiver.address),
            sums.source_port.eq(self.cfg_port), sums.destination_port.eq(answer.receiver.port),
            sums.word.eq(word), sums.valid.eq(valid[1] & ~sending),
        ]
        half = length[2]
        header = Value.cast(answer.header)
        next_beat = self._beat(m, is_arp, receiver, own, sums, length, places[1],
                               Cat(before[8 * (BEAT_BYTES - _LANE):],
                                   word[:8 * (BEAT_BYTES - _LANE)]))
        with m.If(moving):
            m.d.sync += [
                valid.eq(Cat(feeding, valid)), places[0].eq(place), places[1].eq(places[0]),
                lasts[0].eq(at_last), lasts[1].eq(lasts[0]), lasts[2].eq(lasts[1]),
                before.eq(word), word.eq(self.body_word),
                beat.eq(next_beat),
            ]
            with m.If(feeding):
                m.d.sync += [place.eq(place + 1), feeding.eq(~at_last)]
            with m.If(lasts[0]):
                # The payload has ended before this word, or in its middle.
                m.d.sync += word.eq(Mux(half, self.body_word[:32], 0))
            with m.Switch(places[0]):
                for number in range(_HEADER_WORDS):
                    with m.Case(number - _HEADER_WORDS):
                        m.d.sync += word.eq(header.word_select(number, 64))
                with m.Case(*range(_FIRST_PLACE, -_HEADER_WORDS)):
                    m.d.sync += word.eq(0)

        payload = self.beats.p
        short = length < _MINIMUM_BYTES - _PAYLOAD
        m.d.comb += [
            self.beats.valid.eq(sending & valid[2]), payload.data.eq(beat),
            payload.last.eq(lasts[2]),
            payload.keep.eq(Mux(lasts[2], Mux(half, (1 << (_LANE + 4)) - 1, (1 << _LANE) - 1),
                                (1 << BEAT_BYTES) - 1)),
            self.starts.p.head.eq(is_arp),
            self.starts.p.tail.eq(Mux(short, _MINIMUM_BYTES % BEAT_BYTES,
                                      (length + _PAYLOAD)[:3])),
        ]

        # Heads must have been stable for some time when a frame starts; the sums take less or more.
        wait = Signal(range(HEAD_SETTLE_CYCLES + 2))
        m.d.sync += wait.eq(Mux(wait == 0, 0, wait - 1))
        drain = Signal(range(_DRAIN_CYCLES))
        m.d.sync += drain.eq(drain - 1)
        with m.FSM(name="frame"):
            with m.State("IDLE"):
                m.d.sync += [
                    is_arp.eq(self.arp.valid), own.eq(self.cfg_mac), place.eq(_FIRST_PLACE),
                    receiver.eq(Mux(self.arp.valid, self.arp.p.mac, answer.receiver.mac)),
                    length.eq(Mux(self.arp.valid, 0, answer.length)),
                    wait.eq(HEAD_SETTLE_CYCLES + 1),
                ]
                with m.If(self.arp.valid | self.answers.valid):
                    m.d.comb += sums.start.eq(1)
                    m.next = "HEADERS"
            with m.State("HEADERS"):
                with m.If(~sums.busy):
                    m.d.sync += feeding.eq(1)
                    m.next = "SUM"
            with m.State("SUM"):
                m.d.sync += drain.eq(_DRAIN_CYCLES - 1)
                with m.If(~feeding):
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += place.eq(_FIRST_PLACE)
                with m.If(drain == 0):
                    m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(wait == 0):
                    m.d.sync += [feeding.eq(1), sending.eq(1)]
                    m.next = "FILL"
            with m.State("FILL"):
                with m.If(valid[2]):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += self.starts.valid.eq(1)
                with m.If(self.starts.ready):
                    m.next = "SEND"
            with m.State("SEND"):
                with m.If(self.beats.valid & self.beats.ready & payload.last):
                    m.d.sync += [sending.eq(0), valid.eq(0)]
                    m.d.comb += [self.arp.ready.eq(is_arp), self.answers.ready.eq(~is_arp)]
                    m.next = "LEFT"
            with m.State("LEFT"):
                m.next = "IDLE"
        return m

    def _beat(self, m: Module, is_arp, receiver, own, sums, length, place, shifted) -> Signal:
        """Return the beat of a place: of the headers, or two halves of words of the payload."""
        udp, arp = [C(0, 8)] * (8 * BEAT_BYTES), [C(0, 8)] * (8 * BEAT_BYTES)
        lengths = [Signal(16, name=f"length_{n}", reset_less=True) for n in ("ip", "udp")]
        m.d.sync += [lengths[0].eq(length + (IPV4.size + UDP.size)),
                     lengths[1].eq(length + UDP.size)]

        def put(frame, base, message, values):
            for name, value in values.items():
                field = message.field(name)
                content = C(value, field.bits) if isinstance(value, int) else Value.cast(value)
                assert len(content) == field.bits
                frame[base + field.offset:base + field.end] = octets(content)

        for frame, ethertype in ((udp, EtherType.IPV4), (arp, EtherType.ARP)):
            put(frame, 0, MAC, {"destination": receiver, "source": own,
                                "ethertype": int(ethertype)})
        put(udp, _IP, IPV4, {
            "version_ihl": VERSION_IHL, "total_length": lengths[0],
            "flags_fragment_offset": int(Ipv4Flag.DONT_FRAGMENT), "time_to_live": TIME_TO_LIVE,
            "protocol": int(IpProtocol.UDP), "header_checksum": sums.header_checksum,
            "source_address": self.cfg_address,
            "destination_address": self.answers.p.receiver.address,
        })
        put(udp, _UDP, UDP, {
            "source_port": self.cfg_port, "destination_port": self.answers.p.receiver.port,
            "length": lengths[1], "checksum": sums.checksum,
        })
        put(arp, MAC.size, ARP, {
            "hardware_type": 1, "protocol_type": int(EtherType.IPV4), "hardware_length": 6,
            "protocol_length": 4, "operation": int(ArpOperation.REPLY),
            "sender_hardware_address": own, "sender_protocol_address": self.cfg_address,
            "target_hardware_address": receiver, "target_protocol_address": self.arp.p.address,
        })
        # From registers and constants only: nothing of a head depends on the datagram's length.
        m.d.comb += [self.heads[0].eq(Cat(*udp[:HEAD_BYTES])),
                     self.heads[1].eq(Cat(*arp[:HEAD_BYTES]))]

        beat = Signal(64)
        m.d.comb += beat.eq(shifted)
        with m.Switch(place):
            for early in range(_FIRST_PLACE, 1 - _HEADER_WORDS):
                with m.Case(early):
                    at = BEAT_BYTES * (early + _BEAT_OF_PLACE_0)
                    content = udp[at:min(at + BEAT_BYTES, _PAYLOAD)]
                    rest = shifted[8 * len(content):]
                    m.d.comb += beat.eq(Mux(is_arp, Cat(*arp[at:at + BEAT_BYTES]),
                                            Cat(*content, rest)))
        return beat
