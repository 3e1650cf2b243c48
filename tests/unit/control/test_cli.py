"""What the command line prints, over gRPC and UDP, of a fake appliance; all on loopback."""

import json
import re
import struct
import threading
import time
from contextlib import contextmanager

import pytest
from tickwire.v1 import limits_service_pb2, telemetry_service_pb2

from control.cli.main import app, run
from control.cli.output import render_json, render_text
from control.cli.reference import ANSWERS
from proto.checks import Check
from proto.events import EVENTS, FEATURE_VECTOR, AnswerCode, EventKind, OrderFlag
from tests.unit.control.ready import order_event


def commands(group, path=()):
    """Return every command line without its options."""
    yield path
    for found in group.registered_commands:
        yield (*path, found.name or found.callback.__name__)
    for found in group.registered_groups:
        yield from commands(found.typer_instance, (*path, found.name))


@pytest.mark.parametrize("path", list(commands(app)), ids=lambda path: " ".join(path) or "root")
def test_help_of_every_command_starts_with_an_example(path, capsys):
    assert run([*path, "--help"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[0].startswith("Usage: tickwire")
    example = next(line.strip() for line in lines[1:] if line.strip())
    assert example.startswith(f"Example: tickwire {' '.join(path)}".strip())


def test_counters_positions_and_latency(plant):
    plant.json("symbols", "set", "AAPL")
    words = plant.registers.words
    words["counters.mold_messages"] = 7
    assert [(row["name"], row["value"]) for row in plant.json("counters")["counters"]] == [
        ("mold.messages", 7)]
    assert len(plant.json("counters", "--all")["counters"]) > 30
    words.update({"positions[0].position": 2**32 - 300, "positions[0].open_buy_hi": 1,
                  "positions[0].open_orders": 3 << 16 | 2, "account.cash_lo": 2**32 - 12_345_600,
                  "account.cash_hi": 2**32 - 1})
    answer = plant.json("positions")
    assert answer["cash_e4"] == -12_345_600
    assert answer["positions"] == [{"symbol": "AAPL@XNAS", "position": -300, "open_buy": 2**32,
                                    "open_sell": 0, "orders_buy": 2, "orders_sell": 3}]
    assert "cash: -1234.56" in plant.command("positions")[1].splitlines()
    assert plant.json("latency")["percentiles"] == []
    plant.registers.histogram = {20: 90, 21: 9, 511: 1}
    words.update({"latency.orders": 100, "latency.minimum": 20, "latency.maximum": 700})
    latency = plant.json("latency", "--clear")
    assert [(row["share_e4"], row["cycles"], row["latency_ns"])
            for row in latency["percentiles"]] == [
        (5000, 20, 128), (9000, 20, 128), (9900, 21, 135), (9990, 700, 4480),
        (10000, 700, 4480)]
    assert plant.json("latency")["orders"] == 0


def event(number, symbol=0):
    layout = EVENTS[EventKind.TOP_OF_BOOK]
    values = dict.fromkeys((field.name for field in layout), 0)
    return layout.encode({**values, "schema_version": 1, "kind": EventKind.TOP_OF_BOOK,
                          "symbol_index": symbol, "event_sequence": number,
                          "bid_price": 1_000_000 + number})


@contextmanager
def watching(plant, *options):
    """Run ``watch events`` for the length of a block; then what it printed is in the list."""
    printed = []
    plant.until(lambda: not plant.appliance.broker._subscriptions)     # of one before

    def watch():
        status, out, err = plant.command("watch", "events", *options)
        assert status == 0, err
        printed.extend(out.splitlines())

    watcher = threading.Thread(target=watch)
    watcher.start()
    plant.until(lambda: plant.appliance.broker._subscriptions)
    yield printed
    watcher.join(10)


def test_watched_numbers_have_their_signs_in_text_and_json(plant):
    state = order_event(EventKind.STATE, cash=-12_345_600, turnover=2**64 - 1)
    vector = order_event(EventKind.FEATURE_VECTOR, position=-100, spread=-1, score=-2**31)
    with watching(plant, "--count", "2") as printed:
        for record in (state, vector):
            plant.call(plant.fake.record, record)
    assert " cash=-12345600 " in printed[0] and "turnover=18446744073709551615" in printed[0]
    assert " position=-100 " in printed[1] and " score=-2147483648 " in printed[1]
    with watching(plant, "--count", "1", "--output", "json") as printed:
        plant.call(plant.fake.record, vector)
    row = json.loads(printed[0])
    assert set(row) == set(re.findall(r"`(\w+)`", ANSWERS["watch events"]))
    assert (row["fields"]["position"], row["fields"]["spread"]) == (-100, -1)
    assert set(row["fields"]) == {field.name for field in FEATURE_VECTOR}


def test_events_are_watched(plant):
    plant.json("symbols", "set", "AAPL")
    found = []
    watcher = threading.Thread(target=lambda: found.append(plant.command(
        "watch", "events", "--kind", "top_of_book", "--count", "3", "--output", "json")))
    watcher.start()
    plant.until(lambda: plant.appliance.broker._subscriptions)
    for number in range(2):
        plant.call(plant.fake.record, event(number))
    for number in (0, 2):
        unknown = bytearray(event(number))
        unknown[1] = 250
        plant.call(plant.fake.record, bytes(unknown))
    plant.call(plant.fake.record, event(4))
    watcher.join(10)
    status, out, _ = found[0]
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["fields"]["event_sequence"] for row in rows] == [0, 1, 4]
    assert rows[2]["fields"]["bid_price"] == 1_000_004
    assert rows[0]["symbol"] == "AAPL@XNAS"
    assert bytes.fromhex(rows[0]["record"]) == event(0)
    assert struct.unpack_from("<I", event(4), 4)[0] == 4
    assert plant.json("status")["status"]["events_lost"] == 1


def test_the_order_log_follows_the_records(plant):
    plant.json("symbols", "set", "AAPL")
    sent, answered = EventKind.ORDER_SENT, EventKind.VENUE_ANSWER
    records = [
        order_event(sent, user_ref_num=1, quantity=100, price=1_000_000, latency=17, epoch=3),
        order_event(answered, user_ref_num=1, answer=AnswerCode.ACCEPTED),
        order_event(answered, user_ref_num=1, answer=AnswerCode.EXECUTED, quantity=60,
                    price=999_900),
        order_event(sent, user_ref_num=2, quantity=50, price=1_000_100,
                    flags=OrderFlag.SELL | OrderFlag.DAY),
        order_event(EventKind.ORDER_REFUSED, mask=Check.COLLAR.mask | Check.KILLED.mask, count=3),
        order_event(sent, user_ref_num=2, flags=OrderFlag.CANCEL | OrderFlag.SELL),
        order_event(answered, user_ref_num=1, answer=AnswerCode.CANCELED, quantity=40,
                    reason=ord("I")),
        order_event(answered, user_ref_num=2, answer=AnswerCode.EXECUTED, quantity=10,
                    price=1_000_200),
        order_event(answered, user_ref_num=9, answer=AnswerCode.ACCEPTED),
    ]
    for number, record in enumerate(records):
        plant.call(plant.fake.record, record[:4] + struct.pack("<I", number) + record[8:])
    plant.until(lambda: plant.appliance.broker.received == len(records))
    log = plant.json("orders")
    first, second = log["orders"]
    assert (first["status"], first["executed_quantity"], first["open_quantity"]) == (
        "canceled", 60, 0)
    assert (first["reason"], first["latency_cycles"], first["epoch"]) == (ord("I"), 17, 3)
    assert (second["sell"], second["day"], second["cancel_sent"]) == (True, True, True)
    assert second["open_quantity"] == 40 and second["symbol"] == "AAPL@XNAS"
    assert log["positions"] == [{
        "symbol": "AAPL@XNAS", "position": 50, "cash_e4": log["cash_e4"],
        "turnover_e4": log["turnover_e4"], "fills": 2}]
    assert log["cash_e4"] == 10 * 1_000_200 - 60 * 999_900
    assert log["turnover_e4"] == 10 * 1_000_200 + 60 * 999_900
    assert log["refusals"] == [{"check": "collar", "count": 3}, {"check": "killed", "count": 3}]
    assert (log["total"], log["refused"], log["unexplained"]) == (2, 3, 1)
    assert [order["user_ref_num"] for order in plant.json("orders", "--open")["orders"]] == [2]
    assert plant.json("orders", "--limit", "1")["orders"] == [second]
    assert plant.json("status")["status"]["events_lost"] == 0


def test_status_is_watched(plant):
    found = []
    watcher = threading.Thread(target=lambda: found.append(plant.command(
        "watch", "status", "--interval-ms", "10", "--count", "2", "--output", "json")))
    watcher.start()
    time.sleep(0.1)
    plant.json("kill")
    watcher.join(10)
    rows = [json.loads(line) for line in found[0][1].splitlines()]
    assert [(row["sequence"], row["status"]["killed"]) for row in rows] == [(0, False), (1, True)]


def test_groups_list_what_their_commands_do(capsys):
    for path in ([], ["kill"], ["limits"]):
        assert run([*path, "--help"]) == 0
        listed = capsys.readouterr().out.partition("Commands:\n")[2]
        assert listed and "Example" not in listed
        assert all(line.strip() for line in listed.splitlines())
    assert run(["--help"]) == 0
    assert "  arm        Let orders out.\n" in capsys.readouterr().out


def test_text_shows_what_people_read_and_json_what_is_so():
    answer = telemetry_service_pb2.ListOrdersResponse(orders=[
        telemetry_service_pb2.Order(user_ref_num=7, symbol="A@XNAS", sell=True, quantity=100,
                                    reason=ord("U"), price_e4=1_000_500),
        telemetry_service_pb2.Order(user_ref_num=10, symbol="BC@XNAS", day=True, reason=3)])
    head, first, second, *_ = render_text(answer).splitlines()
    assert head.split()[:6] == ["user", "ref", "num", "symbol", "side", "in"]
    assert first.split()[:6] == ["7", "A@XNAS", "sell", "IOC", "100", "100.05"]
    assert (first.split()[-1], second.split()[-1]) == ("U", "3")
    assert first.index("7") == second.index("0")     # numbers stand to the right
    assert json.loads(render_json(answer))["orders"][0]["reason"] == ord("U")
    fill = telemetry_service_pb2.ListFillsResponse(fills=[
        telemetry_service_pb2.Fill(symbol="A@XNAS", venue_ns=34_200_000_000_123)])
    assert "09:30:00.000000123" in render_text(fill) and "buy" in render_text(fill)
    limits = limits_service_pb2.ListLimitsResponse(limits=[
        limits_service_pb2.Limits(symbol="A@XNAS", collar_fraction=1310)])
    assert "1.999 %" in render_text(limits)
