"""The client for programs, over gRPC and UDP, against a fake appliance; all on loopback."""

import dataclasses
import threading
from decimal import Decimal

import pytest
import tickwire.v1.telemetry_service_pb2 as telemetry
from google.protobuf.message import Message

import control.client
from control.cli.output import plain
from control.client import Appliance, Book, BookLevel, Changing, ControlError, Reason, dollars
from control.client.value import VALUES
from control.models import linear_model
from proto.checks import Check
from proto.events import AnswerCode, BookState, EventKind, OrderFlag
from proto.features import FEATURES
from tests.unit.control.plant import running_plant
from tests.unit.control.ready import WEIGHTS, order_event


@pytest.fixture
def plant():
    with running_plant() as plant:
        yield plant


@pytest.fixture
def appliance(plant):
    with Appliance(plant.address, writer="me", variables={}) as appliance:
        yield appliance


@pytest.mark.parametrize("value", VALUES.values(), ids=lambda value: value.__name__)
def test_a_value_has_every_field_of_its_message(value):
    names = [field.name for field in dataclasses.fields(value)]
    assert set(value.MERGED.values()) <= set(names)
    assert names == [field.name for field in value.MESSAGE.DESCRIPTOR.fields
                     if field.name not in value.MERGED]
    assert value.__name__ in control.client.__all__
    message = value.MESSAGE()
    for field in message.DESCRIPTOR.fields:
        if field.enum_type is not None:
            setattr(message, field.name, 1)
    found = dataclasses.asdict(value.of(message))
    for name, expected in plain(message).items():
        if name in value.MERGED:
            assert name not in found
        elif isinstance(found[name], bytes):
            assert found[name].hex() == expected
        else:
            assert found[name] == (tuple(expected) if isinstance(expected, list) else expected)


def test_everything_is_set_and_read_back(appliance, plant, tmp_path):
    model = tmp_path / "model.json"
    model.write_text(linear_model(name="demo", weights=WEIGHTS, bias=-1000,
                                  fraction_bits=8, vectors=[range(len(FEATURES))]).to_json())
    symbol = appliance.watch_symbol("AAPL@XNAS", locate=14)
    assert appliance.symbols() == (symbol,) and symbol.tick_size_e4 == 100
    limits = appliance.update_limits(
        "AAPL", maximum_quantity=500, maximum_value_e4=2_500_000_000, collar_fraction=3276,
        collar_minimum_e4=1000, maximum_long=2000, maximum_short=1000, maximum_open_orders=4)
    assert appliance.limits() == {"AAPL@XNAS": limits}
    changed = appliance.update_limits("AAPL", maximum_quantity=7)
    assert changed == dataclasses.replace(limits, maximum_quantity=7, version=limits.version + 1)
    session_limits = appliance.update_session_limits(
        message_interval_ns=1000, watchdog_timeout_ns=2_000_000_000)
    assert appliance.session_limits() == session_limits and session_limits.cancel_on_kill
    loaded = appliance.load_model(model)
    assert appliance.model() == loaded and loaded.weights == WEIGHTS
    strategy = appliance.update_strategy("AAPL", buy_threshold=5, sell_threshold=5, quantity=100,
                                         price_reference="near", time_in_force="day", enable=True)
    assert appliance.strategies() == {"AAPL@XNAS": strategy}
    assert (strategy.price_reference, strategy.time_in_force) == ("near", "day")
    feed = appliance.update_feed(group_ip="233.54.12.111", udp_port=26477, enable=True)
    assert appliance.feed() == feed
    recorded = appliance.update_feed(recorded_messages=("trade",))
    assert recorded.recorded_messages == ("trade",) and recorded.group_ip == feed.group_ip
    appliance.reset_feed()
    assert appliance.feed() == recorded
    session = appliance.update_session(
        local_mac="02:00:00:00:00:02", local_ip="10.0.0.2", local_port=40000, peer_ip="10.0.0.1",
        peer_port=9000, username="TICK", password="SECRET")
    assert appliance.session() == session and session.password == ""
    assert appliance.connect_session() == appliance.session_state()
    assert appliance.arm(how=Changing(dry_run=True)).armed is False
    assert appliance.arm().armed and appliance.status().armed
    assert not appliance.disarm().armed
    appliance.cancel_all()
    assert plant.registers.cancels == 1
    assert not appliance.disconnect_session().up
    killed = appliance.kill("enough")
    assert (killed.killed, killed.reason, killed.causes) == (True, "enough", ("operator",))
    plant.registers.words["positions[0].position"] = 5
    assert not appliance.clear_kill("fine", {"AAPL@XNAS": 5}).killed
    plant.registers.words["positions[0].position"] = 0
    appliance.revoke_limits("AAPL")
    assert appliance.limits() == {}
    appliance.remove_symbol("AAPL")
    assert appliance.symbols() == appliance.books() == ()


