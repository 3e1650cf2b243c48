"""Order sessions: logins, every answer, replays; the same bytes at every segmentation."""

from random import Random

import pytest

from proto.wire import ouch50, soupbintcp
from proto.wire.ouch50_codes import RejectReason
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder, Side, TimeInForce
from sim.exchange.ouch_session import OuchSession
from sim.exchange.soup_server import SoupSettings

SECOND_NS = 1_000_000_000
SETTINGS = SoupSettings(username="user", password="secret", session="S1")


def enter(number, side="B", quantity=100, price_e4=1_000_000, symbol="AAPL", tif="0", options=None,
          **more):
    return ouch50.ENTER_ORDER.encode({
        "user_ref_num": number, "side": side, "quantity": quantity, "symbol": symbol,
        "price": price_e4, "time_in_force": tif, "display": "Y", "capacity": "P",
        "inter_market_sweep_eligibility": "N", "cross_type": "N", "cl_ord_id": f"ID{number}",
        **more}, options)


def cancel(number, quantity=0):
    return ouch50.CANCEL_ORDER.encode({"user_ref_num": number, "quantity": quantity})


def replace(old, number, quantity, price_e4, tif="0"):
    return ouch50.REPLACE_ORDER.encode({
        "orig_user_ref_num": old, "user_ref_num": number, "quantity": quantity, "price": price_e4,
        "time_in_force": tif, "display": "Y", "inter_market_sweep_eligibility": "N",
        "cl_ord_id": "R"})


def login(username="USER", password="SECRET", session="", sequence=1):
    return soupbintcp.frame(soupbintcp.LOGIN_REQUEST, username=username, password=password,
                            requested_session=session, requested_sequence_number=sequence)


def unsequenced(*messages):
    return b"".join(soupbintcp.frame(soupbintcp.UNSEQUENCED_DATA, item) for item in messages)


def split(data):
    """Return (type, payload) of every SoupBinTCP packet."""
    found = []
    while data:
        length = int.from_bytes(data[:2], "big")
        found.append((data[2:3], data[3:2 + length]))
        data = data[2 + length:]
    return found


def decode(message):
    """Return the letter and the fields of an OUCH message of the exchange."""
    fields, options = ouch50.OUTBOUND[message[0]].decode(message)
    kind = fields.pop("message_type")
    return kind, {**fields, **options}


class Bench:
    """A session over a matching engine, and one connection."""

    def __init__(self, **more):
        self.engine = MatchingEngine([Instrument(symbol="AAPL", locate=1)])
        self.outcomes = []
        self.session = OuchSession(self.engine, SETTINGS, apply=self.apply, **more)
        self.now_ns = 0
        self.connect()

    def connect(self):
        self.connection = self.session.connect(self.now_ns)

    def apply(self, outcome):
        self.outcomes.append(outcome)
        for report in outcome.reports:
            if report.account == SETTINGS.username:
                self.session.port.report(report)

    def background(self, side, quantity, price_e4, tif=TimeInForce.DAY):
        self.apply(self.engine.enter(NewOrder(symbol="AAPL", side=Side(side), quantity=quantity,
                                              price_e4=price_e4, time_in_force=tif), self.now_ns))

    def talk(self, data):
        self.connection.receive(data, self.now_ns)
        return split(self.connection.take_output())

    def login(self, **more):
        return self.talk(login(**more))

    def say(self, *messages):
        """Return the exchange's answers to some messages."""
        answers = self.talk(unsequenced(*messages))
        assert all(kind == b"S" for kind, _ in answers)
        return [decode(message) for _, message in answers]


@pytest.fixture
def bench():
    made = Bench()
    assert made.login() == [(b"A", b"        S1" + b"1".rjust(20))]
    return made


