"""What stands where the order side and the management port would be, in a core that only reads."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.csr.bus import CsrBus
from hdl.net.line import LINES
from hdl.order_side import OrderSide
from hdl.profile import Profile
from hdl.telemetry.event_ring import RecordRow
from hdl.telemetry.message_recorder import RecordWord

__all__ = ["NoManagement", "NoOrders"]


class NoOrders(OrderSide):
    """The ports of the order side, and nothing behind them: no order, no record, no count.

    Latency: none; the line is idle and every register reads 0.
    """

    def elaborate(self, platform):
        m = Module()
        idle = LINES[self.profile.line].idle
        m.d.comb += [
            self.order_tx_data.eq(idle["data"]), self.order_tx_control.eq(idle["control"]),
            self.feed_a_tx_data.eq(idle["data"]), self.feed_a_tx_control.eq(idle["control"]),
            self.empty.eq(1),
        ]
        return m


class NoManagement(wiring.Component):
    """Registers and records for the simulation alone; the management line is idle.

    Latency: none.

    Parameters
    ----------
    profile : Profile
        Its line fixes the ports.

    Members
    -------
    As of :class:`~hdl.csr.management_side.ManagementSide`.

    Attributes
    ----------
    counters : tuple of str
        None.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.counters = ()
        record = stream.Signature(RecordRow)
        super().__init__({
            **LINES[profile.line].inputs("management_rx"),
            **LINES[profile.line].outputs("management_tx"),
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
        idle = LINES[self.profile.line].idle
        m.d.comb += [self.management_tx_data.eq(idle["data"]),
                     self.management_tx_control.eq(idle["control"])]
        return m
