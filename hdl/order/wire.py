"""What the tables of messages mean to gateware."""

from proto.wire.message import Message

__all__ = ["type_code"]


def type_code(message: Message) -> int:
    """Return the type byte of a message.

    Raises
    ------
    ValueError
        If the message has none, or a longer one.
    """
    if message.type is None or len(message.type) != 1:
        raise ValueError(f"{message.name} must have a type of one byte, was {message.type!r}")
    return message.type[0]
