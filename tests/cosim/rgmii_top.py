"""The RGMII pins behind plain ports, for cocotb's models."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.platform.rgmii import Rgmii

__all__ = ["RgmiiTop"]


class RgmiiTop(wiring.Component):
    """The pins, and GMII looped from the receiver to the transmitter; ``rx`` runs as ``sync``.

    Latency: none of its own. ``phy_clock`` is the clock as the PHY delays it; only the bench uses
    it.
    """

    rx_data: In(4)
    rx_control: In(1)
    tx_data: Out(4)
    tx_control: Out(1)
    tx_clock: Out(1)
    phy_clock: In(1)
    phy_clock_seen: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.rgmii = rgmii = Rgmii()
        m.d.comb += [
            rgmii.rx_data.eq(self.rx_data), rgmii.rx_control.eq(self.rx_control),
            self.tx_data.eq(rgmii.tx_data), self.tx_control.eq(rgmii.tx_control),
            self.tx_clock.eq(rgmii.tx_clock), rgmii.sent.eq(rgmii.received),
            self.phy_clock_seen.eq(self.phy_clock),
        ]
        return m
