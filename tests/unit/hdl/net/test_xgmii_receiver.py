"""XgmiiReceiver: alignment, lengths, gaps, faults, verdicts."""

import random

import pytest

from hdl.net.xgmii_receiver import XgmiiReceiver
from sim.golden.ethernet import verdict
from tests.support.received import PULSES, Received
from tests.support.streams import run
from tests.support.xgmii import ERROR, IDLE, SEQUENCE, Line, with_fcs


def receive(line: Line, *, maximum: int = 1526) -> Received:
    """Feed a line; the word number is the cycle."""
    dut = XgmiiReceiver()
    out = Received(dut)
    line.idle(72)
    words = line.words()

    async def bench(ctx):
        ctx.set(dut.cfg_max_frame_bytes, maximum)
        for cycle, word in enumerate(words):
            ctx.set(dut.word, word)
            ctx.set(dut.now_cycles, cycle)
            await out.tick(ctx, cycle)

    run(dut, bench, cycles=len(words) + 10)
    out.finish()
    return out


def random_frame(rng: random.Random, length: int) -> bytes:
    return with_fcs(rng.randbytes(length - 4), pad=False)


@pytest.mark.parametrize("gap", [5, 12])
def test_every_length_behind_each_other_in_both_lanes(gap):
    rng = random.Random(1)
    line = Line()
    line.idle(16)
    sent, starts = [], []
    for lane in (0, 4):
        for length in [*range(64, 81), 1518, 1526]:
            frame = random_frame(rng, length)
            starts.append(line.frame(frame, lane=lane, gap=gap))
            sent.append(frame)
    for length in range(64, 81):  # wherever Start falls
        frame = random_frame(rng, length)
        starts.append(line.frame(frame, gap=gap))
        sent.append(frame)
    out = receive(line)
    assert out.frames == sent
    assert out.verdicts == [1] * len(sent)
    assert out.counts == dict.fromkeys(PULSES, 0) | {"frames_good": len(sent)}
    assert out.stamps == starts


@pytest.mark.parametrize("lane", [0, 4])
def test_start_directly_behind_terminate(lane):
    rng = random.Random(2)
    line = Line()
    line.idle(8)
    sent = []
    for length in [*range(64, 73)] * 2:
        frame = random_frame(rng, length)
        line.frame(frame, lane=lane if not sent else None, gap=1)
        sent.append(frame)
    out = receive(line)
    assert out.frames == sent
    assert all(out.verdicts)


def test_latency_is_one_cycle_from_the_word_that_completes_a_beat():
    for lane, words_to_first_beat in ((0, 1), (4, 2)):
        line = Line()
        line.idle(24)
        start = line.frame(random_frame(random.Random(3), 72), lane=lane)
        out = receive(line)
        completed = start + words_to_first_beat
        assert out.first_cycles == [completed + 1]
        assert out.last_cycles == [completed + 1 + 8]


def test_wrong_fcs_in_every_bit_of_the_last_word_and_beyond():
    rng = random.Random(4)
    line = Line()
    line.idle(8)
    sent = []
    for length in range(64, 72):
        good = random_frame(rng, length)
        for place in [*range(length - 12, length), rng.randrange(length)]:
            bad = bytearray(good)
            bad[place] ^= 1 << rng.randrange(8)
            line.frame(bytes(bad))
            sent.append(bytes(bad))
        line.frame(good)
        sent.append(good)
    out = receive(line)
    assert out.frames == sent
    assert out.verdicts == [verdict(frame) == "frames_good" for frame in sent]
    assert out.counts["frames_good"] == 8


def test_runts_are_bad_whatever_their_fcs():
    rng = random.Random(5)
    line = Line()
    line.idle(8)
    sent = []
    for length in [*range(5, 64), 64]:
        sent.append(random_frame(rng, length))
        line.frame(sent[-1])
    out = receive(line)
    assert out.frames == sent
    assert out.counts["runt"] == 59
    assert out.verdicts == [0] * 59 + [1]


@pytest.mark.parametrize("maximum", [1518, 1520, 1526, 100])
def test_oversize_is_cut(maximum):
    rng = random.Random(6)
    line = Line()
    line.idle(8)
    lengths = [maximum, maximum + 1, maximum + 7, maximum + 8, 2 * maximum, maximum]
    sent = []
    for lane in (0, 4):
        for length in lengths:
            sent.append(random_frame(rng, length))
            line.frame(sent[-1], lane=lane)
    out = receive(line, maximum=maximum)
    for got, want in zip(out.frames, sent, strict=True):
        if len(want) <= maximum:
            assert got == want
        else:
            assert maximum < len(got) <= maximum + 8
            assert want.startswith(got)
    assert out.verdicts == [length <= maximum for length in lengths] * 2
    assert out.counts["oversize"] == 8