def test_enter_is_accepted_with_the_reference_of_the_feed(bench):
    bench.now_ns = 77
    [(kind, fields)] = bench.say(enter(1, options={"firm": "LIME"}))
    assert kind == "A"
    assert fields == {
        "timestamp": 77, "user_ref_num": 1, "side": "B", "quantity": 100, "symbol": "AAPL",
        "price": 1_000_000, "time_in_force": "0", "display": "Y",
        "order_reference_number": bench.outcomes[0].events[0].reference, "capacity": "P",
        "inter_market_sweep_eligibility": "N", "cross_type": "N", "order_state": "L",
        "cl_ord_id": "ID1", "firm": "LIME"}


def test_ioc_takes_what_is_there_and_is_cancelled_for_the_rest(bench):
    bench.background("S", 60, 1_000_000)
    answers = bench.say(enter(1, tif="3"))
    assert [kind for kind, _ in answers] == ["A", "E", "C"]
    executed, cancelled = answers[1][1], answers[2][1]
    assert (executed["quantity"], executed["price"], executed["liquidity_flag"]) == \
        (60, 1_000_000, "R")
    assert (cancelled["quantity"], cancelled["reason"]) == (40, "I")
    assert bench.session.port.live_orders == []


def test_resting_order_is_told_of_each_execution(bench):
    bench.say(enter(1))
    for quantity in (30, 100):
        bench.background("S", quantity, 1_000_000, TimeInForce.IOC)
    answers = [decode(message) for _, message in split(bench.connection.take_output())]
    assert [(kind, f["quantity"], f["liquidity_flag"]) for kind, f in answers] == [
        ("E", 30, "A"), ("E", 70, "A")]


@pytest.mark.parametrize(("fields", "reason"), [
    ({"symbol": "IBM"}, RejectReason.INVALID_SYMBOL),
    ({"side": "Z"}, RejectReason.INVALID_SIDE),
    ({"quantity": 0}, RejectReason.INVALID_QUANTITY),
    ({"quantity": 1_000_000}, RejectReason.INVALID_QUANTITY),
    ({"price_e4": 0}, RejectReason.INVALID_PRICE),
    ({"price_e4": 1_000_001}, RejectReason.INVALID_PRICE),
    ({"price_e4": ouch50.MARKET_PRICE}, RejectReason.INVALID_PRICE),
    ({"display": "Q"}, RejectReason.INVALID_DISPLAY),
    ({"cross_type": "O"}, RejectReason.INVALID_CROSS_ORDER),
    ({"tif": "6"}, RejectReason.OTHER),
    ({"options": {"min_qty": 100}}, RejectReason.INVALID_MIN_QUANTITY),
    ({"options": {"max_floor": 100}}, RejectReason.INVALID_MAX_FLOOR),
    ({"options": {"price_type": "M"}}, RejectReason.PEGGING_NOT_ALLOWED),
    ({"options": {"user_ref_idx": 3}}, RejectReason.OTHER),
])
def test_bad_order_is_rejected_for_its_reason_and_its_number_is_used_up(bench, fields, reason):
    [(kind, told)] = bench.say(enter(5, **fields))
    assert (kind, told["user_ref_num"], told["reason"]) == ("J", 5, reason)
    assert told["cl_ord_id"] == "ID5"
    assert bench.say(enter(5)) == []
    assert bench.session.port.counters["duplicate"] == 1


def test_refusal_of_the_venue_is_a_rejection():
    bench = Bench(refusal=lambda symbol: RejectReason.HALTED)
    bench.login()
    [(kind, told)] = bench.say(enter(1))
    assert (kind, told["reason"]) == ("J", RejectReason.HALTED)


def test_old_number_is_silently_ignored(bench):
    assert [kind for kind, _ in bench.say(enter(9), enter(9), enter(3), enter(10))] == ["A", "A"]
    assert bench.session.port.counters["duplicate"] == 2


def test_cancel_gives_the_rest_once_and_nothing_afterwards(bench):
    bench.say(enter(1))
    [(kind, told)] = bench.say(cancel(1))
    assert (kind, told["quantity"], told["reason"]) == ("C", 100, "U")
    assert bench.say(cancel(1), cancel(2)) == []


