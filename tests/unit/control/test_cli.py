"""The command line, over gRPC and UDP, against a fake appliance; all on loopback."""

import json
import struct
import threading
import time

import pytest
from tickwire.v1 import limits_service_pb2, telemetry_service_pb2

from control.cli.main import app, run
from control.cli.output import render_json, render_text
from control.errors import ExitStatus
from control.models import linear_model
from proto.checks import Check
from proto.events import EVENTS, AnswerCode, EventKind, OrderFlag
from proto.features import FEATURES
from proto.session_states import TcpState
from tests.unit.control.fake_appliance import FakeAppliance
from tests.unit.control.plant import running_plant

LIMITS = ("--quantity", "500", "--value", "250000", "--collar", "5", "--collar-minimum", "0.10",
          "--long", "2000", "--short", "1000", "--open-orders", "4")


@pytest.fixture
def plant():
    with running_plant() as plant:
        yield plant


WEIGHTS = (-3, 40, 7, -32768, *range(4, len(FEATURES)))


@pytest.fixture
def model_file(tmp_path):
    model = linear_model(name="demo", weights=WEIGHTS, bias=-1000, fraction_bits=8,
                         vectors=[range(len(FEATURES))])
    path = tmp_path / "model.json"
    path.write_text(model.to_json())
    return path


def make_ready(plant, model_file):
    """Everything that arming needs."""
    plant.json("symbols", "set", "AAPL@XNAS", "--tick", "0.01", "--locate", "14")
    plant.json("limits", "set", "AAPL", *LIMITS)
    plant.json("limits", "session", "--message-interval-ns", "1000", "--message-burst-ns", "5000",
               "--hold-ns", "100", "--watchdog-ns", "2000000000")
    plant.json("model", "load", str(model_file))
    plant.json("strategy", "set", "AAPL", "--buy", "5000", "--sell", "4000", "--quantity", "100",
               "--enable")
    plant.json("feed", "set", "--group", "233.54.12.111", "--port", "26477", "--enable")
    plant.json("session", "set", "--local-mac", "02:00:00:00:00:02", "--local-ip", "10.0.0.2",
               "--local-port", "40000", "--peer-ip", "10.0.0.1", "--peer-port", "9000",
               "--username", "TICK", TICKWIRE_PASSWORD="SECRET")
    plant.json("session", "up")


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


def test_status_says_what_the_appliance_is(plant):
    answer = plant.json("status")
    assert answer["revision"] == 1
    status = answer["status"]
    assert (status["version"], status["symbols"]) == ("0.1.0", 4)
    assert status["map_hash"] == plant.registers.map.hash
    assert not status["armed"] and status["kill_causes"] == []
    _, text, _ = plant.command("status")
    assert "armed: no" in text.splitlines()


def test_symbols_are_watched_and_removed(plant):
    answer = plant.json("symbols", "set", "AAPL@XNAS", "--tick", "0.01", "--locate", "14")
    assert answer == {"revision": 2, "symbol": {"symbol": "AAPL@XNAS", "symbol_index": 0,
                                                "tick_size_e4": 100, "locate": 14}}
    plant.json("symbols", "set", "MSFT", "--tick", "0.0001")
    words = plant.registers
    assert (words["symbols[0].stock_hi"], words["symbols[0].stock_lo"]) == (
        int.from_bytes(b"AAPL", "big"), int.from_bytes(b"    ", "big"))
    assert (words["symbols[0].reciprocal"], words["symbols[0].shift"]) == (83886, 6)
    assert words["symbols[1].locate"] == 0
    listed = plant.json("symbols", "list")["symbols"]
    assert [row["symbol"] for row in listed] == ["AAPL@XNAS", "MSFT@XNAS"]
    assert listed[1]["locate"] is None
    _, text, _ = plant.command("symbols", "list")
    assert "tick size" in text.splitlines()[0] and "0.0001" in text
    for name in ("A", "B"):
        plant.json("symbols", "set", name)
    status, said = plant.refused("symbols", "set", "C")
    assert (status, "at most 4 symbols" in said) == (ExitStatus.REFUSED, True)
    plant.registers.words["positions[0].position"] = 5
    assert "has a position" in plant.refused("symbols", "remove", "AAPL")[1]
    plant.registers.words["positions[0].position"] = 0
    plant.json("symbols", "remove", "AAPL")
    assert plant.json("symbols", "set", "C")["symbol"]["symbol_index"] == 0
    assert plant.refused("symbols", "remove", "ZZZ")[0] == ExitStatus.USAGE


