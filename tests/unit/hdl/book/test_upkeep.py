"""What asks for levels and moves windows, alone: whom it serves, what it refuses, when it stops."""

import pytest

from hdl.book.upkeep import RebuildControl, RefillControl
from hdl.profile import Profile
from tests.support.streams import run

PROFILE = Profile(name="small", symbols=2, window_ticks=64, orders=256, frame_buffer_bytes=4096,
                  tcp_ring_bytes=4096, event_ring_bytes=4096)
ROWS = range(4)


class Refill:
    """The control, with pulses as calls."""

    def __init__(self, ctx, dut: RefillControl):
        self.ctx, self.dut = ctx, dut

    async def pulse(self, name: str, **values) -> None:
        """Raise an input for a cycle, with values beside it."""
        for other, value in {**values, name: 1}.items():
            self.ctx.set(getattr(self.dut, other), value)
        await self.ctx.tick()
        self.ctx.set(getattr(self.dut, name), 0)
        self.ctx.set(self.dut.missed, 0)
        self.ctx.set(self.dut.settled_added, 0)

    async def settle(self, row: int, **values) -> None:
        """An operation has left a side, as a rule one that wants levels."""
        await self.pulse("settled", settled_row=row, **{
            "settled_wants": 1, "settled_low": 0, "settled_empty": 0, "settled_added": 0,
            "missed": 0, "missed_key": 0, **values})

    async def requested(self, cycles: int = 20) -> int | None:
        """Return the side of the next request, if there is one."""
        for _ in range(cycles):
            if self.ctx.get(self.dut.request):
                return self.ctx.get(self.dut.row)
            await self.ctx.tick()
        return None

    async def search(self, row: int) -> None:
        """Let a side be searched."""
        await self.settle(row)
        assert await self.requested() == row
        await self.pulse("taken")
        await self.pulse("started")

    async def allowed(self, key: int) -> bool:
        """Return whether an answer may be used."""
        self.ctx.set(self.dut.offer_key, key)
        await self.ctx.tick()
        return bool(self.ctx.get(self.dut.allow))

    async def stopped(self) -> bool:
        """Return whether the search is stopped, a cycle after its reason."""
        await self.ctx.tick()
        return bool(self.ctx.get(self.dut.stop))

    def get(self, name: str) -> int:
        """Return an output."""
        return self.ctx.get(getattr(self.dut, name))


def refill(scenario) -> None:
    """Simulate a scenario of a refill."""
    dut = RefillControl(PROFILE)

    async def bench(ctx):
        await scenario(Refill(ctx, dut))

    run(dut, bench, cycles=2000)


@pytest.mark.parametrize("row", ROWS)
def test_a_side_that_wants_levels_is_searched_once(row):
    async def scenario(it):
        assert await it.requested() is None
        await it.settle(row)
        assert await it.requested() == row
        await it.ctx.tick().repeat(5)
        assert it.get("request"), "held until taken"
        await it.pulse("taken")
        assert not it.get("request")
        await it.pulse("started")
        assert await it.requested() is None, "one search at a time"
        await it.settle(row, settled_wants=0)
        await it.pulse("ended", ended_dry=0)
        assert await it.requested() is None
        await it.settle(row)
        assert await it.requested() == row

    refill(scenario)


def test_searching_covers_wish_request_and_search_but_no_wish_of_a_barred_side():
    async def scenario(it):
        it.ctx.set(it.dut.barred, 0b1101)
        await it.settle(2)
        await it.ctx.tick().repeat(3)
        assert not it.get("searching"), "it cannot be searched now"
        it.ctx.set(it.dut.barred, 0b1001)
        await it.ctx.tick().repeat(2)
        for _ in range(10):
            assert it.get("searching")
            await it.ctx.tick()
        await it.pulse("taken")
        await it.settle(2, settled_wants=0)
        await it.ctx.tick().repeat(3)
        assert it.get("searching"), "it runs"
        await it.pulse("ended", ended_dry=1)
        await it.ctx.tick()
        assert not it.get("searching")

    refill(scenario)


def test_a_side_without_levels_goes_first_and_a_barred_one_is_not_searched():
    async def scenario(it):
        it.ctx.set(it.dut.barred, 0b1111)
        for row in ROWS:
            await it.settle(row, settled_empty=row == 1, settled_low=row == 3)
        assert await it.requested() is None
        assert it.get("any_low") and it.get("empty") == 0b0010
        it.ctx.set(it.dut.urgent, 1)
        it.ctx.set(it.dut.urgent_row, 1)
        it.ctx.set(it.dut.barred, 0b0010)
        assert await it.requested() is None, "operations wait for this one alone"
        it.ctx.set(it.dut.barred, 0)
        assert await it.requested() == 1
        it.ctx.set(it.dut.urgent, 0)
        await it.pulse("taken")
        await it.settle(1, settled_wants=0)
        assert it.get("empty") == 0
        await it.settle(3, settled_low=0)
        assert not it.get("any_low")
        it.ctx.set(it.dut.barred, 0b1001)
        await it.pulse("ended", ended_dry=0)
        assert await it.requested() == 2

    refill(scenario)


