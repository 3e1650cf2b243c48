import random
from collections import Counter
from dataclasses import replace

import pytest

from hdl.feed.message_framer import MessageFramer
from sim.golden.feed import FeedModel, split_packet
from tests.support.streams import always, run, stalls
from tests.unit.hdl.feed.frames import OFFSETS, SESSION, Frame, block_lengths, drive_frames, packet

PULSES = ("packets", "messages", "heartbeats", "end_of_session", "gaps", "duplicates", "overlaps",
          "duplicate_messages", "foreign_session", "unnumbered", "malformed")


class Watch:
    """Takes windows off a framer, checks their form and joins them to messages."""

    def __init__(self, dut, go=always):
        self.dut = dut
        self.go = go
        self.messages = []     # (sequence, accept, content)
        self.ends = []         # (cycle of the last window's transfer, start_cycles)
        self.counts = Counter()
        self.stale = 0
        self.settled = []
        self.cycle = 0

    async def bench(self, ctx):
        out = self.dut.messages
        pulses = [getattr(self.dut, f"stat_{name}") for name in PULSES]
        content, held = bytearray(), None
        while True:
            ready = self.go()
            ctx.set(out.ready, ready)
            _, _, valid, window, stale, missing, settled, good, *stats = await ctx.tick().sample(
                out.valid, out.payload, self.dut.stream_stale, self.dut.gap_messages,
                self.dut.frame_settled, self.dut.frame_good, *pulses)
            for name, pulse in zip(PULSES, stats, strict=True):
                self.counts[name] += pulse
            if stats[PULSES.index("gaps")]:
                self.counts["gap_messages"] += missing
            self.stale += stale
            if settled:
                self.settled.append((len(self.messages), bool(good)))
            if held is not None:
                assert valid and window == held, "a window that was offered changed"
            held = window if valid and not ready else None
            if valid and ready:
                self.take(window, content)
            self.cycle += 1

    def take(self, window, content):
        octets = window.data.to_bytes(16, "little")
        if window.first:
            content.clear()
        # The lower half is always complete; the upper half up to the end in the last window.
        if window.last:
            assert len(content) < window.length or window.length == 0
            whole = (bytes(content) + octets)[:window.length]
            assert len(whole) == window.length
            self.messages.append((window.sequence, bool(window.accept), whole))
            self.ends.append((self.cycle, window.start_cycles))
        else:
            content.extend(octets[:8])


def simulate(frames, *, go_in=always, go_out=always, drain=40, seed=1, log=None, setup=None,
             gap_cycles=0, beside=None):
    dut = MessageFramer()
    watch = Watch(dut, go_out)

    async def bench(ctx):
        ctx.set(dut.cfg_session_learn, 1)
        ctx.set(dut.cfg_sequence_learn, 1)
        if setup is not None:
            await setup(ctx, dut)
        await ctx.tick()
        watch.cycle = 0
        await drive_frames(ctx, dut, frames, go=go_in, seed=seed, log=log, gap_cycles=gap_cycles)
        await ctx.tick().repeat(drain)

    background = [watch.bench]
    if beside is not None:
        async def follow(ctx):
            await beside(ctx, dut)

        background.append(follow)
    run(dut, bench, background=background)
    return watch


def expect(watch, frames, *, lenient=False):
    model = FeedModel(sequence_learn=True, lenient=lenient)
    for frame in frames:
        if frame.accepted:
            model.packet(frame.payload)
    want = [(m.sequence, m.accept, m.content) for m in model.messages]
    assert len(watch.messages) == len(want)
    for have, need in zip(watch.messages, want, strict=True):
        assert have[1:] == need[1:]
        assert not need[1] or have[0] == need[0]  # no number is told of a foreign message
    for name in ("packets", "messages", "heartbeats", "end_of_session", "gaps", "gap_messages",
                 "duplicates", "overlaps", "duplicate_messages", "foreign_session", "unnumbered",
                 "malformed"):
        assert watch.counts[name] == model.counts.get(name, 0), name
    return model


@pytest.mark.parametrize("offset", OFFSETS)
def test_message_of_every_length_at_every_alignment(offset):
    rng = random.Random(offset)
    frames, sequence = [], 1
    for length in range(61):
        # A leading message shifts the boundary, so that each length meets each lane.
        for lead in range(8):
            messages = block_lengths((12 + lead, length, 19), rng)
            if (lead + length) % 3 == offset % 3 or length < 20:
                frames.append(Frame(packet(sequence, messages), offset))
                sequence += len(messages)
    watch = simulate(frames)
    expect(watch, frames)
    assert watch.stale == 0


