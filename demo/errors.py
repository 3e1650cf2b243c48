"""What goes wrong in the demo."""

__all__ = ["DemoError"]


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""
