"""Frame beats to aligned feed messages: the walk over the blocks of a MoldUDP64 packet."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.sequence_tracker import HEADER_BEAT, PAYLOAD_OFFSETS, SequenceTracker, big_endian
from hdl.net.datagram_receiver import DatagramInfo
from hdl.net.frame_buffer import FrameOutcome
from hdl.records import FeedMessage
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire import ethernet, moldudp64

__all__ = ["MessageFramer"]

_LENGTH_BYTES = moldudp64.BLOCK.size
_WINDOW_BYTES = 2 * BEAT_BYTES

#: Lanes of a boundary from which the message starts in the same beat; past it, in the next one.
_SAME_BEAT_LANES = BEAT_BYTES - _LENGTH_BYTES

#: A payload end past the window; any number that no window position reaches.
_FAR = 31


_LengthFlags = data.StructLayout({
    "ends": 1,         # the message's end is in the pair,
    "end": 5,          # at this position
    "short": 1,        # it is in the older beat
    "bounds_next": 1,  # it is in the next pair's older beat, or earlier
    "ends_next": 1,    # it is in the next pair, or earlier
})


class MessageFramer(wiring.Component):
    """Cut the messages out of MoldUDP64 packets and align each to its first byte.

    Latency: 2 cycles, `beats` transfer of the beat with a message's final byte to
    `messages.valid` with ``last``; 1 cycle more for a message of up to 8 bytes that begins in
    that beat, and for one of up to 8 bytes that follows it in the same beat. No message is
    passed on before its packet's header is decided, which holds up only a message that ends
    within 10 bytes of the header.
    Throughput: 1 beat per cycle, except that a block of fewer than 8 bytes that ends in
    the beat it began in costs a cycle in which `beats` waits.

    The two newest beats are kept. While a message is walked its bytes leave in windows of sixteen
    that advance by eight, always shifted by the same lanes. At a boundary, where a length stands,
    everything that depends on the length has been compared lane by lane as the beat moved up.

    No byte past the payload is read as a message. Nor is one of the FCS, if the payload should end
    later than the frame, unless it came in an earlier beat than the last and is gone already.
    A packet of the session whose blocks do not fit its payload or its count is walked to that
    point; the rest is dropped, `stat_malformed` and `stream_stale` pulse, and its sequence numbers
    count as used. What is in a packet of another session is of no concern. A packet shorter than
    its header is malformed, and of no session: it changes no number, and makes nothing stale.

    Members
    -------
    beats : ``In(FrameStream())``
        Frames, of which those with an accepted datagram are walked.
    datagram : ``In(DatagramInfo)``
        Sampled as beat 7 of a frame transfers.
    outcomes : ``In(stream.Signature(FrameOutcome, always_ready=True))``
        One a frame, after its last beat has transferred and before the next frame's first.
    messages : ``Out(stream.Signature(FeedMessage))``
        Every message of every packet of the session, and none of a longer stretch than it says.
        A message that turns out not to fit ends without ``last``.
    frame_settled, frame_good : ``Out(1)``
        Pulse: every message of the frame has left; whether the frame's checksum was right.
    tracker ports : see :class:`SequenceTracker`
        `cfg_*`, `session`, `next_sequence`, `gap_messages` and the statistics of packets.
    stream_stale : ``Out(1)``
        Pulse: messages are missing, or the framing of a packet of the session is in doubt.
    stat_gaps : ``Out(1)``
        Pulse: sequence numbers were missing, `gap_messages` of them.
    stat_messages, stat_duplicate_messages, stat_malformed : ``Out(1)``
        One-cycle pulses.
    """

    _TRACKER_INPUTS = ("cfg_session", "cfg_session_learn", "cfg_sequence_learn",
                       "cfg_next_sequence", "cfg_lenient", "cfg_load", "cfg_restart")
    _TRACKER_OUTPUTS = ("session", "next_sequence", "gap_messages", "stat_packets",
                        "stat_heartbeats", "stat_end_of_session", "stat_duplicates",
                        "stat_overlaps", "stat_foreign_session", "stat_unnumbered")

    def __init__(self):
        self._tracker = SequenceTracker()
        tracker = self._tracker.signature.members
        super().__init__({
            "beats":          In(FrameStream()),
            "datagram":       In(DatagramInfo),
            "outcomes":       In(stream.Signature(FrameOutcome, always_ready=True)),
            "messages":       Out(stream.Signature(FeedMessage)),
            "frame_settled":  Out(1),
            "frame_good":     Out(1),
            "stream_stale":   Out(1),
            "stat_gaps":      Out(1),
            "stat_messages":  Out(1),
            "stat_duplicate_messages": Out(1),
            "stat_malformed": Out(1),
            **{name: tracker[name] for name in self._TRACKER_INPUTS + self._TRACKER_OUTPUTS},
        })

    def _payload_end(self, m, payload, *, shift, enters_header):
        """Return where the payload ends in the pair, and whether the frame ended before it.

        The end is a position relative to lane 0 of the older beat, ``_FAR`` when it is past the
        pair. The last four bytes of a frame are its FCS, so the payload ends before them.
        """
        beat = self.beats.p
        ends = Signal()
        m.d.comb += ends.eq(self.beats.valid & beat.last)
        kept = Signal(range(BEAT_BYTES + 1))
        m.d.comb += kept.eq(Cat(
            Cat(beat.keep[lane] & ~(beat.keep[lane + 1]) for lane in (0, 2, 4, 6)).any(),
            (beat.keep[1] & ~beat.keep[3]) | (beat.keep[5] & ~beat.keep[7]),
            beat.keep[3] & ~beat.keep[7],
            beat.keep[7]))
        in_pair = Signal(range(_WINDOW_BYTES))
        in_beat = Signal(range(BEAT_BYTES))
        m.d.comb += in_pair.eq(kept + BEAT_BYTES - ethernet.FCS_BYTES)
        m.d.comb += in_beat.eq(Mux(kept > ethernet.FCS_BYTES, kept - ethernet.FCS_BYTES, 0))

        behind_beat = Signal(range(BEAT_BYTES * HEADER_BEAT))
        for offset in PAYLOAD_OFFSETS:
            with m.If(self.datagram.payload_offset == offset):
                m.d.comb += behind_beat.eq(BEAT_BYTES * HEADER_BEAT - offset)

        limit = Signal(range(_FAR + 1))
        cut = Signal()
        short = ends & (payload > in_pair)
        with m.If(shift):
            with m.If(enters_header):
                m.d.sync += cut.eq(ends)
                m.d.sync += payload.eq(Mux(self.datagram.payload_length > behind_beat,
                                           self.datagram.payload_length - behind_beat, 0))
                with m.If(ends):
                    m.d.sync += payload.eq(in_beat)
            with m.Elif(short):
                m.d.sync += [cut.eq(1), limit.eq(in_pair), payload.eq(in_beat)]
            with m.Else():
                m.d.sync += limit.eq(Mux(payload > _WINDOW_BYTES, _FAR, payload))
                m.d.sync += payload.eq(Mux(payload > BEAT_BYTES, payload - BEAT_BYTES, 0))
        return limit, cut

    def _length_lanes(self, m, newer, *, shift):
        """Return what follows from the length at each lane of the older beat, if one stands there.

        Where the message begins in the next beat only ``ends_next`` is of use.
        """
        lanes = [Signal(_LengthFlags, name=f"lane_{position}", reset_less=True)
                 for position in range(BEAT_BYTES)]
        arriving = Cat(newer, self.beats.p.data)
        with m.If(shift):
            for position in range(BEAT_BYTES):
                length = big_endian(arriving, position, _LENGTH_BYTES)
                body = position + _LENGTH_BYTES
                flags = lanes[position]
                m.d.sync += flags.ends_next.eq(length <= _WINDOW_BYTES + BEAT_BYTES - body)
                if position < _SAME_BEAT_LANES:
                    m.d.sync += [
                        flags.ends.eq(length <= _WINDOW_BYTES - body),
                        flags.end.eq(length[:4] + body),
                        flags.short.eq(length < BEAT_BYTES - body),
                        flags.bounds_next.eq(length < _WINDOW_BYTES - body),
                    ]
        return lanes

    def elaborate(self, platform):
        m = Module()

        m.submodules.tracker = tracker = self._tracker
        for name in self._TRACKER_INPUTS:
            m.d.comb += getattr(tracker, name).eq(getattr(self, name))
        for name in self._TRACKER_OUTPUTS:
            m.d.comb += getattr(self, name).eq(getattr(tracker, name))

        # The beats in view. `fresh`: the pair has not been walked yet.
        oldest = Signal(8 * BEAT_BYTES, reset_less=True)
        older = Signal(8 * BEAT_BYTES, reset_less=True)
        newer = Signal(8 * BEAT_BYTES, reset_less=True)
        newer_last = Signal()
        fresh = Signal()
        process = Signal()
        again = Signal()
        may_shift = Signal()
        m.d.comb += may_shift.eq(~fresh | (process & ~again))
        m.d.comb += self.beats.ready.eq(may_shift)
        take = self.beats.valid & may_shift
        # A frame's last beat moves up without another one behind it, and further if the walk has
        # not ended then: it looks for what the frame does not have.
        older_last = Signal()
        stuck = Signal()
        shift = may_shift & (self.beats.valid | newer_last | stuck)
        with m.If(shift):
            m.d.sync += [
                oldest.eq(older), older.eq(newer), newer.eq(self.beats.p.data),
                newer_last.eq(self.beats.valid & self.beats.p.last), fresh.eq(1),
                older_last.eq(newer_last | (stuck & ~self.beats.valid)),
            ]
        with m.Elif(process & ~again):
            m.d.sync += fresh.eq(0)
        m.d.comb += tracker.lanes.eq(Cat(oldest, older, newer))

        # Position in the frame.
        index = Signal(range(HEADER_BEAT + 3))
        follows = take & ~self.beats.p.first
        enters_header = Signal()
        m.d.comb += enters_header.eq(follows & (index == HEADER_BEAT - 1))
        m.d.sync += tracker.arrived.eq(Cat(enters_header, follows & (index == HEADER_BEAT)))
        with m.If(take):
            with m.If(self.beats.p.first):
                m.d.sync += index.eq(0)
            with m.Elif(index != HEADER_BEAT + 1):
                m.d.sync += index.eq(index + 1)

        # The datagram: where its blocks begin, and how many payload bytes lie from `newer` on.
        accepted = Signal()
        start_cycles = Signal(48, reset_less=True)
        select = Signal(len(PAYLOAD_OFFSETS))
        with m.If(enters_header):
            m.d.sync += [
                accepted.eq(self.datagram.accepted),
                start_cycles.eq(self.datagram.start_cycles),
                select.eq(Cat(self.datagram.payload_offset == offset
                              for offset in PAYLOAD_OFFSETS)),
            ]
        m.d.comb += tracker.offset_select.eq(select)
        payload = Signal(17, reset_less=True)
        limit, cut = self._payload_end(m, payload, shift=shift, enters_header=enters_header)

        header_end = Signal(range(_WINDOW_BYTES))
        for index_, offset in enumerate(PAYLOAD_OFFSETS):
            with m.If(select[index_]):
                m.d.comb += header_end.eq(offset + moldudp64.HEADER.size
                                          - BEAT_BYTES * HEADER_BEAT)
        m.d.comb += tracker.fits.eq(accepted & (limit >= header_end))

        lengths = self._length_lanes(m, newer, shift=shift)

        # ---- The walk, one step for each pair or boundary ----
        # `remaining`: bytes from lane 0 of `older` to the end of the message walked.
        walking = Signal()
        begins = Signal()        # first step of the walk
        at_boundary = Signal()   # the end is in `older`: a length stands there
        active = Signal()        # a message is being walked
        unsent = Signal()        # its first window is still to come
        final = Signal()         # its end is in the window
        remaining = Signal(17, reset_less=True)
        emit_shift = Signal(range(BEAT_BYTES), reset_less=True)  # where its bytes are
        length = Signal(8 * _LENGTH_BYTES, reset_less=True)

        lane = remaining[:3]
        pair = Cat(older, newer)
        here = Signal(_LengthFlags)
        here_length = Signal.like(length)
        with m.Switch(lane):
            for position in range(BEAT_BYTES):
                with m.Case(position):
                    m.d.comb += here.eq(lengths[position])
                    m.d.comb += here_length.eq(big_endian(pair, position, _LENGTH_BYTES))
        # From lane 0 of the older beat of the pair that is walked next to the message's first byte.
        start = Signal(signed(5))
        m.d.comb += start.eq(Mux(here.short, lane + _LENGTH_BYTES,
                                 lane + _LENGTH_BYTES - BEAT_BYTES))
        same_beat = lane < _SAME_BEAT_LANES

        emit = Signal()
        emit_first = Signal()
        emit_last = Signal()
        malformed = Signal()
        stop = Signal()

        near = ~(limit == _FAR)
        over = Signal()
        m.d.comb += over.eq(near & (~final | (remaining[:5] > limit)))
        tiny = final & (remaining[3:5] == 0)
        with m.If(at_boundary):
            m.d.comb += again.eq(walking & ~tracker.none_left & same_beat & here.short)
        with m.Else():
            m.d.comb += again.eq(walking & active & tiny)

        # Whether the walk goes on is known late: what the next step needs is worked out for every
        # step, whether there will be one or not.
        headless = begins & (limit < header_end)
        no_length = Signal()    # the payload ends before the length does
        m.d.comb += no_length.eq(~limit[4] & Array(
            limit[:4] < position + _LENGTH_BYTES for position in range(BEAT_BYTES))[lane])
        no_end = same_beat & here.ends & (here.end > limit)
        m.d.comb += [
            stop.eq(headless | Mux(at_boundary, tracker.none_left | no_length | no_end,
                                   active & over)),
            malformed.eq(process & walking & (headless | Mux(
                at_boundary,
                Mux(tracker.none_left, ~tracker.empty & ((limit != lane) | cut),
                    no_length | no_end),
                active & over))),
            tracker.taken.eq(process & walking & at_boundary),
            emit.eq(process & walking & ~headless & Mux(
                at_boundary, ~tracker.none_left & ~no_length & same_beat, active)),
            emit_first.eq(at_boundary | unsent),
            emit_last.eq(Mux(at_boundary, here.ends & (here.end <= limit), final & ~over)),
        ]
        with m.If(process & ~walking):
            m.d.sync += [walking.eq((index == HEADER_BEAT) & accepted), begins.eq(1), active.eq(0),
                         remaining.eq(header_end), at_boundary.eq(header_end < BEAT_BYTES)]
        with m.Elif(process):
            m.d.sync += [walking.eq(~stop), begins.eq(0)]
            with m.If(at_boundary):
                m.d.sync += [
                    length.eq(here_length), unsent.eq(~same_beat),
                    remaining.eq(here_length + start), final.eq(here.ends_next),
                    emit_shift.eq(Mux(here.bounds_next, here_length[:3] + lane + 2 * _LENGTH_BYTES,
                                      lane + _LENGTH_BYTES)),
                    active.eq(~(same_beat & here.ends)),
                    at_boundary.eq(same_beat & here.bounds_next),
                ]
            with m.Elif(active):
                m.d.sync += [unsent.eq(0), active.eq(~final), at_boundary.eq(
                    final & (remaining[:5] < _WINDOW_BYTES))]
                with m.If(final):
                    m.d.sync += emit_shift.eq(lane + _LENGTH_BYTES)
                with m.If(~tiny):
                    m.d.sync += remaining.eq(remaining - BEAT_BYTES)
                    m.d.sync += final.eq(remaining <= _WINDOW_BYTES + BEAT_BYTES)
            with m.Else():
                m.d.sync += remaining.eq(remaining - BEAT_BYTES)
                m.d.sync += at_boundary.eq(remaining < _WINDOW_BYTES)
                m.d.sync += emit_shift.eq(lane + _LENGTH_BYTES)

        m.d.sync += stuck.eq(~shift & ~fresh & walking & older_last)

        # ---- The window leaves ----
        valid = Signal()
        first = Signal(reset_less=True)
        last = Signal(reset_less=True)
        window = Signal(8 * _WINDOW_BYTES, reset_less=True)
        offered = Signal()
        blocked = Signal()
        m.d.comb += offered.eq(valid & (~last | tracker.decided))
        m.d.comb += blocked.eq(valid & ~(offered & self.messages.ready))
        m.d.comb += process.eq(fresh & ~blocked)
        with m.If(~blocked):
            m.d.sync += valid.eq(emit)
        with m.If(process):
            m.d.sync += [first.eq(emit_first), last.eq(emit_last)]
            m.d.sync += window.eq(pair >> (emit_shift << 3))
        delivered = offered & self.messages.ready & last
        out = self.messages.p
        m.d.comb += [
            self.messages.valid.eq(offered), out.data.eq(window), out.first.eq(first),
            out.last.eq(last), out.length.eq(length), out.start_cycles.eq(start_cycles),
            out.sequence.eq(tracker.sequence), out.accept.eq(tracker.accept),
            tracker.delivered.eq(delivered),
        ]

        # ---- The frame's outcome, once its messages have left ----
        m.d.comb += [tracker.settled.eq(self.outcomes.valid),
                     tracker.settled_good.eq(self.outcomes.p.good)]
        pending = Signal()
        with m.If(self.outcomes.valid):
            m.d.sync += [pending.eq(1), self.frame_good.eq(self.outcomes.p.good)]
        with m.Elif(self.frame_settled):
            m.d.sync += pending.eq(0)
        m.d.comb += self.frame_settled.eq(pending & ~walking & ~valid)

        m.d.sync += [
            self.stat_messages.eq(delivered & tracker.ours),
            self.stat_duplicate_messages.eq(delivered & tracker.ours & ~tracker.accept),
        ]
        # Whether a packet that does not fit is of the session may be decided later.
        doubtful = Signal()
        was_headless = Signal(reset_less=True)
        missing = Signal()
        m.d.sync += [
            was_headless.eq(headless),
            doubtful.eq(malformed | (doubtful & ~was_headless & ~tracker.decided)),
            self.stat_malformed.eq(missing | (doubtful & was_headless)),
        ]
        m.d.comb += missing.eq(doubtful & ~was_headless & tracker.decided & tracker.ours)
        m.d.comb += self.stat_gaps.eq(tracker.gap)
        m.d.comb += self.stream_stale.eq(tracker.gap | missing)

        return m
