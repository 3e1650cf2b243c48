"""The exchange process: serves peers, grants time, carries frames; see :mod:`.lockstep`."""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from sim.errors import SimulationError
from sim.exchange.lockstep import Command, Kind, Link, LockstepError, Record, Role
from sim.exchange.tcp_connection import NEVER_NS
from sim.exchange.venue import Exchange, TimedFrame
from sim.library import Line

__all__ = ["Master", "MasterSettings"]


@dataclass(frozen=True, kw_only=True)
class MasterSettings:
    """Latencies, and how time is granted.

    Attributes
    ----------
    feed_latency_ns : int
        From a book event to the feed frame's Start at the appliance.
    order_latency_ns : int
        From Start of an order frame to its arrival, and of an answer back; also the shortest grant.
    longest_grant_ns : int
        Limit of a grant; a pause waits for its end.
    drain_ns : int
        Time that runs on after the end of the day.
    """

    feed_latency_ns: int = 1_000
    order_latency_ns: int = 5_000
    longest_grant_ns: int = 1_000_000
    drain_ns: int = 1_000_000

    def __post_init__(self) -> None:
        """Check the times."""
        if self.feed_latency_ns < 0:
            raise SimulationError(f"feed latency must be >= 0 ns, was {self.feed_latency_ns}")
        if not 1 <= self.order_latency_ns <= self.longest_grant_ns:
            raise SimulationError(f"order latency must be 1 to {self.longest_grant_ns} ns, "
                                  f"was {self.order_latency_ns}")


