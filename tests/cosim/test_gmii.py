"""The emitted Verilog of GMII and RGMII lines behind cocotb's models."""

from pathlib import Path

import pytest

from tests.support.verilog import cosimulate

pytestmark = pytest.mark.cosim


def test_gmii_line():
    cosimulate("tests.cosim.gmii_top:GmiiTop", "tests.cosim.gmii_bench", {"buffer_bytes": 16384})


def test_rgmii_pins():
    cosimulate("tests.cosim.rgmii_top:RgmiiTop", "tests.cosim.rgmii_bench",
               models=[Path(__file__).with_name("ecp5_io.v")])
