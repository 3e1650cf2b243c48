"""Segments of one TCP connection out of received frames.

Ref: RFC 791, 1071, 9293. Frames with a VLAN tag, IPv4 options or fragments are not for us.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import TcpAddresses, octets
from hdl.net.xgmii_receiver import VERDICT_CYCLES, FrameVerdict
from hdl.stream import FrameStream
from proto.wire.ethernet import FCS_BYTES, IPV4, MAC, TCP, EtherType, IpProtocol, Ipv4Flag

__all__ = ["DECISION_CYCLES", "ReceivedSegment", "SegmentParser", "capture", "compare"]

_IP, _TCP = MAC.size, MAC.size + IPV4.size
#: Cycles from a verdict to the decision on the frame; with the sums, and before the next frame of
#: the smallest gap could overwrite what stands on it.
DECISION_CYCLES = 5 - VERDICT_CYCLES


def capture(m, beats, index, base: int, field) -> Signal:
    """Return a register that takes a field of the frame as its bytes pass."""
    held = Signal(field.bits, name=f"{field.name}_held", reset_less=True)
    for place in range(field.size):
        at = base + field.offset + place
        with m.If(beats.valid & (index == at // 8)):
            m.d.sync += held.word_select(field.size - 1 - place, 8).eq(
                beats.p.data.word_select(at % 8, 8))
    return held


def compare(m, beats, index, base: int, field, value) -> Value:
    """Return whether a field of the frame is `value`, compared as its bytes pass.

    A register for each beat that the field has bytes in; `value` must not change meanwhile.
    """
    equal: dict[int, list[Value]] = {}
    for place, byte in enumerate(octets(C(value, field.bits) if isinstance(value, int) else value)):
        at = base + field.offset + place
        equal.setdefault(at // 8, []).append(beats.p.data.word_select(at % 8, 8) == byte)
    parts = []
    for beat, bytes_equal in equal.items():
        part = Signal(name=f"{field.name}_equal_{beat}", reset_less=True)
        with m.If(beats.valid & (index == beat)):
            m.d.sync += part.eq(Cat(*bytes_equal).all())
        parts.append(part)
    return Cat(*parts).all()


class ReceivedSegment(data.Struct):
    """The header of a segment; ``offset`` is the frame byte at which its payload begins."""

    sequence: 32
    acknowledgment: 32
    flags: 8
    window: 16
    length: 11
    offset: 7


class SegmentParser(wiring.Component):
    """Recognise the segments of the connection; check them.

    Latency: 6 cycles, last beat to `arrived`; 1 cycle, `beats` to `passing`. A frame that is not of
    the connection, or is damaged, is counted by what is wrong with it and otherwise ignored.

    Members
    -------
    beats : ``In(FrameStream(always_ready=True))``
        Frames with FCS; the beats of a frame come without gaps.
    verdicts : ``In(stream.Signature(FrameVerdict, always_ready=True))``
        VERDICT_CYCLES after each last beat.
    cfg_addresses : ``In(TcpAddresses)``
        Who talks to whom.
    passing, index : ``Out(FrameStream(always_ready=True))``, ``Out(8)``
        The same frames from registers, and the number of the beat in its frame.
    judged : ``Out(stream.Signature(FrameVerdict, always_ready=True))``
        The verdicts in step with them.
    arrived : ``Out(1)``
        A good segment of the connection has come; `segment` holds it in this cycle.
    segment : ``Out(ReceivedSegment)``
        Fields as they come in; complete from three cycles before `arrived` until the cycle after.
    datagram_good : ``Out(1)``
        DECISION_CYCLES after a verdict at `judged`: the frame has a good IPv4 header for us,
        without options, and is as long as that says; whatever its protocol.
    stat_bad_checksum, stat_ignored : ``Out(1)``
        Pulse per good frame with a wrong IPv4 or TCP checksum; that is no segment of ours.
    """

    beats: In(FrameStream(always_ready=True))
    verdicts: In(stream.Signature(FrameVerdict, always_ready=True))
    cfg_addresses: In(TcpAddresses)
    passing: Out(FrameStream(always_ready=True))
    index: Out(8)
    judged: Out(stream.Signature(FrameVerdict, always_ready=True))
    arrived: Out(1)
    segment: Out(ReceivedSegment)
    datagram_good: Out(1)
    stat_bad_checksum: Out(1)
    stat_ignored: Out(1)

    def elaborate(self, platform):
        m = Module()

        # What a beat is, is known late in its cycle.
        following = Signal(8)
        number = Mux(self.beats.p.first, 0, following)
        with m.If(self.beats.valid):
            m.d.sync += following.eq(number + (number != 255))
        m.d.sync += [
            self.passing.valid.eq(self.beats.valid),
            Value.cast(self.passing.p).eq(Value.cast(self.beats.p)), self.index.eq(number),
            self.judged.valid.eq(self.verdicts.valid), self.judged.p.good.eq(self.verdicts.p.good),
        ]
        beats, beat = self.passing, self.passing.p

        def take(base, message, name):
            return capture(m, beats, self.index, base, message.field(name))

        def check(base, message, name, value):
            return compare(m, beats, self.index, base, message.field(name), value)

        total = take(_IP, IPV4, "total_length")
        fragment = take(_IP, IPV4, "flags_fragment_offset")
        sequence = take(_TCP, TCP, "sequence_number")
        acknowledgment = take(_TCP, TCP, "acknowledgment_number")
        data_offset = take(_TCP, TCP, "data_offset")[4:]
        flags = take(_TCP, TCP, "flags")
        window = take(_TCP, TCP, "window")

        # Lengths: the end of the datagram in the frame, the payload, the frame itself.
        end, tcp_length = Signal(17, reset_less=True), Signal(17, reset_less=True)
        frame_bytes = Signal(12, reset_less=True)
        header = _TCP - _IP + Cat(C(0, 2), data_offset)
        m.d.sync += [
            end.eq(MAC.size + total), tcp_length.eq(total - IPV4.size),
            self.segment.length.eq(total - header),
            self.segment.offset.eq(_TCP + Cat(C(0, 2), data_offset)),
        ]
        kept = sum(beat.keep[lane] for lane in range(8))
        with m.If(beats.valid & beat.last):
            m.d.sync += frame_bytes.eq(Cat(C(0, 3), self.index) + kept - FCS_BYTES)
        m.d.comb += [
            self.segment.sequence.eq(sequence), self.segment.acknowledgment.eq(acknowledgment),
            self.segment.flags.eq(flags), self.segment.window.eq(window),
        ]

        checks = {
            "ethertype": check(0, MAC, "ethertype", int(EtherType.IPV4)),
            "version": check(_IP, IPV4, "version_ihl", 0x45),
            "whole": (fragment & int(Ipv4Flag.MORE_FRAGMENTS | Ipv4Flag.OFFSET_MASK)) == 0,
            "protocol": check(_IP, IPV4, "protocol", int(IpProtocol.TCP)),
            "source": check(_IP, IPV4, "source_address", self.cfg_addresses.peer_address),
            "destination": check(_IP, IPV4, "destination_address",
                                 self.cfg_addresses.local_address),
            "source_port": check(_TCP, TCP, "source_port", self.cfg_addresses.peer_port),
            "destination_port": check(_TCP, TCP, "destination_port",
                                      self.cfg_addresses.local_port),
            "data_offset": data_offset >= TCP.size // 4,
            "long_enough": total >= header, "short_enough": end <= frame_bytes,
        }
        flags_held = {}
        for name, passed in checks.items():
            held = Signal(name=f"good_{name}")
            m.d.sync += held.eq(passed)
            flags_held[name] = held
        ours, datagram = Signal(), Signal()
        m.d.sync += [
            ours.eq(Cat(*flags_held.values()).all()),
            datagram.eq(Cat(flags_held[name] for name in (
                "ethertype", "version", "whole", "destination", "short_enough")).all()),
        ]

        header_good, payload_good = self._sums(m, end, tcp_length)

        good = Signal(DECISION_CYCLES)
        m.d.sync += good.eq(Cat(self.judged.valid & self.judged.p.good, good))
        summed = header_good & payload_good
        m.d.comb += [
            self.arrived.eq(good[-1] & ours & summed),
            self.datagram_good.eq(datagram & header_good),
            self.stat_bad_checksum.eq(good[-1] & ours & ~summed),
            self.stat_ignored.eq(good[-1] & ~ours),
        ]
        return m

    def _sums(self, m, end, tcp_length):
        """Sum the IPv4 header, and TCP with its pseudo header, beat by beat; return two levels."""
        beats, index = self.passing, self.index
        addresses = _IP + IPV4.field("source_address").offset
        first = Signal(2)
        m.d.sync += first.eq(Cat(beats.valid & beats.p.first, first))
        before_end, at_end = Signal(), Signal()     # the beat; the datagram is over in later ones
        m.d.comb += [before_end.eq(index < end[3:]), at_end.eq(index == end[3:])]
        results = []
        for name in ("header", "payload"):
            masked = Signal(64, name=f"{name}_masked", reset_less=True)
            wide = Signal(18, name=f"{name}_wide", reset_less=True)
            # Of the header no more than its ten words count.
            total = Signal(20 if name == "header" else 28, name=f"{name}_total", reset_less=True)
            folded = Signal(19, name=f"{name}_folded", reset_less=True)
            good = Signal(name=f"{name}_good")
            for lane in range(8):
                at = Cat(C(lane, 3), index)
                if name == "header":
                    inside = (at >= _IP) & (at < _TCP)
                else:
                    inside = (at >= addresses) & (before_end | (at_end & (lane < end[:3]))
                                                  | (index < _TCP // 8))
                with m.If(inside & beats.valid):
                    m.d.sync += masked.word_select(lane, 8).eq(beats.p.data.word_select(lane, 8))
                with m.Else():
                    m.d.sync += masked.word_select(lane, 8).eq(0)
            words = [Cat(masked[at + 8:at + 16], masked[at:at + 8]) for at in range(0, 64, 16)]
            pseudo = tcp_length + int(IpProtocol.TCP) if name == "payload" else 0
            m.d.sync += [
                wide.eq(sum(words)),
                total.eq(Mux(first[1], 0, total) + wide),
                folded.eq(total[:16] + total[16:] + pseudo),
            ]
            # All ones in one's complement: 0xFFFF, with one or two end-around carries to come.
            m.d.sync += good.eq((folded == 0xFFFF) | (folded == 0x1FFFE) | (folded == 0x2FFFD))
            results.append(good)
        return results
