"""What a command needs of the world: streams, variables, the user's answer."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TextIO

import typer

from control.cli.output import render_json, render_text
from control.errors import ControlError

__all__ = ["Environment", "Output", "emit", "environment_of"]


class Output(StrEnum):
    """Form of what a command prints."""

    TEXT = "text"
    JSON = "json"


@dataclass
class Environment:
    """The world of a command; tests make their own.

    Attributes
    ----------
    stdin, stdout, stderr : TextIO
        Streams: data go to `stdout`, talk to `stderr`.
    variables : mapping of str to str
        Environment variables.
    output : Output
        Form in which errors are told.
    """

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    output: Output = Output.TEXT

    def line(self, text: str) -> None:
        """Print a line of data."""
        print(text, file=self.stdout, flush=True)

    def say(self, text: str) -> None:
        """Tell the user something that is no data."""
        print(text, file=self.stderr, flush=True)

    def complain(self, error: ControlError) -> None:
        """Tell the user why a command has failed, in the form that was asked for."""
        if self.output is Output.JSON:
            self.say(render_json({"error": {
                "reason": error.reason.name, "message": error.message, "field": error.field,
                "exit_status": int(error.reason.exit_status), "metadata": error.metadata}}))
        else:
            self.say(f"tickwire: {error.message}")

    @property
    def whole_screen(self) -> bool:
        """Whether there is a terminal on all three streams that can be drawn on."""
        able = self.variables.get("TERM", "") not in ("", "dumb", "unknown")
        return able and all(stream.isatty() for stream in (self.stdin, self.stdout, self.stderr))

    def confirm(self, question: str) -> bool:
        """Ask the user; anything but yes is no."""
        print(f"{question} [y/N] ", end="", file=self.stderr, flush=True)
        return self.stdin.readline().strip().lower() in ("y", "yes")


def environment_of(context: typer.Context) -> Environment:
    """Return the world of a command."""
    found = context.find_object(Environment)
    return found if found is not None else Environment()


def emit(context: typer.Context, output: Output, answer: Any) -> None:
    """Print an answer."""
    render = render_json if output is Output.JSON else render_text
    environment_of(context).line(render(answer))
