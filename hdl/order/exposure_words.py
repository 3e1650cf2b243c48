"""Positions and open quantities of a symbol in the words of their registers."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import Exposure
from proto.trading_registers import positions_block

__all__ = ["ExposureWords"]

_WORD_BITS = 32
_REGISTERS = [register.name for register in positions_block(1).registers]


class ExposureWords(wiring.Component):
    """Show the exposure of a symbol word by word, numbers of two words as of one instant.

    Latency: 1 cycle, `word` to `data`. When a lower half is read, its upper half is kept, and it is
    the kept one that is shown, whatever the symbol.

    Members
    -------
    exposure : ``In(Exposure)``
        What is held and open of the symbol, in the same cycle.
    word, read : ``In``
        Register of the block ``positions``; a pulse: it is being read.
    data : ``Out(32)``
        Its word; zero of one that is no part of the exposure.
    """

    def __init__(self):
        super().__init__({
            "exposure": In(Exposure), "word": In(range(len(_REGISTERS))), "read": In(1),
            "data": Out(_WORD_BITS),
        })

    def elaborate(self, platform):
        m = Module()

        exposure = self.exposure
        words = {"position": exposure.position,
                 "open_orders": exposure.count_buy | (exposure.count_sell << 16)}
        for name in ("open_buy", "open_sell"):
            upper = exposure[name][_WORD_BITS:]
            kept = Signal(len(upper), name=f"{name}_kept", reset_less=True)
            with m.If(self.read & (self.word == _REGISTERS.index(f"{name}_lo"))):
                m.d.sync += kept.eq(upper)
            words |= {f"{name}_lo": exposure[name][:_WORD_BITS], f"{name}_hi": kept}
        with m.Switch(self.word):
            for name, value in words.items():
                with m.Case(_REGISTERS.index(name)):
                    m.d.sync += self.data.eq(value)
            with m.Default():
                m.d.sync += self.data.eq(0)
        return m
