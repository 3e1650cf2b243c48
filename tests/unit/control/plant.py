"""A management service in front of a fake appliance, in a thread, and commands against it."""

import asyncio
import io
import json
import threading
import time
from contextlib import contextmanager

from control.appliance import Appliance
from control.cli.environment import Environment
from control.cli.main import run
from control.device import Device
from control.server import make_server, start
from control.transport.udp import UdpTransport
from tests.unit.control.fake_appliance import FakeAppliance

__all__ = ["Plant", "running_plant"]


class Plant:
    """The service, the appliance behind it, and the command line in front of it."""

    def __init__(self, fake, tls=None):
        self.fake = fake
        self.tls = tls
        self.registers = fake.registers
        self.loop = asyncio.new_event_loop()
        self.address = ""
        self.appliance = None
        self._ready = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._main)

    def _main(self):
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._run())
        except BaseException as error:
            self._error = error
            self._ready.set()
        finally:
            self.loop.close()

    async def _run(self):
        self.stop = asyncio.Event()
        port = await self.fake.start()
        transport = await UdpTransport.open("127.0.0.1", port, retry_s=0.02, timeout_s=0.3)
        self.appliance = Appliance(await Device.open(transport), clock=time.monotonic,
                                   heartbeat_s=0.02)
        server = make_server(self.appliance, "127.0.0.1:0", self.tls)
        await start(server)
        running = asyncio.ensure_future(self.appliance.run())
        self.running = running
        self.address = f"127.0.0.1:{server.port}"
        self._ready.set()
        await self.stop.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        self.appliance.broker.close()
        await server.stop(0)
        await transport.close()
        await self.fake.stop()

    def begin(self):
        self._thread.start()
        self._ready.wait(10)
        if self._error is not None:
            raise self._error

    def end(self):
        self.loop.call_soon_threadsafe(self.stop.set)
        self._thread.join(10)

    def call(self, function, *arguments):
        """Run a function in the loop of the service."""
        async def inner():
            return function(*arguments)
        return asyncio.run_coroutine_threadsafe(inner(), self.loop).result(10)

    def command(self, *arguments, stdin="", writer="me", **variables):
        """Run a command; return its status, what it printed, and what it said."""
        environment = Environment(
            stdin=io.StringIO(stdin), stdout=io.StringIO(), stderr=io.StringIO(),
            variables={"TICKWIRE_SERVER": self.address, "TICKWIRE_WRITER": writer, **variables})
        status = run(arguments, environment)
        return status, environment.stdout.getvalue(), environment.stderr.getvalue()

    def json(self, *arguments, **how):
        """Run a command that must succeed; return what it printed, parsed."""
        status, out, said = self.command(*arguments, "--output", "json", **how)
        assert status == 0, said
        return json.loads(out)

    def refused(self, *arguments, **how):
        """Run a command that must not succeed; return its status and what it said."""
        status, out, said = self.command(*arguments, **how)
        assert status != 0 and out == ""
        return status, said

    def until(self, condition, seconds=5.0):
        """Wait until something has become true."""
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit
            time.sleep(0.005)


@contextmanager
def running_plant(fake=None, tls=None):
    plant = Plant(fake or FakeAppliance(), tls)
    plant.begin()
    try:
        yield plant
    finally:
        plant.end()
