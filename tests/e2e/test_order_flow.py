"""Random order flow through the simulated appliance, against the plain-Python books."""

import pytest

from sim.appliance import Appliance, SymbolSettings
from sim.framing import FeedAddress, frame_messages
from sim.golden.book import bbo_rows
from sim.replay import COLUMNS
from tests.support.order_flow import OrderFlow

pytestmark = pytest.mark.e2e


def run_flow(flow: OrderFlow, messages: list[bytes], *, packed: bool, hold: bool,
             cut_through: bool) -> tuple[list[tuple[int, ...]], dict[str, int]]:
    """Return the rows and the counters of the appliance."""
    with Appliance() as appliance:
        appliance.write("control.hold_on_rebuild", int(hold))
        appliance.write("control.fcs_mode", int(cut_through))
        appliance.watch([SymbolSettings(f"SYM{locate}", locate, flow.tick_size)
                         for locate in flow.locates])
        appliance.configure_feed(FeedAddress())
        appliance.simulation.set_paced(hold)
        appliance.send_frames([datagram.frame for datagram in
                               frame_messages(messages, FeedAddress(), packed=packed)])
        appliance.settle()
        events = appliance.events()
        columns = [events[name].tolist() for name in COLUMNS.values()]
        return list(zip(*columns, strict=True)), appliance.counters()


def check(flow: OrderFlow, count: int, **how: bool) -> dict[str, int]:
    """Assert that every row is right and nothing was lost; return the counters."""
    messages = flow.messages(count)
    rows, counters = run_flow(flow, messages, **how)
    expected = [tuple(row) for row in bbo_rows(messages)]
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=False)):
        assert row == wanted, f"seed {flow.seed}, row {number}"
    assert len(rows) == len(expected)
    assert counters["mold.messages"] == counters["itch.operations"] == count
    for name in ("book.events_dropped", "net.frames_dropped_buffer_full", "mold.gaps",
                 "book.unknown_reference", "book.duplicate_reference", "book.overfill"):
        assert counters[name] == 0, name
    return counters


@pytest.mark.parametrize("cut_through", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_at_line_rate(seed, packed, cut_through):
    # Within the window and few levels: no rebuild, so nothing may wait.
    flow = OrderFlow(seed=seed, locates=(1, 2, 3), spread=40, resting=100)
    check(flow, 20_000, packed=packed, hold=False, cut_through=cut_through)


@pytest.mark.parametrize("seed", [3, 4])
def test_every_row_when_windows_move(seed):
    flow = OrderFlow(seed=seed, locates=tuple(range(1, 9)), spread=3000, resting=400, wander=60,
                     centre=10_000_000)
    counters = check(flow, 10_000, packed=True, hold=True, cut_through=False)
    assert counters["book.rebuilds"] > 0


def test_every_row_of_a_chain_of_replaces_and_of_few_levels():
    flow = OrderFlow(seed=5, locates=(1,), spread=3, resting=4)
    check(flow, 20_000, packed=True, hold=False, cut_through=True)


@pytest.mark.parametrize("resting", [1000, 5000])
def test_every_row_of_a_full_book(resting):
    flow = OrderFlow(seed=6, locates=(1, 2), spread=1500, resting=resting)
    check(flow, 20_000, packed=True, hold=True, cut_through=False)
