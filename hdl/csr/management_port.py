"""The management port: registers, heartbeat and event records over UDP.

Ref: docs/management-protocol.md; RFC 768, 791, 826.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.csr.bus import CsrBus
from hdl.csr.management_events import EventWindow
from hdl.csr.management_layouts import BodySource
from hdl.csr.management_receiver import RECEIVER_STATS, ManagementReceiver
from hdl.csr.management_session import SESSION_STATS, ManagementSession
from hdl.csr.management_transmitter import FRAME_TAILS, ManagementTransmitter
from hdl.net.line import LINES
from hdl.profile import Profile
from hdl.telemetry.event_ring import RecordRow
from hdl.telemetry.message_recorder import RecordWord
from proto.management_registers import DEFAULT_ADDRESS, DEFAULT_MAC
from proto.registers import register_map
from proto.wire.management import HEARTBEAT_REGISTER, LEASE_NS, RETRANSMIT_NS, UDP_PORT

__all__ = ["ManagementPort"]


class ManagementPort(wiring.Component):
    """Serve the management protocol on an Ethernet line of its own, and answer for it by ARP.

    Latency: 118 cycles, word with the last byte of a request of one read at `word` to Start of the
    reply at `tx_data`, the bus free; 10 cycles more an operation. A datagram is answered before
    the next one is looked at; those that come meanwhile wait in a buffer of 4 KiB.

    Parameters
    ----------
    profile : Profile
        Its symbols fix the register map, its line the ports.
    window_records : int
        Event records kept until the host has acknowledged them.
    lease_ns, retransmit_ns : int
        Times of the protocol.

    Members
    -------
    word : ``In``
        Word from the crossing.
    tx_data, tx_control : ``Out``
        The line.
    bus, taken : ``Out(CsrBus)``, ``In(1)``
        Registers; an access is held until it is taken, by a
        :class:`~hdl.csr.bus_arbiter.BusArbiter`, and what is read follows it by the latency of the
        bus.
    events : ``In(stream.Signature(RecordRow))``
        Event records, row by row; waits when the window is full.
    words : ``In(stream.Signature(RecordWord))``
        Records of feed messages, word by word.
    open : ``Out(1)``
        A host has a session.
    now_ns : ``In(64)``
        The nanosecond clock.
    cfg_mac, cfg_address, cfg_port : ``In(48)``, ``In(32)``, ``In(16)``
        Our MAC address, IPv4 address and UDP port; a change takes effect with the next frame.
    stat_* : ``Out(1)``
        Pulses of :class:`ManagementReceiver` and :class:`ManagementSession`, ``frames_sent`` and
        ``underrun`` of the transmitter.
    """

    def __init__(self, profile: Profile, *, window_records: int = 128, lease_ns: int = LEASE_NS,
                 retransmit_ns: int = RETRANSMIT_NS):
        self.profile = profile
        self.window_records = window_records
        self.lease_ns = lease_ns
        self.retransmit_ns = retransmit_ns
        stats = (*RECEIVER_STATS, *SESSION_STATS, "frames_sent", "underrun")
        line = LINES[profile.line]
        super().__init__({
            "word":        In(line.word, init=line.word_init),
            **line.outputs("tx"),
            "bus":         Out(CsrBus),
            "taken":       In(1),
            "events":      In(stream.Signature(RecordRow)),
            "words":       In(stream.Signature(RecordWord)),
            "open":        Out(1),
            "now_ns":      In(64),
            "cfg_mac":     In(48, init=DEFAULT_MAC),
            "cfg_address": In(32, init=DEFAULT_ADDRESS),
            "cfg_port":    In(16, init=UDP_PORT),
            **{f"stat_{name}": Out(1) for name in stats},
        })

    def elaborate(self, platform):
        m = Module()

        table = register_map(symbols=self.profile.symbols)
        m.submodules.receiver = receiver = ManagementReceiver(line=self.profile.line)
        m.submodules.session = session = ManagementSession(
            window_records=self.window_records, lease_ns=self.lease_ns,
            heartbeat_address=table[HEARTBEAT_REGISTER].address)
        m.submodules.window = window = EventWindow(self.window_records,
                                                   retransmit_ns=self.retransmit_ns)
        m.submodules.builder = builder = ManagementTransmitter()
        m.submodules.transmitter = transmitter = LINES[
            self.profile.line].aligned_transmitter(FRAME_TAILS)

        connect(m, receiver.datagrams, session.datagrams)
        connect(m, receiver.arp, builder.arp)
        connect(m, session.answers, builder.answers)
        connect(m, builder.starts, transmitter.starts)
        connect(m, builder.beats, transmitter.beats)
        connect(m, session.bus, flipped(self.bus))
        connect(m, flipped(self.events), window.events)
        connect(m, flipped(self.words), window.words)
        for part in (receiver, builder):
            m.d.comb += [part.cfg_mac.eq(self.cfg_mac), part.cfg_address.eq(self.cfg_address),
                         part.cfg_port.eq(self.cfg_port)]
        m.d.comb += [
            Value.cast(receiver.word).eq(Value.cast(self.word)),
            receiver.body_index.eq(session.body_index),
            session.body_word.eq(receiver.body_word),
            session.taken.eq(self.taken), session.now_ns.eq(self.now_ns),
            self.open.eq(session.open), window.now_ns.eq(self.now_ns),
            transmitter.heads.eq(builder.heads),
            self.tx_data.eq(transmitter.data), self.tx_control.eq(transmitter.control),
        ]

        # The session steers the window; it and the window hold what answers are made of.
        for name in ("open", "acknowledge", "retreat", "sent", "sent_count", "sequence", "credit",
                     "resend"):
            m.d.comb += getattr(window, name).eq(getattr(session, f"window_{name}"))
        for name in ("done", "refused", "oldest", "next", "count", "overdue"):
            m.d.comb += getattr(session, f"window_{name}").eq(getattr(window, name))
        answer = session.answers.p
        m.d.comb += [
            window.record.eq(window.next), window.index.eq(builder.body_index),
            window.enable.eq(builder.body_enable),
            session.value_index.eq(builder.body_index),
            session.value_enable.eq(builder.body_enable),
        ]
        with m.Switch(answer.source):
            with m.Case(BodySource.OPENED):
                m.d.comb += builder.body_word.eq(session.opened_body)
            with m.Case(BodySource.VALUES):
                m.d.comb += builder.body_word.eq(session.values)
            with m.Case(BodySource.RECORDS):
                m.d.comb += builder.body_word.eq(window.word)

        for part, names in ((receiver, RECEIVER_STATS), (session, SESSION_STATS)):
            for name in names:
                m.d.comb += getattr(self, f"stat_{name}").eq(getattr(part, f"stat_{name}"))
        m.d.comb += [self.stat_frames_sent.eq(transmitter.stat_frames),
                     self.stat_underrun.eq(transmitter.stat_underrun)]
        return m
