"""The feed: what opens and closes a day, packets, heartbeats; dissected by scapy."""

from collections import Counter

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from sim.exchange.itch_feed import ItchFeed
from sim.exchange.orders import Added, Deleted, Instrument, Side
from sim.framing import FeedAddress
from sim.prescan import packet_of

INSTRUMENTS = [Instrument(symbol="AAPL", locate=1), Instrument(symbol="MSFT", locate=2)]
START_NS = 34_200_000_000_000


def packets(feed):
    return [(time_ns, packet_of(frame)) for time_ns, frame in feed.take_frames()]


def test_a_day_opens_with_events_directory_states_and_short_sale_rules():
    feed = ItchFeed(INSTRUMENTS)
    feed.start(START_NS)
    feed.flush()
    [(time_ns, packet)] = packets(feed)
    assert (time_ns, packet.sequence, packet.count) == (START_NS, 1, 9)
    assert [message[0:1] for message in packet.messages] == [
        b"S", b"R", b"R", b"H", b"H", b"Y", b"Y", b"S", b"S"]
    assert [message[11:12] for message in packet.messages if message[0:1] == b"S"] == [
        b"O", b"S", b"Q"]
    assert feed.messages == 9


def test_messages_of_one_instant_share_datagrams_and_other_instants_do_not():
    feed = ItchFeed(INSTRUMENTS)
    feed.publish([Added(5, "AAPL", n, Side.BUY, 100, 1_000_000) for n in range(1, 61)])
    feed.publish([Deleted(6, "AAPL", 1)])
    feed.advance(6)
    found = packets(feed)
    assert [(t, p.sequence, p.count) for t, p in found] == [(5, 1, 38), (5, 39, 22), (6, 61, 1)]


def test_idle_feed_sends_heartbeats_and_then_repeats_the_end():
    feed = ItchFeed(INSTRUMENTS, heartbeat_ns=1000)
    feed.publish([Deleted(5, "AAPL", 1)])
    feed.advance(5)
    feed.advance(1004)
    feed.advance(1005)
    assert [(t, p.sequence, p.count) for t, p in packets(feed)] == [(5, 1, 1), (1005, 2, 0)]
    feed.end(1500)
    feed.advance(2500)
    assert [(t, p.sequence, p.count) for t, p in packets(feed)] == [
        (1500, 2, 3), (1500, 5, 0xFFFF), (2500, 5, 0xFFFF)]


@pytest.mark.parametrize("vlan", [None, 141])
def test_frames_are_what_another_program_takes_for_udp(vlan):
    address = FeedAddress(vlan=vlan)
    feed = ItchFeed(INSTRUMENTS, address)
    feed.start(START_NS)
    feed.advance(START_NS)
    feed.advance(START_NS + 1_000_000_000)
    for _, frame in feed.take_frames():
        sent = Ether(frame)
        assert sent.dst == "01:00:5e:36:0c:6f"
        assert (sent[Dot1Q].vlan if vlan else None) == vlan
        assert (sent[IP].dst, sent[UDP].dport) == ("233.54.12.111", 26477)
        assert len(frame) >= 60
        again = Ether(frame)
        del again[IP].chksum, again[UDP].chksum, again[IP].len, again[UDP].len
        assert bytes(again) == frame, "lengths and checksums as scapy makes them"


def test_order_of_sequence_has_no_hole():
    feed = ItchFeed(INSTRUMENTS)
    feed.start(1)
    for at in range(2, 300):
        feed.publish([Added(at, "MSFT", at, Side.SELL, 100, 500)] * (at % 3))
    feed.end(300)
    expected, kinds = 1, Counter()
    for _, packet in packets(feed):
        assert packet.sequence == expected
        if packet.count != 0xFFFF:
            expected += packet.count
        kinds.update(message[0:1] for message in packet.messages)
    assert expected - 1 == feed.messages == sum(kinds.values())