@pytest.mark.parametrize(("reason", "stops"), [
    ({"refused": 1}, True),
    ({"urgent": 1, "urgent_row": 1}, True), ({"urgent": 1, "urgent_row": 2}, False),
    ({"settled": 1, "settled_row": 2, "settled_wants": 0}, True),
    ({"settled": 1, "settled_row": 2, "settled_wants": 1}, False),
    ({"settled": 1, "settled_row": 0, "settled_wants": 0}, False), ({}, False),
])
def test_a_search_is_stopped_when_refused_or_full_or_another_is_urgent(reason, stops):
    async def scenario(it):
        for name, value in reason.items():
            it.ctx.set(getattr(it.dut, name), value)
        assert not await it.stopped(), "there is none"
        for name in reason:
            it.ctx.set(getattr(it.dut, name), 0)
        await it.search(2)
        assert not await it.stopped()
        for name, value in reason.items():
            it.ctx.set(getattr(it.dut, name), value)
        assert await it.stopped() is stops

    refill(scenario)


def test_answers_that_a_later_operation_could_have_changed_are_refused():
    async def scenario(it):
        await it.settle(2, missed=1, missed_key=10)     # before the search
        await it.search(2)
        assert await it.allowed(500)
        await it.settle(3, missed=1, missed_key=10, settled_wants=0)    # another side
        assert await it.allowed(500)
        await it.settle(2, missed=1, missed_key=400)
        assert await it.allowed(399)
        assert not await it.allowed(400)
        await it.settle(2, missed=1, missed_key=450)    # the best one counts
        assert await it.allowed(399)
        assert not await it.allowed(400)
        await it.settle(2, missed=1, missed_key=300)
        assert await it.allowed(299)
        assert not await it.allowed(300)
        it.ctx.set(it.dut.offer_key, 1)
        await it.pulse("refused")
        assert not it.get("allow")
        assert not await it.allowed(1), "nor the rest of a search of which one was refused"
        await it.pulse("ended", ended_dry=0)
        assert await it.requested() == 2, "it is searched again"
        await it.pulse("taken")
        await it.pulse("started")
        assert await it.allowed(500)
        it.ctx.set(it.dut.barred, 0b0100)
        assert not await it.allowed(1)

    refill(scenario)


def test_the_operation_of_the_same_cycle_counts_and_the_one_of_the_start_does_not():
    async def scenario(it):
        await it.settle(2)
        assert await it.requested() == 2
        await it.pulse("taken")
        await it.pulse("started", settled=1, settled_row=2, missed=1, missed_key=5,
                       settled_wants=1)
        it.ctx.set(it.dut.settled, 0)
        assert await it.allowed(500)
        it.ctx.set(it.dut.offer_key, 400)
        await it.settle(2, missed=1, missed_key=400)
        assert not it.get("allow")
        it.ctx.set(it.dut.offer_key, 350)
        await it.settle(2, missed=1, missed_key=351)
        assert it.get("allow")

    refill(scenario)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("spoiled", ["", "added", "refused", "refused at its end"])
def test_a_bare_window_is_told_unless_the_search_was_spoiled(spoiled, fresh):
    async def scenario(it):
        if fresh:
            await it.pulse("rebuilt", rebuilt_row=2)
        await it.settle(2, settled_empty=1)
        assert await it.requested() == 2
        await it.pulse("taken")
        await it.pulse("started")
        if spoiled == "added":
            await it.settle(2, settled_empty=1, settled_added=1, missed=1, missed_key=7)
        if spoiled == "refused":
            await it.pulse("refused")
        it.ctx.set(it.dut.ended, 1)
        it.ctx.set(it.dut.ended_dry, 1)
        it.ctx.set(it.dut.refused, spoiled == "refused at its end")
        assert (it.get("exhausted"), it.get("hopeless")) == (
            (0, 0) if spoiled else (0, 1) if fresh else (1, 0))
        if not spoiled:
            assert it.get("exhausted_row") == 2
        await it.ctx.tick()
        it.ctx.set(it.dut.ended, 0)
        it.ctx.set(it.dut.refused, 0)
        assert it.get("dry") == (0 if spoiled else 0b0100)
        assert await it.requested() == (2 if spoiled else None)

    refill(scenario)