@pytest.mark.parametrize("arguments, says", [
    (("symbols", "set", "TOOLONGNAME"), "symbol must be"),
    (("symbols", "set", "AAPL@XLON"), "symbol must be"),
    (("symbols", "set", "AAPL", "--tick", "0.00001"), "tick must be"),
    (("symbols", "set", "AAPL", "--tick", "7"), "tick must be"),
    (("limits", "set", "AAPL"), "give at least one setting"),
    (("limits", "set", "AAPL", "--value", "x"), "value must be"),
    (("feed", "set", "--group", "300.0.0.1"), "group_ip must be"),
    (("session", "set", "--local-mac", "2"), "local_mac must be"),
    (("kill", "clear", "--reason", "x", "--position", "AAPL"), "position must be"),
    (("watch", "events", "--kind", "gossip"), "kinds must be"),
    (("symbols",), "Usage"), (("nonsense",), "No such command"),
])
def test_wrong_usage_is_told(plant, arguments, says):
    status, out, said = plant.command(*arguments)
    assert (status, says in said + out) == (ExitStatus.USAGE, True), said


def test_limits_are_committed_and_read_back(plant):
    plant.json("symbols", "set", "AAPL")
    status, said = plant.refused("limits", "set", "AAPL", "--quantity", "500")
    assert (status, "no limits yet" in said) == (ExitStatus.REFUSED, True)
    answer = plant.json("limits", "set", "AAPL", *LIMITS)["limits"]
    assert answer["maximum_value_e4"] == 2_500_000_000
    assert answer["collar_fraction"] == 3276    # 5 %, rounded down
    words = plant.registers
    assert words["limits[0].maximum_value_lo"] == 2_500_000_000
    assert words["limits[0].collar_minimum"] == 1000
    changed = plant.json("limits", "set", "AAPL", "--quantity", "7")["limits"]
    assert changed == {**answer, "maximum_quantity": 7, "version": answer["version"] + 1}
    assert answer["version"] == plant.json("limits", "list")["limits_version"] - 1
    assert plant.json("limits", "list")["limits"] == [changed]
    status, said = plant.refused("limits", "set", "AAPL", "--quantity", "0")
    assert "maximum_quantity must be 1 to 999999" in said
    assert plant.json("status")["status"]["limited"] == ["AAPL@XNAS"]
    plant.json("limits", "revoke", "AAPL")
    assert plant.json("limits", "list")["limits"] == []
    status = plant.json("status")["status"]
    assert (status["limited"], status["limits_version"]) == ([], answer["version"] + 2)


def test_what_the_tables_hold_without_a_commit_is_not_in_force(plant):
    plant.json("symbols", "set", "AAPL")
    plant.json("limits", "set", "AAPL", *LIMITS)
    plant.json("strategy", "set", "AAPL", "--buy", "5", "--quantity", "1", "--enable")
    # As after a reset, which leaves the memory of the tables as it was.
    for array in ("limits", "strategy"):
        plant.registers.set_fields(f"{array}[0].state", loaded=0)
    assert plant.json("limits", "list")["limits"] == []
    assert plant.refused("limits", "set", "AAPL", "--quantity", "5")[0] == ExitStatus.REFUSED
    row, = plant.json("strategy", "list")["strategies"]
    assert (row["loaded"], row["enable"], row["quantity"]) == (False, False, 0)
    status = plant.json("status")["status"]
    assert (status["limited"], status["trading"]) == ([], [])


def test_a_row_that_is_not_in_force_after_its_commit_is_told(plant):
    plant.json("symbols", "set", "AAPL")
    plant.registers.commits_work = False
    status, said = plant.refused("limits", "set", "AAPL", *LIMITS)
    assert (status, "must be loaded after its commit" in said) == (ExitStatus.FAILED, True)


