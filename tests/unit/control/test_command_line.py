"""What all commands have in common: help, JSON, exit statuses, completion, documents."""

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from control.cli.environment import Environment
from control.cli.main import run
from control.cli.reference import ANSWERS, STATUSES, commands, keys_of, section
from control.errors import ExitStatus, Reason
from proto.events import EVENTS
from tests.unit.control.plant import running_plant
from tests.unit.control.ready import LIMITS, make_ready

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = dict(commands())


@pytest.fixture
def plant():
    with running_plant() as plant:
        yield plant


def name_of(path):
    return " ".join(path)


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_every_command_has_an_example_and_json(path):
    command = COMMANDS[path]
    assert command.help.startswith(f"Example: tickwire {name_of(path)}")
    options = {text: parameter for parameter in command.params for text in parameter.opts}
    assert "--output" in options, f"tickwire {name_of(path)} must have --output text|json"
    assert options["--output"].default == "text"
    for parameter in command.params:
        assert parameter.help, f"{parameter.name} of tickwire {name_of(path)} must have a help"


def test_the_answers_are_of_commands_that_there_are():
    assert ANSWERS.keys() <= {name_of(path) for path in COMMANDS}


#: One call of every command that prints a message, in an order in which all of them succeed.
CALLS = (
    ("symbols set", "MSFT"), ("symbols list",), ("symbols remove", "MSFT"),
    ("status",), ("counters",), ("latency",), ("positions",), ("orders",), ("fills",),
    ("feed show",), ("feed set", "--timeout-ns", "5"),
    ("limits list",), ("limits set", "AAPL", *LIMITS), ("limits session",),
    ("model show",), ("model load", "MODEL"),
    ("strategy list",), ("strategy set", "AAPL", "--buy", "5"),
    ("arp set", "10.0.0.1", "02:00:00:00:00:01"), ("arp list",), ("arp remove", "10.0.0.1"),
    ("session show",), ("watch status", "--count", "1"),
    ("arm", "--yes"), ("disarm",), ("cancel",),
    ("session down",), ("session set", "--peer-port", "9"), ("session up",),
    ("kill",), ("kill clear", "--reason", "over"), ("limits revoke", "AAPL"),
)


def test_json_has_the_keys_that_are_documented(plant, model_file):
    make_ready(plant, model_file)
    plant.json("limits", "session", "--watchdog-ns", "600000000000")    # a busy machine is no kill
    for name, *arguments in CALLS:
        given = [str(model_file) if text == "MODEL" else text for text in arguments]
        answer = plant.json(*name.split(), *given)
        expected = keys_of(name)
        assert tuple(answer) == expected, name
    messages = {name for name, answer in ANSWERS.items() if not isinstance(answer, str)}
    assert {name for name, *_ in CALLS} == messages


def test_json_of_the_views_has_the_keys_that_are_documented(plant):
    plant.json("symbols", "set", "AAPL")
    for command in (("watch", "--count", "1"), ("book", "AAPL", "--once")):
        answer = plant.json(*command)
        documented = re.findall(r"`(\w+)`", ANSWERS[command[0]])
        assert set(answer) <= set(documented), command
    assert set(plant.json("watch", "--count", "1")) == set(re.findall(r"`(\w+)`", ANSWERS["watch"]))


def test_lines_are_printed_for_a_pipe_and_an_alert_once(plant):
    plant.json("symbols", "set", "AAPL")
    status, out, _ = plant.command("watch", "--count", "2", "--interval-ms", "10")
    lines = out.splitlines()
    assert status == 0 and "disarmed feed=down" in lines[0] and "AAPL@XNAS=-/-" in lines[-1]
    assert sum("alert: the feed is not enabled" in line for line in lines) == 1
    status, out, _ = plant.command("book", "AAPL", "--once")
    assert out.startswith("AAPL@XNAS  no record of its book has come yet\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("term, streams, whole", [
    ("xterm", 3, True), ("dumb", 3, False), ("", 3, False), ("xterm", 2, False)])
def test_the_whole_screen_is_taken_only_on_a_real_terminal(term, streams, whole):
    ends = [Terminal() if number < streams else io.StringIO() for number in range(3)]
    environment = Environment(stdin=ends[0], stdout=ends[1], stderr=ends[2],
                              variables={"TERM": term})
    assert environment.whole_screen is whole


