"""Two masters on the bus of the registers."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.csr.bus import CsrBus

__all__ = ["BusArbiter"]


class BusArbiter(wiring.Component):
    """Let a second master use the bus in the cycles in which the first one does not.

    Latency: 0 cycles, `first` or `second` to `bus`. Throughput: 1 access per cycle. The first
    master never waits; the second holds its access until `taken`.

    Members
    -------
    first, second : ``In(CsrBus)``
        From the masters; ``read_data`` of either is that of the bus, so each knows its own by the
        latency. An address without ``read`` or ``write`` is none.
    taken : ``Out(1)``
        The access of the second master is on the bus in this cycle.
    bus : ``Out(CsrBus)``
        To the registers; unless the first master has an access, all of it is the second's.
    """

    first: In(CsrBus)
    second: In(CsrBus)
    taken: Out(1)
    bus: Out(CsrBus)

    def elaborate(self, platform):
        m = Module()

        # The second master's strobes choose nothing: its address has far to go.
        first = self.first.read | self.first.write
        m.d.comb += self.taken.eq((self.second.read | self.second.write) & ~first)
        for name in ("address", "write_data", "write", "read"):
            m.d.comb += getattr(self.bus, name).eq(
                Mux(first, getattr(self.first, name), getattr(self.second, name)))
        for master in (self.first, self.second):
            m.d.comb += master.read_data.eq(self.bus.read_data)

        return m
