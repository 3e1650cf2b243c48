"""Explanations of a run made by hand: what is asked for, what is missing, how it reads."""

import io
import json
import zlib

import pytest

from control.cli.environment import Environment
from control.cli.main import run
from control.errors import ExitStatus
from control.strategy import Strategy
from control.symbols import WatchedSymbol, symbol_registers
from proto.checks import Check
from proto.events import NO_SYMBOL, AnswerCode, EventKind, OrderFlag, StateFlag, VectorFlag
from proto.features import FEATURES
from proto.recording import FILE_NAME
from proto.wire import itch50, ouch50, soupbintcp
from proto.wire.ethernet import TcpFlag
from sim.exchange.packets import Endpoint, Segment, tcp_frame
from sim.framing import FeedAddress
from tests.support.recorded import RecordedRun, feed_frame

ADDRESS = FeedAddress()
INDEX, LOCATE = 2, 7
BID, ASK = 1_000_000, 1_000_100
#: Start of the trigger's frame; ingress is 3 cycles later.
PINS, SENT = 50_000, 50_033
LIMITS = {"maximum_quantity": 200, "maximum_value_lo": 10**9, "collar_fraction": 1310,
          "collar_minimum": 1000, "maximum_long": 150, "maximum_short": 400,
          "maximum_open_orders": 4}
STRATEGY = Strategy(buy_threshold=90, sell_threshold=90, cancel_buy_threshold=-1000,
                    cancel_sell_threshold=-1000, quantity=100, enable=True)


def add(sequence, price, shares, side="B"):
    return itch50.ADD_ORDER.encode({
        "stock_locate": LOCATE, "tracking_number": 0, "timestamp": 34_200_000_000_000 + sequence,
        "order_reference_number": sequence, "buy_sell_indicator": side, "shares": shares,
        "stock": "TEST", "price": price})


def order_frame(number):
    body = ouch50.ENTER_ORDER.encode({
        "user_ref_num": number, "side": "B", "quantity": 100, "symbol": "TEST", "price": ASK,
        "time_in_force": "3", "display": "Y", "capacity": "P",
        "inter_market_sweep_eligibility": "N", "cross_type": "N",
        "cl_ord_id": f"TICKWI{number:08X}"})
    frame = tcp_frame(Segment(
        source=Endpoint(0x020000000001, 0xC0000201, 40001),
        destination=Endpoint(0x020000000002, 0xC0000202, 26400), sequence=1, flags=TcpFlag.ACK,
        payload=soupbintcp.frame(soupbintcp.UNSEQUENCED_DATA, body)))
    return frame + zlib.crc32(frame).to_bytes(4, "little")


def settings(made):
    symbol = WatchedSymbol(stock="TEST", index=INDEX, tick_size_e4=100, locate=LOCATE)
    for array, row in (("symbols", symbol_registers(symbol)), ("limits", LIMITS),
                       ("strategy", STRATEGY.registers())):
        made.write(2000, **{f"{array}_at_{INDEX}__{name}": value for name, value in row.items()})
        made.write(2000, **{f"{array}_at_{INDEX}__commit": 1})
    for address, weight in enumerate([1] + [0] * len(FEATURES)):
        made.write(2000, model__bank=1, model__address=address, model__data=weight, model__write=1)
    made.write(2001, model__swap_bank=1, model__swap_epoch=1, model__expected_epoch=0,
               model__swap=1)
    made.write(2002, risk__message_interval=1000, risk__message_burst=1_000_000, risk__hold=1000)
    made.record(EventKind.STATE, 3000, flags=int(
        StateFlag.ARMED | StateFlag.FEED_UP | StateFlag.SESSION_UP | StateFlag.MODEL_LOADED))


def top(made, cycle, sequence, **values):
    made.record(EventKind.TOP_OF_BOOK, cycle, **{
        "symbol_index": INDEX, "locate": LOCATE, "feed_sequence": sequence,
        "ingress_cycle": cycle - 20, "bid_price": BID, "ask_price": ASK, "bid_quantity": 300,
        "ask_quantity": 100, "bid_count": 1, "ask_count": 1, **values})
    usable = values.get("bid_count", 1) > 0
    made.record(EventKind.FEATURE_VECTOR, cycle + 9, symbol_index=INDEX, feed_sequence=sequence,
                spread=min(ASK - values.get("bid_price", BID), 2**15 - 1), position=-5,
                score=100 if usable else 0, epoch=1,
                flags=int(VectorFlag.USABLE | VectorFlag.SCORED) if usable else 0)


