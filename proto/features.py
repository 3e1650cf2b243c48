"""The features of a vector: names, order, formulas, scales; the one table that both twins obey.

Its hash is part of every model file, so that a model never meets features it was not trained on.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import Enum

__all__ = ["AsOf", "FEATURES", "FEATURE_BITS", "Feature", "DEPTH_LEVELS", "FAST_FEATURES",
           "HIDDEN_TRADES_MAXIMUM", "IMBALANCE_FRACTION_BITS", "INTENSITY_STEP",
           "MESSAGE_HALVING_SHIFT", "NO_TRADE", "OFI_DECAY_SHIFT", "TIME_SHIFT",
           "TRADE_FLOW_DECAY_SHIFT", "TRADE_HALVING_SHIFT", "VOLATILITY_DECAY_SHIFT",
           "schema_json", "schema_sha256"]

#: Width of a feature, signed.
FEATURE_BITS = 16

#: The order-flow imbalance loses ``1 / 2**OFI_DECAY_SHIFT`` of itself with each event.
OFI_DECAY_SHIFT = 4

#: The same of the signed trade flow, and of the volatility.
TRADE_FLOW_DECAY_SHIFT = 5
VOLATILITY_DECAY_SHIFT = 4

#: Fraction bits of the piecewise linear log2 of a size.
IMBALANCE_FRACTION_BITS = 8

#: Levels a side that the depth is the sum of.
DEPTH_LEVELS = 5

#: Exchange time is counted in units of ``2**TIME_SHIFT`` ns.
TIME_SHIFT = 10

#: The intensities are halved whenever exchange time passes a multiple of ``2**shift`` ns.
MESSAGE_HALVING_SHIFT = 23
TRADE_HALVING_SHIFT = 27

#: What a message, or a trade, adds to its intensity.
INTENSITY_STEP = 64

#: More trades of hidden orders than that between two events count as so many.
HIDDEN_TRADES_MAXIMUM = 7

#: Time since the last trade before there was one.
NO_TRADE = 63

_LOWEST, _HIGHEST = -(1 << FEATURE_BITS - 1), (1 << FEATURE_BITS - 1) - 1


class AsOf(Enum):
    """Which events of the symbol a feature knows of when an event is scored."""

    EVENT = "this event"
    PREVIOUS = "the event before, at the time of this one"
    DECISION = "the cycle in which the event's best bid and offer are published"


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
    as_of : AsOf
        What it knows of.
    """

    name: str
    formula: str
    unit: str
    minimum: int
    maximum: int
    as_of: AsOf


FEATURES = (
    Feature(name="spread", unit="1e-4 USD", minimum=_LOWEST, maximum=_HIGHEST, as_of=AsOf.EVENT,
            formula="ask - bid"),
    Feature(name="mid_move", unit="0.5e-4 USD", minimum=_LOWEST, maximum=_HIGHEST,
            as_of=AsOf.EVENT,
            formula="(bid + ask) - previous(bid + ask); 0 without a usable previous event"),
    Feature(name="microprice_move", unit="0.25e-4 USD", minimum=_LOWEST, maximum=_HIGHEST,
            as_of=AsOf.EVENT,
            formula="p - previous(p); p = 2 (bid + ask) + x (ask - bid), x = [bid_q >= 2 ask_q] + "
                    "[bid_q >= 8 ask_q] - [ask_q >= 2 bid_q] - [ask_q >= 8 bid_q]; 0 without a "
                    "usable previous event"),
    Feature(name="imbalance_top1", unit="1/256 of an octave", minimum=-8191, maximum=8191,
            as_of=AsOf.EVENT,
            formula="L(bid_q) - L(ask_q); L(q) = 256 k + floor(256 (q - 2**k) / 2**k), "
                    "k = floor(log2(q)), L(0) = 0"),
    Feature(name="order_flow_imbalance", unit="shares", minimum=_LOWEST, maximum=_HIGHEST,
            as_of=AsOf.EVENT,
            formula="o = previous(o) - floor(previous(o) / 16) + e; sizes b = min(bid_q, 65535), "
                    "a = min(ask_q, 65535); e = [bid >= previous(bid)] b - [bid <= previous(bid)] "
                    "previous(b) - [ask <= previous(ask)] a + [ask >= previous(ask)] previous(a); "
                    "o = 0 without a usable previous event"),
    Feature(name="imbalance_top5", unit="1/256 of an octave", minimum=-8191, maximum=8191,
            as_of=AsOf.PREVIOUS,
            formula="L(bid depth) - L(ask depth); a depth is the sum of the sizes of the five best "
                    "levels, at most 2**32 - 1; 0 if fewer than five levels of a side are known "
                    "by now while it has more"),
    Feature(name="trade_flow", unit="shares", minimum=_LOWEST, maximum=_HIGHEST,
            as_of=AsOf.PREVIOUS,
            formula="f = f - floor(f / 32) + e with each event, from 0; of an execution (E, C) "
                    "that leaves an exact book e = min(shares, 65535) if the resting order sold, "
                    "minus that if it bought; else e = 0"),
    Feature(name="volatility", unit="1/16 of 0.5e-4 USD", minimum=0, maximum=_HIGHEST,
            as_of=AsOf.PREVIOUS,
            formula="v = v - floor(v / 16) + |mid_move| with each event, from 0"),
    Feature(name="message_intensity", unit="1/64 of a message", minimum=0, maximum=_HIGHEST,
            as_of=AsOf.PREVIOUS,
            formula="64 more with each message that is an event; halved, and rounded down, each "
                    "time that exchange time passes a multiple of 2**23 ns (8.4 ms)"),
    Feature(name="trade_intensity", unit="1/64 of a trade", minimum=0, maximum=_HIGHEST,
            as_of=AsOf.PREVIOUS,
            formula="64 more with each execution (E, C), and with each trade of a hidden order (P) "
                    "since the event before, of which at most 7 count; halved, and rounded down, "
                    "each time that exchange time passes a multiple of 2**27 ns (134 ms)"),
    Feature(name="time_since_trade", unit="octaves of 1.024 us", minimum=0, maximum=NO_TRADE,
            as_of=AsOf.PREVIOUS,
            formula="bits of (t - t of the last event that was an execution or came after the "
                    "trade of a hidden order), t = floor(time / 1024 ns), and 0 if time went "
                    "backwards; 63 before the first trade"),
    Feature(name="position", unit="shares", minimum=_LOWEST, maximum=_HIGHEST,
            as_of=AsOf.DECISION,
            formula="own position in the symbol"),
)

#: The first ones are made of the event itself; what the others need is known before it.
FAST_FEATURES = sum(feature.as_of is AsOf.EVENT for feature in FEATURES)


def schema_json() -> str:
    """Return the table as canonical JSON."""
    rows = [{**asdict(feature), "as_of": feature.as_of.value} for feature in FEATURES]
    return json.dumps({"schema": "tickwire-features/2", "features": rows},
                      sort_keys=True, separators=(",", ":"))


def schema_sha256() -> str:
    """Return the hash, 64 hexadecimal digits, of :func:`schema_json`."""
    return hashlib.sha256(schema_json().encode("ascii")).hexdigest()
