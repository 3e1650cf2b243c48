"""docs/cli.md, from the commands themselves: ``python -m control.cli.reference docs/cli.md``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from google.protobuf.message import Message
from tickwire.v1 import (
    feed_service_pb2,
    limits_service_pb2,
    model_service_pb2,
    risk_service_pb2,
    session_service_pb2,
    status_service_pb2,
    strategy_service_pb2,
    symbol_service_pb2,
    telemetry_service_pb2,
)

from control.cli.main import app
from control.errors import ExitStatus, Reason

__all__ = ["ANSWERS", "STATUSES", "commands", "keys_of", "render", "section"]

#: What ``--output json`` prints: a message of the service, or keys and who describes them.
ANSWERS: dict[str, type[Message] | str] = {
    "status": status_service_pb2.GetStatusResponse,
    "counters": telemetry_service_pb2.ListCountersResponse,
    "latency": telemetry_service_pb2.GetLatencyResponse,
    "positions": telemetry_service_pb2.ListPositionsResponse,
    "orders": telemetry_service_pb2.ListOrdersResponse,
    "fills": telemetry_service_pb2.ListFillsResponse,
    "arm": risk_service_pb2.ArmResponse,
    "disarm": risk_service_pb2.DisarmResponse,
    "cancel": risk_service_pb2.CancelAllResponse,
    "kill": risk_service_pb2.KillResponse,
    "kill clear": risk_service_pb2.ClearKillResponse,
    "symbols list": symbol_service_pb2.ListSymbolsResponse,
    "symbols set": symbol_service_pb2.UpdateSymbolResponse,
    "symbols remove": symbol_service_pb2.RemoveSymbolResponse,
    "feed show": feed_service_pb2.GetFeedResponse,
    "feed set": feed_service_pb2.UpdateFeedResponse,
    "limits list": limits_service_pb2.ListLimitsResponse,
    "limits set": limits_service_pb2.UpdateLimitsResponse,
    "limits revoke": limits_service_pb2.RevokeLimitsResponse,
    "limits session": limits_service_pb2.UpdateSessionLimitsResponse,
    "model show": model_service_pb2.GetModelResponse,
    "model load": model_service_pb2.LoadModelResponse,
    "strategy list": strategy_service_pb2.ListStrategiesResponse,
    "strategy set": strategy_service_pb2.UpdateStrategyResponse,
    "session show": session_service_pb2.GetSessionResponse,
    "session set": session_service_pb2.UpdateSessionResponse,
    "session up": session_service_pb2.ConnectSessionResponse,
    "arp list": session_service_pb2.ListArpEntriesResponse,
    "arp set": session_service_pb2.SetArpEntryResponse,
    "arp remove": session_service_pb2.RemoveArpEntryResponse,
    "session down": session_service_pb2.DisconnectSessionResponse,
    "watch status": status_service_pb2.WatchStatusResponse,
    "watch events": "`kind`, `symbol`, `fields` (every number by its name, signed where "
                    "[events](events.md) says so), `message` and `texts` (of a feed message), "
                    "`record` (hexadecimal); an object a record",
    "watch": "`at`, `status`, `risk`, `books`, `positions`, `orders` (open ones, and what all have "
             "left), `fills`, `latency`, `counters`, `profit_e4`, `symbol_profit_e4`, "
             "`refusals_per_second`, `counters_per_second`, `alerts`; an object a look",
    "book": "`book` (`Book`), `own_orders` (`Order`), `ladder` (rows with `price_e4`, `bid`, "
            "`bid_orders`, `ask`, `ask_orders`, `own_buy`, `own_sell`); an object a change",
    "serve": "`version`, `device`, `listening`; an object once it listens",
}

#: What the exit statuses mean.
STATUSES = {
    ExitStatus.DONE: "Done.",
    ExitStatus.FAILED: "Failed, or a file is not what it should be.",
    ExitStatus.USAGE: "Used wrongly: an unknown command, option or symbol, a value out of range.",
    ExitStatus.REFUSED: "Refused by a rule: not now, though it may be right later.",
    ExitStatus.UNREACHABLE: "The server or the appliance does not answer.",
    ExitStatus.CONFLICT: "Somebody else has changed, or is changing, things.",
    ExitStatus.INTERRUPTED: "Interrupted with Ctrl-C.",
}

_HEAD = """# Commands

