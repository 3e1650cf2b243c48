"""SymbolService."""

from tickwire.v1 import symbol_service_pb2 as pb
from tickwire.v1 import symbol_service_pb2_grpc as pb_grpc

from control.actions.symbols import remove_symbol, set_symbol
from control.appliance import Appliance
from control.service.requests import Context, options
from control.symbols import WatchedSymbol, parse_name

__all__ = ["SymbolServicer"]


def _encode(symbol: WatchedSymbol) -> pb.Symbol:
    return pb.Symbol(symbol=symbol.name, symbol_index=symbol.index,
                     tick_size_e4=symbol.tick_size_e4, locate=symbol.locate)


class SymbolServicer(pb_grpc.SymbolServiceServicer):
    """Chooses the watched symbols."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def ListSymbols(self, request: pb.ListSymbolsRequest,
                          context: Context) -> pb.ListSymbolsResponse:
        watched = await self._appliance.watched()
        return pb.ListSymbolsResponse(symbols=map(_encode, watched.values()),
                                      revision=self._appliance.revision.number)

    async def UpdateSymbol(self, request: pb.UpdateSymbolRequest,
                           context: Context) -> pb.UpdateSymbolResponse:
        wanted = request.symbol
        symbol = await set_symbol(
            self._appliance, parse_name(wanted.symbol), wanted.tick_size_e4,
            wanted.locate if wanted.HasField("locate") else None,
            options(request.change, context))
        return pb.UpdateSymbolResponse(symbol=_encode(symbol),
                                       revision=self._appliance.revision.number)

    async def RemoveSymbol(self, request: pb.RemoveSymbolRequest,
                           context: Context) -> pb.RemoveSymbolResponse:
        await remove_symbol(self._appliance, parse_name(request.symbol),
                            options(request.change, context))
        return pb.RemoveSymbolResponse(revision=self._appliance.revision.number)
