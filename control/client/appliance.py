"""An appliance, as a program steers it over gRPC."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from tickwire.v1 import (
    feed_service_pb2,
    feed_service_pb2_grpc,
    limits_service_pb2,
    limits_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
    risk_service_pb2,
    risk_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
    strategy_service_pb2,
    strategy_service_pb2_grpc,
    symbol_service_pb2,
    symbol_service_pb2_grpc,
)

from control.client.changes import WHOLE_LIMITS, Changing, update_request
from control.client.connection import Connection, credentials_of, writer_of
from control.client.readings import Risk, Status
from control.client.settings import (
    ArpEntry,
    Feed,
    Limits,
    Model,
    Session,
    SessionLimits,
    SessionState,
    Strategy,
    Symbol,
)
from control.client.telemetry import Telemetry
from control.errors import ControlError, Reason

__all__ = ["Appliance"]

_STATUS = status_service_pb2_grpc.StatusServiceStub
_SYMBOLS = symbol_service_pb2_grpc.SymbolServiceStub
_FEED = feed_service_pb2_grpc.FeedServiceStub
_LIMITS = limits_service_pb2_grpc.LimitsServiceStub
_MODEL = model_service_pb2_grpc.ModelServiceStub
_STRATEGY = strategy_service_pb2_grpc.StrategyServiceStub
_SESSION = session_service_pb2_grpc.SessionServiceStub
_RISK = risk_service_pb2_grpc.RiskServiceStub

_PLAINLY = Changing()


class Appliance(Telemetry):
    """An appliance behind a management service.

    A context manager that closes the connection. Every method raises :class:`ControlError` with
    the reason that the service gives, DEVICE_UNREACHABLE without an answer. Methods that change
    something take a :class:`Changing`; settings that are not given stay. Names of settings and
    readings are those of ``proto/tickwire/v1``, prices are integers in 1e-4 USD.

    Parameters
    ----------
    server : str, optional
        ``HOST:PORT``; else TICKWIRE_SERVER, else 127.0.0.1:5450.
    writer : str, optional
        Who changes things; else TICKWIRE_WRITER, else the user at this machine.
    credentials : grpc.ChannelCredentials, optional
        For TLS; else the files that TICKWIRE_TLS_* name, else there is none.
    variables : mapping of str to str, optional
        Variables to look at instead of the process's.
    connection : Connection, optional
        Use this one instead of all the above.

    Raises
    ------
    ControlError
        INVALID_FIELD if TICKWIRE_TLS_* do not name three files that can be read.
    """

    def __init__(self, server: str | None = None, *, writer: str | None = None,
                 credentials: grpc.ChannelCredentials | None = None,
                 variables: Mapping[str, str] | None = None,
                 connection: Connection | None = None) -> None:
        found = os.environ if variables is None else variables
        if connection is None:
            connection = Connection(
                *([address] if (address := server or found.get("TICKWIRE_SERVER")) else []),
                writer=writer or writer_of(found), credentials=credentials or credentials_of(found))
        super().__init__(connection)

    def __enter__(self) -> "Appliance":
        """Begin a block at whose end the connection is closed."""
        return self

    # What it is and does.

    def status(self) -> Status:
        """Return what the appliance is and does."""
        return Status.of(self._call(_STATUS, "GetStatus",
                                    status_service_pb2.GetStatusRequest()).status)

    def watch_status(self, *, interval_ms: int = 500, seconds: float | None = None
                     ) -> Iterator[Status]:
        """Return the status, and again each time that it changes; for so long or for ever."""
        with self.connection.stream(_STATUS, "WatchStatus", status_service_pb2.WatchStatusRequest(
                interval_ms=interval_ms), seconds=seconds) as answers:
            for answer in answers:
                yield Status.of(answer.status)

    # Symbols and feed.

    def symbols(self) -> tuple[Symbol, ...]:
        """Return the watched symbols."""
        answer = self._call(_SYMBOLS, "ListSymbols", symbol_service_pb2.ListSymbolsRequest())
        return tuple(map(Symbol.of, answer.symbols))

    def watch_symbol(self, symbol: str, *, tick_size_e4: int = 100, locate: int | None = None,
                     how: Changing = _PLAINLY) -> Symbol:
        """Watch a symbol, or change how; without a locate the appliance learns it."""
        wanted = symbol_service_pb2.Symbol(symbol=symbol, tick_size_e4=tick_size_e4, locate=locate)
        return Symbol.of(self._change(_SYMBOLS, "UpdateSymbol",
                                      symbol_service_pb2.UpdateSymbolRequest(
                                          symbol=wanted, change=how.message), how).symbol)

    def remove_symbol(self, symbol: str, *, how: Changing = _PLAINLY) -> None:
        """End watching a symbol; revokes its limits and disables its strategy."""
        self._change(_SYMBOLS, "RemoveSymbol", symbol_service_pb2.RemoveSymbolRequest(
            symbol=symbol, change=how.message), how)

    def feed(self) -> Feed:
        """Return the settings of the market data stream."""
        return Feed.of(self._call(_FEED, "GetFeed", feed_service_pb2.GetFeedRequest()).feed)

    def update_feed(self, *, how: Changing = _PLAINLY, **settings: Any) -> Feed:
        """Change settings of the stream."""
        request = update_request(feed_service_pb2.UpdateFeedRequest, settings, how)
        return Feed.of(self._change(_FEED, "UpdateFeed", request, how).feed)

    def reset_feed(self, *, how: Changing = _PLAINLY) -> None:
        """Forget every order, book, session and trading state, and begin again."""
        self._change(_FEED, "ResetFeed", feed_service_pb2.ResetFeedRequest(change=how.message), how)

    # Limits, strategies, models.

    def limits(self) -> dict[str, Limits]:
        """Return the limits that are in force, by symbol."""
        answer = self._call(_LIMITS, "ListLimits", limits_service_pb2.ListLimitsRequest())
        return {row.symbol: Limits.of(row) for row in answer.limits}

    def update_limits(self, symbol: str, *, how: Changing = _PLAINLY, **settings: Any) -> Limits:
        """Set limits of a symbol; all but `restricted` if it has none yet."""
        request = update_request(limits_service_pb2.UpdateLimitsRequest, settings, how,
                                 whole=WHOLE_LIMITS, symbol=symbol)
        return Limits.of(self._change(_LIMITS, "UpdateLimits", request, how).limits)

    def revoke_limits(self, symbol: str, *, how: Changing = _PLAINLY) -> None:
        """Take the limits of a symbol away: it may not be traded."""
        self._change(_LIMITS, "RevokeLimits", limits_service_pb2.RevokeLimitsRequest(
            symbol=symbol, change=how.message), how)

    def session_limits(self) -> SessionLimits:
        """Return the limits of the session."""
        return SessionLimits.of(self._call(_LIMITS, "GetSessionLimits",
                                           limits_service_pb2.GetSessionLimitsRequest()).limits)

    def update_session_limits(self, *, how: Changing = _PLAINLY, **settings: Any) -> SessionLimits:
        """Change limits of the session."""
        request = update_request(limits_service_pb2.UpdateSessionLimitsRequest, settings, how)
        return SessionLimits.of(self._change(_LIMITS, "UpdateSessionLimits", request, how).limits)

    def strategies(self) -> dict[str, Strategy]:
        """Return the parameters of every watched symbol."""
        answer = self._call(_STRATEGY, "ListStrategies",
                            strategy_service_pb2.ListStrategiesRequest())
        return {row.symbol: Strategy.of(row) for row in answer.strategies}

    def update_strategy(self, symbol: str, *, how: Changing = _PLAINLY,
                        **settings: Any) -> Strategy:
        """Change parameters of a symbol."""
        request = update_request(strategy_service_pb2.UpdateStrategyRequest, settings, how,
                                 symbol=symbol)
        return Strategy.of(self._change(_STRATEGY, "UpdateStrategy", request, how).strategy)

    def model(self) -> Model:
        """Return the model that scores, as read from the appliance."""
        return Model.of(self._call(_MODEL, "GetModel", model_service_pb2.GetModelRequest()).model)

    def load_model(self, file: str | Path, *, how: Changing = _PLAINLY) -> Model:
        """Check a model file, write it to the idle bank, read it back, and make it score."""
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ControlError(Reason.INVALID_MODEL, f"{file} cannot be read: {error}") from error
        return Model.of(self._change(_MODEL, "LoadModel", model_service_pb2.LoadModelRequest(
            text=text, change=how.message), how).model)

    # The order session.

    def session(self) -> Session:
        """Return the settings of the order session."""
        return Session.of(self._call(_SESSION, "GetSession",
                                     session_service_pb2.GetSessionRequest()).session)

    def session_state(self) -> SessionState:
        """Return the state of the order session."""
        return SessionState.of(self._call(_SESSION, "GetSession",
                                          session_service_pb2.GetSessionRequest()).state)

    def update_session(self, *, how: Changing = _PLAINLY, **settings: Any) -> Session:
        """Change settings of the order session while it is down."""
        request = update_request(session_service_pb2.UpdateSessionRequest, settings, how)
        return Session.of(self._change(_SESSION, "UpdateSession", request, how).session)

    def connect_session(self, *, timeout_ms: int = 5000, how: Changing = _PLAINLY) -> SessionState:
        """Connect, log in, and wait for the outcome."""
        return SessionState.of(self._change(
            _SESSION, "ConnectSession", session_service_pb2.ConnectSessionRequest(
                timeout_ms=timeout_ms, change=how.message), how).state)

    def disconnect_session(self, *, how: Changing = _PLAINLY) -> SessionState:
        """Log out and close."""
        return SessionState.of(self._change(
            _SESSION, "DisconnectSession", session_service_pb2.DisconnectSessionRequest(
                change=how.message), how).state)

    def arp_entries(self) -> tuple[ArpEntry, ...]:
        """Return the MAC addresses that the order port knows."""
        answer = self._call(_SESSION, "ListArpEntries", session_service_pb2.ListArpEntriesRequest())
        return tuple(map(ArpEntry.of, answer.entries))

    def set_arp_entry(self, ip: str, mac: str, *, how: Changing = _PLAINLY) -> ArpEntry:
        """Set the MAC address of an IPv4 address; no answer replaces it."""
        request = session_service_pb2.SetArpEntryRequest(ip=ip, mac=mac, change=how.message)
        return ArpEntry.of(self._change(_SESSION, "SetArpEntry", request, how).entry)

    def remove_arp_entry(self, ip: str, *, how: Changing = _PLAINLY) -> None:
        """Forget an entry, learnt or set."""
        self._change(_SESSION, "RemoveArpEntry", session_service_pb2.RemoveArpEntryRequest(
            ip=ip, change=how.message), how)

    # The gate.

    def risk(self) -> Risk:
        """Return the state of the gate."""
        return Risk.of(self._call(_RISK, "GetRisk", risk_service_pb2.GetRiskRequest()).risk)

    def arm(self, *, how: Changing = _PLAINLY) -> Risk:
        """Let orders out."""
        return Risk.of(self._change(_RISK, "Arm", risk_service_pb2.ArmRequest(
            change=how.message), how).risk)

    def disarm(self) -> Risk:
        """Let no order out any more; cancels pass."""
        return Risk.of(self._call(_RISK, "Disarm", risk_service_pb2.DisarmRequest()).risk)

    def kill(self, reason: str = "") -> Risk:
        """Let no order out any more, latch, and cancel what is open."""
        return Risk.of(self._call(_RISK, "Kill", risk_service_pb2.KillRequest(reason=reason)).risk)

    def clear_kill(self, reason: str, positions: Mapping[str, int] | None = None, *,
                   how: Changing = _PLAINLY) -> Risk:
        """Forget a kill; every position that is not zero must be given as the venue knows it."""
        rows: Iterable[risk_service_pb2.ReconciledPosition] = (
            risk_service_pb2.ReconciledPosition(symbol=symbol, position=shares)
            for symbol, shares in (positions or {}).items())
        return Risk.of(self._change(_RISK, "ClearKill", risk_service_pb2.ClearKillRequest(
            reason=reason, positions=rows, change=how.message), how).risk)

    def cancel_all(self) -> Risk:
        """Ask for a cancel of every open order."""
        return Risk.of(self._call(_RISK, "CancelAll", risk_service_pb2.CancelAllRequest()).risk)
