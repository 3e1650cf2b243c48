"""The state of one TCP connection, from the side that opens it.

Ref: RFC 9293 section 3.10, RFC 5961, RFC 6298 (fixed initial value), RFC 5681 section 3.2.
"""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import MAXIMUM_PAYLOAD_BYTES, PayloadSource, Segment
from hdl.net.tcp_receiver import ReceivedSegment
from hdl.net.xgmii_transmitter import HEAD_SETTLE_CYCLES
from proto.wire.ethernet import TcpFlag

__all__ = ["CloseReason", "TcpConnection", "TcpState"]

_RTO_BITS = 36      #: the retransmission time saturates at 2**35 ns, 34 s, and more
_FIN, _SYN, _RST = int(TcpFlag.FIN), int(TcpFlag.SYN), int(TcpFlag.RST)
_PSH, _ACK = int(TcpFlag.PSH), int(TcpFlag.ACK)
_DUPLICATES = 3     #: of an acknowledgment that start a fast retransmission


class TcpState(enum.Enum, shape=4):
    """State of the connection; RESOLVE waits for the next hop's address."""

    CLOSED = 0
    RESOLVE = 1
    SYN_SENT = 2
    ESTABLISHED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    CLOSING = 6
    TIME_WAIT = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9


class CloseReason(enum.Enum, shape=3):
    """Why the connection was left last."""

    NONE = 0
    LOCAL = 1       #: closed or given up by us
    PEER = 2        #: the peer closed first
    RESET = 3       #: by the peer
    REFUSED = 4     #: by the peer, in answer to SYN
    TIMEOUT = 5     #: no acknowledgment after all retransmissions


class _Offer(enum.Enum, shape=3):
    """Kind of the segment offered to the transmitter."""

    ACK = 0
    RST = 1
    SYN = 2
    RING = 3
    FIN = 4
    FIN_AGAIN = 5
    STAGED = 6
    PROBE = 7