@pytest.mark.parametrize("lane", [0, 4])
def test_control_character_in_a_frame_ends_it_as_bad(lane):
    rng = random.Random(7)
    line = Line()
    line.idle(8)
    want = []
    for place in range(96, 112):
        for character in (ERROR, IDLE, SEQUENCE):
            frame = random_frame(rng, 120)
            line.frame(frame, lane=lane, control=[(place, character)])
            want.append(frame[:place])
        frame = random_frame(rng, 70)
        line.frame(frame, lane=lane)
        want.append(frame)
    out = receive(line)
    assert out.frames == want
    assert out.verdicts == [0, 0, 0, 1] * 16
    assert out.counts["error_char"] == 48


@pytest.mark.parametrize("lane", [0, 4])
def test_start_inside_a_frame_ends_it_and_begins_the_next(lane):
    rng = random.Random(8)
    line = Line()
    line.idle(8)
    want = []
    for length in range(64, 80):
        cut = random_frame(rng, length)
        line.frame(cut, lane=lane, terminate=False)
        line.lanes += [(0xAA, False)] * (-len(line.lanes) % 4)
        good = random_frame(rng, 68)
        padding = -(8 + len(cut)) % 4
        line.frame(good)
        want += [cut + b"\xAA" * padding, good]
    out = receive(line)
    assert out.frames == want
    assert out.verdicts == [0, 1] * 16
    assert out.counts["error_char"] == 16


def test_bad_preamble_is_no_frame():
    rng = random.Random(9)
    line = Line()
    line.idle(8)
    want = []
    for lane in (0, 4):
        for preamble in (b"\x55" * 5 + b"\xD5", b"\x55" * 7, b"\x55" * 5 + b"\xD5\xD5",
                         b"\x54" + b"\x55" * 5 + b"\xD5"):
            line.frame(random_frame(rng, 64), lane=lane, preamble=preamble)
            want.append(random_frame(rng, 64))
            line.frame(want[-1])
    out = receive(line)
    assert out.frames == want
    assert all(out.verdicts)
    assert out.counts["bad_preamble"] == 8


def test_frame_without_a_byte_is_counted_and_not_delivered():
    line = Line()
    line.idle(8)
    line.frame(b"", lane=0)
    line.frame(b"", lane=4)
    frame = random_frame(random.Random(10), 64)
    line.frame(frame, lane=0)
    out = receive(line)
    assert out.frames == [frame]
    assert out.counts == dict.fromkeys(PULSES, 0) | {"frames_good": 1, "runt": 2}


@pytest.mark.parametrize("character", [ERROR, IDLE, SEQUENCE])
@pytest.mark.parametrize("lane", [0, 4])
def test_control_character_in_place_of_the_first_byte_is_counted(lane, character):
    rng = random.Random(13)
    line = Line()
    line.idle(8)
    want = []
    for length in range(64, 72):
        line.frame(random_frame(rng, 64), lane=lane, control=[(0, character)])
        frame = random_frame(rng, length)
        line.frame(frame, gap=1 if length % 2 else 12)
        want.append(frame)
    out = receive(line)
    assert out.frames == want and all(out.verdicts)
    assert (out.counts["error_char"], out.counts["frames_good"]) == (8, 8)
    assert out.counts["runt"] == 0


def test_frames_without_a_byte_among_others_are_all_counted():
    """However close frames, broken off ones and empty ones come, each is counted once."""
    rng = random.Random(14)
    line = Line()
    line.idle(8)
    counts = dict.fromkeys(PULSES, 0)
    want, verdicts = [], []
    for _ in range(400):
        kind = rng.choice(("good", "runt", "empty", "broken", "started"))
        frame = random_frame(rng, rng.randrange(64, 80) if kind == "good" else rng.randrange(5, 16))
        gap = rng.choice((1, 1, 5, 12))
        if kind == "empty":
            character = rng.choice((None, ERROR, IDLE))
            control = [] if character is None else [(0, character)]
            line.frame(b"" if character is None else frame, control=control, gap=gap)
            counts["runt" if character is None else "error_char"] += 1
        elif kind == "started":         # a Start follows the delimiter
            line.frame(b"", terminate=False, gap=0)
            counts["error_char"] += 1
        else:
            place = rng.randrange(1, len(frame)) if kind == "broken" else len(frame)
            line.frame(frame, control=[(place, ERROR)] if kind == "broken" else [], gap=gap)
            counts[{"good": "frames_good", "broken": "error_char"}.get(kind, kind)] += 1
            want.append(frame[:place])
            verdicts.append(kind == "good")
    line.frame(random_frame(rng, 64))
    out = receive(line)
    assert (out.frames[:-1], out.verdicts[:-1]) == (want, verdicts)
    counts["frames_good"] += 1
    assert out.counts == counts


def test_link_faults_are_counted():
    line = Line()
    line.idle(8)
    line.lanes += [(SEQUENCE, True), (0, False), (0, False), (1, False)] * 6
    frame = random_frame(random.Random(11), 64)
    line.frame(frame, lane=0)
    out = receive(line)
    assert out.counts["fault"] == 3
    assert out.frames == [frame]
