"""A connection to a management service: address, certificates, who changes things, errors."""

import getpass
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.message import Message

from control.client.failures import error_of_call
from control.errors import ControlError, Reason
from control.metadata import TAKE_OVER_KEY, WRITER_KEY

__all__ = ["DEFAULT_SERVER", "TIMEOUT_S", "Answers", "Connection", "credentials_of", "writer_of"]

#: Address of the management service unless told otherwise.
DEFAULT_SERVER = "127.0.0.1:5450"

#: Longest time that a call may take: a login may be waited for a minute.
TIMEOUT_S = 70.0

_TLS_VARIABLES = ("TICKWIRE_TLS_AUTHORITY", "TICKWIRE_TLS_KEY", "TICKWIRE_TLS_CERTIFICATE")


def credentials_of(variables: Mapping[str, str]) -> grpc.ChannelCredentials | None:
    """Return what TICKWIRE_TLS_* name, None if they name nothing: no TLS.

    Raises
    ------
    ControlError
        INVALID_FIELD if only some are set, or a file cannot be read.
    """
    files = [variables.get(name) for name in _TLS_VARIABLES]
    if not any(files):
        return None
    contents: list[bytes] = []
    for name, file in zip(_TLS_VARIABLES, files, strict=True):
        if not file:
            raise ControlError(Reason.INVALID_FIELD, f"for TLS {', '.join(_TLS_VARIABLES)} must "
                                                     f"all be set, {name} is not")
        try:
            contents.append(Path(file).read_bytes())
        except OSError as error:
            raise ControlError(Reason.INVALID_FIELD, f"{name} must name a file that can be read: "
                                                     f"{error}") from error
    return grpc.ssl_channel_credentials(*contents)


def writer_of(variables: Mapping[str, str]) -> str:
    """Return who changes things: TICKWIRE_WRITER, else the user at this machine."""
    if writer := variables.get("TICKWIRE_WRITER"):
        return writer
    try:
        return f"{getpass.getuser()}@{platform.node()}"
    except (KeyError, OSError):
        return f"@{platform.node()}"


class Answers(Iterator[Any]):
    """Answers of a streaming call, as they come; a context manager that ends the call.

    Parameters
    ----------
    call : iterator
        The call.
    server : str
        For messages.
    limited : bool
        The end of the call's time is the end of the answers, not an error.
    """

    def __init__(self, call: Any, server: str, *, limited: bool) -> None:
        self._call = call
        self._server = server
        self._limited = limited
        self._closed = False

    def __next__(self) -> Any:
        """Return the next answer; raises ControlError with what the server said."""
        if self._closed:
            raise StopIteration
        try:
            return next(self._call)
        except grpc.RpcError as error:
            code = cast(grpc.Call, error).code()
            if self._closed and code is grpc.StatusCode.CANCELLED:
                raise StopIteration from None
            if self._limited and code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise StopIteration from None
            raise error_of_call(cast(grpc.Call, error), self._server) from error

    def close(self) -> None:
        """End the call; from any thread."""
        self._closed = True
        self._call.cancel()

    def __enter__(self) -> "Answers":
        """Begin a block at whose end the call ends."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the call."""
        self.close()


class Connection:
    """A connection to a management service; a context manager that closes it.

    Parameters
    ----------
    server : str
        ``HOST:PORT``.
    writer : str
        Who changes things, for the service's lease.
    credentials : grpc.ChannelCredentials, optional
        For TLS; without them there is none.
    timeout_s : float
        Longest time that a call may take.
    """

    def __init__(self, server: str = DEFAULT_SERVER, *, writer: str,
                 credentials: grpc.ChannelCredentials | None = None,
                 timeout_s: float = TIMEOUT_S) -> None:
        self.server = server
        self._writer = writer
        self._timeout_s = timeout_s
        self._channel = (grpc.insecure_channel(server) if credentials is None
                         else grpc.secure_channel(server, credentials))

    @classmethod
    def from_variables(cls, variables: Mapping[str, str], server: str | None = None, *,
                       timeout_s: float = TIMEOUT_S) -> "Connection":
        """Return a connection as the environment describes it.

        Raises
        ------
        ControlError
            As :func:`credentials_of`.
        """
        return cls(server or variables.get("TICKWIRE_SERVER") or DEFAULT_SERVER,
                   writer=writer_of(variables), credentials=credentials_of(variables),
                   timeout_s=timeout_s)

    def call(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message, *,
             take_over: bool = False) -> Any:
        """Call a method and return its answer.

        Raises
        ------
        ControlError
            What the server said, or DEVICE_UNREACHABLE without one.
        """
        try:
            return getattr(stub(self._channel), method)(
                request, metadata=self._metadata(take_over=take_over), timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise error_of_call(cast(grpc.Call, error), self.server) from error

    def stream(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message, *,
               seconds: float | None = None) -> Answers:
        """Call a streaming method and return its answers, for so long or for ever."""
        return Answers(getattr(stub(self._channel), method)(
            request, metadata=self._metadata(), timeout=seconds), self.server,
            limited=seconds is not None)

    def close(self) -> None:
        """Close the channel; calls under way end."""
        self._channel.close()

    def __enter__(self) -> "Connection":
        """Begin a block at whose end the connection is closed."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    def _metadata(self, *, take_over: bool = False) -> tuple[tuple[str, str], ...]:
        return ((WRITER_KEY, self._writer), *(((TAKE_OVER_KEY, "1"),) if take_over else ()))
