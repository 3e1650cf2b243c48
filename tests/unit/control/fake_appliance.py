"""An appliance without hardware: registers that behave, behind the golden management port."""

import asyncio
import random
import time

from proto.features import FEATURES
from proto.registers import Access, register_map
from proto.session_states import SessionState, TcpState
from proto.wire.management import HEARTBEAT_REGISTER
from sim.golden.management import ManagementEndpoint

SYMBOLS = 4


class FakeRegisters:
    """Registers as software sees them: rows with a shadow, model banks, the kill switch."""

    def __init__(self, symbols=SYMBOLS):
        self.map = register_map(symbols=symbols)
        self.by_address = {location.address: location for location in self.map.locations}
        self.words = {location.name: location.register.reset for location in self.map.locations}
        self.words["identity.map_hash"] = self.map.hash
        self.shadow = {"limits": {}, "strategy": {}}
        self.versions = {"limits": 0, "strategy": 0}
        self.kept = {}
        self.banks = [[0] * (len(FEATURES) + 1) for _ in range(2)]
        self.histogram = {}
        self.writes = []
        self.beats = 0
        self.last_beat_ns = None
        self.login_works = True
        self.cause_present = False
        self.broken_weight = False
        self.commits_work = True
        self.cancels = 0
        self.arp_halves = {}
        self.arp_writes_work = True

    def __getitem__(self, name):
        return self.words[name]

    def set_fields(self, name, **values):
        """Set fields of a register from the side of the hardware."""
        register = self.map[name].register
        word = self.words[name]
        for field, value in values.items():
            bits = register.field(field)
            word = word & ~bits.mask | value << bits.lsb
        self.words[name] = word

    def fields(self, name):
        register = self.map[name].register
        return {field.name: field.extract(self.words[name]) for field in register.fields}

    def read(self, address):
        location = self.by_address.get(address)
        if location is None or location.register.fields[0].access is Access.PULSE:
            return 0
        if location.name == "model.read_data":
            word = self.banks[self["model.read_bank"]][self["model.read_address"]]
            return word if self["model.read_address"] == len(FEATURES) else _extended(word)
        if location.name == "arp_cache.read_data":
            return self.arp_halves.get((self["arp_cache.entry"], self["arp_cache.half"]), 0)
        if location.name == "latency.count":
            return self.histogram.get(self["latency.bin"], 0)
        name = location.name
        if name.endswith("_lo") and location.register.fields[0].access is Access.R:
            upper = f"{name.removesuffix('lo')}hi"
            self.kept[upper] = self.words[upper]
        return self.kept.get(name, self.words[name])

    def write(self, address, value):
        location = self.by_address.get(address)
        if location is None:
            return
        name, register = location.name, location.register
        self.writes.append((name, value))
        if register.fields[0].access is Access.PULSE:
            for field in register.fields:
                if field.extract(value):
                    self.pulse(location, field.name)
        elif register.fields[0].access is Access.RW:
            mask = sum(field.mask for field in register.fields)
            block = location.block.name
            if block in self.shadow:
                self.shadow[block][register.name] = value & mask
            else:
                self.words[name] = value & mask
                if name == "session.enable":
                    self.log_in()

    def pulse(self, location, field):
        name, block = location.name, location.block.name
        if block in self.shadow:
            if location.register.name == "commit":
                for register, value in self.shadow[block].items():
                    self.words[f"{block}[{location.index}].{register}"] = value
            self.versions[block] += 1
            if block == "limits":
                self.words["risk.limits_version"] = self.versions[block]
            prefix = f"{block}[{location.index}]"
            if location.register.name == "commit":
                self.set_fields(f"{prefix}.state", loaded=int(self.commits_work),
                                version=self.versions[block])
            else:
                self.set_fields(f"{prefix}.state", loaded=0)
        elif name == "model.write":
            live = self.fields("model.state")
            if not (live["loaded"] and live["active_bank"] == self["model.bank"]):
                self.banks[self["model.bank"]][self["model.address"]] = self["model.data"] ^ (
                    self.broken_weight)
        elif name == "model.swap":
            if self["model.expected_epoch"] == self["model.epoch"]:
                self.words["model.epoch"] = self["model.swap_epoch"]
                self.set_fields("model.state", loaded=1, active_bank=self["model.swap_bank"])
        elif name == "risk.command":
            self.command(field)
        elif name == HEARTBEAT_REGISTER:
            self.beats += 1
            self.last_beat_ns = time.monotonic_ns()
        elif name == "arp_cache.command":
            self.change_arp(field)
        elif name == "latency.clear":
            self.histogram = {}
            self.words["latency.orders"] = 0
        elif name == "session.command" and field == "load_user_ref_num":
            self.words["session.next_user_ref_num"] = self["session.user_ref_num"]

    def command(self, field):
        state = self.fields("risk.state")
        if field == "arm" and not state["killed"] and not self.overdue():
            self.set_fields("risk.state", armed=1)
        elif field == "disarm":
            self.set_fields("risk.state", armed=0)
        elif field == "kill":
            self.kill("operator")
            self.cancels += self["risk.cancel_on_kill"]
        elif field == "cancel_all":
            self.cancels += 1
        elif field == "clear_kill" and not self.cause_present:
            self.set_fields("risk.state", killed=0, armed=0)
            self.words["risk.cause"] = 0

    def change_arp(self, field):
        number = self["arp_cache.entry"]
        if field == "write" and self.arp_writes_work:
            self.arp_halves[number, self["arp_cache.half"]] = self["arp_cache.data"]
        for name in ("used", "fixed"):
            bit = 1 << number
            self.words[f"arp_cache.{name}"] = (self[f"arp_cache.{name}"] & ~bit
                                               | bit * (field == "set"))

    def learn_arp(self, number, halves):
        """Take an answer of the network into an entry."""
        self.arp_halves.update({(number, half): data for half, data in enumerate(halves)})
        self.words["arp_cache.used"] |= 1 << number

    def kill(self, cause):
        self.set_fields("risk.state", killed=1, armed=0)
        self.set_fields("risk.cause", **{cause: 1})

    def overdue(self):
        timeout = self["risk.watchdog_timeout_hi"] << 32 | self["risk.watchdog_timeout_lo"]
        return (self.last_beat_ns is None
                or time.monotonic_ns() - self.last_beat_ns > timeout)

    def watchdog(self):
        if self.fields("risk.state")["armed"] and self.overdue():
            self.kill("watchdog")

    def log_in(self):
        up = bool(self["session.enable"]) and self.login_works
        refused = bool(self["session.enable"]) and not self.login_works
        self.set_fields("risk.state", session_up=int(up))
        self.set_fields(
            "session.state", up=int(up), tcp=TcpState.ESTABLISHED if up else TcpState.CLOSED,
            session=(SessionState.UP if up else
                     SessionState.REJECTED if refused else SessionState.DOWN))
        self.words["session.reject_reason"] = ord("A") if refused else 0


