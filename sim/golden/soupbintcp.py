"""A SoupBinTCP server in plain Python: bytes in, bytes out.

Ref: Nasdaq, SoupBinTCP Version 3.00.
"""

from collections.abc import Callable

__all__ = ["SoupServer", "packet", "split"]


def packet(kind: bytes, payload: bytes = b"") -> bytes:
    """Return a logical packet."""
    return (1 + len(payload)).to_bytes(2, "big") + kind + payload


def split(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the whole packets of a byte stream as (type, payload), and what is left."""
    packets: list[tuple[bytes, bytes]] = []
    at = 0
    while at + 2 <= len(data):
        length = int.from_bytes(data[at:at + 2], "big")
        if at + 2 + length > len(data):
            break
        body = data[at + 2:at + 2 + length]
        packets.append((body[:1], body[1:]))
        at += 2 + length
    return packets, bytes(data[at:])


class SoupServer:
    """One connection's worth of a server that holds a list of sequenced messages.

    Parameters
    ----------
    messages : list of bytes
        All sequenced messages of the session so far; it may be shared by connections.
    send : callable
        Takes bytes for the client.
    session : bytes
        Ten characters.
    refuse : bytes or None
        Reason of a rejected login.
    """

    def __init__(self, messages: list[bytes], send: Callable[[bytes], None], *,
                 session: bytes = b"000010059B", refuse: bytes | None = None) -> None:
        self.messages = messages
        self.send = send
        self.session = session
        self.refuse = refuse
        self.login: bytes | None = None
        self.heartbeats = 0
        self.logged_out = False
        self.unsequenced: list[bytes] = []
        self._rest = b""
        self._sent = 0

    def receive(self, data: bytes) -> None:
        """Take bytes of the client."""
        packets, self._rest = split(self._rest + data)
        for kind, payload in packets:
            if kind == b"L":
                assert self.login is None and len(payload) == 46
                self.login = payload
                if self.refuse:
                    self.send(packet(b"J", self.refuse))
                    continue
                wanted = int(payload[26:])
                self._sent = min(max(wanted, 1) - 1, len(self.messages))
                self.send(packet(b"A", self.session + b"%20d" % (self._sent + 1)))
            elif kind == b"R":
                assert self.login is not None
                self.heartbeats += 1
            elif kind == b"O":
                self.logged_out = True
            elif kind == b"U":
                assert self.login is not None and not self.logged_out
                self.unsequenced.append(payload)
            else:
                raise AssertionError(f"unexpected packet {kind!r}")
        self.flush()

    def flush(self) -> None:
        """Send the sequenced messages that have not been sent."""
        while self.login is not None and not self.refuse and self._sent < len(self.messages):
            self.send(packet(b"S", self.messages[self._sent]))
            self._sent += 1