def test_a_kill_cancels_unless_it_is_told_not_to(plant):
    shown = plant.json("limits", "session")["limits"]
    assert shown["cancel_on_kill"] is True
    plant.json("kill")
    assert plant.registers.cancels == 1
    plant.json("kill")    # of a killed appliance: once more
    assert plant.registers.cancels == 2
    plant.json("kill", "clear", "--reason", "over")
    changed = plant.json("limits", "session", "--keep-on-kill")["limits"]
    assert changed == {**shown, "cancel_on_kill": False}
    cancels = plant.registers.cancels
    assert plant.json("kill")["risk"]["killed"]
    assert plant.registers.cancels == cancels
    plant.json("cancel")
    assert plant.registers.cancels == cancels + 1
    assert plant.json("limits", "session", "--cancel-on-kill")["limits"] == shown


def test_a_dry_run_and_a_refused_change_do_nothing(plant):
    plant.json("symbols", "set", "AAPL")
    before = dict(plant.registers.words)
    plant.json("limits", "set", "AAPL", *LIMITS, "--dry-run")
    assert plant.refused("limits", "set", "AAPL", *LIMITS, "--expected-revision",
                         "1")[0] == ExitStatus.CONFLICT
    assert plant.refused("limits", "set", "AAPL", *LIMITS,
                         writer="you")[0] == ExitStatus.CONFLICT
    assert plant.registers.words == before
    assert plant.json("status")["revision"] == 2
    plant.json("limits", "set", "AAPL", *LIMITS, "--expected-revision", "2", "--take-over",
               writer="you")
    assert plant.refused("symbols", "set", "B")[1].startswith("tickwire: you is changing things")


def test_a_model_is_loaded_into_the_idle_bank(plant, model_file):
    first = plant.json("model", "load", str(model_file))["model"]
    assert (first["epoch"], first["bank"], first["name"]) == (1, 0, "demo")
    assert first["weights"] == list(WEIGHTS) and first["bias"] == -1000
    second = plant.json("model", "load", str(model_file))["model"]
    assert (second["epoch"], second["bank"]) == (2, 1)
    assert plant.json("model", "show")["model"] == second
    assert len(first["weights"]) == len(FEATURES)
    plant.registers.words["model.epoch"] = 0xFFFF
    assert plant.json("model", "load", str(model_file))["model"]["epoch"] == 1


def test_a_wrong_model_is_not_loaded(plant, model_file, tmp_path):
    content = json.loads(model_file.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**content, "bias": 5}))
    status, said = plant.refused("model", "load", str(other))
    assert (status, "sha256 must be" in said) == (ExitStatus.FAILED, True)
    assert plant.refused("model", "load", str(tmp_path / "none"))[0] == ExitStatus.FAILED
    plant.registers.broken_weight = True
    status, said = plant.refused("model", "load", str(model_file))
    assert (status, "the old model goes on" in said) == (ExitStatus.FAILED, True)
    assert plant.registers["model.epoch"] == 0


def test_strategy_is_committed_and_read_back(plant):
    plant.json("symbols", "set", "AAPL")
    row = plant.json("strategy", "set", "AAPL", "--buy", "-5", "--sell", "6", "--quantity", "100",
                     "--offset", "-0.01", "--near", "--day", "--enable")["strategy"]
    assert (row["offset_e4"], row["price_reference"], row["time_in_force"]) == (-100, "near", "day")
    assert plant.registers["strategy[0].buy_threshold"] == 2**32 - 5
    assert plant.registers["strategy[0].offset"] == 2**32 - 100
    changed = plant.json("strategy", "set", "AAPL", "--far")["strategy"]
    assert changed == {**row, "price_reference": "far", "version": row["version"] + 1}
    assert row["loaded"] and plant.json("status")["status"]["trading"] == ["AAPL@XNAS"]
    assert plant.json("strategy", "list")["strategies"] == [changed]
    assert "quantity must be" in plant.refused("strategy", "set", "AAPL", "--quantity", "0")[1]