@pytest.fixture
def folder(tmp_path):
    """Return a run: message 3 makes order 9, message 4 one that is refused."""
    made = RecordedRun(tmp_path / FILE_NAME)
    settings(made)
    made.frame_in(40_000, feed_frame(ADDRESS, 1, [add(1, ASK, 100, "S")]))
    top(made, 40_025, 1, bid_price=0, bid_quantity=0, bid_count=0)
    made.frame_in(PINS, feed_frame(ADDRESS, 2, [add(2, BID, 200), add(3, BID, 100)]))
    top(made, PINS + 26, 2, bid_quantity=200)
    top(made, PINS + 29, 3)
    made.record(EventKind.ORDER_SENT, SENT, symbol_index=INDEX, feed_sequence=3,
                ingress_cycle=PINS + 3, decision_cycle=SENT - 1, user_ref_num=9, quantity=100,
                price=ASK, score=100, epoch=1, limits_version=1, latency=33)
    made.frame_out(SENT, order_frame(9))
    made.record(EventKind.VENUE_ANSWER, 60_000, user_ref_num=9, quantity=100, price=ASK,
                now_ns=made.time_ns(60_000), answer=AnswerCode.ACCEPTED, order_reference=77)
    made.record(EventKind.VENUE_ANSWER, 60_100, user_ref_num=9, quantity=60, price=ASK,
                now_ns=made.time_ns(60_100), answer=AnswerCode.EXECUTED)
    made.record(EventKind.VENUE_ANSWER, 60_200, user_ref_num=9, quantity=40, reason=ord("I"),
                now_ns=made.time_ns(60_200), answer=AnswerCode.CANCELED)
    made.frame_in(70_000, feed_frame(ADDRESS, 4, [add(4, BID, 50)]))
    top(made, 70_025, 4, bid_quantity=350)
    made.record(EventKind.ORDER_REFUSED, 90_000, symbol_index=INDEX, ingress_cycle=70_003,
                mask=Check.POSITION.mask, quantity=100, price=ASK, score=100, epoch=1,
                limits_version=1, count=3, reference_price=(BID + ASK) // 2, worst_position=60)
    made.record(EventKind.ORDER_REFUSED, 91_000, symbol_index=INDEX, count=1,
                mask=Check.SESSION.mask, flags=int(OrderFlag.CANCEL))
    made.close()
    return tmp_path


def tickwire(*arguments):
    out, err = io.StringIO(), io.StringIO()
    status = run(["explain", *map(str, arguments)],
                 Environment(stdin=io.StringIO(), stdout=out, stderr=err, variables={}))
    return status, out.getvalue(), err.getvalue()


def explained(folder, *arguments):
    status, out, err = tickwire("--run", folder, "--output", "json", *arguments)
    assert status == 0, err
    return json.loads(out)


def test_the_life_of_an_order(folder):
    found = explained(folder, 9)
    order = found["order"]
    assert (order["symbol"], order["quantity"], order["price_e4"]) == ("TEST@XNAS", 100, ASK)
    assert order["status"] == "canceled" and order["executed_quantity"] == 60
    trigger = found["trigger"]
    assert (trigger["sequence"], trigger["name"]) == (3, "add_order")
    assert trigger["messages_in_frame"] == 2 and trigger["fields"]["shares"] == 100
    stages = found["stages"]
    assert [row["cycle"] for row in stages][:2] == [PINS, PINS + 3]
    assert stages[0]["total_cycles"] == 0 and sum(row["step_cycles"] for row in stages) == \
        stages[-1]["total_cycles"]
    start = next(row for row in stages if "order's frame at" in row["name"])
    assert start["total_cycles"] == 33 and start["total_ns"] == 211.2
    # The second message ends 36 + 2 bytes after the first.
    last = next(row for row in stages if row["name"].startswith("last byte of the message"))
    assert last["cycle"] == PINS + (8 + 64 + 36 + 2 + 36 - 1) // 8
    assert found["book"]["before"]["bid_quantity"] == 200
    assert found["book"]["after"]["bid_quantity"] == 300
    signal = found["signal"]
    assert signal["score"] == signal["recorded_score"] == 100 and signal["score_equal"]
    assert [row["name"] for row in signal["features"]] == [feature.name for feature in FEATURES]
    assert (signal["features"][0]["value"], signal["features"][-1]["value"]) == (ASK - BID, -5)
    assert signal["features"][-1]["as_of"].startswith("the cycle")
    assert not any(row["failed"] or row["recomputed_passes"] is not True
                   for row in found["checks"])
    position = next(row for row in found["checks"] if row["check"] == "position")
    assert (position["value"], position["limit"]) == (100, 150)
    assert bytes.fromhex("".join(field["bytes"] for field in found["frame"]["fields"])) == \
        order_frame(9)
    assert [row["what"] for row in found["venue"]] == ["accepted", "executed", "canceled"]
    assert found["venue"][2]["reason"] == "immediate or cancel"
    assert found["account"]["before"]["position"] == 0
    assert found["account"]["after"] == {"position": 60, "open_buy": 0, "open_sell": 0,
                                         "cash_e4": -60 * ASK, "fills": 1}


def test_why_an_order_was_refused(folder):
    found = explained(folder, "--refusal", 5)
    assert found["refusal"]["count"] == 3 and found["refusal"]["failed"] == ["position"]
    assert found["trigger"]["sequence"] == 4
    failed = [row for row in found["checks"] if row["failed"]]
    assert [(row["check"], row["value"], row["limit"]) for row in failed] == [
        ("position", 160, 150)]
    assert all(row["recomputed_passes"] is not row["failed"] for row in found["checks"])
    assert found["account"]["before"]["position"] == 60


def test_refusals_of_several_symbols_are_told_by_the_last(tmp_path):
    made = RecordedRun(tmp_path / FILE_NAME)
    settings(made)
    made.frame_in(PINS, feed_frame(ADDRESS, 1, [add(1, BID, 100)]))
    top(made, PINS + 26, 1)
    for ingress in (PINS + 3, 0):
        made.record(EventKind.ORDER_REFUSED, 60_000, symbol_index=NO_SYMBOL, ingress_cycle=ingress,
                    mask=Check.DISARMED.mask, quantity=100, price=ASK, score=100, epoch=1,
                    limits_version=1, count=2, reference_price=(BID + ASK) // 2)
    made.close()
    found = explained(tmp_path, "--refusal", 1)
    assert found["refusal"]["symbol"] == "TEST@XNAS" and found["refusal"]["several_symbols"]
    assert "of several symbols, this one last" in tickwire("--run", tmp_path, "--refusal", 1)[1]
    assert found["trigger"]["symbol"] == "TEST@XNAS" and found["signal"]["score_equal"]
    assert next(row for row in found["checks"] if row["check"] == "position")["limit"] == 150
    unknown = explained(tmp_path, "--refusal", 2)
    assert unknown["trigger"] is None and unknown["refusal"]["symbol"] == "several symbols"
    assert [row["check"] for row in unknown["checks"] if row["failed"]] == ["disarmed"]
    assert all(row["recomputed_passes"] is None for row in unknown["checks"])


def test_a_cancel_that_was_refused_has_no_trigger(folder):
    found = explained(folder, "--refusal", "last")
    assert found["refusal"]["cancel"] and found["trigger"] is None and found["checks"] == []
    _, out, _ = tickwire("--run", folder, "--refusal", "last")
    assert "cancel of a purchase of TEST@XNAS" in out and "not a message" in out


@pytest.mark.parametrize(("sequence", "caused", "reason"), [
    (1, [], "one side only"),
    (2, [], "the score 100 buys, but:"),
    (3, ["order 9: `tickwire explain 9`"], None),
    (4, ["refusal 5: `tickwire explain --refusal 5`"], None),
])
def test_what_became_of_a_message(folder, sequence, caused, reason):
    found = explained(folder, "--message", sequence)
    assert found["caused"] == caused
    assert reason is None if not found["reasons"] else reason in found["reasons"][0]
    assert found["stages"][0]["name"].startswith("Start of the trigger's frame")


def test_everything_is_listed(folder):
    found = explained(folder)
    assert [row["user_ref_num"] for row in found["orders"]] == [9]
    assert [row["event_sequence"] for row in found["refusals"]] == [5, 6]
    _, out, _ = tickwire("--run", folder)
    assert "buy 100 TEST@XNAS at 100.01, IOC" in out


@pytest.mark.parametrize("arguments", [
    [9], ["--refusal", 5], ["--refusal", "last"], ["--message", 2], ["--message", 1], []])
def test_text_fits_a_hundred_columns(folder, arguments, monkeypatch):
    monkeypatch.chdir(folder)
    status, out, _ = tickwire("--run", ".", *arguments)
    assert status == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100 and all(line == line.rstrip() for line in lines)


def test_without_records_of_vectors_it_says_what_records_them(tmp_path):
    made = RecordedRun(tmp_path / FILE_NAME)
    settings(made)
    made.frame_in(PINS, feed_frame(ADDRESS, 1, [add(1, BID, 100), add(2, BID, 100)]))
    made.record(EventKind.TOP_OF_BOOK, PINS + 26, symbol_index=INDEX, locate=LOCATE,
                feed_sequence=1, ingress_cycle=PINS + 6)
    made.record(EventKind.ORDER_SENT, SENT, symbol_index=INDEX, feed_sequence=1,
                ingress_cycle=PINS + 3, decision_cycle=SENT - 1, user_ref_num=1, quantity=100,
                price=ASK, score=5, epoch=1, limits_version=1, latency=33)
    made.close()
    _, out, _ = tickwire("--run", tmp_path, 1)
    assert "features were not recorded: `tickwire feed set --record-vectors` does it" in out
    assert "DIFFERENT" not in out and "score in the hardware record" in out
    assert "--record-vectors" in explained(tmp_path, "--message", 2)["reasons"][0]


def test_an_order_by_its_token(folder):
    assert explained(folder, "TICKWI00000009")["order"]["user_ref_num"] == 9
    assert explained(folder, "0x9")["order"]["user_ref_num"] == 9


@pytest.mark.parametrize(("arguments", "status", "said"), [
    ([17], ExitStatus.USAGE, "no order 17 was sent in this run: there are 9 to 9"),
    (["NOTHING"], ExitStatus.USAGE, "no order NOTHING was sent"),
    (["--refusal", 17], ExitStatus.USAGE, "there are 5, 6"),
    ([9, "--refusal", 5], ExitStatus.USAGE, "give one of"),
    (["--message", 99], ExitStatus.USAGE, "which has 1 to 4"),
    (["--waves", "x.fst"], ExitStatus.USAGE, "--waves needs"),
])
def test_wrong_arguments_are_told(folder, arguments, status, said):
    found, out, err = tickwire("--run", folder, *arguments)
    assert found == status and said in err and not out


def test_a_folder_without_a_recording(tmp_path):
    status, _, err = tickwire("--run", tmp_path, 1)
    assert status == ExitStatus.FAILED
    assert FILE_NAME in err and "`make demo` makes a run" in err


def test_another_version_is_refused(tmp_path):
    RecordedRun(tmp_path / FILE_NAME, map_hash=1).close()
    status, _, err = tickwire("--run", tmp_path)
    assert status == ExitStatus.FAILED and "of another version; make the run again" in err


def test_a_recording_that_ends_early_says_so(folder):
    path = folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:-40])
    _, out, _ = tickwire("--run", path, 9)
    assert "the recording ends early" in out


def test_a_score_that_cannot_be_recomputed_is_told(folder, tmp_path):
    made = RecordedRun(tmp_path / "other.twr")
    settings(made)
    made.frame_in(PINS, feed_frame(ADDRESS, 1, [add(1, BID, 100)]))
    top(made, PINS + 26, 1)
    made.record(EventKind.ORDER_SENT, SENT, symbol_index=INDEX, feed_sequence=1,
                ingress_cycle=PINS + 3, decision_cycle=SENT - 1, user_ref_num=1, quantity=100,
                price=ASK, score=5, epoch=1, limits_version=1, latency=33)
    made.close()
    _, out, _ = tickwire("--run", tmp_path / "other.twr", 1)
    assert "DIFFERENT: what is recomputed is not what was scored" in out
