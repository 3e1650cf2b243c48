"""The MoldUDP64 header: which session, which sequence numbers, which messages are new."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.one_hot import pick
from hdl.stream import BEAT_BYTES
from proto.wire import ethernet, moldudp64

__all__ = ["PAYLOAD_OFFSETS", "SequenceTracker", "big_endian"]

#: Where the UDP payload may start in a frame: behind no, one or two VLAN tags.
PAYLOAD_OFFSETS = tuple(
    ethernet.MAC.size + tags * ethernet.VLAN_TAG.size + ethernet.IPV4.size + ethernet.UDP.size
    for tags in range(3))

_SESSION = moldudp64.HEADER.field("session")
_SEQUENCE = moldudp64.HEADER.field("sequence_number")
_COUNT = moldudp64.HEADER.field("message_count")

#: Index of the first of the two beats by whose arrival every header field is in view.
HEADER_BEAT = 7


def big_endian(lanes, first: int, size: int):
    """Return `size` bytes of `lanes` (lane 0 lowest) from lane `first` on as one number."""
    return Cat(lanes.word_select(first + size - 1 - place, 8) for place in range(size))


def _beat_and_lane(payload_offset: int, field) -> tuple[int, int]:
    """Return by which beat's arrival a field is taken, and its lane among three beats.

    The session is taken no sooner than the number, on which all waits: it is in fewer lanes then.
    """
    start = payload_offset + field.offset
    last = _SEQUENCE if field is _SESSION else field
    beat = max(HEADER_BEAT, (payload_offset + last.offset + last.size - 1) // BEAT_BYTES)
    return beat, start - BEAT_BYTES * (beat - 2)


class SequenceTracker(wiring.Component):
    """Follow a MoldUDP64 session and tell of every message whether it is the next one.

    Latency: `decided` comes 2 cycles after the cycle with ``arrived[1]``, 3 cycles behind two
    VLAN tags; the next number to expect, `stat_*` and `gap` come 4 cycles after it.

    A packet of another session is not accepted and changes nothing. A packet with a higher number
    than expected is a gap, and accepted; of one with a lower number the messages received before
    are not accepted. Whatever the number, the next one expected never decreases, unless a frame
    is undone: it acted before its checksum proved wrong, so its numbers are taken back.

    With `cfg_lenient` a packet with number 0, which no session has and rebuilt captures have, is
    the next one, whatever its session; that is not learnt.

    Members
    -------
    lanes : ``In(192)``
        The last three beats of the frame, the oldest one lowest.
    arrived : ``In(2)``
        One-cycle pulses: beat 7, and beat 8, of a frame is now the highest third of `lanes`.
    offset_select : ``In(3)``
        One-hot index into :data:`PAYLOAD_OFFSETS`; steady from ``arrived[0]`` on.
    fits : ``In(1)``
        The frame holds a whole header that shall be acted on; sampled with ``arrived[1]``.
    taken : ``In(1)``
        The walk over the packet has reached one more message.
    delivered : ``In(1)``
        One more message has left, in the order of the packet.
    settled, settled_good : ``In(1)``
        Pulse: the frame has ended, and whether its checksum is right; after its last beat.
    cfg_session : ``In(80)``
        Session to follow, first character most significant.
    cfg_session_learn : ``In(1)``
        Follow the session of the first packet instead.
    cfg_sequence_learn : ``In(1)``
        The first packet's number is the expected one, whatever it is.
    cfg_next_sequence : ``In(64)``
        Number that `cfg_load` makes the expected one.
    cfg_lenient : ``In(1)``
        Take packets without a number; steady while a packet comes.
    cfg_load, cfg_restart : ``In(1)``
        Pulses. Restart forgets the session and expects number 1.
    none_left, empty : ``Out(1)``
        Every message of the packet has been `taken`; there were none at all.
    decided : ``Out(1)``
        `sequence` and `accept` are those of the message to be delivered next.
    sequence : ``Out(64)``
    accept : ``Out(1)``
    session, next_sequence : ``Out``
        State, for software.
    gap : ``Out(1)``
        Pulse: messages are missing; `gap_messages` says how many (at most 2**32 - 1).
    gap_messages : ``Out(32)``
    ours : ``Out(1)``
        The packet is of the session; with `decided`. A message of it that is not accepted was
        received before.
    stat_packets, stat_heartbeats, stat_end_of_session, stat_duplicates, stat_overlaps, \
