"""What a recording tells, against numbers reckoned by hand."""

import math
import random

import numpy as np
import pytest

from control.analysis.columns import symbols_of
from control.analysis.equity import Curve, drawdown_e4, equity_curve
from control.analysis.latency import latency_by_stage
from control.analysis.markouts import effective_half_spread_x2, markout_rows, markouts_x2
from control.analysis.orders import Fill
from control.analysis.quotes import FeedClock, quotes_by_symbol
from control.analysis.refusals import by_check, by_symbol_and_check
from control.analysis.run import analyse, refused, summary
from control.analysis.signals import Signals
from control.errors import ControlError
from control.orders import OrderStatus
from control.recorder.origin import Origin
from control.recorder.reader import open_recording
from control.recorder.writer import Recorder
from proto.checks import Check
from proto.events import EVENTS, NO_SYMBOL, AnswerCode, BookState, EventKind, OrderFlag, StateFlag
from tests.support.recordings import CORE_HZ, Story

MS = 1_000_000


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path / "events")


@pytest.fixture
def traded(story):
    """Buy 100 at 10.02, sell 40 of them at 10.06; a resting sale is canceled after 25."""
    story.add(EventKind.STATE, cycle=50, now_ns=500, flags=StateFlag.ARMED, limits_version=2)
    story.top(1 * MS, 100_000, 100_200, sizes=(300, 100), sequence=1)
    story.sent(1, 100_025, feed_sequence=1, ingress_cycle=100_000, decision_cycle=100_020,
               price=100_200, score=500, latency=28, epoch=3)
    story.answered(1, AnswerCode.ACCEPTED, 1 * MS + 900)
    story.answered(1, AnswerCode.EXECUTED, 1 * MS + 1000, quantity=100, price=100_200,
                   session_sequence=2)
    story.top(2 * MS, 100_200, 100_400, sequence=5)
    story.top(3 * MS, 100_600, 100_800, sequence=6)
    story.sent(2, 300_031, feed_sequence=6, ingress_cycle=300_000, decision_cycle=300_030,
               quantity=40, price=100_600, score=-700, latency=34, flags=OrderFlag.SELL)
    story.answered(2, AnswerCode.EXECUTED, 3 * MS + 2000, quantity=40, price=100_600,
                   session_sequence=3)
    story.sent(3, 400_000, price=100_900, quantity=60, flags=OrderFlag.SELL | OrderFlag.DAY)
    story.answered(3, AnswerCode.ACCEPTED, 4 * MS + 500)
    story.answered(3, AnswerCode.EXECUTED, 5 * MS, quantity=25, price=100_900,
                   session_sequence=4)
    story.sent(3, 550_000, flags=OrderFlag.CANCEL | OrderFlag.SELL)
    story.answered(3, AnswerCode.CANCELED, 6 * MS, quantity=35, reason=ord("U"))
    story.top(8 * MS, 100_800, 101_000, sequence=9)
    story.add(EventKind.ORDER_REFUSED, symbol=0, cycle=900_000, ingress_cycle=800_000, count=3,
              score=-9, price=100_800, quantity=100, flags=OrderFlag.SELL,
              mask=Check.POSITION.mask | Check.COLLAR.mask)
    story.add(EventKind.ORDER_REFUSED, cycle=900_001, count=2, flags=OrderFlag.CANCEL,
              mask=Check.DISARMED.mask)
    story.add(EventKind.STATE, cycle=900_002, now_ns=9 * MS, flags=StateFlag.KILLED, cause=1,
              limits_version=3, cash=-100 * 100_200 + 40 * 100_600 + 25 * 100_900, turnover=1)
    return analyse(story.end())


