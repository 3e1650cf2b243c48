import random
import struct
from collections import Counter

import pytest

from hdl.feed.feed_handler import FeedHandler
from hdl.profile import PROFILES
from hdl.records import AdminKind, OperationKind, Side
from proto.events import HEADER
from proto.features import HIDDEN_TRADES_MAXIMUM, TIME_SHIFT
from proto.feed_records import FeedMessageReader
from proto.wire import itch50
from sim.captures import Capture
from sim.golden.feed import FeedModel
from tests.support.data import data_path
from tests.support.streams import always, run, stalls
from tests.unit.hdl.feed.frames import BEAT, OFFSETS, SESSION, Frame, drive_frames, packet

PROFILE = PROFILES["sim"]
ALL_TYPES = "".join(map(chr, itch50.MESSAGES))
PULSES = ("packets", "messages", "heartbeats", "gaps", "duplicates", "overlaps",
          "duplicate_messages", "foreign_session", "recorded", "malformed", "operations", "admin",
          "unwatched", "unknown_type", "bad_length")


class Watch:
    """Takes operations, with their contexts, and news off a feed handler."""

    def __init__(self, dut, go=always, *, rests=False, take_words=always):
        self.dut, self.go, self.take_words = dut, go, take_words
        self.words = []
        self.dropped = 0
        self.rests = rests  # a cycle after an operation, three after a replacement
        self.rest = 0
        self.operations = []
        self.contexts = []
        self.stamps = []
        self.cycles = []
        self.admin = []
        self.stale = 0
        self.stale_symbols = []
        self.counts = Counter()
        self.cycle = 0

    async def bench(self, ctx):
        dut, due, held, announced = self.dut, [], None, None
        stats = [getattr(dut, f"stat_{name}") for name in PULSES]
        while True:
            ready = self.go() and not self.rest
            self.rest = max(0, self.rest - 1)
            ctx.set(dut.operations.ready, ready)
            take_word = self.take_words()
            ctx.set(dut.words.ready, take_word)
            _, _, valid, operation, ahead, news, admin, stale, symbols, context, *pulses = \
                await ctx.tick().sample(
                    dut.operations.valid, dut.operations.payload, dut.ahead, dut.admin.valid,
                    dut.admin.payload, dut.stream_stale, dut.stale_symbols, dut.context, *stats,
                    dut.stat_dropped, dut.words.valid, dut.words.payload)
            *pulses, dropped, has_word, word = pulses
            self.counts.update(dict(zip(PULSES, pulses, strict=True)))
            self.dropped += dropped
            if has_word and take_word:
                self.words.append((word.data, word.last))
            if due and due[0] == self.cycle:
                due.pop(0)
                self.contexts.append(context)
            if held is not None:
                assert valid and operation == held, "an operation that was offered changed"
                assert not ahead.load, "one operation at a time"
            elif valid:
                assert announced.load, "an operation comes announced"
                assert (announced.symbol_index, announced.reference) == (
                    operation.symbol_index, operation.reference)
                assert operation.kind != OperationKind.ADD or announced.side == operation.side
            announced = ahead
            held = operation if valid and not ready else None
            if valid and ready:
                self.operations.append(operation)
                self.cycles.append(self.cycle)
                if self.rests:
                    self.rest = 3 if operation.kind == OperationKind.REPLACE else 1
                ctx.set(dut.context_tag, operation.tag)
                ctx.set(dut.stamp_tag, operation.tag)
                self.stamps.append(tuple(ctx.get(getattr(dut, f"stamp_{name}"))
                                         for name in ("cycles", "time", "hidden_trades")))
                due.append(self.cycle + 2)
            if news:
                self.admin.append(admin)
            self.stale += stale
            if symbols:
                self.stale_symbols.append(symbols)
            self.cycle += 1


