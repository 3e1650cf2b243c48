"""Arm, disarm, kill, clear a kill."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from control.actions.readings import positions
from control.actions.settings import feed, list_limits, list_strategies, session_limits
from control.appliance import Appliance, ChangeOptions
from control.errors import ControlError, Reason
from control.risk import check_armable, check_clearable, missing_for_arming

__all__ = ["RiskView", "arm", "cancel_all", "clear_kill", "disarm", "kill", "read_risk"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RiskView:
    """State of the gate."""

    armed: bool
    killed: bool
    sweeping: bool
    causes: tuple[str, ...]
    reason: str
    limits_version: int


async def read_risk(appliance: Appliance) -> RiskView:
    """Return the state of the gate."""
    device = appliance.device
    words = await device.read_many(["risk.state", "risk.cause", "risk.limits_version"])
    state = device.fields("risk.state", words["risk.state"])
    causes = device.fields("risk.cause", words["risk.cause"])
    return RiskView(
        armed=bool(state["armed"]), killed=bool(state["killed"]),
        sweeping=bool(state["sweeping"]),
        causes=tuple(name for name, seen in causes.items() if seen),
        reason=appliance.kill_reason, limits_version=words["risk.limits_version"])


async def arm(appliance: Appliance, options: ChangeOptions) -> RiskView:
    """Let orders out.

    Raises
    ------
    ControlError
        KILLED, NOT_READY, ARM_REFUSED.
    """
    async with appliance.change(options) as apply:
        limits = await list_limits(appliance)
        strategies = await list_strategies(appliance)
        session = await session_limits(appliance)
        state = await appliance.device.read_flags("risk.state")
        check_armable(missing_for_arming(
            watched=[row.symbol.name for row in strategies.values()],
            limited=[row.symbol.name for row in limits.values()],
            trading=[row.symbol.name for row in strategies.values() if row.strategy.enable],
            model_loaded=bool((await appliance.device.read_flags("model.state"))["loaded"]),
            session_up=bool(state["session_up"]),
            feed_enabled=(await feed(appliance)).enable,
            message_interval_ns=session.message_interval_ns,
            watchdog_timeout_ns=session.watchdog_timeout_ns), killed=bool(state["killed"]))
        if apply:
            await appliance.transport.heartbeat()
            await appliance.device.pulse("risk.command", "arm")
            view = await read_risk(appliance)
            if not view.armed:
                raise ControlError(
                    Reason.ARM_REFUSED, "the appliance refused to arm: "
                    + (f"killed by {', '.join(view.causes)}" if view.killed
                       else "its last heartbeat is older than watchdog_timeout_ns"))
    return await read_risk(appliance)


async def disarm(appliance: Appliance) -> RiskView:
    """Let no order out any more; waits for no other change."""
    await appliance.device.pulse("risk.command", "disarm")
    appliance.revision.advance()
    return await read_risk(appliance)


async def kill(appliance: Appliance, reason: str) -> RiskView:
    """Let no order out any more, and latch; waits for no other change.

    The appliance cancels what is open by itself, unless `cancel_on_kill` is off; a killed one does
    so once more.
    """
    # Alone in its request: the shortest one takes effect soonest.
    await appliance.device.pulse("risk.command", "kill")
    _LOG.warning("killed: %s", reason or "no reason given")
    appliance.kill_reason = reason
    appliance.revision.advance()
    return await read_risk(appliance)


async def clear_kill(appliance: Appliance, reason: str, reconciled: Mapping[str, int],
                     options: ChangeOptions) -> RiskView:
    """Forget a kill; the appliance stays disarmed.

    Parameters
    ----------
    appliance : Appliance
        The appliance.
    reason : str
        Why it may be forgotten.
    reconciled : mapping of str to int
        Every position that is not zero, by the symbol's name, as others know it.
    options : ChangeOptions
        How to change.

    Raises
    ------
    ControlError
        INVALID_FIELD, NOT_KILLED, POSITIONS_DIFFER, CAUSE_PRESENT.
    """
    async with appliance.change(options) as apply:
        before = await read_risk(appliance)
        held = {row.name: row.position for row in (await positions(appliance)).rows}
        check_clearable(reason, reconciled, held, killed=before.killed)
        if apply:
            await appliance.device.pulse("risk.command", "clear_kill")
            after = await read_risk(appliance)
            if after.killed:
                raise ControlError(Reason.CAUSE_PRESENT, f"a cause is still present, one of: "
                                                         f"{', '.join(after.causes)}")
            _LOG.warning("kill by %s cleared: %s", ", ".join(before.causes), reason)
            appliance.kill_reason = ""
    return await read_risk(appliance)


async def cancel_all(appliance: Appliance) -> RiskView:
    """Ask for a cancel of every open order."""
    await appliance.device.pulse("risk.command", "cancel_all")
    return await read_risk(appliance)
