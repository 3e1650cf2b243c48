"""Retransmission ring against a list, and its parameter."""

import random

import pytest

from hdl.net.tcp_layouts import PAYLOAD_WORDS
from hdl.net.tcp_ring import RetransmissionRing
from tests.support.streams import run

SIZE = 1024     #: sixteen slots


@pytest.mark.parametrize("seed", range(3))
def test_ring_keeps_what_is_not_acknowledged(seed):
    dut = RetransmissionRing(size_bytes=SIZE)
    rng = random.Random(seed)

    async def bench(ctx):
        sequence = acknowledged = 0xFFFFFF00
        kept: list[tuple[int, int, list[int]]] = []
        full = 0

        async def settle():
            await ctx.tick().repeat(12 + 6 * len(kept))

        for _ in range(150):
            ctx.set(dut.acknowledged, acknowledged)
            if rng.random() < 0.75:
                await ctx.tick().repeat(3)
                if ctx.get(dut.room):
                    length = rng.randrange(1, 57)
                    words = [rng.getrandbits(64) for _ in range(PAYLOAD_WORDS)]
                    ctx.set(dut.push, 1)
                    ctx.set(dut.sequence, sequence)
                    ctx.set(dut.length, length)
                    await ctx.tick()
                    ctx.set(dut.push, 0)
                    for index, word in enumerate(words):
                        ctx.set(dut.kept, 1)
                        ctx.set(dut.kept_index, index)
                        ctx.set(dut.kept_word, word)
                        await ctx.tick()
                    ctx.set(dut.kept, 0)
                    kept.append((sequence, length, words))
                    sequence = (sequence + length) % 2**32
                else:
                    full += 1
                    assert len(kept) >= SIZE // 64 - 2
            elif kept:
                # Acknowledge up to somewhere, also inside a segment.
                at, length, _ = rng.choice(kept[:3])
                acknowledged = (at + rng.randrange(length + 1)) % 2**32
                ctx.set(dut.acknowledged, acknowledged)
                kept = [entry for entry in kept
                        if (acknowledged - entry[0] - entry[1]) % 2**32 >= 2**31]
                await settle()
            await settle()
            assert ctx.get(dut.oldest_valid) == bool(kept)
            assert ctx.get(dut.empty) == (not kept)
            if kept:
                at, length, words = kept[0]
                assert ctx.get(dut.oldest_sequence) == at
                assert ctx.get(dut.oldest_length) == length
                ctx.set(dut.select, 1)
                await ctx.tick()
                ctx.set(dut.select, 0)
                for index, word in enumerate(words):
                    ctx.set(dut.index, index)
                    await ctx.tick().repeat(2)  # two cycles, index to word
                    assert ctx.get(dut.word) == word
        assert full

    run(dut, bench, cycles=60_000)


@pytest.mark.parametrize("size", [256, 3000])
def test_size_is_checked(size):
    with pytest.raises(ValueError, match=f"was {size}"):
        RetransmissionRing(size_bytes=size)
