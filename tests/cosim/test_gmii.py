"""The emitted Verilog of the GMII line behind cocotb's models."""

import pytest

from tests.support.verilog import cosimulate

pytestmark = pytest.mark.cosim


def test_gmii_line():
    cosimulate("tests.cosim.gmii_top:GmiiTop", "tests.cosim.gmii_bench", {"buffer_bytes": 16384})
