"""Whether the feed can be relied on."""

from hdl.feed.feed_health import FeedHealth
from tests.support.streams import run


def test_up_from_the_first_packet_until_silence_or_the_end():
    dut = FeedHealth()

    async def pulse(ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def bench(ctx):
        now = 1 << 63
        ctx.set(dut.now_ns, now)
        ctx.set(dut.cfg_timeout_ns, 1000)
        await pulse(ctx, dut.packet)
        assert not ctx.get(dut.up)          # not enabled
        ctx.set(dut.cfg_enable, 1)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.up)
        await pulse(ctx, dut.packet)
        assert ctx.get(dut.up)
        ctx.set(dut.now_ns, now + 1000)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.up)
        ctx.set(dut.now_ns, now + 1001)
        await ctx.tick()
        assert ctx.get(dut.up)
        await ctx.tick()
        assert not ctx.get(dut.up)
        for end in (dut.ended, dut.restart):
            await pulse(ctx, dut.packet)
            assert ctx.get(dut.up)
            await pulse(ctx, end)
            assert not ctx.get(dut.up)
        await pulse(ctx, dut.packet)
        ctx.set(dut.cfg_enable, 0)
        await ctx.tick()
        assert not ctx.get(dut.up)
        ctx.set(dut.cfg_enable, 1)
        ctx.set(dut.cfg_timeout_ns, 0)      # never up for longer than the packet
        await pulse(ctx, dut.packet)
        ctx.set(dut.now_ns, now + 2000)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.up)

    run(dut, bench)