def test_feed_settings_that_are_not_given_stay(plant):
    first = plant.json("feed", "set", "--group", "239.0.0.1", "--port", "5", "--session", "ABC",
                       "--timeout-ns", "8589934593", "--cut-through")["feed"]
    words = plant.registers
    assert words["feed.session_hi"] == int.from_bytes(b"ABC ", "big")
    assert (words["feed.timeout_hi"], words["feed.timeout_lo"]) == (2, 1)
    assert words["control.fcs_mode"] == 1 and words["feed.session_learn"] == 0
    second = plant.json("feed", "set", "--enable", "--next-sequence", "0")["feed"]
    assert second == {**first, "enable": True, "next_sequence": 0}
    assert plant.json("feed", "show")["feed"] == second
    assert words["feed.sequence_learn"] == 1


def test_the_feed_is_disabled_while_it_is_changed_or_reset(plant):
    def writes():
        found = [(name, value) for name, value in plant.registers.writes
                 if name in ("feed.enable", "feed.udp_port", "control.feed_reset",
                             "feed.load_sequence")]
        plant.registers.writes.clear()
        return found

    plant.json("feed", "set", "--group", "239.0.0.1", "--port", "5", "--enable")
    changed = [("feed.enable", 0), ("feed.udp_port", 5), ("feed.load_sequence", 1),
               ("feed.enable", 1)]
    assert writes() == changed
    plant.json("feed", "reset")
    assert writes() == [changed[0], ("control.feed_reset", 1), *changed[1:]]
    plant.json("feed", "reset", "--dry-run")
    assert writes() == []


def test_messages_to_record_are_set_by_name(plant):
    present = plant.json("feed", "show")["feed"]
    assert "noii" in present["recorded_messages"]
    assert "add_order" not in present["recorded_messages"]
    changed = plant.json("feed", "set", "--record", "add_order", "--record", "system_event",
                         "--record-all-symbols")["feed"]
    assert changed == {**present, "recorded_messages": ["system_event", "add_order"],
                       "record_all_symbols": True}
    assert plant.registers["feed.record"] == 1 << 31 | 1 << 10 | 1
    assert plant.json("feed", "set", "--record", "none")["feed"]["recorded_messages"] == []
    assert plant.registers["feed.record"] == 1 << 31
    refused = plant.refused("feed", "set", "--record", "trades")[1]
    assert "recorded_messages must be some of system_event" in refused and "trades" in refused


def test_session_is_set_up_and_down(plant, model_file):
    make_ready(plant, model_file)
    shown = plant.json("session", "show")
    assert shown["state"]["up"] and shown["state"]["session"] == "up"
    assert shown["session"]["password"] == ""
    words = plant.registers
    assert words["session.local_mac_lo"] == 2 and words["session.local_mac_hi"] == 0x0200
    assert words["session.username_0"] == int.from_bytes(b"TICK", "little")
    assert words["session.password_0"] == int.from_bytes(b"SECR", "little")
    assert words["session.sequence_4"] == int.from_bytes(b"   1", "little")
    assert words["session.next_hop"] == 0x0A000001
    assert plant.refused("session", "set", "--peer-port", "1")[0] == ExitStatus.REFUSED
    assert not plant.json("session", "down")["state"]["up"]
    plant.json("session", "set", "--peer-port", "1", "--user-ref-num", "77")
    assert words["session.next_user_ref_num"] == 77
    assert words["session.password_0"] == int.from_bytes(b"SECR", "little")


def test_a_session_without_addresses_is_not_tried(plant):
    plant.json("session", "set", "--username", "TICK")
    status, said = plant.refused("session", "up")
    assert (status, "set local_mac, local_ip" in said) == (ExitStatus.REFUSED, True)
    assert plant.registers["session.enable"] == 0


def test_a_refused_login_and_no_login_are_told(plant, model_file):
    make_ready(plant, model_file)
    plant.json("session", "down")
    plant.registers.login_works = False
    status, said = plant.refused("session", "up")
    assert (status, "refused the login, reason 'A'" in said) == (ExitStatus.REFUSED, True)
    assert plant.registers["session.enable"] == 0
    plant.registers.log_in = lambda: plant.registers.set_fields("session.state",
                                                                tcp=TcpState.SYN_SENT, session=0)
    status, said = plant.refused("session", "up", "--timeout-ms", "60")
    assert (status, "TCP syn-sent" in said) == (ExitStatus.FAILED, True)
    assert plant.registers["session.enable"] == 0


