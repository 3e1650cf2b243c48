"""What stands where the order side and the management port would be, in a core that only reads."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.csr.bus import CsrBus
from hdl.net.xgmii import IDLE_WORD
from hdl.order_side import OrderSide
from hdl.profile import Profile
from hdl.telemetry.message_recorder import RecordWord
from proto.events import EVENT_BYTES

__all__ = ["NoManagement", "NoOrders"]


class NoOrders(OrderSide):
    """The ports of the order side, and nothing behind them: no order, no record, no count.

    Latency: none; the line is idle and every register reads 0.
    """

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.order_tx_data.eq(IDLE_WORD["data"]),
            self.order_tx_control.eq(IDLE_WORD["control"]),
            self.feed_a_tx_data.eq(IDLE_WORD["data"]),
            self.feed_a_tx_control.eq(IDLE_WORD["control"]),
            self.empty.eq(1),
        ]
        return m


class NoManagement(wiring.Component):
    """Registers and records for the simulation alone; the management line is idle.

    Latency: none.

    Parameters
    ----------
    profile : Profile
        Not used.

    Members
    -------
    As of :class:`~hdl.csr.management_side.ManagementSide`.

    Attributes
    ----------
    counters : tuple of str
        None.
    """

    def __init__(self, profile: Profile):
        self.counters = ()
        record = stream.Signature(8 * EVENT_BYTES)
        super().__init__({
            "management_rx_data":    In(64),
            "management_rx_control": In(8),
            "management_tx_data":    Out(64),
            "management_tx_control": Out(8),
            "direct":   In(CsrBus),
            "bus":      Out(CsrBus),
            "records":  In(record),
            "events":   Out(record),
            "words":      In(stream.Signature(RecordWord)),
            "feed_words": Out(stream.Signature(RecordWord)),
            "now_ns":   In(64),
            "mac":      In(48),
            "address":  In(32),
            "udp_port": In(16),
            "open":     Out(1),
            "counts":   Out(0),
        })

    def elaborate(self, platform):
        m = Module()
        connect(m, flipped(self.direct), flipped(self.bus))
        connect(m, flipped(self.records), flipped(self.events))
        connect(m, flipped(self.words), flipped(self.feed_words))
        m.d.comb += [
            self.management_tx_data.eq(IDLE_WORD["data"]),
            self.management_tx_control.eq(IDLE_WORD["control"]),
        ]
        return m
