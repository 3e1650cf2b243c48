"""Rules of the control plane, without gRPC and I/O."""

import asyncio
import struct

import pytest

from control.broker import EventBroker, decode_event
from control.changes import Revision, WriterLease
from control.errors import ControlError, Reason
from control.feed import FeedSettings
from control.latency import percentiles
from control.limits import Limits, SessionLimits
from control.session import SessionSettings
from control.strategy import DISABLED, Strategy
from control.symbols import parse_name, reciprocal
from control.units import (
    cycles_to_ns,
    format_mac,
    format_price,
    parse_ipv4,
    parse_mac,
    parse_price,
    signed,
    unsigned,
)
from hdl.book.tick import reciprocal as hardware_reciprocal
from hdl.net.tcp_connection import CloseReason as HardwareCloseReason
from hdl.net.tcp_connection import TcpState as HardwareTcpState
from hdl.order.soupbin_session import SessionState as HardwareSessionState
from proto.events import HEADER, EventKind
from proto.registers import register_map
from proto.session_states import CloseReason, SessionState, TcpState

MAP = register_map(symbols=1)
LIMITS = {"maximum_quantity": 500, "maximum_value_e4": 2**40, "collar_fraction": 3276,
          "collar_minimum_e4": 100, "maximum_long": 1000, "maximum_short": 0,
          "maximum_open_orders": 4}


@pytest.mark.parametrize("text, price", [
    ("12.34", 123400), ("0.0001", 1), ("-0.01", -100), ("5", 50000), ("1e2", 1_000_000)])
def test_prices_are_exact(text, price):
    assert parse_price(text) == price


@pytest.mark.parametrize("text", ["", "x", "0.00001", "nan", "inf"])
def test_what_is_no_price_is_refused(text):
    with pytest.raises(ControlError, match="price must be dollars"):
        parse_price(text)


@pytest.mark.parametrize("price, text", [
    (123400, "12.34"), (1, "0.0001"), (-100, "-0.01"), (50000, "5.00"), (123450, "12.345")])
def test_prices_are_printed_with_two_decimals_or_more(price, text):
    assert format_price(price) == text


def test_numbers_and_addresses():
    assert signed(2**32 - 1) == -1 and unsigned(-1) == 2**32 - 1 and signed(5, 64) == 5
    assert cycles_to_ns(10, 156_250_000) == 64 and cycles_to_ns(1, 156_250_000) == 7
    assert format_mac(parse_mac("02:00:00:00:00:0a", "x")) == "02:00:00:00:00:0a"
    assert parse_ipv4("10.0.0.1", "x") == 0x0A000001


@pytest.mark.parametrize("tick", [1, 2, 3, 99, 100, 101, 5000, 65535])
def test_reciprocals_are_those_of_the_hardware(tick):
    wanted = hardware_reciprocal(tick)
    assert reciprocal(tick) == (wanted.multiplier, wanted.exponent)


def test_states_are_those_of_the_hardware():
    for ours, theirs in ((TcpState, HardwareTcpState), (CloseReason, HardwareCloseReason),
                         (SessionState, HardwareSessionState)):
        assert {state.name: state.value for state in ours} == {
            state.name: state.value for state in theirs}


@pytest.mark.parametrize("text", ["", "@XNAS", "AAPL@XLON", "NINECHARS", "A B"])
def test_what_is_no_symbol_is_refused(text):
    with pytest.raises(ControlError, match="symbol must be"):
        parse_name(text)


@pytest.mark.parametrize("field, value", [
    ("maximum_quantity", 0), ("maximum_quantity", 1_000_000), ("maximum_value_e4", 2**52),
    ("collar_fraction", 65536), ("maximum_long", -1), ("maximum_open_orders", 1024)])
def test_limits_out_of_range_are_refused(field, value):
    with pytest.raises(ControlError, match=f"{field} must be") as caught:
        Limits(**{**LIMITS, field: value})
    assert caught.value.reason is Reason.INVALID_FIELD and caught.value.field == field


def test_settings_survive_their_registers():
    limits = Limits(**LIMITS)
    assert Limits.from_registers({**limits.registers(), "state": 7 << 16 | 1}) == limits
    # Left over in the table's memory, and not in force.
    assert Limits.from_registers({**limits.registers(), "state": 7 << 16}) is None
    session = SessionLimits(message_interval_ns=1, message_burst_ns=2, hold_ns=3,
                            watchdog_timeout_ns=2**39, cancel_on_kill=True)
    assert SessionLimits.from_registers({name.removeprefix("risk."): value for name, value
                                         in session.registers().items()}) == session
    strategy = Strategy(buy_threshold=-1, sell_threshold=2**31 - 1, cancel_buy_threshold=-2**31,
                        cancel_sell_threshold=-2**31 + 1, quantity=1, offset_e4=-5, day=True)
    assert Strategy.from_registers(strategy.registers()) == strategy
    assert Strategy.from_registers(DISABLED.registers()) == DISABLED
    feed = FeedSettings(enable=True, group_ip="239.0.0.1", udp_port=5, session="ABC",
                        next_sequence=2**33, cut_through=True, timeout_ns=2**39,
                        recorded_messages=("trade", "noii"), record_all_symbols=True,
                        record_vectors=True, igmp="version_2", local_mac="02:00:00:00:00:03",
                        local_ip="10.0.0.3")
    registers = feed.registers()
    assert FeedSettings.from_registers(
        {name.removeprefix("feed."): value for name, value in registers.items()},
        registers["control.fcs_mode"], registers["control.details"]) == feed
    order = SessionSettings(local_mac="02:00:00:00:00:02", local_ip="10.0.0.2", local_port=1,
                            peer_ip="10.0.0.1", peer_port=2, gateway_ip="10.0.0.254",
                            next_hop_mac="02:00:00:00:00:01", username="U", password="P",
                            requested_session="S1", sequence=12345678901234567890)
    assert SessionSettings.from_registers(order.registers()) == order


