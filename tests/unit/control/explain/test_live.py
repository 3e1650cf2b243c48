"""Explanations of a service that runs: records that it has kept, settings of now."""

import pytest

from control.client import Appliance
from control.errors import ExitStatus
from proto.checks import Check
from proto.events import AnswerCode, EventKind, StateFlag
from tests.support.recorded import record
from tests.unit.control.plant import running_plant

BID, ASK = 1_000_000, 1_000_100


@pytest.fixture(scope="module")
def plant():
    """Return a service whose appliance has sent an order and refused another."""
    with running_plant() as plant:
        plant.json("symbols", "set", "AAPL")
        plant.json("limits", "set", "AAPL", "--quantity", "200", "--value", "50000", "--collar",
                   "2", "--collar-minimum", "0.10", "--long", "150", "--short", "400",
                   "--open-orders", "4")
        plant.json("limits", "session", "--message-interval-ns", "1000", "--message-burst-ns",
                   "1000", "--hold-ns", "1000")
        plant.json("strategy", "set", "AAPL", "--buy", "90", "--sell", "90", "--quantity", "100",
                   "--enable")
        plant.registers.words["positions[0].position"] = 60
        version = plant.json("limits", "list")["limits_version"]
        sent = {"quantity": 100, "price": ASK, "score": 100, "epoch": 1, "limits_version": version}
        book = {"bid_price": BID, "bid_quantity": 100, "bid_count": 1, "ask_price": ASK,
                "ask_quantity": 100, "ask_count": 1}
        records = [
            record(EventKind.STATE, cycle=1000, now_ns=6400, event_sequence=0, flags=int(
                StateFlag.ARMED | StateFlag.FEED_UP | StateFlag.SESSION_UP)),
            record(EventKind.TOP_OF_BOOK, cycle=4900, feed_sequence=4, ingress_cycle=4880, **book),
            record(EventKind.TOP_OF_BOOK, cycle=5030, feed_sequence=5, ingress_cycle=5003,
                   event_sequence=1, **{**book, "bid_quantity": 300}),
            record(EventKind.ORDER_SENT, cycle=5033, event_sequence=1, feed_sequence=5,
                   ingress_cycle=5003, decision_cycle=5032, user_ref_num=9, latency=33, **sent),
            record(EventKind.VENUE_ANSWER, cycle=6000, event_sequence=2, user_ref_num=9,
                   now_ns=38_400, quantity=100, price=ASK, answer=AnswerCode.EXECUTED),
            record(EventKind.TOP_OF_BOOK, cycle=7030, feed_sequence=8, ingress_cycle=7003,
                   event_sequence=2, **{**book, "bid_quantity": 400}),
            record(EventKind.ORDER_REFUSED, cycle=9000, event_sequence=3, ingress_cycle=7003,
                   mask=Check.POSITION.mask, reference_price=(BID + ASK) // 2, worst_position=60,
                   count=1, **sent),
        ]
        for one in records:
            plant.call(plant.fake.record, one)
        plant.until(lambda: plant.appliance.broker.received == len(records))
        yield plant


def test_past_records_are_kept_for_who_comes_later(plant):
    with Appliance(plant.address, variables={}) as appliance:
        everything = appliance.past_events()
        assert [event.kind for event in everything] == [
            "state", "top_of_book", "top_of_book", "order_sent", "venue_answer", "top_of_book",
            "order_refused"]
        assert appliance.past_events(2) == everything[-2:]


def test_the_order_of_a_service(plant):
    found = plant.json("explain", "9", "--live")
    assert found["order"]["status"] == "executed" and found["order"]["symbol"] == "AAPL@XNAS"
    assert found["trigger"] == {"sequence": 5, "name": None}
    assert [row["cycle"] for row in found["stages"]] == [5003, 5030, 5032, 5033]
    assert found["book"]["before"]["bid_quantity"] == 100
    assert found["book"]["after"]["bid_quantity"] == 300
    assert found["frame"] is None and not found["signal"]["features"]
    assert found["account"]["before"]["position"] == -40
    assert found["account"]["after"]["position"] == 60
    rows = {row["check"]: row for row in found["checks"]}
    assert (rows["position"]["value"], rows["position"]["limit"]) == (60, 150)
    assert rows["message_rate"]["recomputed_passes"] is None
    assert all(row["recomputed_passes"] is not False for row in rows.values())


def test_the_refusal_of_a_service(plant):
    found = plant.json("explain", "--refusal", "3", "--live")
    assert found["trigger"]["sequence"] == 8
    failed = [(row["check"], row["value"], row["limit"]) for row in found["checks"]
              if row["failed"]]
    assert failed == [("position", 160, 150)]


def test_the_text_of_a_service_says_what_is_missing(plant):
    status, out, _ = plant.command("explain", "9", "--live")
    assert status == 0 and max(map(len, out.splitlines())) <= 100
    assert "the feed itself is not recorded here" in out and "features need a recorded run" in out
    assert "limits have been changed since" not in out
    assert plant.json("explain", "--live")["orders"][0]["user_ref_num"] == 9


def test_limits_that_were_changed_since_are_told(plant):
    plant.json("limits", "set", "AAPL", "--quantity", "300")
    _, out, _ = plant.command("explain", "9", "--live")
    assert "limits have been changed since" in out


def test_what_a_service_cannot_tell(plant):
    for option in (("--waves", "x.fst"), ("--message", "5")):
        arguments = ("explain", "--live", *option) + (("9",) if option[0] == "--waves" else ())
        status, said = plant.refused(*arguments)
        assert status == ExitStatus.USAGE and "need a recorded run" in said
    status, said = plant.refused("explain", "10", "--live")
    assert status == ExitStatus.USAGE and "there are 9 to 9" in said
