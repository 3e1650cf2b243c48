"""The whole core for the bus models of cocotb, each clock by itself."""

from hdl.profile import PROFILES
from hdl.top import Top

__all__ = ["PROFILE", "top"]

PROFILE = PROFILES["bench"]


def top() -> Top:
    """Return the core in its small size."""
    return Top(PROFILE)
