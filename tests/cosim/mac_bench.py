"""cocotb tests of the receive path; run by test_mac.py."""

import itertools
import random

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer
from cocotbext.eth import XgmiiFrame, XgmiiSource
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from hdl.net.datagram_receiver import DatagramInfo
from hdl.stream import FrameBeat
from sim.golden.ethernet import receive
from tests.cosim.mac_top import REASONS
from tests.support.xgmii import START

GROUP, PORT = "233.54.12.111", 26477
PERIOD_PS = 6400
#: Word on the pins to beat, with equal clocks: elastic buffer, receiver, buffer.
LATENCY = 3 + 1 + 1

BEAT = data.Layout.cast(FrameBeat)
NOTE = data.Layout.cast(DatagramInfo)


class Bench:
    """The bus model of the line, and a consumer that keeps everything."""

    def __init__(self, dut, *, rx_period_ps=PERIOD_PS, cut_through, seed, chance=1.0):
        self.dut = dut
        self.rng = random.Random(seed)
        self.chance = chance
        self.rx_period_ps = rx_period_ps
        self.source = XgmiiSource(dut.rxd, dut.rxc, dut.rx_clk)
        self.source.log.setLevel("WARNING")
        self.frames, self.notes, self.outcomes = [], [], []
        self.starts, self.first_cycles, self.slips = [], [], [0] * 4
        self.counts = dict.fromkeys(REASONS, 0)
        dut.cut_through.value = cut_through
        dut.strict.value = 1
        dut.group_ip.value = int.from_bytes(bytes(map(int, GROUP.split("."))), "big")
        dut.udp_port.value = PORT
        dut.beat_ready.value = 0
        dut.rxd.value = 0x0707070707070707
        dut.rxc.value = 0xFF

    async def start(self):
        """Start the clocks, reset, and begin to watch."""
        dut = self.dut
        dut.rst.value = dut.rx_rst.value = 1
        Clock(dut.clk, PERIOD_PS, unit="ps").start()
        Clock(dut.rx_clk, self.rx_period_ps, unit="ps").start()
        for _ in range(4):
            await RisingEdge(dut.clk)
        dut.rst.value = dut.rx_rst.value = 0
        cocotb.start_soon(self._watch())
        for _ in range(20):
            await RisingEdge(dut.clk)

    async def _watch(self):
        dut, frame, beats = self.dut, b"", 0
        for cycle in itertools.count():
            await RisingEdge(dut.clk)
            dut.beat_ready.value = self.rng.random() < self.chance
            await Timer(PERIOD_PS // 2, "ps")
            await ReadOnly()
            for lane in (0, 4):
                byte = int(dut.rxd.value) >> 8 * lane & 0xFF
                if int(dut.rxc.value) >> lane & 1 and byte == START:
                    self.starts.append((cycle, lane))
            for bit, name in enumerate(REASONS):
                self.counts[name] += int(dut.reasons.value) >> bit & 1
            for bit in range(4):
                self.slips[bit] += int(dut.slips.value) >> bit & 1
            if dut.outcome_valid.value:
                self.outcomes.append(int(dut.outcome_good.value))
            if not (dut.beat_valid.value and dut.beat_ready.value):
                continue
            assert len(self.outcomes) == len(self.frames)
            beat = BEAT.from_bits(int(dut.beat.value))
            assert beat.first == (beats == 0)
            if beats == 0:
                self.first_cycles.append(cycle)
            if beats == 7:
                self.notes.append(NOTE.from_bits(int(dut.datagram.value)))
            frame += beat.data.to_bytes(8, "little")[:beat.keep.bit_count()]
            beats += 1
            if beat.last:
                self.frames.append(frame)
                frame, beats = b"", 0

    async def settle(self):
        """Wait until all was sent, and nothing has come out for long."""
        await self.source.wait()
        quiet = 0
        while quiet < 100:
            await RisingEdge(self.dut.clk)
            quiet = 0 if self.dut.beat_valid.value else quiet + 1


def random_frame(rng: random.Random) -> bytes:
    """Return a frame made by scapy, without FCS; every third is not for us or is damaged."""
    packet = Ether(src="00:11:22:33:44:55", dst="01:00:5e:36:0c:6f")
    for _ in range(rng.randrange(3)):
        packet /= Dot1Q(vlan=rng.randrange(1, 4095))
    ip = IP(src="206.200.127.138", dst=GROUP, ttl=20, flags="DF")
    udp = UDP(sport=4711, dport=PORT)
    kind = rng.randrange(12)
    if kind == 0:
        ip.dst = "233.54.12.112"
    elif kind == 1:
        udp.dport = PORT + 1
    elif kind == 2:
        udp.chksum = rng.randrange(1, 65536)
    elif kind == 3:
        ip.chksum = rng.randrange(65536)
    elif kind == 4:
        ip.flags = "MF"
    frame = bytes(packet / ip / udp / rng.randbytes(rng.randrange(0, 300)))
    return frame.ljust(60, b"\0")


async def compare(bench: Bench, count: int, *, cut_through: bool) -> None:
    """Send random frames and compare all that comes out with the golden model."""
    sent = []
    for _ in range(count):
        body = random_frame(bench.rng)
        frame = XgmiiFrame.from_payload(body)
        if bench.rng.random() < 0.1:
            damaged = bytearray(frame.data)
            damaged[8 + bench.rng.randrange(len(body))] ^= 1
            frame = XgmiiFrame(damaged)
        sent.append(bytes(frame.data[8:]))
        await bench.source.send(frame)
    await bench.settle()
    group = int(bench.dut.group_ip.value)
    golden = [receive(frame, group_ip=group, udp_port=PORT) for frame in sent]
    kept = [n for n in range(count) if cut_through or golden[n].reason == "frames_good"]
    assert bench.frames == [sent[n] for n in kept]
    assert bench.outcomes == [golden[n].good if cut_through else 1 for n in kept]
    for note, n in zip(bench.notes, kept, strict=True):
        assert note.accepted == golden[n].accepted
        if note.accepted:
            assert note.payload_offset == golden[n].payload_offset
            assert note.payload_length == golden[n].payload_length
    counts = dict.fromkeys(REASONS, 0)
    for reception in golden:
        counts["frames_good"] += reception.reason != "bad_fcs"
        if reception.reason != "frames_good":
            counts[reception.reason] += 1
    assert bench.counts == counts
    assert bench.slips[2:] == [0, 0]


@cocotb.test()
async def cut_through_latency_at_the_pins(dut):
    bench = Bench(dut, cut_through=1, seed=1)
    await bench.start()
    for _ in range(12):
        bench.source.force_offset_start = bench.rng.random() < 0.5
        await bench.source.send(XgmiiFrame.from_payload(random_frame(bench.rng)))
        await bench.settle()
    assert {lane for _, lane in bench.starts} == {0, 4}
    # The first eight bytes of the frame are in the word after Start, or half of them in the next.
    assert bench.first_cycles == [
        cycle + (1 if lane == 0 else 2) + LATENCY for cycle, lane in bench.starts]


@cocotb.test()
async def random_frames_store_and_forward(dut):
    bench = Bench(dut, cut_through=0, seed=2, chance=0.9)
    await bench.start()
    await compare(bench, 400, cut_through=False)


@cocotb.test()
async def random_frames_cut_through(dut):
    bench = Bench(dut, cut_through=1, seed=3, chance=0.9)
    await bench.start()
    await compare(bench, 400, cut_through=True)


@cocotb.test()
async def fast_line(dut):
    """The line is 0.3 % faster than the core, fifteen times what is allowed."""
    bench = Bench(dut, cut_through=1, seed=4, rx_period_ps=PERIOD_PS - 20)
    await bench.start()
    await compare(bench, 300, cut_through=True)
    assert bench.slips[1] > 20


@cocotb.test()
async def slow_line(dut):
    """The line is 0.3 % slower than the core."""
    bench = Bench(dut, cut_through=1, seed=5, rx_period_ps=PERIOD_PS + 20)
    await bench.start()
    await compare(bench, 300, cut_through=True)
    assert bench.slips[0] > 20
