"""A small design with the ports of an appliance, to prove the simulation's plumbing with."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.platform.simulation import SimulationTop

__all__ = ["GmiiEcho", "StandIn", "simulated_gmii_echo", "simulated_stand_in"]

#: Cycles for which ``feed_ready`` is low after a frame began.
HOLD_CYCLES = 100


class StandIn(wiring.Component):
    """Echo the feed on the order port one cycle later; emit an event for each Start.

    Registers: 0 is read-write, 4 counts Starts, 8 counts bytes of error characters. A word of
    an event holds the counter of Starts; the rest a pattern.
    """

    feed_a_rx_data: In(64)
    feed_a_rx_control: In(8)
    order_tx_data: Out(64, init=0x0707070707070707)
    order_tx_control: Out(8, init=0xFF)
    csr_address: In(16)
    csr_write_data: In(32)
    csr_write: In(1)
    csr_read: In(1)
    csr_read_data: Out(32)
    events_payload: Out(512)
    events_valid: Out(1)
    events_ready: In(1)
    feed_ready: Out(1)
    idle: Out(1)
    now_cycles: Out(48)

    def elaborate(self, platform):
        m = Module()

        m.d.sync += self.now_cycles.eq(self.now_cycles + 1)
        m.d.sync += self.order_tx_data.eq(self.feed_a_rx_data)
        m.d.sync += self.order_tx_control.eq(self.feed_a_rx_control)

        start = Signal()
        lanes = [self.feed_a_rx_control[i] & (self.feed_a_rx_data.word_select(i, 8) == 0xFB)
                 for i in (0, 4)]
        errors = Signal(8)
        m.d.comb += start.eq(Cat(lanes).any())
        m.d.comb += errors.eq(Cat(
            self.feed_a_rx_control[i] & (self.feed_a_rx_data.word_select(i, 8) == 0xFE)
            for i in range(8)))

        scratch, starts, bad, hold = Signal(32), Signal(32), Signal(32), Signal(range(200))
        with m.If(errors.any()):
            m.d.sync += bad.eq(bad + 1)
        with m.If(hold != 0):
            m.d.sync += hold.eq(hold - 1)
        with m.If(start):
            m.d.sync += [starts.eq(starts + 1), hold.eq(HOLD_CYCLES)]
        m.d.comb += [self.feed_ready.eq(hold == 0), self.idle.eq(hold == 0)]

        address = Signal(16)
        m.d.sync += address.eq(self.csr_address)
        with m.If(self.csr_write & (self.csr_address == 0)):
            m.d.sync += scratch.eq(self.csr_write_data)
        with m.Switch(address):
            for where, register in ((0, scratch), (4, starts), (8, bad)):
                with m.Case(where):
                    m.d.sync += self.csr_read_data.eq(register)

        with m.If(self.events_ready):
            m.d.sync += self.events_valid.eq(0)
        with m.If(start):
            m.d.sync += self.events_valid.eq(1)
            m.d.sync += self.events_payload.eq(
                Cat(starts, C(0x11111111, 32), C(0x22222222, 32), C(0, 400), C(0xAB, 16)))

        return m


def simulated_stand_in() -> SimulationTop:
    """Return the design with clock and reset."""
    return SimulationTop(StandIn())


class GmiiEcho(wiring.Component):
    """Echo the feed, a GMII line, on the order port one cycle later.

    Latency: 1 cycle, `feed_a_rx_data` to `order_tx_data`.
    """

    feed_a_rx_data: In(8)
    feed_a_rx_control: In(2)
    order_tx_data: Out(8)
    order_tx_control: Out(2)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += [self.order_tx_data.eq(self.feed_a_rx_data),
                     self.order_tx_control.eq(self.feed_a_rx_control)]
        return m


def simulated_gmii_echo() -> SimulationTop:
    """Return the echo with clock and reset."""
    return SimulationTop(GmiiEcho())
