"""Two banks of parameters that software fills in turn, and the swap between them."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.orders import FEATURE_NAMES

__all__ = ["BIAS_BITS", "BiasWord", "LinearParameters", "ModelBanks", "ModelPort", "WEIGHT_BITS"]

#: Width of a weight, signed.
WEIGHT_BITS = 16

#: Width of the bias, signed, in the unit of the score.
BIAS_BITS = 32

#: Address of the bias in a bank; the weights stand before it, one a word.
BiasWord = len(FEATURE_NAMES)

#: Parameters of the linear engine.
LinearParameters = data.StructLayout({
    "weights": data.ArrayLayout(signed(WEIGHT_BITS), len(FEATURE_NAMES)),
    "bias": signed(BIAS_BITS),
})


#: The signature, seen from software, of the settings of the banks.
#:
#: ``bank``, ``address``, ``data``, ``write``: write a word of a bank: a weight at 0 and up, the
#: bias at :data:`BiasWord`. Refused, with a pulse of ``write_refused``, if the bank is the active
#: one, the address is unknown or a swap is too young. Before the first swap no bank is active, and
#: both may be written. ``read_bank``, ``read_address``: word to read back; ``read_data``: that
#: word, sign-extended, a cycle later. ``swap``: pulse; make ``swap_bank`` active under
#: ``swap_epoch`` if ``expected_epoch`` is the present one and the bank is another than the active
#: one (or none is); else pulse ``swap_refused``. The pulses ``write_refused``, ``swapped`` and
#: ``swap_refused`` come a cycle after their cause.
ModelPort = wiring.Signature({
    "bank": Out(1), "address": Out(range(BiasWord + 1)), "data": Out(32), "write": Out(1),
    "read_bank": Out(1), "read_address": Out(range(BiasWord + 1)), "read_data": In(32),
    "swap": Out(1), "swap_bank": Out(1), "swap_epoch": Out(16), "expected_epoch": Out(16),
    "write_refused": In(1), "swapped": In(1), "swap_refused": In(1),
})


class ModelBanks(wiring.Component):
    """Hold two sets of parameters of the linear engine; one scores, software writes the other.

    Latency: 1 cycle, ``cfg.swap`` to `active`, `epoch` and `loaded`. A vector that transfers in the
    cycle of the swap, or the next one, is still scored by the old bank. The engine takes all
    parameters in the cycle before a vector transfers, so a bank has no inference in flight from the
    cycle after the swap on; a write is refused all the same during `guard_cycles` after a swap.

    Parameters
    ----------
    guard_cycles : int
        Cycles after a swap in which no bank may be written; at least the engine's latency.

    Members
    -------
    active : ``Out(LinearParameters)``
        Parameters of the bank that scores.
    epoch : ``Out(16)``
        Its epoch, as given by the swap; 0 after reset.
    loaded : ``Out(1)``
        A swap has been taken since reset; before it no score may be used.
    active_bank : ``Out(1)``
        The bank that scores.
    cfg : ``In(ModelPort)``
        Software's side.

    Raises
    ------
    ValueError
        If `guard_cycles` is below 1.
    """

    def __init__(self, *, guard_cycles: int = 4):
        if guard_cycles < 1:
            raise ValueError(f"guard_cycles must be >= 1, was {guard_cycles}")
        self.guard_cycles = guard_cycles
        super().__init__({
            "active": Out(LinearParameters),
            "epoch": Out(16),
            "loaded": Out(1),
            "active_bank": Out(1),
            "cfg": In(ModelPort),
        })

    def elaborate(self, platform):
        m = Module()

        banks = [Signal(LinearParameters, name=f"bank_{n}") for n in range(2)]
        live = Signal(2)
        guard = Signal(range(self.guard_cycles + 1))
        m.d.comb += [
            live.eq(self.loaded << self.active_bank),
            Value.cast(self.active).eq(
                Mux(self.active_bank, Value.cast(banks[1]), Value.cast(banks[0]))),
        ]

        allowed = Signal()
        m.d.comb += allowed.eq(~live.bit_select(self.cfg.bank, 1) & (guard == 0)
                               & (self.cfg.address <= BiasWord))
        m.d.sync += self.cfg.write_refused.eq(self.cfg.write & ~allowed)
        for number, bank in enumerate(banks):
            with m.If(self.cfg.write & allowed & (self.cfg.bank == number)):
                for word, weight in enumerate(bank.weights):
                    with m.If(self.cfg.address == word):
                        m.d.sync += weight.eq(self.cfg.data[:WEIGHT_BITS].as_signed())
                with m.If(self.cfg.address == BiasWord):
                    m.d.sync += bank.bias.eq(self.cfg.data.as_signed())

        chosen = Signal(LinearParameters)
        m.d.comb += Value.cast(chosen).eq(
            Mux(self.cfg.read_bank, Value.cast(banks[1]), Value.cast(banks[0])))
        with m.Switch(self.cfg.read_address):
            for word in range(BiasWord):
                with m.Case(word):
                    m.d.sync += self.cfg.read_data.eq(chosen.weights[word])
            with m.Default():
                m.d.sync += self.cfg.read_data.eq(chosen.bias)

        take = Signal()
        m.d.comb += take.eq(self.cfg.swap & (self.cfg.expected_epoch == self.epoch)
                            & ~live.bit_select(self.cfg.swap_bank, 1))
        m.d.sync += [self.cfg.swapped.eq(take), self.cfg.swap_refused.eq(self.cfg.swap & ~take)]
        with m.If(take):
            m.d.sync += [
                self.active_bank.eq(self.cfg.swap_bank),
                self.epoch.eq(self.cfg.swap_epoch),
                self.loaded.eq(1),
                guard.eq(self.guard_cycles),
            ]
        with m.Elif(guard != 0):
            m.d.sync += guard.eq(guard - 1)
        return m
