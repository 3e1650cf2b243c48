"""The emitted Verilog of the receive path behind cocotb's XGMII model."""

import pytest

from tests.support.verilog import cosimulate

pytestmark = pytest.mark.cosim


def test_receive_path():
    cosimulate("tests.cosim.mac_top:MacTop", "tests.cosim.mac_bench", {"buffer_bytes": 16384})
