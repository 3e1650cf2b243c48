"""Two lines of one feed, and what a network does to them: loss, duplicates, delay, reordering.

Line B has a multicast group of its own and carries the same packets with the same numbers. What
happens to a packet on one line does not depend on the other line, nor on what the market does
later: each line has a random source of its own, made from the seed and its name, and draws the
same numbers for every packet.

Ref: MoldUDP64 1.00, "two or more redundant streams".
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from random import Random

from sim.errors import SimulationError
from sim.exchange.randomness import chance, exponential
from sim.framing import FeedAddress

__all__ = ["Impairment", "ImpairedLine", "line_b", "parse_impairment"]

_MILLION = 1_000_000
#: What Nasdaq does: another group and another port for the same session.
_GROUP_B_IP = 0xE9360C70


@dataclass(frozen=True, kw_only=True)
class Impairment:
    """What a network does to the packets of a line. Without anything it carries them as they are.

    Attributes
    ----------
    loss, duplicate, reorder : int
        Packets per million that are lost, that arrive a second time, that are held back.
    burst : int
        Packets that are lost together: one that is lost takes this many less one after it along.
    delay_ns : int
        Added to every packet.
    jitter_ns : int
        Mean of a random delay on top; it alone never changes the order.
    hold_ns : int
        By how much a held back packet, and a second copy, come later: packets that start less than
        this after it overtake it.
    """

    loss: int = 0
    duplicate: int = 0
    reorder: int = 0
    burst: int = 1
    delay_ns: int = 0
    jitter_ns: int = 0
    hold_ns: int = 100_000

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("loss", "duplicate", "reorder"):
            if not 0 <= getattr(self, name) <= _MILLION:
                raise SimulationError(f"{name} must be 0 to {_MILLION} packets per million, "
                                      f"was {getattr(self, name)}")
        for name, least in (("burst", 1), ("delay_ns", 0), ("jitter_ns", 0), ("hold_ns", 1)):
            if getattr(self, name) < least:
                raise SimulationError(f"{name} must be >= {least}, was {getattr(self, name)}")


def parse_impairment(text: str) -> Impairment:
    """Return the impairment of ``loss=1000,jitter-ns=500``.

    Raises
    ------
    SimulationError
        If a name is unknown or a number is none.
    """
    names = {item.name.replace("_", "-"): item.name for item in fields(Impairment)}
    values: dict[str, int] = {}
    for item in text.split(","):
        name, _, number = item.partition("=")
        if name not in names or not number.isdigit():
            raise SimulationError(f"an impairment is NAME=NUMBER,... with names of "
                                  f"{', '.join(names)}; was {item!r}")
        values[names[name]] = int(number)
    return Impairment(**values)


def line_b(address: FeedAddress) -> FeedAddress:
    """Return the address of line B of a feed."""
    return replace(address, group_ip=_GROUP_B_IP, udp_port=address.udp_port + 1,
                   source_port=address.source_port + 1)


class ImpairedLine:
    """One line; takes packets in order of time and gives back frames as they arrive.

    Parameters
    ----------
    name : str
        Of the line; part of its seed.
    seed : int
        Of what happens.
    impairment : Impairment
        What the network does.

    Attributes
    ----------
    counters : dict of str to int
        Packets ``sent``, ``lost``, ``duplicated`` and ``held`` back.
    """

    def __init__(self, name: str, seed: int, impairment: Impairment | None = None) -> None:
        self.impairment = impairment or Impairment()
        self.counters = dict.fromkeys(("sent", "lost", "duplicated", "held"), 0)
        self._random = Random(f"{seed}:line {name}")
        self._losing = 0
        self._last_ns = 0

    def carry(self, packets: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Return (time of arrival, frame) of what arrives of (time, frame), in order of sending."""
        arrivals: list[tuple[int, bytes]] = []
        for time_ns, frame in packets:
            arrivals += self._carry(time_ns, frame)
        return arrivals

    def _carry(self, time_ns: int, frame: bytes) -> list[tuple[int, bytes]]:
        settings, random = self.impairment, self._random
        # Every number is drawn for every packet: one setting does not change what another does.
        lost, doubled, held = (chance(random, share, _MILLION) for share in
                               (settings.loss, settings.duplicate, settings.reorder))
        jitter_ns = exponential(random, settings.jitter_ns)
        self.counters["sent"] += 1
        if lost and not self._losing:
            self._losing = settings.burst
        if self._losing:
            self._losing -= 1
            self.counters["lost"] += 1
            return []
        arrives_ns = max(time_ns + settings.delay_ns + jitter_ns, self._last_ns)
        self._last_ns = arrives_ns
        found = [(arrives_ns + settings.hold_ns if held else arrives_ns, frame)]
        self.counters["held"] += held
        if doubled:
            self.counters["duplicated"] += 1
            found.append((found[0][0] + settings.hold_ns, frame))
        return found
