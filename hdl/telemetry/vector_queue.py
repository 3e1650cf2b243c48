"""Vectors of features with their scores, waiting to be recorded."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.orders import FeatureVector, Score
from hdl.profile import Profile
from hdl.records import MessageContext

__all__ = ["ScoredVector", "VectorQueue"]

_PLACES = 16


def ScoredVector(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Layout of a vector, what caused it, and its score."""
    return data.StructLayout({
        "vector": FeatureVector(profile), "sequence": 64, "time_ns": 48, "score": Score(profile),
    })


class VectorQueue(wiring.Component):
    """Keep vectors until they are recorded, each with its score and what caused it.

    Each part is written as it comes, so none waits in a register for the others.

    Latency: 3 cycles, `vectors` transfer to `queued.valid`. Throughput: 1 vector per cycle, while
    there is room for 16.

    Members
    -------
    vectors : ``In(stream.Signature(FeatureVector(profile), always_ready=True))``
    scores : ``In(stream.Signature(Score(profile), always_ready=True))``
        Their scores, 2 cycles later.
    context, context_valid : ``In(MessageContext)``, ``In(1)``
        What caused the event of `vectors`, in the same cycle; valid also if there is no vector.
    cfg_keep : ``In(1)``
        Keep vectors.
    sequence : ``Out(64)``
        Of the message that caused the last event.
    queued : ``Out(stream.Signature(ScoredVector(profile)))``
        Those kept, the oldest first.
    held : ``Out(1)``
        There is one, or a part of one.
    missed : ``Out(1)``
        Pulse: a vector was not kept, for want of room.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "vectors": In(stream.Signature(FeatureVector(profile), always_ready=True)),
            "scores": In(stream.Signature(Score(profile), always_ready=True)),
            "context": In(MessageContext), "context_valid": In(1),
            "cfg_keep": In(1),
            "sequence": Out(64),
            "queued": Out(stream.Signature(ScoredVector(profile))),
            "held": Out(1), "missed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        time_ns = Signal(48, reset_less=True)
        with m.If(self.context_valid):
            m.d.sync += [self.sequence.eq(self.context.sequence),
                         time_ns.eq(self.context.timestamp_ns)]

        # Places that were given away, are filled, and are free again.
        given, filled, freed = (Signal(range(2 * _PLACES), name=name)
                                for name in ("given", "filled", "freed"))
        full = Signal()
        comes = Signal()
        m.d.comb += [
            comes.eq(self.cfg_keep & self.vectors.valid & ~full),
            self.missed.eq(self.cfg_keep & self.vectors.valid & full),
            self.queued.valid.eq(filled != freed), self.held.eq(given != freed),
        ]
        m.d.sync += [
            given.eq(given + comes),
            freed.eq(freed + (self.queued.valid & self.queued.ready)),
            # A cycle late, so a place early.
            full.eq((given - freed)[:len(given)] >= _PLACES - 1),
        ]

        # Vector, its cause a cycle later, its score a cycle after that.
        write, index = comes, given
        for name, value in (
                ("vector", self.vectors.p),
                (("sequence", "time_ns"), Cat(self.sequence, time_ns)),
                ("score", self.scores.p)):
            names = (name,) if isinstance(name, str) else name
            m.submodules += (kept := Memory(
                shape=len(Value.cast(value)), depth=_PLACES, init=[],
                attrs={"ram_style": "distributed"}))
            port, read = kept.write_port(), kept.read_port(domain="comb")
            m.d.comb += [
                port.addr.eq(index), port.en.eq(write), port.data.eq(Value.cast(value)),
                read.addr.eq(freed),
                Cat(Value.cast(self.queued.p[part]) for part in names).eq(read.data),
            ]
            write, before = Signal(name=f"write_{names[0]}"), write
            index, place = Signal.like(given, name=f"place_{names[0]}", reset_less=True), index
            m.d.sync += [write.eq(before), index.eq(place)]
        m.d.sync += filled.eq(filled + before)
        return m
