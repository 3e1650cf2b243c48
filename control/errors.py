"""Every reason for an error: its gRPC code, and the exit status of a command that meets it."""

from collections.abc import Mapping
from enum import Enum, IntEnum

__all__ = ["DOMAIN", "ControlError", "ExitStatus", "Reason", "wrong_field"]

#: Domain of the reasons, in a google.rpc.ErrorInfo.
DOMAIN = "tickwire"


class ExitStatus(IntEnum):
    """How every command ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    CONFLICT = 5
    INTERRUPTED = 130


class Reason(Enum):
    """Reason of an error; its value is the name of the gRPC code and the exit status."""

    code: str
    exit_status: ExitStatus

    INVALID_FIELD = ("INVALID_ARGUMENT", ExitStatus.USAGE)
    INVALID_MODEL = ("INVALID_ARGUMENT", ExitStatus.FAILED, "model")
    INVALID_RECORDING = ("INVALID_ARGUMENT", ExitStatus.FAILED, "recording")
    UNKNOWN_SYMBOL = ("NOT_FOUND", ExitStatus.USAGE)
    NO_RECORDING = ("NOT_FOUND", ExitStatus.FAILED, "recording")
    NOT_RECORDED = ("NOT_FOUND", ExitStatus.USAGE, "recorded")
    SYMBOLS_FULL = ("RESOURCE_EXHAUSTED", ExitStatus.REFUSED)
    ARP_CACHE_FULL = ("RESOURCE_EXHAUSTED", ExitStatus.REFUSED, "arp")
    SYMBOL_HELD = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "held")
    NO_LIMITS = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "limits")
    NOT_READY = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "ready")
    ARMED = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "armed")
    ARM_REFUSED = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "arm")
    KILLED = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "killed")
    NOT_KILLED = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "not killed")
    CAUSE_PRESENT = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "cause")
    POSITIONS_DIFFER = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "positions")
    SESSION_UP = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "session up")
    SESSION_REFUSED = ("FAILED_PRECONDITION", ExitStatus.REFUSED, "login")
    SESSION_TIMEOUT = ("DEADLINE_EXCEEDED", ExitStatus.FAILED)
    SWAP_REFUSED = ("ABORTED", ExitStatus.CONFLICT, "swap")
    REVISION_MOVED = ("ABORTED", ExitStatus.CONFLICT, "revision")
    WRITER_HELD = ("ABORTED", ExitStatus.CONFLICT, "writer")
    DEVICE_BUSY = ("ABORTED", ExitStatus.CONFLICT, "device")
    READBACK_DIFFERS = ("DATA_LOSS", ExitStatus.FAILED)
    WRONG_DEVICE = ("FAILED_PRECONDITION", ExitStatus.FAILED)
    DEVICE_UNREACHABLE = ("UNAVAILABLE", ExitStatus.UNREACHABLE)
    INTERNAL = ("INTERNAL", ExitStatus.FAILED)

    def __init__(self, code: str, exit_status: ExitStatus, distinction: str = "") -> None:
        del distinction  # makes the value unique
        self.code = code
        self.exit_status = exit_status


class ControlError(Exception):
    """What this package raises.

    Parameters
    ----------
    reason : Reason
        Why.
    message : str
        What was wanted, what came, and what to do.
    field : str
        Field of a request that is wrong; empty for none.
    metadata : mapping of str to str
        More, for programs.
    """

    def __init__(self, reason: Reason, message: str, *, field: str = "",
                 metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.metadata = dict(metadata or {})


def wrong_field(field: str, wanted: str, was: object) -> ControlError:
    """Return the error of a field that is wrong whatever the state."""
    return ControlError(Reason.INVALID_FIELD, f"{field} must be {wanted}, was {was!r}", field=field)
