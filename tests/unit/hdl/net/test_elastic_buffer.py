"""ElasticBuffer: latency, drift in both directions, and what cannot be made good."""

import random

import pytest
from amaranth.sim import Simulator

from hdl.net.elastic_buffer import ElasticBuffer
from tests.support.xgmii import ERROR, IDLE, SEQUENCE, START, TERMINATE, Line

LATENCY = 3
STATS = ("inserted", "deleted", "overrun", "underrun")
IDLE_WORD = {"data": int.from_bytes([IDLE] * 8, "little"), "control": 0xFF}


def pass_through(words, *, rx_period=1.0, rx_phase=None, extra=40):
    """Return the words that came out, cycle by cycle, and the counts of the pulses."""
    dut = ElasticBuffer()
    out, counts = [], dict.fromkeys(STATS, 0)
    cycles = int(len(words) * rx_period) + extra

    async def drive(ctx):
        for word in words:
            ctx.set(dut.line, word)
            await ctx.tick("rx")
        ctx.set(dut.line, IDLE_WORD)

    async def watch(ctx):
        for _ in range(cycles):
            _, _, word, *pulses = await ctx.tick().sample(
                dut.word, *(getattr(dut, f"stat_{name}") for name in STATS))
            out.append((word.data, word.control))
            for name, pulse in zip(STATS, pulses, strict=True):
                counts[name] += pulse

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_clock(rx_period * 1e-9, phase=None if rx_phase is None else rx_phase * 1e-9,
                  domain="rx")
    sim.add_testbench(drive, background=True)
    sim.add_testbench(watch)
    sim.run()
    return out, counts


def frames_of(words):
    """Return the frames between Start and Terminate, and the shortest gap between two."""
    frames, current, gap, shortest = [], None, 0, 1 << 30
    for data, control in words:
        for lane in range(8):
            byte, flag = data >> 8 * lane & 0xFF, control >> lane & 1
            if flag and byte == START:
                assert current is None and lane in (0, 4)
                shortest = min(shortest, gap) if frames else shortest
                current = b""
            elif current is not None and flag:
                assert byte == TERMINATE
                frames.append(current)
                current, gap = None, 1
            elif current is not None:
                current += bytes([byte])
            else:
                assert flag and byte in (IDLE,), (byte, flag)
                gap += 1
    assert current is None
    return frames, shortest


def test_latency_with_equal_clocks_and_no_change_of_the_stream():
    rng = random.Random(1)
    line = Line()
    line.idle(64)
    for _ in range(20):
        line.frame(rng.randbytes(rng.randrange(60, 200)), gap=rng.randrange(5, 40))
    words = line.words()
    out, counts = pass_through(words)
    want = [(word["data"], word["control"]) for word in words]
    assert out[8 + LATENCY:len(want) + LATENCY] == want[8:]
    assert out[8:8 + LATENCY] == [(IDLE_WORD["data"], 0xFF)] * LATENCY
    assert not any(counts[name] for name in STATS[1:])


@pytest.mark.parametrize("phase", [0.0, 0.13, 0.5, 0.77, 0.99])
def test_latency_is_two_to_three_at_any_phase(phase):
    line = Line()
    line.idle(64)
    start = line.frame(bytes(range(60)), lane=0)
    out, counts = pass_through(line.words(), rx_phase=phase)
    at = next(cycle for cycle, (data, control) in enumerate(out) if control == 1)
    # A clock's first edge comes at its phase, which is half a period unless given.
    latency = (at + 0.5) - (start + phase)
    assert LATENCY - 1 < latency <= LATENCY
    assert frames_of(out)[0][0][7:] == bytes(range(60))
    assert not counts["deleted"]


#: A drift far above 200 ppm makes a short simulation exercise many slips; frames stay whole as
#: long as a frame's length times the drift is well below a period.
@pytest.mark.parametrize("drift", [-4e-3, -1e-3, 1e-3, 4e-3])
@pytest.mark.parametrize("gap", ["average of 12", "9"])
def test_drift_is_absorbed_by_gaps(drift, gap):
    rng = random.Random(2)
    line = Line()
    line.idle(64)
    sent = []
    deficit = 0
    while len(line.lanes) < 8 * 3000:
        # 64-byte and 68-byte frames in lane 4 leave no whole idle word between them.
        frame = rng.randbytes(rng.choice([60, 64, 68, 72, 100, rng.randrange(64, 600)]))
        sent.append(frame)
        if gap == "9":
            line.frame(frame, gap=9)
        else:  # deficit idle count
            length = 12 + (-(8 + len(frame) + 12) % 4)
            if length > 12 and deficit + 16 - length <= 3:
                deficit += 16 - length
                length -= 4
            elif length > 12:
                deficit = max(0, deficit - (length - 12))
            line.frame(frame, gap=length)
    line.idle(64)
    out, counts = pass_through(line.words(), rx_period=1 + drift, rx_phase=0.3)
    frames, shortest = frames_of(out[8:])
    assert [frame[7:] for frame in frames] == sent
    assert counts["overrun"] == counts["underrun"] == 0
    slips = 3000 * drift
    if drift > 0:
        assert abs(counts["inserted"] - slips) < 8 and counts["deleted"] == 0
        assert shortest >= 9
    else:
        assert abs(counts["deleted"] + slips) < 8
        assert shortest >= 1


