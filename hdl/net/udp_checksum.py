"""The checks of a datagram that need its last byte: UDP checksum, and length against the frame."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import BEAT_BYTES, FrameBeat
from proto.wire.ethernet import FCS_BYTES, IPV4, MAC, VLAN_TAG, IpProtocol

__all__ = ["MAXIMUM_TAGS", "UdpChecksum", "network_words", "sums_to_zero"]

#: VLAN tags that are looked through.
MAXIMUM_TAGS = 2

_TOTAL_LENGTH = IPV4.field("total_length").offset
_SOURCE = IPV4.field("source_address").offset

#: The pseudo-header has protocol and UDP length. The latter is the total length less the header's
#: (frames for which it is not are refused anyway), so the total length is summed in its place.
_PSEUDO_HEADER = (IpProtocol.UDP - IPV4.size) % 0xFFFF

#: Position of the beat from which on the end of the datagram is counted down.
_COUNTED_FROM = 5


def network_words(lanes: Value) -> list[Value]:
    """Return the big-endian 16-bit words of `lanes`."""
    return [Value.cast(Cat(lanes[bit + 8:bit + 16], lanes[bit:bit + 8]))
            for bit in range(0, len(lanes), 16)]


def sums_to_zero(total: Value) -> Value:
    """Return whether a sum of 16-bit words, not all zero and below 2**32, folds to 0xFFFF.

    The sum is a multiple of 65535, and so is upper + lower half, which must then be 65535.
    """
    low, high = total[:16], total[16:]
    return (low ^ Cat(high, C(0, 16 - len(high)))).all()


def _header_offset(tags: int) -> int:
    return MAC.size + tags * VLAN_TAG.size


class UdpChecksum(wiring.Component):
    """Sum a UDP datagram with its pseudo-header, and see whether the frame holds all of it.

    Latency: 2 cycles, last `beat` to `sum_matches`; 1 cycle to `fits`. Throughput: 1 beat per
    cycle. IPv4 headers without options.

    Members
    -------
    beat, valid, position : ``In(FrameBeat)``, ``In(1)``, ``In(3)``
        Beats with FCS, zero outside ``keep``, and their number in the frame, from 7 on 7.
    untagged : ``In(1)``
        At position 2: the EtherType at the place of an untagged frame's is that of IPv4.
    tags : ``In(range(3))``
        From position 3 on: number of VLAN tags.
    sum_matches : ``Out(1)``
        Two cycles after the last beat: the checksum, if it is not zero, is correct.
    fits : ``Out(1)``
        From the next cycle after the last beat: IPv4 total length does not exceed the frame.
    """

    beat: In(FrameBeat)
    valid: In(1)
    position: In(3)
    untagged: In(1)
    tags: In(range(MAXIMUM_TAGS + 1))
    sum_matches: Out(1)
    fits: Out(1)

    def elaborate(self, platform):
        m = Module()

        lanes, position, tags = self.beat.data, self.position, self.tags
        total = Signal(16, reset_less=True)
        self._take_total_length(m, total)

        # Where the datagram ends: words after the current beat, and lanes in its last word.
        words_left = Signal(signed(15), reset_less=True)
        last_lanes = Signal(3, reset_less=True)
        ahead = Signal(signed(18))
        with m.Switch(tags):
            for count in range(MAXIMUM_TAGS + 1):
                with m.Case(count):
                    m.d.comb += ahead.eq(
                        total + (_header_offset(count) - _COUNTED_FROM * BEAT_BYTES))
        beginning = position == _COUNTED_FROM - 1
        next_words = Signal.like(words_left)
        next_lanes = Signal(3)
        m.d.comb += next_words.eq(Mux(beginning, ahead >> 3, words_left - 1))
        m.d.comb += next_lanes.eq(Mux(beginning, ahead[:3], last_lanes))

        # Lanes that count; those of the next beat are found out with this one.
        mask = Signal(BEAT_BYTES)
        with m.If(self.valid):
            m.d.sync += words_left.eq(next_words)
            m.d.sync += last_lanes.eq(next_lanes)
            with m.If(self.beat.last | (position < _COUNTED_FROM - 2)):
                m.d.sync += mask.eq(0)
            with m.Elif(position == _COUNTED_FROM - 2):
                m.d.sync += mask.eq(self._fixed_mask(_COUNTED_FROM - 1))
            with m.Else():
                m.d.sync += mask.eq(Cat(
                    (next_words > 0) | ((next_words == 0) & (lane < next_lanes))
                    for lane in range(BEAT_BYTES)))
        chosen = Signal(BEAT_BYTES)
        m.d.comb += chosen.eq(Mux(position == _COUNTED_FROM - 2,
                                  self._fixed_mask(_COUNTED_FROM - 2), mask))

        words = network_words(lanes & Cat(bit.replicate(8) for bit in chosen))
        part = Signal(18, reset_less=True)
        part_valid = Signal()
        part_first = Signal(reset_less=True)
        base = Signal(17, reset_less=True)
        m.d.sync += [
            part.eq((words[0] + words[1]) + (words[2] + words[3])),
            part_valid.eq(self.valid),
            part_first.eq(position == _COUNTED_FROM - 2),
            base.eq(Mux(tags == MAXIMUM_TAGS, 0, total) + _PSEUDO_HEADER),
        ]
        accumulated, following = Signal(26, reset_less=True), Signal(26)
        m.d.comb += following.eq(Mux(part_first, base, accumulated) + part)
        with m.If(part_valid):
            m.d.sync += [accumulated.eq(following), self.sum_matches.eq(sums_to_zero(following))]

        # The frame must hold the datagram and its FCS. Only the last two words matter: of each
        # number of lanes, which lane of the beat must be kept for that.
        needed = [ended + FCS_BYTES - 1 for ended in range(BEAT_BYTES)]
        holds, held_before = Signal(), Signal()
        m.d.comb += [
            holds.eq(Array(self.beat.keep[lane] if lane < BEAT_BYTES else 0
                           for lane in needed)[last_lanes]),
            held_before.eq(Array(self.beat.keep[lane - BEAT_BYTES] if lane >= BEAT_BYTES else 1
                                 for lane in needed)[last_lanes]),
        ]
        with m.If(self.valid):
            m.d.sync += self.fits.eq((words_left < -1) | ((words_left == -1) & held_before)
                                     | ((words_left == 0) & holds))

        return m

    def _take_total_length(self, m, total):
        """Register the total length as its beat passes."""
        lanes = self.beat.data

        def length_at(tags: int) -> Value:
            lane = (_header_offset(tags) + _TOTAL_LENGTH) % BEAT_BYTES
            return network_words(lanes)[lane // 2]

        with m.If(self.valid & (self.position == 2)):
            m.d.sync += total.eq(Mux(self.untagged, length_at(0), length_at(1)))
        with m.Elif(self.valid & (self.position == 3) & (self.tags == 2)):
            m.d.sync += total.eq(length_at(2))

    def _fixed_mask(self, position: int) -> Value:
        """Return the lanes of an early beat: from the source address on.

        With two tags the total length comes so late that it is summed as it passes.
        """
        masks = []
        for tags in range(MAXIMUM_TAGS + 1):
            offsets = [position * BEAT_BYTES + lane - _header_offset(tags)
                       for lane in range(BEAT_BYTES)]
            masks.append(sum(
                1 << lane for lane, offset in enumerate(offsets)
                if offset >= _SOURCE or (tags == 2 and 0 <= offset - _TOTAL_LENGTH < 2)))
        return Mux(self.tags == 0, masks[0], Mux(self.tags == 1, masks[1], masks[2]))