def simulate(frames, *, stocks=None, locates=None, go_in=always, go_out=always, log=None,
             gap_cycles=0, drain=60, enable=1, rests=False, record_types="", record_all=0,
             wait=1, take_words=always, profile=PROFILE):
    """Return what came out; `stocks` and `locates` give symbol indexes."""
    dut = FeedHandler(profile)
    watch = Watch(dut, go_out, rests=rests, take_words=take_words)

    async def configure(ctx, index, stock, locate, valid):
        for name, value in (("index", index), ("stock", stock), ("locate", locate),
                            ("locate_valid", valid), ("enable", 1), ("write", 1)):
            ctx.set(getattr(dut, f"symbol_{name}"), value)
        await ctx.tick()
        ctx.set(dut.symbol_write, 0)
        await ctx.tick().repeat(4)

    async def bench(ctx):
        ctx.set(dut.cfg_enable, enable)
        ctx.set(dut.cfg_session_learn, 1)
        ctx.set(dut.cfg_sequence_learn, 1)
        ctx.set(dut.cfg_wait, wait)
        ctx.set(dut.cfg_record_all, record_all)
        ctx.set(dut.cfg_record, sum(1 << bit for bit, kind in enumerate(ALL_TYPES)
                                    if kind in record_types))
        for stock, index in (stocks or {}).items():
            await configure(ctx, index, int.from_bytes(stock.encode().ljust(8), "big"), 0, 0)
        for locate, index in (locates or {}).items():
            await configure(ctx, index, 0, locate, 1)
        watch.cycle = 0
        await drive_frames(ctx, dut, frames, go=go_in, log=log, gap_cycles=gap_cycles)
        await ctx.tick().repeat(drain)

    run(dut, bench, background=[watch.bench])
    return watch


def golden(frames, *, stocks=None, locates=None, record_types="", record_all=False):
    model = FeedModel(sequence_learn=True, stocks=dict(stocks or {}), locates=dict(locates or {}),
                      record_types=record_types, record_all=bool(record_all))
    model.packets(frame.payload for frame in frames if frame.accepted)
    return model


def compare(watch, model):
    for name in PULSES:
        assert watch.counts[name] == model.counts.get(name, 0), name
    assert len(watch.operations) == len(watch.contexts) == len(model.operations)
    for got, context, stamp, want in zip(watch.operations, watch.contexts, watch.stamps,
                                         model.operations, strict=True):
        assert got.kind == OperationKind[want.kind]
        assert got.symbol_index == want.symbol_index
        assert got.reference == want.reference
        for name in ("new_reference", "shares", "price"):
            if getattr(want, name) is not None:
                assert getattr(got, name) == getattr(want, name), name
        if want.side is not None:
            assert got.side == Side[want.side]
        assert bool(got.execution) == want.execution
        assert context.sequence == want.sequence
        assert context.timestamp_ns == want.timestamp_ns
        assert context.locate == want.locate
        assert context.message_type == ord(want.message_type)
        assert stamp == (context.start_cycles, want.timestamp_ns >> TIME_SHIFT,
                         min(want.hidden_trades, HIDDEN_TRADES_MAXIMUM))
    if not watch.dropped:
        assert [(row.feed_sequence, row.symbol_index, row.content) for row in recorded(watch)] == [
            (row.sequence, row.symbol_index, row.content) for row in model.recorded]
    # The directory is searched meanwhile, so its news come later than those behind it.
    for directory in (False, True):
        got = [news for news in watch.admin if (news.kind == AdminKind.DIRECTORY) == directory]
        want = [row for row in model.admin if (row.kind == "DIRECTORY") == directory]
        assert len(got) == len(want)
        for news, row in zip(got, want, strict=True):
            assert news.kind == AdminKind[row.kind]
            assert row.symbol_index is None or news.symbol_index == row.symbol_index
            assert row.code is None or news.code == row.code
            assert row.market is None or news.market == row.market


def records(watch):
    """Return the records made of words."""
    assert len(watch.words) % 8 == 0
    assert all(last == (place % 8 == 7) for place, (_, last) in enumerate(watch.words))
    stream = b"".join(word.to_bytes(8, "little") for word, _ in watch.words)
    return [stream[place:place + 64] for place in range(0, len(stream), 64)]


def recorded(watch):
    """Return the messages in the records, whose numbers have no step."""
    reader, found = FeedMessageReader(), []
    for number, record in enumerate(records(watch)):
        header = HEADER.decode_from(record)
        assert header["schema_version"] == 1
        assert watch.dropped or header["event_sequence"] == number
        message = reader.take(header["kind"], record)
        if message is not None:
            found.append(message)
    return found


