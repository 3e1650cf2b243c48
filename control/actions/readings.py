"""What can only be read: status, counters, latency, positions."""

from dataclasses import dataclass

from control.appliance import Appliance
from control.device import Operation
from control.units import signed
from proto.counters import COUNTERS, Counter
from proto.trading_registers import HISTOGRAM_BINS

__all__ = ["Account", "Latency", "PositionRow", "StatusView", "counters", "latency", "positions",
           "status"]


@dataclass(frozen=True, kw_only=True)
class StatusView:
    """The appliance as a whole."""

    memories_cleared: bool
    feed_enabled: bool
    feed_up: bool
    session_up: bool
    armed: bool
    killed: bool
    causes: tuple[str, ...]
    model_loaded: bool
    model_epoch: int
    model_name: str
    watched: tuple[str, ...]
    events_lost: int
    limited: tuple[str, ...]
    limits_version: int
    trading: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The histogram of latencies, in core cycles."""

    orders: int
    minimum: int
    maximum: int
    bins: dict[int, int]


@dataclass(frozen=True, kw_only=True)
class PositionRow:
    """What is held and open of a symbol, in shares."""

    name: str
    position: int
    open_buy: int
    open_sell: int
    orders_buy: int
    orders_sell: int


@dataclass(frozen=True, kw_only=True)
class Account:
    """Positions and money, 1e-4 USD."""

    rows: tuple[PositionRow, ...]
    cash_e4: int
    turnover_e4: int


async def status(appliance: Appliance) -> StatusView:
    """Return the appliance's status."""
    device = appliance.device
    words = await device.read_many(["control.status", "feed.enable", "risk.state", "risk.cause",
                                    "model.state", "model.epoch", "risk.limits_version"])
    fields = {name: device.fields(name, word) for name, word in words.items()}
    state, model = fields["risk.state"], fields["model.state"]
    epoch = words["model.epoch"]
    origin = appliance.models.get(epoch)
    watched = await appliance.watched()
    rows = await device.read_many(
        name for index in watched for name in (f"limits[{index}].state", f"strategy[{index}].state",
                                               f"strategy[{index}].enable"))

    def loaded(row: str) -> bool:
        return bool(device.fields(f"{row}.state", rows[f"{row}.state"])["loaded"])

    return StatusView(
        memories_cleared=bool(fields["control.status"]["memories_cleared"]),
        feed_enabled=bool(words["feed.enable"]), feed_up=bool(state["feed_up"]),
        session_up=bool(state["session_up"]), armed=bool(state["armed"]),
        killed=bool(state["killed"]),
        causes=tuple(name for name, seen in fields["risk.cause"].items() if seen),
        model_loaded=bool(model["loaded"]), model_epoch=epoch,
        model_name=origin.name if origin else "",
        watched=tuple(symbol.name for symbol in watched.values()),
        events_lost=appliance.broker.lost,
        limited=tuple(symbol.name for index, symbol in watched.items()
                      if loaded(f"limits[{index}]")),
        limits_version=words["risk.limits_version"],
        trading=tuple(symbol.name for index, symbol in watched.items()
                      if loaded(f"strategy[{index}]") and rows[f"strategy[{index}].enable"]))


async def counters(appliance: Appliance) -> list[tuple[Counter, int]]:
    """Return every counter."""
    values = await appliance.device.read_block("counters")
    return [(counter, values[counter.register]) for counter in COUNTERS]


async def latency(appliance: Appliance, *, clear: bool = False) -> Latency:
    """Return the histogram of latencies, and empty it if asked to."""
    device = appliance.device
    block = await device.read_block("latency")
    bins: dict[int, int] = {}
    if block["orders"]:
        choose, count = device.map["latency.bin"].address, device.map["latency.count"].address
        last = min(block["maximum"], HISTOGRAM_BINS - 1)
        chosen = range(min(block["minimum"], HISTOGRAM_BINS - 1), last + 1)
        values = await device.batch(operation for number in chosen
                                    for operation in (Operation(choose, number), Operation(count)))
        bins = {number: value for number, value in zip(chosen, values[1::2], strict=True) if value}
    if clear:
        await device.write("latency.clear", 1)
    return Latency(orders=block["orders"], bins=bins,
                   minimum=block["minimum"] if block["orders"] else 0,
                   maximum=block["maximum"] if block["orders"] else 0)


async def positions(appliance: Appliance) -> Account:
    """Return what is held, what is open, and the money."""
    device = appliance.device
    watched = await appliance.watched()
    rows: list[PositionRow] = []
    for index, symbol in watched.items():
        block = await device.read_block(f"positions[{index}]")
        orders = device.fields(f"positions[{index}].open_orders", block["open_orders"])
        rows.append(PositionRow(
            name=symbol.name, position=signed(block["position"]),
            open_buy=block["open_buy_hi"] << 32 | block["open_buy_lo"],
            open_sell=block["open_sell_hi"] << 32 | block["open_sell_lo"],
            orders_buy=orders["buy"], orders_sell=orders["sell"]))
    return Account(rows=tuple(rows),
                   cash_e4=signed(await device.read_wide("account.cash"), 64),
                   turnover_e4=await device.read_wide("account.turnover"))
