"""One TCP connection of a server, as a state machine on segments; time is passed in.

Ref: RFC 9293, 5961, 6298, 6582. The initial retransmission timeout is a setting and doubles with
each timeout; it is not estimated. There is no congestion window: the peer's window is the only
limit. A segment out of order is answered by a duplicate acknowledgment and dropped. Only the
maximum segment size is negotiated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from proto.wire.ethernet import IPV4, TCP, TcpFlag
from sim.exchange.packets import Segment

__all__ = ["NEVER_NS", "TcpConnection", "TcpSettings", "TcpState"]

#: A time that does not come.
NEVER_NS = (1 << 64) - 1

_MODULUS = 1 << 32
_ETHERNET_PAYLOAD_BYTES = 1500
_DUPLICATES_OF_FAST_RETRANSMIT = 3
_MAXIMUM_WINDOW = 0xFFFF
#: RFC 9293, 3.7.1: what a peer takes that names no maximum segment size.
_DEFAULT_PEER_SEGMENT_BYTES = 536
_SECOND_NS = 1_000_000_000


class TcpState(Enum):
    """States of RFC 9293, 3.3.2 that a server's connection goes through."""

    SYN_RECEIVED = "syn received"
    ESTABLISHED = "established"
    CLOSE_WAIT = "close wait"
    LAST_ACK = "last ack"
    FIN_WAIT_1 = "fin wait 1"
    FIN_WAIT_2 = "fin wait 2"
    CLOSING = "closing"
    TIME_WAIT = "time wait"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class TcpSettings:
    """How a server behaves.

    Attributes
    ----------
    retransmit_ns : int
        First retransmission timeout.
    longest_retransmit_ns : int
        Where the doubling of the timeout ends.
    retransmissions : int
        Timeouts in a row after which the peer is given up.
    time_wait_ns : int
        How long a connection that we closed first is remembered.
    maximum_segment_bytes : int
        Of what is sent and asked for.
    """

    retransmit_ns: int = _SECOND_NS // 5
    longest_retransmit_ns: int = 60 * _SECOND_NS
    retransmissions: int = 10
    time_wait_ns: int = _SECOND_NS
    maximum_segment_bytes: int = _ETHERNET_PAYLOAD_BYTES - IPV4.size - TCP.size


