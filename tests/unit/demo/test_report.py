"""What the demo makes of its numbers."""

import copy

import pytest

from demo.events import events_hash, orders_after_kill
from demo.report import Readings, compare, make_report, render
from demo.story import failures
from proto.events import OrderFlag, StateFlag

BEST = {"bid_price_e4": 1_000_000, "bid_quantity": 300, "ask_price_e4": 1_000_200,
        "ask_quantity": 500}
TOP = {"bid_price": 1_000_000, "bid_quantity": 300, "ask_price": 1_000_200, "ask_quantity": 500}


def readings():
    return Readings(
        exchange={"orders": {"entered": 3, "accepted": 3}, "symbols": {"AAPL": BEST},
                  "accounts": {"TICKW": {"positions": {"AAPL": -100}, "cash_e4": 99_000_000,
                                         "turnover_e4": 101_000_000, "fills": 2, "shares": 200,
                                         "open_orders": []}}},
        orders={"total": 3, "fills": 2, "cash_e4": 99_000_000, "turnover_e4": 101_000_000,
                "positions": [{"symbol": "AAPL@XNAS", "position": -100}],
                "orders": [{"open_quantity": 0}], "refusals": [{"check": "position", "count": 4}]},
        positions={"positions": [{"symbol": "AAPL@XNAS", "position": -100, "orders_buy": 0,
                                  "orders_sell": 0}],
                   "cash_e4": 99_000_000, "turnover_e4": 101_000_000},
        counters={"order.enters": 3, "order.executions": 2, "mold.messages": 1000},
        latency={"core_hz": 156_250_000, "orders": 3,
                 "percentiles": [{"share_e4": 5000, "cycles": 36}]},
        status={})


def report(given, **more):
    return make_report(given, tops={"AAPL@XNAS": TOP}, **{
        "orders_after_kill": 0, "kill_causes": ["operator"],
        "events": {"dropped": 0, "lost": 0}, **more})


def test_equal_numbers_are_no_failure():
    found = report(readings())
    assert failures(found) == []
    assert found["profit_e4"] == 99_000_000 - 100 * 1_000_100
    assert found["tick_to_trade"]["percentiles"] == [{"share": 0.5, "cycles": 36, "ns": 230.4}]
    text = render(found)
    assert "DIFFERENT" not in text and "36 cycles    230.4 ns" in text


@pytest.mark.parametrize("what, change", [
    ("orders", lambda r: r.counters.update({"order.enters": 4})),
    ("fills", lambda r: r.orders.update(fills=1)),
    ("position AAPL@XNAS", lambda r: r.positions["positions"][0].update(position=100)),
    ("position AAPL@XNAS", lambda r: r.orders["positions"].clear()),
    ("open orders", lambda r: r.orders["orders"][0].update(open_quantity=7)),
    ("cash_e4", lambda r: r.positions.update(cash_e4=0)),
    ("turnover_e4", lambda r: r.orders.update(turnover_e4=0)),
])
def test_every_difference_is_told(what, change):
    given = copy.deepcopy(readings())
    change(given)
    assert [row.what for row in compare(given) if not row.equal] == [what]
    found = report(given)
    assert failures(found)[0].startswith(f"{what} differs:")
    assert "DIFFERENT" in render(found)


def test_what_did_not_happen_is_told():
    given = readings()
    given.exchange["accounts"]["TICKW"]["fills"] = given.orders["fills"] = 0
    given.counters["order.executions"] = 0
    given.orders["refusals"].clear()
    told = failures(report(given, orders_after_kill=2, kill_causes=["operator", "watchdog"],
                           events={"dropped": 1, "lost": 3}))
    assert [text.split()[0] for text in told] == ["nothing", "nothing", "2", "killed", "1", "3"]


def test_a_book_that_differs_is_told():
    found = make_report(readings(), tops={"AAPL@XNAS": {**TOP, "ask_quantity": 400}},
                        orders_after_kill=0, kill_causes=["operator"],
                        events={"dropped": 0, "lost": 0})
    assert failures(found) == ["the book of AAPL differs from the exchange's"]
    assert "NOT the exchange's" in render(found)


def sent(cycle, **more):
    return {"kind": "order_sent", "cycle": cycle, "ingress_cycle": cycle - 30, "flags": 0,
            "decision_cycle": cycle - 5, "price": 100, **more}


def test_the_hash_sees_everything_but_the_count_of_cycles():
    hashes = {events_hash([sent(1000), {"kind": "state", "cycle": 1100, "now_ns": now}], digest)
              for now, digest in ((5, "a"), (6, "a"), (5, "b"))}
    assert len(hashes) == 3
    assert events_hash([sent(1000)], "a") == events_hash([sent(5000)], "a")
    assert events_hash([sent(1000)], "a") != events_hash([sent(1000, ingress_cycle=969)], "a")
    assert events_hash([sent(1000)], "a") != events_hash([sent(1000, price=101)], "a")
    assert events_hash([sent(1), sent(2, price=1)], "a") != events_hash(
        [sent(2, price=1), sent(1)], "a")


def test_orders_after_a_kill_are_counted_and_cancels_are_not():
    state = {"kind": "state", "cycle": 0, "flags": int(StateFlag.KILLED)}
    cancel = sent(3, flags=int(OrderFlag.CANCEL))
    assert orders_after_kill([sent(1), {**state, "flags": 1}, sent(2)]) == 0
    assert orders_after_kill([sent(1), state, cancel]) == 0
    assert orders_after_kill([state, sent(1), cancel, {**state, "flags": 0}, sent(2)]) == 2
