"""cocotb test of the RGMII pins; run by test_gmii.py."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.eth import GmiiFrame, RgmiiSink, RgmiiSource

PERIOD_PS = 8000
#: What the PHY delays the transmit clock.
DELAY_PS = 2000


@cocotb.test()
async def frames_and_errors_come_back(dut):
    rng = random.Random(1)
    dut.rst.value = dut.rx_rst.value = 0
    dut.rx_data.value = dut.rx_control.value = 0
    Clock(dut.clk, PERIOD_PS, unit="ps").start()
    Clock(dut.rx_clk, PERIOD_PS, unit="ps").start()

    async def delay_clock():
        await RisingEdge(dut.tx_clock)
        await Timer(DELAY_PS, "ps")
        Clock(dut.phy_clock, PERIOD_PS, unit="ps").start()

    cocotb.start_soon(delay_clock())
    source = RgmiiSource(dut.rx_data, dut.rx_control, dut.rx_clk)
    sink = RgmiiSink(dut.tx_data, dut.tx_control, dut.phy_clock)
    for model in (source, sink):
        model.log.setLevel("WARNING")
    for _ in range(8):
        await RisingEdge(dut.clk)
    sent = []
    for _ in range(20):
        frame = GmiiFrame.from_payload(rng.randbytes(rng.randrange(46, 100)))
        if rng.random() < 0.5:
            wrong = rng.randrange(8, len(frame.data))
            frame.error = [int(place == wrong) for place in range(len(frame.data))]
        sent.append((bytes(frame.data), list(frame.error or [])))
        await source.send(frame)
    for data, error in sent:
        frame = await sink.recv()
        assert bytes(frame.data) == data
        assert any(frame.error or []) == any(error)
        if any(error):
            assert list(frame.error) == error
    assert sink.empty()
