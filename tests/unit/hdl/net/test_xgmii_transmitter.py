"""XGMII transmitter: every frame length, gaps, latency, missing beats."""

import random
import zlib

import pytest

from hdl.net.xgmii_transmitter import HEAD_BYTES, HEAD_SETTLE_CYCLES, XgmiiTransmitter
from tests.support.streams import run

START, TERMINATE, ERROR, IDLE = 0xFB, 0xFD, 0xFE, 0x07


def parse_xgmii(words, starts=None):
    """Return the frames of XGMII words as (start cycle, bytes incl. FCS, errors), and the gaps.

    `starts` takes the places of Start: 8 times the cycle, plus the lane.
    """
    frames, gaps, current, gap = [], [], None, None
    starts = [] if starts is None else starts
    for cycle, (data, control) in enumerate(words):
        for lane in range(8):
            byte, is_control = data >> 8 * lane & 0xFF, control >> lane & 1
            if current is None:
                if is_control and byte == START:
                    assert lane in (0, 4)
                    starts.append(8 * cycle + lane)
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


def earliest_starts(places, frames):
    """Yield where each frame but the first may start: IEEE 802.3, 46.3.1.4.

    Start comes in lane 0 or 4. Of the 12 bytes of the gap up to 3 may be owed to a later gap. A
    frame that comes later than it might starts in lane 0 and owes nothing.
    """
    owed = 0
    for before, place, frame in zip(places, places[1:], frames, strict=False):
        wanted = before + 8 + max(60, len(frame)) + 4 + 12
        earliest = wanted - wanted % 4
        owed += wanted % 4
        if owed > 3:
            earliest, owed = earliest + 4, owed - 4
        yield earliest
        if place != earliest:
            owed = 0


def simulate(frames, *, starve=(), gaps=(0,), deficit=True, tails=range(8)):
    """Send frames; return words, cycles of the starts' transfers and the pulses."""
    dut = XgmiiTransmitter(deficit_idle_count=deficit, tails=tails)
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


@pytest.mark.parametrize("deficit", [True, False])
def test_every_length_leaves_padded_with_fcs_and_gap(deficit):
    rng = random.Random(1)
    heads = [rng.randbytes(16), rng.randbytes(16)]
    frames = [(n % 5 == 0, heads[n % 5 == 0] + rng.randbytes(n))
              for n in [*range(1, 130), 1400, 1502, *rng.sample(range(1, 200), 30)]]
    words, starts, pulses = simulate(frames, gaps=(0, 0, 0, 0, 0, 1, 5, 40), deficit=deficit)
    places = []
    got, gaps = parse_xgmii(words, places)
    assert [check_fcs(frame) for _, frame, _ in got] == [f.ljust(60, b"\0") for _, f in frames]
    assert pulses == {"frames": len(frames), "underrun": 0}
    # The sampled word of cycle n is what the register holds before the n-th edge.
    assert [cycle for cycle, _, _ in got] == [cycle + 1 for cycle in starts]
    if not deficit:
        assert min(gaps) == 12 and not any(place % 8 for place in places)
        return
    assert min(gaps) == 9
    early = list(earliest_starts(places, [frame for _, frame in frames]))
    for place, earliest in zip(places[1:], early, strict=True):
        assert place == earliest or (place % 8 == 0 and place > earliest)
    assert sum(map(int.__eq__, places[1:], early)) > 100


def back_to_back(lengths, *, deficit=True):
    """Return the places of Start, and the gaps, of frames that wait for nothing but the line."""
    head = bytes(range(16))
    frames = [(0, head + bytes(length - 20)) for length in lengths]
    words, _, _ = simulate(frames, deficit=deficit)
    places = []
    got, gaps = parse_xgmii(words, places)
    assert len(got) == len(frames)
    return places, gaps


def test_gap_at_full_rate_is_twelve_on_average():
    rng = random.Random(4)
    lengths = [rng.randrange(64, 90) for _ in range(120)]
    places, gaps = back_to_back(lengths)
    assert places[1:] == list(earliest_starts(places, [bytes(n - 4) for n in lengths]))
    assert min(gaps) == 9 and max(gaps) == 15
    # What is owed never exceeds three bytes, however many frames follow each other.
    assert -3 <= sum(gaps) - 12 * len(gaps) <= 3


def test_no_frame_starts_later_than_in_lane_0_alone():
    for length in range(64, 72):
        places, gaps = back_to_back([length] * 12)
        whole, rounded = back_to_back([length] * 12, deficit=False)
        assert all(place // 8 <= word // 8 for place, word in zip(places, whole, strict=True))
        # Bytes that no frame needs a word for: the gap alone decides on the rate.
        assert abs(sum(gaps) - 12 * 11) <= 3
        assert set(rounded) == {12 + -(length + 12) % 8}


def test_new_head_is_used_once_settled():
    rng = random.Random(2)
    frames = [(n & 1, rng.randbytes(rng.randrange(17, 120))) for n in range(12)]
    words, _, _ = simulate(frames)
    assert [check_fcs(f) for _, f, _ in parse_xgmii(words)[0]] == [
        f.ljust(60, b"\0") for _, f in frames]


@pytest.mark.parametrize("beat", [2, 5, 9])
def test_missing_beat_gives_error_characters_and_is_counted(beat):
    head = bytes(range(16))
    for length in (86, 82):     # the broken frame starts in lane 0, or in lane 4
        frames = [(0, head + bytes([n] * (length - 16))) for n in range(3)]
        words, _, pulses = simulate(frames, starve={(1, beat)})
        places = []
        got, gaps = parse_xgmii(words, places)
        assert [errors for _, _, errors in got] == [0, 8, 0]
        assert check_fcs(got[0][1]) == frames[0][1] and check_fcs(got[2][1]) == frames[2][1]
        assert pulses == {"frames": 2, "underrun": 1}
        assert places[1] % 8 == (4 if length == 86 else 0) and min(gaps) >= 9


@pytest.mark.parametrize("tails", [(2, 4, 6), (4,), (0, 4, 7)])
def test_lengths_that_do_not_occur_need_no_hardware_and_the_others_leave_as_ever(tails):
    rng = random.Random(5)
    head = rng.randbytes(16)
    frames = [(0, head + rng.randbytes(n - 16)) for n in range(17, 150)
              if max(60, n) % 8 in tails]
    starve = {(len(frames) // 2, 2)}
    for deficit in (True, False):
        some, whole = (simulate(frames, starve=starve, deficit=deficit, tails=values)
                       for values in (tails, range(8)))
        assert some == whole
        got = parse_xgmii(some[0])[0]
        assert [errors > 0 for _, _, errors in got].count(True) == 1
        assert [check_fcs(frame) for _, frame, errors in got if not errors] == [
            frame.ljust(60, b"\0") for n, (_, frame) in enumerate(frames) if n != len(frames) // 2]


@pytest.mark.parametrize("tails", [(), (2, 6), (4, 8), (-1, 4)])
def test_tails_that_cannot_be_are_refused(tails):
    with pytest.raises(ValueError, match="tails must be"):
        XgmiiTransmitter(tails=tails)
