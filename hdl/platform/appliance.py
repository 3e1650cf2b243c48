"""The whole core with the ports that the simulated appliance drives."""

from hdl.platform.simulation import SimulationTop
from hdl.profile import PROFILES
from hdl.top import Top

__all__ = ["simulated_appliance"]


def simulated_appliance(*, profile: str = "sim", trading: bool = True) -> SimulationTop:
    """Return the core of a named profile, all its clocks from one.

    Parameters
    ----------
    profile : str
        Sizes, by name.
    trading : bool
        Whether it has an order side and a management port.

    Raises
    ------
    ValueError
        If there is no such profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, was {profile!r}")
    return SimulationTop(Top(PROFILES[profile], trading=trading), domains=("rx",))
