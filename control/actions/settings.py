"""Limits, strategy and feed: read them, and set them."""

from collections.abc import Callable
from dataclasses import dataclass

from control.appliance import Appliance, ChangeOptions
from control.errors import ControlError, Reason, wrong_field
from control.feed import FeedSettings
from control.limits import Limits, SessionLimits
from control.rows import RowState
from control.strategy import DISABLED, Strategy
from control.symbols import WatchedSymbol, name_of
from control.units import format_mac

__all__ = [
    "LimitsRow", "StrategyRow", "feed", "list_limits", "list_strategies", "reset_feed",
    "revoke_limits", "session_limits", "set_limits", "set_session_limits", "set_strategy",
    "update_feed",
]


@dataclass(frozen=True)
class LimitsRow:
    """Limits of a symbol that are in force, and the version that they have made."""

    symbol: WatchedSymbol
    limits: Limits
    version: int


@dataclass(frozen=True)
class StrategyRow:
    """Parameters of a symbol, those that never make an order if there are none in force."""

    symbol: WatchedSymbol
    strategy: Strategy
    state: RowState


async def list_limits(appliance: Appliance) -> dict[int, LimitsRow]:
    """Return the limits of the watched symbols that have any, by the number of the book."""
    watched = await appliance.watched()
    blocks = await appliance.device.read_blocks("limits", watched)
    found = {index: Limits.from_registers(registers) for index, registers in blocks.items()}
    return {index: LimitsRow(watched[index], limits,
                             RowState.from_registers(blocks[index]).version)
            for index, limits in found.items() if limits is not None}


async def set_limits(appliance: Appliance, stock: str, partial: bool,
                     make: Callable[[Limits | None], Limits], options: ChangeOptions
                     ) -> LimitsRow:
    """Set limits of a symbol, all in one cycle.

    Parameters
    ----------
    appliance : Appliance
        The appliance.
    stock : str
        The symbol.
    partial : bool
        Only some limits are given; the symbol must have the others.
    make : callable
        Returns the new limits, given the present ones.
    options : ChangeOptions
        How to change.

    Raises
    ------
    ControlError
        UNKNOWN_SYMBOL, NO_LIMITS, INVALID_FIELD, READBACK_DIFFERS.
    """
    async with appliance.change(options) as apply:
        symbol = await appliance.symbol(stock)
        present = (await list_limits(appliance)).get(symbol.index)
        if partial and present is None:
            raise ControlError(Reason.NO_LIMITS, f"{name_of(stock)} has no limits yet: give all "
                                                 f"of them")
        limits = make(present.limits if present else None)
        version = present.version if present else 0
        if apply:
            version = (await appliance.load_row(f"limits[{symbol.index}]",
                                                limits.registers())).version
    return LimitsRow(symbol, limits, version)


async def revoke_limits(appliance: Appliance, stock: str, options: ChangeOptions) -> None:
    """Take the limits of a symbol away.

    Raises
    ------
    ControlError
        UNKNOWN_SYMBOL.
    """
    async with appliance.change(options) as apply:
        symbol = await appliance.symbol(stock)
        if apply:
            await appliance.revoke_row(f"limits[{symbol.index}]")


async def session_limits(appliance: Appliance) -> SessionLimits:
    """Return the limits of the session."""
    return SessionLimits.from_registers(await appliance.device.read_block("risk"))


async def set_session_limits(appliance: Appliance, make: Callable[[SessionLimits], SessionLimits],
                             options: ChangeOptions) -> SessionLimits:
    """Change limits of the session; `make` returns the new ones, given the present ones.

    Raises
    ------
    ControlError
        INVALID_FIELD.
    """
    async with appliance.change(options) as apply:
        limits = make(await session_limits(appliance))
        if apply:
            await appliance.device.write_many(limits.registers())
    return limits


async def list_strategies(appliance: Appliance) -> dict[int, StrategyRow]:
    """Return the parameters of the watched symbols, by the number of the book."""
    watched = await appliance.watched()
    return {index: await _strategy(appliance, symbol) for index, symbol in watched.items()}


async def _strategy(appliance: Appliance, symbol: WatchedSymbol) -> StrategyRow:
    registers = await appliance.device.read_block(f"strategy[{symbol.index}]")
    state = RowState.from_registers(registers)
    return StrategyRow(symbol, Strategy.from_registers(registers) if state.loaded else DISABLED,
                       state)


async def set_strategy(appliance: Appliance, stock: str, make: Callable[[Strategy], Strategy],
                       options: ChangeOptions) -> StrategyRow:
    """Set parameters of a symbol; `make` returns the new ones, given the present ones.

    Raises
    ------
    ControlError
        UNKNOWN_SYMBOL, INVALID_FIELD, READBACK_DIFFERS.
    """
    async with appliance.change(options) as apply:
        symbol = await appliance.symbol(stock)
        present = await _strategy(appliance, symbol)
        strategy, state = make(present.strategy), present.state
        if apply:
            state = await appliance.load_row(f"strategy[{symbol.index}]", strategy.registers())
    return StrategyRow(symbol, strategy, state)


async def feed(appliance: Appliance) -> FeedSettings:
    """Return the settings of the market data stream."""
    return FeedSettings.from_registers(await appliance.device.read_block("feed"),
                                       await appliance.device.read("control.fcs_mode"),
                                       await appliance.device.read("control.details"))


async def update_feed(appliance: Appliance, make: Callable[[FeedSettings], FeedSettings],
                      options: ChangeOptions) -> FeedSettings:
    """Change settings of the stream; `make` returns the new ones, given the present ones.

    Raises
    ------
    ControlError
        INVALID_FIELD, ARMED.
    """
    async with appliance.change(options) as apply:
        settings = make(await feed(appliance))
        registers = settings.registers()
        if settings.local_mac:
            taken = format_mac(await appliance.device.read_wide("session.local_mac", 48))
            if settings.local_mac.lower() == taken:
                raise wrong_field("local_mac", "another address than the order session's",
                                  settings.local_mac)
        await appliance.refuse_if_armed("the feed")
        if apply:
            await appliance.device.write("feed.enable", 0)
            await appliance.device.write_many(registers)
    return settings


async def reset_feed(appliance: Appliance, options: ChangeOptions) -> None:
    """Forget every order, book, session and trading state, and begin again as the settings say.

    Raises
    ------
    ControlError
        ARMED.
    """
    async with appliance.change(options) as apply:
        registers = (await feed(appliance)).registers()
        await appliance.refuse_if_armed("the feed")
        if apply:
            await appliance.device.write_many({"feed.enable": 0, "control.feed_reset": 1})
            await appliance.device.write_many(registers)
