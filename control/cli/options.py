"""Options that every command has, added to its function by a decorator."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, Protocol

import grpc
import typer
from google.protobuf.message import Message
from tickwire.v1 import types_pb2

from control.cli.environment import Environment, Output, emit, environment_of
from control.client.appliance import Appliance
from control.client.changes import Changing, update_request
from control.client.connection import DEFAULT_SERVER, TIMEOUT_S, Connection

__all__ = ["Invocation", "asking", "changing"]

_P = ParamSpec("_P")

_Server = Annotated[str | None, typer.Option(
    "--server", metavar="HOST:PORT",
    help=f"Management service; else TICKWIRE_SERVER, else {DEFAULT_SERVER}.")]
_Output = Annotated[Output, typer.Option("--output", help="Form of what is printed.")]
_Expected = Annotated[int | None, typer.Option(
    "--expected-revision", min=0, help="Change nothing unless this is the present revision.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check; change nothing.")]
_TakeOver = Annotated[bool, typer.Option(
    "--take-over", help="Change things although somebody else is at it.")]

#: Options by their names in :class:`Invocation`: type and default.
_ASKING: dict[str, tuple[Any, Any]] = {
    "server": (_Server, None), "output": (_Output, Output.TEXT),
}
_CHANGING: dict[str, tuple[Any, Any]] = {
    "expected": (_Expected, None), "dry_run": (_DryRun, False), "take_over": (_TakeOver, False),
    **_ASKING,
}


class Screenful(Protocol):
    """What draws on the whole terminal."""

    def run(self) -> object:
        """Draw until the user has had enough."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """How a command was called: on which server, how to change, in which form to answer.

    Attributes
    ----------
    context : typer.Context
        The command's context.
    server : str or None
        Address that was given.
    output : Output
        Form of what is printed.
    expected : int or None
        Revision that must be the present one.
    dry_run, take_over : bool
        Only check; change things although somebody else does.
    """

    context: typer.Context
    server: str | None
    output: Output
    expected: int | None = None
    dry_run: bool = False
    take_over: bool = False

    @property
    def environment(self) -> Environment:
        """The world of the command."""
        return environment_of(self.context)

    @property
    def changing(self) -> Changing:
        """How something is to be changed."""
        return Changing(expected_revision=self.expected, dry_run=self.dry_run,
                        take_over=self.take_over)

    @property
    def change(self) -> types_pb2.Change:
        """The same, for a request."""
        return self.changing.message

    @property
    def whole_screen(self) -> bool:
        """Whether to draw on the whole terminal: it can be done, and nobody asks for JSON."""
        return self.output is Output.TEXT and self.environment.whole_screen

    def take_screen(self, app: Screenful) -> None:
        """Draw on the whole terminal until the user has had enough."""
        app.run()

    def connect(self, timeout_s: float = TIMEOUT_S) -> Connection:
        """Return a connection to the service.

        Raises
        ------
        ControlError
            INVALID_FIELD if the files for TLS cannot be had.
        """
        return Connection.from_variables(self.environment.variables, self.server,
                                         timeout_s=timeout_s)

    def appliance(self, timeout_s: float = TIMEOUT_S) -> Appliance:
        """Return the client of the service; see :meth:`connect`."""
        return Appliance(connection=self.connect(timeout_s))

    def ask(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message) -> Any:
        """Call a method of the management service and return its answer.

        Raises
        ------
        ControlError
            What the server said, or DEVICE_UNREACHABLE without one.
        """
        with self.connect() as connection:
            return connection.call(stub, method, request, take_over=self.take_over)

    def send(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message) -> None:
        """Print the answer of a method; see :meth:`ask`."""
        self.show(self.ask(stub, method, request))

    def update(self, stub: Callable[[grpc.Channel], Any], method: str, request: type[Message],
               values: Mapping[str, Any], *, whole: Collection[str] | None = None,
               **key: str) -> None:
        """Change the settings that were given and print the answer; see :func:`update_request`.

        Raises
        ------
        ControlError
            INVALID_FIELD if nothing was given; as :meth:`send`.
        """
        self.send(stub, method, update_request(request, values, self.changing, whole=whole, **key))

    def follow(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message,
               take: Callable[[Any], bool]) -> None:
        """Hand each answer of a streaming method to `take` until it returns False.

        Raises
        ------
        ControlError
            As :meth:`send`.
        """
        with self.connect() as connection, connection.stream(stub, method, request) as answers:
            for answer in answers:
                if not take(answer):
                    return

    def show(self, answer: Any) -> None:
        """Print an answer."""
        emit(self.context, self.output, answer)


def asking(function: Callable[Concatenate[Invocation, _P], None]) -> Callable[..., None]:
    """Give a command the options of one that needs no more than a server."""
    return _with_options(function, _ASKING)


def changing(function: Callable[Concatenate[Invocation, _P], None]) -> Callable[..., None]:
    """Give a command the options of one that changes something."""
    return _with_options(function, _CHANGING)


def _with_options(function: Callable[..., None], options: dict[str, tuple[Any, Any]]
                  ) -> Callable[..., None]:
    """Return a command that makes an :class:`Invocation` of `options` for its function."""
    @wraps(function)
    def command(context: typer.Context, **given: Any) -> None:
        common = {name: given.pop(name) for name in options}
        function(Invocation(context=context, **common), **given)

    # Typer reads a command's options from its signature.
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD,
                          annotation=typer.Context),
        *(parameter.replace(kind=keyword) for parameter in own),
        *(inspect.Parameter(name, keyword, default=default, annotation=annotation)
          for name, (annotation, default) in options.items()),
    ]
    del command.__wrapped__
    command.__signature__ = inspect.Signature(parameters)    # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