@pytest.mark.parametrize("block, registers", [
    ("limits[0]", Limits(**LIMITS).registers()), ("strategy[0]", DISABLED.registers()),
    ("session", SessionSettings(local_mac="02:00:00:00:00:02", local_ip="10.0.0.2", local_port=1,
                                peer_ip="10.0.0.1", peer_port=2, user_ref_num=1).registers())])
def test_settings_fit_the_registers_of_the_map(block, registers):
    for name, value in registers.items():
        (field,) = MAP[f"{block}.{name}"].register.fields
        assert 0 <= value < 1 << field.width


def test_strategies_and_sessions_out_of_range_are_refused():
    for field, value in (("sell_threshold", -2**31), ("quantity", 1_000_000),
                         ("cooldown_ns", 2**32)):
        with pytest.raises(ControlError, match=f"{field} must be"):
            Strategy(**{"buy_threshold": 0, "sell_threshold": 0, "cancel_buy_threshold": 0,
                        "cancel_sell_threshold": 0, "quantity": 1, field: value})
    with pytest.raises(ControlError, match="username must be at most 6"):
        SessionSettings(local_mac="02:00:00:00:00:02", local_ip="1.2.3.4", local_port=1,
                        peer_ip="1.2.3.5", peer_port=1, username="TOOLONG").registers()


def test_one_writer_at_a_time():
    lease = WriterLease(duration_s=10)
    lease.take("a", 0)
    lease.take("a", 9)
    with pytest.raises(ControlError, match="a is changing things: wait 1 s"):
        lease.take("b", 18)
    lease.take("b", 19)
    lease.take("c", 19, take_over=True)
    assert lease.writer == "c"


def test_revisions():
    revision = Revision()
    revision.check(None)
    revision.check(1)
    revision.advance()
    with pytest.raises(ControlError, match="expected_revision must be 2, was 1") as caught:
        revision.check(1)
    assert caught.value.metadata == {"revision": "2"}


def test_percentiles_of_a_histogram():
    assert percentiles({}, 0) == {}
    assert percentiles({10: 1}, 10) == dict.fromkeys((5000, 9000, 9900, 9990, 10000), 10)
    assert percentiles({10: 5, 20: 4, 30: 1}, 30) == {5000: 10, 9000: 20, 9900: 30, 9990: 30,
                                                      10000: 30}


def record(number, kind=200):
    return HEADER.encode({"schema_version": 1, "kind": kind, "symbol_index": 0xFFFF,
                          "event_sequence": number % 2**32, "cycle": 0}) + bytes(48)


def test_a_slow_reader_is_told_what_it_missed_and_others_are_not_held_up():
    async def story():
        broker = EventBroker()
        with broker.subscribe(4) as slow, broker.subscribe(100) as quick:
            for number in range(10):
                broker.publish(record(number))
            broker.close()
            assert [batch async for batch in slow.batches()] == [
                (6, [record(number) for number in range(6, 10)])]
            assert [batch async for batch in quick.batches()] == [
                (0, [record(number) for number in range(10)])]
    asyncio.run(story())


def test_lost_records_are_counted_even_over_the_end_of_the_numbers():
    broker = EventBroker()
    for number in (2**32 - 2, 2**32 - 1, 2):
        broker.publish(record(number))
    assert (broker.lost, broker.received) == (2, 3)
    for number in (5, 6, 9):
        broker.publish(record(number, kind=EventKind.TOP_OF_BOOK))   # numbers of their own
    assert (broker.lost, broker.skipped) == (2, 2)
    broker.restart()
    broker.publish(record(77))
    assert broker.lost == 2


def test_unknown_records_keep_their_header():
    event = decode_event(record(5, kind=250))
    assert (event.kind, event.fields["event_sequence"], event.symbol_index) == ("unknown", 5, None)
    assert struct.unpack_from("<I", event.record, 4) == (5,)


def test_reasons_have_codes_and_statuses():
    assert Reason.ARMED.code == "FAILED_PRECONDITION"
    assert len({reason.value for reason in Reason}) == len(list(Reason))
    assert len(Reason.__members__) == len(list(Reason))    # no aliases
