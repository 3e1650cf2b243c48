"""Fixtures of the exchange's tests."""

import pytest

from tests.unit.sim.exchange.tap import Tap


@pytest.fixture
def tap():
    made = Tap()
    yield made
    made.close()
