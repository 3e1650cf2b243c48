"""Widths and constants of the features, derived from :mod:`proto.features`."""

from amaranth import *

from hdl.orders import FEATURE_NAMES
from proto.features import (
    FAST_FEATURES,
    FEATURE_BITS,
    FEATURES,
    OFI_DECAY_SHIFT,
    TRADE_FLOW_DECAY_SHIFT,
    VOLATILITY_DECAY_SHIFT,
    AsOf,
)

__all__ = [
    "FAST_NAMES", "FLOW_QUANTITY_BITS", "INTENSITY_BITS", "OFI_BITS", "SLOW_NAMES",
    "TRADE_FLOW_BITS", "VOLATILITY_BITS", "saturated",
]

#: Names of the features made of the event itself, and of those known before it.
FAST_NAMES = FEATURE_NAMES[:FAST_FEATURES]
SLOW_NAMES = FEATURE_NAMES[FAST_FEATURES:]

#: Sizes are saturated to this width before they enter a flow.
FLOW_QUANTITY_BITS = 16

#: Width of the order-flow accumulator. With two sizes an event and a decay of ``2**-s`` it stays
#: within ``2**s * 2 * (2**FLOW_QUANTITY_BITS - 1) + 2**s``, so it needs no saturation.
OFI_BITS = FLOW_QUANTITY_BITS + 1 + OFI_DECAY_SHIFT + 1

#: Width of the trade-flow accumulator, signed: in the same way, with one size an event.
TRADE_FLOW_BITS = FLOW_QUANTITY_BITS + TRADE_FLOW_DECAY_SHIFT + 2

#: Width of the volatility, unsigned: in the same way, with a saturated move an event.
VOLATILITY_BITS = FEATURE_BITS - 1 + VOLATILITY_DECAY_SHIFT + 1

#: Width of an intensity, unsigned: as much as a feature holds.
INTENSITY_BITS = FEATURE_BITS - 1

for _feature in FEATURES:
    if not -(1 << FEATURE_BITS - 1) <= _feature.minimum < _feature.maximum < 1 << FEATURE_BITS - 1:
        raise ValueError(f"feature {_feature.name}: range must fit {FEATURE_BITS} bits, "
                         f"was {_feature.minimum} to {_feature.maximum}")
if any(feature.as_of is AsOf.EVENT for feature in FEATURES[FAST_FEATURES:]):
    raise ValueError("features made of the event itself must come first")


def saturated(value: Value) -> Value:
    """Return a signed value cut to the width of a feature."""
    if len(value) <= FEATURE_BITS:
        return value.as_signed()
    high = value[FEATURE_BITS - 1:]
    inside = ~high.any() | high.all()
    sign = value[-1]
    limit = Cat((~sign).replicate(FEATURE_BITS - 1), sign)
    return Mux(inside, value[:FEATURE_BITS], limit).as_signed()
