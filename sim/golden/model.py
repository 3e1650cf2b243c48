"""Scores in plain integers: the specification of the engines, and their numpy twin."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_score", "linear_scores"]


def linear_score(features: Sequence[int], weights: Sequence[int], bias: int) -> int:
    """Return the saturated weighted sum of one vector."""
    total = bias + sum(w * f for w, f in zip(weights, features, strict=True))
    return max(-2**31, min(2**31 - 1, total))


def linear_scores(features: NDArray[np.int16], weights: Sequence[int],
                  bias: int) -> NDArray[np.int32]:
    """Return the scores of the rows of `features`."""
    total = features.astype(np.int64) @ np.array(weights, dtype=np.int64) + bias
    return np.clip(total, -2**31, 2**31 - 1).astype(np.int32)