def wrapped(messages, rng, *, sequence=1, largest=38):
    """Return frames with the messages in order."""
    frames = []
    while messages:
        number = rng.randrange(1, largest + 1)
        taken, messages = messages[:number], messages[number:]
        frames.append(Frame(packet(sequence, taken), rng.choice(OFFSETS)))
        sequence += len(taken)
    return frames


def read(*parts):
    return [bytes(record.data) for record in Capture(data_path(*parts)).records()]


def most_active(messages, number):
    """Return symbol indexes by locate for those with the most order messages."""
    found = Counter(struct.unpack_from(">H", message, 1)[0] for message in messages
                    if message[:1] in b"AFECXDU")
    return {locate: index for index, (locate, _) in enumerate(found.most_common(number))}


def random_message(rng, locates):
    """Return a message of some type, often wrong in some way."""
    kind = rng.choice(b"AAAFEECXXDDDUUSRHYhWPQBILVKJNO" + bytes([rng.randrange(256)]))
    locate = rng.choice((*locates, rng.randrange(65536)))
    size = itch50.MESSAGES[kind].size if kind in itch50.MESSAGES else rng.randrange(60)
    size = rng.choice((size,) * 30 + (size + 1, max(0, size - 1), rng.randrange(70)))
    message = bytes([kind]) + struct.pack(">H", locate) + rng.randbytes(80)
    return message[:size]


@pytest.mark.parametrize("seed", range(4))
def test_random_messages_under_random_stalls(seed):
    rng = random.Random(seed)
    locates = {rng.randrange(1, 65536): index for index in range(PROFILE.symbols)}
    messages = [random_message(rng, tuple(locates)) for _ in range(500)]
    frames = wrapped(messages, rng, largest=20)
    for place in range(5, len(frames), 7):  # duplicates and gaps
        frames.insert(place, frames[max(0, place - rng.randrange(1, 4))])
    del frames[11::13]
    go_in, go_out = [(always, always), (always, stalls(seed, 0.3)), (stalls(seed, 0.5), always),
                     (stalls(seed, 0.8), stalls(9, 0.6))][seed % 4]
    watch = simulate(frames, locates=locates, go_in=go_in, go_out=go_out, drain=300)
    model = golden(frames, locates=locates)
    assert model.counts["bad_length"] > 5
    assert model.counts["unknown_type"] > 2
    compare(watch, model)
    assert watch.stale >= max(model.counts["bad_length"], model.counts["gaps"])


@pytest.mark.parametrize(("seed", "go_in", "go_out", "take_words"), [
    (10, always, always, always), (11, stalls(11, 0.4), always, stalls(12, 0.2)),
    (13, always, stalls(13, 0.5), stalls(14, 0.9)),
])
@pytest.mark.parametrize("profile", ["sim", "bench"])
def test_every_type_is_recorded_byte_for_byte(seed, go_in, go_out, take_words, profile):
    rng = random.Random(seed)
    profile = PROFILES[profile]
    locates = {rng.randrange(1, 65536): index for index in range(profile.symbols)}
    messages = [random_message(rng, tuple(locates)) for _ in range(300)]
    frames = wrapped(messages, rng, largest=30)
    types = ALL_TYPES if seed % 2 else "".join(rng.sample(ALL_TYPES, 12))
    rule = {"record_types": types, "record_all": seed % 3 == 0}
    watch = simulate(frames, locates=locates, go_in=go_in, go_out=go_out, drain=2000, **rule,
                     take_words=take_words, profile=profile)
    model = golden(frames, locates=locates, **rule)
    assert model.counts["recorded"] > 50
    assert watch.dropped == 0
    compare(watch, model)