class TcpConnection(wiring.Component):
    """Run a connection: open, acknowledge, retransmit, close.

    Latency: 2 cycles, `arrived` to `accept`, `acknowledgment` and a changed `state`; 5 cycles to
    `can_send`. Data are accepted in order only; anything else is answered by an acknowledgment at
    once. A segment that was lost is retransmitted after the third duplicate acknowledgment, or
    after a time that doubles; then, until all that was in flight is acknowledged, one segment at a
    time, and no order leaves meanwhile (it would arrive late). Without room in the peer's window a
    probe goes out in its stead. There is no congestion window: what is in flight is bounded by the
    ring. RST is taken only with exactly the expected sequence number; SYN never.

    Parameters
    ----------
    window : int
        The receive window announced, in bytes.

    Members
    -------
    connect, close, abort : ``In(1)``
        Pulses: open, if closed or in TIME-WAIT; send FIN; send RST and forget.
    state, reason : ``Out(TcpState)``, ``Out(CloseReason)``
        The state; why it was left last.
    established, can_send : ``Out(1)``
        Data may be sent; and an order may leave now.
    now_ns : ``In(64)``
        The nanosecond clock.
    resolve, resolved : ``Out(1)``, ``In(1)``
        The next hop's address is wanted; is known.
    reset_buffers : ``Out(1)``
        Pulse at `connect`.
    arrived, segment : ``In(1)``, ``In(ReceivedSegment)``
        A segment of the connection; its fields have been there for three cycles, and stay for
        another one.
    room, accept, offset, length : ``In(1)``, outputs
        The receive buffer has stored it; keep part of it.
    segments : ``Out(stream.Signature(Segment))``
        Segments to send.
    staged : ``In(stream.Signature(7))``
        Length of new data of the session layer; a transfer means that the segment has started in
        the cycle before.
    order_started, order_bytes : ``In(1)``, ``In(7)``
        An order's segment has started in the cycle before; bytes of its payload.
    next_sequence, acknowledgment, acknowledged : ``Out(32)``
        SND.NXT, RCV.NXT, SND.UNA.
    sent_acknowledgment : ``In(32)``
        Acknowledgment number of the segment that has started in the cycle before.
    push, push_length, select : outputs
        To the ring: new data start; words of the oldest segment are wanted.
    oldest_valid, oldest_sequence, oldest_length, ring_room, ring_empty : inputs
        From the ring.
    cfg_initial_sequence : ``In(32)``
        Secret part of the initial sequence number; the clock is added.
    cfg_retransmit_ns, cfg_retries : ``In(32)``, ``In(4)``
        First retransmission time; retransmissions before the connection is given up.
    cfg_time_wait_ns : ``In(36)``
        Time in TIME-WAIT, and for the peer to close after us.
    stat_retransmitted, stat_out_of_order, stat_duplicate, stat_challenged, stat_probed : ``Out(1)``
        Pulse per segment sent again; received ahead of its turn; received again; RST or SYN not
        taken; window probe sent.
    """

    def __init__(self, *, window: int):
        self.window = window
        super().__init__({
            "connect": In(1), "close": In(1), "abort": In(1),
            "state": Out(TcpState), "reason": Out(CloseReason),
            "established": Out(1), "can_send": Out(1),
            "now_ns": In(64),
            "resolve": Out(1), "resolved": In(1), "reset_buffers": Out(1),
            "arrived": In(1), "segment": In(ReceivedSegment),
            "room": In(1), "accept": Out(1), "offset": Out(11), "length": Out(11),
            "segments": Out(stream.Signature(Segment)),
            "staged": In(stream.Signature(7)),
            "order_started": In(1), "order_bytes": In(7),
            "next_sequence": Out(32), "acknowledgment": Out(32), "acknowledged": Out(32),
            "sent_acknowledgment": In(32),
            "push": Out(1), "push_length": Out(7), "select": Out(1),
            "oldest_valid": In(1), "oldest_sequence": In(32), "oldest_length": In(7),
            "ring_room": In(1), "ring_empty": In(1),
            "cfg_initial_sequence": In(32),
            "cfg_retransmit_ns": In(32, init=20_000_000), "cfg_retries": In(4, init=8),
            "cfg_time_wait_ns": In(36, init=1_000_000_000),
            "stat_retransmitted": Out(1), "stat_out_of_order": Out(1), "stat_duplicate": Out(1),
            "stat_challenged": Out(1), "stat_probed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        state = self.state

        # What is to be sent.
        self._want_ack = Signal()
        self._want_rst = Signal()
        self._want_syn = Signal()
        self._want_fin = Signal()
        self._want_again = Signal()
        self._want_probe = Signal()
        self._rst_sequence = Signal(32, reset_less=True)
        self._rst_ack = Signal()
        self._fin_sent = Signal()
        self._recovering = Signal()
        self._recover = Signal(32, reset_less=True)
        self._retries = Signal(4)
        self._rto = Signal(_RTO_BITS)
        self._edge = Signal(32, reset_less=True)    # first number past the peer's window
        self._new_edge = Signal(32, reset_less=True)    # what the segment says
        self._last_update = Signal(32, reset_less=True) # sequence number of the one that set it
        self._restart = Signal()                    # of the timer
        self._outstanding = Signal()
        self._met = Signal()                        # a peer's address has been known
        # Bytes of the segment past those that have come before.
        self._reach = Signal(signed(32), reset_less=True)

        # Pulses by which the wide registers are loaded, see :meth:`_load`.
        self._expired = Signal()        # all retransmissions are used up
        self._refused = Signal()        # a segment is answered by RST
        self._aborted = Signal()
        self._progress = Signal()       # something was acknowledged, or the connection begins
        self._take_acknowledged = Signal()
        self._take_edge = Signal()
        self._begin_recovery = Signal()

        m.d.comb += [
            self.resolve.eq(state != TcpState.CLOSED),
            self.established.eq(state == TcpState.ESTABLISHED),
            self.push.eq(self.order_started | (self.staged.valid & self.staged.ready)),
            self.push_length.eq(Mux(self.order_started, self.order_bytes, self.staged.p)),
        ]
        with m.If(self.resolved):
            m.d.sync += self._met.eq(1)

        # Room in the window, of any segment that can be sent.
        usable, fits = Signal(signed(32), reset_less=True), Signal()
        m.d.sync += [
            usable.eq(self._edge - self.next_sequence),
            fits.eq(usable >= MAXIMUM_PAYLOAD_BYTES),
            self.can_send.eq(self.established & fits & self.ring_room & ~self._recovering),
        ]
        self._fits = fits

        self._send(m)
        self._keep_time(m)
        self._receive(m)
        self._steer(m)
        self._load(m)
        return m

    def _load(self, m):
        """Load the wide registers, from one place each; the receiver's edge is its own."""
        segment = self.segment
        with m.If(self._take_acknowledged):
            m.d.sync += self.acknowledged.eq(segment.acknowledgment)
        with m.If(self._take_edge):
            m.d.sync += [self._edge.eq(self._new_edge), self._last_update.eq(segment.sequence)]
        with m.If(self._progress):
            m.d.sync += [self._retries.eq(0), self._rto.eq(self.cfg_retransmit_ns)]
        with m.If(self._begin_recovery):
            m.d.sync += self._recover.eq(self.next_sequence)
        with m.If(self._expired | self._refused | self._aborted):
            m.d.sync += [
                self._want_rst.eq(1), self._rst_ack.eq(self._aborted | ~self._refused),
                self._rst_sequence.eq(Mux(self._refused & ~self._aborted, segment.acknowledgment,
                                          self.next_sequence)),
            ]

    def _leave(self, m, reason):
        """Forget the connection."""
        m.d.sync += [
            self.state.eq(TcpState.CLOSED), self.reason.eq(reason), self._want_ack.eq(0),
            self._want_syn.eq(0), self._want_fin.eq(0), self._want_again.eq(0),
            self._want_probe.eq(0), self._recovering.eq(0),
        ]

    def _send(self, m):
        """Pick what is most urgent, offer it, and note that it went."""
        held = Signal(32, reset_less=True)
        fin_sequence = Signal(32, reset_less=True)
        offer = Signal(_Offer)
        with_next = Signal()        # sequence number is SND.NXT at the start
        went = Signal()
        segment = self.segments.p
        m.d.comb += segment.sequence.eq(Mux(with_next, self.next_sequence, held))
        again = self._want_again & (self.oldest_valid | (self.ring_empty & self._fin_sent))

        # Sequence numbers other than SND.NXT; a probe has the one before the first of SYN.
        probing = Signal()
        others = [self._rst_sequence, (self.acknowledged - probing)[:32], self.oldest_sequence,
                  fin_sequence]
        of_rst, of_acknowledged, of_oldest, of_fin = range(4)
        which = Signal(2)

        def pick(kind, flags, *, other=None, source=PayloadSource.NONE, length=0):
            m.d.sync += [offer.eq(kind), segment.flags.eq(flags), segment.source.eq(source),
                         segment.length.eq(length), with_next.eq(other is None)]
            if other is not None:
                m.d.comb += which.eq(other)
            m.next = "OFFER"

        m.d.sync += [self.stat_retransmitted.eq(0), self.stat_probed.eq(0)]
        with m.FSM(name="sender"):
            with m.State("PICK"):
                m.d.sync += held.eq(Array(others)[which])
                with m.If(self._want_rst):
                    pick(_Offer.RST, Mux(self._rst_ack, _RST | _ACK, _RST),
                         other=of_rst)
                with m.Elif(self._want_syn):
                    pick(_Offer.SYN, _SYN, other=of_acknowledged,
                         source=PayloadSource.MAXIMUM_SEGMENT_SIZE, length=4)
                with m.Elif(again):
                    with m.If(self.oldest_valid):
                        m.d.comb += self.select.eq(1)
                        pick(_Offer.RING, _PSH | _ACK, other=of_oldest,
                             source=PayloadSource.RING, length=self.oldest_length)
                    with m.Else():
                        pick(_Offer.FIN_AGAIN, _FIN | _ACK, other=of_fin)
                with m.Elif(self.staged.valid & self.can_send):
                    pick(_Offer.STAGED, _PSH | _ACK, source=PayloadSource.STAGED,
                         length=self.staged.p)
                with m.Elif(self._want_fin):
                    pick(_Offer.FIN, _FIN | _ACK)
                with m.Elif(self._want_probe):
                    m.d.comb += probing.eq(1)
                    pick(_Offer.PROBE, _ACK, other=of_acknowledged)
                with m.Elif(self._want_ack):
                    pick(_Offer.ACK, _ACK)
            with m.State("OFFER"):
                m.d.comb += self.segments.valid.eq(1)
                with m.If(self.segments.ready):
                    m.next = "WENT"
            with m.State("WENT"):       # that it goes is known late in its cycle
                m.d.comb += [went.eq(1), self.staged.ready.eq(offer == _Offer.STAGED)]
                m.next = "PICK"
                with m.Switch(offer):
                    with m.Case(_Offer.RST):
                        m.d.sync += self._want_rst.eq(0)
                    with m.Case(_Offer.SYN):
                        m.d.sync += [self._want_syn.eq(0),
                                     self.next_sequence.eq(self.acknowledged + 1)]
                    with m.Case(_Offer.RING, _Offer.FIN_AGAIN):
                        m.d.sync += [self._want_again.eq(0), self.stat_retransmitted.eq(1)]
                    with m.Case(_Offer.FIN):
                        m.d.sync += [self._want_fin.eq(0), self._fin_sent.eq(1),
                                     fin_sequence.eq(self.next_sequence),
                                     self.next_sequence.eq(self.next_sequence + 1)]
                    with m.Case(_Offer.PROBE):
                        m.d.sync += [self._want_probe.eq(0), self.stat_probed.eq(1)]
        with m.If(self.ring_empty & ~self._outstanding):
            m.d.sync += self._want_again.eq(0)
        with m.If(self.push):
            m.d.sync += self.next_sequence.eq(self.next_sequence + self.push_length)
        carries_ack = (went & (segment.flags & _ACK).any()) | self.order_started
        with m.If(carries_ack & (self.sent_acknowledgment == self.acknowledgment)):
            m.d.sync += self._want_ack.eq(0)

    def _keep_time(self, m):
        """Retransmit, probe or give up when the time has come; leave TIME-WAIT."""
        state = self.state
        # A limit is below half of what fits: reached long before an age could wrap to less than it.
        bits = _RTO_BITS + 1
        since, age = Signal(bits, reset_less=True), Signal(bits, reset_less=True)
        blank = Signal(2)
        outstanding, running, ran = self._outstanding, Signal(), Signal()
        m.d.sync += [
            outstanding.eq(self.acknowledged != self.next_sequence),
            age.eq(self.now_ns[:bits] - since), ran.eq(running),
        ]
        m.d.comb += running.eq(
            outstanding | (self.established & ~self._fits))
        with m.If(self._restart | (running & ~ran)):
            m.d.sync += [since.eq(self.now_ns[:bits]), blank.eq(3)]
        with m.Elif(blank != 0):
            m.d.sync += blank.eq(blank - 1)

        late, waited = Signal(), Signal()
        m.d.sync += [late.eq((age >= self._rto) & (blank == 0)),
                     waited.eq((age >= self.cfg_time_wait_ns) & (blank == 0))]
        alive = ((state != TcpState.CLOSED) & (state != TcpState.RESOLVE)
                 & (state != TcpState.TIME_WAIT))
        # A time that went by before there was anything to wait for is none.
        fires, spent = Signal(), Signal()
        m.d.sync += [fires.eq(late & running & ran),
                     spent.eq(self._retries == self.cfg_retries)]
        with m.If(fires & running & alive & (blank == 0)):
            m.d.comb += self._restart.eq(1)
            m.d.sync += [late.eq(0), self._retries.eq(self._retries + 1)]
            with m.If(~self._rto[-1]):
                m.d.sync += self._rto.eq(self._rto << 1)
            with m.If(spent):
                m.d.comb += self._expired.eq(1)
                self._leave(m, CloseReason.TIMEOUT)
            with m.Elif(state == TcpState.SYN_SENT):
                m.d.sync += self._want_syn.eq(1)
            with m.Elif(outstanding):
                m.d.comb += self._begin_recovery.eq(1)
                m.d.sync += [self._want_again.eq(1), self._recovering.eq(1)]
            with m.Else():
                m.d.sync += self._want_probe.eq(1)
        with m.If(waited & (blank == 0)
                  & ((state == TcpState.TIME_WAIT) | (state == TcpState.FIN_WAIT_2))):
            self._leave(m, CloseReason.LOCAL)

    def _receive(self, m):
        """Act on a segment; the comparisons were made while it came in."""
        state, segment = self.state, self.segment
        flags = segment.flags
        fin, syn, rst, ack = ((flags & flag).any() for flag in (_FIN, _SYN, _RST, _ACK))

        # RCV.NXT once a segment is taken, SYN and FIN count as one; the carry goes in below bit 0.
        opening = state == TcpState.SYN_SENT
        expected = (Cat(C(1, 1), Mux(opening, segment.sequence, self.acknowledgment))
                    + Cat(opening | fin, Mux(opening, 0, self._reach)))[1:33]

        def difference(minuend, subtrahend, name):
            value = Signal(signed(32), name=name, reset_less=True)
            m.d.sync += value.eq(minuend - subtrahend)
            return value

        ahead = difference(segment.sequence, self.acknowledgment, "ahead")
        news = difference(segment.acknowledgment, self.acknowledged, "news")
        future = difference(segment.acknowledgment, self.next_sequence, "future")
        reach = self._reach
        m.d.sync += reach.eq(ahead + segment.length)
        later = difference(segment.sequence, self._last_update, "later")
        edge = self._new_edge
        exact, inside, old, beyond, touching = (Signal(name=name) for name in (
            "exact", "inside", "old", "beyond", "touching"))
        fresh, repeated, unsent, current, empty, same_edge = (Signal(name=name) for name in (
            "fresh", "repeated", "unsent", "current", "empty", "same_edge"))
        m.d.sync += [
            exact.eq(ahead == 0), inside.eq((ahead >= 0) & (ahead < self.window)),
            old.eq(ahead < 0), beyond.eq(reach > 0), touching.eq(reach >= 0),
            fresh.eq(news > 0), repeated.eq(news == 0), unsent.eq(future > 0),
            current.eq(later >= 0), empty.eq(segment.length == 0),
            edge.eq(segment.acknowledgment + segment.window), same_edge.eq(edge == self._edge),
        ]
        # With text (data or FIN) any part in the window will do, without it the beginning must.
        acceptable = Mux(empty & ~fin, inside, inside | (old & Mux(fin, touching, beyond)))

        # What to do about it is found out as it arrives, and done a cycle later.
        arrived, resets, challenged, stale, answered, proper = (Signal(name=name) for name in (
            "did_arrive", "resets", "challenged", "stale", "answered", "proper"))
        repeats, moves_edge, due, lasts, nothing_sent = (Signal(name=name) for name in (
            "repeats", "moves_edge", "due", "lasts", "nothing_sent"))
        plain = self.arrived & ~rst & ~syn
        m.d.sync += [
            arrived.eq(self.arrived), nothing_sent.eq(future == 0),
            resets.eq(self.arrived & rst & exact),
            challenged.eq(self.arrived & Mux(rst, ~exact & inside, syn)),
            stale.eq(plain & ~acceptable & old),
            answered.eq(self.arrived & Mux(rst, ~exact & inside,
                                           syn | ~acceptable | (ack & unsent))),
            proper.eq(plain & acceptable & ack & ~unsent),
            repeats.eq(repeated & empty & ~fin & same_edge), moves_edge.eq((fresh | repeated)
                                                                           & current),
            due.eq(old | exact), lasts.eq(fin & (old | exact) & touching),
        ]

        duplicates = Signal(2)
        advanced = Signal(3)
        passed = difference(self.acknowledged, self._recover, "passed")
        m.d.sync += [advanced.eq(advanced << 1), self.accept.eq(0), self.reset_buffers.eq(0),
                     self.stat_out_of_order.eq(0), self.stat_duplicate.eq(0),
                     self.stat_challenged.eq(0)]
        with m.If(advanced[2] & self._recovering):
            with m.If(passed >= 0):
                m.d.sync += self._recovering.eq(0)
            with m.Else():
                m.d.sync += self._want_again.eq(1)
        m.d.sync += [
            self.offset.eq(segment.offset + Mux(old, -ahead[:11], 0)), self.length.eq(reach[:11]),
        ]

        fin_acknowledged, fin_sent = Signal(), Signal(2)
        m.d.sync += [fin_sent.eq(Cat(self._fin_sent, fin_sent)),
                     fin_acknowledged.eq(fin_sent.all() & ~self._outstanding)]
        with m.If(fin_acknowledged & self._fin_sent):
            with m.If(state == TcpState.FIN_WAIT_1):
                m.d.comb += self._restart.eq(1)
                m.d.sync += state.eq(TcpState.FIN_WAIT_2)
            with m.Elif(state == TcpState.CLOSING):
                m.d.comb += self._restart.eq(1)
                m.d.sync += state.eq(TcpState.TIME_WAIT)
            with m.Elif(state == TcpState.LAST_ACK):
                self._leave(m, CloseReason.PEER)

        def refuse():
            with m.If(ack & ~rst & self._met):
                m.d.comb += self._refused.eq(1)

        closed = (state == TcpState.CLOSED) | (state == TcpState.RESOLVE)
        with m.If(arrived & closed):
            refuse()
        with m.Elif(arrived & opening):
            with m.If(ack & ~nothing_sent):
                refuse()
            with m.Elif(rst & ack):
                self._leave(m, CloseReason.REFUSED)
            with m.Elif(syn & ack & ~rst):
                m.d.comb += [self._restart.eq(1), self._progress.eq(1), self._take_edge.eq(1),
                             self._take_acknowledged.eq(1)]
                m.d.sync += [
                    state.eq(TcpState.ESTABLISHED), self.acknowledgment.eq(expected),
                    self._want_syn.eq(0), self._want_ack.eq(1),
                ]
        with m.Else():
            with m.If(resets):
                self._leave(m, CloseReason.RESET)
            with m.If(answered):
                m.d.sync += self._want_ack.eq(1)
            m.d.sync += self.stat_challenged.eq(challenged)
            with m.If(stale):
                m.d.sync += self.stat_duplicate.eq(1)
            with m.If(proper):
                with m.If(fresh):
                    m.d.comb += [self._restart.eq(1), self._progress.eq(1),
                                 self._take_acknowledged.eq(1)]
                    m.d.sync += [duplicates.eq(0), advanced[0].eq(1)]
                with m.Elif(repeats & self._outstanding):
                    with m.If(duplicates != _DUPLICATES):
                        m.d.sync += duplicates.eq(duplicates + 1)
                    with m.If((duplicates == _DUPLICATES - 1) & ~self._recovering):
                        m.d.comb += self._begin_recovery.eq(1)
                        m.d.sync += [self._want_again.eq(1), self._recovering.eq(1)]
                with m.If(moves_edge):
                    m.d.comb += self._take_edge.eq(1)
                with m.If(~self._fits):
                    m.d.sync += self._retries.eq(0)     # closed, but alive
                self._take(m, expected, fin, empty, due, beyond, lasts)

    def _take(self, m, expected, fin, empty, due, beyond, lasts):
        """Take the data and the FIN of an acceptable segment."""
        state = self.state
        open_ = ((state == TcpState.ESTABLISHED) | (state == TcpState.FIN_WAIT_1)
                 | (state == TcpState.FIN_WAIT_2))
        taken = due & beyond & self.room & open_
        with m.If(~empty | fin):
            m.d.sync += self._want_ack.eq(1)
        with m.If(taken):
            m.d.sync += [self.accept.eq(1), self.acknowledgment.eq(expected)]
        m.d.sync += [self.stat_out_of_order.eq(~empty & ~due),
                     self.stat_duplicate.eq(~empty & due & ~beyond)]
        with m.If(lasts & open_ & (taken | ~beyond)):
            m.d.sync += self.acknowledgment.eq(expected)
            with m.Switch(state):
                with m.Case(TcpState.ESTABLISHED):
                    m.d.sync += [state.eq(TcpState.CLOSE_WAIT), self._want_fin.eq(1),
                                 self.reason.eq(CloseReason.PEER)]
                with m.Case(TcpState.FIN_WAIT_1):
                    m.d.sync += state.eq(TcpState.CLOSING)
                with m.Case(TcpState.FIN_WAIT_2):
                    m.d.comb += self._restart.eq(1)
                    m.d.sync += state.eq(TcpState.TIME_WAIT)

    def _steer(self, m):
        """Do what software and the session layer ask for."""
        state = self.state
        settle = Signal(range(HEAD_SETTLE_CYCLES + 1))
        with m.If((state == TcpState.CLOSE_WAIT) & self._fin_sent):
            m.d.sync += state.eq(TcpState.LAST_ACK)
        with m.If(state == TcpState.RESOLVE):
            with m.If(~self.resolved):
                m.d.sync += settle.eq(HEAD_SETTLE_CYCLES)
            with m.Elif(settle != 0):
                m.d.sync += settle.eq(settle - 1)
            with m.Elif(~self.segments.valid & ~self._want_rst):
                first = (self.now_ns[12:44] + self.cfg_initial_sequence)[:32]
                m.d.comb += [self._restart.eq(1), self._progress.eq(1)]
                m.d.sync += [
                    state.eq(TcpState.SYN_SENT), self.acknowledged.eq(first),
                    self.next_sequence.eq(first), self._want_syn.eq(1), self._fin_sent.eq(0),
                    self._recovering.eq(0), self._want_ack.eq(0),
                ]
        with m.If(self.connect & ((state == TcpState.CLOSED) | (state == TcpState.TIME_WAIT))):
            m.d.sync += [state.eq(TcpState.RESOLVE), self.reset_buffers.eq(1),
                         settle.eq(HEAD_SETTLE_CYCLES)]
        with m.If(self.close):
            with m.Switch(state):
                with m.Case(TcpState.ESTABLISHED):
                    m.d.sync += [state.eq(TcpState.FIN_WAIT_1), self._want_fin.eq(1),
                                 self.reason.eq(CloseReason.LOCAL)]
                with m.Case(TcpState.RESOLVE, TcpState.SYN_SENT):
                    self._leave(m, CloseReason.LOCAL)
        with m.If(self.abort & (state != TcpState.CLOSED)):
            with m.If((state != TcpState.RESOLVE) & (state != TcpState.TIME_WAIT)):
                m.d.comb += self._aborted.eq(1)
            self._leave(m, CloseReason.LOCAL)
