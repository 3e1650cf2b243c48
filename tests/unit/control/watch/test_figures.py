"""Profit, rates and alerts of snapshots."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from control.client import Counter, Refusals
from control.watch import panels
from control.watch.figures import figures
from control.watch.ladder import clock, ladder_data, ladder_text, rungs
from control.watch.lines import money, plain_line, plain_view
from control.watch.snapshot import LadderView
from tests.unit.control.watch.scenes import book, changed, order, running


def test_profit_is_cash_and_positions_at_the_mid():
    found = figures(running())
    # 100 bought for 18,870 USD are at 188.725 now; 200 sold for 82,420 USD are at 412.08.
    assert [row.profit_e4 for row in found.symbols] == [25_000, 40_000]
    assert found.profit_e4 == 635_500_000 + 188_725_000 - 824_160_000 == 65_000
    assert [(row.position, row.open_orders) for row in found.symbols] == [(100, 1), (-200, 0)]
    assert found.alerts == ()


def test_profit_is_unknown_without_a_mid_or_with_a_position_that_nobody_saw_come():
    now = running()
    one_sided = dataclasses.replace(now, books=(book(bid=0), now.books[1]))
    assert figures(one_sided).profit_e4 is None
    assert [row.profit_e4 for row in figures(one_sided).symbols] == [None, 40_000]
    older = changed(now, log={"positions": now.log.positions[1:]})
    assert [row.profit_e4 for row in figures(older).symbols] == [None, 40_000]
    assert figures(older).profit_e4 == 65_000      # the appliance knows it all


def later(now, seconds=2.0, refused=(), counted=()):
    return changed(
        now, seconds=now.seconds + seconds,
        log={"refusals": tuple(Refusals(check=row.check, count=row.count + dict(refused).get(
            row.check, 0)) for row in now.log.refusals)},
        counters=tuple(Counter(name=row.name, value=(row.value + dict(counted).get(
            row.name, 0)) % 2**32, description="") for row in now.counters))


def test_rates_are_those_since_the_snapshot_before():
    now = running()
    found = figures(later(now, refused=[("collar", 4)], counted=[("mold.messages", 300)]), now)
    assert [(rate.name, rate.count, rate.per_second) for rate in found.refusals] == [
        ("collar", 9, 2.0), ("position", 250, 0.0)]
    assert [(rate.name, rate.per_second) for rate in found.moving] == [("mold.messages", 150.0)]
    assert found.alerts == ()
    assert all(rate.per_second == 0 for rate in figures(now).refusals)


def test_a_counter_that_wraps_and_one_that_begins_anew_have_a_rate():
    now = running()
    near = changed(now, counters=(Counter(name="mold.messages", value=2**32 - 10, description=""),))
    wrapped = later(near, 1.0, counted=[("mold.messages", 30)])
    assert [rate.per_second for rate in figures(wrapped, near).moving] == [30.0]
    reset = changed(now, seconds=101.0,
                    counters=(Counter(name="mold.messages", value=5, description=""),))
    assert [rate.per_second for rate in figures(reset, now).moving] == [5.0]


@pytest.mark.parametrize("parts, says", [
    ({"status": {"killed": True, "armed": False, "kill_causes": ("watchdog",)}},
     "killed by watchdog"),
    ({"status": {"killed": True, "kill_causes": ("operator",)}, "risk": {"reason": "odd"}},
     "killed by operator: odd"),
    ({"status": {"feed_up": False}}, "the feed is silent or unhealthy: every order is refused"),
    ({"status": {"feed_up": False, "feed_enabled": False}}, "the feed is not enabled"),
    ({"status": {"session_up": False}}, "the order session is down: every order is refused"),
    ({"status": {"model_loaded": False}}, "no model is loaded: nothing is scored"),
    ({"status": {"memories_cleared": False}}, "the appliance is still clearing its memories"),
    ({"status": {"events_lost": 3}}, "3 event records were lost: the order log is not whole"),
    ({"status": {"limited": ("AAPL@XNAS",)}}, "MSFT@XNAS has a strategy and no limits"),
    ({"books": (book(states=("incomplete", "halted")),)},
     "AAPL@XNAS cannot be traded: incomplete, halted"),
    ({"log": {"unexplained": 2}}, "2 answers of the venue to orders that nobody saw sent"),
])
def test_what_is_wrong_is_told(parts, says):
    assert figures(changed(running(), **parts)).alerts == (says,)


def test_a_step_of_a_bad_counter_is_told_while_it_lasts():
    now = running()
    worse = later(now, counted=[("mold.gaps", 1)])
    assert figures(worse, now).alerts == ("mold.gaps grows by 0.5 a second",)
    assert figures(later(worse), worse).alerts == ()


def test_what_made_books_stale_is_told():
    counters = tuple(Counter(name=name, value=count, description="") for name, count in (
        ("mold.gaps", 0), ("mold.malformed", 1), ("itch.bad_length", 1200), ("mold.messages", 7)))
    stale = changed(running(), books=(book(states=("stale",)),), counters=counters)
    assert figures(stale).alerts == (
        "AAPL@XNAS cannot be traded: stale",
        "a book that stays stale has lost messages (mold.malformed 1, itch.bad_length 1,200 so "
        "far): tickwire feed reset")
    assert figures(changed(stale, books=(book(states=("halted",)),))).alerts == (
        "AAPL@XNAS cannot be traded: halted",)


def test_positions_that_differ_are_told_if_they_go_on_to_differ():
    now = running()
    odd = changed(now, log={"positions": now.log.positions[:1]})
    assert figures(odd, now).alerts == ()
    assert figures(odd, odd).alerts == (
        "MSFT@XNAS: the appliance and the order log hold different positions",)


def test_a_line_says_it_all():
    now = running()
    assert plain_line(now, figures(now)) == (
        "09:30:05 armed feed=up session=up profit=+6.50 orders=12 open=1 fills=2 refused=255 "
        "p50=212ns p99=263ns AAPL@XNAS=188.72/188.73:+100 MSFT@XNAS=412.07/412.09:-200")


def test_json_has_readings_and_what_they_amount_to():
    now = running()
    data = json.loads(json.dumps(plain_view(later(now), figures(later(now), now))))
    assert data["at"] == "2026-11-23T09:30:05.000+00:00"
    assert data["profit_e4"] == 65_000 and data["symbol_profit_e4"]["MSFT@XNAS"] == 40_000
    assert data["counters"] == {"mold.messages": 7675, "mold.gaps": 1}
    assert data["refusals_per_second"] == {"position": 0.0, "collar": 0.0}
    assert sorted(data) == [
        "alerts", "at", "books", "counters", "counters_per_second", "fills", "latency", "orders",
        "positions", "profit_e4", "refusals_per_second", "risk", "status", "symbol_profit_e4"]


@pytest.mark.parametrize("value_e4, text", [
    (0, "0.00"), (49, "0.00"), (-49, "0.00"), (50, "+0.01"), (-123_456_789, "-12,345.68"),
    (None, "-")])
def test_money_is_rounded_to_the_cent(value_e4, text):
    assert money(value_e4) == text


def ladder():
    return LadderView(book=book(), own=(
        order(1), order(2, price_e4=1_887_300, sell=True, open_quantity=30),
        order(3, price_e4=1_887_100, open_quantity=1_500)))


def test_a_ladder_has_levels_and_our_orders():
    assert [(rung.price_e4, rung.bid, rung.ask, rung.own_buy, rung.own_sell)
            for rung in rungs(ladder())] == [
        (1_887_300, 0, 50, 0, 30), (1_887_200, 200, 0, 0, 0), (1_887_100, 0, 0, 1_600, 0)]
    assert ladder_text(ladder()).split("\n") == [
        "AAPL@XNAS  exact  spread 0.01  09:30:00.123456  message 7,659",
        "our buys  orders  bids   price  asks  orders  our sales",
        "                        188.73    50       2         30",
        "               2   200  188.72",
        "   1,600                188.71",
    ]
    data = ladder_data(ladder())
    assert [rung["price_e4"] for rung in data["ladder"]] == [1_887_300, 1_887_200, 1_887_100]
    assert [row["user_ref_num"] for row in data["own_orders"]] == [1, 2, 3]


def test_a_ladder_of_a_book_that_nobody_knows_or_trades_says_so():
    unknown = LadderView(book=book(known=False, bid=0, ask=0), own=())
    assert ladder_text(unknown).split("\n")[0] == "AAPL@XNAS  no record of its book has come yet"
    stale = LadderView(book=book(states=("stale",), bid=0), own=())
    assert "AAPL@XNAS  stale  spread -" in ladder_text(stale)


def test_a_time_is_cut_to_the_microsecond():
    assert clock(34_200_123_456_789) == "09:30:00.123456" and clock(0) == "00:00:00.000000"


def drawn(renderable, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    return console.file.getvalue().splitlines()


def test_panels_show_the_latest_first_and_no_more_than_fits():
    now = changed(running(), log={"orders": tuple(order(n, cancel_sent=n == 3)
                                                  for n in range(1, 4))})
    assert [line.split()[0] for line in drawn(panels.orders(now, 2))] == ["order", "3", "2"]
    assert drawn(panels.orders(now, 1))[1].endswith("canceling")
    assert [line.split()[1] for line in drawn(panels.fills(now, 9))] == ["side", "sell", "buy"]
    assert len(drawn(panels.orders(now, 0))) == len(drawn(panels.fills(now, -1))) == 1
    assert drawn(panels.alerts(["a", "b", "c"], 2)) == ["a", "and 2 more"]
    assert drawn(panels.alerts([], 2)) == ["nothing is wrong"]
