"""The core as a board has it: the three ports, and nothing of a simulation."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.net.line import LINES
from hdl.profile import Profile
from hdl.top import Top

__all__ = ["BoardCore"]

_PORTS = ("feed_a", "order", "management")


class BoardCore(wiring.Component):
    """:class:`~hdl.top.Top` with its lines alone: registers and events go by the management port.

    Latency: none of its own. What drives a simulation is tied as the core's docstring says: no
    access to the registers but by the management port, no reader of events but its host, and the
    time is that of the clock.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    feed_a_rx_data, order_rx_data, management_rx_data, with ``_control`` : ``In``
        The lines, as the profile says; domain ``rx``.
    feed_a_tx_data, order_tx_data, management_tx_data, with ``_control`` : ``Out``
        The lines.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        line = LINES[profile.line]
        super().__init__({
            name: member for port in _PORTS for name, member in
            {**line.inputs(f"{port}_rx"), **line.outputs(f"{port}_tx")}.items()})

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
