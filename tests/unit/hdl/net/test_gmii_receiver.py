"""GmiiReceiver: lengths, gaps, preambles, faults, verdicts."""

import random

import pytest

from hdl.net.gmii_receiver import GmiiReceiver
from tests.support.gmii import PREAMBLE, Line
from tests.support.received import PULSES, Received
from tests.support.streams import run, stalls
from tests.support.xgmii import with_fcs


def receive(line: Line, *, maximum: int = 1526, present=lambda: True) -> Received:
    """Feed a line as the buffer would; `present` says whether the next byte is there yet."""
    dut = GmiiReceiver()
    out = Received(dut)
    line.idle(4)
    entries, enabled = [], False        # of cycles, what goes into the ring, and when
    for cycle, (value, control) in enumerate(line.cycles):
        if control & 1 or enabled:
            entries.append((cycle, value, control))
        enabled = bool(control & 1)

    async def bench(ctx):
        ctx.set(dut.cfg_max_frame_bytes, maximum)
        cycle, waiting, rest = 0, list(entries), 20
        while rest:
            rest -= not waiting
            entry = {"present": 0, "data": 0x55, "enable": 1, "error": 1}
            if waiting and waiting[0][0] <= cycle and present():
                _, value, control = waiting.pop(0)
                entry = {"present": 1, "data": value, "enable": control & 1, "error": control >> 1}
            ctx.set(dut.word, entry)
            ctx.set(dut.now_cycles, cycle)
            await out.tick(ctx, cycle)
            cycle += 1

    run(dut, bench, cycles=3 * len(line.cycles) + 1000)
    out.finish()
    return out


def random_frame(rng: random.Random, length: int) -> bytes:
    return with_fcs(rng.randbytes(length - 4), pad=False)


@pytest.mark.parametrize("gap", [1, 12])
@pytest.mark.parametrize("chance", [None, 0.7])
def test_every_length_behind_each_other(gap, chance):
    rng = random.Random(1)
    line = Line()
    line.idle(3)
    sent, starts = [], []
    for length in [*range(64, 73), *([1518, 1526] if gap == 1 and chance is None else [])]:
        frame = random_frame(rng, length)
        starts.append(line.frame(frame, gap=gap))
        sent.append(frame)
    out = receive(line, present=stalls(2, chance) if chance else lambda: True)
    assert out.frames == sent
    assert out.verdicts == [1] * len(sent)
    assert out.counts == dict.fromkeys(PULSES, 0) | {"frames_good": len(sent)}
    if chance is None:
        assert out.stamps == starts


def test_latency_is_one_cycle_from_what_follows_a_beat():
    for length in (64, 69):
        line = Line()
        line.idle(3)
        start = line.frame(random_frame(random.Random(3), length))
        out = receive(line)
        first_byte = start + len(PREAMBLE)
        assert out.beat_cycles == [
            first_byte + min(end, length) + 1 for end in range(8, length + 8, 8)]


def test_preamble_may_be_short_or_missing():
    rng = random.Random(4)
    line = Line()
    line.idle(3)
    sent, starts = [], []
    for count in [*range(9), 20]:
        sent.append(random_frame(rng, 64))
        starts.append(line.frame(sent[-1], preamble=b"\x55" * count + b"\xD5"))
    out = receive(line)
    assert out.frames == sent and all(out.verdicts)
    assert out.stamps == starts
    assert out.counts["bad_preamble"] == 0


def test_bad_preamble_is_no_frame():
    rng = random.Random(5)
    line = Line()
    line.idle(3)
    sent = []
    wrong = (b"\x55" * 6 + b"\x54\xD5", b"\x55" * 7, b"\xAA" + PREAMBLE[1:], b"\xFF")
    for preamble in wrong:
        line.frame(random_frame(rng, 64), preamble=preamble)
        sent.append(random_frame(rng, 64))
        line.frame(sent[-1])
    line.frame(b"", preamble=b"\x55" * 5)       # ends before the delimiter
    line.frame(b"", preamble=b"", gap=8)        # nothing
    sent.append(random_frame(rng, 64))
    line.frame(sent[-1])
    out = receive(line)
    assert out.frames == sent and all(out.verdicts)
    assert out.counts["bad_preamble"] == len(wrong) + 1


def test_error_in_the_preamble_is_no_frame():
    rng = random.Random(6)
    line = Line()
    line.idle(3)
    sent = []
    for place in range(8):
        start = line.frame(random_frame(rng, 64))
        line.cycles[start + place] = (line.cycles[start + place][0], 3)
        sent.append(random_frame(rng, 64))
        line.frame(sent[-1])
    out = receive(line)
    assert out.frames == sent and all(out.verdicts)
    assert out.counts["bad_preamble"] == 8


def test_error_in_a_frame_makes_it_bad_and_whole():
    rng = random.Random(7)
    line = Line()
    line.idle(3)
    sent = []
    for place in [*range(8), 63, 66, 67, 68, 69]:
        sent.append(random_frame(rng, 70))
        line.frame(sent[-1], errors=[place])
        sent.append(random_frame(rng, 64))
        line.frame(sent[-1])
    out = receive(line)
    assert out.frames == sent
    assert out.verdicts == [0, 1] * 13
    assert out.counts["error_char"] == 13


def test_error_between_frames_is_of_no_frame():
    rng = random.Random(8)
    line = Line()
    line.idle(3)
    sent = [random_frame(rng, 64) for _ in range(4)]
    for frame in sent:
        line.frame(frame, gap=1)
        line.cycles[-1] = (0x0F, 2)     # carrier extension
        line.idle(6, error=True)
    out = receive(line)
    assert out.frames == sent and all(out.verdicts)


def test_wrong_fcs_in_every_place_of_the_end():
    rng = random.Random(9)
    line = Line()
    line.idle(3)
    sent, want = [], []
    for length in range(64, 72):
        good = random_frame(rng, length)
        for place in [*range(length - 9, length), rng.randrange(length)]:
            bad = bytearray(good)
            bad[place] ^= 1 << rng.randrange(8)
            sent.append(bytes(bad))
            line.frame(sent[-1])
            want.append(0)
        sent.append(good)
        line.frame(good)
        want.append(1)
    out = receive(line)
    assert out.frames == sent
    assert out.verdicts == want and out.counts["bad_fcs"] == 80


def test_runts_are_bad_whatever_their_fcs():
    rng = random.Random(10)
    line = Line()
    line.idle(3)
    sent = [random_frame(rng, length) for length in [*range(5, 65)]]
    for frame in sent:
        line.frame(frame)
    line.frame(b"")                     # counted, not delivered
    line.frame(b"\x01")
    out = receive(line)
    assert out.frames == [*sent, b"\x01"]
    assert out.counts["runt"] == 61 and out.verdicts == [0] * 59 + [1, 0]


@pytest.mark.parametrize("maximum", [200, 203])
def test_oversize_ends_with_the_byte_too_many(maximum):
    rng = random.Random(11)
    line = Line()
    line.idle(3)
    lengths = [maximum, maximum + 1, maximum + 2, maximum + 8, 2 * maximum, maximum]
    sent = [random_frame(rng, length) for length in lengths]
    for frame in sent:
        line.frame(frame)
    out = receive(line, maximum=maximum)
    assert out.frames == [frame[:maximum + 1] for frame in sent]
    assert out.verdicts == [length <= maximum for length in lengths]
    assert out.counts["oversize"] == 4