Generated from the command line by `make generate`, do not edit.

Data go to standard output and talk to standard error. `--output json` prints objects, each on a
line, with stable keys: those of the messages in `proto/tickwire/v1`, which describes them, or those
named below. An amount whose key ends in `_e4` is an integer in 1e-4 USD; text has dollars. An error
is `{"error": {"reason", "message", "field", "exit_status", "metadata"}}` on standard error then.

Options go before the environment: `TICKWIRE_SERVER` (address of the management service),
`TICKWIRE_WRITER` (who changes things), `TICKWIRE_PASSWORD` (of the order session),
`TICKWIRE_TLS_AUTHORITY`, `TICKWIRE_TLS_KEY` and `TICKWIRE_TLS_CERTIFICATE` (files).

`tickwire --install-completion` teaches bash, zsh or fish to complete commands, options, kinds of
event records, and the symbols that the server watches if it answers within a second.
`tickwire --show-completion` prints what it would install, `_TICKWIRE_COMPLETE=source_zsh tickwire`
what it would for a shell that is not running. bash takes the `@` of a symbol for the end of a word:
complete before it.
"""


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every command that can be run, with its path, groups that do something included."""
    yield from _walk(typer.main.get_command(app), ())


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children: dict[str, Any] = getattr(command, "commands", {})
    if not children or (path and command.invoke_without_command):
        yield path, command
    for name in sorted(children):
        yield from _walk(children[name], (*path, name))


def keys_of(name: str) -> tuple[str, ...]:
    """Return the keys that a command whose answer is a message prints."""
    answer = ANSWERS[name]
    assert not isinstance(answer, str)
    return tuple(field.name for field in answer.DESCRIPTOR.fields)


def _json(name: str) -> str:
    answer = ANSWERS.get(name)
    if answer is None:
        return "see the text above"
    if isinstance(answer, str):
        return answer
    return (f"{', '.join(f'`{key}`' for key in keys_of(name))} "
            f"(`{answer.DESCRIPTOR.name}`)")


def _parameters(path: tuple[str, ...], command: Any) -> list[str]:
    context = command.make_context(" ".join(path), [], resilient_parsing=True)
    rows: list[str] = []
    for parameter in command.params:
        record: tuple[str, str] | None = parameter.get_help_record(context)
        if record is None:      # an argument
            record = (parameter.make_metavar(context), parameter.help or "")
        text = " ".join(record[1].replace("|", "\\|").split())
        rows.append(f"| `{record[0].replace('|', '/')}` | {text} |")
    return rows


def section(path: tuple[str, ...], command: Any) -> str:
    """Return the part of the document on a command."""
    name = " ".join(path)
    example, _, text = command.help.partition("\n")
    return "\n".join([
        f"\n## tickwire {name}\n", f"```\n{example.removeprefix('Example: ')}\n```\n",
        text.strip(), f"\nJSON: {_json(name)}.\n", "| Parameter | |", "| --- | --- |",
        *_parameters(path, command)])


def render() -> str:
    """Return the document."""
    parts = [_HEAD, "## Exit statuses\n", "| Status | Meaning | Reasons |", "| --- | --- | --- |"]
    for status, meaning in STATUSES.items():
        reasons = ", ".join(f"`{reason.name}`" for reason in Reason
                            if reason.exit_status is status)
        parts.append(f"| {int(status)} | {meaning} | {reasons or '-'} |")
    parts += (section(path, command) for path, command in commands())
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
