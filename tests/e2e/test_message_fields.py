"""Every field of every message of real captures, decoded by the appliance, as a dissector has it.

The dissector is not ours; the appliance is the emitted Verilog, every message on record.
"""

from collections import Counter

import pytest

from proto.wire import itch50
from sim.appliance import Appliance, SymbolSettings
from sim.captures import Capture
from sim.framing import FeedAddress, frame_messages
from sim.prescan import packet_of
from tests.support.data import data_path
from tests.support.dissector import dissected

pytestmark = pytest.mark.e2e

TYPES = "".join(map(chr, itch50.MESSAGES))
MESSAGE_FILES = {
    "20191230-0304-start-of-day-1000": 1000,
    "20191230-0400-first-500-book-messages": 500,
    "20191230-0930-open-1000": 1000,
    "20191230-ten-of-each-book-type": 60,
}
#: Captures as they were on the line, and those whose headers the publisher rebuilt; frames.
LINE_CAPTURES = {"Nasdaq.Equities.TotalView.Itch.v5.0": 9, "Bx.Equities.TotalView.Itch.v5.0": 3}
REBUILT_CAPTURES = {"Nasdaq.Equities.TotalView.Itch.v5.0.20230822": 71,
                    "Bx.Equities.TotalView.Itch.v5.0.20230822": 56}
LOSSES = ("net.frames_dropped_buffer_full", "itch.records_dropped", "itch.bad_length",
          "itch.unknown_type", "mold.malformed", "mold.gaps")


@pytest.fixture(scope="module")
def appliance():
    with Appliance(trading=False) as found:
        yield found


@pytest.fixture
def recording(appliance):
    """Return an appliance that records everything, and a count of what its counters went up by."""
    appliance.write("control.feed_reset", 1)
    appliance.write("control.hold_on_rebuild", 1)
    appliance.watch([])
    appliance.record_messages(*TYPES, all_symbols=True)
    appliance.simulation.set_paced(True)
    appliance.settle()
    appliance.messages()
    before = appliance.counters()
    return appliance, lambda: Counter(appliance.counters()) - Counter(before)


def same(found, frames):
    """Compare what came with the rows of a table; return how many messages of each type."""
    wanted = [message for frame in frames for message in frame.messages()]
    assert all(frame.all_taken() for frame in frames)
    assert len(found) == len(wanted)
    for got, (sequence, layout, fields) in zip(found, wanted, strict=True):
        assert (got.feed_sequence, got.layout) == (sequence, layout)
        decoded = {name: value.rstrip(" ") if isinstance(value, str) else value
                   for name, value in got.fields().items()}
        assert decoded == fields, f"message {sequence}"
    return Counter(chr(message.layout.type[0]) for message in found)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", MESSAGE_FILES)
def test_messages_of_a_day(recording, name, packed):
    appliance, counted = recording
    frames = dissected(data_path("nasdaq-itch50", "expected", f"{name}.fields.psv"))
    messages = [record.data for record in
                Capture(data_path("nasdaq-itch50", f"{name}.itch")).records()]
    appliance.configure_feed(FeedAddress())
    appliance.send_frames([datagram.frame for datagram
                           in frame_messages(messages, FeedAddress(), packed=packed)])
    appliance.settle()
    types = same(appliance.messages(), frames)
    assert types.total() == MESSAGE_FILES[name]
    counts = counted()
    assert counts["itch.recorded"] == counts["mold.messages"] == types.total()
    assert not [loss for loss in LOSSES if counts[loss]]


def frames_of(folder, rows):
    """Return the frames of a folder, in the order of its table."""
    files: dict[str, list[bytes]] = {}
    for row in rows:
        if row.file not in files:
            path = data_path("nasdaq-pcap", folder, row.file)
            files[row.file] = [record.data.ljust(60, b"\0") for record in Capture(path).records()]
    assert sum(map(len, files.values())) == len(rows), "a frame is missing in the table"
    return [files[row.file][row.number - 1] for row in rows]


@pytest.mark.parametrize("folder", LINE_CAPTURES)
def test_frames_as_they_were_on_the_line(recording, folder):
    appliance, counted = recording
    rows = dissected(data_path("nasdaq-pcap", "expected", f"{folder}.fields.psv"))
    for frame in frames_of(folder, rows):      # from anywhere in the day: each is the next one
        packet = packet_of(frame)
        appliance.write("control.feed_reset", 1)
        appliance.configure_feed(packet.address, next_sequence=packet.sequence)
        appliance.send_frames([frame])
        appliance.settle()
    types = same(appliance.messages(), rows)
    counts = counted()
    assert counts["mold.packets"] == len(rows) == LINE_CAPTURES[folder]
    assert counts["itch.recorded"] == counts["mold.messages"] == types.total()
    assert not [loss for loss in LOSSES if counts[loss]]