def test_a_message_without_room_is_dropped_and_counted_and_none_waits_for_it():
    rng = random.Random(1)
    messages = [order_message(kind, 5, rng) for kind in "IPHD" * 20]
    frames = wrapped(messages, rng)
    log = []
    watch = simulate(frames, locates={5: 3}, record_types="IPHD", wait=0, log=log, drain=900,
                     take_words=stalls(1, 0.8), profile=PROFILES["bench"])
    model = golden(frames, locates={5: 3}, record_types="IPHD")
    assert len(watch.operations) == 20
    assert watch.dropped > 10
    assert watch.counts["recorded"] == len(recorded(watch)) == len(messages) - watch.dropped
    wanted = {(row.sequence, row.content) for row in model.recorded}
    assert {(row.feed_sequence, row.content) for row in recorded(watch)} < wanted
    # Each one that was dropped used up a number, and so did each rest of a message.
    numbers = [HEADER.decode_from(record)["event_sequence"] for record in records(watch)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] <= len(records(watch)) - 1 + watch.dropped
    waited = sum(not ready for _, beat, ready in log if beat is not None)
    assert waited <= 2 * watch.counts["recorded"] + watch.dropped


def test_a_record_follows_its_message_in_five_cycles():
    """One for the decoder, four for the recorder, as the message's end is in an upper half."""
    rng = random.Random(1)
    found = set()
    for size in range(20, 28):
        message = order_message("H", 5, rng)
        frame = Frame(packet(1, [bytes(size), message]), OFFSETS[0])
        dut = FeedHandler(PROFILE)
        seen = []

        async def bench(ctx, dut=dut, seen=seen):
            cycle, ended = 0, None
            while not seen:
                _, _, taken, window, valid = await ctx.tick().sample(
                    dut._recorder.taken, dut._recorder.window, dut.words.valid)
                if taken and window.last and window.sequence == 2:
                    ended = cycle
                if valid and ended is not None:
                    seen.append(cycle - ended)
                cycle += 1

        async def main(ctx, dut=dut, frame=frame):
            for name in ("cfg_enable", "cfg_session_learn", "cfg_sequence_learn", "cfg_record_all"):
                ctx.set(getattr(dut, name), 1)
            ctx.set(dut.cfg_record, (1 << len(ALL_TYPES)) - 1)
            await drive_frames(ctx, dut, [frame], go=always)
            await ctx.tick().repeat(20)

        run(dut, main, background=[bench])
        found |= set(seen)
    assert found == {5}


@pytest.mark.parametrize("kind", ALL_TYPES)
def test_a_wrong_length_of_any_type_is_counted_and_contained(kind):
    rng = random.Random(ord(kind))
    right = order_message(kind, 5, rng)
    messages = []
    for length in (0, 1, 10, 11, 12, len(right) - 1, len(right) + 1, len(right) + 8, 63, 64, 200):
        if length != len(right):
            messages.append((right + rng.randbytes(200))[:length])
        messages.append(order_message("D", 5, rng))     # must be acted on, whatever came before
        messages.append(right)
    frames = wrapped(messages, rng, largest=9)
    watch = simulate(frames, locates={5: 3}, record_types=ALL_TYPES, drain=300)
    model = golden(frames, locates={5: 3}, record_types=ALL_TYPES)
    assert model.counts["bad_length"] == 9 + (len(right) not in (10, 11, 12, 63, 64, 200))
    compare(watch, model)
    assert watch.stale == model.counts["bad_length"] and model.stale


@pytest.mark.parametrize("foreign", [False, True])
def test_a_wrong_length_in_an_old_or_a_foreign_packet_makes_nothing_stale(foreign):
    rng = random.Random(3)
    message = order_message("A", 5, rng)
    good = packet(1, [order_message("D", 5, rng), order_message("D", 5, rng)])
    wrong = packet(3 if foreign else 1, [message[:-1], message + b"?"],
                   session=b"OTHER     " if foreign else SESSION)
    frames = [Frame(good), Frame(wrong), Frame(packet(3, [order_message("D", 5, rng)]))]
    watch = simulate(frames, locates={5: 3})
    model = golden(frames, locates={5: 3})
    compare(watch, model)
    assert (watch.stale, model.stale, watch.counts["bad_length"]) == (0, False, 0)
    assert len(watch.operations) == 3


@pytest.mark.parametrize("file", ["20191230-0930-open-1000", "20191230-ten-of-each-book-type"])
def test_real_order_messages(file):
    messages = read("nasdaq-itch50", f"{file}.itch")
    locates = most_active(messages, PROFILE.symbols)
    frames = wrapped(messages, random.Random(1))
    watch = simulate(frames, locates=locates)
    compare(watch, golden(frames, locates=locates))
    assert len(watch.operations) > 10


