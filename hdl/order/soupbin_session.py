"""SoupBinTCP from the side of the client: log in, keep the session alive, take packets apart.

Ref: Nasdaq, SoupBinTCP Version 3.00.
"""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import PAYLOAD_OFFSET, PAYLOAD_WORDS, octets, payload_words
from hdl.order.wire import type_code
from proto.wire import soupbintcp
from proto.wire.ouch50 import ACCOUNT_QUERY

__all__ = ["SequencedOctet", "SessionState", "SoupBinSession"]

_LENGTH = soupbintcp.LENGTH_BYTES
_ACCEPTED, _REJECTED = soupbintcp.LOGIN_ACCEPTED, soupbintcp.LOGIN_REJECTED
_SESSION, _SEQUENCE = _ACCEPTED.field("session"), _ACCEPTED.field("sequence_number")
_BODY = soupbintcp.HEADER.size          #: offset of what follows the type
#: From the cycle after its frame has begun until the last word of a packet has been read.
_LEAVING_CYCLES = PAYLOAD_OFFSET // 8 + PAYLOAD_WORDS


class SessionState(enum.Enum, shape=3):
    """State of the session."""

    DOWN = 0        #: no connection
    LOGIN = 1       #: the login has not been answered
    UP = 2          #: logged in
    REJECTED = 3    #: the login was refused
    ENDED = 4       #: the server has ended the session, or we have logged out


class SequencedOctet(data.Struct):
    """A byte of a sequenced message, with the sequence number of the message."""

    octet: 8
    first: 1
    last: 1
    sequence: 64


class _Packet(enum.Enum, shape=2):
    """Packets that the session sends by itself."""

    HEARTBEAT = 0
    LOGIN = 1
    LOGOUT = 2
    QUERY = 3


def _with_digit(value: Value, digit: Value) -> Value:
    """Return ten times `value` plus a decimal `digit`, with a single adder.

    The digit goes into the bits that the shifts leave free: 7, 1 and a carry from below are 9.
    """
    large = digit[3]
    low = [bit | large for bit in digit[:3]]
    carry = large & digit[0]
    return Value.cast((Cat(carry, *low, value) + Cat(carry, large, value))[1:65])


