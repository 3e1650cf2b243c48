"""The order port: requests to OUCH orders on the wire, frames of the venue to answers."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.line import LINES
from hdl.net.port_services import PortServices
from hdl.net.tcp_buffer import PayloadBuffer
from hdl.net.tcp_connection import CloseReason, TcpConnection, TcpState
from hdl.net.tcp_layouts import TcpAddresses
from hdl.net.tcp_receiver import SegmentParser
from hdl.net.tcp_ring import RetransmissionRing
from hdl.net.tcp_transmitter import TcpTransmitter
from hdl.net.xgmii_receiver import FrameVerdict
from hdl.order.ouch_decoder import OuchDecoder
from hdl.order.ouch_encoder import OuchEncoder
from hdl.order.soupbin_session import SessionState, SoupBinSession
from hdl.orders import OrderRequest, OrderSent, VenueAnswer
from hdl.profile import Profile
from hdl.stream import FrameStream

__all__ = ["OrderSession"]

_BUFFER_BYTES = 8192
#: Announced to the peer: four full segments fit the buffer with all that is stored beside them.
_WINDOW = 4 * 1460

#: Pulses and settings handed up as they are, by the block they belong to.
_STATS = {
    "line": ("frames", "underrun"), "parser": ("bad_checksum", "ignored"),
    "services": ("arp_requests", "arp_replies", "arp_unanswered", "arp_unsolicited",
                 "icmp_replies", "icmp_refused", "igmp_sent"),
    "connection": ("retransmitted", "out_of_order", "duplicate", "challenged", "probed"),
    "soup": ("sequenced", "heartbeats", "protocol_error", "peer_timeout"),
    "decoder": ("malformed", "unknown"),
}
_SETTINGS = {
    "services": ("next_hop", "static", "static_mac", "retry_ns", "entry", "entry_half",
                 "entry_data"),
    "connection": ("initial_sequence", "retransmit_ns", "retries", "time_wait_ns"),
    "soup": ("username", "password", "session", "sequence", "heartbeat_ns", "peer_timeout_ns"),
    "encoder": ("order", "user_ref_num", "user_ref_num_load", "symbol_index", "symbol",
                "symbol_write"),
}
#: Ports of the services handed up as they are.
_SERVICES = ("entry_write", "entry_set", "entry_clear", "entry_data", "entries_used",
             "entries_fixed", "membership", "membership_taken", "version_3", "leave", "change",
             "group", "feed_mac", "feed_address")


class OrderSession(wiring.Component):
    """One order session on its own port.

    Latency: 1 cycle, `requests` transfer to the Start word at `data` (of GMII the first byte of
    preamble); `sent.valid` comes in the cycle in which it is at the pins. Throughput: an ENTER
    without the Firm option every 16 cycles, or as the line has room.

    `requests.ready` is high when the line is free, the session is logged in, the peer's window and
    the ring have room, and nothing that was lost is outstanding. A frame of ours that is not an
    order may keep it low for at most 18 cycles (GMII: 153).

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    beats, verdicts : inputs
        Frames received on the port, with FCS; see :class:`XgmiiReceiver`.
    data, control : ``Out``
        The line.
    aside_data, aside_control : ``Out``
        The same of IGMP messages, which leave at the feed port, a cycle later; from registers.
    requests : ``In(stream.Signature(OrderRequest(profile)))``
        Orders that have passed every check; a transfer sends one.
    sent : ``Out(stream.Signature(OrderSent(profile), always_ready=True))``
        The order's frame has begun; in wire order.
    answers : ``Out(stream.Signature(VenueAnswer, always_ready=True))``
        What the venue said.
    up : ``Out(1)``
        Logged in.
    now_cycles, now_ns : ``In(48)``, ``In(64)``
        The cycle counter and the nanosecond clock.
    tcp_state, close_reason, session_state : outputs
        For software.
    next_sequence, session, reject_reason : ``Out(64)``, ``Out(80)``, ``Out(8)``
        SoupBinTCP: next sequence number; session joined; why a login was refused.
    user_ref_num : ``Out(32)``
        Number of the next ENTER.
    next_user_ref_num, queried, day_ended : ``Out(32)``, ``Out(1)``, ``Out(1)``
        Answer to an Account Query and its pulse; the venue's end of day.
    query, abort : ``In(1)``
        Pulses: send an Account Query; reset the connection.
    cfg_enable : ``In(1)``
        Its rise connects and logs in; its fall logs out and closes.
    cfg_local_mac, cfg_local_address, cfg_local_port, cfg_peer_address, cfg_peer_port : inputs
        Addresses; they may change only while the connection is closed.
    entry_*, entries_*, membership, membership_taken, version_3, leave, change, group, feed_*
        As of :class:`PortServices`.
    cfg_* : inputs
        Others: of :class:`PortServices`, :class:`TcpConnection`, :class:`SoupBinSession` and
        :class:`OuchEncoder`.
    stat_* : ``Out(1)``
        Pulses of the same blocks, and of the transmitter, :class:`SegmentParser` and
        :class:`OuchDecoder`.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self._blocks = {
            "line": LINES[profile.line].transmitter(),
            "transmitter": TcpTransmitter(window=_WINDOW),
            "parser": SegmentParser(),
            "buffer": PayloadBuffer(size_bytes=_BUFFER_BYTES),
            "services": PortServices(),
            "connection": TcpConnection(window=_WINDOW),
            "ring": RetransmissionRing(size_bytes=profile.tcp_ring_bytes),
            "soup": SoupBinSession(),
            "encoder": OuchEncoder(profile),
            "decoder": OuchDecoder(),
        }
        members = {}
        for prefix, table in (("stat_", _STATS), ("cfg_", _SETTINGS)):
            for block, names in table.items():
                for name in names:
                    member = self._blocks[block].signature.members[prefix + name]
                    if prefix == "stat_":
                        members[f"stat_{block}_{name}"] = member
                    else:
                        members[f"cfg_{name}"] = member
        super().__init__({
            "beats":    In(FrameStream(always_ready=True)),
            "verdicts": In(stream.Signature(FrameVerdict, always_ready=True)),
            "data":     self._blocks["line"].signature.members["data"],
            "control":  self._blocks["line"].signature.members["control"],
            **LINES[profile.line].outputs("aside"),
            "requests": In(stream.Signature(OrderRequest(profile))),
            "sent":     Out(stream.Signature(OrderSent(profile), always_ready=True)),
            "answers":  Out(stream.Signature(VenueAnswer, always_ready=True)),
            "up":       Out(1),
            "now_cycles": In(48),
            "now_ns":     In(64),
            "tcp_state":     Out(TcpState),
            "close_reason":  Out(CloseReason),
            "session_state": Out(SessionState),
            "next_sequence": Out(64),
            "session":       Out(80),
            "reject_reason": Out(8),
            "user_ref_num":  Out(32),
            "next_user_ref_num": Out(32),
            "queried":   Out(1),
            "day_ended": Out(1),
            "query":     In(1),
            "abort":     In(1),
            **{name: self._blocks["services"].signature.members[name] for name in _SERVICES},
            "cfg_enable": In(1),
            "cfg_local_mac":     In(48),
            "cfg_local_address": In(32),
            "cfg_local_port":    In(16),
            "cfg_peer_address":  In(32),
            "cfg_peer_port":     In(16),
            **members,
        })

    def elaborate(self, platform):
        m = Module()
        blocks = self._blocks
        for name, block in blocks.items():
            m.submodules[name] = block
        line, transmitter, parser = blocks["line"], blocks["transmitter"], blocks["parser"]
        buffer, services, ring = blocks["buffer"], blocks["services"], blocks["ring"]
        connection, soup = blocks["connection"], blocks["soup"]
        encoder, decoder = blocks["encoder"], blocks["decoder"]
        for block, names in _STATS.items():
            for name in names:
                m.d.comb += getattr(self, f"stat_{block}_{name}").eq(
                    getattr(blocks[block], f"stat_{name}"))
        for block, names in _SETTINGS.items():
            for name in names:
                m.d.comb += Value.cast(getattr(blocks[block], f"cfg_{name}")).eq(
                    Value.cast(getattr(self, f"cfg_{name}")))

        addresses = Signal(TcpAddresses)
        m.d.comb += [
            addresses.local_mac.eq(self.cfg_local_mac), addresses.peer_mac.eq(services.peer_mac),
            addresses.local_address.eq(self.cfg_local_address),
            addresses.peer_address.eq(self.cfg_peer_address),
            addresses.local_port.eq(self.cfg_local_port),
            addresses.peer_port.eq(self.cfg_peer_port),
            transmitter.cfg_addresses.eq(addresses), parser.cfg_addresses.eq(addresses),
            services.cfg_local_mac.eq(self.cfg_local_mac),
            services.cfg_local_address.eq(self.cfg_local_address),
            line.heads.eq(transmitter.heads),
            connection.now_ns.eq(self.now_ns), soup.now_ns.eq(self.now_ns),
            services.now_ns.eq(self.now_ns),
        ]
        wiring.connect(m, transmitter.starts, line.starts)
        wiring.connect(m, transmitter.beats, line.beats)
        wiring.connect(m, connection.segments, transmitter.segments)
        wiring.connect(m, services.frames, transmitter.services)
        wiring.connect(m, soup.staged, connection.staged)
        wiring.connect(m, buffer.octets, soup.octets)
        wiring.connect(m, soup.messages, decoder.messages)

        for name in _SERVICES:
            inner, outer = getattr(services, name), getattr(self, name)
            sunk = services.signature.members[name].flow is In
            m.d.comb += inner.eq(outer) if sunk else outer.eq(inner)
        m.d.comb += [
            transmitter.service_head.eq(services.head), services.sent.eq(transmitter.service_sent),
            services.word_index.eq(transmitter.service_index),
            transmitter.service_word.eq(services.word),
            services.datagram_good.eq(parser.datagram_good),
            # Only a peer that never answered may be elsewhere by now.
            services.forget.eq((connection.state == TcpState.CLOSED)
                               & (connection.reason == CloseReason.TIMEOUT)),
        ]

        # The line's words go to one port, idles to the other.
        idle = LINES[self.profile.line].idle
        m.d.comb += [self.data.eq(Mux(transmitter.aside, idle["data"], line.data)),
                     self.control.eq(Mux(transmitter.aside, idle["control"], line.control))]
        m.d.sync += [
            self.aside_data.eq(Mux(transmitter.aside, line.data, idle["data"])),
            self.aside_control.eq(Mux(transmitter.aside, line.control, idle["control"]))]

        # Received frames.
        m.d.comb += [
            parser.beats.valid.eq(self.beats.valid),
            Value.cast(parser.beats.p).eq(Value.cast(self.beats.p)),
            parser.verdicts.valid.eq(self.verdicts.valid),
            parser.verdicts.p.good.eq(self.verdicts.p.good),
            services.verdicts.valid.eq(parser.judged.valid),
            services.verdicts.p.good.eq(parser.judged.p.good),
        ]
        for block in (buffer, services):
            m.d.comb += [block.beats.valid.eq(parser.passing.valid),
                         Value.cast(block.beats.p).eq(Value.cast(parser.passing.p))]
        m.d.comb += [
            buffer.index.eq(parser.index), services.index.eq(parser.index),
            connection.arrived.eq(parser.arrived),
            Value.cast(connection.segment).eq(Value.cast(parser.segment)),
            connection.room.eq(buffer.room), buffer.accept.eq(connection.accept),
            buffer.offset.eq(connection.offset), buffer.length.eq(connection.length),
            buffer.clear.eq(connection.reset_buffers), ring.clear.eq(connection.reset_buffers),
            soup.restart.eq(connection.reset_buffers),
            services.resolve.eq(connection.resolve), connection.resolved.eq(services.known),
        ]

        # What leaves, and what is kept of it.
        m.d.comb += [
            transmitter.next_sequence.eq(connection.next_sequence),
            transmitter.acknowledgment.eq(connection.acknowledgment),
            ring.push.eq(connection.push), ring.length.eq(connection.push_length),
            ring.sequence.eq(connection.next_sequence), ring.select.eq(connection.select),
            ring.acknowledged.eq(connection.acknowledged),
            ring.kept.eq(transmitter.kept), ring.kept_index.eq(transmitter.kept_index),
            ring.kept_word.eq(transmitter.kept_word), ring.index.eq(transmitter.source_index),
            transmitter.ring_word.eq(ring.word), soup.staged_index.eq(transmitter.source_index),
            transmitter.staged_word.eq(soup.staged_word),
            connection.oldest_valid.eq(ring.oldest_valid),
            connection.oldest_sequence.eq(ring.oldest_sequence),
            connection.oldest_length.eq(ring.oldest_length),
            connection.ring_room.eq(ring.room), connection.ring_empty.eq(ring.empty),
        ]

        # Orders.
        lane = transmitter.order
        open_ = Signal()
        started = Signal()      # a cycle after the transfer: only the line must know at once
        m.d.sync += started.eq(lane.valid & lane.ready)
        m.d.sync += open_.eq(connection.can_send & soup.logged_in)
        m.d.comb += [
            lane.valid.eq(self.requests.valid & open_),
            self.requests.ready.eq(open_ & lane.ready),
            lane.kind.eq(self.requests.p.kind.as_value()),
            lane.bytes.eq(encoder.bytes), lane.ready_sums.eq(encoder.ready_sums),
            lane.symbol_sum.eq(encoder.symbol_sum), lane.sum_a.eq(encoder.sum_a),
            lane.sum_b.eq(encoder.sum_b), lane.words.eq(encoder.words),
            encoder.hold.eq(lane.ready), encoder.take.eq(started),
            Value.cast(encoder.request).eq(Value.cast(self.requests.p)),
            connection.order_started.eq(started), soup.data_sent.eq(started),
            connection.order_bytes.eq(encoder.bytes[encoder.held.kind.as_value()]),
            connection.sent_acknowledgment.eq(transmitter.sent_acknowledgment),
            self.user_ref_num.eq(encoder.user_ref_num),
        ]
        m.d.comb += self.sent.valid.eq(started)
        sent = self.sent.p
        for name in ("symbol_index", "tag", "start_cycles", "kind", "side", "quantity", "price",
                     "time_in_force", "short", "user_ref_num"):
            m.d.comb += Value.cast(sent[name]).eq(Value.cast(encoder.held[name]))
        m.d.comb += sent.egress_cycles.eq(self.now_cycles)

        # Answers and state.
        m.d.sync += self.up.eq(soup.logged_in)
        m.d.comb += [
            self.answers.valid.eq(decoder.answers.valid),
            Value.cast(self.answers.p).eq(Value.cast(decoder.answers.p)),
            self.tcp_state.eq(connection.state),
            self.close_reason.eq(connection.reason), self.session_state.eq(soup.state),
            self.next_sequence.eq(soup.next_sequence), self.session.eq(soup.session),
            self.reject_reason.eq(soup.reject_reason), soup.query.eq(self.query),
            self.next_user_ref_num.eq(decoder.next_user_ref_num),
            self.queried.eq(decoder.queried), self.day_ended.eq(decoder.ended),
            soup.established.eq(connection.established),
            connection.abort.eq(soup.abort | self.abort),
        ]

        # The rise of enable waits for the last connection to end; its fall ends this one.
        was_enabled, wanted = Signal(), Signal()
        rise, fall = self.cfg_enable & ~was_enabled, ~self.cfg_enable & was_enabled
        m.d.sync += was_enabled.eq(self.cfg_enable)
        with m.If(rise):
            m.d.sync += wanted.eq(1)
        with m.Elif(connection.connect | ~self.cfg_enable):
            m.d.sync += wanted.eq(0)
        m.d.comb += [
            connection.connect.eq(wanted & ((connection.state == TcpState.CLOSED)
                                            | (connection.state == TcpState.TIME_WAIT))),
            soup.logout.eq(fall & soup.logged_in),
            connection.close.eq(soup.close | (fall & ~soup.logged_in)),
        ]
        return m