def test_orders_have_their_times_and_ends(traded):
    first, second, third = traded.orders.lives
    assert first.trigger_ns == 1 * MS and first.sent_ns == 1 * MS + 250
    assert first.accepted_ns == 1 * MS + 900 and first.ended_ns == 1 * MS + 1000
    assert first.logged.status is OrderStatus.EXECUTED and first.score == 500
    assert second.score == -700 and second.sent_ns == 3 * MS + 310
    assert second.accepted_ns is None
    # Without a trigger: 150 cycles before the acceptance came.
    assert third.trigger_ns is None and third.sent_ns == 4 * MS - 1000
    assert third.logged.status is OrderStatus.CANCELED and third.logged.executed_quantity == 25
    assert third.cancel_sent_ns == 5 * MS + 499_000    # 501 us of cycles before the answer at 6 ms
    assert third.ended_ns == 6 * MS
    assert traded.orders.cancels == 1 and traded.orders.broken == 0
    assert [(fill.user_ref_num, fill.quantity) for fill in traded.fills] == [(1, 100), (2, 40),
                                                                             (3, 25)]


def test_the_account_is_cash_and_what_is_held_at_the_mid(traded):
    curve = traded.curve
    at = {ts_ns: row for row, ts_ns in enumerate(curve.ts_ns.tolist())}
    assert sorted(at) == [1 * MS, 1 * MS + 1000, 2 * MS, 3 * MS, 3 * MS + 2000, 5 * MS, 8 * MS]
    bought = -100 * 100_200
    assert curve.cash_e4[at[1 * MS]] == 0 and curve.cash_e4[at[1 * MS + 1000]] == bought
    assert curve.equity_e4[at[1 * MS + 1000]] == bought + 100 * 100_100    # half the spread
    assert curve.equity_e4[at[2 * MS]] == bought + 100 * 100_300
    assert curve.equity_e4[at[3 * MS + 2000]] == bought + 40 * 100_600 + 60 * 100_700
    assert curve.positions["A@XNAS"].tolist() == [0, 100, 100, 100, 60, 35, 35]
    assert curve.equity_e4[-1] == bought + 40 * 100_600 + 25 * 100_900 + 35 * 100_900
    assert drawdown_e4(curve) == 100 * 100     # from 0 at the start to half the spread below


def test_markouts_are_signed_and_end_with_the_recording(traded):
    horizons = (0, 1 * MS, 5 * MS)
    values = markouts_x2(traded.fills, traded.quotes, horizons)
    # Bought at 10.02: mid 10.01 at once, 10.03 a millisecond later, 10.07 after 5 ms.
    assert values[0].tolist() == [-200, 200, 2 * 500]
    # Sold at 10.06: mid 10.07 at once, a millisecond later too; 8.002 ms is beyond the end.
    assert values[1].tolist() == [-200, -200, None]
    assert values[2].tolist() == [400, 400, None]
    cost = effective_half_spread_x2(traded.fills, traded.quotes)
    assert cost.tolist() == [200, 200, -400]
    rows = markout_rows(traded.fills, values, horizons)
    assert [(row.fills, row.shares) for row in rows] == [(3, 165), (3, 165), (1, 100)]
    assert rows[0].total_e4 == (-200 * 100 - 200 * 40 + 400 * 25) // 2
    assert rows[0].mean_e4 == pytest.approx(-18_000 / 2 / 165)
    assert rows[0].error_e4 == pytest.approx(np.std([-100, -100, 200], ddof=1) / 3**0.5)
    assert rows[2].mean_e4 == 500 and math.isnan(rows[2].error_e4)
    chosen = np.array([False, True, False])
    assert markout_rows(traded.fills, values, horizons, chosen)[1].mean_e4 == -100
    assert math.isnan(markout_rows([], markouts_x2([], {}, horizons), horizons)[0].mean_e4)


def test_stages_of_the_latency_add_up(traded):
    receive, decide, send, whole = traded.stages
    assert [stage.stage.name for stage in traded.stages] == ["receive", "decide", "send", "whole"]
    # Order 3 has no trigger, and cancels do not count.
    assert receive.bins == {3: 2} and decide.bins == {20: 1, 30: 1} and send.bins == {1: 1, 5: 1}
    assert whole.bins == {28: 1, 34: 1} and whole.orders == 2
    assert whole.percentiles == {5000: 28, 9000: 34, 9900: 34, 9990: 34, 10_000: 34}


