"""docs/first-hour.md works, command by command; `make walk` writes its outputs anew."""

import os

import pytest

from demo.walk.__main__ import PAGE, walk
from tests.support.data import data_path

pytestmark = pytest.mark.e2e


def test_the_commands_of_the_first_hour_print_what_the_page_shows(tmp_path):
    if os.environ.get("TICKWIRE_REQUIRE_DATA") == "1":
        data_path("README.md")      # without, only the blocks that need captures are passed over
    assert walk(PAGE, tmp_path) == []