@pytest.mark.parametrize("offset", OFFSETS)
def test_first_message_of_every_length(offset):
    rng = random.Random(offset)
    frames = [Frame(packet(1 + length, block_lengths((length,), rng)), offset)
              for length in range(61)]
    watch = simulate(frames)
    expect(watch, frames)
    assert watch.stale == 0


def random_frames(seed, number):
    rng = random.Random(seed)
    frames, sequence = [], rng.randrange(1, 1 << 60)
    for _ in range(number):
        style = rng.random()
        if style < 0.4:
            lengths = [rng.choice((12, 19, 23, 31, 35, 36, 40)) for _ in range(rng.randrange(1, 9))]
        elif style < 0.7:
            lengths = [rng.randrange(8) for _ in range(rng.randrange(1, 20))]
        else:
            lengths = [rng.randrange(70) for _ in range(rng.randrange(6))]
        messages = block_lengths(lengths, rng)
        shift = rng.choice((0, 0, 0, 0, 0, 0, -3, -1, 2, 500))
        count = rng.choice((None, None, None, None, None, 0, 0xFFFF, len(messages) + 1,
                            max(0, len(messages) - 1), rng.randrange(65536)))
        payload = packet(max(0, sequence + shift), messages, count=count,
                         session=rng.choice((SESSION,) * 9 + (b"OTHER     ",)),
                         tail=rng.randbytes(rng.choice((0, 0, 0, 0, 1, 2, 9))))
        cut = rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 20))
        payload = payload[:len(payload) - cut] if cut < len(payload) else payload
        frames.append(Frame(payload, rng.choice(OFFSETS), accepted=rng.random() < 0.95,
                            start_cycles=rng.randrange(1 << 48)))
        if frames[-1].accepted and payload[:10] == SESSION and len(payload) >= 20:
            number = int.from_bytes(payload[18:20], "big") % 0xFFFF
            sequence = max(sequence, int.from_bytes(payload[10:18], "big") + number)
            if number > 1000:
                sequence += number
    return [Frame(packet(frames_sequence(frames), []), 42)] + frames


def frames_sequence(frames):
    return int.from_bytes(frames[0].payload[10:18], "big") if len(frames[0].payload) >= 20 else 1


@pytest.mark.parametrize("seed", range(6))
def test_random_packets_under_random_stalls(seed):
    frames = random_frames(seed, 120)
    go_in, go_out = [(always, always), (stalls(seed), always), (always, stalls(seed, 0.3)),
                     (stalls(seed, 0.8), stalls(seed + 9, 0.7))][seed % 4]
    watch = simulate(frames, go_in=go_in, go_out=go_out, seed=seed, drain=400)
    model = expect(watch, frames)
    assert len(watch.settled) == len(frames)
    # Several causes in one packet may merge into one pulse, none goes unnoticed.
    short = sum(frame.accepted and len(frame.payload) < 20 for frame in frames)
    assert watch.stale >= max(model.counts.get("gaps", 0),
                              model.counts.get("malformed", 0) - short)
    assert (watch.stale > 0) == model.stale


def test_overlap_heartbeats_end_and_change_of_session():
    """The table of states of protocols/moldudp64.md, row by row."""
    rng = random.Random(1)

    def some(number):
        return block_lengths([rng.randrange(12, 50) for _ in range(number)], rng)

    other = b"NEXT DAY  "
    story = [
        # packet, accepted messages, next number expected
        (packet(1, some(3)), [True] * 3, 4),
        (packet(4, []), [], 4),                                     # heartbeat, nothing missing
        (packet(2, some(4)), [False] * 2 + [True] * 2, 6),          # two old ones, two new ones
        (packet(1, some(4)), [False] * 4, 6),                       # all old, by number
        (packet(5, some(1)), [False], 6),
        (packet(9, []), [], 9),                                     # heartbeat: three are missing
        (packet(7, some(2)), [False] * 2, 9),                       # too late
        (packet(3, []), [], 9),                                     # heartbeat of the past
        (packet(1, some(2), session=other), [False] * 2, 9),        # another session
        (packet(77, [], session=other), [], 9),
        (packet(77, [], session=other, count=0xFFFF), [], 9),
        (packet(9, some(2)), [True] * 2, 11),                       # the session goes on
        (packet(11, [], count=0xFFFF), [], 11),                     # its end
        (packet(12, [], count=0xFFFF), [], 12),                     # told again: one is missing
        (packet(11, some(2)), [False, True], 13),                   # after the end
    ]
    frames = [Frame(payload, rng.choice(OFFSETS)) for payload, *_ in story]
    seen = []

    async def follow(ctx, dut):
        while True:
            _, _, settled, number = await ctx.tick().sample(dut.frame_settled, dut.next_sequence)
            if settled:
                # The number is committed some cycles later at most.
                for _ in range(6):
                    *_, number = await ctx.tick().sample(dut.next_sequence)
                seen.append(number)

    watch = simulate(frames, gap_cycles=12, beside=follow)
    expect(watch, frames)
    assert [accept for _, accept, _ in watch.messages] == [
        accept for _, accepts, _ in story for accept in accepts]
    assert seen == [number for *_, number in story]
    counts = {name: watch.counts[name] for name in (
        "packets", "messages", "heartbeats", "end_of_session", "gaps", "gap_messages",
        "duplicates", "overlaps", "duplicate_messages", "foreign_session", "malformed")}
    assert counts == {
        "packets": 12, "messages": 18, "heartbeats": 3, "end_of_session": 2, "gaps": 2,
        "gap_messages": 4, "duplicates": 5, "overlaps": 2, "duplicate_messages": 10,
        "foreign_session": 3, "malformed": 0}