def test_latency_can_be_split_by_who_waited_and_leaves_out_what_is_saturated(story):
    for number, (flags, latency) in enumerate([(0, 30), (OrderFlag.WAITED, 90), (0, 0xFFFF),
                                               (OrderFlag.CANCEL, 30)]):
        story.sent(number, 1000, feed_sequence=1, ingress_cycle=970, decision_cycle=990,
                   latency=latency, flags=flags)
    sent = story.end().table(EventKind.ORDER_SENT)
    assert latency_by_stage(sent)[-1].bins == {30: 1, 90: 1}
    assert latency_by_stage(sent, waited=False)[-1].bins == {30: 1}
    assert latency_by_stage(sent, waited=True)[-1].bins == {90: 1}


def test_refusals_count_for_each_check(traded):
    assert by_check(traded.refusals) == {"position": 3, "collar": 3, "disarmed": 2}
    assert by_symbol_and_check(traded.refusals) == {
        ("A@XNAS", "position"): 3, ("A@XNAS", "collar"): 3, ("", "disarmed"): 2}
    assert refused(traded) == 5
    first = traded.refusals[0]
    assert first.ts_ns == 8 * MS and first.score == -9 and first.sell and not first.cancel


def test_states_tell_what_changed(traded):
    first, last = traded.states
    assert first.changes == ("armed", "limits version 2") and first.trading == ("armed",)
    assert last.changes == ("disarmed", "killed (operator)", "limits version 3")
    assert last.now_ns == 9 * MS
    # The appliance's own account is that of the executions.
    assert last.cash_e4 == traded.curve.cash_e4[-1]


def test_the_summary_has_every_number(traded):
    found = summary(traded)
    assert found["records"] == {"top_of_book": 4, "order_sent": 4, "order_refused": 2,
                                "venue_answer": 6, "state": 2, "feed_message": 0,
                                "feed_message_rest": 0, "bid_depth": 0, "ask_depth": 0,
                                "feature_vector": 0}
    assert (found["orders"], found["cancels"], found["fills"], found["shares"]) == (3, 1, 3, 165)
    assert found["orders_by_status"] == {"executed": 2, "canceled": 1}
    assert found["positions"] == {"A@XNAS": 35}
    assert found["cash_e4"] == traded.orders.log.total.cash_e4 == -3_473_500
    assert found["turnover_e4"] == traded.orders.log.total.turnover_e4
    assert found["profit_e4"] == -3_473_500 + 35 * 100_900
    assert found["refused"] == 5 and found["seconds"] == pytest.approx(0.007)
    assert found["latency_cycles"]["50%"] == 28 and found["core_hz"] == CORE_HZ
    assert found["mean_markouts_e4"]["1000 ms"] is None


def test_a_book_without_a_mid_marks_nothing(story):
    story.top(1000, 100_000, 100_200)
    story.top(2000, 0, 100_200)
    story.top(3000, 100_000, 100_200, state=BookState.STALE)
    story.top(4000, 100_000, 100_400, state=BookState.HALTED, sizes=(0, 0))
    quotes = quotes_by_symbol(story.end().table(EventKind.TOP_OF_BOOK))["A@XNAS"]
    assert quotes.usable.tolist() == [True, False, False, True]
    assert quotes.mid_x2.tolist() == [200_200, 0, 0, 200_400]
    assert quotes.spread_e4.tolist() == [200, 0, 0, 400]
    assert np.isnan(quotes.microprice_e4).tolist() == [False, True, True, True]
    assert quotes.row_at(np.array([999, 1000, 1001])).tolist() == [-1, 0, 0]
    assert quotes.row_at(np.array([1000, 1001]), before=True).tolist() == [-1, 0]
    assert quotes.mid_x2_at(np.array([500, 1500, 2500, 9000])).tolist() == [0, 200_200, 0, 200_400]
    fill = Fill(user_ref_num=1, symbol="A@XNAS", sell=False, quantity=10, price_e4=100_000,
                venue_ns=2500, session_sequence=1)
    assert effective_half_spread_x2([fill], {"A@XNAS": quotes}).tolist() == [None]
    # The position keeps the last mid that there was.
    curve = equity_curve([fill], {"A@XNAS": quotes})
    assert curve.ts_ns.tolist() == [1000, 2500, 4000]
    assert curve.equity_e4.tolist() == [0, 10 * 100, 10 * 200]


