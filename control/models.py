"""Model files: canonical JSON ``tickwire-model/1``, checked before anything meets the hardware.

A file is one JSON object with sorted keys and no spaces; ``sha256`` is the hash of the same object
without that key. The loader accepts any layout of a well-formed object, the hash is of the
canonical form.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from proto.features import FEATURES, schema_sha256

__all__ = ["LinearModel", "ModelError", "TestVector", "linear_model", "load_model", "parse_model"]

FORMAT = "tickwire-model/1"
_KEYS = frozenset({"format", "engine", "name", "feature_schema_sha256", "fraction_bits", "weights",
                   "bias", "test_vectors", "sha256"})
_MAXIMUM_BYTES = 1 << 20


class ModelError(ValueError):
    """A model file that must not be loaded; the message names the field."""


@dataclass(frozen=True)
class TestVector:
    """A feature vector and the score that every engine must give for it."""

    __test__ = False  # no test class of pytest

    features: tuple[int, ...]
    score: int


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """A linear model: ``score = bias + sum(weight * feature)``; a positive score buys.

    Attributes
    ----------
    name : str
        What people call it.
    weights : tuple of int
        One a feature of the schema, 16-bit signed.
    bias : int
        32-bit signed, in the unit of the score.
    fraction_bits : int
        The score's unit is ``2**-fraction_bits``.
    test_vectors : tuple of :class:`TestVector`
        At least one.
    sha256 : str
        Hash of the file, 64 hexadecimal digits.
    """

    name: str
    weights: tuple[int, ...]
    bias: int
    fraction_bits: int
    test_vectors: tuple[TestVector, ...]
    sha256: str

    def score(self, features: Sequence[int]) -> int:
        """Return the engine's answer: the weighted sum, saturated to 32 bits."""
        total = self.bias + sum(w * f for w, f in zip(self.weights, features, strict=True))
        return max(-2**31, min(2**31 - 1, total))

    def worst_case(self) -> tuple[int, int]:
        """Return the lowest and highest sum that features within the schema's range can give."""
        pairs = [(w * f.minimum, w * f.maximum)
                 for w, f in zip(self.weights, FEATURES, strict=True)]
        return (self.bias + sum(min(pair) for pair in pairs),
                self.bias + sum(max(pair) for pair in pairs))

    def bank_words(self) -> tuple[int, ...]:
        """Return the words of a parameter bank by address, as unsigned 32-bit integers."""
        return tuple(word & 0xFFFFFFFF for word in (*self.weights, self.bias))

    def to_json(self) -> str:
        """Return the canonical file."""
        return _canonical({**_body(self), "sha256": self.sha256})


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _body(model: LinearModel) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "engine": "linear",
        "name": model.name,
        "feature_schema_sha256": schema_sha256(),
        "fraction_bits": model.fraction_bits,
        "weights": list(model.weights),
        "bias": model.bias,
        "test_vectors": [{"features": list(v.features), "score": v.score}
                         for v in model.test_vectors],
    }


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body).encode("ascii")).hexdigest()


def linear_model(*, name: str, weights: Sequence[int], bias: int, fraction_bits: int,
                 vectors: Sequence[Sequence[int]]) -> LinearModel:
    """Make a model, with the scores of `vectors` as its test vectors.

    Raises
    ------
    ModelError
        As :func:`parse_model`.
    """
    draft = LinearModel(name=name, weights=tuple(weights), bias=bias, fraction_bits=fraction_bits,
                        test_vectors=(), sha256="")
    if len(weights) != len(FEATURES):
        raise ModelError(f"weights must have {len(FEATURES)} elements, had {len(weights)}")
    for number, vector in enumerate(vectors):
        if len(vector) != len(FEATURES):
            raise ModelError(f"test_vectors[{number}].features must have {len(FEATURES)} elements, "
                             f"had {len(vector)}")
    tests = tuple(TestVector(tuple(v), draft.score(v)) for v in vectors)
    body = _body(LinearModel(name=name, weights=draft.weights, bias=bias,
                             fraction_bits=fraction_bits, test_vectors=tests, sha256=""))
    return parse_model(_canonical({**body, "sha256": _hash(body)}))


