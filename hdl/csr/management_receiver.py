"""XGMII words to datagrams of the management protocol, and to answers by ARP.

Ref: RFC 768, 791, 826; docs/management-protocol.md.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.csr.management_layouts import Datagram, Operation
from hdl.net.arp import ArpReply, ArpResponder
from hdl.net.frame_buffer import FrameBuffer
from hdl.net.line import LINES
from hdl.net.tcp_receiver import capture
from hdl.net.udp_filter import UdpFilter
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import IPV4, MAC, UDP
from proto.wire.management import HEADER, MAXIMUM_OPERATIONS, Code

__all__ = ["RECEIVER_STATS", "ManagementReceiver"]

_LINE_STATS = ("frames_good", "bad_fcs", "runt", "oversize", "error_char", "bad_preamble", "fault")
_FILTER_STATS = ("not_ipv4", "options", "bad_header_checksum", "fragments", "not_udp",
                 "other_destination", "bad_length", "bad_udp_checksum", "tagged")
#: Pulses of the receiver, without ``stat_``.
RECEIVER_STATS = (*_LINE_STATS, *_FILTER_STATS, "other_mac", "no_checksum",
                  "buffer_full", "arp_replies")

_IP, _UDP = MAC.size, MAC.size + IPV4.size
_PAYLOAD = _UDP + UDP.size
_HEADER_WORDS = HEADER.size // BEAT_BYTES
#: Whole frames that wait: several of the largest that a host may send.
_BUFFER_BYTES = 4096
_INDEX_BITS = 8


class ManagementReceiver(wiring.Component):
    """Receive frames; deliver, one at a time, the datagrams that are for us; answer ARP requests.

    Latency: that of :class:`FrameBuffer`, then a beat a cycle, and 3 cycles, last beat out of the
    buffer to `datagrams.valid`. A frame is for us if its
    destination is our MAC address, it has no VLAN tag and a UDP checksum, and it passes
    :class:`UdpFilter`. While a datagram waits to be taken, others wait in the buffer; what finds it
    full is dropped.

    Parameters
    ----------
    line : str
        Kind of the line, of :data:`~hdl.net.line.LINES`.

    Members
    -------
    word : ``In``
        Word from the crossing.
    datagrams : ``Out(stream.Signature(Datagram))``
        Received datagrams.
    body_index, body_word : ``In``, ``Out(64)``
        Word of the body of the datagram at `datagrams`, and its content a cycle later.
    arp : ``Out(stream.Signature(ArpReply))``
        Replies to send.
    cfg_mac, cfg_address, cfg_port : ``In(48)``, ``In(32)``, ``In(16)``
        Our addresses and UDP port.
    stat_* : ``Out(1)``
        Pulses of the receiver (``frames_good`` to ``fault``), of the filter (``not_ipv4``, which
        ARP is, to ``tagged``), and ``other_mac``, ``no_checksum`` (datagrams that are refused),
        ``buffer_full`` (one that is not, and is lost), ``arp_replies``.
    """

    def __init__(self, *, line: str = "xgmii"):
        self.line = line
        super().__init__({
            "word":        In(LINES[line].word, init=LINES[line].word_init),
            "datagrams":   Out(stream.Signature(Datagram)),
            "body_index":  In(range(MAXIMUM_OPERATIONS)),
            "body_word":   Out(64),
            "arp":         Out(stream.Signature(ArpReply)),
            "cfg_mac":     In(48),
            "cfg_address": In(32),
            "cfg_port":    In(16),
            **{f"stat_{name}": Out(1) for name in RECEIVER_STATS},
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.receiver = receiver = LINES[self.line].receiver()
        m.submodules.filter = checks = UdpFilter(tagged=False)
        m.submodules.buffer = buffer = FrameBuffer(_BUFFER_BYTES)
        m.submodules.arp = arp = ArpResponder()
        beats = receiver.beats
        m.d.comb += Value.cast(receiver.word).eq(Value.cast(self.word))
        for follower in (checks.beats, buffer.received, arp.beats):
            m.d.comb += [follower.valid.eq(beats.valid), follower.payload.eq(beats.payload)]
        for follower in (checks.verdicts, arp.verdicts):
            m.d.comb += [follower.valid.eq(receiver.verdicts.valid),
                         follower.payload.eq(receiver.verdicts.payload)]
        m.d.comb += [
            checks.frame_info.eq(receiver.frame_info),
            checks.cfg_group_ip.eq(self.cfg_address),
            checks.cfg_udp_port.eq(self.cfg_port),
            arp.cfg_local_address.eq(self.cfg_address),
            arp.index.eq(self._number(m, beats, beats.valid, "line_number")),
        ]
        connect(m, arp.replies, flipped(self.arp))

        # Which frames are kept.
        ours = Signal()
        destination = Value.cast(Cat(
            beats.p.data.word_select(byte, 8) for byte in reversed(range(6))))
        with m.If(beats.valid & beats.p.first):
            m.d.sync += ours.eq(destination == self.cfg_mac)
        checksum = capture(m, beats, arp.index, _UDP, UDP.field("checksum"))
        checked = Signal()
        m.d.sync += checked.eq(checksum != 0)
        sound = checks.judged.valid & checks.judged.p.good & checks.judged.p.wanted
        m.d.comb += [
            buffer.verdicts.valid.eq(checks.judged.valid),
            buffer.verdicts.p.good.eq(checks.judged.p.good),
            buffer.verdicts.p.wanted.eq(checks.judged.p.wanted & ours & checked),
            self.stat_buffer_full.eq(buffer.stat_dropped),
            self.stat_arp_replies.eq(arp.stat_replies),
        ]
        m.d.sync += [self.stat_other_mac.eq(sound & ~ours),
                     self.stat_no_checksum.eq(sound & ours & ~checked)]
        for source, names in ((receiver, _LINE_STATS), (checks, _FILTER_STATS)):
            for name in names:
                m.d.comb += getattr(self, f"stat_{name}").eq(getattr(source, f"stat_{name}"))

        self._take(m, buffer.beats)
        return m

    def _number(self, m: Module, beats, passes: Value, name: str) -> Signal:
        """Return the number of the present beat in its frame, up to a limit."""
        number = Signal(_INDEX_BITS, name=name)
        following = Signal(_INDEX_BITS, name=f"{name}_following")
        m.d.comb += number.eq(Mux(beats.p.first, 0, following))
        with m.If(passes):
            m.d.sync += following.eq(number + ~number.all())
        return number

    def _take(self, m: Module, source) -> None:
        """Lay a buffered frame down as a datagram."""
        passing = FrameStream(always_ready=True).create()
        m.d.comb += [passing.valid.eq(source.valid & source.ready),
                     passing.payload.eq(source.payload)]
        number = self._number(m, passing, passing.valid, "number")
        datagram = self.datagrams.p
        udp_length = capture(m, passing, number, _UDP, UDP.field("length"))
        length = Signal(16, reset_less=True)
        m.d.sync += length.eq(udp_length - UDP.size)
        m.d.comb += [
            datagram.sender.mac.eq(capture(m, passing, number, 0, MAC.field("source"))),
            datagram.sender.address.eq(
                capture(m, passing, number, _IP, IPV4.field("source_address"))),
            datagram.sender.port.eq(capture(m, passing, number, _UDP, UDP.field("source_port"))),
            datagram.length.eq(length),
        ]

        # Words of the payload begin in the middle of a beat.
        lane = _PAYLOAD % BEAT_BYTES
        first = _PAYLOAD // BEAT_BYTES + 1      # beat that completes the first word
        before = Signal(64, reset_less=True)
        word = Signal(64, reset_less=True)
        place = Signal(_INDEX_BITS, reset_less=True)
        complete = Signal()
        m.d.sync += complete.eq(passing.valid & (number >= first))
        with m.If(passing.valid):
            m.d.sync += [before.eq(passing.p.data), place.eq(number - first),
                         word.eq(Cat(before[8 * lane:], passing.p.data[:8 * lane]))]
        header = Signal(8 * HEADER.size, reset_less=True)
        m.d.comb += Value.cast(datagram.header).eq(header)
        for number_ in range(_HEADER_WORDS):
            with m.If(complete & (place == number_)):
                m.d.sync += header.word_select(number_, 64).eq(word)

        m.submodules.body = body = Memory(shape=64, depth=MAXIMUM_OPERATIONS, init=[])
        writing, reading = body.write_port(), body.read_port()
        in_body = complete & (place >= _HEADER_WORDS) & (
            place < _HEADER_WORDS + MAXIMUM_OPERATIONS)
        m.d.comb += [
            writing.en.eq(in_body), writing.data.eq(word),
            writing.addr.eq((place - _HEADER_WORDS)[:len(writing.addr)]),
            reading.addr.eq(self.body_index), reading.en.eq(1), self.body_word.eq(reading.data),
        ]

        # Operations are judged as they pass; behind the payload there is padding and the FCS.
        operation = Signal(Operation)
        m.d.comb += Value.cast(operation).eq(word)
        words = length[3:]
        unknown = (operation.code != Code.READ) & (operation.code != Code.WRITE)
        with m.If(passing.valid & passing.p.first):
            m.d.sync += datagram.codes_good.eq(1)
        with m.If(complete & (place >= _HEADER_WORDS) & (place < words) & unknown):
            m.d.sync += datagram.codes_good.eq(0)

        with m.FSM(name="intake"):
            with m.State("FRAME"):
                m.d.comb += source.ready.eq(1)
                with m.If(passing.valid & passing.p.last):
                    m.next = "LAST_WORD"
            with m.State("LAST_WORD"):
                m.next = "WRITTEN"
            with m.State("WRITTEN"):
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.datagrams.valid.eq(1)
                with m.If(self.datagrams.ready):
                    m.next = "FRAME"
