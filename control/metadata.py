"""Metadata of calls of the management service: what client and server must agree on."""

__all__ = ["DETAILS_KEY", "TAKE_OVER_KEY", "WRITER_KEY"]

#: Who changes something, and "1" to take over from another.
WRITER_KEY = "tickwire-writer"
TAKE_OVER_KEY = "tickwire-take-over"

#: A serialised google.rpc.Status, of a call that failed.
DETAILS_KEY = "grpc-status-details-bin"
