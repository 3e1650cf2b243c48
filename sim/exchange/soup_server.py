"""The server's side of SoupBinTCP: a stored, numbered stream, and the connections that read it.

Ref: Nasdaq, SoupBinTCP Version 3.00. Bytes in and bytes out; any segmentation.
"""

from collections.abc import Callable
from dataclasses import dataclass

from proto.wire import soupbintcp
from proto.wire.message import Message, WireError
from proto.wire.soupbintcp import LoginRejectReason

__all__ = ["SoupConnection", "SoupSettings", "SoupStream"]

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class SoupSettings:
    """Who may log in, and the timers.

    Attributes
    ----------
    username, password : str
        Compared without regard to case.
    session : str
        Name of the active session, ten characters at most.
    heartbeat_ns : int
        Silence after which a heartbeat is sent.
    peer_timeout_ns : int
        Silence of the peer after which the connection is closed.
    login_timeout_ns : int
        Time within which the login must come.
    """

    username: str = "TICKW"
    password: str = "WIRETICK"
    session: str = "SESSION001"
    heartbeat_ns: int = _SECOND_NS
    peer_timeout_ns: int = 15 * _SECOND_NS
    login_timeout_ns: int = 30 * _SECOND_NS


class SoupStream:
    """Every sequenced message of a session; it outlives the connections.

    Attributes
    ----------
    messages : list of bytes
        Message n is at index n - 1.
    ended : bool
        The session is over.
    """

    def __init__(self, settings: SoupSettings) -> None:
        self.settings = settings
        self.messages: list[bytes] = []
        self.ended = False
        self._reader: SoupConnection | None = None

    def append(self, message: bytes) -> None:
        """Give a message the next number, and send it to who is logged in."""
        self.messages.append(message)
        if self._reader is not None:
            self._reader.send_sequenced(message)

    def end(self) -> None:
        """End the session."""
        self.ended = True
        if self._reader is not None:
            self._reader.send_end()

    def attach(self, reader: "SoupConnection") -> None:
        """Let `reader` have what comes from now on; who had it before is disconnected."""
        if self._reader is not None:
            self._reader.replaced()
        self._reader = reader

    def detach(self, reader: "SoupConnection") -> None:
        """Forget `reader`."""
        if self._reader is reader:
            self._reader = None

    def first_wanted(self, requested: int) -> int:
        """Return the number from which a login that asks for `requested` is served."""
        newest = len(self.messages) + 1
        if requested == 0:
            return max(1, newest - 1)   # "start with the most recent message"
        return min(requested, newest)