def load_model(path: Path) -> LinearModel:
    """Read and check a model file.

    Raises
    ------
    ModelError
        As :func:`parse_model`, or if the file is larger than 1 MiB.
    OSError
        If it cannot be read.
    """
    if path.stat().st_size > _MAXIMUM_BYTES:
        raise ModelError(f"{path.name} must be at most {_MAXIMUM_BYTES} bytes, "
                         f"was {path.stat().st_size}")
    return parse_model(path.read_text(encoding="utf-8"))


def parse_model(text: str) -> LinearModel:
    """Check a model and return it.

    Raises
    ------
    ModelError
        If the text is no such object, a field has a wrong type, shape or range, the features are
        other ones, the hash differs, a score could saturate, or a test vector disagrees.
    """
    try:
        parsed: object = json.loads(text, parse_float=_no_float, parse_constant=_no_float,
                                    object_pairs_hook=_unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ModelError(f"model must be JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"model must be a JSON object, was {type(parsed).__name__}")
    raw = cast(dict[str, Any], parsed)
    if raw.keys() != _KEYS:
        missing, unknown = sorted(_KEYS - raw.keys()), sorted(raw.keys() - _KEYS)
        raise ModelError(f"model must have exactly its fields; missing {missing}, "
                         f"unknown {unknown}")
    for key, wanted in (("format", FORMAT), ("engine", "linear")):
        if raw[key] != wanted:
            raise ModelError(f"{key} must be {wanted!r}, was {raw[key]!r}")
    if raw["feature_schema_sha256"] != schema_sha256():
        raise ModelError(f"the model was made for other features than those of this version, "
                         f"{schema_sha256()} (docs/features.md): train it again; its "
                         f"feature_schema_sha256 was {raw['feature_schema_sha256']!r}")
    name = raw["name"]
    if not isinstance(name, str) or not 1 <= len(name) <= 64:
        raise ModelError(f"name must be a text of 1 to 64 characters, was {name!r}")
    body = {key: value for key, value in raw.items() if key != "sha256"}
    if raw["sha256"] != _hash(body):
        raise ModelError(f"sha256 must be {_hash(body)}, the hash of the rest, "
                         f"was {raw['sha256']!r}")
    model = LinearModel(
        name=name,
        weights=_integers("weights", raw["weights"]),
        bias=_integer("bias", raw["bias"], -2**31, 2**31 - 1),
        fraction_bits=_integer("fraction_bits", raw["fraction_bits"], 0, 31),
        test_vectors=_vectors(raw["test_vectors"]),
        sha256=raw["sha256"],
    )
    low, high = model.worst_case()
    if low < -2**31 or high > 2**31 - 1:
        raise ModelError(f"weights and bias must keep every score within 32 bits, worst cases were "
                         f"{low} and {high}: lower fraction_bits")
    for number, vector in enumerate(model.test_vectors):
        if model.score(vector.features) != vector.score:
            raise ModelError(f"test_vectors[{number}].score must be "
                             f"{model.score(vector.features)}, was {vector.score}")
    return model


def _no_float(literal: str) -> Any:
    raise ModelError(f"numbers must be integers, one was {literal}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ModelError(f"field {key!r} must occur once, occurred {keys.count(key)} times")
    return dict(pairs)


def _integer(name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ModelError(f"{name} must be an integer, was {value!r}")
    if not low <= value <= high:
        raise ModelError(f"{name} must be {low} to {high}, was {value}")
    return value


def _integers(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ModelError(f"{name} must be a list, was {value!r}")
    items = cast(list[object], value)
    if len(items) != len(FEATURES):
        raise ModelError(f"{name} must have {len(FEATURES)} elements, had {len(items)}")
    return tuple(_integer(f"{name}[{n}]", item, -2**15, 2**15 - 1)
                 for n, item in enumerate(items))


def _vectors(value: object) -> tuple[TestVector, ...]:
    if not isinstance(value, list) or not value:
        raise ModelError(f"test_vectors must be a list of at least one, was {value!r}")
    vectors: list[TestVector] = []
    for number, item in enumerate(cast(list[object], value)):
        if not isinstance(item, dict):
            raise ModelError(f"test_vectors[{number}] must be an object, was {item!r}")
        entry = cast(dict[str, object], item)
        if entry.keys() != {"features", "score"}:
            raise ModelError(f"test_vectors[{number}] must have features and score, "
                             f"had {sorted(entry)}")
        vectors.append(TestVector(
            _integers(f"test_vectors[{number}].features", entry["features"]),
            _integer(f"test_vectors[{number}].score", entry["score"], -2**31, 2**31 - 1)))
    return tuple(vectors)
