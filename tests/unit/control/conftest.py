"""What tests of the control plane have: a fake appliance with a control plane, and a model."""

import pytest

from control.models import linear_model
from proto.features import FEATURES
from tests.unit.control.plant import running_plant
from tests.unit.control.ready import WEIGHTS


@pytest.fixture
def plant():
    with running_plant() as plant:
        yield plant


@pytest.fixture
def model_file(tmp_path):
    model = linear_model(name="demo", weights=WEIGHTS, bias=-1000, fraction_bits=8,
                         vectors=[range(len(FEATURES))])
    path = tmp_path / "model.json"
    path.write_text(model.to_json())
    return path
