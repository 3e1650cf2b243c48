"""Snapshots to look at, and screens as text."""

import asyncio
import dataclasses
from datetime import UTC, datetime

from tickwire.v1 import status_service_pb2

from control.client import (
    Account,
    Book,
    BookLevel,
    Counter,
    Fill,
    Latency,
    LatencyPercentile,
    LoggedPosition,
    Order,
    OrderLog,
    Position,
    Refusals,
    Risk,
    Status,
)
from control.watch.snapshot import Snapshot

__all__ = ["book", "changed", "order", "running", "screen_text", "visit"]


def book(symbol="AAPL@XNAS", bid=1_887_200, ask=1_887_300, **values):
    sides = {side: (BookLevel(price_e4=price, quantity=quantity, orders=2),) if price else ()
             for side, price, quantity in (("bids", bid, 200), ("asks", ask, 50))}
    return Book(**{"symbol": symbol, "known": True, "states": (), **sides,
                   "ts_ns": 34_200_123_456_789, "feed_sequence": 7659, "tick_size_e4": 100,
                   **values})


def order(number, **values):
    return Order(**{"user_ref_num": number, "symbol": "AAPL@XNAS", "sell": False, "day": True,
                    "quantity": 100, "price_e4": 1_887_100, "status": "live", "open_quantity": 100,
                    "executed_quantity": 0, "executed_value_e4": 0, "cancel_sent": False,
                    "latency_cycles": 33, "epoch": 1, "reason": 0, **values})


def _position(symbol, position, **values):
    return Position(**{"symbol": symbol, "position": position, "open_buy": 0, "open_sell": 0,
                       "orders_buy": 0, "orders_sell": 0, **values})


def running():
    """An appliance at work: armed, one open order, a long and a short position."""
    names = ("AAPL@XNAS", "MSFT@XNAS")
    status = dataclasses.replace(
        Status.of(status_service_pb2.Status()), version="0.1.0", symbols=8,
        core_hz=156_250_000, memories_cleared=True, feed_enabled=True, feed_up=True,
        session_up=True, armed=True, model_loaded=True, model_epoch=1, model_name="demo",
        watched=names, limited=names, trading=names)
    accounts = (("AAPL@XNAS", 100, -188_700_000), ("MSFT@XNAS", -200, 824_200_000))
    return Snapshot(
        at=datetime(2026, 11, 23, 9, 30, 5, tzinfo=UTC), seconds=100.0, status=status,
        risk=Risk(armed=True, killed=False, causes=(), reason="", sweeping=False,
                  limits_version=2),
        books=(book(), book("MSFT@XNAS", 4_120_700, 4_120_900)),
        account=Account(
            positions=(_position("AAPL@XNAS", 100, open_buy=100, orders_buy=1),
                       _position("MSFT@XNAS", -200)),
            cash_e4=635_500_000, turnover_e4=1_012_900_000),
        log=OrderLog(
            orders=(order(12),), refusals=(Refusals(check="collar", count=5),
                                           Refusals(check="position", count=250)),
            positions=tuple(LoggedPosition(symbol=symbol, position=position, cash_e4=cash_e4,
                                           turnover_e4=abs(cash_e4), fills=1)
                            for symbol, position, cash_e4 in accounts),
            total=12, refused=255, cash_e4=635_500_000, turnover_e4=1_012_900_000, unexplained=0,
            fills=2),
        fills=(Fill(user_ref_num=10, symbol="AAPL@XNAS", sell=False, quantity=100,
                    price_e4=1_887_000, venue_ns=34_200_500_000_000),
               Fill(user_ref_num=11, symbol="MSFT@XNAS", sell=True, quantity=200,
                    price_e4=4_121_000, venue_ns=34_201_500_000_000)),
        latency=Latency(orders=12, minimum_cycles=33, maximum_cycles=41, bins=(),
                        core_hz=156_250_000, percentiles=tuple(
                            LatencyPercentile(share_e4=share, cycles=cycles, latency_ns=ns)
                            for share, cycles, ns in ((5000, 33, 212), (9000, 33, 212),
                                                      (9900, 41, 263), (10000, 41, 263)))),
        counters=(Counter(name="mold.messages", value=7675, description=""),
                  Counter(name="mold.gaps", value=1, description="")))


def changed(snapshot, **parts):
    """A snapshot with fields of its parts replaced: `status` and so on take dicts."""
    return dataclasses.replace(snapshot, **{
        name: dataclasses.replace(getattr(snapshot, name), **values)
        if isinstance(values, dict) else values for name, values in parts.items()})


def screen_text(app):
    """What stands on the screen, as lines."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def visit(app, size, walk):
    """Run an app on a screen of a size, and `walk` through it with a pilot."""
    async def run():
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await walk(pilot)
            await pilot.pause()
    asyncio.run(run())
