"""The session with a host: requests executed exactly once, heartbeats, events.

Ref: docs/management-protocol.md; ``sim/golden/management.py`` is normative.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.csr.bus import READ_LATENCY, CsrBus
from hdl.csr.management_events import CLOCK_BITS, SETTLE_CYCLES
from hdl.csr.management_layouts import (
    Acknowledgement,
    Answer,
    BodySource,
    Datagram,
    Operation,
    Peer,
)
from proto.events import EVENT_BYTES
from proto.registers import ADDRESS_BITS
from proto.wire.management import ACKNOWLEDGE as ACKNOWLEDGE_BODY
from proto.wire.management import (
    EVENTS_PER_DATAGRAM,
    HEADER,
    LEASE_NS,
    MAGIC,
    MAXIMUM_OPERATIONS,
    OPENED,
    OPERATION,
    REPLY_BIT,
    RESEND_FLAG,
    TAKE_OVER_FLAG,
    VALUE,
    VERSION,
    Code,
    Kind,
    Status,
)

__all__ = ["SESSION_STATS", "ManagementSession"]

#: Pulses of the session, without ``stat_``; the first six are of datagrams without an answer.
SESSION_STATS = (
    "foreign", "stray", "out_of_sequence", "stale_heartbeat", "bad_acknowledge",
    "other_version", "busy", "unknown_session", "malformed", "opened", "closed", "requests",
    "repeated", "heartbeats", "acknowledges", "event_datagrams", "sent_again",
)

#: Cycles for which a datagram is looked at before it is judged.
_EXAMINE_CYCLES = 3
#: Cycles from a command to the window to what is known of its effect here.
_SETTLE_CYCLES = SETTLE_CYCLES + 1
_SEQUENCE_BITS = HEADER.field("sequence").bits


class ManagementSession(wiring.Component):
    """Do what datagrams ask for, one after the other, and send events between them.

    Latency: 5 cycles, `datagrams.valid` to `answers.valid` of an answer without operations; a
    request takes 8 cycles more an operation, and what other masters hold the bus. A datagram is
    taken when its answer has left. Of waiting events and a waiting datagram, either goes first in
    turn.

    Parameters
    ----------
    window_records : int
        Event records kept, as told to the host.
    heartbeat_address : int
        Register that is written for each new heartbeat.
    lease_ns : int
        Silence after which another host may open a session.

    Members
    -------
    datagrams, body_index, body_word
        From the receiver; see there.
    answers : ``Out(stream.Signature(Answer))``
        Datagrams to send.
    value_index, value_enable, values : ``In(5)``, ``In(1)``, ``Out(64)``
        Two values of a reply, after the next cycle with ``value_enable``.
    opened_body : ``Out(64)``
        What follows the header of an OPENED.
    bus, taken : ``Out(CsrBus)``, ``In(1)``
        Registers; an access is held until it is taken.
    window_* : outputs and inputs
        To and from :class:`~hdl.csr.management_events.EventWindow`.
    open : ``Out(1)``
        There is a session.
    now_ns : ``In(48)``
        Clock.
    stat_* : ``Out(1)``
        Pulses. Dropped: ``foreign`` (too short, or no datagram of a host), ``stray`` (of no session
        that there is), ``out_of_sequence``, ``stale_heartbeat``, ``bad_acknowledge``. Refused:
        ``other_version``, ``busy``, ``unknown_session``, ``malformed``. Done: the others;
        ``repeated`` counts answers from memory.
    """

    def __init__(self, *, window_records: int, heartbeat_address: int, lease_ns: int = LEASE_NS):
        self.window_records = window_records
        self.heartbeat_address = heartbeat_address
        self.lease_ns = lease_ns
        super().__init__({
            "datagrams":    In(stream.Signature(Datagram)),
            "body_index":   Out(range(MAXIMUM_OPERATIONS)),
            "body_word":    In(64),
            "answers":      Out(stream.Signature(Answer)),
            "value_index":  In(range(MAXIMUM_OPERATIONS // 2)),
            "value_enable": In(1),
            "values":       Out(64),
            "opened_body":  Out(8 * OPENED.size),
            "bus":          Out(CsrBus),
            "taken":        In(1),
            "window_open":        Out(1),
            "window_acknowledge": Out(1),
            "window_retreat":     Out(1),
            "window_sent":        Out(1),
            "window_sent_count":  Out(range(EVENTS_PER_DATAGRAM + 1)),
            "window_sequence":    Out(_SEQUENCE_BITS),
            "window_credit":      Out(32),
            "window_resend":      Out(1),
            "window_done":        In(1),
            "window_refused":     In(1),
            "window_oldest":      In(_SEQUENCE_BITS),
            "window_next":        In(_SEQUENCE_BITS),
            "window_count":       In(range(EVENTS_PER_DATAGRAM + 1)),
            "window_overdue":     In(1),
            "open":         Out(1),
            "now_ns":       In(CLOCK_BITS),
            **{f"stat_{name}": Out(1) for name in SESSION_STATS},
        })

    def elaborate(self, platform):
        m = Module()
        datagram, header = self.datagrams.p, self.datagrams.p.header
        answer = self.answers.p

        # The session.
        session = Signal(32)
        seeded = Signal()
        uptime_cycles = Signal(32, reset_less=True)   # numbers the first session after a reset
        candidate = Signal(32, reset_less=True)
        peer = Signal(Peer, reset_less=True)
        nonce, opened_oldest = Signal(32, reset_less=True), Signal(32, reset_less=True)
        heard_ns, silence_ns = Signal(CLOCK_BITS), Signal(CLOCK_BITS)
        lease_over = Signal()
        last_sequence = Signal(_SEQUENCE_BITS)
        have_reply, reply_count = Signal(), Signal.like(header.count, reset_less=True)
        last_heartbeat = Signal(_SEQUENCE_BITS)
        m.d.sync += [
            uptime_cycles.eq(uptime_cycles + 1),
            candidate.eq(Mux(seeded, session + 1, uptime_cycles)),
            silence_ns.eq(self.now_ns - heard_ns), lease_over.eq(silence_ns >= self.lease_ns),
        ]
        m.d.comb += self.opened_body.eq(Cat(opened_oldest, C(self.window_records, 32)))

        # What is to be known of the datagram; all of it is stable while it waits.
        place = Signal(range(MAXIMUM_OPERATIONS))
        operation = Signal(Operation, reset_less=True)
        body = Signal(Acknowledgement)
        accessing = Signal()
        wanting_write, wanting_read = Signal(), Signal()    # the strobes: they go far
        m.d.comb += [
            self.body_index.eq(place), Value.cast(body).eq(Value.cast(operation)),
            self.bus.address.eq(operation.address[:ADDRESS_BITS]),
            self.bus.write_data.eq(operation.value),
            self.bus.write.eq(wanting_write), self.bus.read.eq(wanting_read),
        ]
        with m.If(~accessing):
            m.d.sync += Value.cast(operation).eq(self.body_word)

        def looked(name: str, value) -> Signal:
            known = Signal(name=name, reset_less=True)
            m.d.sync += known.eq(value)
            return known

        wanted_length = Signal.like(datagram.length, reset_less=True)
        m.d.sync += wanted_length.eq(HEADER.size + OPERATION.size * header.count)
        is_kind = {kind: looked(f"is_{kind.name.lower()}", header.kind == kind)
                   for kind in (Kind.OPEN, Kind.REQUEST, Kind.HEARTBEAT, Kind.ACKNOWLEDGE,
                                Kind.CLOSE)}
        right_magic = looked("right_magic", header.magic == MAGIC)
        long_enough = looked("long_enough", datagram.length >= HEADER.size)
        no_status = looked("no_status", header.status == Status.DONE)
        foreign = looked("foreign", ~(right_magic & long_enough & no_status
                                      & Cat(is_kind.values()).any()))
        right_version = looked("right_version", header.version == VERSION)
        same_host = looked("same_host", datagram.sender.address == peer.address)
        same_port = looked("same_port", datagram.sender.port == peer.port)
        same_peer = looked("same_peer", same_host & same_port & self.open)
        same_session = looked("same_session", header.session == session)
        no_session = looked("no_session", header.session == 0)
        same_nonce = looked("same_nonce", header.sequence == nonce)
        no_count = looked("no_count", header.count == 0)
        empty = looked("empty", no_count & (datagram.length == HEADER.size))
        two_words = looked("two_words", no_count & (
            datagram.length == HEADER.size + ACKNOWLEDGE_BODY.size))
        whole = looked("whole", datagram.length == wanted_length)
        few = looked("few", header.count <= MAXIMUM_OPERATIONS)
        at_last = looked("at_last", place == header.count - 1)
        # How far the number is beyond the last one of its kind.
        beyond = Signal(signed(_SEQUENCE_BITS), reset_less=True)
        m.d.sync += beyond.eq(header.sequence - Mux(is_kind[Kind.HEARTBEAT], last_heartbeat,
                                                    last_sequence))
        far = beyond[1:].any()
        is_last = looked("is_last", have_reply & ~far & ~beyond[0])
        is_next = looked("is_next", ~far & beyond[0])
        newer = looked("newer", ~beyond[-1] & (far | beyond[0]))

        # Values, two a word.
        m.submodules.values = values = Memory(
            shape=8 * 2 * VALUE.size, depth=MAXIMUM_OPERATIONS // 2, init=[],
            attrs={"ram_style": "block"})
        storing, reading = values.write_port(granularity=8 * VALUE.size), values.read_port()
        value = Signal(8 * VALUE.size, reset_less=True)
        m.d.comb += [
            storing.addr.eq(place[1:]), storing.data.eq(value.replicate(2)),
            reading.addr.eq(self.value_index), reading.en.eq(self.value_enable),
            self.values.eq(reading.data),
        ]

        # The access that is under way, and the answer; it is to the datagram, or of events.
        beat = Signal()
        writes = Signal(reset_less=True)
        refused = Signal(reset_less=True)
        of_events = answer.source == BodySource.RECORDS
        m.d.comb += [
            answer.header.session.eq(Mux(refused, header.session, session)),
            answer.header.sequence.eq(Mux(of_events, self.window_next, header.sequence)),
            Value.cast(answer.receiver).eq(
                Mux(of_events, Value.cast(peer), Value.cast(datagram.sender))),
            self.window_sequence.eq(header.sequence), self.window_credit.eq(body.credit),
            self.window_resend.eq((body.flags & RESEND_FLAG).any()),
            answer.header.magic.eq(MAGIC), answer.header.version.eq(VERSION),
        ]

        pulses = {name: Signal(name=f"{name}_now") for name in SESSION_STATS}
        for name, pulse in pulses.items():
            m.d.sync += getattr(self, f"stat_{name}").eq(pulse)

        def say(kind, status: Status, *, length: int = HEADER.size, count=0,
                source: BodySource = BodySource.NONE, refuses: bool = False) -> None:
            """Answer the datagram."""
            m.d.sync += [
                answer.header.kind.eq(kind | REPLY_BIT), answer.header.status.eq(status),
                answer.header.count.eq(count), answer.length.eq(length), answer.source.eq(source),
                refused.eq(refuses),
            ]
            m.next = "ANSWER"

        def refuse(status: Status, name: str) -> None:
            m.d.comb += pulses[name].eq(1)
            say(header.kind, status, refuses=True)

        def drop(name: str) -> None:
            m.d.comb += pulses[name].eq(1)
            m.next = "DONE"

        def say_opened() -> None:
            say(Kind.OPEN, Status.DONE, length=HEADER.size + OPENED.size, source=BodySource.OPENED)

        def say_reply(count) -> None:
            say(Kind.REQUEST, Status.DONE, count=count, source=BodySource.VALUES,
                length=HEADER.size + VALUE.size * count)

        settle = Signal(range(_SETTLE_CYCLES + 1))
        with m.If(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        events_turn = Signal()
        # As it was a cycle ago: after anything that changes it, `settle` lets it become known.
        due, overdue = Signal(), Signal()
        m.d.sync += [due.eq(self.open & (self.window_overdue | (self.window_count != 0))),
                     overdue.eq(self.open & self.window_overdue)]
        cycles = Signal(range(max(_EXAMINE_CYCLES, READ_LATENCY)))

        with m.FSM(name="session"):
            with m.State("IDLE"):
                m.d.sync += [place.eq(0), cycles.eq(_EXAMINE_CYCLES - 1), beat.eq(0)]
                with m.If(settle != 0):
                    pass
                with m.Elif(self.datagrams.valid & ~(events_turn & due)):
                    m.d.sync += events_turn.eq(1)
                    m.next = "EXAMINE"
                with m.Elif(overdue):
                    m.d.comb += [self.window_retreat.eq(1), pulses["sent_again"].eq(1)]
                    m.d.sync += settle.eq(_SETTLE_CYCLES)
                with m.Elif(due):
                    m.d.sync += [
                        events_turn.eq(0), self.window_sent_count.eq(self.window_count),
                        answer.header.kind.eq(Kind.EVENTS), answer.header.status.eq(Status.DONE),
                        answer.header.count.eq(self.window_count), refused.eq(0),
                        answer.length.eq(HEADER.size + EVENT_BYTES * self.window_count),
                        answer.source.eq(BodySource.RECORDS),
                    ]
                    m.next = "EVENTS"
            with m.State("EVENTS"):
                m.d.comb += self.answers.valid.eq(1)
                with m.If(self.answers.ready):
                    m.d.comb += [self.window_sent.eq(1), pulses["event_datagrams"].eq(1)]
                    m.d.sync += settle.eq(_SETTLE_CYCLES)
                    m.next = "IDLE"

            with m.State("EXAMINE"):
                m.d.sync += cycles.eq(cycles - 1)
                with m.If(cycles == 0):
                    m.next = "JUDGE"
            with m.State("JUDGE"):
                with m.If(foreign):
                    drop("foreign")
                with m.Elif(~right_version):
                    refuse(Status.VERSION, "other_version")
                with m.Elif(is_kind[Kind.OPEN]):
                    with m.If(~(two_words & no_session)):
                        refuse(Status.MALFORMED, "malformed")
                    with m.Elif(same_peer & same_nonce):
                        m.d.comb += pulses["repeated"].eq(1)
                        say_opened()
                    with m.Elif(self.open & ~lease_over & ~(body.flags & TAKE_OVER_FLAG).any()):
                        refuse(Status.BUSY, "busy")
                    with m.Else():
                        m.next = "OPEN"
                with m.Elif(~(same_peer & same_session)):
                    with m.If(is_kind[Kind.REQUEST] | is_kind[Kind.CLOSE]):
                        refuse(Status.UNKNOWN_SESSION, "unknown_session")
                    with m.Else():
                        drop("stray")
                with m.Else():
                    m.d.sync += [heard_ns.eq(self.now_ns), peer.mac.eq(datagram.sender.mac)]
                    with m.If(is_kind[Kind.REQUEST]):
                        with m.If(~(whole & few & ~no_count & datagram.codes_good)):
                            refuse(Status.MALFORMED, "malformed")
                        with m.Elif(is_last):
                            m.d.comb += pulses["repeated"].eq(1)
                            say_reply(reply_count)
                        with m.Elif(~is_next):
                            drop("out_of_sequence")
                        with m.Else():
                            m.next = "FETCH"
                    with m.Elif(is_kind[Kind.HEARTBEAT]):
                        with m.If(~(empty & newer)):
                            drop("stale_heartbeat")
                        with m.Else():
                            m.d.comb += pulses["heartbeats"].eq(1)
                            m.d.sync += [
                                last_heartbeat.eq(header.sequence), beat.eq(1), writes.eq(1),
                                operation.address.eq(self.heartbeat_address),
                                operation.value.eq(1), wanting_write.eq(1),
                            ]
                            m.next = "ACCESS"
                    with m.Elif(is_kind[Kind.ACKNOWLEDGE]):
                        with m.If(~two_words):
                            drop("bad_acknowledge")
                        with m.Else():
                            m.d.comb += self.window_acknowledge.eq(1)
                            m.next = "ACKNOWLEDGE"
                    with m.Else():
                        m.d.comb += pulses["closed"].eq(1)
                        m.d.sync += self.open.eq(0)
                        say(Kind.CLOSE, Status.DONE)

            with m.State("OPEN"):
                number = Signal(32)
                m.d.comb += [number.eq(Mux(candidate == 0, 1, candidate)),
                             self.window_open.eq(1), pulses["opened"].eq(1)]
                m.d.sync += [
                    session.eq(number), seeded.eq(1),
                    self.open.eq(1), peer.eq(datagram.sender), nonce.eq(header.sequence),
                    opened_oldest.eq(self.window_oldest), heard_ns.eq(self.now_ns),
                    last_sequence.eq(0), have_reply.eq(0), last_heartbeat.eq(0),
                ]
                say_opened()
            with m.State("ACKNOWLEDGE"):
                with m.If(self.window_done):
                    m.d.comb += [pulses["bad_acknowledge"].eq(self.window_refused),
                                 pulses["acknowledges"].eq(~self.window_refused)]
                    m.next = "DONE"

            # Operations.
            with m.State("FETCH"):
                m.next = "LOAD"
            with m.State("LOAD"):
                m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += [writes.eq(operation.code == Code.WRITE), value.eq(0)]
                with m.If(operation.address[ADDRESS_BITS:] != 0):
                    m.next = "STORE"
                with m.Else():
                    m.d.sync += [wanting_write.eq(operation.code == Code.WRITE),
                                 wanting_read.eq(operation.code != Code.WRITE)]
                    m.next = "ACCESS"
            with m.State("ACCESS"):
                m.d.comb += accessing.eq(1)
                m.d.sync += cycles.eq(READ_LATENCY - 1)
                with m.If(self.taken):
                    m.d.sync += [wanting_write.eq(0), wanting_read.eq(0)]
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += cycles.eq(cycles - 1)
                with m.If(cycles == 0):
                    with m.If(~writes):
                        m.d.sync += value.eq(self.bus.read_data)
                    m.next = "STORE"
                    with m.If(beat):
                        m.next = "DONE"
            with m.State("STORE"):
                m.d.comb += storing.en.eq(Cat(~place[0], place[0]))
                m.d.sync += place.eq(place + 1)
                m.next = "FETCH"
                with m.If(at_last):
                    m.d.comb += pulses["requests"].eq(1)
                    m.d.sync += [last_sequence.eq(header.sequence), have_reply.eq(1),
                                 reply_count.eq(header.count)]
                    say_reply(header.count)

            with m.State("ANSWER"):
                m.d.comb += self.answers.valid.eq(1)
                with m.If(self.answers.ready):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.datagrams.ready.eq(1)
                m.d.sync += settle.eq(_SETTLE_CYCLES)
                m.next = "IDLE"
        return m
