"""The emitted Verilog of the order port behind cocotb's XGMII models, against the exchange."""

import pytest

from tests.support.verilog import cosimulate

pytestmark = pytest.mark.cosim


def test_order_port():
    cosimulate("tests.cosim.order_port_top:OrderPortTop", "tests.cosim.order_port_bench")