stat_foreign_session, stat_unnumbered
        One-cycle pulses, one a packet. One with messages of which only the first were received
        before is a duplicate and an overlap.
    """

    lanes: In(8 * 3 * BEAT_BYTES)
    arrived: In(2)
    offset_select: In(len(PAYLOAD_OFFSETS))
    fits: In(1)
    taken: In(1)
    delivered: In(1)
    settled: In(1)
    settled_good: In(1)

    cfg_session: In(_SESSION.bits)
    cfg_session_learn: In(1)
    cfg_sequence_learn: In(1)
    cfg_next_sequence: In(_SEQUENCE.bits)
    cfg_lenient: In(1)
    cfg_load: In(1)
    cfg_restart: In(1)

    none_left: Out(1)
    empty: Out(1)
    decided: Out(1)
    sequence: Out(_SEQUENCE.bits)
    accept: Out(1)
    session: Out(_SESSION.bits)
    next_sequence: Out(_SEQUENCE.bits, init=1)
    gap: Out(1)
    gap_messages: Out(32)

    stat_packets: Out(1)
    stat_heartbeats: Out(1)
    stat_end_of_session: Out(1)
    ours: Out(1)
    stat_duplicates: Out(1)
    stat_overlaps: Out(1)
    stat_foreign_session: Out(1)
    stat_unnumbered: Out(1)

    #: Cycles by which an outcome is held so that the header it may undo has been committed.
    UNDO_DELAY_CYCLES = 6

    def _captures(self, field):
        """Yield the field's value at each payload offset, and when it is to be captured."""
        for index, offset in enumerate(PAYLOAD_OFFSETS):
            beat, lane = _beat_and_lane(offset, field)
            yield (big_endian(self.lanes, lane, field.size),
                   self.arrived[beat - HEADER_BEAT] & self.offset_select[index])

    def elaborate(self, platform):
        m = Module()

        session = Signal(_SESSION.bits, reset_less=True)
        sequence = Signal(_SEQUENCE.bits, reset_less=True)
        count = Signal(_COUNT.bits, reset_less=True)
        for field, target in ((_SESSION, session), (_COUNT, count)):
            for value, captured in self._captures(field):
                with m.If(captured):
                    m.d.sync += target.eq(value)

        # A packet without a number gets the expected one, while the decision is prepared.
        looked = Signal()
        unnumbered = Signal()
        missing = Signal()
        m.d.comb += missing.eq(looked & self.cfg_lenient & (sequence == 0))
        numbers = [*self._captures(_SEQUENCE), (self.next_sequence, missing)]
        m.d.sync += looked.eq(Cat(captured for _, captured in numbers[:-1]).any())
        with m.If(Cat(chosen for _, chosen in numbers).any()):
            m.d.sync += sequence.eq(pick(*((chosen, number) for number, chosen in numbers)))
        with m.If(looked):
            m.d.sync += unnumbered.eq(missing)

        # The messages that the walk has still to meet.
        left = Signal(_COUNT.bits, reset_less=True)
        for value, captured in self._captures(_COUNT):
            none = (value == moldudp64.HEARTBEAT) | (value == moldudp64.END_OF_SESSION)
            with m.If(captured):
                m.d.sync += [left.eq(value), self.none_left.eq(none), self.empty.eq(none)]
        with m.If(self.taken):
            m.d.sync += [left.eq(left - 1), self.none_left.eq(left == 1)]

        # Stage 1, free running: everything that follows from the header and the state.
        known = Signal()
        synchronized = Signal()

        same = Signal(reset_less=True)
        behind = Signal(reset_less=True)
        ahead = Signal(reset_less=True)         # a cycle later, and so is its only use
        forward = Signal(_SEQUENCE.bits, reset_less=True)
        after = Signal(_SEQUENCE.bits, reset_less=True)
        advances = Signal(reset_less=True)
        m.d.sync += [
            same.eq(Mux(self.cfg_session_learn, (session == self.session) | ~known,
                        session == self.cfg_session)),
            Cat(forward, behind).eq(sequence - self.next_sequence),
            ahead.eq(~behind & (forward != 0)),
            after.eq(sequence + Mux(self.empty, 0, count)),
            advances.eq(after > self.next_sequence),
        ]

        # Stage 2: the decision. The number is complete a beat later behind two tags.
        steps = Signal(3)
        m.d.sync += steps.eq(Cat(self.arrived[1] & self.fits, steps))
        decide = Signal()
        late = [_beat_and_lane(offset, _SEQUENCE)[0] > HEADER_BEAT for offset in PAYLOAD_OFFSETS]
        m.d.comb += decide.eq(Mux((self.offset_select & Cat(map(Const, late))).any(),
                                  steps[1], steps[0]))
        joining = Signal()
        # Messages until the first new one, counted up to zero; no packet has as many as from zero.
        skip = Signal(_COUNT.bits, reset_less=True)
        passed = Signal(_COUNT.bits, reset_less=True)   # messages of the packet that have left
        ours = Signal(reset_less=True)
        m.d.comb += joining.eq(self.cfg_sequence_learn & ~synchronized)
        with m.If(self.arrived[0]):
            m.d.sync += self.decided.eq(0)
        with m.If(decide):
            m.d.sync += [
                self.decided.eq(1),
                passed.eq(0),
                self.accept.eq(unnumbered | (same & (~behind | joining))),
                skip.eq(Mux(forward[_COUNT.bits:].all(), forward, 0)),
                ours.eq(same | unnumbered),
            ]
        with m.Elif(self.delivered):
            m.d.sync += [passed.eq(passed + 1), skip.eq(skip + 1)]
            with m.If(ours & skip.all()):
                m.d.sync += self.accept.eq(1)
        m.d.comb += [self.sequence.eq(sequence + passed), self.ours.eq(ours)]

        # Stage 3: the next number to expect, and what the packet was.
        commit = steps[2]
        committed = Signal()
        kept = Signal(_SEQUENCE.bits, init=1)
        kept_known = Signal()
        kept_synchronized = Signal()
        delay = Signal(self.UNDO_DELAY_CYCLES)
        bad = Signal(self.UNDO_DELAY_CYCLES)
        m.d.sync += delay.eq(Cat(self.settled, delay))
        m.d.sync += bad.eq(Cat(~self.settled_good, bad))

        m.d.sync += [
            self.gap.eq(commit & ours & ahead & ~joining),
            self.gap_messages.eq(Mux(forward[32:].any(), ~0, forward)),
            self.stat_packets.eq(commit & ours),
            self.stat_heartbeats.eq(commit & ours & (count == moldudp64.HEARTBEAT)),
            self.stat_end_of_session.eq(commit & ours & (count == moldudp64.END_OF_SESSION)),
            self.stat_duplicates.eq(commit & ours & behind & ~joining & ~self.empty),
            self.stat_overlaps.eq(commit & ours & behind & ~joining & advances),
            self.stat_foreign_session.eq(commit & ~ours),
            self.stat_unnumbered.eq(commit & unnumbered),
        ]
        with m.If(commit):
            m.d.sync += [committed.eq(1), kept.eq(self.next_sequence), kept_known.eq(known),
                         kept_synchronized.eq(synchronized)]
        with m.If(commit & ours):
            m.d.sync += synchronized.eq(1)
            with m.If(~unnumbered):
                m.d.sync += known.eq(1)
            with m.If(~unnumbered & ~known):
                m.d.sync += self.session.eq(session)
            with m.If(advances | joining | unnumbered):
                m.d.sync += self.next_sequence.eq(after)
        with m.Elif(delay[-1]):
            m.d.sync += committed.eq(0)
            with m.If(committed & bad[-1]):
                m.d.sync += [self.next_sequence.eq(kept), known.eq(kept_known),
                             synchronized.eq(kept_synchronized)]
        with m.If(self.cfg_restart):
            m.d.sync += [known.eq(0), synchronized.eq(0), committed.eq(0),
                         self.next_sequence.eq(1)]
        with m.If(self.cfg_load):
            m.d.sync += [synchronized.eq(1), self.next_sequence.eq(self.cfg_next_sequence)]

        return m
