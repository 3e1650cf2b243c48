"""DatagramReceiver against the golden model: both modes, stalls, every kind of refused frame."""

import random
from dataclasses import dataclass, field

import pytest

from hdl.net.datagram_receiver import DatagramReceiver
from sim.captures import Capture
from sim.golden.ethernet import internet_checksum, receive
from tests.support.data import data_path
from tests.support.streams import always, run, stalls
from tests.support.xgmii import ERROR, Line, with_fcs

GROUP, PORT = 0xE9360C6F, 26477
REASONS = ("frames_good", "bad_fcs", "runt", "oversize", "error_char", "not_ipv4", "options",
           "bad_header_checksum", "fragments", "not_udp", "other_destination", "bad_length",
           "bad_udp_checksum", "dropped", "bad_preamble", "fault")
#: Beat from which on `datagram` is final.
FINAL_BEAT = 7


def checksum(octets: bytes) -> bytes:
    return (0xFFFF - internet_checksum(octets)).to_bytes(2, "big")


def datagram_frame(payload: bytes, *, tags=(), address=GROUP, port=PORT, total_delta=0,
                   udp_delta=0, flags=0x4000, version_ihl=0x45, protocol=17, ethertype=0x0800,
                   ip_checksum_xor=0, udp_checksum_xor=0, no_udp_checksum=False,
                   zero_ip_checksum=False, padding=b"") -> bytes:
    """Return a frame without FCS."""
    total = (28 + len(payload) + total_delta) & 0xFFFF
    udp_length = (8 + len(payload) + udp_delta) & 0xFFFF
    source = bytes([206, 200, 127, 138])
    addresses = source + address.to_bytes(4, "big")
    udp = (4711).to_bytes(2, "big") + port.to_bytes(2, "big") + udp_length.to_bytes(2, "big")
    pseudo = addresses + bytes([0, 17]) + udp_length.to_bytes(2, "big")
    udp_sum = checksum(pseudo + udp + b"\0\0" + payload)
    udp_sum = b"\xFF\xFF" if udp_sum == b"\0\0" else udp_sum
    udp_sum = (int.from_bytes(udp_sum, "big") ^ udp_checksum_xor).to_bytes(2, "big")
    udp += b"\0\0" if no_udp_checksum else udp_sum
    head = bytes([version_ihl, 0]) + total.to_bytes(2, "big") + b"\x12\x34" \
        + flags.to_bytes(2, "big") + bytes([20, protocol])
    ip_sum = (int.from_bytes(checksum(head + b"\0\0" + addresses), "big") ^ ip_checksum_xor)
    head += b"\0\0" if zero_ip_checksum else ip_sum.to_bytes(2, "big")
    mac = bytes.fromhex("01005e360c6f" "001122334455")
    for tpid in tags:
        mac += tpid.to_bytes(2, "big") + (141).to_bytes(2, "big")
    return mac + ethertype.to_bytes(2, "big") + head + addresses + udp + payload + padding


