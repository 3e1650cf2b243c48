"""The feed path behind plain ports, from the line to book operations, for cocotb."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.feed.feed_handler import FeedHandler
from hdl.net.datagram_receiver import DatagramReceiver
from hdl.net.elastic_buffer import ElasticBuffer
from hdl.profile import PROFILES
from hdl.records import BookOperation, MessageContext

__all__ = ["PROFILE", "RECEIVER_PULSES", "FEED_PULSES", "FeedTop"]

PROFILE = PROFILES["bench"]

#: Pulses, in the order of their bits in ``pulses``.
RECEIVER_PULSES = ("frames_good", "bad_fcs", "bad_udp_checksum", "other_destination", "dropped")
FEED_PULSES = ("packets", "messages", "heartbeats", "gaps", "duplicates", "foreign_session",
               "malformed", "operations", "admin", "unwatched", "unknown_type", "bad_length")


class FeedTop(wiring.Component):
    """Elastic buffer, datagram receiver and feed handler; XGMII in domain ``rx``.

    The first packet's session and sequence number are taken. `context` is that of the operation
    which transferred two cycles ago, with `context_valid`.
    """

    rxd: In(64)
    rxc: In(8)
    cut_through: In(1)
    group_ip: In(32)
    udp_port: In(16)
    restart: In(1)
    symbol_write: In(1)
    symbol_index: In(PROFILE.symbol_bits)
    symbol_locate: In(16)
    operation: Out(BookOperation(PROFILE))
    operation_valid: Out(1)
    operation_ready: In(1)
    context: Out(MessageContext)
    context_valid: Out(1)
    stale_symbols: Out(PROFILE.symbols)
    stream_stale: Out(1)
    pulses: Out(len(RECEIVER_PULSES) + len(FEED_PULSES))

    def elaborate(self, platform):
        m = Module()
        m.submodules.elastic = elastic = ElasticBuffer()
        m.submodules.receiver = receiver = DatagramReceiver(
            buffer_bytes=PROFILE.frame_buffer_bytes)
        m.submodules.feed = feed = FeedHandler(PROFILE)
        connect(m, receiver.beats, feed.beats)
        now_cycles = Signal(48)
        tag = Signal.like(feed.context_tag)
        taken = Signal(2)
        m.d.sync += [
            now_cycles.eq(now_cycles + 1),
            tag.eq(feed.operations.p.tag),
            taken.eq(Cat(feed.operations.valid & feed.operations.ready, taken)),
        ]
        m.d.comb += [
            elastic.line.data.eq(self.rxd), elastic.line.control.eq(self.rxc),
            receiver.word.eq(elastic.word), receiver.now_cycles.eq(now_cycles),
            receiver.cfg_cut_through.eq(self.cut_through), receiver.cfg_strict.eq(1),
            receiver.cfg_group_ip.eq(self.group_ip), receiver.cfg_udp_port.eq(self.udp_port),
            Value.cast(feed.datagram).eq(Value.cast(receiver.datagram)),
            Value.cast(feed.outcomes.payload).eq(Value.cast(receiver.outcomes.payload)),
            feed.outcomes.valid.eq(receiver.outcomes.valid),
            feed.cfg_enable.eq(1), feed.cfg_session_learn.eq(1), feed.cfg_sequence_learn.eq(1),
            feed.restart.eq(self.restart),
            feed.symbol_write.eq(self.symbol_write), feed.symbol_index.eq(self.symbol_index),
            feed.symbol_locate.eq(self.symbol_locate), feed.symbol_locate_valid.eq(1),
            feed.symbol_enable.eq(1),
            Value.cast(self.operation).eq(Value.cast(feed.operations.p)),
            self.operation_valid.eq(feed.operations.valid),
            feed.operations.ready.eq(self.operation_ready),
            feed.context_tag.eq(tag), self.context.eq(feed.context),
            self.context_valid.eq(taken[1]),
            self.stale_symbols.eq(feed.stale_symbols), self.stream_stale.eq(feed.stream_stale),
            self.pulses.eq(Cat(*(getattr(receiver, f"stat_{name}") for name in RECEIVER_PULSES),
                               *(getattr(feed, f"stat_{name}") for name in FEED_PULSES))),
        ]
        return m
