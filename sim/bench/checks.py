"""Make each check of the risk gate fail once, by what it is there for."""

from collections.abc import Callable
from dataclasses import asdict, replace

from proto.checks import Check
from proto.wire.itch50 import RegShoAction, Side, TradingState
from sim.appliance import Appliance
from sim.bench.flow import OrderFlow, Symbol, price_test, trading_action
from sim.bench.trading import Trading
from sim.errors import SimulationError
from sim.order_entry import LimitSettings, StrategySettings, arm

__all__ = ["CheckTour", "command"]

_QUANTITY = 100
_LEVEL_SHARES, _LOPSIDED_SHARES = 800, 8000
_TICK = 100
#: Imbalance from which a score trades: one octave, with a weight of 16.
_THRESHOLD = 4096
_HIGH_THRESHOLD = (1 << 31) - 1


def command(appliance: Appliance, name: str) -> None:
    """Give one command of ``risk.command``."""
    field = appliance.map["risk.command"].register.field(name)
    appliance.write("risk.command", 1 << field.lsb)
    appliance.simulation.run(8)


class CheckTour:
    """Two symbols with level books; an imbalance makes either of them buy.

    The appliance must have a model that scores 16 per step of ``imbalance_top1``; it is armed from
    the first check on. What is left after the tour are the two level books.

    Parameters
    ----------
    trading : Trading
        The appliance with its feed and its venue; the session is not connected yet.
    flow : OrderFlow
        Makes the messages.
    """

    def __init__(self, trading: Trading, flow: OrderFlow) -> None:
        self._trading = trading
        self._appliance = trading.appliance
        self._flow = flow
        self._first, self._second = trading.symbols[:2]
        self._limits = LimitSettings()
        self._strategy = StrategySettings(
            buy_threshold=_THRESHOLD, sell_threshold=_HIGH_THRESHOLD, quantity=_QUANTITY)
        self._offers: dict[int, int] = {}
        self._buys: dict[int, int] = {}
        self._seen = 0

    def run(self) -> list[Check]:
        """Provoke every check; return those that have failed, lowest number first.

        Raises
        ------
        SimulationError
            If one that should fail does not, or an order is refused that should leave.
        """
        trading, appliance = self._trading, self._appliance
        for index, symbol in enumerate((self._first, self._second)):
            appliance.commit_row("limits", index, asdict(self._limits))
            appliance.commit_row("strategy", index, asdict(self._strategy))
            trading.publish(self._level(symbol))
        trading.settle()
        if not arm(appliance):
            raise SimulationError("the appliance could not be armed")

        self._provoke(Check.SESSION, lambda: None, lambda: None)
        trading.counterparty.connect()
        self._must_pass()
        for check, limits in {
                Check.QUANTITY: replace(self._limits, maximum_quantity=_QUANTITY - 1),
                Check.VALUE: replace(self._limits, maximum_value=self._first.centre),
                Check.COLLAR: replace(self._limits, collar_fraction=0, collar_minimum=0),
                Check.POSITION: replace(self._limits, maximum_long=_QUANTITY - 1),
                Check.OPEN_ORDERS: replace(self._limits, maximum_open_orders=0),
                Check.RESTRICTED: replace(self._limits, restricted=1)}.items():
            self._provoke(check, lambda limits=limits: self._limit(limits), self._restore)
        self._provoke(Check.NO_LIMITS, lambda: self._appliance.write("limits[0].revoke", 1),
                      self._restore)
        # Refusals while disarmed or killed that come in a row are one record, written late.
        self._provoke(Check.DISARMED, lambda: command(appliance, "disarm"), self._arm)
        self._provoke(Check.HALTED, lambda: self._state(TradingState.HALTED),
                      lambda: self._state(TradingState.TRADING))
        self._short_sale()
        self._provoke(Check.KILLED, lambda: command(appliance, "kill"), self._clear)
        self._waiting_orders()
        return [check for check in Check if self._seen & check.mask]

    def _short_sale(self) -> None:
        """Let the first symbol sell at the best bid, without a position, under the price test."""
        trading, symbol = self._trading, self._first
        self._load_position()
        self._appliance.commit_row("strategy", 0, asdict(replace(
            self._strategy, buy_threshold=_HIGH_THRESHOLD, sell_threshold=_THRESHOLD)))
        trading.publish([price_test(symbol, RegShoAction.RESTRICTION_STARTS)])
        trading.settle()
        trading.failed_checks = 0
        trading.publish([
            self._flow.add(symbol, Side.SELL, symbol.centre + _TICK, _LOPSIDED_SHARES)])
        heavy = self._flow.newest
        self._finish(Check.SHORT_SALE)
        trading.publish([self._flow.delete(heavy)])
        trading.settle()
        self._appliance.commit_row("strategy", 0, asdict(self._strategy))
        trading.publish([price_test(symbol, RegShoAction.NO_PRICE_TEST)])
        trading.settle()

    def _waiting_orders(self) -> None:
        """Provoke the checks that only an order fails that had to wait for another one."""
        appliance, trading = self._appliance, self._trading
        hold, interval, burst = (appliance.read(f"risk.{name}") for name in
                                 ("hold", "message_interval", "message_burst"))

        def restore() -> None:
            appliance.write("risk.hold", hold)
            appliance.write("risk.message_interval", interval)
            appliance.write("risk.message_burst", burst)

        # Its book loses one side while it waits.
        self._both(Check.BOOK, [self._flow.delete(self._offers[self._second.locate])])
        trading.publish([self._offer(self._second)])
        # It is too old.
        appliance.write("risk.hold", 1)
        self._both(Check.AGE, [])
        restore()
        # The first one has used up the only token; 3000 cycles later there is another.
        appliance.write("risk.message_burst", 0)
        appliance.write("risk.message_interval", 20_000)
        self._both(Check.MESSAGE_RATE, [])
        restore()
        for _ in range(4):
            trading.settle()
        self._must_pass()

    def _both(self, check: Check, more: list[bytes]) -> None:
        """Let both symbols buy at once, so that the second order waits; `more` follows at once."""
        self._trading.failed_checks = 0
        self._trading.publish([self._lopsided(self._first), self._lopsided(self._second), *more])
        self._finish(check)
        self._trading.publish([self._flow.delete(self._buys[symbol.locate])
                               for symbol in (self._first, self._second)])
        self._trading.settle()

    def _provoke(self, check: Check, before: Callable[[], None],
                 after: Callable[[], None]) -> None:
        self._load_position()
        before()
        self._trading.failed_checks = 0
        self._trading.publish([self._lopsided(self._first)])
        self._finish(check)
        self._trading.publish([self._flow.delete(self._buys[self._first.locate])])
        self._trading.settle()
        after()
        self._trading.settle(4)

    def _finish(self, check: Check) -> None:
        self._trading.settle()
        self._trading.collect()
        if not self._trading.failed_checks & check.mask:
            raise SimulationError(f"check {check.name} must fail, failed mask was "
                                  f"{self._trading.failed_checks:#x}")
        self._seen |= self._trading.failed_checks

    def _must_pass(self) -> None:
        sent, refused = len(self._trading.counterparty.entered), self._trading.refused
        self._trading.publish([self._lopsided(self._first)])
        self._trading.settle()
        self._trading.collect()
        if len(self._trading.counterparty.entered) != sent + 1 or self._trading.refused != refused:
            raise SimulationError("an order within all limits must leave")
        self._trading.publish([self._flow.delete(self._buys[self._first.locate])])
        self._trading.settle()

    def _level(self, symbol: Symbol) -> list[bytes]:
        bid = self._flow.add(symbol, Side.BUY, symbol.centre - _TICK, _LEVEL_SHARES)
        return [bid, self._offer(symbol)]

    def _offer(self, symbol: Symbol) -> bytes:
        message = self._flow.add(symbol, Side.SELL, symbol.centre + _TICK, _LEVEL_SHARES)
        self._offers[symbol.locate] = self._flow.newest
        return message

    def _lopsided(self, symbol: Symbol) -> bytes:
        message = self._flow.add(symbol, Side.BUY, symbol.centre - _TICK, _LOPSIDED_SHARES)
        self._buys[symbol.locate] = self._flow.newest
        return message

    def _limit(self, limits: LimitSettings) -> None:
        self._appliance.commit_row("limits", 0, asdict(limits))

    def _restore(self) -> None:
        self._limit(self._limits)

    def _state(self, state: TradingState) -> None:
        self._trading.publish([trading_action(self._first, state)])
        self._trading.settle()

    def _arm(self) -> None:
        if not arm(self._appliance):
            raise SimulationError("the appliance could not be armed again")

    def _clear(self) -> None:
        command(self._appliance, "clear_kill")
        self._arm()

    def _load_position(self) -> None:
        """Forget what was bought, so that every check starts from the same state."""
        self._appliance.write("account.load_position", 0)
        self._appliance.write("positions[0].load", 1)
        self._appliance.simulation.run(8)