def random_datagram(rng: random.Random) -> bytes:
    """Return a frame with FCS; about half of them have something wrong."""
    tags = rng.choice([(), (0x8100,), (0x88A8, 0x8100), (0x8100, 0x8100)])
    size = rng.choice([0, 1, 2, 17, 18, 19, 20, 22, rng.randrange(200), rng.randrange(20, 60)])
    fault = {} if rng.random() < 0.5 else rng.choice([
        {"address": 0}, {"address": GROUP ^ 1 << rng.randrange(32)}, {"port": 0},
        {"port": PORT ^ 1 << rng.randrange(16)}, {"total_delta": rng.choice([-1, 1, -28, -20])},
        {"total_delta": 40, "udp_delta": 40},
        {"total_delta": (d := rng.randrange(1, 12)), "udp_delta": d},
        {"udp_delta": rng.choice([-9, -8, -1, 1])}, {"flags": 0x2000}, {"flags": 0x0001},
        {"flags": 0x1000}, {"version_ihl": 0x46}, {"version_ihl": 0x44}, {"version_ihl": 0x65},
        {"protocol": 6}, {"ethertype": 0x0806}, {"ethertype": 0x86DD},
        {"ip_checksum_xor": 1 << rng.randrange(16)}, {"udp_checksum_xor": 1 << rng.randrange(16)},
        {"no_udp_checksum": True}, {"zero_ip_checksum": True},
        {"address": 0, "port": 0, "no_udp_checksum": True, "zero_ip_checksum": True},
        {"tags": (0x8100, 0x8100, 0x8100)}, {"tags": (0x8100,), "ethertype": 0x8809},
        {"padding": rng.randbytes(rng.randrange(1, 20))},
    ])
    frame = with_fcs(datagram_frame(rng.randbytes(size), **({"tags": tags} | fault)))
    if rng.random() < 0.1:
        damaged = bytearray(frame)
        damaged[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        frame = bytes(damaged)
    return frame


@dataclass
class Delivered:
    """What a consumer saw."""

    frames: list = field(default_factory=list)
    notes: list = field(default_factory=list)     # of the beats from FINAL_BEAT on, each frame's
    outcomes: list = field(default_factory=list)
    first_cycles: list = field(default_factory=list)
    last_cycles: list = field(default_factory=list)
    outcome_cycles: list = field(default_factory=list)
    counts: dict = field(default_factory=lambda: dict.fromkeys(REASONS, 0))


def deliver(line: Line, *, cut_through: bool, strict=True, go=always, buffer_bytes=4096,
            drain=400, maximum=1526) -> Delivered:
    dut = DatagramReceiver(buffer_bytes=buffer_bytes)
    out = Delivered()
    line.idle(8 * drain)
    words = line.words()

    async def bench(ctx):
        ctx.set(dut.cfg_cut_through, cut_through)
        ctx.set(dut.cfg_strict, strict)
        ctx.set(dut.cfg_group_ip, GROUP)
        ctx.set(dut.cfg_udp_port, PORT)
        ctx.set(dut.cfg_max_frame_bytes, maximum)
        current, beats = b"", 0
        offered = None
        for cycle, word in enumerate(words):
            ready = go()
            ctx.set(dut.word, word)
            ctx.set(dut.now_cycles, cycle)
            ctx.set(dut.beats.ready, ready)
            (_, _, valid, beat, note, settled, good, *pulses) = await ctx.tick().sample(
                dut.beats.valid, dut.beats.payload, dut.datagram, dut.outcomes.valid,
                dut.outcomes.payload.good, *(getattr(dut, f"stat_{name}") for name in REASONS))
            if offered is not None:
                assert valid and (beat.data, beat.keep, beat.first, beat.last) == offered
            offered = None
            if valid:
                assert len(out.outcomes) == len(out.frames), "frame began before the outcome"
                assert beat.first == (beats == 0)
                if beats >= FINAL_BEAT:
                    if len(out.notes) == len(out.frames):
                        out.notes.append(note)
                    assert note.accepted == out.notes[-1].accepted
                    if note.accepted:
                        assert note == out.notes[-1]
                if ready:
                    if not beats:
                        out.first_cycles.append(cycle)
                    current += beat.data.to_bytes(8, "little")[:beat.keep.bit_count()]
                    beats += 1
                    if beat.last:
                        if beats <= FINAL_BEAT:
                            out.notes.append(None)
                        out.frames.append(current)
                        out.last_cycles.append(cycle)
                        current, beats = b"", 0
                else:
                    offered = (beat.data, beat.keep, beat.first, beat.last)
            if settled:
                assert len(out.outcomes) == len(out.frames) - 1
                out.outcomes.append(good)
                out.outcome_cycles.append(cycle)
            for name, pulse in zip(REASONS, pulses, strict=True):
                out.counts[name] += pulse
        assert not beats
        assert len(out.outcomes) == len(out.frames) == len(out.notes)

    run(dut, bench, cycles=len(words) + 10)
    return out


def expect_counts(receptions):
    counts = dict.fromkeys(REASONS, 0)
    for reception in receptions:
        counts["frames_good"] += reception.reason not in ("bad_fcs", "runt", "oversize",
                                                          "error_char")
        if reception.reason != "frames_good":
            counts[reception.reason] += 1
    return counts


def check(out: Delivered, sent: list[bytes], starts: list[int], *, cut_through: bool,
          strict: bool) -> None:
    golden = [receive(frame, group_ip=GROUP, udp_port=PORT, strict=strict) for frame in sent]
    assert out.counts == expect_counts(golden)
    indexes = [n for n, reception in enumerate(golden)
               if cut_through or reception.reason == "frames_good"]
    assert out.frames == [sent[n] for n in indexes]
    assert out.outcomes == [
        (golden[n].good if cut_through else True) for n in indexes]
    for note, n in zip(out.notes, indexes, strict=True):
        if golden[n].reason in ("runt", "oversize"):
            continue
        assert note.accepted == golden[n].accepted, n
        if note.accepted:
            assert note.payload_offset == golden[n].payload_offset
            assert note.payload_length == golden[n].payload_length
            assert note.start_cycles == starts[n]
            if golden[n].good:
                begin = note.payload_offset
                assert sent[n][begin:begin + note.payload_length] == golden[n].payload


def send(frames, *, rng=None, gap=12):
    line = Line()
    line.idle(80)
    starts = [line.frame(frame, gap=rng.choice([5, 9, 12, 13, 15, 30, 100]) if rng else gap)
              for frame in frames]
    return line, starts


@pytest.mark.parametrize("cut_through", [False, True])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("chance", [1.0, 0.8])
def test_random_frames_equal_the_golden_model(cut_through, strict, chance):
    rng = random.Random(f"{cut_through}{strict}{chance}")
    frames = [random_datagram(rng) for _ in range(150)]
    line, starts = send(frames, rng=rng)
    go = always if chance == 1 else stalls(5, chance)
    out = deliver(line, cut_through=cut_through, strict=strict, go=go, buffer_bytes=16384)
    check(out, frames, starts, cut_through=cut_through, strict=strict)


@pytest.mark.parametrize("cut_through", [False, True])
@pytest.mark.parametrize("lane", [0, 4])
def test_every_length_at_the_shortest_gap(cut_through, lane):
    rng = random.Random(3)
    frames = []
    for tags in ((), (0x8100,), (0x88A8, 0x8100)):
        head = 46 + 4 * len(tags)
        frames += [with_fcs(datagram_frame(rng.randbytes(length - head), tags=tags))
                   for length in [*range(64, 81), 1518 + 4 * len(tags)]]
    line = Line()
    line.idle(80)
    starts = [line.frame(frame, lane=lane if n % 2 else None, gap=5)
              for n, frame in enumerate(frames)]
    out = deliver(line, cut_through=cut_through, buffer_bytes=4096)
    assert out.counts["frames_good"] == len(frames)
    check(out, frames, starts, cut_through=cut_through, strict=True)


def test_latency():
    frame = with_fcs(datagram_frame(bytes(range(40))))
    assert len(frame) == 86
    for lane, to_first, to_last in ((0, 1, 11), (4, 2, 12)):
        for cut_through in (False, True):
            line = Line()
            line.idle(80)
            start = line.frame(frame, lane=lane)
            out = deliver(line, cut_through=cut_through)
            if cut_through:
                assert out.first_cycles == [start + to_first + 2]
                assert out.last_cycles == [start + to_last + 2]
                assert out.outcome_cycles == [start + to_last + 1 + 2]
            else:
                assert out.first_cycles == [start + to_last + 5]
                assert out.last_cycles == [out.first_cycles[0] + 10]
                assert out.outcome_cycles == [out.last_cycles[0] + 1]


def test_line_rate_is_sustained_in_cut_through_without_growing_delay():
    rng = random.Random(7)
    frames = [with_fcs(datagram_frame(rng.randbytes(18 + n % 5))) for n in range(60)]
    line, starts = send(frames, gap=9)
    out = deliver(line, cut_through=True)
    for start, first in zip(starts, out.first_cycles, strict=True):
        assert first - start in (3, 4)  # Start in lane 0, lane 4
    assert out.counts["frames_good"] == 60


@pytest.mark.parametrize("cut_through", [False, True])
def test_full_buffer_loses_frames_and_says_so(cut_through):
    rng = random.Random(8)
    frames = [with_fcs(datagram_frame(rng.randbytes(rng.randrange(100, 900)))) for _ in range(60)]
    line, _ = send(frames, gap=12)
    blocked = iter([False] * 900)
    random_go = stalls(9, 0.5)
    out = deliver(line, cut_through=cut_through, go=lambda: next(blocked, None) is None
                  and random_go(), buffer_bytes=4096, drain=3000)
    assert out.counts["frames_good"] == 60
    whole = [n for n, frame in enumerate(out.frames) if frame in frames]
    cut = [n for n in range(len(out.frames)) if n not in whole]
    assert out.counts["dropped"] == 60 - len(whole) > 5
    assert [out.outcomes[n] for n in whole] == [1] * len(whole)
    assert [out.outcomes[n] for n in cut] == [0] * len(cut)
    assert (len(cut) > 0) == cut_through
    for n in cut:
        assert any(frame.startswith(out.frames[n]) for frame in frames)
    order = [frames.index(out.frames[n]) for n in whole]
    assert order == sorted(order)


def test_spoilt_frames_vanish_or_are_reported():
    rng = random.Random(10)
    for cut_through in (False, True):
        line = Line()
        line.idle(80)
        want = []
        for n in range(24):
            frame = with_fcs(datagram_frame(rng.randbytes(60)))
            if n % 3 == 1:
                line.frame(frame, control=[(70 + n, ERROR)])
                want.append((frame[:70 + n], 0))
            elif n % 3 == 2:
                line.frame(frame[:50 + n], gap=5)  # runts and frames of wrong FCS
                want.append((frame[:50 + n], 0))
            else:
                line.frame(frame, gap=5)
                want.append((frame, 1))
        out = deliver(line, cut_through=cut_through)
        if cut_through:
            assert list(zip(out.frames, out.outcomes, strict=True)) == want
        else:
            assert out.frames == [frame for frame, good in want if good]
        assert out.counts["error_char"] == 8 and out.counts["frames_good"] == 8


def test_tiny_fragments_of_frames_do_not_disturb_the_next():
    rng = random.Random(11)
    for cut_through in (False, True):
        for go in (always, stalls(12, 0.7)):
            line = Line()
            line.idle(80)
            sent = []
            for _ in range(120):
                length = rng.choice([1, 3, 4, 5, 8, 9, 16, 17, 40, 63, 64, 65, 72])
                frame = with_fcs(datagram_frame(rng.randbytes(30)))[:length]
                if length >= 64:
                    frame = with_fcs(datagram_frame(rng.randbytes(length - 46)))
                line.frame(frame, gap=rng.choice([1, 2, 5, 12]))
                sent.append(frame)
            out = deliver(line, cut_through=cut_through, go=go, buffer_bytes=8192)
            good = [len(frame) >= 64 for frame in sent]
            if cut_through:
                assert out.frames == sent
                assert out.outcomes == good
            else:
                assert out.frames == [frame for frame in sent if len(frame) >= 64]
            assert [note.accepted for note, frame in zip(out.notes, out.frames, strict=True)
                    if len(frame) >= 64] == [1] * sum(good)


def test_mode_changes_only_between_frames():
    dut = DatagramReceiver(buffer_bytes=2048)
    frame = with_fcs(datagram_frame(bytes(40)))
    line, _ = send([frame] * 4, gap=200)
    rng = random.Random(13)
    out, modes = [], []

    async def bench(ctx):
        ctx.set(dut.cfg_group_ip, GROUP)
        ctx.set(dut.cfg_udp_port, PORT)
        ctx.set(dut.beats.ready, 1)
        current = b""
        line.idle(400)
        for word in line.words():
            ctx.set(dut.cfg_cut_through, rng.randrange(2))
            ctx.set(dut.word, word)
            _, _, valid, beat, mode = await ctx.tick().sample(
                dut.beats.valid, dut.beats.payload, dut.cut_through)
            if valid:
                current += beat.data.to_bytes(8, "little")[:beat.keep.bit_count()]
                modes.append(mode)
                if beat.last:
                    assert len(set(modes)) == 1
                    modes.clear()
                    out.append(current)
                    current = b""

    run(dut, bench)
    assert out == [frame] * 4


@pytest.mark.parametrize("cut_through", [False, True])
@pytest.mark.parametrize("folder, strict", [
    ("Nasdaq.Equities.TotalView.Itch.v5.0", True),
    ("Nasdaq.Equities.TotalView.Itch.v5.0.20230822", False),
    ("Nasdaq.Equities.TotalView.Itch.v5.0.20230822", True),
    ("Nasdaq.Nsm.Ouch.v5.0", True),
])
def test_captured_frames(folder, strict, cut_through):
    frames = [with_fcs(record.data)
              for path in sorted(data_path("nasdaq-pcap", folder).glob("*.pcap"))
              for record in Capture(path).records()]
    line, starts = send(frames)
    out = deliver(line, cut_through=cut_through, strict=strict, go=stalls(14, 0.9),
                  buffer_bytes=16384)
    check(out, frames, starts, cut_through=cut_through, strict=strict)
    accepted = [note for note in out.notes if note is not None and note.accepted]
    refused = "Ouch" in folder or (strict and folder.endswith("20230822"))
    assert len(accepted) == (0 if refused else len(frames))
    if strict and folder.endswith("20230822"):
        assert out.counts["bad_header_checksum"] == len(frames) == 71
