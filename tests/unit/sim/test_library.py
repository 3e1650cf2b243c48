"""The Verilated library, its build and the line models, on a small stand-in design."""

import itertools
import random
import zlib

import pytest

from sim import verilate
from sim.errors import SimulationError
from sim.library import FrameFlag, Line, Simulation, byte_cycle

STAND_IN = "tests.support.stand_in:simulated_stand_in"


@pytest.fixture(scope="module")
def library():
    return verilate.build(verilate.emit(STAND_IN))


@pytest.fixture
def sim(library):
    with Simulation(library) as simulation:
        yield simulation


def random_frames(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.randint(60, 200)) for _ in range(count)]


def with_fcs(frame: bytes) -> bytes:
    return frame + zlib.crc32(frame).to_bytes(4, "little")


@pytest.mark.parametrize("gap_bytes", [5, 12, 13, 40])
def test_frames_come_back_with_their_fcs_and_average_gap(sim, gap_bytes):
    assert sim.lanes == 8
    frames = random_frames(1, 200)
    sim.send(frames, gap_bytes=gap_bytes)
    sim.settle(quiet=200)
    received = sim.received()
    assert [r.frame for r in received] == [with_fcs(f) for f in frames]
    assert all(r.good for r in received)
    gaps = [b.start - (a.end + 1) for a, b in itertools.pairwise(received)]
    assert min(gaps) >= gap_bytes - 3
    assert gap_bytes - 1 <= sum(gaps) / len(gaps) <= gap_bytes + 1
    assert {r.start % 8 for r in received} == {0, 4}
    starts = sim.starts()
    assert [r.start - s for r, s in zip(received, starts.tolist(), strict=True)] == [8] * 200
    assert byte_cycle(received[0].start, len(received[0].frame) - 1) == received[0].end // 8


@pytest.mark.parametrize(("flag", "lane"), [(FrameFlag.LANE_0, 0), (FrameFlag.LANE_4, 4)])
def test_start_lane_can_be_forced(sim, flag, lane):
    sim.send(random_frames(2, 50), flags=flag)
    sim.settle(quiet=200)
    assert {r.start % 8 for r in sim.received()} == {lane}


def test_errors_can_be_injected(sim):
    frame = bytes(range(60))
    sim.send([frame], flags=FrameFlag.BAD_FCS)
    sim.send([frame], flags=FrameFlag.ERROR_CHARACTER, error_offset=7)
    sim.send([frame + b"fcs!"], flags=FrameFlag.FCS_INCLUDED)
    sim.send([frame])
    sim.settle(quiet=200)
    bad_fcs, error, own_fcs, good = sim.received()
    assert not bad_fcs.good and bad_fcs.frame[:60] == frame
    assert not error.good and error.frame[7] == 0xFE
    assert not own_fcs.good and own_fcs.frame[60:] == b"fcs!"
    assert good.good
    assert sim.csr_read(8) == 1


def test_words_go_out_as_they_are(sim):
    words = [(0xD5555555555555FB, 0x01), (0x1122334455667788, 0x00), (0x07070707070707FD, 0xFF)]
    sim.send_words(words)
    sim.send([bytes(60)])
    sim.settle(quiet=200)
    runt, good = sim.received()
    assert (runt.frame, runt.good) == ((0x1122334455667788).to_bytes(8, "little"), False)
    assert good.good


def test_registers_are_written_and_read(sim):
    for value in (0, 0xFFFFFFFF, 0x12345678):
        sim.csr_write(0, value)
        assert sim.csr_read(0) == value
    assert sim.csr_read(4) == 0


def test_events_carry_their_cycle_and_are_taken_once(sim):
    sim.send(random_frames(3, 20))
    sim.settle(quiet=200)
    records, cycles = sim.events()
    assert len(records) == 20 * 64
    for number in range(20):
        record = records[64 * number:64 * number + 64]
        assert int.from_bytes(record[:4], "little") == number
        assert record[4:12] == b"\x11" * 4 + b"\x22" * 4
        assert record[62:] == b"\xab\x00"
    assert cycles.tolist() == [start // 8 + 1 for start in sim.starts().tolist()]
    assert sim.events()[0] == b""


def test_stalled_events_wait(sim):
    sim.set_events_ready(False)
    sim.send([bytes(60)])
    sim.run(300)
    assert sim.events()[0] == b""
    sim.set_events_ready(True)
    sim.run(3)
    assert len(sim.events()[0]) == 64


def test_paced_frames_wait_for_the_design(sim):
    sim.set_paced(True)
    sim.send(random_frames(4, 10))
    sim.settle(quiet=200)
    starts = sim.starts().tolist()
    assert len(starts) == 10
    assert all(100 <= (b - a) // 8 <= 104 for a, b in itertools.pairwise(starts))


def test_not_before_sets_the_cycle_of_start(sim):
    sim.send([bytes(60)], not_before=500, flags=FrameFlag.LANE_0)
    sim.settle(quiet=200)
    assert sim.starts().tolist() == [8 * 500]


def test_unconnected_line_gives_nothing(sim):
    sim.run(10)
    assert sim.received(Line.MANAGEMENT) == []


def test_design_counts_cycles_as_the_library_does(sim):
    offset = sim.now_cycles - sim.cycle
    sim.run(1234)
    assert sim.now_cycles - sim.cycle == offset


def test_waveform_needs_a_build_for_it(sim, tmp_path):
    with pytest.raises(SimulationError, match="without waveforms"):
        sim.trace(tmp_path / "a.fst")


def test_waveform_of_some_cycles(tmp_path):
    traced = verilate.build(verilate.emit(STAND_IN), traced=True)
    with Simulation(traced) as sim:
        sim.trace(tmp_path / "a.fst", sim.cycle + 50, sim.cycle + 100)
        sim.send([bytes(60)])
        sim.run(200)
    assert (tmp_path / "a.fst").stat().st_size > 200


def test_build_is_found_again(library):
    before = library.stat().st_mtime_ns
    assert verilate.build(verilate.emit(STAND_IN)) == library
    assert library.stat().st_mtime_ns == before


def test_a_design_that_fails_says_why():
    with pytest.raises(verilate.BuildError, match="no attribute 'missing'"):
        verilate.emit("tests.support.stand_in:missing")