@pytest.mark.parametrize("wrong, reason, says", [
    (lambda a: a.update_limits("AAPL"), Reason.INVALID_FIELD, "give at least one setting"),
    (lambda a: a.update_limits("AAPL", maximum=1), Reason.INVALID_FIELD, "one of maximum_quantity"),
    (lambda a: a.update_limits("AAPL", maximum_quantity=-1), Reason.INVALID_FIELD, "fits its type"),
    (lambda a: a.update_limits("AAPL", maximum_quantity="1"), Reason.INVALID_FIELD, "fits"),
    (lambda a: a.update_limits("AAPL", maximum_quantity=1), Reason.NO_LIMITS, "no limits yet"),
    (lambda a: a.update_strategy("AAPL", time_in_force="gtc"), Reason.INVALID_FIELD, "ioc, day"),
    (lambda a: a.remove_symbol("ZZZ"), Reason.UNKNOWN_SYMBOL, "ZZZ@XNAS is not watched"),
    (lambda a: a.book("ZZZ"), Reason.UNKNOWN_SYMBOL, "ZZZ@XNAS is not watched"),
    (lambda a: a.book("ZZZ@XLON"), Reason.INVALID_FIELD, "symbols must be"),
    (lambda a: a.load_model("/none"), Reason.INVALID_MODEL, "cannot be read"),
    (lambda a: a.arm(), Reason.NOT_READY, "no model is loaded"),
    (lambda a: a.watch_symbol("B", how=Changing(expected_revision=1)), Reason.REVISION_MOVED,
     "expected_revision"),
    (lambda a: next(a.events(["gossip"])), Reason.INVALID_FIELD, "kinds must be"),
])
def test_an_error_has_its_reason(appliance, wrong, reason, says):
    appliance.watch_symbol("AAPL")
    with pytest.raises(ControlError, match=says) as caught:
        wrong(appliance)
    assert caught.value.reason is reason


def test_one_writer_at_a_time_and_taking_over(appliance, plant):
    appliance.watch_symbol("AAPL")
    with Appliance(plant.address, writer="you", variables={}) as other:
        with pytest.raises(ControlError) as caught:
            other.watch_symbol("B")
        assert caught.value.reason is Reason.WRITER_HELD
        other.watch_symbol("B", how=Changing(take_over=True))


def test_the_environment_names_the_server_and_nobody_there_is_told(plant):
    with Appliance(variables={"TICKWIRE_SERVER": plant.address}) as appliance:
        assert appliance.status().version == "0.1.0"
    says = r"nobody listens at 127\.0\.0\.1:1"
    with (Appliance("127.0.0.1:1", variables={}) as appliance,
          pytest.raises(ControlError, match=says) as caught):
        appliance.status()
    assert caught.value.reason is Reason.DEVICE_UNREACHABLE
    with (Appliance("no-such.invalid:1", variables={}) as appliance,
          pytest.raises(ControlError, match=r"no machine of the name in no-such\.invalid:1")):
        appliance.status()


def send(plant, *records):
    before = plant.appliance.broker.received
    for record in records:
        plant.call(plant.fake.record, record)
    plant.until(lambda: plant.appliance.broker.received == before + len(records))


def top(**values):
    return order_event(EventKind.TOP_OF_BOOK, **values)


def test_books_are_those_of_the_last_records(appliance, plant):
    appliance.watch_symbol("AAPL")
    appliance.watch_symbol("MSFT", tick_size_e4=1)
    assert [book.known for book in appliance.books()] == [False, False]
    send(plant,
         top(bid_price=1_000_000, bid_quantity=200, bid_count=3, ask_price=1_000_100,
             ask_quantity=50, ask_count=1, ts_ns=5, feed_sequence=7),
         top(bid_price=1_000_100, bid_quantity=100, bid_count=1, ask_price=1_000_300,
             ask_quantity=60, ask_count=2, ts_ns=6, feed_sequence=8),
         top(symbol_index=1, ask_price=5, ask_quantity=9, ask_count=1,
             state=BookState.STALE | BookState.HALTED))
    first, second = appliance.books()
    assert first == Book(
        symbol="AAPL@XNAS", known=True, states=(), ts_ns=6, feed_sequence=8, tick_size_e4=100,
        bids=(BookLevel(price_e4=1_000_100, quantity=100, orders=1),),
        asks=(BookLevel(price_e4=1_000_300, quantity=60, orders=2),))
    assert (first.tradable, first.spread_e4, first.worth_e4(-3)) == (True, 200, -3_000_600)
    assert (second.states, second.tradable) == (("stale", "halted"), False)
    assert (second.bid, second.spread_e4, second.worth_e4(1)) == (None, None, None)
    assert appliance.book("MSFT@XNAS") == second
    appliance.watch_symbol("AAPL", tick_size_e4=500)     # the book begins anew
    assert not appliance.book("AAPL").known