def _after(left: int, right: int) -> int:
    """Return how far sequence number `left` is after `right`; negative if it is before it."""
    return (left - right + _MODULUS // 2) % _MODULUS - _MODULUS // 2


class TcpConnection:
    """The server's side of a connection, from the SYN on.

    Parameters
    ----------
    syn : Segment
        What opened it.
    initial_sequence : int
        Sequence number of our own SYN.
    settings : TcpSettings
        Behaviour.
    emit : callable
        Takes each segment that leaves.
    now_ns : int
        Time of the SYN.

    Attributes
    ----------
    state : TcpState
        ``CLOSED`` when nothing is left to do.
    received : bytearray
        Data in order, for the application to take.
    peer_closed : bool
        The peer sends no more.
    was_reset : bool
        The connection ended by a reset or was given up.
    """

    def __init__(self, syn: Segment, initial_sequence: int, settings: TcpSettings,
                 emit: Callable[[Segment], None], now_ns: int) -> None:
        self.local, self.remote = syn.destination, syn.source
        self.state = TcpState.SYN_RECEIVED
        self.received = bytearray()
        self.peer_closed = False
        self.was_reset = False
        self._retransmitted = 0
        self._settings = settings
        self._emit = emit
        self._segment_bytes = min(settings.maximum_segment_bytes,
                                  syn.maximum_segment_size or _DEFAULT_PEER_SEGMENT_BYTES)
        self._initial = initial_sequence
        self._receive_next = (syn.sequence + 1) % _MODULUS
        self._unacknowledged = initial_sequence     # first sequence number not acknowledged
        self._send_next = (initial_sequence + 1) % _MODULUS
        self._recover = self._unacknowledged        # end of what a timeout has made suspect
        self._window = syn.window
        self._buffer = bytearray()                  # data from `_unacknowledged` on
        self._closing = False                       # the application sends no more
        self._fin_sent = False
        self._duplicates = 0
        self._timeouts = 0
        self._timer_ns = NEVER_NS
        self._send_syn(now_ns)

    @property
    def next_ns(self) -> int:
        """When `advance` has something to do."""
        return self._timer_ns

    @property
    def in_flight(self) -> int:
        """Sequence numbers sent and not acknowledged."""
        return _after(self._send_next, self._unacknowledged)

    def take_retransmitted(self) -> int:
        """Return how many segments were sent again since the last call."""
        count, self._retransmitted = self._retransmitted, 0
        return count

    # What the application asks for.

    def send(self, data: bytes, now_ns: int) -> None:
        """Send data as far as the peer's window allows, the rest when it allows more."""
        if not self._closing:
            self._buffer += data
        self._transmit(now_ns)

    def close(self, now_ns: int) -> None:
        """Send what is left, then say that no more comes."""
        self._closing = True
        self._transmit(now_ns)

    def abort(self) -> None:
        """End the connection with a reset."""
        if self.state not in (TcpState.CLOSED, TcpState.TIME_WAIT):
            self._send(TcpFlag.RST | TcpFlag.ACK, self._send_next)
        self._end(was_reset=True)

    # What happens on the line.

    def receive(self, segment: Segment, now_ns: int) -> None:
        """Take in a segment of this connection."""
        if self.state is TcpState.CLOSED:
            return
        if segment.flags & TcpFlag.RST:
            self._receive_reset(segment)
        elif segment.flags & TcpFlag.SYN:
            self._receive_syn(segment, now_ns)
        elif not self._acceptable(segment):
            self._acknowledge()
        elif segment.flags & TcpFlag.ACK and self._receive_acknowledgment(segment, now_ns):
            self._receive_data(segment, now_ns)

    def advance(self, now_ns: int) -> None:
        """Do what is due."""
        if now_ns < self._timer_ns:
            return
        if self.state is TcpState.TIME_WAIT:
            self._end(was_reset=False)
            return
        self._timeouts += 1
        if self._timeouts > self._settings.retransmissions:
            self.abort()
            return
        self._recover = self._send_next
        self._retransmit(now_ns)

    def _receive_reset(self, segment: Segment) -> None:
        if segment.sequence == self._receive_next:
            self._end(was_reset=True)
        elif 0 < _after(segment.sequence, self._receive_next) < _MAXIMUM_WINDOW:
            self._acknowledge()     # RFC 5961, 3.2: a challenge

    def _receive_syn(self, segment: Segment, now_ns: int) -> None:
        again = (segment.sequence + 1) % _MODULUS == self._receive_next
        if self.state is TcpState.SYN_RECEIVED and again:
            self._send_syn(now_ns)
        else:
            self._acknowledge()     # RFC 5961, 4.2: a challenge

    def _acceptable(self, segment: Segment) -> bool:
        """Tell whether any part of a segment lies in the receive window."""
        start = _after(segment.sequence, self._receive_next)
        end = start + segment.length
        return 0 <= start <= _MAXIMUM_WINDOW if start == end else end > 0 and \
            start <= _MAXIMUM_WINDOW

    def _receive_acknowledgment(self, segment: Segment, now_ns: int) -> bool:
        """Take the acknowledgment; return whether the rest of the segment is to be read."""
        if _after(segment.acknowledgment, self._send_next) > 0:
            if self.state is TcpState.SYN_RECEIVED:
                self._send(TcpFlag.RST, segment.acknowledgment)
            else:
                self._acknowledge()
            return False
        news = _after(segment.acknowledgment, self._unacknowledged)
        window_before = self._window
        if news >= 0:
            self._window = segment.window
        if not self._window:    # a peer that answers probes is not given up
            self._timeouts = min(self._timeouts, self._settings.retransmissions - 1)
        if news > 0:
            self._forget(news, now_ns)
        elif self._window and not window_before and self.in_flight:
            self._retransmit(now_ns)    # the probe was not taken
        elif news == 0 and not segment.length and self.in_flight \
                and window_before == segment.window:
            self._duplicates += 1
            if self._duplicates == _DUPLICATES_OF_FAST_RETRANSMIT:
                self._retransmit(now_ns)
        if self.state is TcpState.SYN_RECEIVED and news <= 0:
            return False
        self._transmit(now_ns)
        return self.state is not TcpState.CLOSED

    def _forget(self, count: int, now_ns: int) -> None:
        """Drop `count` acknowledged sequence numbers."""
        if self.state is TcpState.SYN_RECEIVED:
            self.state = TcpState.ESTABLISHED
            count -= 1
            self._unacknowledged = (self._initial + 1) % _MODULUS
        data = min(count, len(self._buffer))
        fin_acknowledged = self._fin_sent and count > data
        del self._buffer[:data]
        self._unacknowledged = (self._unacknowledged + count) % _MODULUS
        self._duplicates = self._timeouts = 0
        self._timer_ns = NEVER_NS
        if self.in_flight:
            self._start_timer(now_ns)
            if _after(self._recover, self._unacknowledged) > 0:
                self._retransmit(now_ns)    # RFC 6582: the next hole, without a timeout
        if fin_acknowledged:
            self._fin_was_acknowledged(now_ns)

    def _fin_was_acknowledged(self, now_ns: int) -> None:
        if self.state is TcpState.FIN_WAIT_1:
            self.state = TcpState.FIN_WAIT_2
        elif self.state is TcpState.CLOSING:
            self._wait(now_ns)
        elif self.state is TcpState.LAST_ACK:
            self._end(was_reset=False)

    def _receive_data(self, segment: Segment, now_ns: int) -> None:
        seen = -_after(segment.sequence, self._receive_next)
        if seen < 0:    # a hole before it: say again what is wanted
            self._acknowledge()
            return
        fresh = segment.payload[seen:]
        if fresh and not self.peer_closed:
            self.received += fresh
            self._receive_next = (self._receive_next + len(fresh)) % _MODULUS
        fin = segment.flags & TcpFlag.FIN and seen <= len(segment.payload)
        if fin and not self.peer_closed:
            self.peer_closed = True
            self._receive_next = (self._receive_next + 1) % _MODULUS
            self._peer_has_closed(now_ns)
        if segment.length:
            self._acknowledge()

    def _peer_has_closed(self, now_ns: int) -> None:
        if self.state is TcpState.ESTABLISHED:
            self.state = TcpState.CLOSE_WAIT
        elif self.state is TcpState.FIN_WAIT_1:
            self.state = TcpState.CLOSING
        elif self.state is TcpState.FIN_WAIT_2:
            self._wait(now_ns)

    def _wait(self, now_ns: int) -> None:
        self.state = TcpState.TIME_WAIT
        self._timer_ns = now_ns + self._settings.time_wait_ns

    def _end(self, *, was_reset: bool) -> None:
        if self.state is not TcpState.CLOSED:
            self.was_reset = was_reset
        self.state = TcpState.CLOSED
        self._timer_ns = NEVER_NS

    # What leaves.

    def _send(self, flags: TcpFlag, sequence: int, payload: bytes = b"",
              maximum_segment_size: int | None = None) -> None:
        acknowledged = self._receive_next if flags & TcpFlag.ACK else 0
        self._emit(Segment(
            source=self.local, destination=self.remote, sequence=sequence,
            acknowledgment=acknowledged, flags=flags, window=_MAXIMUM_WINDOW, payload=payload,
            maximum_segment_size=maximum_segment_size))

    def _acknowledge(self) -> None:
        self._send(TcpFlag.ACK, self._send_next)

    def _send_syn(self, now_ns: int) -> None:
        self._send(TcpFlag.SYN | TcpFlag.ACK, self._initial,
                   maximum_segment_size=self._settings.maximum_segment_bytes)
        self._start_timer(now_ns)

    def _start_timer(self, now_ns: int) -> None:
        wait = min(self._settings.retransmit_ns << self._timeouts,
                   self._settings.longest_retransmit_ns)
        self._timer_ns = now_ns + wait

    def _transmit(self, now_ns: int) -> None:
        """Send new data within the window, then the FIN if no more will come."""
        if self.state not in (TcpState.ESTABLISHED, TcpState.CLOSE_WAIT):
            return
        while unsent := len(self._buffer) - self.in_flight:
            room = min(unsent, self._window - self.in_flight, self._segment_bytes)
            if room <= 0:
                if not self.in_flight and self._timer_ns == NEVER_NS:
                    self._start_timer(now_ns)   # to probe a closed window
                return
            start = self.in_flight
            last = start + room == len(self._buffer)
            self._send(TcpFlag.ACK | TcpFlag.PSH if last else TcpFlag.ACK, self._send_next,
                       bytes(self._buffer[start:start + room]))
            self._advance_send_next(room, now_ns)
        if self._closing:
            self._send(TcpFlag.ACK | TcpFlag.FIN, self._send_next)
            self._fin_sent = True
            self.state = (TcpState.LAST_ACK if self.state is TcpState.CLOSE_WAIT
                          else TcpState.FIN_WAIT_1)
            self._advance_send_next(1, now_ns)

    def _advance_send_next(self, count: int, now_ns: int) -> None:
        self._send_next = (self._send_next + count) % _MODULUS
        if self._timer_ns == NEVER_NS:
            self._start_timer(now_ns)

    def _retransmit(self, now_ns: int) -> None:
        """Send the first segment that is not acknowledged again, or probe a closed window."""
        if self.state is TcpState.SYN_RECEIVED:
            self._send_syn(now_ns)
            self._retransmitted += 1
            return
        data = min(self.in_flight, len(self._buffer))
        if data:
            self._send(TcpFlag.ACK | TcpFlag.PSH, self._unacknowledged,
                       bytes(self._buffer[:min(data, self._segment_bytes)]))
        elif self._fin_sent:
            self._send(TcpFlag.ACK | TcpFlag.FIN, self._unacknowledged)
        elif self._buffer:
            self._send(TcpFlag.ACK | TcpFlag.PSH, self._send_next, bytes(self._buffer[:1]))
            self._send_next = (self._send_next + 1) % _MODULUS
        else:
            return
        self._retransmitted += 1
        self._start_timer(now_ns)