def test_a_dry_window_is_searched_again_after_an_add_beyond_or_a_move():
    async def scenario(it):
        for again in ("add", "move"):
            await it.search(2)
            await it.pulse("ended", ended_dry=1)
            assert it.get("dry") == 0b0100 and not it.get("exhausted")
            await it.settle(2)
            assert await it.requested() is None
            if again == "add":
                await it.settle(2, settled_added=1, missed=1, missed_key=9)
            else:
                await it.pulse("rebuilt", rebuilt_row=2)
            assert it.get("dry") == 0
            assert await it.requested() == 2
            await it.pulse("taken")
            await it.pulse("started")
            await it.settle(2, settled_wants=0)
            await it.pulse("ended", ended_dry=0)

    refill(scenario)


def test_clear_forgets_wishes_and_searches():
    async def scenario(it):
        for row in ROWS:
            await it.settle(row, settled_low=1, settled_empty=1)
        assert await it.requested() is not None
        await it.pulse("clear")
        assert await it.requested() is None
        assert (it.get("any_low"), it.get("empty"), it.get("dry")) == (0, 0, 0)
        await it.search(1)
        await it.pulse("clear")
        await it.settle(3)
        assert await it.requested() == 3

    refill(scenario)


def rebuild(scenario) -> list:
    """Simulate a scenario of a rebuild; return the sides that were rebuilt."""
    dut = RebuildControl(PROFILE)
    rebuilt = []

    async def watch(ctx):
        async for _, _, done, row in ctx.tick().sample(dut.rebuilt, dut.row):
            if done:
                rebuilt.append(row)

    async def bench(ctx):
        async def pulse(name, **values):
            for other, value in {**values, name: 1}.items():
                ctx.set(getattr(dut, other), value)
            await ctx.tick()
            ctx.set(getattr(dut, name), 0)

        await scenario(ctx, dut, pulse)

    run(dut, bench, background=[watch], cycles=2000)
    return rebuilt


@pytest.mark.parametrize("row", ROWS)
def test_a_side_whose_window_is_bare_is_walked_once(row):
    async def scenario(ctx, dut, pulse):
        await ctx.tick().repeat(10)
        assert not ctx.get(dut.walk.valid)
        await pulse("need", need_row=row)
        assert ctx.get(dut.needed) == 1 << row
        await ctx.tick().until(dut.walk.valid)
        asked = ctx.get(dut.walk.p)
        assert (asked.symbol_index, int(asked.side.value)) == (row >> 1, row & 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.walk.valid) and not ctx.get(dut.stat_rebuild)
        ctx.set(dut.walk.ready, 1)
        assert ctx.get(dut.stat_rebuild)
        await ctx.tick()
        ctx.set(dut.walk.ready, 0)
        assert not ctx.get(dut.stat_rebuild)
        await pulse("walk_ended")           # it has not been placed yet
        await pulse("placed")
        assert not ctx.get(dut.candidate_valid)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.needed) == 1 << row
        await pulse("walk_ended")
        await ctx.tick().repeat(2)
        assert ctx.get(dut.needed) == 0
        await ctx.tick().repeat(10)
        assert not ctx.get(dut.walk.valid)

    assert rebuild(scenario) == [row]


def test_the_best_price_outside_is_where_the_next_walk_places_the_window():
    async def scenario(ctx, dut, pulse):
        async def begin():
            await ctx.tick().until(dut.walk.valid)
            ctx.set(dut.walk.ready, 1)
            await ctx.tick()
            ctx.set(dut.walk.ready, 0)

        await pulse("outside", outside_row=2, outside_key=900)
        await begin()
        await pulse("outside", outside_row=2, outside_key=700)      # the window is not placed yet
        assert (ctx.get(dut.candidate_valid), ctx.get(dut.candidate)) == (1, 700)
        await pulse("placed")
        assert not ctx.get(dut.candidate_valid)
        await pulse("outside", outside_row=2, outside_key=800)
        await pulse("outside", outside_row=3, outside_key=100)      # another side: later
        await pulse("outside", outside_row=2, outside_key=801)
        assert (ctx.get(dut.candidate_valid), ctx.get(dut.candidate)) == (1, 800)
        await pulse("outside", outside_row=2, outside_key=799)
        assert ctx.get(dut.candidate) == 799
        await pulse("walk_ended")
        await begin()
        assert ctx.get(dut.row) == 2 and ctx.get(dut.candidate) == 799
        await pulse("placed")
        await pulse("walk_ended")
        await begin()
        assert ctx.get(dut.row) == 3 and not ctx.get(dut.candidate_valid)
        await pulse("placed")
        await pulse("walk_ended")
        await ctx.tick().repeat(3)
        assert ctx.get(dut.needed) == 0

    assert rebuild(scenario) == [2, 3]


def test_no_walk_is_asked_for_in_the_cycle_of_a_clear():
    async def scenario(ctx, dut, pulse):
        await pulse("need", need_row=1)
        await ctx.tick().until(dut.walk.valid)
        ctx.set(dut.clear, 1)
        assert not ctx.get(dut.walk.valid)

    assert rebuild(scenario) == []