class Master:
    """Serve one appliance and any number of controllers until the day is finished.

    Parameters
    ----------
    exchange : Exchange
        The exchange; it is started with the first run.
    listener : socket
        Where peers connect.
    settings : MasterSettings
        Latencies and grants.
    alone : bool
        Run without an appliance.
    progress : callable, optional
        Called with this master after every grant.
    """

    def __init__(self, exchange: Exchange, listener: socket.socket,
                 settings: MasterSettings | None = None, *, alone: bool = False,
                 progress: Callable[["Master"], None] | None = None) -> None:
        self.exchange = exchange
        self.settings = settings or MasterSettings()
        self.grants = 0
        self._alone = alone
        self._progress = progress
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._roles: dict[Link, Role | None] = {}
        self._appliance: Link | None = None
        self._carries_b = False                 # has told that it has a port for line B
        self._waiting: Link | None = None       # the controller whose run is not over
        self._finisher: Link | None = None
        self._started = False
        self._finished = False
        self._now_ns = exchange.now_ns
        self._target_ns = exchange.now_ns
        self._granted_ns: int | None = None     # end of the grant that is out
        self._peer_next_ns = 0
        self._serial = 0
        self._outbound: list[tuple[int, int, TimedFrame]] = []
        self._inbound: list[tuple[int, int, TimedFrame]] = []

    @property
    def now_ns(self) -> int:
        """Time that is over."""
        return self._now_ns

    def serve(self) -> dict[str, Any]:
        """Serve until the day is finished; return the final status."""
        try:
            while not self._finished:
                self._poll()
                if self._granted_ns is None:
                    self._go_on()
            return self.status()
        finally:
            for link in list(self._roles):
                link.close()
            self._selector.close()

    def status(self) -> dict[str, Any]:
        """Return the exchange's status with what this process adds to it."""
        return {**self.exchange.status(), "now_ns": self._now_ns, "grants": self.grants,
                "appliance": self._appliance is not None}

    # Peers.

    def _poll(self) -> None:
        """Take in what peers have sent; wait for it if there is nothing else to do."""
        runs = self._granted_ns is None and self._may_run()
        for key, _ in self._selector.select(0 if runs else None):
            if key.data is None:
                self._accept()
            else:
                self._read(key.data)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(connection)
        self._roles[link] = None
        self._selector.register(connection, selectors.EVENT_READ, link)

    def _read(self, link: Link) -> None:
        if link not in self._roles:
            return  # dropped since it became readable
        try:
            link.receive()
            for record in link.take():
                if link in self._roles:
                    self._take(link, record)
        except LockstepError as error:
            self._drop(link, error)

    def _drop(self, link: Link, error: LockstepError) -> None:
        """Forget a peer; without its appliance time stands still, and a waiting run fails."""
        if link not in self._roles:
            return
        del self._roles[link]
        if link is self._appliance:
            self._appliance = None
            self._granted_ns = None
            self._target_ns = self._now_ns
            if self._waiting is not None:
                self._reply(self._waiting, error=f"the appliance is gone: {error}")
                self._waiting = None
        if link is self._waiting:
            self._waiting = None
        self._selector.unregister(link.socket)
        link.close()

    def _take(self, link: Link, record: Record) -> None:
        role = self._roles[link]
        if role is None:
            self._welcome(link, record)
        elif role is Role.CONTROLLER and record.kind is Kind.COMMAND:
            self._obey(link, record.json())
        elif role is Role.APPLIANCE and record.kind is Kind.FRAME:
            self._take_frame(record.frame())
        elif role is Role.APPLIANCE and record.kind is Kind.DONE:
            self._take_done(*record.done())
        else:
            raise LockstepError(f"{role.name.lower()} must not send {record.kind.name}")

    def _welcome(self, link: Link, record: Record) -> None:
        hello = record.json() if record.kind is Kind.HELLO else {}
        role = Role.__members__.get(str(hello.get("role", "")).upper())
        if role is None:
            raise LockstepError(f"the first record must be a HELLO with a role, was {record}")
        if role is Role.APPLIANCE:
            if self._appliance is not None:
                raise LockstepError("there is an appliance already")
            self._appliance = link
            self._carries_b = Line.FEED_B.name.lower() in hello.get("lines", ())
            self._peer_next_ns = self._now_ns
        self._roles[link] = role
        link.put_json(Kind.WELCOME, {
            "start_ns": self.exchange.settings.start_ns, "now_ns": self._now_ns,
            "seed": self.exchange.status()["seed"],
            "feed_latency_ns": self.settings.feed_latency_ns,
            "order_latency_ns": self.settings.order_latency_ns})
        link.flush()

    def _reply(self, link: Link, error: str | None = None, **values: Any) -> None:
        link.put_json(Kind.REPLY, {"ok": False, "error": error} if error is not None else
                      {"ok": True, **values})
        try:
            link.flush()
        except LockstepError as gone:
            self._drop(link, gone)

    def _obey(self, link: Link, command: dict[str, Any]) -> None:
        name = str(command.get("command", ""))
        try:
            match Command.__members__.get(name.upper()):
                case Command.RUN:
                    self._run(link, command.get("until_ns"))
                case Command.PAUSE:
                    self._target_ns = self._granted_ns or self._now_ns
                    self._reply(link, now_ns=self._target_ns)
                case Command.STATUS:
                    self._reply(link, **self.status())
                case Command.HALT | Command.RESUME:
                    self.exchange.set_halted(str(command.get("symbol")), name == "halt")
                    self._queue_outbound()
                    self._reply(link)
                case Command.FINISH:
                    self._finish(link)
                case _:
                    self._reply(link, error=f"no such command: {name!r}")
        except SimulationError as error:
            self._reply(link, error=str(error))

    def _run(self, link: Link, until_ns: object) -> None:
        if not isinstance(until_ns, int) or until_ns < self._now_ns:
            raise LockstepError(f"until_ns must be a time from {self._now_ns} on, was {until_ns}")
        if self._waiting is not None or self._finisher is not None:
            raise LockstepError("time runs already")
        if not self._started:
            self._started = True
            self.exchange.start()
            self._queue_outbound()
        self._target_ns = until_ns
        self._waiting = link

    def _finish(self, link: Link) -> None:
        if self._finisher is not None:
            raise LockstepError("the day is finished already")
        if self._granted_ns is not None or self._waiting is not None:
            raise LockstepError("time runs; pause first")
        self.exchange.finish()
        self._queue_outbound()
        self._finisher = link
        self._target_ns = self._now_ns + self.settings.drain_ns

    # Time.

    def _may_run(self) -> bool:
        """Tell whether there is something to do without a peer's doing."""
        present = self._alone or self._appliance is not None
        reached = self._now_ns >= self._target_ns
        waits = self._waiting is not None or self._finisher is not None
        return (waits and reached) or (present and not reached) or \
            (self._finisher is not None and not present)

    def _go_on(self) -> None:
        """Grant the next piece of time, or tell that the target is reached."""
        if self._now_ns < self._target_ns:
            if self._appliance is not None:
                self._grant(self._appliance)
            elif self._alone or self._finisher is not None:
                self._advance(self._horizon())
            return
        if self._waiting is not None:
            link, self._waiting = self._waiting, None
            self._reply(link, now_ns=self._now_ns)
        elif self._finisher is not None:
            self._end(self._finisher)

    def _end(self, finisher: Link) -> None:
        final = self.status()
        if self._appliance is not None:
            self._appliance.put_json(Kind.FINISHED, final)
            try:
                self._appliance.flush()
            except LockstepError as gone:
                self._drop(self._appliance, gone)
        self._reply(finisher, **final)
        self._finished = True

    def _horizon(self) -> int:
        """Return until when nothing that the appliance does can matter here.

        What it sends in this grant is caused by a frame that comes in or by a timer of its own, and
        needs the order line's latency to arrive.
        """
        feed_ns, order_ns = self.settings.feed_latency_ns, self.settings.order_latency_ns
        stimulus_ns = self.exchange.next_ns + min(feed_ns, order_ns)
        for queue in (self._outbound, self._inbound):
            if queue:
                stimulus_ns = min(stimulus_ns, queue[0][0])
        cause_ns = max(self._now_ns, min(stimulus_ns, self._peer_next_ns))
        return min(self._target_ns, cause_ns + order_ns,
                   self._now_ns + self.settings.longest_grant_ns)

    def _grant(self, appliance: Link) -> None:
        until_ns = self._horizon()
        self._advance_exchange(until_ns)
        frames: list[TimedFrame] = []
        while self._outbound and self._outbound[0][0] < until_ns:
            frames.append(heappop(self._outbound)[2])
        appliance.put_frames(frames)
        appliance.put_grant(until_ns)
        try:
            appliance.flush()
        except LockstepError as gone:
            self._drop(appliance, gone)
            return
        self._granted_ns = until_ns

    def _advance(self, until_ns: int) -> None:
        """Let time pass without an appliance: what was meant for it is lost."""
        self._advance_exchange(until_ns)
        self._outbound.clear()
        self._peer_next_ns = NEVER_NS
        self._pass(until_ns)

    def _advance_exchange(self, until_ns: int) -> None:
        while self._inbound and self._inbound[0][0] < until_ns:
            self.exchange.receive(heappop(self._inbound)[2])
        self.exchange.advance(until_ns)
        self._queue_outbound()

    def _queue_outbound(self) -> None:
        for frame in self.exchange.take_frames():
            if frame.line is Line.FEED_B and not self._carries_b:
                continue        # observers have seen it; the appliance has no port for it
            latency_ns = (self.settings.feed_latency_ns
                          if frame.line in (Line.FEED_A, Line.FEED_B)
                          else self.settings.order_latency_ns)
            self._push(self._outbound, frame._replace(time_ns=frame.time_ns + latency_ns))

    def _push(self, queue: list[tuple[int, int, TimedFrame]], frame: TimedFrame) -> None:
        self._serial += 1
        heappush(queue, (frame.time_ns, self._serial, frame))

    def _take_frame(self, frame: TimedFrame) -> None:
        if self._granted_ns is None or not self._now_ns <= frame.time_ns < self._granted_ns:
            raise LockstepError(f"frame at {frame.time_ns} ns lies outside the grant from "
                                f"{self._now_ns} to {self._granted_ns} ns")
        arrival_ns = frame.time_ns + self.settings.order_latency_ns
        self._push(self._inbound, frame._replace(time_ns=arrival_ns))

    def _take_done(self, until_ns: int, next_ns: int) -> None:
        if until_ns != self._granted_ns:
            raise LockstepError(f"DONE must be for {self._granted_ns} ns, was for {until_ns} ns")
        self._granted_ns = None
        self._peer_next_ns = next_ns
        self._pass(until_ns)

    def _pass(self, until_ns: int) -> None:
        self._now_ns = until_ns
        self.grants += 1
        if self._progress is not None:
            self._progress(self)