def test_the_microprice_leans_to_the_thin_side(story):
    story.top(1000, 100_000, 100_200, sizes=(300, 100))
    quotes = quotes_by_symbol(story.end().table(EventKind.TOP_OF_BOOK))["A@XNAS"]
    assert quotes.microprice_e4.tolist() == [(100_000 * 100 + 100_200 * 300) / 400]


def test_an_execution_before_any_quote_is_marked_at_its_price():
    fills = [Fill(user_ref_num=1, symbol="X", sell=True, quantity=3, price_e4=50_000,
                  venue_ns=10, session_sequence=1)]
    curve = equity_curve(fills, {})
    assert curve.equity_e4.tolist() == [0] and curve.positions["X"].tolist() == [-3]
    assert markouts_x2(fills, {}, (0,)).tolist() == [[None]]


def test_drawdown_is_measured_from_the_highest():
    def curve(*values):
        return Curve(np.arange(len(values)), np.zeros(len(values), np.int64),
                     np.array(values, np.int64), {})

    assert drawdown_e4(curve()) == 0
    assert drawdown_e4(curve(5, 9, 4, 12, 10)) == 5
    assert drawdown_e4(curve(-3, 2, 1)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_the_account_equals_one_that_is_kept_step_by_step(tmp_path, seed):
    source = random.Random(seed)
    story = Story(tmp_path)
    times = sorted(source.sample(range(1, 5000), 60))
    fills, events = [], []
    for number, ts_ns in enumerate(times):
        symbol = source.randrange(2)
        name = ("A@XNAS", "B@XNAS")[symbol]
        price = source.randrange(90_000, 110_000, 100)
        if source.random() < 0.6:
            story.top(ts_ns, price, price + 100 * source.randrange(1, 4), symbol=symbol,
                      state=int(source.random() < 0.2))
            events.append((ts_ns, name, None))
        else:
            fill = Fill(user_ref_num=number, symbol=name, sell=source.random() < 0.5,
                        quantity=source.randrange(1, 300), price_e4=price, venue_ns=ts_ns,
                        session_sequence=number)
            fills.append(fill)
            events.append((ts_ns, name, fill))
    quotes = quotes_by_symbol(story.end().table(EventKind.TOP_OF_BOOK))
    curve = equity_curve(fills, quotes)
    cash, held, marks = 0, {}, {}
    found = dict(zip(curve.ts_ns.tolist(), curve.equity_e4.tolist(), strict=True))
    seen = 0
    for ts_ns, name, fill in events:
        if fill is not None:
            cash -= fill.signed_quantity * fill.price_e4
            held[name] = held.get(name, 0) + fill.signed_quantity
            if name not in marks or marks[name][1]:
                marks[name] = (2 * fill.price_e4, True)
        else:
            row = int(quotes[name].row_at(np.array([ts_ns]))[0])
            if not quotes[name].usable[row]:
                continue
            marks[name] = (int(quotes[name].mid_x2[row]), False)
        equity = cash + sum(shares * marks[of][0] // 2 for of, shares in held.items())
        assert found[ts_ns] == equity, f"seed {seed} at {ts_ns}"
        seen += 1
    assert seen == len(found)


def test_the_clock_reckons_back_from_the_next_message():
    clock = FeedClock(np.array([100, 100, 200, 1000]), np.array([5000, 5010, 90_000, 98_000]),
                      CORE_HZ)
    # At a message: its time, of several the last. Between: 10 ns a cycle before the next one,
    assert clock.ns_of(np.array([100, 150, 199, 200])).tolist() == [5010, 89_500, 89_990, 90_000]
    # where no time is missing the same from both sides, at both ends from the only one.
    assert clock.ns_of(np.array([600, 1000, 1010, 50])).tolist() == [94_000, 98_000, 98_100, 5010]
    assert FeedClock(np.zeros(0, np.int64), np.zeros(0, np.int64), 1).ns_of(
        np.array([7])).tolist() == [0]


def test_the_clock_never_goes_behind_the_cycles_that_passed():
    # The next message was made before its way to us: it is older than the cycles say.
    clock = FeedClock(np.array([100, 200]), np.array([5000, 5100]), CORE_HZ)
    assert clock.ns_of(np.array([150])).tolist() == [5500]


def test_messages_that_are_known_besides_tell_times_and_scores(story):
    story.top(1000, 100_000, 100_200, sequence=1)
    story.sent(1, 530, feed_sequence=4, ingress_cycle=500, score=-5)
    story.sent(2, 630, feed_sequence=5, ingress_cycle=600, score=7)
    story.sent(3, 730, score=1)
    story.answered(1, AnswerCode.ACCEPTED, 9000)
    recording = story.end()
    assert analyse(recording).orders.lives[0].trigger_ns is None
    signals = Signals("A@XNAS", np.array([1000, 5000, 6000]), np.array([1, 4, 5]),
                      np.array([3, -5, 8]))
    run = analyse(recording, {"A@XNAS": signals})
    assert [life.trigger_ns for life in run.orders.lives] == [5000, 6000, None]
    assert run.orders.lives[0].sent_ns == 5300
    assert summary(run)["scores_computed"] == {"equal": 1, "different": 1}


def test_a_symbol_without_a_name_has_the_number_of_its_book(tmp_path):
    layout = EVENTS[EventKind.TOP_OF_BOOK]
    empty = dict.fromkeys((field.name for field in layout), 0)
    with Recorder(tmp_path, Origin(version="", map_hash=0, core_hz=CORE_HZ)) as recorder:
        for index, name in ((3, "A@XNAS"), (5, ""), (NO_SYMBOL, ""), (4, "A@XNAS"), (5, "")):
            recorder.take(layout.encode({**empty, "schema_version": 1, "kind": 1,
                                         "symbol_index": index}), name)
    table = open_recording(tmp_path).table(EventKind.TOP_OF_BOOK)
    assert symbols_of(table) == ["A@XNAS", "5", "", "A@XNAS", "5"]
    assert {name: len(of) for name, of in quotes_by_symbol(table).items()} == {
        "": 1, "5": 2, "A@XNAS": 2}


def test_a_recording_across_a_reset_is_refused(story):
    story.sent(1, 1000)
    story.sent(2, 2000)
    story.sent(1, 50, sequence=0)
    with pytest.raises(ControlError, match="the appliance was reset during the recording"):
        analyse(story.end())


def test_an_empty_recording_has_empty_numbers(story):
    run = analyse(story.end())
    found = summary(run)
    assert found["orders"] == found["fills"] == found["profit_e4"] == found["seconds"] == 0
    assert found["positions"] == {} and found["latency_cycles"] == {}
    assert run.began_ns == run.ended_ns == 0


def test_answers_to_orders_from_before_are_counted(story):
    story.answered(9, AnswerCode.EXECUTED, 1000, quantity=5, price=1)
    run = analyse(story.end())
    assert run.orders.log.unexplained == 1 and run.fills == []


def test_a_broken_execution_is_counted_and_stays(story):
    story.sent(1, 10, price=100)
    story.answered(1, AnswerCode.EXECUTED, 1000, quantity=5, price=100)
    story.answered(1, AnswerCode.BROKEN, 2000, quantity=5, price=100)
    run = analyse(story.end())
    assert run.orders.broken == 1 and summary(run)["positions"] == {"A@XNAS": 5}
