"""When the gate may be opened, and a kill forgotten."""

from collections.abc import Mapping, Sequence

from control.errors import ControlError, Reason, wrong_field

__all__ = ["check_armable", "check_clearable", "missing_for_arming"]


def missing_for_arming(*, watched: Sequence[str], limited: Sequence[str], trading: Sequence[str],
                       model_loaded: bool, session_up: bool, feed_enabled: bool,
                       message_interval_ns: int, watchdog_timeout_ns: int) -> list[str]:
    """Return everything that keeps the appliance from being armed, in words.

    Parameters
    ----------
    watched, limited, trading : sequence of str
        Symbols that are watched, that have limits, whose strategy is enabled.
    model_loaded, session_up, feed_enabled : bool
        State.
    message_interval_ns, watchdog_timeout_ns : int
        Limits of the session.
    """
    missing: list[str] = []
    if not watched:
        missing.append("no symbol is watched")
    missing += [f"{name} has a strategy and no limits" for name in trading if name not in limited]
    if not model_loaded:
        missing.append("no model is loaded")
    if not feed_enabled:
        missing.append("the feed is not enabled")
    if not session_up:
        missing.append("the order session is down")
    if not message_interval_ns:
        missing.append("message_interval_ns is 0: no message may leave")
    if not watchdog_timeout_ns:
        missing.append("watchdog_timeout_ns is 0: the watchdog would kill at once")
    return missing


def check_armable(missing: Sequence[str], *, killed: bool) -> None:
    """Refuse to arm.

    Raises
    ------
    ControlError
        KILLED, or NOT_READY with all that is missing.
    """
    if killed:
        raise ControlError(Reason.KILLED, "the appliance was killed: clear that first")
    if missing:
        raise ControlError(Reason.NOT_READY, f"cannot arm: {'; '.join(missing)}",
                           metadata={f"missing_{n}": text for n, text in enumerate(missing)})


def check_clearable(reason: str, given: Mapping[str, int], actual: Mapping[str, int], *,
                    killed: bool) -> None:
    """Refuse to forget a kill.

    Parameters
    ----------
    reason : str
        Why it may be forgotten.
    given, actual : mapping of str to int
        Positions by symbol, as reconciled and as the appliance has them; a symbol that is left out
        is zero.

    Raises
    ------
    ControlError
        INVALID_FIELD without a reason, NOT_KILLED, or POSITIONS_DIFFER.
    """
    if not reason.strip():
        raise wrong_field("reason", "a text: why may the kill be forgotten?", reason)
    if not killed:
        raise ControlError(Reason.NOT_KILLED, "the appliance is not killed")
    differ = [f"{name} is {actual.get(name, 0)} in the appliance, {given.get(name, 0)} was given"
              for name in sorted(given.keys() | actual.keys())
              if given.get(name, 0) != actual.get(name, 0)]
    if differ:
        raise ControlError(Reason.POSITIONS_DIFFER, f"positions differ: {'; '.join(differ)}")
