"""XGMII transmitter: every frame length, gaps, latency, missing beats."""

import random
import zlib

import pytest

from hdl.net.xgmii_transmitter import HEAD_BYTES, HEAD_SETTLE_CYCLES, XgmiiTransmitter
from tests.support.streams import run

START, TERMINATE, ERROR, IDLE = 0xFB, 0xFD, 0xFE, 0x07


def parse_xgmii(words):
    """Return the frames of XGMII words as (start cycle, bytes incl. FCS, errors), and the gaps."""
    frames, gaps, current, gap = [], [], None, None
    for cycle, (data, control) in enumerate(words):
        for lane in range(8):
            byte, is_control = data >> 8 * lane & 0xFF, control >> lane & 1
            if current is None:
                if is_control and byte == START:
                    assert lane == 0
                    current = [cycle, bytearray(), 0]
                    if gap is not None:
                        gaps.append(gap)
                else:
                    assert is_control and byte == IDLE, (cycle, lane, hex(byte))
                    gap = None if gap is None else gap + 1
            elif is_control and byte == TERMINATE:
                assert current[1][:7] == b"\x55" * 6 + b"\xd5"
                frames.append((current[0], bytes(current[1][7:]), current[2]))
                current, gap = None, 1
            elif is_control:
                assert byte == ERROR
                current[2] += 1
                current[1].append(0xEE)
            else:
                current[1].append(byte)
    assert current is None
    return frames, gaps


def check_fcs(frame):
    """Return the frame without its FCS, which must be right."""
    assert zlib.crc32(frame) == 0x2144DF1C
    return frame[:-4]


def simulate(frames, *, starve=(), gaps=(0,)):
    """Send frames; return words, cycles of the starts' transfers and the pulses."""
    dut = XgmiiTransmitter()
    words, starts, pulses = [], [], {"frames": 0, "underrun": 0}

    async def monitor(ctx):
        async for _, _, data, control, sent, underrun in ctx.tick().sample(
                dut.data, dut.control, dut.stat_frames, dut.stat_underrun):
            words.append((data, control))
            pulses["frames"] += sent
            pulses["underrun"] += underrun

    async def bench(ctx):
        last_head = [None, None]
        cycle = 0

        async def tick(count=1):
            nonlocal cycle
            for _ in range(count):
                await ctx.tick()
            cycle += count

        for number, (head, frame) in enumerate(frames):
            if last_head[head] != frame[:HEAD_BYTES]:
                last_head[head] = frame[:HEAD_BYTES]
                ctx.set(dut.heads[head], int.from_bytes(frame[:HEAD_BYTES], "little"))
                await tick(HEAD_SETTLE_CYCLES)
            await tick(gaps[number % len(gaps)])
            ctx.set(dut.starts.valid, 1)
            ctx.set(dut.starts.payload, {"head": head, "tail": max(60, len(frame)) % 8})
            ctx.set(dut.beats.valid, 0)
            while not ctx.get(dut.starts.ready):
                await tick()
            starts.append(cycle)
            await tick()
            ctx.set(dut.starts.valid, 0)
            for offset in range(HEAD_BYTES, len(frame), 8):
                chunk = frame[offset:offset + 8]
                if (number, offset // 8) in starve:
                    ctx.set(dut.beats.valid, 0)
                    await tick()
                noise = chunk + bytes([0xAA] * (8 - len(chunk)))
                ctx.set(dut.beats.valid, 1)
                ctx.set(dut.beats.payload, {
                    "data": int.from_bytes(noise, "little"), "keep": (1 << len(chunk)) - 1,
                    "first": 0, "last": offset + 8 >= len(frame)})
                while not ctx.get(dut.beats.ready):
                    await tick()
                await tick()
            ctx.set(dut.beats.valid, 0)
        await tick(30)

    run(dut, bench, background=[monitor], cycles=100_000)
    return words, starts, pulses


def test_every_length_leaves_padded_with_fcs_and_gap():
    rng = random.Random(1)
    heads = [rng.randbytes(16), rng.randbytes(16)]
    frames = [(n % 5 == 0, heads[n % 5 == 0] + rng.randbytes(n))
              for n in [*range(1, 130), 1400, 1502, *rng.sample(range(1, 200), 30)]]
    words, starts, pulses = simulate(frames, gaps=(0, 0, 0, 5, 40))
    got, gaps = parse_xgmii(words)
    assert [check_fcs(frame) for _, frame, _ in got] == [f.ljust(60, b"\0") for _, f in frames]
    assert pulses == {"frames": len(frames), "underrun": 0}
    assert min(gaps) == 12
    # The sampled word of cycle n is what the register holds before the n-th edge.
    assert [cycle for cycle, _, _ in got] == [cycle + 1 for cycle in starts]


def test_full_rate_gap_is_at_most_nineteen_bytes():
    head = bytes(range(16))
    frames = [(0, head + bytes(44 + n % 8)) for n in range(32)]
    words, _, _ = simulate(frames)
    got, gaps = parse_xgmii(words)
    assert len(got) == 32
    assert 12 <= min(gaps) and max(gaps) <= 19


def test_new_head_is_used_once_settled():
    rng = random.Random(2)
    frames = [(n & 1, rng.randbytes(rng.randrange(17, 120))) for n in range(12)]
    words, _, _ = simulate(frames)
    assert [check_fcs(f) for _, f, _ in parse_xgmii(words)[0]] == [
        f.ljust(60, b"\0") for _, f in frames]


@pytest.mark.parametrize("beat", [2, 5, 9])
def test_missing_beat_gives_error_characters_and_is_counted(beat):
    head = bytes(range(16))
    frames = [(0, head + bytes([n] * 70)) for n in range(3)]
    words, _, pulses = simulate(frames, starve={(1, beat)})
    got, _ = parse_xgmii(words)
    assert [errors for _, _, errors in got] == [0, 8, 0]
    assert check_fcs(got[0][1]) == frames[0][1] and check_fcs(got[2][1]) == frames[2][1]
    assert pulses == {"frames": 2, "underrun": 1}


def test_gap_parameter_is_checked():
    with pytest.raises(ValueError, match="minimum_gap_bytes must be 5 to 64, was 3"):
        XgmiiTransmitter(minimum_gap_bytes=3)
