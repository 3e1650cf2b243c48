"""A short run of each mix at line rate."""

import pytest

from sim.bench.line_rate import MIXES, measure_line_rate

pytestmark = pytest.mark.e2e

#: Packed, these Deletes come faster than the next best levels are found; see docs/latency.md.
OUTRUN = {("delete_runs", True)}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("mix", MIXES)
def test_every_top_of_book_is_right(mix, packed):
    found = measure_line_rate("sim", mix, messages=3000, packed=packed, fill=0.02)
    assert found["rows_wrong"] == found["errors_while_emptying"] == found["book_errors"] == 0
    assert found["orders_left"] > 0
    # 10GbE: eight bytes a cycle, at most 7 % of them are headers and gaps if packed.
    assert 3.5 < found["cycles_per_message"] < 5.2 if packed else \
        14 < found["cycles_per_message"] < 16
    if (mix, packed) not in OUTRUN:
        assert found["lost"] == found["rows_while_stale"] == found["rows_missing"] == 0
        assert found["rows_matched"] == found["rows"] > 0
