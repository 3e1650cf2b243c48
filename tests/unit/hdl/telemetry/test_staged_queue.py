"""A queue whose entries come part by part."""

import random

import pytest

from hdl.telemetry.staged_queue import PLACES, StagedQueue
from tests.support.streams import run

PARTS = {"first": (8, 0), "second": (16, 1), "third": (5, 3)}


@pytest.mark.parametrize("seed", range(6))
def test_each_entry_has_its_own_parts_however_they_overlap(seed):
    rng = random.Random(seed)
    dut = StagedQueue(PARTS)
    often, taken_often = [(1.0, 0.2), (0.6, 0.4), (0.3, 1.0)][seed % 3]
    wanted, found = [], []
    counts = {"missed": 0, "most": 0}

    async def feed(ctx):
        due = {}
        waiting = 0
        for cycle in range(600):
            begins = cycle < 500 and rng.random() < often
            entry = {name: rng.getrandbits(bits) for name, (bits, _) in PARTS.items()}
            ctx.set(dut.begins, begins)
            if begins:
                for name, (_, late) in PARTS.items():
                    due[cycle + late, name] = entry[name]
            ctx.set(dut.parts, {name: due.get((cycle, name), rng.getrandbits(bits))
                                for name, (bits, _) in PARTS.items()})
            ctx.set(dut.entries.ready, rng.random() < taken_often or cycle >= 540)
            if begins and ctx.get(dut.missed):
                counts["missed"] += 1
                # One that left in the last cycle still counts.
                assert waiting >= PLACES - 2, "there is room"
            elif begins:
                wanted.append(entry)
                waiting += 1
            else:
                assert not ctx.get(dut.missed)
            if ctx.get(dut.entries.valid) and ctx.get(dut.entries.ready):
                found.append({name: ctx.get(dut.entries.p[name]) for name in PARTS})
                waiting -= 1
            counts["most"] = max(counts["most"], waiting)
            await ctx.tick()
            assert ctx.get(dut.held) == (waiting > 0)

    run(dut, feed)
    assert found == wanted and len(wanted) > 90
    assert counts["most"] <= PLACES
    assert (counts["missed"] > 0) == (often > taken_often)


def test_an_entry_is_offered_a_cycle_after_its_last_part_and_one_follows_a_cycle_later():
    dut = StagedQueue(PARTS)
    shown = []

    async def feed(ctx):
        ctx.set(dut.entries.ready, 1)
        for cycle in range(12):
            ctx.set(dut.begins, cycle < 5)
            shown.append(ctx.get(dut.entries.valid))
            await ctx.tick()

    run(dut, feed)
    assert dut.latency == 4
    assert shown == [0] * 4 + [1] * 5 + [0] * 3