def test_start_cycles_and_settling_follow_the_frame():
    rng = random.Random(3)
    frames = [Frame(packet(1 + 2 * n, block_lengths((19, 36), rng)), OFFSETS[n % 3],
                    good=n % 2 == 0, start_cycles=1000 + n) for n in range(20)]
    watch = simulate(frames, go_out=stalls(5, 0.4))
    assert [stamp for _, stamp in watch.ends] == [1000 + n // 2 for n in range(40)]
    # The outcome of a frame comes when all its messages have left and none of the next has;
    # a bad frame's sequence numbers are expected again, so each is a gap for the next one.
    assert [(count, good) for count, good in watch.settled] == [
        (2 * (n + 1), n % 2 == 0) for n in range(20)]


def ends_of(frame):
    """Return the beat in which each message of a frame ends, and the lane of its length field."""
    place, found = frame.offset + 20, []
    while place < frame.offset + len(frame.payload):
        length = int.from_bytes(frame.payload[place - frame.offset:place - frame.offset + 2], "big")
        found.append(((place + 2 + length - 1) // 8, place % 8))
        place += 2 + length
    return found


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("lengths", [(19,), (36,), (31, 19), (40, 35, 23), (19,) * 30,
                                     (12, 21, 20, 25, 39), (35,) * 8])
def test_latency_is_two_cycles_from_the_final_byte(offset, lengths):
    rng = random.Random(7)
    frames = [Frame(packet(1 + n * len(lengths), block_lengths(lengths, rng)), offset)
              for n in range(3)]
    log = []
    watch = simulate(frames, log=log)
    transfers = {(frame, beat): cycle for cycle, (frame, beat, ready) in enumerate(log) if ready}
    wanted = [transfers[number, beat] + 2 for number, frame in enumerate(frames)
              for beat, _ in ends_of(frame)]
    assert [cycle for cycle, _ in watch.ends] == wanted
    assert all(ready for _, beat, ready in log if beat is not None), "beats had to wait"


@pytest.mark.parametrize("offset", OFFSETS)
def test_packed_deletes_never_hold_up_the_line(offset):
    rng = random.Random(8)
    frames = [Frame(packet(1 + 69 * n, block_lengths((19,) * 69, rng)), offset) for n in range(4)]
    log = []
    watch = simulate(frames, log=log)
    assert all(ready for _, beat, ready in log if beat is not None)
    expect(watch, frames)


def test_empty_blocks_cost_a_cycle_each():
    frames = [Frame(packet(1, [b""] * 200))]
    log = []
    watch = simulate(frames, log=log, drain=200)
    expect(watch, frames)
    assert 190 < max(cycle for cycle, _ in watch.ends) < 290


@pytest.mark.parametrize("offset", OFFSETS)
def test_frame_cut_at_every_byte(offset):
    # A message is whole if it ends before the FCS. One that ends inside it is passed on all the
    # same when the beat it ends in is not the last one: then nobody knows yet.
    rng = random.Random(4)
    full = packet(1, block_lengths((19, 0, 12, 36), rng))
    cuts = range(64, offset + len(full) + 4)
    watch = simulate([Frame(full, offset, cut_at=cut) for cut in cuts])

    def whole(end):
        cut_packet = split_packet(full[:max(0, end - offset)], cut=True)
        return [] if cut_packet is None else list(cut_packet.messages)

    done = 0
    for cut, (total, _) in zip(cuts, watch.settled, strict=True):
        got = [content for _, _, content in watch.messages[done:total]]
        assert got in (whole(cut - 4), whole((cut - 1) // 8 * 8))
        done = total
    assert watch.counts["malformed"] == len(cuts)
    assert watch.stale >= sum(cut - 4 >= offset + 20 for cut in cuts)


def test_header_shorter_than_its_fields():
    frames = []
    for length in range(20):
        frames += [Frame(bytes(range(length)), offset) for offset in OFFSETS]
    frames.append(Frame(packet(77, [b"x" * 19])))
    watch = simulate(frames)
    assert watch.counts["malformed"] == 60
    assert watch.messages == [(77, True, b"x" * 19)]
    assert watch.stale == 0         # they are of no session


def broken_payloads(session):
    """Return a packet of each kind that does not fit itself, and where it breaks is everywhere."""
    blocks = [bytes([length]) * length for length in (0, 3, 19, 8, 36)]
    for number in range(len(blocks)):
        for count in (number + 1, number - 1, 0xFFFE):          # too few blocks, too many
            if count > 0:
                yield packet(1, blocks[:number], session=session, count=count)
    for end in range(1, len(packet(1, blocks)) - 20):           # ends within a block
        if end not in (2, 7, 28, 38, 76):
            yield packet(1, blocks, session=session)[:20 + end]
    yield packet(1, blocks, session=session, tail=b"?")


@pytest.mark.parametrize("offset", OFFSETS)
def test_what_is_in_a_packet_of_another_session_makes_nothing_stale(offset):
    first = Frame(packet(1, [b"a" * 19]), offset)
    foreign = [Frame(payload, offset) for payload in broken_payloads(b"OTHER     ")]
    frames = [first, *foreign, Frame(packet(2, [b"b" * 23]), offset)]
    for gap_cycles in (0, 9):
        watch = simulate(frames, gap_cycles=gap_cycles)
        model = expect(watch, frames)
        assert (watch.stale, model.stale, watch.counts["malformed"]) == (0, False, 0)
        assert watch.counts["foreign_session"] == len(foreign) > 80
        assert [accept for _, accept, _ in watch.messages if accept] == [True] * 2


@pytest.mark.parametrize("offset", OFFSETS)
def test_every_packet_of_the_session_that_does_not_fit_is_counted_and_makes_books_stale(offset):
    for payload in broken_payloads(SESSION):
        watch = simulate([Frame(packet(1, []), offset), Frame(payload, offset)])
        assert (watch.stale, watch.counts["malformed"]) == (1, 1), payload
        assert len(watch.settled) == 2, "it waits for another frame"


def test_refused_frames_are_not_read():
    rng = random.Random(4)
    frames = [Frame(packet(1, block_lengths((19, 19), rng)), accepted=False),
              Frame(rng.randbytes(18)[:4], accepted=False),
              Frame(packet(1, [b"y" * 23]), 46)]
    watch = simulate(frames)
    assert watch.messages == [(1, True, b"y" * 23)]
    assert watch.counts["packets"] == 1


def test_configured_session_and_sequence():
    async def setup(ctx, dut):
        ctx.set(dut.cfg_session_learn, 0)
        ctx.set(dut.cfg_sequence_learn, 0)
        ctx.set(dut.cfg_session, int.from_bytes(SESSION, "big"))
        ctx.set(dut.cfg_next_sequence, 1 << 40)
        ctx.set(dut.cfg_load, 1)
        await ctx.tick()
        ctx.set(dut.cfg_load, 0)

    first = (1 << 40) - 2
    frames = [Frame(packet(5, [b"z" * 20], session=b"000010059C")),
              Frame(packet(first, [bytes([n]) * 20 for n in range(4)])),
              Frame(packet(first + 9, []))]
    watch = simulate(frames, setup=setup)
    assert [(s, a) for s, a, _ in watch.messages[1:]] == [
        (first + n, n >= 2) for n in range(4)]
    assert not watch.messages[0][1]
    assert watch.counts["foreign_session"] == 1
    assert watch.counts["duplicates"] == 1
    assert (watch.counts["gaps"], watch.counts["gap_messages"]) == (1, 5)


def test_without_learning_the_first_number_is_one():
    async def setup(ctx, dut):
        ctx.set(dut.cfg_sequence_learn, 0)

    watch = simulate([Frame(packet(4, [b"z" * 20]))], setup=setup)
    assert (watch.counts["gaps"], watch.counts["gap_messages"]) == (1, 3)


@pytest.mark.parametrize("gap_cycles", [0, 12])
@pytest.mark.parametrize("lengths", [(), (19,), (19,) * 5])
def test_sequence_numbers_of_a_bad_frame_are_taken_back(gap_cycles, lengths):
    rng = random.Random(1)
    number = len(lengths)
    frames = [Frame(packet(1, block_lengths((19,), rng))),
              Frame(packet(1 << 50, block_lengths(lengths, rng)), good=False),
              Frame(packet(2, block_lengths((19,), rng))),
              Frame(packet(2, block_lengths((19,), rng)))]
    watch = simulate(frames, gap_cycles=gap_cycles)
    assert [(s, a) for s, a, _ in watch.messages] == [
        (1, True), *(((1 << 50) + n, True) for n in range(number)), (2, True), (2, False)]
    assert watch.counts["gaps"] == 1


def test_restart_forgets_the_session():
    dut = MessageFramer()
    watch = Watch(dut)

    async def bench(ctx):
        ctx.set(dut.cfg_session_learn, 1)
        ctx.set(dut.cfg_sequence_learn, 1)
        await drive_frames(ctx, dut, [Frame(packet(50, [b"a" * 20]))], go=always)
        await ctx.tick().repeat(10)
        assert ctx.get(dut.next_sequence) == 51
        assert ctx.get(dut.session) == int.from_bytes(SESSION, "big")
        ctx.set(dut.cfg_restart, 1)
        await ctx.tick()
        ctx.set(dut.cfg_restart, 0)
        await drive_frames(ctx, dut, [Frame(packet(7, [b"b" * 20], session=b"second    "))],
                           go=always)
        await ctx.tick().repeat(10)
        assert ctx.get(dut.next_sequence) == 8

    run(dut, bench, background=[watch.bench])
    assert [(s, a) for s, a, _ in watch.messages] == [(50, True), (7, True)]
    assert watch.counts["gaps"] == 0


def lenient_frames(seed, number):
    """Return frames of which most have no sequence number, and some no session either."""
    rng = random.Random(seed)
    frames = []
    for frame in random_frames(seed, number):
        payload = frame.payload
        if len(payload) >= 20 and rng.random() < 0.6:
            session = rng.choice((SESSION, bytes(10), b"OTHER     "))
            payload = session + bytes(8) + payload[18:]
        frames.append(replace(frame, payload=payload))
    return frames


@pytest.mark.parametrize("seed", range(4))
def test_lenient_packets_without_a_number_are_the_next_ones(seed):
    async def setup(ctx, dut):
        ctx.set(dut.cfg_lenient, 1)

    frames = lenient_frames(seed, 120)
    go_in, go_out = [(always, always), (stalls(seed), stalls(seed + 9, 0.7))][seed % 2]
    watch = simulate(frames, go_in=go_in, go_out=go_out, seed=seed, drain=400, setup=setup)
    model = expect(watch, frames, lenient=True)
    assert model.counts["unnumbered"] > 40


@pytest.mark.parametrize("offset", OFFSETS)
def test_lenient_mode_learns_no_session_from_a_packet_without_a_number(offset):
    async def setup(ctx, dut):
        ctx.set(dut.cfg_lenient, 1)
        ctx.set(dut.cfg_sequence_learn, 0)

    blank = [Frame(packet(0, [bytes([n]) * 19], session=bytes(10)), offset) for n in range(3)]
    frames = [*blank, Frame(packet(4, [b"x" * 19]), offset), *blank,
              Frame(packet(8, [b"y" * 19]), offset)]
    watch = simulate(frames, setup=setup)
    assert [(sequence, accept) for sequence, accept, _ in watch.messages] == [
        (n, True) for n in range(1, 9)]
    assert watch.counts["unnumbered"] == 6
    assert watch.stale == watch.counts["foreign_session"] == 0


def test_strict_mode_takes_no_packet_without_a_number():
    frames = [Frame(packet(10, [b"x" * 19])), Frame(packet(0, [b"y" * 19])),
              Frame(packet(11, [b"z" * 19]))]
    watch = simulate(frames)
    assert [(sequence, accept) for sequence, accept, _ in watch.messages] == [
        (10, True), (0, False), (11, True)]
    assert watch.counts["duplicates"] == 1 and watch.counts["unnumbered"] == 0


def test_sequence_numbers_given_to_a_bad_frame_are_taken_back():
    async def setup(ctx, dut):
        ctx.set(dut.cfg_lenient, 1)
        ctx.set(dut.cfg_sequence_learn, 0)

    frames = [Frame(packet(0, [b"x" * 19] * 2)), Frame(packet(0, [b"y" * 19] * 3), good=False),
              Frame(packet(0, [b"z" * 19]))]
    watch = simulate(frames, setup=setup, gap_cycles=12)
    assert [sequence for sequence, _, _ in watch.messages] == [1, 2, 3, 4, 5, 3]
