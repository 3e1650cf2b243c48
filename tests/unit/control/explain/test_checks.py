"""Every check by its numbers, against the specification of the risk gate."""

import random
from dataclasses import replace

import pytest

from control.explain.account import Account
from control.explain.checks import Judged, judge
from control.explain.market import Touch
from control.explain.settings import settings_at
from control.limits import Limits as ControlLimits
from control.orders import OrderLog
from proto.checks import Check
from proto.events import BookState, StateFlag
from proto.wire.ouch50 import MAXIMUM_QUANTITY
from sim.golden import risk
from tests.support.recorded import top_record

UP = StateFlag.ARMED | StateFlag.FEED_UP | StateFlag.SESSION_UP | StateFlag.MODEL_LOADED
INDEX = 1


def settings_of(limits):
    settings = settings_at([], 0, 8)
    settings.registers |= {"risk.message_interval": 1000, "risk.message_burst": 5000,
                           "risk.hold": 100}
    if limits is not None:
        settings.rows["limits", INDEX] = ControlLimits(
            maximum_quantity=limits.maximum_quantity, maximum_value_e4=limits.maximum_value,
            collar_fraction=limits.collar_fraction, collar_minimum_e4=limits.collar_minimum,
            maximum_long=limits.maximum_long, maximum_short=limits.maximum_short,
            maximum_open_orders=limits.maximum_open_orders,
            restricted=limits.restricted).registers()
    return settings


def case(random_source):
    """Return the same order for both: golden arguments, and arguments of `judge`."""
    chance = random_source.random
    limits = risk.Limits(
        maximum_quantity=random_source.choice((100, 200, MAXIMUM_QUANTITY)),
        maximum_value=random_source.choice((100 * 10_000, 10_000 * 10_000, 2**50)),
        collar_fraction=random_source.choice((0, 655, 6550)),
        collar_minimum=random_source.choice((0, 100, 1000)),
        maximum_long=random_source.choice((0, 100, 400)),
        maximum_short=random_source.choice((0, 100, 400)),
        maximum_open_orders=random_source.choice((0, 1, 4)), restricted=chance() < 0.1)
    has_limits = chance() < 0.9
    bid = random_source.randrange(9_900, 10_100)
    spoilt, halted, restricted = chance() < 0.1, chance() < 0.1, chance() < 0.3
    book = risk.Book(bid=bid, ask=bid + 100, usable=not spoilt, tradable=not halted,
                     price_test=restricted)
    worst_long, worst_short = random_source.randrange(-300, 500), random_source.randrange(-500, 300)
    exposure = risk.Exposure(worst_long=worst_long, worst_short=worst_short,
                             open_orders=random_source.randrange(6))
    full_ns = random_source.choice((0, 5_900, 6_000, 6_001, 9_000))
    feed_up = chance() < 0.9
    flags = {StateFlag.ARMED: chance() < 0.9, StateFlag.KILLED: chance() < 0.1,
             StateFlag.SESSION_UP: chance() < 0.9, StateFlag.FEED_UP: feed_up}
    side, quantity = random_source.randrange(2), random_source.choice((0, 50, 100, 101, 300))
    price = random_source.randrange(9_000, 11_000)
    golden = risk.mask(
        side, price, quantity, limits if has_limits else None,
        replace(book, usable=book.usable and feed_up), exposure,
        risk.Flags(session_up=flags[StateFlag.SESSION_UP], armed=flags[StateFlag.ARMED],
                   killed=flags[StateFlag.KILLED], rate_exceeded=full_ns > 1_000 + 5_000))
    state = ((BookState.STALE if spoilt else 0) | (BookState.HALTED if halted else 0)
             | (BookState.SHORT_RESTRICTED if restricted else 0))
    touch = Touch(top_record(bid_price=bid, ask_price=bid + 100, bid_quantity=1, ask_quantity=1,
                             bid_count=1, ask_count=1, state=int(state)))
    order = Judged(
        symbol_index=INDEX, quantity=quantity, price_e4=price, sell=bool(side),
        reference_e4=touch.mid_e4, worst_position=worst_short if side else worst_long,
        worst_short=worst_short, open_orders=exposure.open_orders, now_ns=1_000, waited_ns=0)
    held = StateFlag(sum(flag for flag, is_set in flags.items() if is_set))
    account = Account(OrderLog(), {}, held, full_ns)
    return golden, (order, settings_of(limits if has_limits else None), account, touch)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_checks_fail_as_in_the_specification(seed):
    random_source = random.Random(seed)
    seen = set()
    for _ in range(500):
        golden, given = case(random_source)
        rows = judge(*given)
        assert sum(row.check.mask for row in rows if row.passes is False) == golden
        assert [row.check for row in rows] == sorted(row.check for row in rows)
        seen |= {row.check for row in rows if row.passes is False}
        for row in rows:
            assert (row.value is None) == (row.limit is None)
    assert seen == set(Check) - {Check.AGE}


def test_an_order_that_waited_too_long():
    _, (order, settings, account, touch) = case(random.Random(1))
    rows = {row.check: row for row in judge(replace(order, waited_ns=101), settings, account,
                                            touch)}
    assert rows[Check.AGE].passes is False
    assert (rows[Check.AGE].value, rows[Check.AGE].limit) == (101, 100)


def test_without_a_book_its_checks_are_left_open():
    _, (order, settings, account, _) = case(random.Random(2))
    rows = {row.check: row for row in judge(order, settings, account, None)}
    assert rows[Check.BOOK].passes is None and rows[Check.HALTED].passes is None


def test_the_account_holds_what_its_flags_say():
    account = Account(OrderLog(), {INDEX: 40}, UP, 0)
    assert account.position(INDEX) == 40 and account.position(0) == 0
    assert account.worst_position(INDEX, sell=True) == 40
