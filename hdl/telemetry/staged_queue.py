"""A queue of entries whose parts come at different times."""

from collections.abc import Mapping

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["PLACES", "StagedQueue"]

#: Entries that can wait, as many as a look-up table used as memory has rows.
PLACES = 16


class StagedQueue(wiring.Component):
    """Keep entries until they are taken; each part is written as it comes, a fixed time later.

    No part waits in a register for the others, and entries may begin in every cycle.

    Latency: as many cycles as the latest part and 1, `begins` to `entries.valid`. Throughput: 1
    entry per cycle, while there is room for :data:`PLACES`.

    Parameters
    ----------
    parts : mapping of str to (shape, int)
        Layout of each part, and how many cycles after `begins` it is there.

    Members
    -------
    begins : ``In(1)``
        An entry begins.
    parts : ``In(StructLayout)``
        Each part, at its time.
    entries : ``Out(stream.Signature(StructLayout))``
        Entries with all parts, the oldest first.
    held : ``Out(1)``
        There is one, or a part of one.
    missed : ``Out(1)``
        Pulse: the entry that begins is not kept, for want of room.
    """

    def __init__(self, parts: Mapping[str, tuple[ShapeLike, int]]):
        self._parts = dict(parts)
        self.latency = 1 + max(late for _, late in self._parts.values())
        layout = data.StructLayout({name: shape for name, (shape, _) in self._parts.items()})
        super().__init__({
            "begins": In(1),
            "parts": In(layout),
            "entries": Out(stream.Signature(layout)),
            "held": Out(1), "missed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # Places that were given away, are filled, and are free again.
        given, filled, freed = (Signal(range(2 * PLACES), name=name)
                                for name in ("given", "filled", "freed"))
        full = Signal()
        keeps = Signal()
        m.d.comb += [
            keeps.eq(self.begins & ~full), self.missed.eq(self.begins & full),
            self.entries.valid.eq(filled != freed), self.held.eq(given != freed),
        ]
        m.d.sync += [
            given.eq(given + keeps),
            freed.eq(freed + (self.entries.valid & self.entries.ready)),
            # A cycle late, so a place early.
            full.eq((given - freed)[:len(given)] >= PLACES - 1),
        ]

        # Of each cycle since: whether an entry began then, and its place.
        stages = [(keeps, given)]
        for late in range(1, self.latency):
            began = Signal(name=f"began_{late}")
            place = Signal(range(PLACES), name=f"place_{late}", reset_less=True)
            m.d.sync += [began.eq(stages[-1][0]), place.eq(stages[-1][1])]
            stages.append((began, place))
        m.d.sync += filled.eq(filled + stages[-1][0])

        for name, (_, late) in self._parts.items():
            part = Value.cast(self.parts[name])
            m.submodules[name] = kept = Memory(
                shape=len(part), depth=PLACES, init=[], attrs={"ram_style": "distributed"})
            write, read = kept.write_port(), kept.read_port(domain="comb")
            began, place = stages[late]
            m.d.comb += [
                write.en.eq(began), write.addr.eq(place), write.data.eq(part),
                read.addr.eq(freed), Value.cast(self.entries.p[name]).eq(read.data),
            ]
        return m
