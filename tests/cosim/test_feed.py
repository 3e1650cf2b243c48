"""The emitted Verilog of the feed path behind cocotb's XGMII model."""

import pytest

from tests.support.data import data_path
from tests.support.verilog import cosimulate

pytestmark = pytest.mark.cosim


def test_feed_path():
    for needed in ("nasdaq-pcap", "nasdaq-itch50"):
        data_path(needed)  # a test inside the simulation cannot skip
    cosimulate("tests.cosim.feed_top:FeedTop", "tests.cosim.feed_bench")
