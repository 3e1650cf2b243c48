"""The linear engine: a weighted sum of the features."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.carry_save import carry_save
from hdl.feature.definitions import FAST_NAMES, SLOW_NAMES
from hdl.model.banks import LinearParameters
from hdl.orders import (
    FEATURE_BITS,
    FEATURE_NAMES,
    LEVEL_BITS,
    LEVEL_COUNT,
    SCORE_BITS,
    FeatureVector,
    Score,
)
from hdl.profile import Profile

__all__ = ["LinearEngine"]


class LinearEngine(wiring.Component):
    """Score feature vectors: ``bias + sum(weight * feature)``, saturated to 32 bits.

    Latency: 2 cycles, `vectors` transfer to `scores.valid`. Throughput: 1 vector per cycle.

    The score keeps the fraction bits of the weights: nothing is shifted, so nothing is rounded. How
    many there are is a property of the model file, and thresholds are in the same unit. Parameters
    and epoch are those of the cycle before the transfer, and go down the pipeline with the vector,
    so a swap between two vectors never mixes banks.

    The last features come a cycle before the vector: they are multiplied first, and their sum with
    the bias is one number by the time that the other products are there.

    The sum is compared with all `levels` while it is made: the products are compressed to two
    numbers once, and each compare is one more addition beside that of the sum. So the signs in
    ``below`` come from registers; the score itself is cut to its width after its register.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    vectors : ``In(stream.Signature(FeatureVector(profile), always_ready=True))``
        Feature vectors.
    known : ``In(data.ArrayLayout(signed(16), len(SLOW_NAMES)))``
        The last features of the vector, in the cycle before it transfers.
    scores : ``Out(stream.Signature(Score(profile), always_ready=True))``
        One score a vector, in order; not ``usable`` unless the vector is and a model is loaded.
    parameters : ``In(LinearParameters)``
        Weights and bias; sampled in the cycle before a vector transfers.
    epoch, loaded : ``In``
        Their epoch, and whether there are any; sampled with them.
    levels : ``In(data.ArrayLayout(signed(LEVEL_BITS), LEVEL_COUNT))``
        What the sum is compared with, before it is cut; sampled as a vector transfers.
    stat_saturated : ``Out(1)``
        Pulse with a score that was cut.
    """

    #: Cycles from `vectors` transfer to ``scores.valid``.
    latency = 2

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "vectors": In(stream.Signature(FeatureVector(profile), always_ready=True)),
            "known": In(data.ArrayLayout(signed(FEATURE_BITS), len(SLOW_NAMES))),
            "scores": Out(stream.Signature(Score(profile), always_ready=True)),
            "parameters": In(LinearParameters),
            "epoch": In(16),
            "loaded": In(1),
            "levels": In(data.ArrayLayout(signed(LEVEL_BITS), LEVEL_COUNT)),
            "stat_saturated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        vector = self.vectors.p

        # One multiplier a feature; its product is registered and nothing else is in this stage.
        # Weights come by a register of their own, but for those that are needed at once.
        weights = self.parameters.weights
        product_bits = 2 * FEATURE_BITS
        products = {name: Signal(signed(product_bits), name=f"product_{name}", reset_less=True)
                    for name in FEATURE_NAMES}
        bias = Signal.like(self.parameters.bias, reset_less=True)
        m.d.sync += bias.eq(self.parameters.bias)
        for number, name in enumerate(FAST_NAMES):
            weight = Signal.like(weights[number], name=f"weight_{name}", reset_less=True)
            m.d.sync += [weight.eq(weights[number]),
                         products[name].eq(vector.features[number] * weight)]
        for number, name in enumerate(SLOW_NAMES):
            m.d.sync += products[name].eq(
                self.known[number] * weights[len(FAST_NAMES) + number])

        # All numbers are as wide as the widest sum, so that nothing is lost on the left.
        sum_bits = LEVEL_BITS + 1

        def wide(value: Value, name: str) -> Value:
            extended = Signal(signed(sum_bits), name=name)
            m.d.comb += extended.eq(value)
            return extended.as_unsigned()

        def compressed(values: list[Value], name: str) -> list[Value]:
            terms = [wide(value, f"{name}_{n}") for n, value in enumerate(values)]
            while len(terms) > 2:
                a, b = carry_save(*terms[:3])
                terms = [*terms[3:], wide(a, f"{name}_save_{len(terms)}"),
                         wide(b, f"{name}_carry_{len(terms)}")]
            return terms

        known = Signal(signed(sum_bits), reset_less=True)
        levels = [Signal.like(level, name=f"level_{n}", reset_less=True)
                  for n, level in enumerate(self.levels)]
        m.d.sync += [
            known.eq(sum(compressed([*(products[name] for name in SLOW_NAMES), bias], "known"))),
            *(signal.eq(level) for signal, level in zip(levels, self.levels, strict=True)),
        ]
        terms = compressed([*(products[name] for name in FAST_NAMES), known], "all")

        total = Signal(signed(sum_bits), reset_less=True)
        below = Signal(LEVEL_COUNT, reset_less=True)
        m.d.sync += total.eq(sum(terms))
        for n, level in enumerate(levels):
            # Minus a number is its complement and one more, which comes as a carry.
            a, b = carry_save(*terms, wide(~level, f"complement_{n}"))
            m.d.sync += below[n].eq((Cat(C(1, 1), a) + Cat(C(1, 1), b))[sum_bits])

        # Cut after the register.
        fits = Signal()
        score = self.scores.p
        m.d.comb += [
            score.below.eq(below),
            fits.eq(~total[SCORE_BITS - 1:].any() | total[SCORE_BITS - 1:].all()),
            score.score.eq(Mux(fits, total[:SCORE_BITS], Cat(
                (~total[-1]).replicate(SCORE_BITS - 1), total[-1])).as_signed()),
        ]

        # What is not scored goes along.
        loaded = Signal()
        epoch = Signal.like(self.epoch, reset_less=True)
        m.d.sync += [loaded.eq(self.loaded), epoch.eq(self.epoch)]
        beside = {**{name: vector[name] for name in (
            "symbol_index", "tag", "start_cycles", "bid_price", "ask_price", "bid_quantity",
            "ask_quantity")}, "usable": vector.usable & loaded, "epoch": epoch}
        for name, value in beside.items():
            first = Signal.like(score[name], name=f"{name}_1", reset_less=True)
            second = Signal.like(score[name], name=f"{name}_2", reset_less=True)
            m.d.sync += [first.eq(value), second.eq(first)]
            m.d.comb += score[name].eq(second)
        valid = Signal()
        m.d.sync += [valid.eq(self.vectors.valid), self.scores.valid.eq(valid)]
        m.d.comb += self.stat_saturated.eq(self.scores.valid & ~fits)
        return m
