"""The demo's model."""

from control.models import parse_model
from demo.model import calibrate, threshold_of, write_model
from hdl.orders import FEATURE_NAMES


def test_the_model_explains_a_market_that_it_has_not_seen(tmp_path):
    found = write_model(tmp_path / "deeper" / "model.json")
    assert found.explained > 0.15
    assert found.rows > 1000
    model = parse_model((tmp_path / "deeper" / "model.json").read_text(encoding="utf-8"))
    assert model == found.model
    # Larger bids than offers, and buying, come before a rise.
    weights = dict(zip(FEATURE_NAMES, model.weights, strict=True))
    assert weights["order_flow_imbalance"] > 0 and weights["imbalance_top5"] > 0
    # What has happened before the event has its part in it; a market has no position of ours.
    assert sum(weight != 0 for weight in model.weights) >= 10 and weights["position"] == 0
    assert threshold_of(model) == 2**model.fraction_bits


def test_a_fit_repeats():
    runs = [calibrate(seed=5, duration_ns=300_000_000).model.to_json() for _ in range(2)]
    assert runs[0] == runs[1]
