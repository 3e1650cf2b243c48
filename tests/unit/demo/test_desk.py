"""Commands as the demo gives them."""

import socket

import pytest

from demo.desk import Desk
from demo.errors import DemoError


@pytest.fixture
def desk():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
    return Desk(server, show=lambda _: None)


def test_a_command_that_fails_at_once_is_seen_to_have_ended(desk):
    command = desk.beside("session", "up", "--timeout-ms", "60001")
    while not command.ended:
        pass
    with pytest.raises(DemoError, match="session up --timeout-ms 60001: status 2"):
        command.end()
