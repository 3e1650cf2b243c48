"""Find the UDP datagrams that are for us."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.frame_buffer import BufferVerdict
from hdl.net.udp_checksum import MAXIMUM_TAGS, UdpChecksum, network_words, sums_to_zero
from hdl.net.xgmii_receiver import FrameVerdict
from hdl.records import FrameInfo
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import IPV4, MAC, UDP, VLAN_TAG, EtherType, IpProtocol, Ipv4Flag

__all__ = ["DatagramInfo", "UdpFilter"]

_PLAIN_HEADER = 0x45  # version 4, five words: no options
_TPIDS = (EtherType.VLAN, EtherType.VLAN_OUTER)

#: Words of IPv4 and UDP header, counted from the start of the former.
_HEADER_WORDS = 4


class DatagramInfo(data.Struct):
    """What a frame's headers say.

    ``accepted``: it carries a datagram for us. Its payload is the ``payload_length`` bytes from
    byte ``payload_offset`` of the frame on; both are undefined unless ``accepted``.
    """

    accepted: 1
    payload_offset: 6
    payload_length: 16
    start_cycles: 48


class UdpFilter(wiring.Component):
    """Check IPv4 and UDP headers behind up to two VLAN tags, as a frame passes.

    Latency: 2 cycles, the beat with byte 49 (45 without tag) at `beats` to `info`. Throughput:
    1 beat per cycle. `judged` follows `verdicts` in the same cycle.

    A frame is refused for the first of these that applies, and once its FCS proved good the
    reason is counted: it is not IPv4 (EtherType, version, header length below 5), has IPv4
    options, a wrong header checksum, is a fragment, is not UDP, is for another address or port,
    has contradicting lengths (UDP against IPv4, IPv4 against frame), a wrong UDP checksum (other
    than 0). The last check, and that of the frame's length, end after `info` was decided: they
    show in `judged`.

    Parameters
    ----------
    tagged : bool
        Whether tags are looked through; if not, a frame with one is refused before all else.

    Members
    -------
    beats, frame_info, verdicts : ``In``
        From the receiver.
    cfg_group_ip, cfg_udp_port : ``In(32)``, ``In(16)``
        Destination address and port of the wanted datagrams.
    cfg_strict : ``In(1)``
        Low, for captures: the checksums of IPv4 and UDP may be anything, and a destination address
        or port of zero is taken for ours.
    info : ``Out(DatagramInfo)``
        The newest frame's headers.
    opening, deciding : ``Out(1)``
        In the next cycle `info` is cleared for a new frame (two cycles after its first beat), or
        gets its final value.
    judged : ``Out(stream.Signature(BufferVerdict, always_ready=True))``
        Verdict with the late checks of accepted datagrams.
    stat_not_ipv4, stat_options, stat_bad_header_checksum, stat_fragments, stat_not_udp,
    stat_other_destination, stat_bad_length, stat_bad_udp_checksum, stat_tagged : ``Out(1)``
        At most one pulses for a frame, in the cycle after its verdict.
    """

    def __init__(self, *, tagged: bool = True):
        self.tagged = tagged
        super().__init__({
            "beats":        In(FrameStream(always_ready=True)),
            "frame_info":   In(FrameInfo),
            "verdicts":     In(stream.Signature(FrameVerdict, always_ready=True)),
            "cfg_group_ip": In(32),
            "cfg_udp_port": In(16),
            "cfg_strict":   In(1, init=1),
            "info":         Out(DatagramInfo),
            "opening":      Out(1),
            "deciding":     Out(1),
            "judged":       Out(stream.Signature(BufferVerdict, always_ready=True)),
            **{f"stat_{name}": Out(1) for name in (
                "not_ipv4", "options", "bad_header_checksum", "fragments", "not_udp",
                "other_destination", "bad_length", "bad_udp_checksum", "tagged")},
        })

    def elaborate(self, platform):
        m = Module()

        beat, valid = self.beats.payload, self.beats.valid
        position = Signal(3)
        with m.If(valid):
            m.d.sync += position.eq(Mux(beat.last, 0, Mux(position.all(), position, position + 1)))

        refused, untagged, tags, is_ipv4 = self._find_header(m, position)
        header, at_word, summed = self._header_words(m, position, untagged, tags, is_ipv4)

        def field(message, name: str) -> Value:
            """Return a field of the header word in which it lies, as an integer."""
            entry = message.field(name)
            lane = (entry.offset + (IPV4.size if message is UDP else 0)) % BEAT_BYTES
            return Value.cast(Cat(
                header.word_select(lane + byte, 8) for byte in reversed(range(entry.size))))

        lenient = Signal()
        m.d.sync += lenient.eq(~self.cfg_strict)

        no_ipv4 = Signal(reset_less=True)
        options = Signal(reset_less=True)
        fragment = Signal(reset_less=True)
        too_short = Signal(reset_less=True)
        udp_length = Signal(16, reset_less=True)
        with m.If(at_word[0]):
            version_ihl = field(IPV4, "version_ihl")
            total_length = field(IPV4, "total_length")
            flags = field(IPV4, "flags_fragment_offset")
            m.d.sync += [
                no_ipv4.eq((version_ihl[4:] != _PLAIN_HEADER >> 4) | (version_ihl[:4] < 5)),
                options.eq(version_ihl[:4] > 5),
                fragment.eq((flags & (Ipv4Flag.MORE_FRAGMENTS | Ipv4Flag.OFFSET_MASK)).any()),
                too_short.eq(total_length < IPV4.size + UDP.size),
                udp_length.eq(total_length - IPV4.size),
            ]
        not_udp = Signal(reset_less=True)
        with m.If(at_word[1]):
            m.d.sync += not_udp.eq(field(IPV4, "protocol") != IpProtocol.UDP)
        elsewhere = Signal(reset_less=True)
        with m.If(at_word[2]):
            address = field(IPV4, "destination_address")
            port = field(UDP, "destination_port")
            m.d.sync += elsewhere.eq(
                ~((address == self.cfg_group_ip) | (lenient & (address == 0)))
                | ~((port == self.cfg_udp_port) | (lenient & (port == 0))))

        wrong_length = too_short | (field(UDP, "length") != udp_length)
        wrong_sum = ~sums_to_zero(summed) & ~lenient
        bad_sum = Signal(reset_less=True)
        bad_length = Signal(reset_less=True)
        udp_unchecked = Signal(reset_less=True)
        decided = Signal()
        start_cycles = Signal(48, reset_less=True)
        with m.If(valid & beat.first):
            m.d.sync += start_cycles.eq(self.frame_info.start_cycles)
        m.d.sync += self.opening.eq(valid & beat.first)
        m.d.comb += self.deciding.eq(at_word[3])
        with m.If(self.opening):
            m.d.sync += decided.eq(0)
            m.d.sync += self.info.accepted.eq(0)
            m.d.sync += self.info.start_cycles.eq(start_cycles)
        with m.Elif(self.deciding):
            early = no_ipv4 | options | fragment | not_udp | elsewhere
            m.d.sync += [
                decided.eq(1),
                bad_sum.eq(wrong_sum),
                bad_length.eq(wrong_length),
                udp_unchecked.eq(lenient | (field(UDP, "checksum") == 0)),
                self.info.accepted.eq(~(early | wrong_sum | wrong_length)),
                self.info.payload_length.eq(udp_length - UDP.size),
                self.info.payload_offset.eq(
                    MAC.size + IPV4.size + UDP.size + VLAN_TAG.size * tags),
            ]

        m.submodules.checksum = late = UdpChecksum()
        m.d.comb += [
            late.beat.eq(beat), late.valid.eq(valid), late.position.eq(position),
            late.untagged.eq(untagged), late.tags.eq(tags),
        ]
        late_sum = ~udp_unchecked & ~late.sum_matches
        reasons = (
            (refused, self.stat_tagged),
            (~decided | no_ipv4, self.stat_not_ipv4), (options, self.stat_options),
            (bad_sum, self.stat_bad_header_checksum), (fragment, self.stat_fragments),
            (not_udp, self.stat_not_udp), (elsewhere, self.stat_other_destination),
            (bad_length | ~late.fits, self.stat_bad_length),
            (late_sum, self.stat_bad_udp_checksum),
        )
        clean = self.verdicts.valid & self.verdicts.payload.good
        for reason, pulse in reasons:
            m.d.sync += pulse.eq(clean & reason)
            clean = clean & ~reason
        m.d.comb += [
            self.judged.valid.eq(self.verdicts.valid),
            self.judged.payload.good.eq(
                self.verdicts.payload.good
                & ~(self.info.accepted & (late_sum | ~late.fits))),
            self.judged.payload.wanted.eq(self.info.accepted),
        ]
        return m

    def _find_header(self, m, position):
        """Look through VLAN tags.

        Returns whether there is a tag that is not looked through and whether an untagged frame
        holds IPv4 (both from position 2 on), the number of tags, and whether IPv4 follows them
        (both from position 3 on; the former is 0 before).
        """
        lanes, valid = self.beats.payload.data, self.beats.valid
        ethertype = MAC.field("ethertype").offset

        def type_behind(tags: int) -> tuple[Value, Value]:
            """Return whether the EtherType behind `tags` tags is IPv4, or one more tag."""
            lane = (ethertype + tags * VLAN_TAG.size) % BEAT_BYTES
            word = network_words(lanes)[lane // 2]
            return word == EtherType.IPV4, Cat(word == tpid for tpid in _TPIDS).any()

        untagged = Signal()
        tagged = Signal()
        tags = Signal(range(MAXIMUM_TAGS + 1))
        is_ipv4 = Signal()
        with m.If(valid & (position == ethertype // BEAT_BYTES)):
            ipv4, tag = type_behind(0)
            m.d.sync += [untagged.eq(ipv4), tagged.eq(tag), tags.eq(0), is_ipv4.eq(0)]
        if not self.tagged:
            return tagged, untagged, C(0, len(tags)), C(0)
        with m.If(valid & (position == ethertype // BEAT_BYTES + 1)):
            (ipv4_1, tag_1), (ipv4_2, _) = type_behind(1), type_behind(2)
            m.d.sync += is_ipv4.eq(untagged | (tagged & (ipv4_1 | (tag_1 & ipv4_2))))
            m.d.sync += tags.eq(Mux(untagged, 0, Mux(ipv4_1, 1, 2)))
        return C(0), untagged, tags, is_ipv4

    def _header_words(self, m, position, untagged, tags, is_ipv4):
        """Align the frame to its IPv4 header.

        Returns the aligned word, strobes that tell which word it is, and the sum of the IPv4
        header, which is complete with the strobe of the last word.
        """
        lanes, valid = self.beats.payload.data, self.beats.valid
        before = Signal(64, reset_less=True)
        with m.If(valid):
            m.d.sync += before.eq(lanes)

        def aligned(tags: int) -> Value:
            start = 8 * ((MAC.size + tags * VLAN_TAG.size) % BEAT_BYTES)
            return Value.cast(Cat(before[start:], lanes[:start]))

        word = Signal(64)
        m.d.comb += word.eq(Mux(tags == 1, aligned(1), aligned(0)))
        first_position = MAC.size // BEAT_BYTES + 1  # of the beat that completes word 0, no tags
        completes = Signal(_HEADER_WORDS)
        m.d.comb += completes.eq(Cat(
            valid & Mux(untagged, position == first_position + number,
                        is_ipv4 & (position == first_position + 1 + number))
            for number in range(_HEADER_WORDS)))
        header = Signal(64, reset_less=True)
        at_word = Signal(_HEADER_WORDS)
        m.d.sync += header.eq(word)
        m.d.sync += at_word.eq(completes)

        # The IPv4 header ends in word 2, of which its first half counts.
        words = network_words(word)
        first_half, second_half = words[0] + words[1], words[2] + words[3]
        part = Signal(18, reset_less=True)
        m.d.sync += part.eq(first_half + Mux(completes[IPV4.size // BEAT_BYTES], 0, second_half))
        summed = Signal(20, reset_less=True)
        with m.If(at_word[0]):
            m.d.sync += summed.eq(part)
        with m.Elif(at_word[1] | at_word[2]):
            m.d.sync += summed.eq(summed + part)
        return header, at_word, summed
