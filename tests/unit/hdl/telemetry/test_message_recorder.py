import random

import pytest

from hdl.profile import PROFILES
from hdl.telemetry.message_recorder import MessageRecorder
from proto.events import HEADER
from proto.feed_records import FeedMessageReader
from proto.wire import itch50
from tests.support.streams import always, run, stalls

PROFILE = PROFILES["bench"]
SYMBOLS = PROFILE.symbols


def windows(content, rng):
    """Return the windows of a message, the last one as early as it can be or one later."""
    least = max(0, -(-(len(content) - 16) // 8))
    last = least + (rng.random() < 0.5 and len(content) > 8 * (least + 1))
    found = []
    for place in range(last + 1):
        part = content[8 * place:8 * place + 16]
        if place < last:     # of the upper half only a part may be there yet
            part = part[:rng.randrange(8, 17)]
        data = int.from_bytes((part + rng.randbytes(16))[:16], "little")
        found.append({"data": data, "first": int(place == 0), "last": int(place == last),
                      "length": len(content)})
    return found


def simulate(messages, *, take=always, gap=0, wait=0, seed=1):
    """Pass messages (content, whether to record it, symbol or None); return what came out."""
    dut = MessageRecorder(PROFILE)
    words, counts, delays = [], {"recorded": 0, "dropped": 0}, []

    async def take_words(ctx):
        while True:
            ready = take()
            ctx.set(dut.words.ready, ready)
            _, _, valid, word, recorded, dropped = await ctx.tick().sample(
                dut.words.valid, dut.words.payload, dut.stat_recorded, dut.stat_dropped)
            counts["recorded"] += recorded
            counts["dropped"] += dropped
            if valid and ready:
                words.append((word.data, word.last))

    async def bench(ctx):
        rng = random.Random(seed)
        ctx.set(dut.cfg_wait, wait)
        await ctx.tick()
        for number, (content, record, symbol) in enumerate(messages):
            for window in windows(content, rng):
                while ctx.get(dut.busy) or (window["first"] and ctx.get(dut.full)):
                    await ctx.tick()
                while rng.random() < 0.2:       # nothing is offered: what is there is noise
                    ctx.set(dut.window, {**window, "data": rng.getrandbits(128), "last": 0})
                    ctx.set(dut.taken, 0)
                    await ctx.tick()
                ctx.set(dut.window, window)
                ctx.set(dut.taken, 1)
                await ctx.tick()
            ctx.set(dut.taken, 0)
            ctx.set(dut.sequence, number + 1)
            ctx.set(dut.watched, symbol is not None)
            ctx.set(dut.symbol_index, symbol or 0)
            empty = ctx.get(dut.empty)
            if record:
                ctx.set(dut.record, 1)
                await ctx.tick()
                ctx.set(dut.record, 0)
                if empty and gap:
                    delay = 1
                    while not ctx.get(dut.words.valid):
                        await ctx.tick()
                        delay += 1
                    delays.append(delay)
            for _ in range(gap):
                await ctx.tick()
        for _ in range(4000):
            if ctx.get(dut.empty) and not ctx.get(dut.busy):
                break
            await ctx.tick()
        await ctx.tick().repeat(2)
        assert ctx.get(dut.empty)

    run(dut, bench, background=[take_words])
    assert len(words) % 8 == 0 and [last for _, last in words] == [0, 0, 0, 0, 0, 0, 0, 1] * (
        len(words) // 8)
    stream = b"".join(word.to_bytes(8, "little") for word, _ in words)
    return [stream[at:at + 64] for at in range(0, len(stream), 64)], counts, delays


def some(rng, number, *, record=0.6):
    """Return messages of every type, some of a wrong length and not to be recorded."""
    found = []
    for _ in range(number):
        kind, layout = rng.choice(list(itch50.MESSAGES.items()))
        right = rng.random() < 0.9
        size = layout.size if right else rng.randrange(1, 200)
        found.append((bytes([kind]) + rng.randbytes(size - 1), right and rng.random() < record,
                      rng.choice((None, rng.randrange(SYMBOLS)))))
    return found


def read(records):
    reader = FeedMessageReader()
    found = [reader.take(record[1], record) for record in records]
    return [message for message in found if message is not None]


@pytest.mark.parametrize(("seed", "take"), [(1, always), (2, stalls(2, 0.3)), (3, stalls(3, 0.8))])
def test_messages_come_back_whole_and_none_is_lost_if_they_may_wait(seed, take):
    messages = some(random.Random(seed), 300)
    records, counts, _ = simulate(messages, take=take, wait=1, seed=seed)
    wanted = [(number + 1, symbol, content)
              for number, (content, record, symbol) in enumerate(messages) if record]
    assert [(message.feed_sequence, message.symbol_index, message.content)
            for message in read(records)] == wanted
    assert counts == {"recorded": len(wanted), "dropped": 0}
    numbers = [HEADER.decode_from(record)["event_sequence"] for record in records]
    assert numbers == list(range(len(records)))
    assert {message.layout for message in read(records)} == set(itch50.MESSAGES.values())


@pytest.mark.parametrize("seed", [4, 5])
def test_what_finds_no_room_is_dropped_whole_and_uses_up_a_number(seed):
    messages = some(random.Random(seed), 300, record=1)
    records, counts, _ = simulate(messages, take=stalls(seed, 0.3), seed=seed)
    recordable = {number + 1: content for number, (content, record, _) in enumerate(messages)
                  if record}
    found = read(records)
    assert counts["dropped"] > 50 and counts["recorded"] == len(found) > 50
    assert counts["recorded"] + counts["dropped"] == len(recordable)
    assert all(recordable[message.feed_sequence] == message.content for message in found)
    numbers = [HEADER.decode_from(record)["event_sequence"] for record in records]
    assert numbers == sorted(set(numbers))
    missing = numbers[-1] + 1 - len(numbers)
    assert 0 < missing <= counts["dropped"]


def test_latency_is_four_cycles_or_three():
    rng = random.Random(6)
    messages = [message for message in some(rng, 60) if message[1]]
    _, counts, delays = simulate(messages, gap=40)
    assert counts["dropped"] == 0 and len(delays) == len(messages)
    assert set(delays) == {3, 4}
