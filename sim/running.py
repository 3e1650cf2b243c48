"""A simulated appliance that keeps running, managed over UDP: ``python -m sim run``."""

import time
from collections.abc import Callable

from sim.library import Line, Simulation
from sim.management_bridge import ManagementBridge

__all__ = ["run_managed"]

#: Cycles between two looks at the socket.
_CHUNK_CYCLES = 1024
#: How long to wait for a datagram when nothing happens on the line: longer and longer.
_SHORTEST_WAIT_S = 0.0005
_LONGEST_WAIT_S = 0.008


def run_managed(simulation: Simulation, bridge: ManagementBridge, go_on: Callable[[], bool],
                *, clock: Callable[[], int] = time.monotonic_ns) -> None:
    """Run a design with a management line as long as `go_on` says; its clock follows `clock`.

    Parameters
    ----------
    simulation : Simulation
        The design; it must have the ports of the management line.
    bridge : ManagementBridge
        What its management line is joined to.
    go_on : callable
        Asked after every turn, some milliseconds apart.
    clock : callable
        Nanoseconds that never go back.
    """
    began_ns = clock()
    wait_s = _SHORTEST_WAIT_S
    while go_on():
        simulation.set_time(clock() - began_ns)
        frames = bridge.frames()
        if frames:
            simulation.send(frames, Line.MANAGEMENT)
        simulation.run(_CHUNK_CYCLES)
        received = simulation.received(Line.MANAGEMENT)
        bridge.deliver(one.frame for one in received if one.good)
        if frames or received:
            wait_s = _SHORTEST_WAIT_S
        else:
            bridge.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
