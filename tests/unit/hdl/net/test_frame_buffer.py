"""FrameBuffer alone: latencies of its paths, its slots, its parameter."""

import random

import pytest

from hdl.net.frame_buffer import FrameBuffer
from hdl.net.xgmii_receiver import VERDICT_CYCLES
from tests.support.streams import run


def beats_of(frame: bytes):
    """Return the frame's beats."""
    count = (len(frame) + 7) // 8
    return [{"data": int.from_bytes(frame[8 * n:8 * n + 8], "little"),
             "keep": (1 << len(frame[8 * n:8 * n + 8])) - 1,
             "first": n == 0, "last": n == count - 1} for n in range(count)]


def simulate(frames, *, cut_through, gap=2, ready=lambda cycle: True, verdict=lambda n: (1, 1),
             depth=2048, drain=600):
    """Return (cycle, frame) of each last beat, cycles of first beats, outcomes and drops."""
    dut = FrameBuffer(depth)
    schedule, verdicts = [None] * 10, {}
    sent_first, sent_last = [], []
    for n, frame in enumerate(frames):
        sent_first.append(len(schedule))
        schedule += beats_of(frame)
        sent_last.append(len(schedule) - 1)
        verdicts[len(schedule) - 1 + VERDICT_CYCLES] = verdict(n)
        schedule += [None] * gap
    schedule += [None] * drain
    firsts, lasts, received, outcomes, dropped = [], [], [], [], 0

    async def bench(ctx):
        nonlocal dropped
        frame = b""
        ctx.set(dut.cfg_cut_through, cut_through)
        for cycle, beat in enumerate(schedule):
            ctx.set(dut.received.valid, beat is not None)
            if beat is not None:
                ctx.set(dut.received.payload, beat)
            good, wanted = verdicts.get(cycle, (0, 0))
            ctx.set(dut.verdicts.valid, cycle in verdicts)
            ctx.set(dut.verdicts.payload, {"good": good, "wanted": wanted})
            go = ready(cycle)
            ctx.set(dut.beats.ready, go)
            _, _, valid, out, settled, outcome, drop = await ctx.tick().sample(
                dut.beats.valid, dut.beats.payload, dut.outcomes.valid,
                dut.outcomes.payload.good, dut.stat_dropped)
            dropped += drop
            if settled:
                outcomes.append(outcome)
            if valid and go:
                assert out.first == (not frame)
                if out.first:
                    firsts.append(cycle)
                frame += out.data.to_bytes(8, "little")[:out.keep.bit_count()]
                if out.last:
                    lasts.append(cycle)
                    received.append(frame)
                    frame = b""

    run(dut, bench)
    return sent_first, sent_last, firsts, lasts, received, outcomes, dropped


def test_idle_buffer_passes_a_beat_in_one_cycle():
    frames = [random.Random(1).randbytes(70)] * 3
    sent_first, sent_last, firsts, lasts, received, outcomes, _ = simulate(
        frames, cut_through=True)
    assert received == frames and outcomes == [1, 1, 1]
    assert firsts == [cycle + 1 for cycle in sent_first]
    assert lasts == [cycle + 1 for cycle in sent_last]


def test_after_a_stall_beats_come_from_memory_four_cycles_later_until_it_is_empty():
    frames = [bytes(range(160))] * 3
    sent_first, sent_last, firsts, lasts, received, outcomes, _ = simulate(
        frames, cut_through=True, gap=10, ready=lambda cycle: cycle != 12)
    assert received == frames and outcomes == [1, 1, 1]
    assert lasts[0] == sent_last[0] + 4
    assert firsts[1:] == [cycle + 1 for cycle in sent_first[1:]]


def test_store_and_forward_begins_four_cycles_after_the_last_beat():
    frames = [bytes(range(200))] * 2
    _, sent_last, firsts, lasts, received, outcomes, _ = simulate(
        frames, cut_through=False, gap=60)
    assert received == frames and outcomes == [1, 1]
    assert firsts == [cycle + 4 for cycle in sent_last]
    assert lasts == [cycle + 24 for cycle in firsts]


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_store_and_forward_drops_what_is_bad_or_not_wanted(gap):
    rng = random.Random(gap)
    for stall in (0.0, 0.4):
        fates = [(rng.randrange(2), rng.randrange(4) > 0) for _ in range(80)]
        frames = [rng.randbytes(rng.choice([1, 8, 9, 16, 17, 24, 64, 90])) for _ in fates]
        *_, received, outcomes, dropped = simulate(
            frames, cut_through=False, gap=gap, verdict=lambda n, fates=fates: fates[n],
            ready=lambda cycle, stall=stall: rng.random() >= stall, depth=8192)
        assert received == [frame for frame, fate in zip(frames, fates, strict=True) if all(fate)]
        assert outcomes == [1] * len(received)
        assert dropped == 0


def test_cut_through_reports_every_verdict_in_order():
    rng = random.Random(5)
    for stall in (0.0, 0.3):
        fates = [(rng.randrange(2), 1) for _ in range(80)]
        frames = [rng.randbytes(rng.choice([1, 8, 9, 16, 17, 24, 64, 90])) for _ in fates]
        *_, received, outcomes, dropped = simulate(
            frames, cut_through=True, gap=1, verdict=lambda n, fates=fates: fates[n],
            ready=lambda cycle, stall=stall: rng.random() >= stall, depth=8192)
        assert received == frames
        assert outcomes == [good for good, _ in fates]
        assert dropped == 0


@pytest.mark.parametrize("length", [8, 200])
def test_no_slot_and_no_room_lose_frames_without_disturbing_others(length):
    # 2048 bytes have slots for 32 frames; short frames run out of slots, long ones of room.
    frames = [bytes([n]) * length for n in range(70)]
    *_, received, outcomes, dropped = simulate(
        frames, cut_through=True, ready=lambda cycle: cycle > 60 * (length // 8 + 2))
    whole = [frame for frame in received if len(frame) == length]
    assert whole == [frame for frame in frames if frame in whole]
    assert outcomes == [len(frame) == length for frame in received]
    assert 0 < dropped == 70 - len(whole)
    assert whole[-1] == frames[-1]


@pytest.mark.parametrize("depth", [1024, 3000, 0])
def test_depth_is_checked(depth):
    with pytest.raises(ValueError, match=f"at least 2048, was {depth}"):
        FrameBuffer(depth)
