"""TCP connection on its own: latencies of a segment's effects, window arithmetic."""

import pytest

from hdl.net.tcp_connection import TcpConnection, TcpState
from sim.golden.tcp import ACK, FIN, PSH, RST, SYN
from tests.support.streams import run

WINDOW = 5840


class Peer:
    """Hand segments to a connection as the parser does: the fields first, then `arrived`.

    A cycle after that the next frame may change them.
    """

    def __init__(self, ctx, dut):
        self.ctx, self.dut = ctx, dut

    async def arrive(self, flags, sequence, acknowledgment, *, length=0, window=65535):
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.segment, {"sequence": sequence % 2**32, "flags": flags, "window": window,
                              "acknowledgment": acknowledgment % 2**32, "length": length,
                              "offset": 54})
        await ctx.tick().repeat(3)
        ctx.set(dut.arrived, 1)
        await ctx.tick()
        ctx.set(dut.arrived, 0)
        await ctx.tick()
        ctx.set(dut.segment, {"sequence": 0x5555_5555, "flags": 0xFF, "window": 0x5555,
                              "acknowledgment": 0x5555_5555, "length": 0x555, "offset": 0x55})

    async def open(self, first=0xFFFFFFF0, theirs=0xFFFFFFFA, window=65535):
        """Open; return the sequence number of our next byte."""
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.cfg_initial_sequence, first)
        ctx.set(dut.ring_room, 1)
        ctx.set(dut.ring_empty, 1)
        ctx.set(dut.room, 1)
        ctx.set(dut.resolved, 1)
        ctx.set(dut.segments.ready, 1)
        ctx.set(dut.connect, 1)
        await ctx.tick()
        ctx.set(dut.connect, 0)
        (segment,) = await ctx.tick().sample(dut.segments.payload).until(dut.segments.valid)
        assert segment.flags == SYN and segment.sequence == first
        await ctx.tick()
        await self.arrive(SYN | ACK, theirs, first + 1, window=window)
        assert ctx.get(dut.state) == TcpState.ESTABLISHED      # two cycles after `arrived`
        return (first + 1) % 2**32


def simulate(scenario, cycles=3000):
    dut = TcpConnection(window=WINDOW)

    async def bench(ctx):
        ctx.set(dut.cfg_retransmit_ns, 10_000_000)
        await scenario(ctx, dut, Peer(ctx, dut))

    run(dut, bench, cycles=cycles)


def test_data_are_accepted_two_cycles_after_they_arrive_and_acknowledged():
    async def scenario(ctx, dut, peer):
        ours = await peer.open()
        expected = 0xFFFFFFFB
        await ctx.tick().repeat(10)
        # Whole, across the wrap; then overlapping by three; then a duplicate; then ahead.
        for sequence, length, skip in ((expected, 10, 0), (expected + 7, 8, 3)):
            await peer.arrive(PSH | ACK, sequence, ours, length=length)
            assert ctx.get(dut.accept)
            assert ctx.get(dut.offset) == 54 + skip and ctx.get(dut.length) == length - skip
            assert ctx.get(dut.acknowledgment) == (sequence + length) % 2**32
            ctx.set(dut.sent_acknowledgment, (sequence + length) % 2**32)
            (segment,) = await ctx.tick().sample(dut.segments.payload).until(dut.segments.valid)
            assert segment.flags == ACK and segment.length == 0
            await ctx.tick().repeat(3)
        for sequence in (expected, expected + 20):
            await peer.arrive(PSH | ACK, sequence, ours, length=5)
            assert not ctx.get(dut.accept)
            await ctx.tick().until(dut.segments.valid)      # a duplicate acknowledgment
            await ctx.tick().repeat(3)
        assert ctx.get(dut.acknowledgment) == (expected + 15) % 2**32
        ctx.set(dut.room, 0)
        await peer.arrive(PSH | ACK, expected + 15, ours, length=5)
        assert not ctx.get(dut.accept)

    simulate(scenario)


@pytest.mark.parametrize("window", [57, 58])
def test_window_of_one_segment_is_needed_and_opens_after_five_cycles(window):
    async def scenario(ctx, dut, peer):
        ours = await peer.open(window=0)
        await ctx.tick().repeat(8)
        assert ctx.get(dut.established) and not ctx.get(dut.can_send)
        await peer.arrive(ACK, 0xFFFFFFFB, ours, window=window)
        for cycle in range(2, 8):
            assert ctx.get(dut.can_send) == (cycle >= 5 and window == 58)
            await ctx.tick()

    simulate(scenario)


def test_older_segment_does_not_shrink_the_window():
    async def scenario(ctx, dut, peer):
        ours = await peer.open()
        await peer.arrive(PSH | ACK, 0xFFFFFFFB, ours, length=5)
        await peer.arrive(ACK, 0xFFFFFFFB, ours, window=0)      # late: not even acceptable
        await ctx.tick().repeat(8)
        assert ctx.get(dut.can_send)

    simulate(scenario)


@pytest.mark.parametrize("flags, offset, state", [
    (RST, 0, TcpState.CLOSED), (RST, 1, TcpState.ESTABLISHED), (RST, -1, TcpState.ESTABLISHED),
    (RST, WINDOW, TcpState.ESTABLISHED), (SYN, 0, TcpState.ESTABLISHED),
    (FIN | ACK, 0, TcpState.CLOSE_WAIT), (FIN | ACK, 1, TcpState.ESTABLISHED),
    (FIN | ACK, -1, TcpState.ESTABLISHED), (FIN, 0, TcpState.ESTABLISHED),
])
def test_only_the_expected_number_ends_a_connection(flags, offset, state):
    async def scenario(ctx, dut, peer):
        ours = await peer.open()
        await peer.arrive(flags, 0xFFFFFFFB + offset, ours)
        assert ctx.get(dut.state) == state

    simulate(scenario)
