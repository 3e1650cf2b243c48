"""The order port behind plain ports, with fixed settings, for the bus models of cocotb."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.net.elastic_buffer import ElasticBuffer
from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.net.xgmii_receiver import XgmiiReceiver
from hdl.order.order_session import OrderSession
from hdl.order.soupbin_session import SessionState
from hdl.orders import OrderRequest, OrderSent, VenueAnswer
from hdl.profile import PROFILES
from hdl.telemetry.nanosecond_clock import NanosecondClock

__all__ = ["LOCAL", "LOCAL_MAC", "LOCAL_PORT", "PASSWORD", "PEER", "PEER_PORT", "PROFILE",
           "PULSES", "SETTINGS", "SYMBOL", "USERNAME", "OrderPortTop"]

PROFILE = PROFILES["bench"]

LOCAL_MAC, LOCAL, LOCAL_PORT = 0x020000000001, 0x0A000001, 40000
PEER, PEER_PORT = 0x0A0000FE, 8083
USERNAME, PASSWORD, SYMBOL = "TEST", "PASSWORD", "AAPL"


def _lanes(text: str, characters: int) -> int:
    """Return a text as the hardware takes it: padded, the first character in the lowest bits."""
    return int.from_bytes(text.ljust(characters).encode(), "little")


#: Timers are some thousand cycles, so that a test sees them expire.
SETTINGS = {
    "local_mac": LOCAL_MAC, "local_address": LOCAL, "local_port": LOCAL_PORT,
    "peer_address": PEER, "peer_port": PEER_PORT, "next_hop": PEER, "retry_ns": 20_000,
    "initial_sequence": 0xFFFFFFF0, "retransmit_ns": 15_000, "retries": 8,
    "time_wait_ns": 10_000, "heartbeat_ns": 25_000, "peer_timeout_ns": 60_000,
    "username": _lanes(USERNAME, 6), "password": _lanes(PASSWORD, 10), "session": _lanes("", 10),
    "sequence": _lanes(f"{1:>20}", 20),
    "symbol": _lanes(SYMBOL, 8), "symbol_index": 0, "symbol_write": 1,
}
_ORDER = {
    "buy_code": ord("B"), "sell_code": ord("S"), "short_code": ord("T"),
    "ioc_code": ord("3"), "day_code": ord("0"),
    "display": ord("Y"), "capacity": ord("P"), "sweep": ord("N"), "cross_type": ord("N"),
    "cl_ord_id": _lanes("TW000000000000", 14), "cl_ord_id_hex": 1,
}

#: Pulses, in the order of their bits in ``pulses``; those of the receiver are its first two.
PULSES = ("frames_good", "bad_fcs", "line_frames", "line_underrun", "parser_bad_checksum",
          "connection_retransmitted", "connection_out_of_order", "connection_duplicate",
          "soup_sequenced", "soup_heartbeats", "soup_protocol_error", "soup_peer_timeout",
          "decoder_malformed", "decoder_unknown")


class OrderPortTop(wiring.Component):
    """Elastic buffer, receiver and order session; received XGMII in domain ``rx``."""

    rxd: In(64)
    rxc: In(8)
    txd: Out(64)
    txc: Out(8)
    enable: In(1)
    request: In(OrderRequest(PROFILE))
    request_valid: In(1)
    request_ready: Out(1)
    sent: Out(OrderSent(PROFILE))
    sent_valid: Out(1)
    answer: Out(VenueAnswer)
    answer_valid: Out(1)
    up: Out(1)
    tcp_state: Out(TcpState)
    close_reason: Out(CloseReason)
    session_state: Out(SessionState)
    now_cycles: Out(48)
    pulses: Out(len(PULSES))

    def elaborate(self, platform):
        m = Module()
        m.submodules.elastic = elastic = ElasticBuffer()
        m.submodules.receiver = receiver = XgmiiReceiver()
        m.submodules.session = session = OrderSession(PROFILE)
        m.submodules.clock = clock = NanosecondClock(PROFILE.core_hz)
        connect(m, receiver.beats, session.beats)
        connect(m, receiver.verdicts, session.verdicts)
        for name, value in SETTINGS.items():
            m.d.comb += getattr(session, f"cfg_{name}").eq(value)
        for name, value in _ORDER.items():
            m.d.comb += session.cfg_order[name].eq(value)
        m.d.sync += self.now_cycles.eq(self.now_cycles + 1)
        m.d.comb += [
            elastic.line.data.eq(self.rxd), elastic.line.control.eq(self.rxc),
            receiver.word.eq(elastic.word), receiver.now_cycles.eq(self.now_cycles),
            session.now_cycles.eq(self.now_cycles), session.now_ns.eq(clock.now_ns),
            self.txd.eq(session.data), self.txc.eq(session.control),
            session.cfg_enable.eq(self.enable),
            Value.cast(session.requests.p).eq(Value.cast(self.request)),
            session.requests.valid.eq(self.request_valid),
            self.request_ready.eq(session.requests.ready),
            Value.cast(self.sent).eq(Value.cast(session.sent.p)),
            self.sent_valid.eq(session.sent.valid),
            Value.cast(self.answer).eq(Value.cast(session.answers.p)),
            self.answer_valid.eq(session.answers.valid),
            self.up.eq(session.up), self.tcp_state.eq(session.tcp_state),
            self.close_reason.eq(session.close_reason),
            self.session_state.eq(session.session_state),
            self.pulses.eq(Cat(*(getattr(receiver, f"stat_{name}") for name in PULSES[:2]),
                               *(getattr(session, f"stat_{name}") for name in PULSES[2:]))),
        ]
        return m