def test_cancel_down_to_a_total_counts_what_was_executed(bench):
    bench.say(enter(1, quantity=500))
    bench.background("S", 100, 1_000_000, TimeInForce.IOC)
    bench.connection.take_output()
    [(_, told)] = bench.say(cancel(1, 300))
    assert told["quantity"] == 200
    assert bench.say(cancel(1, 400)) == []
    assert bench.session.port.live_orders[0].open_quantity == 200


def test_replacement_counts_the_whole_chain(bench):
    bench.say(enter(1, quantity=500))
    bench.background("S", 100, 1_000_000, TimeInForce.IOC)
    bench.connection.take_output()
    [(kind, told)] = bench.say(replace(1, 2, 600, 1_000_100))
    assert (kind, told["orig_user_ref_num"], told["user_ref_num"], told["quantity"],
            told["price"]) == ("U", 1, 2, 500, 1_000_100)
    assert bench.say(replace(1, 3, 600, 1_000_100)) == []
    [(kind, told)] = bench.say(cancel(2))
    assert (kind, told["quantity"]) == ("C", 500)


def test_replacement_by_an_ioc_trades_or_dies(bench):
    bench.say(enter(1))
    bench.background("S", 40, 1_000_100)
    answers = bench.say(replace(1, 2, 100, 1_000_100, tif="3"))
    assert [(kind, f.get("quantity")) for kind, f in answers] == [("U", 100), ("E", 40), ("C", 60)]
    assert bench.engine.best("AAPL", Side.BUY) == (0, 0, 0)


def test_bad_replacement_cancels_the_original_and_leaves_the_number_free(bench):
    bench.say(enter(1))
    [(kind, told)] = bench.say(replace(1, 2, 100, 1_000_001))
    assert (kind, told["user_ref_num"], told["reason"]) == ("C", 1, "U")
    assert [kind for kind, _ in bench.say(enter(2))] == ["A"]


def test_modify_mass_cancel_and_account_query(bench):
    bench.say(enter(1), enter(2, side="S", price_e4=1_100_000))
    modify = ouch50.MODIFY_ORDER.encode({"user_ref_num": 1, "side": "B", "quantity": 60})
    [(kind, told)] = bench.say(modify)
    assert (kind, told["quantity"]) == ("M", 60)
    mass = ouch50.MASS_CANCEL.encode({"user_ref_num": 7, "firm": "FIRM", "symbol": ""},
                                     {"side": "B"})
    assert [kind for kind, _ in bench.say(mass)] == ["X", "C"]
    [(kind, told)] = bench.say(ouch50.ACCOUNT_QUERY.encode({}))
    assert (kind, told["next_user_ref_num"]) == ("Q", 8)
    assert [order.user_ref_num for order in bench.session.port.live_orders] == [2]


def test_post_only_that_would_take_is_cancelled(bench):
    bench.background("S", 60, 1_000_000)
    answers = bench.say(enter(1, options={"post_only": "P"}))
    assert [(kind, f.get("reason")) for kind, f in answers] == [("A", None), ("C", "G")]


@pytest.mark.parametrize("message", [b"", b"?", enter(1)[:30], enter(1) + b"x", b"X\0"])
def test_message_that_cannot_be_decoded_is_counted(bench, message):
    assert bench.say(message) == []
    assert bench.session.port.counters["malformed"] == 1
    assert [kind for kind, _ in bench.say(enter(1))] == ["A"]


def conversation():
    return (login(sequence=1) + unsequenced(enter(1), enter(2, side="S", price_e4=1_000_200))
            + soupbintcp.frame(soupbintcp.CLIENT_HEARTBEAT)
            + soupbintcp.frame(soupbintcp.DEBUG, b"hello")
            + unsequenced(enter(2), cancel(1), enter(3, quantity=0), enter(4, tif="3"),
                          replace(2, 5, 50, 1_000_300), ouch50.ACCOUNT_QUERY.encode({})))


