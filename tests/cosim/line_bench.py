"""What the cocotb tests of the lines share: a bench that keeps all that comes out, and a judge."""

import itertools
import random
from abc import ABC, abstractmethod

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from hdl.net.datagram_receiver import DatagramInfo
from hdl.stream import FrameBeat
from sim.golden.ethernet import receive
from tests.cosim.mac_top import REASONS

__all__ = ["GROUP", "PORT", "LineBench", "judge", "random_frame"]

GROUP, PORT = "233.54.12.111", 26477

BEAT = data.Layout.cast(FrameBeat)
NOTE = data.Layout.cast(DatagramInfo)


class LineBench(ABC):
    """A consumer that keeps everything, and the clocks; a line adds its bus model.

    Attributes
    ----------
    PERIOD_PS : int
        Of the core's clock.
    source
        The bus model, made by the line's own class.
    """

    PERIOD_PS: int

    def __init__(self, dut, *, rx_period_ps=None, cut_through, seed, chance=1.0):
        self.dut = dut
        self.rng = random.Random(seed)
        self.chance = chance
        self.rx_period_ps = rx_period_ps or self.PERIOD_PS
        self.frames, self.notes, self.outcomes = [], [], []
        self.starts, self.first_cycles = [], []
        self.counts = dict.fromkeys(REASONS, 0)
        dut.cut_through.value = cut_through
        dut.strict.value = 1
        dut.group_ip.value = int.from_bytes(bytes(map(int, GROUP.split("."))), "big")
        dut.udp_port.value = PORT
        dut.beat_ready.value = 0

    @abstractmethod
    def look(self, cycle: int) -> None:
        """Note what the line's own pins show in a cycle."""

    async def start(self):
        """Start the clocks, reset, and begin to watch."""
        dut = self.dut
        dut.rst.value = dut.rx_rst.value = 1
        Clock(dut.clk, self.PERIOD_PS, unit="ps").start()
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
            await Timer(self.PERIOD_PS // 2, "ps")
            await ReadOnly()
            self.look(cycle)
            reasons = int(dut.reasons.value)
            if reasons:
                for bit, name in enumerate(REASONS):
                    self.counts[name] += reasons >> bit & 1
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


def judge(bench: LineBench, sent: list[bytes], spoilt: list[bool], *, cut_through: bool) -> None:
    """Compare all that came out of a bench with the golden model.

    Parameters
    ----------
    bench : LineBench
        Settled.
    sent, spoilt : list
        Frames with FCS, and whether an error was signalled in each.
    cut_through : bool
        The mode.
    """
    group = int(bench.dut.group_ip.value)
    golden = [receive(frame, group_ip=group, udp_port=PORT) for frame in sent]
    reasons = ["error_char" if bad else found.reason
               for bad, found in zip(spoilt, golden, strict=True)]
    kept = [n for n in range(len(sent)) if cut_through or reasons[n] == "frames_good"]
    assert bench.frames == [sent[n] for n in kept]
    assert bench.outcomes == [
        int(golden[n].good and not spoilt[n]) if cut_through else 1 for n in kept]
    for note, n in zip(bench.notes, kept, strict=True):
        assert note.accepted == golden[n].accepted
        if note.accepted:
            assert note.payload_offset == golden[n].payload_offset
            assert note.payload_length == golden[n].payload_length
    counts = dict.fromkeys(REASONS, 0)
    for reason in reasons:
        counts["frames_good"] += reason not in ("bad_fcs", "error_char")
        if reason != "frames_good":
            counts[reason] += 1
    assert bench.counts == counts
