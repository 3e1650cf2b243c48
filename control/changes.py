"""Who may change what when: the revision of the configuration, and one writer at a time."""

from dataclasses import dataclass, field

from control.errors import ControlError, Reason

__all__ = ["WRITER_LEASE_S", "Revision", "WriterLease"]

#: Time after a writer's last change in which nobody else may change anything.
WRITER_LEASE_S = 10.0


@dataclass
class Revision:
    """Number of the present configuration."""

    number: int = 1

    def check(self, expected: int | None) -> None:
        """Refuse a change that was made for another revision.

        Raises
        ------
        ControlError
            REVISION_MOVED.
        """
        if expected is not None and expected != self.number:
            raise ControlError(Reason.REVISION_MOVED,
                               f"expected_revision must be {self.number}, was {expected}: "
                               f"look again before you change",
                               metadata={"revision": str(self.number)})

    def advance(self) -> None:
        """Count a change."""
        self.number += 1


@dataclass
class WriterLease:
    """The one who may change things: whoever did last, for a while.

    Attributes
    ----------
    duration_s : float
        How long after a change.
    writer : str
        The present one; empty for nobody.
    """

    duration_s: float = WRITER_LEASE_S
    writer: str = ""
    _until_s: float = field(default=0.0, repr=False)

    def take(self, writer: str, now_s: float, *, take_over: bool = False) -> None:
        """Let `writer` change something now.

        Raises
        ------
        ControlError
            WRITER_HELD while another one's time is not over, unless taken over.
        """
        if self.writer and self.writer != writer and now_s < self._until_s and not take_over:
            raise ControlError(Reason.WRITER_HELD,
                               f"{self.writer} is changing things: wait "
                               f"{self._until_s - now_s:.0f} s, or take over",
                               metadata={"writer": self.writer})
        self.writer = writer
        self._until_s = now_s + self.duration_s