def _extended(word):
    """Return a weight as the hardware reads it back."""
    word &= 0xFFFF
    return word | 0xFFFF0000 if word >> 15 else word


class FakeAppliance(asyncio.DatagramProtocol):
    """The golden management port on a UDP socket of this machine.

    Both directions lose and repeat datagrams as `faults` says, for example (0.2, 0.2).
    """

    def __init__(self, registers=None, *, seed=0, faults=(0.0, 0.0), ring_records=256):
        self.registers = registers or FakeRegisters()
        self.port = ManagementEndpoint(
            read=self.registers.read, write=self.registers.write,
            feed_watchdog=lambda: self.registers.write(
                self.registers.map[HEARTBEAT_REGISTER].address, 1),
            next_session=0x1234, ring_records=ring_records)
        self.rng = random.Random(seed)
        self.faults = faults
        self.transport = None
        self.mute = False

    async def start(self):
        """Begin; return the UDP port."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.ticking = asyncio.ensure_future(self.tick())
        self.port_number = self.transport.get_extra_info("sockname")[1]
        return self.port_number

    async def stop(self):
        self.ticking.cancel()
        await asyncio.gather(self.ticking, return_exceptions=True)
        self.transport.close()

    async def tick(self):
        while True:
            self.send(self.port.tick(time.monotonic_ns()))
            self.registers.watchdog()
            await asyncio.sleep(0.002)

    def record(self, record):
        """Emit an event record; return whether it had room."""
        return self.port.record(record)

    def connection_made(self, transport):
        self.transport = transport

    def error_received(self, exc):
        pass

    def copies(self):
        loss, repetition = self.faults
        if self.mute or self.rng.random() < loss:
            return 0
        return 2 if self.rng.random() < repetition else 1

    def datagram_received(self, data, addr):
        for _ in range(self.copies()):
            self.send(self.port.datagram(data, addr, time.monotonic_ns()))

    def send(self, datagrams):
        for datagram in datagrams:
            for _ in range(self.copies()):
                self.transport.sendto(datagram.payload, datagram.peer)
