"""The management service: every servicer on one gRPC server, with health and reflection."""

import ipaddress
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tickwire.v1 import (
    feed_service_pb2_grpc,
    limits_service_pb2_grpc,
    model_service_pb2_grpc,
    risk_service_pb2_grpc,
    session_service_pb2_grpc,
    status_service_pb2_grpc,
    strategy_service_pb2_grpc,
    symbol_service_pb2_grpc,
    telemetry_service_pb2_grpc,
)

from control.appliance import Appliance
from control.errors import wrong_field
from control.service.feed import FeedServicer
from control.service.limits import LimitsServicer
from control.service.model import ModelServicer
from control.service.overview import StatusServicer
from control.service.risk import RiskServicer
from control.service.session import SessionServicer
from control.service.status import ErrorInterceptor
from control.service.strategy import StrategyServicer
from control.service.symbols import SymbolServicer
from control.service.telemetry import TelemetryServicer

__all__ = ["DEFAULT_ADDRESS", "SERVICES", "Server", "TlsFiles", "is_loopback", "make_server"]

#: Where the service listens unless told otherwise.
DEFAULT_ADDRESS = "127.0.0.1:5450"

#: Full names of the services.
SERVICES = tuple(f"tickwire.v1.{name}Service" for name in (
    "Status", "Symbol", "Feed", "Limits", "Model", "Strategy", "Session", "Risk", "Telemetry"))


@dataclass(frozen=True)
class TlsFiles:
    """PEM texts of the server; clients must show a certificate of `client_authority`.

    Attributes
    ----------
    key, certificate, client_authority : bytes
        PEM.
    """

    key: bytes
    certificate: bytes
    client_authority: bytes


@dataclass(frozen=True)
class Server:
    """A server that listens.

    Attributes
    ----------
    grpc : grpc.aio.Server
        The server.
    port : int
        Its port.
    health : HealthServicer
        What it says of itself.
    """

    grpc: aio.Server
    port: int
    health: health.aio.HealthServicer

    async def stop(self, grace_s: float = 0.5) -> None:
        """Say that this is the end, finish the calls under way, and stop."""
        await self.health.enter_graceful_shutdown()
        await self.grpc.stop(grace_s)


def is_loopback(address: str) -> bool:
    """Return whether ``host:port`` is reached from this machine only."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_server(appliance: Appliance, address: str = DEFAULT_ADDRESS,
                tls: TlsFiles | None = None) -> Server:
    """Return a server for an appliance, bound and not started.

    Raises
    ------
    ControlError
        INVALID_FIELD if others could reach it without TLS, or the address cannot be had.
    """
    if tls is None and not is_loopback(address):
        raise wrong_field("listen", "a loopback address, or one with TLS", address)
    server = aio.server(interceptors=[ErrorInterceptor()],
                        options=[("grpc.so_reuseport", 0)])
    _add_servicers(server, appliance)
    status = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection(
        (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)], root_certificates=tls.client_authority,
                require_client_auth=True))
    except RuntimeError as error:
        raise wrong_field("listen", "an address that can be had", address) from error
    return Server(server, port, status)


async def start(server: Server) -> None:
    """Start a server; its health says so for every service."""
    await server.grpc.start()
    for name in SERVICES:
        await server.health.set(name, health_pb2.HealthCheckResponse.SERVING)


def _add_servicers(server: Any, appliance: Appliance) -> None:
    status_service_pb2_grpc.add_StatusServiceServicer_to_server(StatusServicer(appliance), server)
    symbol_service_pb2_grpc.add_SymbolServiceServicer_to_server(SymbolServicer(appliance), server)
    feed_service_pb2_grpc.add_FeedServiceServicer_to_server(FeedServicer(appliance), server)
    limits_service_pb2_grpc.add_LimitsServiceServicer_to_server(LimitsServicer(appliance), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(appliance), server)
    strategy_service_pb2_grpc.add_StrategyServiceServicer_to_server(StrategyServicer(appliance),
                                                                    server)
    session_service_pb2_grpc.add_SessionServiceServicer_to_server(SessionServicer(appliance),
                                                                  server)
    risk_service_pb2_grpc.add_RiskServiceServicer_to_server(RiskServicer(appliance), server)
    telemetry_service_pb2_grpc.add_TelemetryServiceServicer_to_server(TelemetryServicer(appliance),
                                                                      server)
