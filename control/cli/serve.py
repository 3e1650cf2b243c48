"""``tickwire serve``: the management service in front of an appliance."""

import asyncio
import contextlib
import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from control.cli.environment import Environment, Output, environment_of
from control.cli.output import render_json
from control.client.connection import DEFAULT_SERVER
from control.errors import ControlError, Reason, wrong_field
from proto.wire.management import UDP_PORT

if TYPE_CHECKING:
    from control.server import TlsFiles

__all__ = ["SERVE_HELP", "serve"]

SERVE_HELP = """Example: tickwire serve --device 127.0.0.1:5449

Run the management service in front of an appliance, until it is interrupted. It feeds the
appliance's watchdog: an armed appliance is killed when this process ends.
"""


def serve(
    context: typer.Context,
    device: Annotated[str, typer.Option(metavar="HOST[:PORT]",
                                        help="Management port of the appliance.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen; beyond "
                                        "loopback only with TLS.")] = DEFAULT_SERVER,
    take_over: Annotated[bool, typer.Option("--take-over", help="End the session of another "
                                            "control plane.")] = False,
    heartbeat_ms: Annotated[int, typer.Option(min=1, max=10_000,
                                              help="Time between heartbeats.")] = 100,
    wait_s: Annotated[float, typer.Option(min=0.1, help="Longest wait for the appliance.")] = 10.0,
    output: Annotated[Output, typer.Option(
        help="json prints an object on standard output once the service listens.")] = Output.TEXT,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the server, PEM.")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="Its certificate, PEM.")] = None,
    tls_authority: Annotated[Path | None, typer.Option(
        help="Authority of the clients' certificates, PEM.")] = None,
) -> None:
    """Run the service."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    tls = _tls(tls_key, tls_certificate, tls_authority)
    host, _, port = device.rpartition(":") if ":" in device else (device, "", str(UDP_PORT))
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise wrong_field("device", "HOST or HOST:PORT", device)
    asyncio.run(_serve(environment_of(context), (host, int(port)), listen, tls,
                       take_over=take_over, heartbeat_s=heartbeat_ms / 1000, wait_s=wait_s,
                       output=output))


def _tls(key: Path | None, certificate: Path | None, authority: Path | None) -> "TlsFiles | None":
    from control.server import TlsFiles

    if key is None and certificate is None and authority is None:
        return None
    if key is None or certificate is None or authority is None:
        raise ControlError(Reason.INVALID_FIELD, "TLS needs --tls-key, --tls-certificate and "
                                                 "--tls-authority")
    try:
        return TlsFiles(key.read_bytes(), certificate.read_bytes(), authority.read_bytes())
    except OSError as error:
        raise ControlError(Reason.INVALID_FIELD, f"a file for TLS cannot be read: {error}") \
            from error


async def _serve(environment: Environment, address: tuple[str, int], listen: str,
                 tls: "TlsFiles | None", *, take_over: bool, heartbeat_s: float,
                 wait_s: float, output: Output) -> None:
    # All of the server: not wanted by any other command, and it takes its time.
    from control.appliance import Appliance
    from control.device import Device
    from control.server import make_server, start
    from control.transport.udp import UdpTransport

    transport = await UdpTransport.open(*address, take_over=take_over, timeout_s=wait_s)
    try:
        appliance = Appliance(await Device.open(transport), clock=time.monotonic,
                              heartbeat_s=heartbeat_s)
        server = make_server(appliance, listen, tls)
        await start(server)
        stop = asyncio.ensure_future(_ending().wait())
        environment.say(f"appliance {appliance.device.version} at {address[0]}:{address[1]}, "
                        f"listening on {listen.rpartition(':')[0]}:{server.port}")
        if output is Output.JSON:
            environment.line(render_json({
                "version": appliance.device.version, "device": f"{address[0]}:{address[1]}",
                "listening": f"{listen.rpartition(':')[0]}:{server.port}"}))
        running = asyncio.ensure_future(appliance.run())
        try:
            await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            appliance.broker.close()
            await server.stop()
            for task in (running, stop):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    finally:
        await transport.close()


def _ending() -> asyncio.Event:
    """Return what is set when the process is asked to end, from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