def test_real_directory():
    messages = read("nasdaq-itch50", "20191230-0304-start-of-day-1000.itch")
    names = [message[11:19].decode().rstrip() for message in messages if message[:1] == b"R"]
    stocks = {name: index for index, name in enumerate(names[:4] + names[500:508] + names[-4:])}
    frames = wrapped(messages, random.Random(2))
    watch = simulate(frames, stocks=stocks)
    model = golden(frames, stocks=stocks)
    compare(watch, model)
    assert len(model.locates) == PROFILE.symbols


@pytest.mark.parametrize("file", ["20191230-0930-open-1000", "20191230-ten-of-each-book-type",
                                  "20191230-0400-first-500-book-messages"])
def test_golden_model_agrees_with_an_independent_dissector(file):
    messages = read("nasdaq-itch50", f"{file}.itch")
    path = data_path("nasdaq-itch50", "expected", f"{file}.fields.psv")
    lines = path.read_text().splitlines()
    columns = lines[0].split("|")
    rows = {int(fields["frame.number"]): fields for fields in
            (dict(zip(columns, line.split("|"), strict=True)) for line in lines[1:])}
    everything = {locate: locate for locate in range(65536)}
    model = FeedModel(locates=everything)
    model.packet(packet(1, messages))
    assert len(rows) == len(messages)
    assert {row.sequence for row in model.operations} == {
        number for number, fields in rows.items() if fields["messagetype"] in "AFECXDU"}
    names = {"reference": ("orderreferencenumber", "originalorderreferencenumber"),
             "new_reference": ("neworderreferencenumber",),
             "shares": ("shares", "executedshares", "canceledshares"),
             "timestamp_ns": ("timestamp",), "locate": ("stocklocate",)}
    for row in model.operations:
        fields = rows[row.sequence]
        assert row.message_type == fields["messagetype"]
        for name, candidates in names.items():
            value = getattr(row, name)
            if value is not None:
                assert value == int(next(filter(None, map(fields.get, candidates)))), name
        if row.price is not None:
            assert row.price == round(10000 * float(fields["price"]))
        if row.side is not None:
            assert row.side[0] == fields["buysellindicator"]


def test_real_datagram_of_38_messages():
    path = data_path("nasdaq-pcap", "Nasdaq.Equities.TotalView.Itch.v5.0",
                     "Multiple.Packets.pcap")
    frames = []
    for record in Capture(path).records():
        # Behind one tag; the UDP length says where the payload ends.
        udp = record.data[OFFSETS[1] - 8:]
        length = struct.unpack_from(">H", udp, 4)[0]
        frames.append(Frame(udp[8:length], OFFSETS[1]))
    messages = [frame.payload for frame in frames]
    assert messages[1][18:20] == (38).to_bytes(2, "big")
    locates = {struct.unpack_from(">H", messages[1], 23)[0]: 0,
               struct.unpack_from(">H", messages[1], len(messages[1]) - 35)[0]: 1}
    watch = simulate(frames, locates=locates)
    model = golden(frames, locates=locates)
    compare(watch, model)
    assert watch.counts["gaps"] == 1
    assert len(model.messages) >= 39
    assert watch.operations


def order_message(kind, locate, rng):
    message = itch50.MESSAGES[ord(kind)]
    return kind.encode() + struct.pack(">H", locate) + rng.randbytes(message.size - 3)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("kinds", ["A", "F", "E", "C", "X", "D", "U", "ADUECXF"])
