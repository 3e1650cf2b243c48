"""A TAP device for a test: skipped where there can be none, failed where there must be one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sim.tap import Tap, TapUnavailableError

__all__ = ["tap_with_address"]


@contextmanager
def tap_with_address(address: str) -> Iterator[Tap]:
    """Make a device at whose other end the kernel has `address`, with its prefix length."""
    try:
        made = Tap(f"tw{os.getpid()}", address)
    except TapUnavailableError as error:
        if os.environ.get("TICKWIRE_REQUIRE_DATA") == "1":
            pytest.fail(f"TAP is required: {error}")
        pytest.skip(str(error))
    with made:
        yield made