@pytest.mark.parametrize("folder", REBUILT_CAPTURES)
def test_frames_that_a_publisher_rebuilt_are_read_in_lenient_mode(recording, folder):
    appliance, counted = recording
    rows = dissected(data_path("nasdaq-pcap", "expected", f"{folder}.fields.psv"))
    appliance.configure_feed(FeedAddress(), strict=False)
    appliance.send_frames(frames_of(folder, rows))
    appliance.settle()
    # Packets without a number: each is the next one.
    assert {row.columns["sequencenumber"] for row in rows} == {"0"}
    for number, row in enumerate(rows):
        row.columns["sequencenumber"] = str(1 + number)
    types = same(appliance.messages(), rows)
    counts = counted()
    assert counts["mold.packets"] == len(rows) == REBUILT_CAPTURES[folder]
    assert counts["mold.unnumbered"] == len(rows)
    assert counts["itch.recorded"] == counts["mold.messages"] == types.total()
    assert not [loss for loss in LOSSES if counts[loss]]


@pytest.mark.parametrize("folder", REBUILT_CAPTURES)
def test_frames_that_a_publisher_rebuilt_are_refused_in_strict_mode(recording, folder):
    appliance, counted = recording
    rows = dissected(data_path("nasdaq-pcap", "expected", f"{folder}.fields.psv"))
    appliance.configure_feed(FeedAddress())
    appliance.send_frames(frames_of(folder, rows))
    appliance.settle()
    counts = counted()
    assert counts["net.frames_good"] == len(rows)
    assert sum(count for name, count in counts.items() if name.startswith("ip.")) == len(rows)
    assert counts["mold.packets"] == counts["mold.messages"] == 0
    assert appliance.messages() == []


def test_all_types_of_the_captures_were_compared():
    """Tell which types no capture has: their fields are proved by the unit tests alone."""
    seen = set()
    for path in (*(("nasdaq-itch50", "expected", f"{name}.fields.psv") for name in MESSAGE_FILES),
                 *(("nasdaq-pcap", "expected", f"{name}.fields.psv")
                   for name in (*LINE_CAPTURES, *REBUILT_CAPTURES))):
        for frame in dissected(data_path(*path)):
            seen |= set(frame.columns["messagetype"].split(","))
    assert set(TYPES) - seen == set("VWKhBO")


def test_only_watched_symbols_and_the_market_unless_all_are_asked_for(recording):
    appliance, counted = recording
    messages = [record.data for record in Capture(data_path(
        "nasdaq-itch50", "20191230-0304-start-of-day-1000.itch")).records()]
    symbols = {1: "A", 2: "AA"}
    appliance.watch([SymbolSettings(stock, locate) for locate, stock in symbols.items()])
    appliance.record_messages("S", "H", "Y")
    appliance.configure_feed(FeedAddress())
    appliance.send_frames([datagram.frame for datagram in frame_messages(messages, FeedAddress())])
    appliance.settle()
    wanted = [(number + 1, message) for number, message in enumerate(messages)
              if message[:1] == b"S" or (message[:1] in b"HY"
                                         and int.from_bytes(message[1:3], "big") in symbols)]
    found = appliance.messages()
    assert [(message.feed_sequence, message.content) for message in found] == wanted
    assert len(wanted) > 1
    assert [message.symbol_index for message in found] == [
        None if message[:1] == b"S" else int.from_bytes(message[1:3], "big") - 1
        for _, message in wanted]
    assert counted()["itch.recorded"] == len(wanted)


#: Captures of other feeds with messages of the same types and other lengths.
OTHER_FEEDS = {
    "Ise.OrderComboFeed.v1.1": (
        "ComplexStrategyAuctionMessage", "ComplexStrategyDirectoryMessage",
        "ComplexStrategyOrderOnBookMessage", "StrategyOpenClosedMessage",
        "StrategyTradingActionMessage"),
    "JnxEquities.Pts.Itch.v1.6": (
        "OrderDeletedMessage", "OrderExecutedMessage", "OrderReplacedMessage",
        "ShortSellingPriceRestrictionStateMessage", "TimestampSecondsMessage"),
}


@pytest.mark.parametrize("folder", OTHER_FEEDS)
def test_messages_of_another_itch_are_counted_and_not_decoded(recording, folder):
    appliance, counted = recording
    messages = [message for name in OTHER_FEEDS[folder]
                for record in Capture(data_path("nasdaq-pcap", folder, f"{name}.pcap")).records()
                for message in packet_of(record.data).messages]
    appliance.configure_feed(FeedAddress())
    appliance.send_frames([datagram.frame for datagram in frame_messages(messages, FeedAddress())])
    appliance.settle()
    counts = counted()
    assert counts["mold.messages"] == len(messages) >= 5
    assert counts["itch.unknown_type"] + counts["itch.bad_length"] == len(messages)
    assert counts["itch.bad_length"] >= 4
    assert appliance.messages() == []


def test_a_real_heartbeat_shows_what_is_missing(recording):
    appliance, counted = recording
    heartbeat, = Capture(data_path("nasdaq-pcap", "Ise.OrderComboFeed.v1.1",
                                   "Heartbeat.pcap")).records()
    packet = packet_of(heartbeat.data)
    appliance.configure_feed(packet.address, next_sequence=packet.sequence - 5)
    appliance.send_frames([heartbeat.data] * 2)
    appliance.settle()
    counts = counted()
    assert (counts["mold.packets"], counts["mold.heartbeats"], counts["mold.messages"]) == (2, 2, 0)
    assert (counts["mold.gaps"], counts["mold.gap_messages"]) == (1, 5)
