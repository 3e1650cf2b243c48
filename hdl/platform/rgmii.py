"""RGMII pins of an ECP5 to GMII and back, by the DDR cells of its pins.

Ref: RGMII 2.0; Lattice FPGA-TN-02032, ECP5 sysI/O; IDDRX1F and ODDRX1F of its library.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.net.gmii import IDLE_BYTE, GmiiByte

__all__ = ["Rgmii"]


class Rgmii(wiring.Component):
    """Convert between RGMII at 1 Gb/s and GMII.

    The lower half of a byte and enable go with the rising edge of the clock, the upper half and
    enable XOR error with the falling one. Clock and data leave, and are expected, edge-aligned at
    the FPGA: the delays of 2 ns on both ways are the PHY's (RGMII-ID), as its registers say.

    Latency: that of the cells (received, a cycle), and a register before or behind them.
    Throughput: 1 byte per cycle.

    Members
    -------
    rx_data, rx_control : ``In(4)``, ``In(1)``
        RXD and RX_CTL, from the pins; the domain ``rx`` has RXC as its clock.
    tx_data, tx_control, tx_clock : ``Out(4)``, ``Out(1)``, ``Out(1)``
        TXD, TX_CTL and TXC, to the pins; of ``sync``.
    received : ``Out(GmiiByte)``
        What comes; domain ``rx``, from registers.
    sent : ``In(GmiiByte)``
        What leaves; domain ``sync``.
    """

    rx_data: In(4)
    rx_control: In(1)
    tx_data: Out(4)
    tx_control: Out(1)
    tx_clock: Out(1)
    received: Out(GmiiByte, init=IDLE_BYTE)
    sent: In(GmiiByte, init=IDLE_BYTE)

    def elaborate(self, platform):
        m = Module()

        def take(pin: Value, name: str) -> tuple[Signal, Signal]:
            """Return what was at a pin at the rising edge and at the falling edge behind it."""
            rising, falling = Signal(name=f"{name}_rising"), Signal(name=f"{name}_falling")
            m.submodules[name] = Instance(
                "IDDRX1F", i_D=pin, i_SCLK=ClockSignal("rx"), i_RST=C(0), o_Q0=rising, o_Q1=falling)
            return rising, falling

        def give(rising: Value, falling: Value, pin: Value, name: str) -> None:
            m.submodules[name] = Instance(
                "ODDRX1F", i_D0=rising, i_D1=falling, i_SCLK=ClockSignal("sync"), i_RST=C(0),
                o_Q=pin)

        pairs = [take(self.rx_data[bit], f"take_{bit}") for bit in range(4)]
        enable, mixed = take(self.rx_control, "take_control")
        m.d.rx += [
            self.received.data.eq(Cat(*(low for low, _ in pairs), *(high for _, high in pairs))),
            self.received.control.eq(Cat(enable, enable ^ mixed)),
        ]

        leaving = Signal(GmiiByte)
        m.d.sync += leaving.eq(self.sent)
        for bit in range(4):
            give(leaving.data[bit], leaving.data[4 + bit], self.tx_data[bit], f"give_{bit}")
        give(leaving.enable, leaving.enable ^ leaving.error, self.tx_control, "give_control")
        give(C(1), C(0), self.tx_clock, "give_clock")
        return m
