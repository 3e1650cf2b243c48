"""The queue of vectors that wait to be recorded."""

import random

import pytest

from hdl.profile import PROFILES
from hdl.telemetry.vector_queue import VectorQueue
from proto.features import FEATURES
from tests.support.streams import run

PROFILE = PROFILES["bench"]


@pytest.mark.parametrize("seed", range(4))
def test_each_vector_has_its_cause_and_its_score_in_whatever_order_they_overlap(seed):
    rng = random.Random(seed)
    dut = VectorQueue(PROFILE)
    often, taken_often = rng.choice([0.3, 0.6, 1.0]), rng.choice([0.1, 0.4, 1.0])
    wanted, found = [], []
    counts = {"missed": 0, "most": 0}

    async def feed(ctx):
        ctx.set(dut.cfg_keep, 1)
        scores = {}
        waiting = 0
        for cycle in range(400):
            comes = cycle < 340 and rng.random() < often
            vector = {"symbol_index": rng.randrange(8), "usable": rng.randrange(2),
                      "features": [rng.randint(-32768, 32767) for _ in FEATURES]}
            cause = {"sequence": rng.getrandbits(64), "timestamp_ns": rng.getrandbits(48)}
            score = {"score": rng.randint(-2**31, 2**31 - 1), "epoch": rng.getrandbits(16),
                     "usable": rng.randrange(2)}
            ctx.set(dut.vectors.valid, comes)
            ctx.set(dut.context_valid, comes or rng.random() < 0.2)
            ctx.set(dut.vectors.payload, vector)
            ctx.set(dut.context, cause)
            ctx.set(dut.scores.valid, cycle in scores)
            ctx.set(dut.scores.payload, scores.get(cycle, score))
            ctx.set(dut.queued.ready, rng.random() < taken_often or cycle >= 360)
            if comes:
                scores[cycle + 2] = score
                if ctx.get(dut.missed):
                    counts["missed"] += 1
                    assert waiting >= 14, "there is room"
                else:
                    wanted.append((vector, cause, score))
                    waiting += 1
            if ctx.get(dut.queued.valid) and ctx.get(dut.queued.ready):
                kept = ctx.get(dut.queued.payload)
                found.append((
                    {"symbol_index": kept.vector.symbol_index, "usable": kept.vector.usable,
                     "features": list(kept.vector.features)},
                    {"sequence": kept.sequence, "timestamp_ns": kept.time_ns},
                    {"score": kept.score.score, "epoch": kept.score.epoch,
                     "usable": kept.score.usable}))
                waiting -= 1
            counts["most"] = max(counts["most"], waiting)
            await ctx.tick()
        assert not ctx.get(dut.held)

    run(dut, feed)
    assert found == wanted
    assert len(wanted) > 50
    assert counts["most"] <= 16
    assert counts["missed"] > 0 or often < 2 * taken_often


def test_a_vector_is_offered_after_three_cycles_and_one_a_cycle():
    dut = VectorQueue(PROFILE)
    shown = []

    async def feed(ctx):
        ctx.set(dut.cfg_keep, 1)
        ctx.set(dut.queued.ready, 1)
        for cycle in range(12):
            ctx.set(dut.vectors.valid, cycle < 5)
            ctx.set(dut.scores.valid, 2 <= cycle < 7)
            shown.append(ctx.get(dut.queued.valid))
            await ctx.tick()

    run(dut, feed)
    assert shown == [0] * 3 + [1] * 5 + [0] * 4


def test_nothing_is_kept_unless_it_is_asked_for():
    dut = VectorQueue(PROFILE)

    async def feed(ctx):
        ctx.set(dut.vectors.valid, 1)
        for _ in range(30):
            await ctx.tick()
            assert not ctx.get(dut.queued.valid) and not ctx.get(dut.held)
            assert not ctx.get(dut.missed)

    run(dut, feed)