class SoupBinSession(wiring.Component):
    """Run a session over one TCP connection.

    Latency: 1 cycle, `octets` transfer to `messages.valid`. Throughput: 1 byte per cycle (a digit
    of a sequence number: 2 cycles). Packets may be split and merged at any byte. A packet of
    length 0, of an unknown type, of a wrong length, or out of place aborts the connection.

    Members
    -------
    established, restart : ``In(1)``
        The connection carries data, its rise sends the login; pulse before a new one. What was
        received of the old connection is still taken apart until then.
    octets : ``In(stream.Signature(8))``
        What the peer sent.
    messages : ``Out(stream.Signature(SequencedOctet, always_ready=True))``
        Sequenced messages.
    staged, staged_index, staged_word : ``Out(stream.Signature(7))``, ``In(3)``, ``Out(64)``
        A packet to send: its length, and its words two cycles after their index. The transfer may
        come a cycle after its frame has begun.
    data_sent : ``In(1)``
        Pulse: some payload left.
    logout, query : ``In(1)``
        Pulses: log out, then `close`; ask for the next UserRefNum (OUCH Account Query).
    close, abort : ``Out(1)``
        Pulses for the connection.
    state, logged_in : ``Out(SessionState)``, ``Out(1)``
        The state; orders may be sent.
    next_sequence : ``Out(64)``
        Number of the next sequenced message; stays when the connection is lost.
    session, reject_reason : ``Out(80)``, ``Out(8)``
        Text of the session joined last, first character in bits 7:0; why a login was refused.
    now_ns : ``In(64)``
        The nanosecond clock.
    cfg_username, cfg_password, cfg_session, cfg_sequence : ``In(48)``, ``In(80)``, ...
        Texts of the login, padded as SoupBinTCP has it, first character in bits 7:0.
    cfg_heartbeat_ns, cfg_peer_timeout_ns : ``In(36)``
        A heartbeat is sent after this time without data; without a byte from the peer for the other
        one the connection is aborted.
    stat_sequenced, stat_heartbeats, stat_protocol_error, stat_peer_timeout : ``Out(1)``
        Pulse per sequenced message; per heartbeat received; per connection aborted for a packet, or
        for silence.
    """

    established: In(1)
    restart: In(1)
    octets: In(stream.Signature(8))
    messages: Out(stream.Signature(SequencedOctet, always_ready=True))
    staged: Out(stream.Signature(7))
    staged_index: In(3)
    staged_word: Out(64)
    data_sent: In(1)
    logout: In(1)
    query: In(1)
    close: Out(1)
    abort: Out(1)
    state: Out(SessionState)
    logged_in: Out(1)
    next_sequence: Out(64, init=1)
    session: Out(80)
    reject_reason: Out(8)
    now_ns: In(64)
    cfg_username: In(48)
    cfg_password: In(80)
    cfg_session: In(80)
    cfg_sequence: In(160)
    cfg_heartbeat_ns: In(36, init=1_000_000_000)
    cfg_peer_timeout_ns: In(36, init=15_000_000_000)
    stat_sequenced: Out(1)
    stat_heartbeats: Out(1)
    stat_protocol_error: Out(1)
    stat_peer_timeout: Out(1)

    def elaborate(self, platform):
        m = Module()
        state = self.state
        m.d.comb += self.logged_in.eq((state == SessionState.UP) & self.established)

        wrong = Signal()        # a packet that must not be
        m.d.sync += [self.close.eq(0), self.abort.eq(0), self.stat_protocol_error.eq(0),
                     self.stat_peer_timeout.eq(0)]
        self._parse(m, wrong)
        with m.If(wrong & (state != SessionState.DOWN)):
            m.d.sync += [self.abort.eq(1), self.stat_protocol_error.eq(1),
                         state.eq(SessionState.DOWN)]
        self._send(m)
        return m

    def _parse(self, m, wrong):
        """Take the byte stream apart."""
        state, octet = self.state, self.octets.p
        joined = Signal()       # sequenced messages may come, even if the connection is gone by now
        kind = Signal(8, reset_less=True)
        left = Signal(16)
        place = Signal(6)
        digit, value = Signal(4, reset_less=True), Signal(64, reset_less=True)
        adding = Signal()

        def is_packet(packet):
            return octet == type_code(packet)

        m.d.sync += [self.messages.valid.eq(0), self.stat_sequenced.eq(0),
                     self.stat_heartbeats.eq(0)]
        message = self.messages.p
        # It counts on after the last byte of a message, and is set at a login, between messages.
        m.d.comb += message.sequence.eq(self.next_sequence)
        taken = self.octets.valid & self.octets.ready
        m.d.comb += self.octets.ready.eq(~adding)
        with m.If(adding):
            m.d.sync += [adding.eq(0), value.eq(_with_digit(value, digit))]
        with m.If(self.stat_sequenced):
            m.d.sync += self.next_sequence.eq(self.next_sequence + 1)
        fresh = Signal()
        with m.FSM(name="packet"):
            with m.State("LENGTH_HIGH"):
                with m.If(taken):
                    m.d.sync += left[8:].eq(octet)
                    m.next = "LENGTH_LOW"
            with m.State("LENGTH_LOW"):
                m.d.sync += [place.eq(_BODY), value.eq(0), fresh.eq(1)]
                with m.If(taken):
                    m.d.sync += left[:8].eq(octet)
                    m.next = "TYPE"
                    with m.If((left[8:] == 0) & (octet == 0)):
                        m.d.comb += wrong.eq(1)
                with m.If(self.restart):
                    m.next = "LENGTH_HIGH"
            with m.State("TYPE"):
                alone = left == 1
                with m.If(taken):
                    m.d.sync += [kind.eq(octet), left.eq(left - 1)]
                    m.next = "BODY"
                    with m.If(alone):
                        m.next = "LENGTH_HIGH"
                    with m.If(is_packet(soupbintcp.SEQUENCED_DATA)):
                        m.d.comb += wrong.eq(~joined)
                        with m.If(joined & alone):
                            m.d.sync += self.stat_sequenced.eq(1)
                    with m.Elif(is_packet(soupbintcp.SERVER_HEARTBEAT)):
                        m.d.sync += self.stat_heartbeats.eq(1)
                        m.d.comb += wrong.eq(~alone)
                    with m.Elif(is_packet(soupbintcp.END_OF_SESSION)):
                        m.d.comb += wrong.eq(~alone)
                        with m.If(state == SessionState.UP):
                            m.d.sync += state.eq(SessionState.ENDED)
                    with m.Elif(is_packet(_ACCEPTED)):
                        m.d.comb += wrong.eq((state != SessionState.LOGIN)
                                             | (left != _ACCEPTED.size - _LENGTH))
                    with m.Elif(is_packet(_REJECTED)):
                        m.d.comb += wrong.eq((state != SessionState.LOGIN)
                                             | (left != _REJECTED.size - _LENGTH))
                    with m.Elif(~is_packet(soupbintcp.DEBUG)):
                        m.d.comb += wrong.eq(1)
                with m.If(self.restart):
                    m.next = "LENGTH_HIGH"
            with m.State("BODY"):
                final = left == 1
                with m.If(taken):
                    m.d.sync += [left.eq(left - 1), place.eq(place + 1), fresh.eq(0)]
                    with m.If(final):
                        m.next = "LENGTH_HIGH"
                    with m.If((kind == type_code(soupbintcp.SEQUENCED_DATA)) & joined):
                        m.d.sync += [self.messages.valid.eq(1), message.octet.eq(octet),
                                     message.first.eq(fresh), message.last.eq(final)]
                        with m.If(final):
                            m.d.sync += self.stat_sequenced.eq(1)
                    with m.Elif(kind == type_code(_REJECTED)):
                        m.d.sync += [self.reject_reason.eq(octet), self.close.eq(1),
                                     state.eq(SessionState.REJECTED)]
                    with m.Elif(kind == type_code(_ACCEPTED)):
                        with m.If(place < _SESSION.end):
                            m.d.sync += self.session.eq(Cat(self.session[8:], octet))
                        with m.Elif((octet >= ord("0")) & (octet <= ord("9"))):
                            m.d.sync += [digit.eq(octet[:4]), adding.eq(1)]
                        with m.Elif(octet != ord(" ")):
                            m.d.comb += wrong.eq(1)
                with m.If(self.restart):
                    m.next = "LENGTH_HIGH"
        accepted = Signal()
        with m.If(taken & (kind == type_code(_ACCEPTED)) & (place == _SEQUENCE.end - 1)):
            m.d.sync += accepted.eq(1)
        with m.If(accepted & ~adding):
            m.d.sync += accepted.eq(0)
            with m.If(state == SessionState.LOGIN):
                m.d.sync += [self.next_sequence.eq(value), joined.eq(1),
                             state.eq(SessionState.UP)]
        with m.If(self.restart):
            m.d.sync += [accepted.eq(0), joined.eq(0), adding.eq(0)]

    def _send(self, m):
        """Log in, log out, and say that we are alive."""
        state = self.state
        packet = Signal(_Packet)
        heard_ns, spoken_ns = Signal(36, reset_less=True), Signal(36, reset_less=True)
        silence, quiet = Signal(36), Signal(36)
        dead, due = Signal(), Signal()
        now = self.now_ns[:36]
        m.d.sync += [
            silence.eq(now - heard_ns), quiet.eq(now - spoken_ns),
            dead.eq(silence >= self.cfg_peer_timeout_ns), due.eq(quiet >= self.cfg_heartbeat_ns),
        ]
        speaking = self.data_sent | (self.staged.valid & self.staged.ready)
        fresh = Signal(2)       # cycles in which `dead` and `due` stand on older times
        was_established = Signal()
        rise = self.established & ~was_established
        m.d.sync += [was_established.eq(self.established), fresh.eq(fresh << 1)]
        with m.If(speaking | rise):
            m.d.sync += [spoken_ns.eq(now), quiet.eq(0), due.eq(0), fresh.eq(3)]
        with m.If((self.octets.valid & self.octets.ready) | rise):
            m.d.sync += [heard_ns.eq(now), silence.eq(0), dead.eq(0)]

        logging_out, asked = Signal(), Signal()
        with m.If(self.logout):
            m.d.sync += logging_out.eq(1)
        with m.If(self.query):
            m.d.sync += asked.eq(1)

        # The words of a packet are read while it leaves: so long it stays.
        leaving = Signal(range(_LEAVING_CYCLES + 1))
        with m.If(leaving.any()):
            m.d.sync += leaving.eq(leaving - 1)
        with m.If(self.staged.valid):
            with m.If(self.staged.ready):
                m.d.sync += [self.staged.valid.eq(0), leaving.eq(_LEAVING_CYCLES)]
                with m.If(packet == _Packet.LOGOUT):
                    m.d.sync += [self.close.eq(1), state.eq(SessionState.ENDED)]
        with m.Elif(rise):
            m.d.sync += [packet.eq(_Packet.LOGIN), self.staged.valid.eq(1),
                         state.eq(SessionState.LOGIN), asked.eq(0), logging_out.eq(0)]
        with m.Elif(leaving.any()):
            pass
        with m.Elif(self.established & logging_out):
            m.d.sync += [packet.eq(_Packet.LOGOUT), self.staged.valid.eq(1), logging_out.eq(0)]
        with m.Elif(self.logged_in & asked):
            m.d.sync += [packet.eq(_Packet.QUERY), self.staged.valid.eq(1), asked.eq(0)]
        with m.Elif(self.logged_in & due & ~fresh.any()):
            m.d.sync += [packet.eq(_Packet.HEARTBEAT), self.staged.valid.eq(1)]

        with m.If(self.established & was_established & dead & (state != SessionState.DOWN)):
            m.d.sync += [self.abort.eq(1), self.stat_peer_timeout.eq(1),
                         state.eq(SessionState.DOWN)]
        with m.If(~self.established & was_established & (state != SessionState.REJECTED)
                  & (state != SessionState.ENDED)):
            m.d.sync += state.eq(SessionState.DOWN)
        with m.If(self.restart):    # what was staged for the connection before goes with it
            m.d.sync += [self.staged.valid.eq(0), state.eq(SessionState.DOWN)]

        def text(value):
            return [value[bit:bit + 8] for bit in range(0, len(value), 8)]

        def short(kind):
            return [*octets(C(kind.size - _LENGTH, 8 * _LENGTH)), C(type_code(kind), 8)]

        request = soupbintcp.LOGIN_REQUEST
        login = [*short(request), *text(self.cfg_username), *text(self.cfg_password),
                 *text(self.cfg_session), *text(self.cfg_sequence)]
        assert len(login) == request.size
        unsequenced = soupbintcp.UNSEQUENCED_DATA
        question = ACCOUNT_QUERY.layout
        contents = {
            _Packet.HEARTBEAT: short(soupbintcp.CLIENT_HEARTBEAT),
            _Packet.LOGIN: login,
            _Packet.LOGOUT: short(soupbintcp.LOGOUT_REQUEST),
            _Packet.QUERY: [*octets(C(unsequenced.size - _LENGTH + question.size, 8 * _LENGTH)),
                            C(type_code(unsequenced), 8), C(type_code(question), 8)],
        }
        index = Signal.like(self.staged_index)
        m.d.sync += index.eq(self.staged_index)
        words = {kind: Array(payload_words(content))[index]
                 for kind, content in contents.items()}
        with m.Switch(packet):
            for kind, content in contents.items():
                with m.Case(kind):
                    m.d.comb += self.staged.p.eq(len(content))
        # The login is long, of the others most is zero: they have nothing to choose there.
        with m.If(packet == _Packet.LOGIN):
            m.d.sync += self.staged_word.eq(words[_Packet.LOGIN])
        with m.Else():
            with m.Switch(packet):
                for kind in contents.keys() - {_Packet.LOGIN}:
                    with m.Case(kind):
                        m.d.sync += self.staged_word.eq(words[kind])
