"""Widths and constants of the features, derived from :mod:`proto.features`."""

from hdl.orders import FEATURE_BITS, FEATURE_NAMES
from proto.features import (
    FEATURES,
    IMBALANCE_FRACTION_BITS,
    OFI_DECAY_SHIFT,
    schema_json,
    schema_sha256,
)

__all__ = [
    "FEATURES", "FLOW_QUANTITY_BITS", "IMBALANCE_FRACTION_BITS", "OFI_BITS", "OFI_DECAY_SHIFT",
    "schema_json", "schema_sha256",
]

#: Sizes are saturated to this width before they enter the order-flow imbalance.
FLOW_QUANTITY_BITS = 16

#: Width of the order-flow accumulator. With two sizes an event and a decay of ``2**-s`` it stays
#: within ``2**s * 2 * (2**FLOW_QUANTITY_BITS - 1) + 2**s``, so it needs no saturation.
OFI_BITS = FLOW_QUANTITY_BITS + 1 + OFI_DECAY_SHIFT + 1

if tuple(feature.name for feature in FEATURES) != FEATURE_NAMES:
    raise ValueError(f"proto.features must name {FEATURE_NAMES} in this order")
for _feature in FEATURES:
    if not -(1 << FEATURE_BITS - 1) <= _feature.minimum < _feature.maximum < 1 << FEATURE_BITS - 1:
        raise ValueError(f"feature {_feature.name}: range must fit {FEATURE_BITS} bits, "
                         f"was {_feature.minimum} to {_feature.maximum}")
