"""The line models of the Verilated library on a GMII line."""

import itertools
import random
import zlib

import pytest

from sim import verilate
from sim.library import FrameFlag, Simulation, byte_cycle


@pytest.fixture(scope="module")
def library():
    return verilate.build(verilate.emit("tests.support.stand_in:simulated_gmii_echo"))


@pytest.fixture
def sim(library):
    with Simulation(library) as simulation:
        yield simulation


def random_frames(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.randint(60, 200)) for _ in range(count)]


@pytest.mark.parametrize("gap_bytes", [5, 12, 13, 40])
def test_frames_come_back_a_byte_a_cycle_with_their_gap(sim, gap_bytes):
    assert sim.lanes == 1
    frames = random_frames(1, 50)
    sim.send(frames, gap_bytes=gap_bytes)
    sim.settle(quiet=50)
    received = sim.received()
    assert [r.frame for r in received] == [
        frame + zlib.crc32(frame).to_bytes(4, "little") for frame in frames]
    assert all(r.good and r.start % 8 == r.end % 8 == 0 for r in received)
    # The cycle of the last byte to that of the next preamble: the gap, and one for itself.
    assert {(b.start - a.end) // 8 - 1 for a, b in itertools.pairwise(received)} == {gap_bytes}
    assert [r.start - s for r, s in zip(received, sim.starts().tolist(), strict=True)] == [8] * 50
    for r in received:
        assert byte_cycle(r.start, len(r.frame) - 1, lanes=1) == r.end // 8


@pytest.mark.parametrize(("flags", "offset"), [
    (FrameFlag.BAD_FCS, 0), *((FrameFlag.ERROR_CHARACTER, offset) for offset in (0, 1, 63))])
def test_what_is_wrong_is_seen(sim, flags, offset):
    good = random_frames(2, 2)
    sim.send(good[:1])
    sim.send([bytes(60)], flags=flags, error_offset=offset)
    sim.send(good[1:])
    sim.settle(quiet=50)
    assert [r.good for r in sim.received()] == [True, False, True]
    assert len(sim.starts()) == 3


def test_lanes_cannot_be_forced_where_there_are_none(sim):
    sim.send(random_frames(3, 10), flags=FrameFlag.LANE_4)
    sim.settle(quiet=50)
    assert all(r.good and r.start % 8 == 0 for r in sim.received())
