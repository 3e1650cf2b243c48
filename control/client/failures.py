"""Calls that failed, as errors of this package."""

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from control.errors import ControlError, Reason
from control.metadata import DETAILS_KEY

__all__ = ["error_of_call"]

#: What parts of messages of gRPC mean, for people.
_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not of the authority in "
                                 "TICKWIRE_TLS_AUTHORITY",
    "Hostname Verification": "its certificate is for another address",
    "WRONG_VERSION_NUMBER": "it speaks without TLS, and TICKWIRE_TLS_* ask for it",
    "Socket closed": "it has closed the connection; does it ask for TLS, and for a certificate of "
                     "another authority than in TICKWIRE_TLS_CERTIFICATE?",
    "errors resolving": "there is no machine of the name in {server}",
    "Connection refused": "nobody listens at {server}; `tickwire serve` or `make up` "
                          "starts it",
}


def error_of_call(error: grpc.Call, server: str = "the address") -> ControlError:
    """Return the error that a server has told, or what stands for one that it has not."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                info = ErrorInfo()
                if detail.Unpack(info) and info.reason in Reason.__members__:
                    return ControlError(Reason[info.reason], error.details() or "",
                                        metadata=info.metadata)
    message = error.details() or error.code().name
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        hint = next((hint for part, hint in _HINTS.items() if part in message), "")
        return ControlError(Reason.DEVICE_UNREACHABLE,
                            f"the server does not answer: {hint.format(server=server) or message}")
    return ControlError(Reason.INTERNAL, message)