@pytest.mark.parametrize("command", [("watch",), ("book", "AAPL")], ids=name_of)
def test_a_terminal_is_drawn_on_and_left_as_it_was(plant, command):
    plant.json("symbols", "set", "AAPL")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    started = subprocess.Popen(
        [sys.executable, "-m", "control", *command, "--server", plant.address], cwd=ROOT,
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"})
    written = b""
    while b"quit" not in written:        # the line of keys is there
        written += os.read(ours, 4096)
    os.write(ours, b"q")
    while started.poll() is None:
        if select.select([ours], [], [], 0.1)[0]:
            written += os.read(ours, 4096)
    while select.select([ours], [], [], 0)[0]:
        written += os.read(ours, 4096)
    after = termios.tcgetattr(theirs)
    os.close(ours)
    os.close(theirs)
    assert started.returncode == 0 and after == before
    assert b"\x1b[?1049h" in written and b"\x1b[?1049l" in written and b"AAPL@XNAS" in written


# Exit statuses.

def test_every_status_and_reason_has_its_meaning():
    assert list(STATUSES) == list(ExitStatus)
    assert {reason.exit_status for reason in Reason} < set(STATUSES)


@pytest.mark.parametrize("expected, arguments", [
    (ExitStatus.DONE, ("status",)),
    (ExitStatus.FAILED, ("model", "load", "/none/model.json")),
    (ExitStatus.USAGE, ("symbols", "set", "TOOLONGNAME")),
    (ExitStatus.USAGE, ("nonsense",)),
    (ExitStatus.USAGE, ("status", "--output", "xml")),
    (ExitStatus.USAGE, ("book", "ZZZ")),
    (ExitStatus.REFUSED, ("arm", "--yes")),
    (ExitStatus.UNREACHABLE, ("status", "--server", "127.0.0.1:1")),
    (ExitStatus.UNREACHABLE, ("watch", "--server", "127.0.0.1:1")),
    (ExitStatus.CONFLICT, ("symbols", "set", "B", "--expected-revision", "99")),
])
def test_exit_statuses(plant, expected, arguments):
    assert plant.command(*arguments)[0] == expected


def process(*arguments, **variables):
    return subprocess.Popen([sys.executable, "-m", "control", *arguments], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, **variables})


def test_an_interrupted_command_ends_with_130(plant):
    with process("watch", "status", "--output", "json", "--server", plant.address) as watcher:
        assert json.loads(watcher.stdout.readline())["sequence"] == 0
        watcher.send_signal(signal.SIGINT)
        _, said = watcher.communicate(timeout=60)
        assert (watcher.returncode, said) == (ExitStatus.INTERRUPTED, "")


def test_a_reader_who_has_had_enough_is_no_reason_for_a_traceback(plant):
    with process("watch", "--plain", "--interval-ms", "10", "--server", plant.address) as watcher:
        assert "disarmed" in watcher.stdout.readline()
        watcher.stdout.close()
        said = watcher.stderr.read()
        assert watcher.wait(60) == ExitStatus.FAILED and "Traceback" not in said


def test_an_error_is_json_if_json_was_asked_for(plant):
    for form in (("--output", "json"), ("--output=json",)):
        status, out, said = plant.command("arm", "--yes", *form)
        error = json.loads(said)["error"]
        assert (status, out, error["reason"], error["exit_status"]) == (3, "", "NOT_READY", 3)
        assert error["metadata"]["missing_0"] == "no symbol is watched"
    assert plant.command("arm", "--yes")[2].startswith("tickwire: cannot arm: no symbol")


def test_serve_tells_where_it_listens(plant):
    said = json.loads(process_line("serve", "--device", f"127.0.0.1:{plant.fake.port_number}",
                                   "--listen", "127.0.0.1:0", "--take-over", "--output", "json"))
    assert list(said) == ["version", "device", "listening"] and said["version"] == "0.1.0"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", said["listening"])


def process_line(*arguments):
    """Start a command, return its first line, and end it."""
    with process(*arguments) as started:
        line = started.stdout.readline()
        started.terminate()
        started.communicate(timeout=60)
        assert started.returncode == 0
        return line


# Completion.

def completed(plant, text, shell="bash", **variables):
    """What a shell is told for a command line whose last word is being typed."""
    words = text.split(" ")
    how = {
        "bash": {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": text},
        "fish": {"_TYPER_COMPLETE_ARGS": text, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    env = {**os.environ, "TICKWIRE_SERVER": plant.address, "_TICKWIRE_COMPLETE":
           f"complete_{shell}", **how, **variables}
    done = subprocess.run([sys.executable, "-m", "control"], cwd=ROOT, env=env, text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.stderr == "", done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_symbols_commands_and_kinds_are_completed(plant):
    for name in ("AAPL", "AMD", "MSFT"):
        plant.json("symbols", "set", name)
    assert completed(plant, "tickwire book A") == ["AAPL@XNAS", "AMD@XNAS"]
    assert completed(plant, "tickwire limits set M") == ["MSFT@XNAS"]
    assert completed(plant, "tickwire kill clear --position MS") == ["MSFT@XNAS="]
    assert completed(plant, "tickwire limits re") == ["revoke"]
    kinds = completed(plant, "tickwire watch events --kind order_")
    assert kinds == [kind.name.lower() for kind in EVENTS if kind.name.startswith("ORDER_")]


def test_without_a_server_nothing_is_completed_and_nothing_is_said(plant):
    assert completed(plant, "tickwire book A", TICKWIRE_SERVER="127.0.0.1:1") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_the_same(plant, shell):
    plant.json("symbols", "set", "AAPL")
    assert "AAPL@XNAS" in "\n".join(completed(plant, "tickwire book A", shell))


@pytest.mark.parametrize("shell, part", [
    ("bash", "complete -o default -F _tickwire_completion tickwire"),
    ("zsh", "#compdef tickwire"), ("fish", "complete --command tickwire")])
def test_each_shell_has_its_script(shell, part):
    done = subprocess.run([sys.executable, "-m", "control"], cwd=ROOT, text=True, timeout=120,
                          env={**os.environ, "_TICKWIRE_COMPLETE": f"source_{shell}"},
                          capture_output=True, check=True)
    assert part in done.stdout


def test_completion_can_be_installed(capsys):
    assert run(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out


# The document.

@pytest.mark.parametrize("name", ANSWERS)
def test_the_document_is_that_of_the_commands(name):
    document = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    path = tuple(name.split())
    assert section(path, COMMANDS[path]) in document, "run `make generate`"
