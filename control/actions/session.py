"""The order session: settings, up and down."""

import asyncio
from collections.abc import Callable

from control.appliance import Appliance, ChangeOptions
from control.errors import ControlError, Reason
from control.session import SessionSettings, SessionView
from proto.session_states import SessionState

__all__ = ["connect", "disconnect", "read_session", "update_session"]

_POLL_S = 0.02


async def read_session(appliance: Appliance) -> tuple[SessionSettings, SessionView]:
    """Return settings and state."""
    registers = await appliance.device.read_block("session")
    state = appliance.device.fields("session.state", registers["state"])
    return (SessionSettings.from_registers(registers),
            SessionView.from_registers(state, registers))


async def update_session(appliance: Appliance,
                         make: Callable[[SessionSettings], SessionSettings],
                         options: ChangeOptions) -> SessionSettings:
    """Change settings; `make` returns the new ones, given the present ones.

    Raises
    ------
    ControlError
        INVALID_FIELD; SESSION_UP unless the session is down.
    """
    async with appliance.change(options) as apply:
        present, _ = await read_session(appliance)
        settings = make(present)
        registers = settings.registers()
        if await appliance.device.read("session.enable"):
            raise ControlError(Reason.SESSION_UP, "the order session is enabled: disconnect it "
                                                  "first")
        if apply:
            await appliance.device.write_many(
                {f"session.{name}": value for name, value in registers.items()})
            if settings.user_ref_num:
                await appliance.device.pulse("session.command", "load_user_ref_num")
    return settings


async def connect(appliance: Appliance, timeout_s: float, options: ChangeOptions) -> SessionView:
    """Connect and log in, and wait for the outcome.

    Raises
    ------
    ControlError
        NOT_READY, SESSION_REFUSED, SESSION_TIMEOUT; the appliance does not go on trying then.
    """
    async with appliance.change(options) as apply:
        settings, view = await read_session(appliance)
        if missing := settings.missing():
            raise ControlError(Reason.NOT_READY, f"cannot connect: set {', '.join(missing)}")
        if not apply or view.up:
            return view
        await appliance.device.write_many({"session.enable": 0})
        await appliance.device.write_many({"session.enable": 1})
        try:
            async with asyncio.timeout(timeout_s):
                return await _wait(appliance)
        except TimeoutError:
            _, view = await read_session(appliance)
            await appliance.device.write("session.enable", 0)
            raise ControlError(
                Reason.SESSION_TIMEOUT, f"no login in {timeout_s} s: TCP {view.tcp}, session "
                                        f"{view.session}, left last: {view.close_reason}") from None
        except BaseException:
            await appliance.device.write("session.enable", 0)
            raise


async def _wait(appliance: Appliance) -> SessionView:
    rejected = SessionState.REJECTED.name.lower()
    while True:
        _, view = await read_session(appliance)
        if view.up:
            return view
        if view.session == rejected:
            raise ControlError(Reason.SESSION_REFUSED,
                               f"the venue refused the login, reason {view.reject_reason!r}")
        await asyncio.sleep(_POLL_S)


async def disconnect(appliance: Appliance, options: ChangeOptions) -> SessionView:
    """Log out and close.

    Raises
    ------
    ControlError
        ARMED.
    """
    async with appliance.change(options) as apply:
        await appliance.refuse_if_armed("the order session")
        if apply:
            await appliance.device.write("session.enable", 0)
    _, view = await read_session(appliance)
    return view