def test_arming_needs_everything_and_a_yes(plant, model_file):
    status, said = plant.refused("arm", "--yes")
    assert status == ExitStatus.REFUSED
    for what in ("no symbol", "no model", "feed", "session is down", "message_interval",
                 "watchdog"):
        assert what in said
    make_ready(plant, model_file)
    assert "not confirmed" in plant.refused("arm", stdin="n\n")[1]
    assert not plant.registers.fields("risk.state")["armed"]
    plant.json("arm", "--dry-run")
    assert not plant.registers.fields("risk.state")["armed"]
    assert plant.json("arm", stdin="y\n")["risk"]["armed"]
    assert plant.refused("symbols", "set", "AAPL", "--tick", "0.05")[0] == ExitStatus.REFUSED
    assert plant.refused("session", "down")[0] == ExitStatus.REFUSED
    assert not plant.json("disarm")["risk"]["armed"]
    assert not plant.json("disarm")["risk"]["armed"]


def test_kill_asks_nobody_and_clearing_needs_positions_and_a_reason(plant, model_file):
    make_ready(plant, model_file)
    plant.json("arm", "--yes")
    plant.registers.words["positions[0].position"] = 2**32 - 100
    killed = plant.json("kill", "--reason", "odd prices", writer="you")["risk"]
    assert killed["killed"] and not killed["armed"]
    assert (killed["causes"], killed["reason"]) == (["operator"], "odd prices")
    assert plant.json("kill")["risk"]["killed"]
    assert plant.refused("arm", "--yes")[0] == ExitStatus.REFUSED
    assert plant.refused("kill", "clear", "--reason", " ")[0] == ExitStatus.USAGE
    status, said = plant.refused("kill", "clear", "--reason", "fine")
    assert (status, "AAPL@XNAS is -100 in the appliance" in said) == (ExitStatus.REFUSED, True)
    plant.registers.cause_present = True
    clear = ("kill", "clear", "--reason", "fine", "--position", "AAPL@XNAS=-100")
    assert "still present" in plant.refused(*clear)[1]
    plant.registers.cause_present = False
    cleared = plant.json(*clear)["risk"]
    assert not cleared["killed"] and not cleared["armed"] and cleared["reason"] == ""
    assert "not killed" in plant.refused(*clear)[1]


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


def order_event(kind, **values):
    layout = EVENTS[kind]
    return layout.encode({**dict.fromkeys((field.name for field in layout), 0),
                          "schema_version": 1, "kind": kind, **values})


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


def test_a_control_plane_that_dies_is_noticed_by_the_watchdog(plant, model_file):
    make_ready(plant, model_file)
    plant.json("limits", "session", "--watchdog-ns", "200000000")
    plant.json("arm", "--yes")
    time.sleep(0.4)
    assert plant.registers.fields("risk.state")["armed"]     # it is fed
    plant.call(plant.running.cancel)
    plant.until(lambda: plant.registers.fields("risk.state")["killed"])
    assert plant.json("status")["status"]["kill_causes"] == ["watchdog"]


def test_an_appliance_that_is_silent_is_unreachable_and_found_again(plant):
    plant.fake.port.lease_ns = 0
    plant.fake.mute = True
    status, said = plant.refused("status")
    assert (status, "no answer" in said or "no session" in said) == (ExitStatus.UNREACHABLE, True)
    plant.fake.mute = False
    plant.until(lambda: plant.command("status")[0] == 0)


def test_no_server_is_unreachable(plant):
    status, said = plant.refused("status", "--server", "127.0.0.1:1")
    assert (status, "does not answer" in said) == (ExitStatus.UNREACHABLE, True)


def test_the_whole_way_works_over_a_bad_line(model_file):
    with running_plant(FakeAppliance(seed=3, faults=(0.1, 0.1))) as plant:
        make_ready(plant, model_file)
        assert plant.json("arm", "--yes")["risk"]["armed"]
        assert plant.json("kill")["risk"]["killed"]


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


def test_a_file_that_is_no_model_is_named(plant, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("# Notes")
    status, _, err = plant.command("model", "load", str(file))
    assert status == 1 and f"{file}: model must be JSON" in err
