"""Segment parser and payload buffer on their own: latencies, limits, damage."""

import random
import zlib

import pytest
from amaranth import Module
from amaranth.lib import wiring

from hdl.net.tcp_buffer import PayloadBuffer
from hdl.net.tcp_receiver import SegmentParser
from hdl.net.xgmii_receiver import VERDICT_CYCLES
from sim.golden.tcp import ACK, PSH, Packet, segment
from tests.support.streams import run

ADDRESSES = {"local_mac": 1, "peer_mac": 2, "local_address": 0x0A000001,
             "peer_address": 0x0A000002, "local_port": 40000, "peer_port": 8083}
LOCAL_MAC, PEER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def data_frame(payload: bytes, *, sequence: int = 5, options: bytes = b"") -> bytes:
    return segment(Packet(
        source=0x0A000002, destination=0x0A000001, source_port=8083, destination_port=40000,
        sequence=sequence, acknowledgment=77, flags=PSH | ACK, window=1000, payload=payload,
        options=options), LOCAL_MAC, PEER_MAC)


def beats_of(frame: bytes) -> list[dict]:
    whole = frame + zlib.crc32(frame).to_bytes(4, "little")
    count = -(-len(whole) // 8)
    return [{"data": int.from_bytes(whole[8 * n:8 * n + 8], "little"),
             "keep": (1 << len(whole[8 * n:8 * n + 8])) - 1, "first": n == 0,
             "last": n == count - 1} for n in range(count)]


class Receiver(wiring.Component):
    """Parser and buffer on the same beats."""

    def __init__(self):
        self.parser, self.buffer = SegmentParser(), PayloadBuffer(size_bytes=2048, segments=8)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.parser, m.submodules.buffer = self.parser, self.buffer
        m.d.comb += [self.buffer.beats.valid.eq(self.parser.passing.valid),
                     self.buffer.beats.p.eq(self.parser.passing.p),
                     self.buffer.index.eq(self.parser.index)]
        return m


async def send(ctx, dut, frame: bytes, *, good: bool = True) -> None:
    """Send a frame; return in the cycle of the verdict."""
    parser = dut.parser
    for beat in beats_of(frame):
        ctx.set(parser.beats.valid, 1)
        ctx.set(parser.beats.payload, beat)
        await ctx.tick()
    ctx.set(parser.beats.valid, 0)
    await ctx.tick().repeat(VERDICT_CYCLES - 1)
    ctx.set(parser.verdicts.valid, 1)
    ctx.set(parser.verdicts.p.good, good)
    await ctx.tick()
    ctx.set(parser.verdicts.valid, 0)


def test_parser_reports_six_cycles_after_the_last_beat():
    dut = Receiver()

    async def bench(ctx):
        ctx.set(dut.parser.cfg_addresses, ADDRESSES)
        for length in (0, 1, 7, 100, 1460):
            for options in (b"", b"\x01\x01\x01\x00", bytes(40)):
                if length + len(options) > 1460:
                    continue
                await send(ctx, dut, data_frame(bytes(length), options=options))
                for cycle in range(VERDICT_CYCLES + 1, 8):     # since the last beat
                    assert ctx.get(dut.parser.arrived) == (cycle == 6)
                    if cycle == 6:
                        fields = dut.parser.segment
                        assert ctx.get(fields.length) == length
                        assert ctx.get(fields.offset) == 54 + len(options)
                        assert ctx.get(fields.sequence) == 5
                        assert ctx.get(fields.acknowledgment) == 77
                        assert ctx.get(fields.window) == 1000
                    await ctx.tick()

    run(dut, bench, cycles=5000)


def test_any_single_bit_of_damage_is_noticed():
    dut = Receiver()
    rng = random.Random(1)
    frame = data_frame(bytes(range(30)))
    seen = []

    async def monitor(ctx):
        async for _, _, arrived in ctx.tick().sample(dut.parser.arrived):
            seen.append(arrived)

    async def bench(ctx):
        ctx.set(dut.parser.cfg_addresses, ADDRESSES)
        for _ in range(120):
            bit = rng.randrange(12 * 8, len(frame) * 8)
            broken = bytearray(frame)
            broken[bit // 8] ^= 1 << bit % 8
            await send(ctx, dut, bytes(broken))
            await ctx.tick().repeat(2)
        assert sum(seen) == 0
        await send(ctx, dut, frame, good=False)
        await ctx.tick().repeat(6)
        assert sum(seen) == 0
        await send(ctx, dut, frame)
        await ctx.tick().repeat(6)
        assert sum(seen) == 1

    run(dut, bench, background=[monitor], cycles=10_000)


def test_buffer_gives_what_was_accepted_and_refuses_what_does_not_fit():
    dut = Receiver()
    rng = random.Random(2)
    expected, got, refused = bytearray(), bytearray(), [0]
    stall = [True]

    async def monitor(ctx):
        while True:
            ready = not stall[0] and rng.random() < 0.8
            ctx.set(dut.buffer.octets.ready, ready)
            _, _, valid, octet = await ctx.tick().sample(
                dut.buffer.octets.valid, dut.buffer.octets.payload)
            if valid and ready:
                got.append(octet)

    async def accept(ctx, frame, skip, take):
        await send(ctx, dut, frame)
        while not ctx.get(dut.parser.arrived):
            await ctx.tick()
        room = ctx.get(dut.buffer.room)
        offset, length = ctx.get(dut.parser.segment.offset), ctx.get(dut.parser.segment.length)
        await ctx.tick()
        if take and room and length > skip:
            ctx.set(dut.buffer.accept, 1)
            ctx.set(dut.buffer.offset, offset + skip)
            ctx.set(dut.buffer.length, length - skip)
        await ctx.tick()
        ctx.set(dut.buffer.accept, 0)
        return room

    async def bench(ctx):
        ctx.set(dut.parser.cfg_addresses, ADDRESSES)
        for number in range(40):
            stall[0] = number < 10
            payload = rng.randbytes(rng.choice([1, 5, 60, 200, 900]))
            skip = rng.randrange(len(payload)) if rng.random() < 0.3 else 0
            take = rng.random() < 0.8
            room = await accept(ctx, data_frame(payload, options=bytes(4 * rng.randrange(3))),
                                skip, take)
            refused[0] += not room
            if take and room:
                expected.extend(payload[skip:])
        while len(got) < len(expected):
            await ctx.tick()
        await ctx.tick().repeat(40)

    run(dut, bench, background=[monitor], cycles=60_000)
    assert got == expected
    assert 0 < refused[0] < 30


def test_buffer_latency_is_seven_cycles():
    dut = Receiver()

    async def bench(ctx):
        ctx.set(dut.parser.cfg_addresses, ADDRESSES)
        await send(ctx, dut, data_frame(b"abc"))
        await ctx.tick().repeat(4)
        ctx.set(dut.buffer.accept, 1)
        ctx.set(dut.buffer.offset, 54)
        ctx.set(dut.buffer.length, 3)
        cycles = 0
        while not ctx.get(dut.buffer.octets.valid):
            await ctx.tick()
            ctx.set(dut.buffer.accept, 0)
            cycles += 1
        assert cycles == 7
        assert ctx.get(dut.buffer.octets.payload) == ord("a")

    run(dut, bench, cycles=1000)


@pytest.mark.parametrize("size", [1024, 3000])
def test_buffer_size_is_checked(size):
    with pytest.raises(ValueError, match=f"was {size}"):
        PayloadBuffer(size_bytes=size)
