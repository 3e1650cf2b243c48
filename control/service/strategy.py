"""StrategyService."""

from tickwire.v1 import strategy_service_pb2 as pb
from tickwire.v1 import strategy_service_pb2_grpc as pb_grpc
from tickwire.v1 import types_pb2

from control.actions.settings import StrategyRow, list_strategies, set_strategy
from control.appliance import Appliance
from control.errors import wrong_field
from control.service.requests import Context, merged, options
from control.strategy import Strategy
from control.symbols import parse_name

__all__ = ["StrategyServicer"]


def _encode_row(row: StrategyRow) -> pb.Strategy:
    message = _encode(row.symbol.name, row.strategy)
    message.loaded, message.version = row.state.loaded, row.state.version
    return message


def _encode(name: str, strategy: Strategy) -> pb.Strategy:
    return pb.Strategy(
        symbol=name, buy_threshold=strategy.buy_threshold,
        sell_threshold=strategy.sell_threshold,
        cancel_buy_threshold=strategy.cancel_buy_threshold,
        cancel_sell_threshold=strategy.cancel_sell_threshold, quantity=strategy.quantity,
        offset_e4=strategy.offset_e4, cooldown_ns=strategy.cooldown_ns,
        price_reference=pb.PRICE_REFERENCE_NEAR if strategy.near else pb.PRICE_REFERENCE_FAR,
        time_in_force=(types_pb2.TIME_IN_FORCE_DAY if strategy.day
                       else types_pb2.TIME_IN_FORCE_IOC),
        enable=strategy.enable)


def _decode(message: pb.Strategy) -> Strategy:
    if message.price_reference not in (pb.PRICE_REFERENCE_NEAR, pb.PRICE_REFERENCE_FAR):
        raise wrong_field("price_reference", "FAR or NEAR", message.price_reference)
    if message.time_in_force not in (types_pb2.TIME_IN_FORCE_IOC, types_pb2.TIME_IN_FORCE_DAY):
        raise wrong_field("time_in_force", "IOC or DAY", message.time_in_force)
    return Strategy(
        buy_threshold=message.buy_threshold, sell_threshold=message.sell_threshold,
        cancel_buy_threshold=message.cancel_buy_threshold,
        cancel_sell_threshold=message.cancel_sell_threshold, quantity=message.quantity,
        offset_e4=message.offset_e4, cooldown_ns=message.cooldown_ns,
        near=message.price_reference == pb.PRICE_REFERENCE_NEAR,
        day=message.time_in_force == types_pb2.TIME_IN_FORCE_DAY, enable=message.enable)


class StrategyServicer(pb_grpc.StrategyServiceServicer):
    """Sets how scores become orders."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def ListStrategies(self, request: pb.ListStrategiesRequest,
                             context: Context) -> pb.ListStrategiesResponse:
        found = await list_strategies(self._appliance)
        return pb.ListStrategiesResponse(
            strategies=[_encode_row(row) for row in found.values()],
            revision=self._appliance.revision.number)

    async def UpdateStrategy(self, request: pb.UpdateStrategyRequest,
                             context: Context) -> pb.UpdateStrategyResponse:
        stock = parse_name(request.strategy.symbol)
        row = await set_strategy(
            self._appliance, stock,
            lambda present: _decode(merged(_encode("", present), request.strategy,
                                           request.update_mask.paths)),
            options(request.change, context))
        return pb.UpdateStrategyResponse(strategy=_encode_row(row),
                                         revision=self._appliance.revision.number)
