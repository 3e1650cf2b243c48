"""The order side of an appliance: book events in, orders out, their settings and records."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.csr.array_port import array_members
from hdl.csr.register_file import field_members
from hdl.net.igmp import IgmpMember, IgmpQuery
from hdl.net.line import LINES
from hdl.order.exposure_words import ExposureWords
from hdl.order.order_session import OrderSession
from hdl.orders import AnswerKind, FeatureVector, IntentKind, Score
from hdl.profile import Profile
from hdl.records import TAG_BITS, EventComing, MessageContext, SideDepth, TopOfBook
from hdl.strategy.decision import KILL_CAUSES, DecisionPath
from hdl.telemetry.event_ring import RecordRow
from hdl.telemetry.latency_histogram import LatencyHistogram
from hdl.telemetry.order_recorder import OrderRecorder
from proto.checks import Check
from proto.counters import COUNTERS
from proto.registers import register_map
from proto.trading_registers import (
    ACCOUNT,
    ARP_CACHE,
    HISTOGRAM_BINS,
    LATENCY,
    MODEL,
    RISK,
    ROW_STATE,
    SESSION,
)

__all__ = ["INGRESS_CYCLES", "OrderSide", "register_members"]

#: From the word with Start at the feed's pins to the stamp of its frame: the elastic buffer.
INGRESS_CYCLES = 3

_BLOCKS = (MODEL, RISK, SESSION, LATENCY, ACCOUNT, ARP_CACHE)
_ARRAYS = ("strategy", "limits", "positions")

#: Name of each cause of a kill in the register ``risk.cause``.
_CAUSES = {"operator": "operator", "fault": "events_full",
           "unexpected_answer": "unexpected_answer", "overfill": "overfilled",
           "broken_trade": "broken_trade", "answers_lost": "answer_lost"}

#: Counters by the part that pulses and the name there.
_COUNTERS = {
    "decision.dropped": ("decision", "stat_dropped"),
    "decision.saturated": ("decision", "stat_saturated"),
    "decision.blocked": ("decision", "stat_blocked"),
    "risk.waited": ("decision", "stat_waited"),
    "risk.reserved_wait_cycles": ("decision", "stat_reserved_wait"),
    "risk.command_refused": ("decision", "command_refused"),
    "order.queries": ("session", "queried"),
    "order_net.frames_good": ("receiver", "stat_frames_good"),
    "order_net.frames_bad_fcs": ("receiver", "stat_bad_fcs"),
    "order_net.frames_runt": ("receiver", "stat_runt"),
    "order_net.frames_oversize": ("receiver", "stat_oversize"),
    "order_net.frames_error_char": ("receiver", "stat_error_char"),
    "order_net.words_inserted": ("elastic", "stat_inserted"),
    "order_net.words_deleted": ("elastic", "stat_deleted"),
    "order_net.elastic_overrun": ("elastic", "stat_overrun"),
    "order_net.elastic_underrun": ("elastic", "stat_underrun"),
    "order_net.frames_sent": ("session", "stat_line_frames"),
    "order_net.underrun": ("session", "stat_line_underrun"),
    **{f"arp.{name}": ("session", f"stat_services_arp_{name}")
       for name in ("requests", "replies", "unanswered", "unsolicited")},
    "icmp.replies": ("session", "stat_services_icmp_replies"),
    "icmp.refused": ("session", "stat_services_icmp_refused"),
    "igmp.sent": ("session", "stat_services_igmp_sent"),
    "igmp.queries": ("member", "heard"),
    "tcp.bad_checksum": ("session", "stat_parser_bad_checksum"),
    "tcp.ignored": ("session", "stat_parser_ignored"),
    "tcp.retransmitted": ("session", "stat_connection_retransmitted"),
    "tcp.out_of_order": ("session", "stat_connection_out_of_order"),
    "tcp.duplicate": ("session", "stat_connection_duplicate"),
    "tcp.challenged": ("session", "stat_connection_challenged"),
    "tcp.probed": ("session", "stat_connection_probed"),
    "soup.sequenced": ("session", "stat_soup_sequenced"),
    "soup.heartbeats": ("session", "stat_soup_heartbeats"),
    "soup.protocol_error": ("session", "stat_soup_protocol_error"),
    "soup.peer_timeout": ("session", "stat_soup_peer_timeout"),
    "ouch.malformed": ("session", "stat_decoder_malformed"),
    "ouch.unknown": ("session", "stat_decoder_unknown"),
    "events.lost": ("recorder", "lost"),
}
_STAGES = ("decision", "model", "risk", "order", "order_net", "arp", "icmp", "igmp", "tcp", "soup",
           "ouch", "events")


def _counters() -> tuple[str, ...]:
    """Return the names of the counters of this side, in the order of the registers."""
    return tuple(counter.name for counter in COUNTERS if counter.name.split(".")[0] in _STAGES)


def register_members(profile: Profile) -> dict:
    """Return the ports of the registers of this side, as `CsrBridge` has them."""
    blocks = {block.name: block for block in register_map(symbols=profile.symbols).blocks}
    return {
        **field_members(_BLOCKS),
        **{f"{name}_{member}": flow for name in _ARRAYS
           for member, flow in array_members(blocks[name]).items()},
    }


class OrderSide(wiring.Component):
    """Decide on each book event, send orders, follow them, and record all of it.

    Latency: 5 cycles, `tops` transfer to the Start word at `order_tx_data`: 4 of
    :class:`DecisionPath`, 1 of :class:`OrderSession`.

    Trading stops (the gate is killed) before a record of class 1 is lost: when half of the ring is
    in use while armed.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    order_rx_data, order_rx_control : ``In``
        The line of the order port; domain ``rx``.
    order_tx_data, order_tx_control : ``Out``
        The line of the order port, from registers through one LUT.
    feed_a_tx_data, feed_a_tx_control : ``Out``
        The line of feed port A, from registers: IGMP messages.
    queries, link_fault, igmp_version, group_ip, join, feed_mac, feed_address : ``In``
        For :class:`~hdl.net.igmp.IgmpMember`: queries and faults of feed port A, and settings.
    tops, coming, sides, books_cleared : ``In``
        Books after each event; see :class:`~hdl.strategy.decision.DecisionPath`.
    vectors, scores : ``Out``
        What was seen and scored.
    tradable, spoilt, short_restricted, feed_up : ``In``
        Symbols that may be traded, whose book is stale or incomplete, and whose short sales are
        restricted; the feed is healthy.
    context_tag, context_busy, context : ``Out(TAG_BITS)``, ``In(1)``, ``In(MessageContext)``
        Context of what caused an order, a cycle after its tag; not while it is busy.
    now_cycles, now_ns : ``In(48)``, ``In(64)``
        Cycle counter and time.
    stock_write, stock_index, stock : ``In``
        Pulse: name of a symbol, the first character in the highest bits.
    max_frame_bytes : ``In(14)``
        Longest frame accepted.
    events : ``Out(stream.Signature(RecordRow))``
        Records of class 1, row by row.
    counts : ``Out``
        Pulses of the counters, a bit each, in the order of `counters`.
    empty : ``Out(1)``
        No record is left to be taken.
    ``<block>_<register>[_<field>]``, ``<array>_*``
        Registers, the other way round than at :class:`~hdl.csr.bridge.CsrBridge`.

    Attributes
    ----------
    counters : tuple of str
        Names of the bits of `counts`.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.counters = _counters()
        line = LINES[profile.line]
        super().__init__({
            **line.inputs("order_rx"), **line.outputs("order_tx"), **line.outputs("feed_a_tx"),
            "queries": In(stream.Signature(IgmpQuery, always_ready=True)),
            "link_fault": In(1), "igmp_version": In(2), "group_ip": In(32), "join": In(1),
            "feed_mac": In(48), "feed_address": In(32),
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "coming": In(EventComing(profile)),
            "sides": In(stream.Signature(SideDepth(profile), always_ready=True)),
            "books_cleared": In(1),
            "vectors": Out(stream.Signature(FeatureVector(profile), always_ready=True)),
            "scores": Out(stream.Signature(Score(profile), always_ready=True)),
            "tradable": In(profile.symbols), "spoilt": In(profile.symbols),
            "short_restricted": In(profile.symbols), "feed_up": In(1),
            "context_tag": Out(TAG_BITS), "context_busy": In(1), "context": In(MessageContext),
            "now_cycles": In(48), "now_ns": In(64),
            "stock_write": In(1), "stock_index": In(profile.symbol_bits), "stock": In(64),
            "max_frame_bytes": In(14),
            "events": Out(stream.Signature(RecordRow)),
            "counts": Out(len(self.counters)),
            "empty": Out(1),
            **{name: member.flip() for name, member in register_members(profile).items()},
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.elastic = elastic = LINES[self.profile.line].crossing()
        m.submodules.receiver = receiver = LINES[self.profile.line].receiver()
        m.submodules.decision = decision = DecisionPath(self.profile)
        m.submodules.session = session = OrderSession(self.profile)
        m.submodules.recorder = recorder = OrderRecorder(
            self.profile, ingress_cycles=INGRESS_CYCLES)
        m.submodules.histogram = histogram = LatencyHistogram(HISTOGRAM_BINS)
        m.submodules.member = member = IgmpMember()

        def feed(source, *sinks):
            for sink in sinks:
                m.d.comb += [sink.valid.eq(source.valid),
                             Value.cast(sink.p).eq(Value.cast(source.p))]

        # From books to the wire, and back from it.
        feed(self.tops, decision.tops)
        feed(self.sides, decision.sides)
        feed(decision.vectors, self.vectors)
        feed(decision.scores, self.scores)
        m.d.comb += [
            elastic.line.data.eq(self.order_rx_data),
            elastic.line.control.eq(self.order_rx_control),
            Value.cast(receiver.word).eq(Value.cast(elastic.word)),
            receiver.now_cycles.eq(self.now_cycles),
            receiver.cfg_max_frame_bytes.eq(self.max_frame_bytes),
            Value.cast(decision.coming).eq(Value.cast(self.coming)),
            decision.books_cleared.eq(self.books_cleared),
            decision.tradable.eq(self.tradable), decision.spoilt.eq(self.spoilt),
            decision.short_restricted.eq(self.short_restricted),
            decision.feed_up.eq(self.feed_up),
            decision.session_up.eq(session.up), decision.now_ns.eq(self.now_ns),
            session.now_cycles.eq(self.now_cycles), session.now_ns.eq(self.now_ns),
            self.order_tx_data.eq(session.data), self.order_tx_control.eq(session.control),
            self.feed_a_tx_data.eq(session.aside_data),
            self.feed_a_tx_control.eq(session.aside_control),
            member.link_fault.eq(self.link_fault), member.cfg_version.eq(self.igmp_version),
            member.cfg_join.eq(self.join), member.cfg_group.eq(self.group_ip),
            member.now_ns.eq(self.now_ns), member.taken.eq(session.membership_taken),
            session.membership.eq(member.due), session.version_3.eq(member.version_3),
            session.leave.eq(member.leave), session.change.eq(member.change),
            session.group.eq(member.group), session.feed_mac.eq(self.feed_mac),
            session.feed_address.eq(self.feed_address),
        ]
        wiring.connect(m, decision.requests, session.requests)
        feed(receiver.beats, session.beats)
        feed(receiver.verdicts, session.verdicts)
        feed(self.queries, member.queries)
        feed(session.sent, decision.sent, recorder.sent)
        feed(session.answers, decision.answers, recorder.answers)
        feed(decision.verdicts, recorder.verdicts)

        # Records.
        m.d.comb += [
            recorder.decided.eq(decision.decided),
            self.context_tag.eq(recorder.context_tag), recorder.context.eq(self.context),
            recorder.context_busy.eq(self.context_busy),
            recorder.state.armed.eq(decision.armed), recorder.state.killed.eq(decision.killed),
            recorder.state.feed_up.eq(self.feed_up), recorder.state.session_up.eq(session.up),
            recorder.state.model_loaded.eq(decision.model_loaded),
            recorder.state.cause.eq(self._causes(m, decision)),
            recorder.state.tcp_state.eq(session.tcp_state),
            recorder.state.close_reason.eq(session.close_reason),
            recorder.state.session_state.eq(session.session_state),
            recorder.state.reject_reason.eq(session.reject_reason),
            recorder.state.epoch.eq(decision.epoch),
            recorder.state.limits_version.eq(decision.limits_version),
            recorder.cash.eq(decision.cash), recorder.turnover.eq(decision.turnover),
            recorder.session_sequence.eq(session.next_sequence),
            recorder.next_user_ref_num.eq(session.user_ref_num),
            recorder.now_cycles.eq(self.now_cycles), recorder.now_ns.eq(self.now_ns),
            decision.fault.eq((recorder.nearly_full & decision.armed) | recorder.lost),
            self.empty.eq(recorder.empty),
            histogram.measured.eq(recorder.measured),
            histogram.latency_cycles.eq(recorder.latency_cycles),
        ]
        wiring.connect(m, recorder.events, wiring.flipped(self.events))

        self._counts(m, decision=decision, session=session, receiver=receiver, elastic=elastic,
                     recorder=recorder, member=member)
        self._decision_registers(m, decision, session)
        self._session_registers(m, session)
        self._tables(m, decision)
        m.d.comb += [
            histogram.bin.eq(self.latency_bin), histogram.clear.eq(self.latency_clear),
            self.latency_count.eq(histogram.count), self.latency_orders.eq(histogram.orders),
            self.latency_minimum.eq(histogram.minimum),
            self.latency_maximum.eq(histogram.maximum),
        ]

        return m

    def _wide(self, name: str, width: int) -> Value:
        """Return registers ``<name>_lo`` and ``<name>_hi`` as one value."""
        return Value.cast(Cat(getattr(self, f"{name}_lo"), getattr(self, f"{name}_hi"))[:width])

    def _text(self, name: str, words: int) -> Value:
        return Value.cast(Cat(getattr(self, f"{name}_{n}") for n in range(words)))

    def _causes(self, m, decision) -> Value:
        """Connect ``risk.cause``; return its bits, which are in the order of the register."""
        bits = {"watchdog": decision.cause[len(KILL_CAUSES)]}
        for bit, cause in enumerate(KILL_CAUSES):
            bits[_CAUSES[cause]] = decision.cause[bit]
        fields = next(register for register in RISK.registers if register.name == "cause").fields
        for field in fields:
            m.d.comb += getattr(self, f"risk_cause_{field.name}").eq(bits[field.name])
        return Value.cast(Cat(bits[field.name] for field in fields))

    def _counts(self, m, **parts) -> None:
        """Connect the pulses of the counters."""
        decision, session = parts["decision"], parts["session"]
        verdict, model = decision.verdicts, decision.model_cfg
        refused = Signal(64)
        enters, cancels, any_refused = Signal(), Signal(), Signal()
        answers, executions = Signal(), Signal()
        cancel = session.sent.p.kind == IntentKind.CANCEL
        m.d.sync += [
            refused.eq(Mux(verdict.valid, verdict.p.mask, 0)),
            any_refused.eq(verdict.valid & verdict.p.mask.any()),
            enters.eq(session.sent.valid & ~cancel), cancels.eq(session.sent.valid & cancel),
            answers.eq(session.answers.valid),
            executions.eq(session.answers.valid & (
                session.answers.p.kind == AnswerKind.EXECUTED)),
        ]
        pulses = {
            "model.write_refused": model.write_refused, "model.swaps": model.swapped,
            "model.swap_refused": model.swap_refused, "risk.refused": any_refused,
            "order.enters": enters, "order.cancels": cancels, "order.answers": answers,
            "order.executions": executions,
            **{f"risk.refused_{check.name.lower()}": refused[check - 1] for check in Check},
            **{name: getattr(parts[part], pulse) for name, (part, pulse) in _COUNTERS.items()},
        }
        for bit, name in enumerate(self.counters):
            m.d.comb += self.counts[bit].eq(pulses[name])

    def _decision_registers(self, m, decision, session) -> None:
        """Connect the blocks ``model``, ``risk`` and ``account``."""
        model = decision.model_cfg
        for name in ("bank", "address", "data", "write", "read_bank", "read_address", "swap",
                     "swap_bank", "swap_epoch", "expected_epoch"):
            m.d.comb += getattr(model, name).eq(getattr(self, f"model_{name}"))
        # An address beyond the port's width must not alias one inside.
        with m.If(self.model_address[len(model.address):].any()):
            m.d.comb += model.write.eq(0)
        m.d.comb += [
            self.model_read_data.eq(model.read_data), self.model_epoch.eq(decision.epoch),
            self.model_state_loaded.eq(decision.model_loaded),
            self.model_state_active_bank.eq(decision.active_bank),

            decision.arm.eq(self.risk_command_arm), decision.disarm.eq(self.risk_command_disarm),
            decision.kill.eq(self.risk_command_kill),
            decision.clear.eq(self.risk_command_clear_kill),
            decision.sweep.eq(self.risk_command_cancel_all),
            decision.heartbeat.eq(self.risk_heartbeat),
            decision.cfg_timeout_ns.eq(self._wide("risk_watchdog_timeout", 40)),
            decision.cfg_interval_ns.eq(self.risk_message_interval),
            decision.cfg_burst_ns.eq(self.risk_message_burst),
            decision.cfg_hold_ns.eq(self.risk_hold),
            decision.cfg_cancel_on_kill.eq(self.risk_cancel_on_kill),
            self.risk_state_armed.eq(decision.armed), self.risk_state_killed.eq(decision.killed),
            self.risk_state_feed_up.eq(self.feed_up), self.risk_state_session_up.eq(session.up),
            self.risk_state_orders_ready.eq(decision.ready),
            self.risk_state_sweeping.eq(decision.sweeping),
            self.risk_limits_version.eq(decision.limits_version),

            Cat(self.account_cash_lo, self.account_cash_hi).eq(decision.cash),
            Cat(self.account_turnover_lo, self.account_turnover_hi).eq(decision.turnover),
        ]

    def _session_registers(self, m, session) -> None:
        """Connect the blocks ``session`` and ``arp_cache``, and the names of symbols."""
        settings = {
            "enable": self.session_enable,
            "local_mac": self._wide("session_local_mac", 48),
            "local_address": self.session_local_address, "local_port": self.session_local_port,
            "peer_address": self.session_peer_address, "peer_port": self.session_peer_port,
            "next_hop": self.session_next_hop, "static": self.session_static,
            "static_mac": self._wide("session_static_mac", 48),
            "retry_ns": self.session_arp_retry,
            "initial_sequence": self.session_initial_sequence,
            "retransmit_ns": self.session_retransmit, "retries": self.session_retries,
            "time_wait_ns": self._wide("session_time_wait", 36),
            "username": self._text("session_username", 2),
            "password": self._text("session_password", 3),
            "session": self._text("session_requested", 3),
            "sequence": self._text("session_sequence", 5),
            "heartbeat_ns": self._wide("session_heartbeat", 36),
            "peer_timeout_ns": self._wide("session_peer_timeout", 36),
            "user_ref_num": self.session_user_ref_num,
            "user_ref_num_load": self.session_command_load_user_ref_num,
            "symbol_index": self.stock_index, "symbol_write": self.stock_write,
            "symbol": Cat(self.stock.word_select(n, 8) for n in reversed(range(8))),
        }
        for name, value in settings.items():
            m.d.comb += getattr(session, f"cfg_{name}").eq(value)
        order = session.cfg_order
        for name in ("buy", "sell", "ioc", "day"):
            m.d.comb += order[f"{name}_code"].eq(getattr(self, f"session_order_codes_{name}"))
        m.d.comb += order.short_code.eq(self.session_order_short_code)
        for name in ("display", "capacity", "sweep", "cross_type"):
            m.d.comb += order[name].eq(getattr(self, f"session_order_terms_{name}"))
        m.d.comb += [
            order.cl_ord_id.eq(self._text("session_cl_ord_id", 4)),
            order.cl_ord_id_hex.eq(self.session_order_options_cl_ord_id_hex),
            order.firm_enable.eq(self.session_order_options_firm),
            order.firm.eq(self._text("session_firm", 1)),
            session.query.eq(self.session_command_query),
            session.abort.eq(self.session_command_abort),

            self.session_state_tcp.eq(session.tcp_state),
            self.session_state_close_reason.eq(session.close_reason),
            self.session_state_session.eq(session.session_state),
            self.session_state_up.eq(session.up),
            self.session_state_day_ended.eq(session.day_ended),
            self.session_reject_reason.eq(session.reject_reason),
            Cat(self.session_next_sequence_lo, self.session_next_sequence_hi).eq(
                session.next_sequence),
            Cat(self.session_joined_0, self.session_joined_1, self.session_joined_2).eq(
                session.session),
            self.session_next_user_ref_num.eq(session.user_ref_num),
            self.session_venue_user_ref_num.eq(session.next_user_ref_num),

            session.cfg_entry.eq(self.arp_cache_entry),
            session.cfg_entry_half.eq(self.arp_cache_half),
            session.cfg_entry_data.eq(self.arp_cache_data),
            session.entry_write.eq(self.arp_cache_command_write),
            session.entry_set.eq(self.arp_cache_command_set),
            session.entry_clear.eq(self.arp_cache_command_clear),
            self.arp_cache_read_data.eq(session.entry_data),
            self.arp_cache_used.eq(session.entries_used),
            self.arp_cache_fixed.eq(session.entries_fixed),
        ]

    def _tables(self, m, decision) -> None:
        """Connect the arrays ``strategy``, ``limits`` and ``positions``."""
        blocks = {block.name: block for block in register_map(symbols=self.profile.symbols).blocks}
        for name, port in (("strategy", decision.strategy_cfg), ("limits", decision.limits_cfg)):
            for member in ("word", "data", "write", "row", "commit", "revoke", "read_row",
                           "read_word"):
                m.d.comb += getattr(port, member).eq(getattr(self, f"{name}_{member}"))
            state = blocks[name].registers.index(ROW_STATE)
            of_state = Signal(name=f"{name}_of_state")
            m.d.sync += of_state.eq(getattr(self, f"{name}_read_word") == state)
            m.d.comb += getattr(self, f"{name}_read_data").eq(Mux(
                of_state, Cat(port.read_loaded, C(0, 15), port.read_version), port.read_data))

        # The exposure comes a cycle after its row, as the word does.
        m.submodules.exposure_words = words = ExposureWords()
        m.d.comb += [
            decision.read_symbol.eq(self.positions_read_row),
            decision.load.eq(self.positions_load),
            decision.load_symbol.eq(self.positions_row),
            decision.load_position.eq(self.account_load_position),
            Value.cast(words.exposure).eq(Value.cast(decision.read_exposure)),
            words.word.eq(self.positions_read_word), words.read.eq(self.positions_read),
            self.positions_read_data.eq(words.data),
        ]
