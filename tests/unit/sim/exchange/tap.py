"""A TAP device in a network namespace: the Linux TCP stack as the peer of a simulated server."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import time

import pytest

__all__ = ["Tap"]

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


class Tap:
    """A TAP device whose Linux end lies in a network namespace of its own."""

    def __init__(self):
        self.namespace = f"twx{os.getpid()}"
        self.device = f"twx{os.getpid() % 100000}"
        try:
            self.handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.handle, TUNSETIFF,
                        struct.pack("16sH22x", self.device.encode(), IFF_TAP | IFF_NO_PI))
            self.ip("netns", "add", self.namespace)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = f"no TAP device and network namespace here: {error}"
            if os.environ.get("TICKWIRE_REQUIRE_DATA") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        self.ip("link", "set", self.device, "netns", self.namespace)
        inside = ("-n", self.namespace)
        self.ip(*inside, "addr", "add", "10.9.0.1/24", "dev", self.device)
        self.ip(*inside, "link", "set", self.device, "up")

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def start(self, script):
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, sys.executable, "-c", script],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def close(self):
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False)
        os.close(self.handle)

    def serve(self, server, client, *, lost=lambda: False, seconds=20):
        """Carry frames until the client has ended; return what it printed."""
        end = time.monotonic() + seconds
        while client.poll() is None and time.monotonic() < end:
            now_ns = time.monotonic_ns()
            wait = min(0.02, max(0.0, (server.next_ns - now_ns) / 1e9))
            if select.select([self.handle], [], [], wait)[0]:
                frame = os.read(self.handle, 4096)
                if not lost():
                    server.receive(frame, time.monotonic_ns())
            server.advance(time.monotonic_ns())
            for frame in server.take_frames():
                if not lost():
                    os.write(self.handle, frame)
        if client.poll() is None:
            client.kill()
        output, errors = client.communicate(timeout=10)
        assert client.returncode == 0, errors
        return output
