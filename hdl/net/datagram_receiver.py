"""From words of the line to the frames of the wanted datagrams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.net.frame_buffer import FrameBuffer, FrameOutcome
from hdl.net.frame_notes import FrameNotes
from hdl.net.igmp import IgmpQuery, QueryListener
from hdl.net.line import LINES
from hdl.net.udp_filter import DatagramInfo, UdpFilter
from hdl.stream import FrameStream

__all__ = ["DatagramInfo", "DatagramReceiver"]

_RECEIVER_STATS = ("frames_good", "bad_fcs", "runt", "oversize", "error_char", "bad_preamble",
                   "fault")
_FILTER_STATS = ("not_ipv4", "options", "bad_header_checksum", "fragments", "not_udp",
                 "other_destination", "bad_length", "bad_udp_checksum")


class DatagramReceiver(wiring.Component):
    """Receive frames, check them, and deliver those that carry a wanted datagram.

    Cut-through latency: 2 cycles, word with a byte at `word` to `beats.valid` of the beat with
    that byte, once the beat is complete (Start in lane 0: the byte's own word), with an idle
    consumer. Store-and-forward latency: 5 cycles, word that completes the last beat to the first
    beat at `beats.valid`. A full last beat is complete in its own word as well.
    Throughput: 1 word per cycle.

    Store-and-forward: only frames with accepted datagrams and without any fault are delivered.
    Cut-through: every frame is delivered as it comes, and `datagram` tells which to act upon; a
    frame that then proves bad (FCS, length, UDP checksum, no room left) has a bad outcome.

    Parameters
    ----------
    buffer_bytes : int
        Size of the receive buffer; a power of two.
    line : str
        Kind of the line, of :data:`~hdl.net.line.LINES`.

    Members
    -------
    word : ``In``
        Word from the crossing.
    now_cycles : ``In(48)``
        The core's cycle counter.
    beats : ``Out(FrameStream())``
        Frames, FCS included. There is at least one idle cycle between two frames.
    datagram : ``Out(DatagramInfo)``
        Of the frame at `beats`; final from the cycle in which the beat with number 7 (bytes 56 to
        63) is offered until the outcome of the frame, not before.
    outcomes : ``Out(stream.Signature(FrameOutcome, always_ready=True))``
        One for each delivered frame, between its last beat and the first beat of the next.
    queries : ``Out(stream.Signature(IgmpQuery, always_ready=True))``
        As of :class:`QueryListener`, for `cfg_group_ip`.
    cfg_cut_through : ``In(1)``
        Mode, taken over when the buffer is empty.
    cfg_max_frame_bytes, cfg_group_ip, cfg_udp_port, cfg_strict : ``In``
        As in the receiver and :class:`UdpFilter`.
    cut_through : ``Out(1)``
        The mode in force.
    occupancy_words : ``Out``
        Words that wait in the buffer's memory.
    stat_dropped : ``Out(1)``
        As in :class:`FrameBuffer`.
    stat_* : ``Out(1)``
        Each other pulse of the receiver and :class:`UdpFilter`, under its name there.
    """

    def __init__(self, *, buffer_bytes: int, line: str = "xgmii"):
        self.buffer_bytes = buffer_bytes
        self.line = line
        self._receiver = LINES[line].receiver()
        self._filter = UdpFilter()
        self._buffer = FrameBuffer(buffer_bytes)
        receiver = self._receiver.signature.members
        checks = self._filter.signature.members
        super().__init__({
            "word":                In(LINES[line].word, init=LINES[line].word_init),
            "now_cycles":          In(48),
            "beats":               Out(FrameStream()),
            "datagram":            Out(DatagramInfo),
            "outcomes":            Out(stream.Signature(FrameOutcome, always_ready=True)),
            "queries":             Out(stream.Signature(IgmpQuery, always_ready=True)),
            "cfg_cut_through":     In(1),
            "cfg_max_frame_bytes": receiver["cfg_max_frame_bytes"],
            "cfg_group_ip":        checks["cfg_group_ip"],
            "cfg_udp_port":        checks["cfg_udp_port"],
            "cfg_strict":          checks["cfg_strict"],
            "cut_through":         Out(1),
            "occupancy_words":     Out(range(self._buffer.words)),
            "stat_dropped":        Out(1),
            **{f"stat_{name}": Out(1) for name in (*_RECEIVER_STATS, *_FILTER_STATS)},
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.receiver = receiver = self._receiver
        m.d.comb += [
            Value.cast(receiver.word).eq(Value.cast(self.word)),
            receiver.now_cycles.eq(self.now_cycles),
            receiver.cfg_max_frame_bytes.eq(self.cfg_max_frame_bytes),
        ]

        m.submodules.listener = listener = QueryListener()
        connect(m, listener.queries, flipped(self.queries))
        m.d.comb += listener.cfg_group.eq(self.cfg_group_ip)

        # The filter looks on; its findings join the frame at the other end of the buffer.
        m.submodules.filter = checks = self._filter
        m.submodules.buffer = buffer = self._buffer
        for follower in (checks.beats, listener.beats, buffer.received):
            m.d.comb += follower.valid.eq(receiver.beats.valid)
            m.d.comb += follower.payload.eq(receiver.beats.payload)
        for judge in (checks, listener):
            m.d.comb += [judge.verdicts.valid.eq(receiver.verdicts.valid),
                         judge.verdicts.payload.eq(receiver.verdicts.payload)]
        connect(m, checks.judged, buffer.verdicts)
        m.d.comb += [
            checks.frame_info.eq(receiver.frame_info),
            checks.cfg_group_ip.eq(self.cfg_group_ip),
            checks.cfg_udp_port.eq(self.cfg_udp_port),
            checks.cfg_strict.eq(self.cfg_strict),
            buffer.cfg_cut_through.eq(self.cfg_cut_through),
        ]

        m.submodules.notes = notes = FrameNotes(DatagramInfo, frames=buffer.frames)
        m.d.comb += [
            notes.note.eq(checks.info),
            notes.opening.eq(checks.opening),
            notes.deciding.eq(checks.deciding),
            notes.open_index.eq(buffer.open_index),
            notes.open_kept.eq(buffer.open_kept),
            notes.cut_through.eq(buffer.cut_through),
            notes.shown_index.eq(buffer.beats_index),
            self.datagram.eq(notes.shown),
        ]
        connect(m, buffer.beats, flipped(self.beats))
        connect(m, buffer.outcomes, flipped(self.outcomes))
        m.d.comb += [
            self.cut_through.eq(buffer.cut_through),
            self.occupancy_words.eq(buffer.occupancy),
            self.stat_dropped.eq(buffer.stat_dropped),
        ]
        for source, names in ((receiver, _RECEIVER_STATS), (checks, _FILTER_STATS)):
            for name in names:
                m.d.comb += getattr(self, f"stat_{name}").eq(getattr(source, f"stat_{name}"))

        return m