def test_every_segmentation_gives_the_same_answers():
    data = conversation()

    def answers(cuts):
        bench = Bench()
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        return b"".join(part for piece in parts
                        for part in [bench.connection.receive(piece, 0)
                                     or bench.connection.take_output()])

    whole = answers([])
    assert len(split(whole)) == 9
    for cut in range(1, len(data)):
        assert answers([cut]) == whole
    assert answers(list(range(1, len(data)))) == whole, "byte by byte"
    random = Random(5)
    for _ in range(50):
        assert answers(sorted(random.sample(range(1, len(data)), 6))) == whole


@pytest.mark.parametrize(("more", "reason"), [
    ({"username": "OTHER"}, b"A"), ({"password": "X"}, b"A"), ({"session": "S2"}, b"S")])
def test_refused_login_says_why_and_closes(more, reason):
    bench = Bench()
    assert bench.login(**more) == [(b"J", reason)]
    assert bench.connection.closing and not bench.connection.logged_in


@pytest.mark.parametrize(("data", "error"), [
    (b"\0\0\0", "length 0"), (b"\0\1Q", "unknown type"), (unsequenced(b"x"), "before the login"),
    (soupbintcp.frame(soupbintcp.SERVER_HEARTBEAT), "unknown type")])
def test_protocol_error_closes(data, error):
    bench = Bench()
    assert bench.talk(data) == []
    assert bench.connection.closing and error in bench.connection.error


def test_second_login_closes(bench):
    bench.login()
    assert bench.connection.error == "a second login"


def test_missed_messages_are_replayed_from_the_number_asked_for(bench):
    bench.say(enter(1), enter(2), cancel(1))
    bench.connection.disconnected(5)
    bench.background("S", 100, 1_000_000, TimeInForce.IOC)
    stored = bench.session.stream.messages
    assert [decode(message)[0] for message in stored] == ["A", "A", "C", "E"]
    for asked, first in ((3, 3), (1, 1), (0, 4), (99, 5)):
        bench.connect()
        accepted, *rest = bench.login(sequence=asked, session="S1")
        assert accepted == (b"A", b"S1".rjust(10) + str(first).encode().rjust(20))
        assert rest == [(b"S", message) for message in stored[first - 1:]]


def test_newer_login_takes_over(bench):
    old = bench.connection
    bench.connect()
    bench.login()
    assert old.closing and "another connection" in old.error
    old.disconnected(0)
    assert [kind for kind, _ in bench.say(enter(1))] == ["A"]


def test_heartbeats_and_the_silent_peer(bench):
    bench.connection.advance(SECOND_NS - 1)
    assert bench.connection.take_output() == b""
    assert bench.connection.next_ns == SECOND_NS
    bench.connection.advance(SECOND_NS)
    assert split(bench.connection.take_output()) == [(b"H", b"")]
    bench.connection.advance(15 * SECOND_NS)
    assert bench.connection.closing and "silent" in bench.connection.error


def test_no_login_in_time_closes():
    bench = Bench()
    bench.connection.advance(30 * SECOND_NS - 1)
    assert not bench.connection.closing
    bench.connection.advance(30 * SECOND_NS)
    assert bench.connection.closing


def test_logout_and_end_of_session(bench):
    bench.say(enter(1))
    bench.session.end_of_day(9)
    told = split(bench.connection.take_output())
    assert [kind for kind, _ in told] == [b"S", b"S", b"Z"]
    assert [decode(message)[0] for _, message in told[:2]] == ["C", "S"]
    bench.connect()
    assert bench.login() == [(b"J", b"S")]
    other = Bench()
    other.login()
    assert other.talk(soupbintcp.frame(soupbintcp.LOGOUT_REQUEST)) == []
    assert other.connection.closing and not other.connection.error


def test_orders_are_cancelled_on_disconnection_only_if_so_set():
    for cancels in (False, True):
        bench = Bench(cancel_on_disconnect=cancels)
        bench.login()
        bench.say(enter(1))
        bench.connection.disconnected(8)
        assert len(bench.session.port.live_orders) == (0 if cancels else 1)
