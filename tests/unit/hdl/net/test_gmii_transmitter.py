"""GmiiTransmitter: every frame length, gaps, latency, missing beats."""

import random
import zlib

import pytest

from hdl.net.gmii_transmitter import GmiiTransmitter
from hdl.net.xgmii_transmitter import HEAD_BYTES
from tests.support.gmii import PREAMBLE
from tests.support.streams import run

_RESIDUE = 0x2144DF1C


def parse(cycles):
    """Return the frames as (cycle of the first preamble byte, bytes, errors), and the gaps."""
    frames, gaps, current, gap = [], [], None, None
    for cycle, (value, control) in enumerate(cycles):
        if control & 1:
            if current is None:
                current = [cycle, bytearray(), 0]
                if gap is not None:
                    gaps.append(gap)
            current[1].append(value)
            current[2] += control >> 1
        else:
            assert (value, control) == (0, 0)
            if current is not None:
                assert current[1][:8] == PREAMBLE
                frames.append((current[0], bytes(current[1][8:]), current[2]))
                current, gap = None, 0
            gap = None if gap is None else gap + 1
    assert current is None
    return frames, gaps


def simulate(frames, *, starve=(), slow=1, gaps=(0,), buffered=16):
    """Send frames; return what was on the line, cycles of the starts' transfers and the pulses."""
    dut = GmiiTransmitter(buffered_beats=buffered)
    cycles, starts, pulses, waits = [], [], {"frames": 0, "underrun": 0}, []

    async def monitor(ctx):
        async for _, _, value, control, sent, underrun in ctx.tick().sample(
                dut.data, dut.control, dut.stat_frames, dut.stat_underrun):
            cycles.append((value, control))
            pulses["frames"] += sent
            pulses["underrun"] += underrun

    async def bench(ctx):
        cycle = 0

        async def tick(count=1):
            nonlocal cycle
            for _ in range(count):
                await ctx.tick()
            cycle += count

        await tick(3)
        for number, (head, frame) in enumerate(frames):
            await tick(gaps[number % len(gaps)])
            ctx.set(dut.heads[head], int.from_bytes(frame[:HEAD_BYTES], "little"))
            ctx.set(dut.heads[1 - head], random.Random(number).getrandbits(128))
            ctx.set(dut.starts.valid, 1)
            ctx.set(dut.starts.payload, {"head": head, "tail": max(60, len(frame)) % 8})
            while not ctx.get(dut.starts.ready):
                await tick()
            starts.append(cycle)
            await tick()
            ctx.set(dut.starts.valid, 0)
            ctx.set(dut.heads[head], 0)
            for offset in range(HEAD_BYTES, len(frame), 8):
                chunk = frame[offset:offset + 8]
                await tick(200 if (number, offset // 8) in starve else slow - 1)
                noise = chunk + bytes([0xAA] * (8 - len(chunk)))
                ctx.set(dut.beats.valid, 1)
                ctx.set(dut.beats.payload, {
                    "data": int.from_bytes(noise, "little"), "keep": (1 << len(chunk)) - 1,
                    "first": 0, "last": offset + 8 >= len(frame)})
                waited = cycle
                while not ctx.get(dut.beats.ready):
                    await tick()
                waits.append(cycle - waited)
                await tick()
                ctx.set(dut.beats.valid, 0)
        while not ctx.get(dut.starts.ready):
            await tick()
        await tick(2)

    run(dut, bench, background=[monitor], cycles=200_000)
    return cycles, starts, pulses, waits


def padded_with_fcs(frame):
    body = frame.ljust(60, b"\0")
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize("slow", [1, 7])
def test_every_length_leaves_padded_with_fcs_and_gap(slow):
    rng = random.Random(1)
    frames = [(n % 5 == 0, rng.randbytes(16 + n)) for n in [*range(1, 75), 113]]
    cycles, starts, pulses, waits = simulate(frames, slow=slow, gaps=(0, 0, 0, 1, 5, 40))
    got, gaps = parse(cycles)
    assert [frame for _, frame, _ in got] == [padded_with_fcs(frame) for _, frame in frames]
    assert all(zlib.crc32(frame) == _RESIDUE for _, frame, _ in got)
    assert pulses == {"frames": len(frames), "underrun": 0}
    # What is sampled in a cycle is what the register holds before its edge.
    assert [cycle for cycle, _, _ in got] == [cycle + 1 for cycle in starts]
    assert min(gaps) == 12
    assert not any(waits)               # short frames are taken at once


def test_frames_longer_than_the_buffer_wait_for_the_line():
    rng = random.Random(2)
    frames = [(0, rng.randbytes(length)) for length in (1514, 700, 160)]
    cycles, _, pulses, waits = simulate(frames, buffered=4)
    got, gaps = parse(cycles)
    assert [frame for _, frame, _ in got] == [padded_with_fcs(frame) for _, frame in frames]
    assert pulses == {"frames": 3, "underrun": 0} and gaps == [12, 12]
    assert max(waits) > 1


@pytest.mark.parametrize("beat", [2, 5, 9])
def test_missing_beat_gives_errors_and_is_counted(beat):
    head = bytes(range(16))
    frames = [(0, head + bytes([n] * 70)) for n in range(3)]
    cycles, _, pulses, _ = simulate(frames, starve={(1, beat)})
    got, gaps = parse(cycles)
    assert [errors for _, _, errors in got] == [0, 8, 0]
    assert got[0][1] == padded_with_fcs(frames[0][1]) and got[2][1] == padded_with_fcs(frames[2][1])
    assert len(got[1][1]) == 8 * beat + 8 and got[1][1].startswith(frames[1][1][:8 * beat])
    assert pulses == {"frames": 2, "underrun": 1} and min(gaps) >= 12


def test_a_buffer_of_one_beat_is_refused():
    with pytest.raises(ValueError, match="buffered_beats must be >= 2, was 1"):
        GmiiTransmitter(buffered_beats=1)