class SoupConnection:
    """One connection.

    Parameters
    ----------
    stream : SoupStream
        The session's messages.
    deliver : callable
        Takes each unsequenced message and its time.
    lost : callable
        Takes the time at which a logged-in connection ended.
    opened_ns : int
        Time at which the connection was made.

    Attributes
    ----------
    logged_in : bool
        Between the login and the end.
    closing : bool
        The connection is to be closed.
    error : str
        Why we close; empty if the peer or the session ended it.
    """

    def __init__(self, stream: SoupStream, deliver: Callable[[bytes, int], None],
                 lost: Callable[[int], None], opened_ns: int) -> None:
        self._stream = stream
        self._settings = stream.settings
        self._deliver = deliver
        self._lost = lost
        self._input = bytearray()
        self._output = bytearray()
        self._last_input_ns = opened_ns
        self._last_output_ns = opened_ns
        self.logged_in = False
        self.closing = False
        self.error = ""

    @property
    def next_ns(self) -> int:
        """When `advance` has something to do."""
        if self._output or self.closing:
            return 0
        if not self.logged_in:
            return self._last_input_ns + self._settings.login_timeout_ns
        return min(self._last_output_ns + self._settings.heartbeat_ns,
                   self._last_input_ns + self._settings.peer_timeout_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take in bytes of the connection."""
        if self.logged_in:
            self._last_input_ns = now_ns
        self._input += data
        while not self.closing and len(self._input) >= soupbintcp.HEADER.size:
            header = soupbintcp.HEADER.decode_from(self._input)
            end = soupbintcp.LENGTH_BYTES + int(header["packet_length"])
            if end < soupbintcp.HEADER.size:
                self._fail("packet of length 0")
                return
            if len(self._input) < end:
                return
            packet = bytes(self._input[:end])
            del self._input[:end]
            self._take(int(header["packet_type"]), packet, now_ns)

    def advance(self, now_ns: int) -> None:
        """Send a heartbeat or end a silent connection, if it is time."""
        if self._output:
            self._last_output_ns = now_ns
        if self.closing:
            return
        if not self.logged_in:
            if now_ns >= self._last_input_ns + self._settings.login_timeout_ns:
                self._fail("no login")
        elif now_ns >= self._last_input_ns + self._settings.peer_timeout_ns:
            self._fail("the peer is silent")
        elif now_ns >= self._last_output_ns + self._settings.heartbeat_ns:
            self._put(soupbintcp.SERVER_HEARTBEAT)
            self._last_output_ns = now_ns

    def take_output(self) -> bytes:
        """Return and forget what is to be sent."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def disconnected(self, now_ns: int) -> None:
        """Learn that the connection is gone."""
        self.closing = True
        self._stream.detach(self)
        if self.logged_in:
            self.logged_in = False
            self._lost(now_ns)

    def replaced(self) -> None:
        """Give way to a newer login; the session itself is not lost."""
        self.logged_in = False
        self._fail("another connection has logged in")

    def send_sequenced(self, message: bytes) -> None:
        """Send the next message of the stream."""
        self._put(soupbintcp.SEQUENCED_DATA, message)

    def send_end(self) -> None:
        """Tell the end of the session and close."""
        self._put(soupbintcp.END_OF_SESSION)
        self.closing = True

    def _put(self, packet: Message, payload: bytes = b"", **values: int | str) -> None:
        self._output += soupbintcp.frame(packet, payload, **values)

    def _fail(self, error: str) -> None:
        self.error = error
        self.closing = True

    def _take(self, kind: int, packet: bytes, now_ns: int) -> None:
        table = soupbintcp.CLIENT_PACKETS.get(kind)
        if table is None:
            self._fail(f"packet of unknown type {bytes([kind])!r}")
        elif table is soupbintcp.DEBUG:
            return
        elif not self.logged_in:
            if table is soupbintcp.LOGIN_REQUEST:
                self._login(packet, now_ns)
            else:
                self._fail(f"{table.name} before the login")
        elif table is soupbintcp.UNSEQUENCED_DATA:
            self._deliver(packet[table.size:], now_ns)
        elif table is soupbintcp.LOGOUT_REQUEST:
            self.closing = True
        elif table is soupbintcp.LOGIN_REQUEST:
            self._fail("a second login")

    def _login(self, packet: bytes, now_ns: int) -> None:
        try:
            request = soupbintcp.LOGIN_REQUEST.decode(packet)
        except WireError as error:
            self._fail(str(error))
            return
        settings = self._settings

        def same(name: str, wanted: str) -> bool:
            return str(request[name]).strip().lower() == wanted.strip().lower()

        if not same("username", settings.username) or not same("password", settings.password):
            self._refuse(LoginRejectReason.NOT_AUTHORIZED)
        elif self._stream.ended or not (same("requested_session", "")
                                        or same("requested_session", settings.session)):
            self._refuse(LoginRejectReason.SESSION_NOT_AVAILABLE)
        else:
            self._accept(int(request["requested_sequence_number"]), now_ns)

    def _refuse(self, reason: LoginRejectReason) -> None:
        self._put(soupbintcp.LOGIN_REJECTED, reject_reason_code=reason)
        self._fail(f"login rejected: {reason.name.lower()}")

    def _accept(self, requested: int, now_ns: int) -> None:
        first = self._stream.first_wanted(requested)
        self.logged_in = True
        self._last_input_ns = self._last_output_ns = now_ns
        self._stream.attach(self)
        self._put(soupbintcp.LOGIN_ACCEPTED, session=self._settings.session,
                  sequence_number=first)
        for message in self._stream.messages[first - 1:]:
            self.send_sequenced(message)
