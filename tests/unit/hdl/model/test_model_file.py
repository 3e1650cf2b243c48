"""Model files: what is accepted, and the message for everything else."""

import hashlib
import json

import pytest

from control.models import ModelError, linear_model, load_model, parse_model
from proto.features import FEATURES, schema_sha256
from sim.golden.model import linear_score

COUNT = len(FEATURES)
WEIGHTS = [-3, 40, 120, 7, *range(1, COUNT - 3)]
LOWEST, HIGHEST = ([getattr(feature, end) for feature in FEATURES]
                   for end in ("minimum", "maximum"))
VECTORS = [[0] * COUNT, LOWEST, HIGHEST]


def model():
    return linear_model(name="demo", weights=WEIGHTS, bias=-55, fraction_bits=8,
                        vectors=VECTORS)


def changed(**fields) -> str:
    """Return the demo model with fields replaced and a matching hash."""
    body = json.loads(model().to_json())
    body.update(fields)
    body = {key: value for key, value in body.items() if value is not ... and key != "sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({**body, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def test_a_model_survives_the_file(tmp_path):
    path = tmp_path / "demo.json"
    path.write_text(model().to_json())
    loaded = load_model(path)
    assert loaded == model()
    assert loaded.bank_words() == (2**32 - 3, *WEIGHTS[1:], 2**32 - 55)
    for vector in loaded.test_vectors:
        assert vector.score == linear_score(vector.features, loaded.weights, loaded.bias)


def test_worst_case_is_reached_and_bounded():
    low, high = model().worst_case()
    ends = [sorted((weight * lowest, weight * highest)) for weight, lowest, highest in zip(
        WEIGHTS, LOWEST, HIGHEST, strict=True)]
    assert low == model().bias + sum(end[0] for end in ends)
    assert high == model().bias + sum(end[1] for end in ends)
    assert ends[0] == [-3 * 32767, 3 * 32768]


@pytest.mark.parametrize(("text", "message"), [
    ("[1", "model must be JSON"),
    ("[1]", "must be a JSON object, was list"),
    ('{"a": 1, "a": 2}', "field 'a' must occur once"),
    ('{"a": 1.5}', "numbers must be integers, one was 1.5"),
    ('{"a": NaN}', "numbers must be integers, one was NaN"),
    (changed(bias=...), r"missing \['bias'\]"),
    (changed(colour=1), r"unknown \['colour'\]"),
    (changed(format="tickwire-model/2"), "format must be 'tickwire-model/1'"),
    (changed(engine="forest"), "engine must be 'linear', was 'forest'"),
    (changed(feature_schema_sha256="00"), f"made for other features than those of this version, "
     f"{schema_sha256()[:16]}.*: train it again"),
    (changed(name=""), "name must be a text of 1 to 64"),
    (changed(weights=[1, 2, 3]), f"weights must have {len(FEATURES)} elements, had 3"),
    (changed(weights=[1, 2, 3, 32768] + [0] * (COUNT - 4)),
     r"weights\[3\] must be -32768 to 32767, was 32768"),
    (changed(weights=[1, 2, 3, True] + [0] * (COUNT - 4)),
     r"weights\[3\] must be an integer, was True"),
    (changed(weights="1234"), "weights must be a list"),
    (changed(bias=2**31), "bias must be"),
    (changed(fraction_bits=32), "fraction_bits must be 0 to 31, was 32"),
    (changed(test_vectors=[]), "test_vectors must be a list of at least one"),
    (changed(test_vectors=[3]), r"test_vectors\[0\] must be an object"),
    (changed(test_vectors=[{"features": [0] * COUNT}]), "must have features and score"),
    (changed(test_vectors=[{"features": [0] * COUNT, "score": 1}]),
     r"test_vectors\[0\].score must be -55, was 1"),
    (changed(weights=[32767] * COUNT, test_vectors=[{"features": [0] * COUNT, "score": -55}]),
     "keep every score within 32 bits"),
    (model().to_json().replace('"bias":-55', '"bias":-56'), "sha256 must be"),
])
def test_a_bad_file_is_refused_with_its_field(text, message):
    with pytest.raises(ModelError, match=message):
        parse_model(text)


def test_a_huge_file_is_not_parsed(tmp_path):
    path = tmp_path / "huge.json"
    path.write_text(" " * (2**20 + 1))
    with pytest.raises(ModelError, match="at most 1048576 bytes"):
        load_model(path)


def test_making_a_model_checks_its_vectors():
    with pytest.raises(ModelError, match=f"must have {COUNT} elements, had 1"):
        linear_model(name="x", weights=WEIGHTS, bias=0, fraction_bits=0, vectors=[(1,)])
    with pytest.raises(ModelError, match=f"weights must have {COUNT} elements, had 1"):
        linear_model(name="x", weights=[1], bias=0, fraction_bits=0, vectors=[(1,)])