@pytest.mark.parametrize("ppm", [-200, 200])
def test_shortest_legal_gaps_ride_through(ppm):
    rng = random.Random(3)
    line = Line()
    line.idle(64)
    sent = []
    while len(line.lanes) < 8 * 12000:
        sent.append(rng.randbytes(1522 + len(sent) % 4))
        line.frame(sent[-1], gap=5)
    line.idle(64)
    out, counts = pass_through(line.words(), rx_period=1 + ppm * 1e-6, rx_phase=0.3)
    frames, _ = frames_of(out[8:])
    assert [frame[7:] for frame in frames] == sent
    assert counts["overrun"] == counts["underrun"] == 0


def starts_of(words, *, period=1.0, phase=0.0):
    """Return the times at which Start is taken, its lane counted as a part of the period."""
    return [(cycle + lane / 8) * period + phase
            for cycle, (data, control) in enumerate(words) for lane in (0, 4)
            if control >> lane & 1 and data >> 8 * lane & 0xFF == START]


#: Periods from a word at the line to the same word in `sync`: what the docstring says, and what the
#: clocks drift while a gap is waited for.
LEAST_FILL, MOST_FILL = 1.95, 3.1


@pytest.mark.parametrize("ppm", [-100, 100])
@pytest.mark.parametrize("traffic", ["smallest frames", "largest frames", "bursts"])
def test_no_frame_is_lost_at_100_ppm(ppm, traffic):
    # The line is fuller than 10GbE allows: gaps of 9 bytes in the bursts, 12 on average elsewhere.
    rng = random.Random(f"{ppm}{traffic}")
    line = Line()
    line.idle(64)
    sent = []
    deficit = 0
    while len(line.lanes) < 8 * 21_000:
        burst = traffic == "bursts" and len(sent) % 200 < 150
        size = (67 if burst else 64 if traffic == "smallest frames"
                else 1518 if traffic == "largest frames" else rng.randrange(64, 1519))
        frame = rng.randbytes(size)
        sent.append(frame)
        length = 12 + (-(size + 12) % 4)
        if burst:
            length = 9
        elif length > 12 and deficit + 16 - length <= 3:
            deficit += 16 - length
            length -= 4
        elif length > 12:
            deficit = max(0, deficit - (length - 12))
        line.frame(frame, gap=length)
    line.idle(64)
    words = line.words()
    period = 1 + ppm * 1e-6
    out, counts = pass_through(words, rx_period=period, rx_phase=0.3)
    frames, _ = frames_of(out[8:])
    assert [frame[7:] for frame in frames] == sent
    assert counts["overrun"] == counts["underrun"] == 0
    # A slip every 10,000 words; before the first word of the line is there, idles are inserted.
    slips = (counts["inserted"] - LATENCY, counts["deleted"])
    assert slips in ({(2, 0), (3, 0)} if ppm > 0 else {(0, 2), (0, 3)})
    came = starts_of([(word["data"], word["control"]) for word in words], period=period, phase=0.3)
    fills = [left - arrived for left, arrived in
             zip(starts_of(out, phase=0.5), came, strict=True)]
    assert LEAST_FILL < min(fills) and max(fills) < MOST_FILL


def test_link_fault_for_ever_under_drift():
    for drift in (-4e-3, 4e-3):
        line = Line()
        line.idle(64)
        line.lanes += [(SEQUENCE, True), (0, False), (0, False), (1, False)] * 4000
        out, counts = pass_through(line.words(), rx_period=1 + drift, rx_phase=0.3)
        fault = 0x0100009C_0100009C
        assert set(out[30:1900]) <= {(fault, 0x11), (IDLE_WORD["data"], 0xFF)}
        assert counts["overrun"] == counts["underrun"] == 0
        assert counts["inserted" if drift > 0 else "deleted"] >= 6


def test_stopped_receiver_spoils_the_frame_and_recovers():
    dut = ElasticBuffer()
    first, second = Line(), Line()
    first.idle(64)
    first.frame(bytes(400), lane=0)
    second.idle(64)
    second.frame(bytes(range(64)), lane=0)
    second.idle(64)
    out = []
    pulses = []
    words = first.words()[:30] + [None] * 40 + second.words()

    async def bench(ctx):
        for word in words:
            if word is None:  # no edge of rx
                _, _, taken, pulse = await ctx.tick().sample(dut.word, dut.stat_underrun)
            else:
                ctx.set(dut.line, word)
                ctx.set(rx_clock, 0)
                await ctx.delay(0.25e-9)
                ctx.set(rx_clock, 1)
                _, _, taken, pulse = await ctx.tick().sample(dut.word, dut.stat_underrun)
            out.append((taken.data, taken.control))
            pulses.append(pulse)

    from amaranth.hdl import ClockDomain, Module

    top = Module()
    top.domains.rx = rx = ClockDomain(reset_less=True)
    rx_clock = rx.clk
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    assert sum(pulses) == 1
    error = (int.from_bytes([ERROR] * 8, "little"), 0xFF)
    assert out.count(error) == 1
    after = out[out.index(error) + 1:]
    assert after[:20] == [(IDLE_WORD["data"], 0xFF)] * 20
    starts = [n for n, (data, control) in enumerate(after) if control == 1]
    assert frames_of(after[starts[-1]:])[0][0][7:] == bytes(range(64))


def test_line_without_gaps_spoils_one_frame_and_recovers():
    line = Line()
    line.idle(64)
    line.frame(bytes(8 * 3000), lane=0)
    line.idle(64)
    line.frame(bytes(range(64)), lane=0)
    line.idle(64)
    out, counts = pass_through(line.words(), rx_period=1 - 4e-3)
    assert counts["overrun"] == 1
    starts = [n for n, (_, control) in enumerate(out) if control == 1]
    assert frames_of(out[starts[-1]:])[0][0][7:] == bytes(range(64))
