"""The features of a vector: names, order, formulas, scales; the one table that both twins obey.

Its hash is part of every model file, so that a model never meets features it was not trained on.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

__all__ = ["FEATURES", "Feature", "OFI_DECAY_SHIFT", "IMBALANCE_FRACTION_BITS", "schema_json",
           "schema_sha256"]

#: The order-flow imbalance loses ``1 / 2**OFI_DECAY_SHIFT`` of itself with each event.
OFI_DECAY_SHIFT = 4

#: Fraction bits of the piecewise linear log2 of a size.
IMBALANCE_FRACTION_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One element of the vector.

    Attributes
    ----------
    name : str
        Identifier, equal in gateware, numpy and records.
    formula : str
        Definition; ``bid``, ``ask`` are prices, ``bid_q``, ``ask_q`` sizes of the touch,
        ``previous`` what the symbol's last usable vector was made of.
    unit : str
        Unit of one step of the integer.
    minimum, maximum : int
        Saturation, inclusive.
    """

    name: str
    formula: str
    unit: str
    minimum: int
    maximum: int


FEATURES = (
    Feature(name="spread", unit="1e-4 USD", minimum=-32768, maximum=32767,
            formula="ask - bid"),
    Feature(name="mid_move", unit="0.5e-4 USD", minimum=-32768, maximum=32767,
            formula="(bid + ask) - previous(bid + ask); 0 without a usable previous event"),
    Feature(name="imbalance_top1", unit="1/256 of an octave", minimum=-8191, maximum=8191,
            formula="L(bid_q) - L(ask_q); L(q) = 256 k + floor(256 (q - 2**k) / 2**k), "
                    "k = floor(log2(q)), L(0) = 0"),
    Feature(name="order_flow_imbalance", unit="shares", minimum=-32768, maximum=32767,
            formula="o = previous(o) - floor(previous(o) / 16) + e; sizes b = min(bid_q, 65535), "
                    "a = min(ask_q, 65535); e = [bid >= previous(bid)] b - [bid <= previous(bid)] "
                    "previous(b) - [ask <= previous(ask)] a + [ask >= previous(ask)] previous(a); "
                    "o = 0 without a usable previous event"),
)


def schema_json() -> str:
    """Return the table as canonical JSON."""
    return json.dumps({"schema": "tickwire-features/1", "features": [asdict(f) for f in FEATURES]},
                      sort_keys=True, separators=(",", ":"))


def schema_sha256() -> str:
    """Return the hash, 64 hexadecimal digits, of :func:`schema_json`."""
    return hashlib.sha256(schema_json().encode("ascii")).hexdigest()
