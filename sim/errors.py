"""The base class of what this package raises."""

__all__ = ["SimulationError"]


class SimulationError(Exception):
    """A capture, a build or a simulated appliance is not what it should be."""
