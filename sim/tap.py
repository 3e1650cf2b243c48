"""A TAP in a network namespace of its own: the simulated appliance meets a real Linux TCP stack.

Ref: Linux, Documentation/networking/tuntap.rst.
"""

import fcntl
import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sim.errors import SimulationError

__all__ = ["Tap", "TapUnavailableError"]

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_DEVICE = Path("/dev/net/tun")


class TapUnavailableError(SimulationError):
    """The machine, or the user, cannot make one; the message says why."""


class Tap:
    """A TAP interface in a new network namespace; leaving the block removes both.

    Parameters
    ----------
    name : str
        Of the namespace and of the interface; at most 15 characters.
    address : str
        IPv4 address of the kernel's side with its prefix length.

    Attributes
    ----------
    descriptor : int
        Frames that the kernel sends are read here, one at a time; what is written it receives.

    Raises
    ------
    TapUnavailableError
        If there is no /dev/net/tun, no `ip`, or no right to use them.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        if not _DEVICE.exists():
            raise TapUnavailableError(f"there is no {_DEVICE}")
        try:
            self.descriptor = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise TapUnavailableError(f"{_DEVICE} cannot be opened: {error.strerror}") from error
        try:
            request = struct.pack("16sH22x", name.encode("ascii"), _IFF_TAP | _IFF_NO_PI)
            fcntl.ioctl(self.descriptor, _TUNSETIFF, request)
            self._ip("netns", "add", name)
            self._ip("link", "set", name, "netns", name)
            inside = ("-n", name)
            self._ip(*inside, "address", "add", address, "dev", name)
            self._ip(*inside, "link", "set", "lo", "up")
            self._ip(*inside, "link", "set", name, "up")
        except OSError as error:
            self.close()
            raise TapUnavailableError(f"no TAP: {error}") from error
        except TapUnavailableError:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return this TAP."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Remove it."""
        self.close()

    def close(self) -> None:
        """Remove the interface and the namespace."""
        os.close(self.descriptor)
        subprocess.run(("ip", "netns", "delete", self.name), check=False, capture_output=True)

    def command(self, command: Sequence[str]) -> list[str]:
        """Return what runs `command` in the namespace."""
        return ["ip", "netns", "exec", self.name, *command]

    def _ip(self, *arguments: str) -> None:
        done = subprocess.run(("ip", *arguments), check=False, capture_output=True, text=True)
        if done.returncode:
            raise TapUnavailableError(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")
