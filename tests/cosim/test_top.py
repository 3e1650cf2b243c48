"""The emitted Verilog of the whole core behind cocotb's XGMII models."""

import pytest

from tests.support.data import data_path
from tests.support.verilog import cosimulate

pytestmark = pytest.mark.cosim


def test_top():
    data_path("nasdaq-itch50")  # a test inside the simulation cannot skip
    cosimulate("tests.cosim.appliance_top:top", "tests.cosim.top_bench")