def test_orders_fills_and_what_each_symbol_has_left(appliance, plant):
    appliance.watch_symbol("AAPL")
    appliance.watch_symbol("MSFT")
    sent, answered = EventKind.ORDER_SENT, EventKind.VENUE_ANSWER
    send(plant,
         order_event(sent, user_ref_num=1, quantity=100, price=1_000_000),
         order_event(answered, user_ref_num=1, answer=AnswerCode.EXECUTED, quantity=100,
                     price=999_900, venue_ns=11),
         order_event(sent, user_ref_num=2, symbol_index=1, quantity=50, price=2_000_000,
                     flags=OrderFlag.SELL),
         order_event(answered, user_ref_num=2, answer=AnswerCode.EXECUTED, quantity=20,
                     price=2_000_100, venue_ns=12),
         order_event(EventKind.ORDER_REFUSED, mask=Check.COLLAR.mask, count=2))
    log = appliance.orders()
    assert [(row.symbol, row.position, row.cash_e4, row.fills) for row in log.positions] == [
        ("AAPL@XNAS", 100, -99_990_000, 1), ("MSFT@XNAS", -20, 40_002_000, 1)]
    assert (log.cash_e4, log.fills) == (-99_990_000 + 40_002_000, 2)
    assert [(row.check, row.count) for row in log.refusals] == [("collar", 2)]
    assert [order.user_ref_num for order in appliance.orders(only_open=True).orders] == [2]
    fills = appliance.fills()
    assert [(fill.user_ref_num, fill.symbol, fill.sell, fill.quantity, fill.price_e4, fill.venue_ns)
            for fill in fills] == [(1, "AAPL@XNAS", False, 100, 999_900, 11),
                                   (2, "MSFT@XNAS", True, 20, 2_000_100, 12)]
    assert appliance.fills(limit=1) == fills[1:]
    assert dollars(fills[0].price_e4) == Decimal("99.99")
    assert appliance.positions().cash_e4 == 0     # those of the appliance are apart


def test_arp_entries(appliance):
    entry = appliance.set_arp_entry("10.0.0.254", "02:00:00:00:00:01")
    assert appliance.arp_entries() == (entry,) and entry.fixed
    appliance.remove_arp_entry("10.0.0.254")
    assert appliance.arp_entries() == ()


def test_events_are_followed_until_the_time_is_over_or_they_are_closed(appliance, plant):
    appliance.watch_symbol("AAPL")
    with appliance.events(["order_sent"], seconds=1.0) as events:
        send(plant, top(), order_event(EventKind.ORDER_SENT, user_ref_num=3))
        found = list(events)
    assert [(event.kind, event.symbol, event.fields["user_ref_num"]) for event in found] == [
        ("order_sent", "AAPL@XNAS", 3)]
    assert events.dropped == 0 and found[0].record[1] == EventKind.ORDER_SENT
    with appliance.events(["order_refused"], seconds=1.0) as events:
        send(plant, order_event(EventKind.ORDER_REFUSED, score=-7, worst_position=-100,
                                mask=2**64 - 1))
        (refused,) = events
    assert (refused.fields["score"], refused.fields["worst_position"]) == (-7, -100)
    assert refused.fields["mask"] == 2**64 - 1 and list(refused.fields) == sorted(refused.fields)
    endless = appliance.events()
    threading.Timer(0.2, endless.close).start()
    assert list(endless) == [] and list(endless) == []


def test_the_status_is_watched(appliance):
    states = appliance.watch_status(interval_ms=10, seconds=5)
    assert not next(states).killed
    appliance.kill()
    assert next(states).killed
    states.close()


def test_counters_and_latency(appliance, plant):
    plant.registers.words.update({"counters.mold_messages": 7, "latency.orders": 1,
                                  "latency.minimum": 20, "latency.maximum": 20})
    plant.registers.histogram = {20: 1}
    assert [(row.name, row.value) for row in appliance.counters()] == [("mold.messages", 7)]
    assert len(appliance.counters(nonzero=False)) > 30
    latency = appliance.latency(clear=True)
    assert [(row.cycles, row.orders) for row in latency.bins] == [(20, 1)]
    assert latency.percentiles[0].latency_ns == 128
    assert appliance.latency().orders == 0


def test_the_client_stands_beside_the_stubs():
    from tickwire import client
    assert client.Appliance is Appliance
    assert client.__all__ == control.client.__all__
    assert issubclass(telemetry.Book, Message)
