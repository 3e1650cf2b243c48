"""Records of two sources, word by word."""

import random

import pytest

from hdl.telemetry.word_merger import WordMerger
from tests.support.streams import run


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_records_stay_whole_and_in_order(seed):
    rng = random.Random(seed)
    dut = WordMerger()
    given = {"first": [], "second": []}
    taken = []

    def source(name, first_word):
        async def feed(ctx):
            stream = getattr(dut, name)
            for record in range(30):
                while rng.random() < 0.6:
                    await ctx.tick()
                for word in range(8):
                    value = first_word + 8 * record + word
                    given[name].append(value)
                    ctx.set(stream.payload, {"data": value, "last": word == 7})
                    ctx.set(stream.valid, 1)
                    await ctx.tick().until(stream.ready)
                ctx.set(stream.valid, 0)
        return feed

    async def sink(ctx):
        while len(taken) < 2 * 30 * 8:
            ready = rng.random() < 0.7
            ctx.set(dut.words.ready, ready)
            valid, payload = ctx.get(dut.words.valid), ctx.get(dut.words.payload)
            if valid and ready:
                taken.append((payload.data, payload.last))
            await ctx.tick()

    run(dut, source("first", 0), source("second", 1000), sink)
    for name, own in (("first", lambda word: word < 1000), ("second", lambda word: word >= 1000)):
        assert [word for word, _ in taken if own(word)] == given[name]
    for start in range(0, len(taken), 8):
        words = [word for word, _ in taken[start:start + 8]]
        assert words == list(range(words[0], words[0] + 8))
        assert [last for _, last in taken[start:start + 8]] == [0] * 7 + [1]
