"""Watch symbols, and end it."""

from control.appliance import Appliance, ChangeOptions
from control.errors import ControlError, Reason
from control.symbols import WatchedSymbol, choose_index, find, symbol_registers

__all__ = ["remove_symbol", "set_symbol"]


async def set_symbol(appliance: Appliance, stock: str, tick_size_e4: int, locate: int | None,
                     options: ChangeOptions) -> WatchedSymbol:
    """Watch a symbol, or change how.

    Raises
    ------
    ControlError
        INVALID_FIELD, SYMBOLS_FULL, ARMED if a watched symbol changes, READBACK_DIFFERS.
    """
    async with appliance.change(options) as apply:
        watched = await appliance.watched()
        index = choose_index(watched, stock, appliance.device.symbols)
        symbol = WatchedSymbol(stock=stock, index=index, tick_size_e4=tick_size_e4, locate=locate)
        registers = symbol_registers(symbol)
        if watched.get(index) not in (None, symbol):
            await appliance.refuse_if_armed("a watched symbol")
        if apply:
            if index not in watched:
                await _clear_rows(appliance, index)
            await appliance.write_row(f"symbols[{index}]", registers)
            appliance.books.forget(index)
    return symbol


async def remove_symbol(appliance: Appliance, stock: str, options: ChangeOptions) -> None:
    """End watching a symbol.

    Raises
    ------
    ControlError
        UNKNOWN_SYMBOL, ARMED; SYMBOL_HELD while there are a position or open orders.
    """
    async with appliance.change(options) as apply:
        symbol = find(await appliance.watched(), stock)
        await appliance.refuse_if_armed("a watched symbol")
        held = await appliance.device.read_block(f"positions[{symbol.index}]")
        if any(held.values()):
            raise ControlError(Reason.SYMBOL_HELD, f"{symbol.name} has a position or open orders: "
                                                   f"close them first")
        if apply:
            await _clear_rows(appliance, symbol.index)
            await appliance.write_row(f"symbols[{symbol.index}]", {"enable": 0})
            appliance.books.forget(symbol.index)


async def _clear_rows(appliance: Appliance, index: int) -> None:
    """Leave nothing of an earlier symbol: no strategy and no limits."""
    for array in ("strategy", "limits"):
        await appliance.revoke_row(f"{array}[{index}]")
