"""The base class of what this package raises."""

__all__ = ["ProtoError"]


class ProtoError(ValueError):
    """A table, a value or a sequence of bytes does not agree with its format."""
