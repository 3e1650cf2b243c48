"""The linear engine: a weighted sum of the features."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.model.banks import LinearParameters
from hdl.orders import FEATURE_BITS, FEATURE_NAMES, SCORE_BITS, FeatureVector, Score
from hdl.profile import Profile

__all__ = ["LinearEngine"]


class LinearEngine(wiring.Component):
    """Score feature vectors: ``bias + sum(weight * feature)``, saturated to 32 bits.

    Latency: 3 cycles, `vectors` transfer to `scores.valid`. Throughput: 1 vector per cycle.

    The score keeps the fraction bits of the weights: nothing is shifted, so nothing is rounded. How
    many there are is a property of the model file, and thresholds are in the same unit. Parameters
    and epoch are taken in the cycle of the transfer and go down the pipeline with the vector, so a
    swap between two vectors never mixes banks.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    vectors : ``In(stream.Signature(FeatureVector(profile), always_ready=True))``
        Feature vectors.
    scores : ``Out(stream.Signature(Score(profile), always_ready=True))``
        One score a vector, in order; not ``usable`` unless the vector is and a model is loaded.
    parameters : ``In(LinearParameters)``
        Weights and bias; sampled as a vector transfers.
    epoch, loaded : ``In``
        Their epoch, and whether there are any; sampled as a vector transfers.
    stat_saturated : ``Out(1)``
        Pulse with a score that was cut.
    """

    #: Cycles from `vectors` transfer to ``scores.valid``.
    latency = 3

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "vectors": In(stream.Signature(FeatureVector(profile), always_ready=True)),
            "scores": Out(stream.Signature(Score(profile), always_ready=True)),
            "parameters": In(LinearParameters),
            "epoch": In(16),
            "loaded": In(1),
            "stat_saturated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        vector = self.vectors.p

        # One multiplier a feature; its product is registered and nothing else is in this stage.
        product_bits = 2 * FEATURE_BITS
        products = [Signal(signed(product_bits), name=f"product_{name}", reset_less=True)
                    for name in FEATURE_NAMES]
        bias = Signal.like(self.parameters.bias, reset_less=True)
        m.d.sync += bias.eq(self.parameters.bias)
        for number, product in enumerate(products):
            m.d.sync += product.eq(vector.features[number] * self.parameters.weights[number])

        half = (len(products) + 1) // 2
        sum_bits = product_bits + len(products)
        low = Signal(signed(sum_bits), reset_less=True)
        high = Signal(signed(sum_bits), reset_less=True)
        m.d.sync += [low.eq(sum(products[:half])), high.eq(sum(products[half:]) + bias)]

        total = Signal(signed(sum_bits + 1))
        m.d.comb += total.eq(low + high)
        fits = Signal()
        m.d.comb += fits.eq(~total[SCORE_BITS - 1:].any() | total[SCORE_BITS - 1:].all())
        limit = Cat((~total[-1]).replicate(SCORE_BITS - 1), total[-1])

        # What is not scored goes along.
        first = Signal(Score(self.profile), reset_less=True)
        second = Signal(Score(self.profile), reset_less=True)
        for name in ("symbol_index", "tag", "start_cycles", "bid_price", "ask_price",
                     "bid_quantity", "ask_quantity"):
            m.d.sync += first[name].eq(vector[name])
        valid = Signal(2)
        m.d.sync += [
            first.usable.eq(vector.usable & self.loaded),
            first.epoch.eq(self.epoch),
            Value.cast(second).eq(Value.cast(first)),
            Value.cast(self.scores.p).eq(Value.cast(second)),
            self.scores.p.score.eq(Mux(fits, total[:SCORE_BITS], limit).as_signed()),
            valid.eq(Cat(self.vectors.valid, valid[0])),
            self.scores.valid.eq(valid[1]),
            self.stat_saturated.eq(valid[1] & ~fits),
        ]
        return m
