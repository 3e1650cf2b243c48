"""The core as a board has it: the three ports, and nothing of a simulation."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from hdl.top import Top

__all__ = ["BoardCore"]

_LINES = ("feed_a_rx", "order_rx", "management_rx", "feed_a_tx", "order_tx", "management_tx")


class BoardCore(wiring.Component):
    """:class:`~hdl.top.Top` with XGMII alone: registers and events go by the management port.

    Latency: none of its own. What drives a simulation is tied as the core's docstring says: no
    access to the registers but by the management port, no reader of events but its host, and the
    time is that of the clock.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    feed_a_rx_data, order_rx_data, management_rx_data : ``In(64)``, with ``_control`` : ``In(8)``
        XGMII, domain ``rx``.
    feed_a_tx_data, order_tx_data, management_tx_data : ``Out(64)``, with ``_control`` : ``Out(8)``
        XGMII.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            f"{line}_{part}": (In if line.endswith("rx") else Out)(width)
            for line in _LINES for part, width in (("data", 64), ("control", 8))})

    def elaborate(self, platform):
        m = Module()

        m.submodules.core = core = Top(self.profile)
        for name, member in self.signature.members.items():
            ours, theirs = getattr(self, name), getattr(core, name)
            m.d.comb += theirs.eq(ours) if member.flow == In else ours.eq(theirs)
        m.d.comb += [
            core.csr_address.eq(0), core.csr_write_data.eq(0), core.csr_write.eq(0),
            core.csr_read.eq(0), core.events_ready.eq(0), core.words_ready.eq(0),
            core.time_ns.eq(0), core.time_hold.eq(0),
        ]

        return m
