"""SoupBinTCP session on its own: latency, splitting, the login's number."""

import random

import pytest

from hdl.net.tcp_layouts import PAYLOAD_LANE, PAYLOAD_WORDS
from hdl.order.soupbin_session import SessionState, SoupBinSession
from proto.wire.ouch50 import ACCOUNT_QUERY
from sim.golden.soupbintcp import packet
from tests.support.streams import collect, drive, run, stalls


def accepted(session: bytes, number: int) -> bytes:
    return packet(b"A", session.rjust(10) + b"%20d" % number)


async def establish(ctx, dut):
    """Connect, and take the login."""
    ctx.set(dut.cfg_peer_timeout_ns, 1000)
    ctx.set(dut.established, 1)
    ctx.set(dut.staged.ready, 1)
    await ctx.tick().until(dut.staged.valid)
    await ctx.tick()


@pytest.mark.parametrize("seed", range(3))
def test_messages_come_out_whole_and_numbered(seed):
    rng = random.Random(seed)
    first = rng.choice([1, 99, 12345678901234567890 - 7])
    messages = [rng.randbytes(rng.choice([0, 1, 2, 30, 300])) for _ in range(20)]
    data = accepted(b"SESS", first)
    for message in messages:
        data += packet(b"S", message)
        data += rng.choice([b"", packet(b"H"), packet(b"+", rng.randbytes(9))])
    dut = SoupBinSession()
    out = []

    async def monitor(ctx):
        await collect(ctx, dut.messages, out)

    async def bench(ctx):
        await establish(ctx, dut)
        await drive(ctx, dut.octets, data, stalls(seed, 0.8))
        await ctx.tick().repeat(3)
        assert ctx.get(dut.logged_in)
        assert ctx.get(dut.next_sequence) == first + len(messages)
        assert ctx.get(dut.session) == int.from_bytes(b"SESS".rjust(10), "little")

    run(dut, bench, background=[monitor], cycles=60_000)
    got, current = [], bytearray()
    for _, octet in out:
        assert octet["first"] == (not current)
        current.append(octet["octet"])
        if octet["last"]:
            got.append((octet["sequence"], bytes(current)))
            current.clear()
    assert not current
    assert got == [(first + n, message) for n, message in enumerate(messages) if message]


def test_message_byte_comes_out_one_cycle_after_it_went_in():
    dut = SoupBinSession()

    async def bench(ctx):
        await establish(ctx, dut)
        await drive(ctx, dut.octets, accepted(b"", 1) + b"\0\x03S")
        await ctx.tick().repeat(3)
        ctx.set(dut.octets.payload, 0x55)
        ctx.set(dut.octets.valid, 1)
        assert not ctx.get(dut.messages.valid)
        await ctx.tick()
        assert ctx.get(dut.messages.valid) and ctx.get(dut.messages.p.octet) == 0x55

    run(dut, bench, cycles=1000)


def test_a_packet_stays_until_its_words_have_been_read():
    dut = SoupBinSession()

    async def bench(ctx):
        await establish(ctx, dut)
        await drive(ctx, dut.octets, accepted(b"", 1))
        await ctx.tick().repeat(20)
        ctx.set(dut.staged.ready, 0)
        ctx.set(dut.cfg_heartbeat_ns, 100)
        ctx.set(dut.now_ns, 200)
        await ctx.tick().until(dut.staged.valid)
        ctx.set(dut.query, 1)
        await ctx.tick()
        ctx.set(dut.query, 0)
        ctx.set(dut.staged.ready, 1)
        await ctx.tick()
        ctx.set(dut.staged.ready, 0)
        # The frame has begun a cycle before; its words are asked for one by one, two cycles ahead.
        words = []
        for index in [0, 0, *range(PAYLOAD_WORDS)]:
            ctx.set(dut.staged_index, index)
            await ctx.tick().repeat(1)
            words.append(ctx.get(dut.staged_word))
        lanes = b"".join(word.to_bytes(8, "little") for word in words[3:])
        heartbeat = packet(b"R")
        assert lanes[PAYLOAD_LANE:PAYLOAD_LANE + len(heartbeat)] == heartbeat
        await ctx.tick().until(dut.staged.valid)        # and then the query
        assert ctx.get(dut.staged.payload) == len(packet(b"U", b"Q" * ACCOUNT_QUERY.layout.size))

    run(dut, bench, cycles=1000)


def test_sequenced_data_before_the_login_is_answered_aborts():
    dut = SoupBinSession()
    aborts = []

    async def monitor(ctx):
        async for _, _, abort in ctx.tick().sample(dut.abort):
            aborts.append(abort)

    async def bench(ctx):
        await establish(ctx, dut)
        await drive(ctx, dut.octets, packet(b"S", b"x"))
        await ctx.tick().repeat(3)
        assert ctx.get(dut.state) == SessionState.DOWN

    run(dut, bench, background=[monitor], cycles=1000)
    assert sum(aborts) == 1


def test_broken_login_answer_is_an_error_and_the_next_connection_starts_afresh():
    dut = SoupBinSession()

    async def bench(ctx):
        await establish(ctx, dut)
        await drive(ctx, dut.octets, packet(b"A", b" " * 10 + b"1x".rjust(20))[:20])
        ctx.set(dut.established, 0)
        await ctx.tick().repeat(3)
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        await establish(ctx, dut)
        await drive(ctx, dut.octets, accepted(b"N", 5) + packet(b"S", b"ab"))
        await ctx.tick().repeat(3)
        assert ctx.get(dut.logged_in) and ctx.get(dut.next_sequence) == 6
        ctx.set(dut.established, 0)
        await ctx.tick().repeat(3)
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        await establish(ctx, dut)
        await drive(ctx, dut.octets, packet(b"A", b" " * 10 + b"1x".rjust(20)))
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.logged_in)

    run(dut, bench, cycles=2000)
