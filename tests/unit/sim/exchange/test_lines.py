"""Lines A and B: the same packets, and what a network does to them; dissected by scapy."""

import itertools

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from proto.wire import moldudp64
from sim.errors import SimulationError
from sim.exchange.day import DaySettings
from sim.exchange.lines import ImpairedLine, Impairment, parse_impairment
from sim.exchange.population_settings import PopulationSettings
from sim.exchange.venue import ExchangeSettings, simulated_exchange
from sim.library import Line
from sim.prescan import packet_of

MS_NS = 1_000_000
PACKETS = [(10_000 * n, n.to_bytes(4, "big")) for n in range(20_000)]


def carried(name="A", seed=1, **settings):
    line = ImpairedLine(name, seed, Impairment(**settings))
    return line, line.carry(PACKETS)


def test_without_impairment_a_line_carries_everything_as_it_is():
    line, found = carried()
    assert found == PACKETS
    assert line.counters == {"sent": 20_000, "lost": 0, "duplicated": 0, "held": 0}


def test_losses_have_their_rate_and_are_not_those_of_another_line_or_seed():
    line, found = carried(loss=50_000)
    assert 800 < line.counters["lost"] < 1200
    assert len(found) == 20_000 - line.counters["lost"]
    assert carried(loss=50_000)[1] == found
    assert carried("B", loss=50_000)[1] != found and carried(seed=2, loss=50_000)[1] != found


def test_packets_of_a_burst_are_lost_together():
    line, found = carried(loss=1_000, burst=10)
    numbers = [int.from_bytes(frame, "big") for _, frame in found]
    gaps = [after - before - 1 for before, after in itertools.pairwise(numbers)
            if after != before + 1]
    assert len(gaps) > 5 and min(gaps) >= 10 and sum(gaps) == line.counters["lost"]


def test_duplicates_come_later_and_are_the_same():
    line, found = carried(duplicate=10_000, hold_ns=55_000)
    assert len(found) == 20_000 + line.counters["duplicated"] > 20_100
    seen = {}
    for time_ns, frame in found:
        if frame in seen:
            assert time_ns == seen[frame] + 55_000
        seen.setdefault(frame, time_ns)


def test_held_back_packets_are_overtaken_and_jitter_alone_overtakes_nothing():
    line, found = carried(reorder=10_000, hold_ns=25_000)
    order = [int.from_bytes(frame, "big") for _, frame in sorted(found)]
    late = [number for place, number in enumerate(order) if place != number]
    assert line.counters["held"] > 100 and len(late) > 200
    assert sorted(order) == list(range(20_000)), "nothing is lost or doubled"
    _, found = carried(jitter_ns=50_000, delay_ns=300)
    times = [time_ns for time_ns, _ in found]
    assert times == sorted(times)
    waits = [arrival - sent for (arrival, _), (sent, _) in zip(found, PACKETS, strict=True)]
    assert min(waits) >= 300 and max(waits) > 100_000


def test_one_setting_does_not_change_what_another_does():
    alone, _ = carried(loss=20_000)
    both, _ = carried(loss=20_000, duplicate=30_000, jitter_ns=500)
    assert alone.counters["lost"] == both.counters["lost"]


@pytest.mark.parametrize(("text", "message"), [
    ("lose=1", "was 'lose=1'"), ("loss", "was 'loss'"), ("loss=-1", "was 'loss=-1'"),
    ("loss=2000000", "loss must be 0 to 1000000 packets per million, was 2000000"),
    ("burst=0", "burst must be >= 1, was 0")])
def test_wrong_impairments_are_told(text, message):
    with pytest.raises(SimulationError, match=message):
        parse_impairment(text)


def test_an_impairment_is_read():
    assert parse_impairment("loss=10,hold-ns=7") == Impairment(loss=10, hold_ns=7)


def frames(a=None, b=None, seed=1):
    """Return the exchange and the frames of both lines of a short day."""
    settings = ExchangeSettings(line_a=a or Impairment(), line_b=b)
    exchange = simulated_exchange({"AAPL": 1_895_000, "INTC": 314_000}, seed=seed,
                                  settings=settings, day=DaySettings(),
                                  population=PopulationSettings(actions_per_second=2000))
    exchange.start()
    exchange.advance(exchange.now_ns + 100 * MS_NS)
    exchange.finish()
    found = exchange.take_frames()
    return exchange, {line: [frame for frame in found if frame.line is line]
                      for line in (Line.FEED_A, Line.FEED_B)}


def test_line_b_has_the_same_payloads_in_a_group_of_its_own():
    _, found = frames(b=Impairment())
    assert len(found[Line.FEED_A]) == len(found[Line.FEED_B]) > 300
    for one, two in zip(found[Line.FEED_A], found[Line.FEED_B], strict=True):
        a, b = Ether(one.frame), Ether(two.frame)
        assert one.time_ns == two.time_ns
        assert bytes(a[UDP].payload) == bytes(b[UDP].payload)
        assert (a[IP].dst, a[UDP].dport) == ("233.54.12.111", 26477)
        assert (b.dst, b[IP].dst, b[UDP].dport) == ("01:00:5e:36:0c:70", "233.54.12.112", 26478)
        again = Ether(two.frame)
        del again[IP].chksum, again[UDP].chksum
        assert bytes(again) == two.frame, "checksums as scapy makes them"


def test_line_a_is_not_changed_by_line_b():
    _, alone = frames()
    _, both = frames(b=Impairment(loss=100_000))
    assert alone[Line.FEED_A] == both[Line.FEED_A] and not alone[Line.FEED_B]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_lossy_lines_together_are_the_whole_feed(seed):
    """An arbiter in plain Python: first come, first taken; what both lost is a gap."""
    _, whole = frames(seed=seed)
    wanted = messages_in_order(whole[Line.FEED_A])
    # Losses that hit both lines at once are possible: they are few, and must be told apart.
    exchange, lossy = frames(
        Impairment(loss=30_000, duplicate=20_000, reorder=20_000, jitter_ns=2_000),
        Impairment(loss=30_000, reorder=20_000, delay_ns=700, jitter_ns=2_000), seed=seed)
    counters = exchange.status()["lines"]
    assert all(counters[line]["lost"] > 3 for line in ("feed_a", "feed_b"))
    merged = sorted(lossy[Line.FEED_A] + lossy[Line.FEED_B], key=lambda frame: frame.time_ns)
    taken = {}
    for frame in merged:
        packet = packet_of(frame.frame)
        if packet.count != moldudp64.END_OF_SESSION:
            for offset, message in enumerate(packet.messages):
                taken.setdefault(packet.sequence + offset, message)
    both_lost = len(wanted) - len(taken)
    assert both_lost <= 0.01 * len(wanted)
    assert all(wanted[number - 1] == message for number, message in taken.items())
    for line in (Line.FEED_A, Line.FEED_B):
        alone = {packet_of(frame.frame).sequence for frame in lossy[line]}
        assert len(alone) < len(whole[Line.FEED_A]), "each line alone has gaps"


def messages_in_order(found):
    """Return the messages of a line without gaps."""
    messages = []
    for frame in found:
        packet = packet_of(frame.frame)
        if packet.count != moldudp64.END_OF_SESSION:
            assert packet.sequence == len(messages) + 1
            messages += packet.messages
    return messages
