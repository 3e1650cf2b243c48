"""What is told of the feed path."""

import pytest

from hdl.profile import Profile
from hdl.telemetry.feed_status import FeedStatus
from proto.events import BookState
from tests.support.streams import run

PROFILE = Profile(name="test", symbols=2, window_ticks=64, orders=64, frame_buffer_bytes=2048,
                  tcp_ring_bytes=1024, event_ring_bytes=512)
READY = {"book_ready": 1, "book_idle": 1, "ring_empty": 1}


def levels(**inputs) -> tuple[int, int, int, int]:
    """Return feed_ready, idle, upkeep and calm one cycle after the inputs."""
    dut = FeedStatus(PROFILE, buffer_words=256)
    out = []

    async def bench(ctx):
        for name, value in inputs.items():
            ctx.set(getattr(dut, name), value)
        await ctx.tick()
        out.append((ctx.get(dut.feed_ready), ctx.get(dut.idle), ctx.get(dut.upkeep),
                    ctx.get(dut.calm)))

    run(dut, bench)
    return out[0]


@pytest.mark.parametrize(("change", "expected"), [
    ({}, (1, 1, 0, 1)),
    ({"occupancy_words": 63}, (1, 0, 0, 0)),
    ({"occupancy_words": 64}, (0, 0, 0, 0)),
    ({"offered": 1}, (1, 0, 0, 0)),
    ({"book_ready": 0}, (0, 0, 0, 0)),
    ({"book_idle": 0}, (1, 0, 1, 0)),
    ({"ring_nearly_full": 1, "ring_empty": 0}, (0, 0, 0, 1)),
])
def test_levels(change, expected):
    assert levels(**(READY | change)) == expected


@pytest.mark.parametrize(("inputs", "flags"), [
    ({}, BookState(0)),
    ({"states": [0, ord("T")]}, BookState.HALTED),
    ({"tradable": 0b10}, BookState.OPERATIONAL_HALT),
    ({"market_halted": 1, "tradable": 0}, BookState.MARKET_HALT),
    ({"event": ord("M"), "tradable": 0}, BookState.CLOSED),
    ({"event": 0, "tradable": 0, "states": [0, 0]}, BookState.CLOSED | BookState.HALTED),
    ({"short_restricted": 0b01}, BookState.SHORT_RESTRICTED),
])
def test_flags_of_a_symbol(inputs, flags):
    dut = FeedStatus(PROFILE, buffer_words=256)
    normal = {"states": [ord("T")] * 2, "tradable": 0b11, "event": ord("Q"),
              "cfg_trading_events": 0b000100}

    async def bench(ctx):
        for name, value in (normal | inputs).items():
            ctx.set(getattr(dut, name), value)
        await ctx.tick()
        assert ctx.get(dut.flags[0]) == flags

    run(dut, bench)
