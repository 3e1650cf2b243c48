"""Imbalance of the five best levels."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.carry_save import carry_save
from hdl.feature.log2 import LOG_BITS, PiecewiseLog2
from hdl.profile import Profile
from hdl.records import SideDepth
from proto.features import DEPTH_LEVELS

__all__ = ["DepthImbalance", "IMBALANCE_BITS"]

#: Width of the imbalance, signed.
IMBALANCE_BITS = LOG_BITS + 1

_SUM_BITS = 32 + (DEPTH_LEVELS - 1).bit_length()


class DepthImbalance(wiring.Component):
    """Keep the logarithm of each side's depth, and give the difference of two sides.

    Latency: 2 cycles, `sides` transfer to `imbalance`, which is combinational from there and from
    `symbol_index`. Throughput: 1 side per cycle.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    sides : ``In(stream.Signature(SideDepth(profile), always_ready=True))``
        Levels of a side, also what has become known of them later.
    symbol_index : ``In(profile.symbol_bits)``
        Symbol that is asked for.
    imbalance : ``Out(signed(IMBALANCE_BITS))``
        Logarithm of the depth of its bids minus that of its asks; 0 if not all levels are known.
    clear : ``In(1)``
        All books are empty.
    """

    #: Cycles from `sides` transfer to `imbalance`.
    latency = 2

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "sides": In(stream.Signature(SideDepth(profile), always_ready=True)),
            "symbol_index": In(profile.symbol_bits),
            "imbalance": Out(signed(IMBALANCE_BITS)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        side = self.sides.p
        m.submodules.log = log = PiecewiseLog2()

        # First cycle: the sum. Levels that are not there are zero.
        terms = [Cat(level.quantity, C(0, _SUM_BITS - 32)) for level in side.levels]
        while len(terms) > 2:
            terms = [*terms[3:], *carry_save(*terms[:3])]
        total = Signal(_SUM_BITS, reset_less=True)
        where = [Signal(data.StructLayout({
            "valid": 1, "known": 1, "side": 1, "symbol_index": self.profile.symbol_bits}),
            name=f"where_{n}") for n in range(2)]
        m.d.sync += [
            total.eq(sum(terms)),
            where[0].valid.eq(self.sides.valid & ~self.clear),
            where[0].known.eq(~side.unknown),
            where[0].side.eq(side.side),
            where[0].symbol_index.eq(side.symbol_index),
        ]

        # Second and third cycle: its logarithm, which goes past the memory as well.
        over = total[32:].any()
        m.d.comb += log.value.eq(total[:32] | over.replicate(32))
        m.d.sync += [where[1].eq(where[0]), where[1].valid.eq(where[0].valid & ~self.clear)]
        done = where[1]
        result = data.StructLayout({"logarithm": LOG_BITS, "unknown": 1})
        sides = []
        for number, name in enumerate(("bids", "asks")):
            m.submodules[name] = memory = Memory(shape=result, depth=self.profile.symbols, init=[])
            write, read = memory.write_port(), memory.read_port(domain="comb")
            present = Signal(self.profile.symbols, name=f"{name}_present")
            now = Signal(result, name=f"{name}_now")
            m.d.comb += [
                write.addr.eq(done.symbol_index), write.en.eq(done.valid & (done.side == number)),
                write.data.logarithm.eq(log.logarithm), write.data.unknown.eq(~done.known),
                read.addr.eq(self.symbol_index),
            ]
            with m.If(write.en & (done.symbol_index == self.symbol_index)):
                m.d.comb += now.eq(write.data)
            with m.Elif(present.bit_select(self.symbol_index, 1)):
                m.d.comb += now.eq(read.data)
            with m.If(self.clear):
                m.d.sync += present.eq(0)
            with m.Elif(write.en):
                m.d.sync += present.bit_select(done.symbol_index, 1).eq(1)
            sides.append(now)
        bids, asks = sides
        m.d.comb += self.imbalance.eq(Mux(bids.unknown | asks.unknown, 0,
                                          bids.logarithm - asks.logarithm))
        return m