def test_latency_is_three_cycles_from_the_final_byte(offset, kinds):
    rng = random.Random(1)
    frames = []
    for number in range(3):
        filler = bytes(rng.randrange(20, 28))  # of an unknown type: moves the alignment
        messages = [filler] + [order_message(kind, 5, rng) for kind in kinds]
        frames.append(Frame(packet(1 + number * len(messages), messages), offset))
    log = []
    watch = simulate(frames, locates={5: 3}, log=log)
    transfers = {(frame, beat): cycle for cycle, (frame, beat, ready) in enumerate(log) if ready}
    wanted = []
    for number, frame in enumerate(frames):
        place = offset + 20
        while place < offset + len(frame.payload):
            size = int.from_bytes(frame.payload[place - offset:place - offset + 2], "big")
            if frame.payload[place - offset + 2]:
                wanted.append(transfers[number, (place + 1 + size) // BEAT] + 3)
            place += 2 + size
    assert watch.cycles == wanted


@pytest.mark.parametrize("kinds", ["D", "U", "DDDDX", "UA"])
def test_line_rate_into_a_book_that_rests_after_each_operation(kinds):
    rng = random.Random(1)
    frames, sequence = [], 1
    for offset in OFFSETS:
        messages = [order_message(kind, 5, rng) for kind in kinds * (60 // len(kinds))]
        frames.append(Frame(packet(sequence, messages), offset))
        sequence += len(messages)
    log = []
    watch = simulate(frames, locates={5: 3}, log=log, rests=True)
    compare(watch, golden(frames, locates={5: 3}))
    assert all(ready for _, beat, ready in log if beat is not None), "the line had to wait"


def test_line_rate_of_deletes_into_a_ready_book():
    rng = random.Random(1)
    frames = [Frame(packet(1 + 69 * n, [order_message("D", 5, rng) for _ in range(69)]), offset)
              for n, offset in enumerate(OFFSETS)]
    log = []
    watch = simulate(frames, locates={5: 3}, log=log)
    assert len(watch.operations) == 3 * 69
    assert all(ready for _, beat, ready in log if beat is not None)


def test_bad_frame_marks_the_symbols_it_touched():
    rng = random.Random(1)
    locates = {100: 4, 101: 7, 102: 9}
    frames = [
        Frame(packet(1, [order_message("A", 100, rng), order_message("D", 101, rng)]), good=False),
        Frame(packet(1, [order_message("A", 102, rng)])),
        Frame(packet(2, [order_message("A", 9999, rng)]), good=False),
        Frame(packet(2, [order_message("U", 102, rng)]), 46, good=False),
    ]
    watch = simulate(frames, locates=locates, go_out=stalls(3, 0.2), gap_cycles=1, drain=200)
    assert watch.stale_symbols == [1 << 4 | 1 << 7, 1 << 9]
    assert [operation.symbol_index for operation in watch.operations] == [4, 7, 9, 9]


def test_disabled_handler_reads_nothing():
    rng = random.Random(1)
    watch = simulate([Frame(packet(1, [order_message("A", 100, rng)]))], locates={100: 4},
                     enable=0)
    assert not watch.operations
    assert not any(watch.counts.values())


def test_trading_state_follows_the_stream():
    dut = FeedHandler(PROFILE)

    def text(kind, locate, body):
        return kind.encode() + struct.pack(">H", locate) + bytes(8) + body

    messages = [text("S", 0, b"Q"), text("H", 100, b"AAPL    T T3  "),
                text("Y", 100, b"AAPL    0"), text("h", 100, b"AAPL    BH")]

    async def bench(ctx):
        ctx.set(dut.cfg_enable, 1)
        ctx.set(dut.cfg_session_learn, 1)
        ctx.set(dut.cfg_sequence_learn, 1)
        ctx.set(dut.cfg_market_code, ord("Q"))
        ctx.set(dut.cfg_trading_events, 0b100)
        for name, value in (("index", 4), ("locate", 100), ("locate_valid", 1), ("enable", 1),
                            ("write", 1)):
            ctx.set(getattr(dut, f"symbol_{name}"), value)
        await ctx.tick()
        ctx.set(dut.symbol_write, 0)
        await drive_frames(ctx, dut, [Frame(packet(1, messages))], go=always)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.tradable) == 1 << 4
        assert ctx.get(dut.short_restricted) == ((1 << PROFILE.symbols) - 1) & ~(1 << 4)
        assert ctx.get(dut.states.word_select(4, 8)) == ord("T")
        await drive_frames(ctx, dut, [Frame(packet(5, [text("W", 0, b"1")]), 46)], go=always)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.tradable) == 0
        assert ctx.get(dut.market_halted)

    run(dut, bench)
