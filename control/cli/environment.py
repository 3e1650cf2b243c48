"""What a command needs of the world: streams, variables, the server, the user's answer."""

import getpass
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO, cast

import grpc
import typer

from control.cli.output import render_json, render_text
from control.errors import ControlError, Reason
from control.service.requests import TAKE_OVER_KEY, WRITER_KEY
from control.service.status import error_of_call

__all__ = ["DEFAULT_SERVER", "Environment", "Output", "call", "emit", "environment_of", "stream"]

#: Address of the management service unless told otherwise.
DEFAULT_SERVER = "127.0.0.1:5450"
_TIMEOUT_S = 70.0


class Output(StrEnum):
    """Form of what a command prints."""

    TEXT = "text"
    JSON = "json"


def _connect(server: str, environment: "Environment") -> grpc.Channel:
    """Return a channel: without TLS unless TICKWIRE_TLS_* name the files."""
    variables = environment.variables
    names = ("TICKWIRE_TLS_AUTHORITY", "TICKWIRE_TLS_KEY", "TICKWIRE_TLS_CERTIFICATE")
    files = [variables.get(name) for name in names]
    if not any(files):
        return grpc.insecure_channel(server)
    contents: list[bytes] = []
    for name, file in zip(names, files, strict=True):
        if not file:
            raise ControlError(Reason.INVALID_FIELD, f"for TLS {', '.join(names)} must all be set, "
                                                     f"{name} is not")
        try:
            contents.append(Path(file).read_bytes())
        except OSError as error:
            raise ControlError(Reason.INVALID_FIELD, f"{name} must name a file that can be read: "
                                                     f"{error}") from error
    return grpc.secure_channel(server, grpc.ssl_channel_credentials(*contents))


def _default_writer() -> str:
    try:
        return f"{getpass.getuser()}@{platform.node()}"
    except (KeyError, OSError):
        return f"@{platform.node()}"


@dataclass
class Environment:
    """The world of a command; tests make their own.

    Attributes
    ----------
    stdin, stdout, stderr : TextIO
        Streams: data go to `stdout`, talk to `stderr`.
    variables : mapping of str to str
        Environment variables.
    connect : callable
        Returns a channel to a server.
    """

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    connect: Callable[[str, "Environment"], grpc.Channel] = _connect

    def metadata(self, *, take_over: bool = False) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call that changes something."""
        writer = self.variables.get("TICKWIRE_WRITER") or _default_writer()
        return ((WRITER_KEY, writer), *(((TAKE_OVER_KEY, "1"),) if take_over else ()))

    def say(self, text: str) -> None:
        """Tell the user something that is no data."""
        print(text, file=self.stderr, flush=True)

    def confirm(self, question: str) -> bool:
        """Ask the user; anything but yes is no."""
        print(f"{question} [y/N] ", end="", file=self.stderr, flush=True)
        return self.stdin.readline().strip().lower() in ("y", "yes")


def environment_of(context: typer.Context) -> Environment:
    """Return the world of a command."""
    found = context.find_object(Environment)
    return found if found is not None else Environment()


def call(context: typer.Context, server: str | None, stub: Callable[[grpc.Channel], Any],
         method: str, request: Any, *, take_over: bool = False) -> Any:
    """Call a method of the management service and return its answer.

    Raises
    ------
    ControlError
        What the server said, or DEVICE_UNREACHABLE without one.
    """
    environment = environment_of(context)
    with environment.connect(_address(environment, server), environment) as channel:
        try:
            return getattr(stub(channel), method)(
                request, metadata=environment.metadata(take_over=take_over), timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise error_of_call(cast(grpc.Call, error)) from error


def stream(context: typer.Context, server: str | None, stub: Callable[[grpc.Channel], Any],
           method: str, request: Any, take: Callable[[Any], bool]) -> None:
    """Hand each answer of a streaming method to `take` until it returns False.

    Raises
    ------
    ControlError
        As :func:`call`.
    """
    environment = environment_of(context)
    with environment.connect(_address(environment, server), environment) as channel:
        try:
            answers = getattr(stub(channel), method)(request, metadata=environment.metadata())
            for answer in answers:
                if not take(answer):
                    answers.cancel()
                    return
        except grpc.RpcError as error:
            raise error_of_call(cast(grpc.Call, error)) from error


def emit(context: typer.Context, output: Output, answer: Any) -> None:
    """Print an answer."""
    render = render_json if output is Output.JSON else render_text
    print(render(answer), file=environment_of(context).stdout, flush=True)


def _address(environment: Environment, server: str | None) -> str:
    return server or environment.variables.get("TICKWIRE_SERVER") or DEFAULT_SERVER
