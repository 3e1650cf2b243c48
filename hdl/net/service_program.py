"""The program of the slow services of the order port: ARP, ICMP echo and IGMP; data, no hardware.

Ref: RFC 792, 826, 1071, 2113, 2236, 3376.

A frame is an array of big-endian halfwords. Each instruction moves, compares or adds up to eight
neighbours; sums are those of the internet checksum, a carry is added with the next halfword.
"""

from dataclasses import dataclass
from enum import IntEnum

from proto.wire.ethernet import (
    ARP,
    ICMP_ECHO,
    IGMP,
    IGMP_RECORD,
    IGMP_REPORT,
    IPV4,
    MAC,
    ROUTER_ALERT,
    ArpOperation,
    EtherType,
    IcmpType,
    IgmpRecordType,
    IgmpType,
    IpProtocol,
    Ipv4Flag,
)
from proto.wire.message import Message

__all__ = ["ENTRY_HALVES", "Action", "Condition", "Instruction", "Operation", "Program", "Setting",
           "Source", "Target", "Task", "service_program"]


class Task(IntEnum):
    """Why the program runs."""

    ARP = 0             #: an ARP packet has come
    ECHO = 1            #: an ICMP message for us has come
    RESOLVE = 2         #: the next hop's address is wanted
    MEMBERSHIP = 3      #: an IGMP message is due


class Operation(IntEnum):
    """What an instruction does."""

    MOVE = 0            #: source to target
    SAME = 1            #: the result stays good if halfwords of the frame equal the source
    ADD = 2             #: source and carry to the accumulator
    JUMP = 3            #: on a condition; afterwards the result is good
    ACT = 4             #: an `Action`


class Source(IntEnum):
    """Where an operand comes from."""

    FRAME = 0
    SETTING = 1
    ENTRY = 2           #: of the address cache
    CONSTANT = 3
    SUM = 4             #: the accumulator
    CHECKSUM = 5        #: its complement


class Target(IntEnum):
    """Where a halfword goes."""

    FRAME = 0
    ENTRY = 1
    PEER = 2            #: the address that was asked for
    SUM = 3             #: the accumulator; clears the carry


class Setting(IntEnum):
    """Halfwords from registers and the clock; those of one value are neighbours."""

    LOCAL_MAC = 0
    LOCAL_ADDRESS = 3
    NEXT_HOP = 5
    STATIC_MAC = 7
    NOW = 10            #: bits 47 to 32 of the nanosecond clock
    FEED_MAC = 11
    FEED_ADDRESS = 14
    GROUP = 16
    GROUP_MAC = 18      #: the last two halfwords


class Condition(IntEnum):
    """When to jump."""

    ALWAYS = 0
    GOOD = 1            #: all comparisons since the last jump succeeded
    STATIC = 2          #: the next hop's address is a setting
    AWAITED = 3         #: the next hop was asked, and has not answered
    VALID = 4           #: the entry is in use
    FIXED = 5           #: the entry was written by software
    LAST = 6            #: the entry is the last one to look at
    FRESH = 7           #: the accumulator is below 256
    VERSION_3 = 8       #: of IGMP
    LEAVE = 9
    CHANGE = 10         #: of membership


class Action(IntEnum):
    """What else there is to do."""

    END = 0
    SEND = 1
    LENGTH = 2          #: of the frame; the constant of the instruction
    LENGTH_SUM = 3      #: of the frame; the accumulator. The result is good if it may be so long
    KNOWN = 4           #: the address that was asked for is known
    ASKED = 5           #: a request goes out
    UNSOLICITED = 6     #: an answer that was not awaited; end
    REFUSED = 7         #: an echo request that is not answered; end
    CARRY = 8           #: set it
    FIRST = 9           #: look at the first entry
    OLDEST = 10         #: look at the entry that was filled first
    NEXT = 11           #: look at the next entry
    FILL = 12           #: the entry is in use
    EMPTY = 13          #: the entry is not in use


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction; fields that it does not need are zero.

    Attributes
    ----------
    operation, source, target : enumerations
    count : int
        Halfwords, 1 to 8.
    write : int
        First halfword of the target; of a jump what `Condition` it has.
    frame : int
        First halfword read of the frame; of a jump the number of the next instruction.
    index : int
        First setting, constant or halfword of the entry; of a jump whether the condition must
        hold; of an action which one it is.
    """

    operation: Operation
    source: Source = Source.FRAME
    target: Target = Target.FRAME
    count: int = 1
    write: int = 0
    frame: int = 0
    index: int = 0


@dataclass(frozen=True)
class Program:
    """Instructions, constants, and where the tasks begin."""

    instructions: tuple[Instruction, ...]
    constants: tuple[int, ...]
    starts: tuple[int, ...]


#: Halfwords of an entry of the address cache: address, MAC address, complement of its time.
ENTRY_HALVES = 6
_ENTRY_MAC, _ENTRY_TIME = 2, 5

_TIME_TO_LIVE = 64
_MEMBERSHIP_TYPE_OF_SERVICE = 0xC0
_GROUP_PREFIX = (0x0100, 0x5E00)
_ROUTERS, _ROUTERS_V3 = (0xE000, 0x0002), (0xE000, 0x0016)


class _Assembler:
    """Collects instructions; labels are resolved at the end."""

    def __init__(self) -> None:
        self.lines: list[tuple[dict[str, int], str | None]] = []
        self.constants: list[int] = []
        self.labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self.labels[name] = len(self.lines)

    def add(self, operation: Operation, *, to: str | None = None, **fields: int) -> None:
        self.lines.append(({"operation": operation, **fields}, to))

    def constant(self, *values: int) -> dict[str, int]:
        """Return the operand of a run of constants."""
        known = self.constants
        index = next(place for place in range(len(known) + 1)
                     if known[place:place + len(values)] == list(values[:len(known) - place]))
        known += values[len(known) - index:]
        return {"source": Source.CONSTANT, "index": index}

    def move(self, write: int, operand: dict[str, int], count: int = 1,
             target: Target = Target.FRAME) -> None:
        self.add(Operation.MOVE, target=target, write=write, count=count, **operand)

    def put(self, write: int, *values: int) -> None:
        """Write constants into the frame."""
        self.move(write, self.constant(*values), len(values))

    def load(self, operand: dict[str, int]) -> None:
        """Set the accumulator."""
        self.move(0, operand, target=Target.SUM)

    def total(self, operand: dict[str, int], count: int = 1) -> None:
        self.add(Operation.ADD, count=count, **operand)

    def carry_round(self) -> None:
        """Add the carry, and that of this addition."""
        self.total(self.constant(0, 0), 2)

    def same(self, frame: int, operand: dict[str, int], count: int = 1) -> None:
        self.add(Operation.SAME, frame=frame, count=count, **operand)

    def same_constant(self, frame: int, value: int) -> None:
        self.same(frame, self.constant(value))

    def jump(self, to: str, condition: Condition = Condition.ALWAYS, *, hold: bool = True) -> None:
        self.add(Operation.JUMP, to=to, write=condition, index=int(hold))

    def act(self, action: Action, frame: int = 0) -> None:
        self.add(Operation.ACT, index=action, frame=frame)

    def program(self) -> Program:
        return Program(
            tuple(Instruction(**(fields | ({} if to is None else {"frame": self.labels[to]})))
                  for fields, to in self.lines),
            tuple(self.constants), tuple(self.labels[task.name] for task in Task))


def _half(base: int, message: Message, name: str) -> int:
    """Return the halfword of a field."""
    at = base + message.field(name).offset
    assert at % 2 == 0, name
    return at // 2


def _in_frame(half: int) -> dict[str, int]:
    return {"source": Source.FRAME, "frame": half}


def _setting(setting: Setting) -> dict[str, int]:
    return {"source": Source.SETTING, "index": setting}


def _in_entry(half: int) -> dict[str, int]:
    return {"source": Source.ENTRY, "index": half}


_SUM, _CHECKSUM = {"source": Source.SUM}, {"source": Source.CHECKSUM}
_MAC, _ADDRESS = 3, 2           # halfwords

_DESTINATION, _SOURCE = _half(0, MAC, "destination"), _half(0, MAC, "source")
_TYPE = _half(0, MAC, "ethertype")
_IP = MAC.size
_HARDWARE = _half(_IP, ARP, "hardware_type")
_PROTOCOL = _half(_IP, ARP, "protocol_type")
_SIZES = _half(_IP, ARP, "hardware_length")
_OPERATION = _half(_IP, ARP, "operation")
_SENDER_MAC = _half(_IP, ARP, "sender_hardware_address")
_SENDER = _half(_IP, ARP, "sender_protocol_address")
_TARGET_MAC = _half(_IP, ARP, "target_hardware_address")
_TARGET = _half(_IP, ARP, "target_protocol_address")
_ADDRESS_SIZES = 0x0604


def _arp(a: _Assembler) -> None:
    """Answer an ARP packet that asks for us, learn from one that was asked for."""
    a.label(Task.ARP.name)
    a.same(_HARDWARE, a.constant(1, EtherType.IPV4, _ADDRESS_SIZES), 3)
    a.jump("end", Condition.GOOD, hold=False)
    a.same_constant(_OPERATION, ArpOperation.REQUEST)
    a.same(_TARGET, _setting(Setting.LOCAL_ADDRESS), _ADDRESS)
    a.jump("answer", Condition.GOOD)
    a.same_constant(_OPERATION, ArpOperation.REPLY)
    a.same(_TARGET_MAC, _setting(Setting.LOCAL_MAC), _MAC + _ADDRESS)
    a.jump("end", Condition.GOOD, hold=False)
    a.same(_SENDER, _setting(Setting.NEXT_HOP), _ADDRESS)
    a.jump("unsolicited", Condition.GOOD, hold=False)
    a.jump("unsolicited", Condition.AWAITED, hold=False)
    a.move(0, _in_frame(_SENDER_MAC), _MAC, Target.PEER)
    a.act(Action.KNOWN)
    a.act(Action.OLDEST)
    a.label("next place")
    a.jump("place", Condition.FIXED, hold=False)
    a.jump("end", Condition.LAST)
    a.act(Action.NEXT)
    a.jump("next place")
    a.label("place")
    a.move(0, _in_frame(_SENDER), _ADDRESS, Target.ENTRY)
    a.move(_ENTRY_MAC, _in_frame(_SENDER_MAC), _MAC, Target.ENTRY)
    a.load(_setting(Setting.NOW))
    a.move(_ENTRY_TIME, _CHECKSUM, 1, Target.ENTRY)
    a.act(Action.FILL)
    a.jump("end")
    a.label("unsolicited")
    a.act(Action.UNSOLICITED)
    a.label("end")
    a.act(Action.END)
    a.label("answer")
    a.move(_TARGET_MAC, _in_frame(_SENDER_MAC), _MAC + _ADDRESS)
    a.move(_SENDER_MAC, _setting(Setting.LOCAL_MAC), _MAC + _ADDRESS)
    a.move(_DESTINATION, _in_frame(_TARGET_MAC), _MAC)
    a.put(_OPERATION, ArpOperation.REPLY)
    a.label("send arp")
    a.move(_SOURCE, _setting(Setting.LOCAL_MAC), _MAC)
    a.put(_TYPE, EtherType.ARP, 1)
    a.act(Action.LENGTH, MAC.size + ARP.size)
    a.act(Action.SEND)


def _resolve(a: _Assembler) -> None:
    """Take the next hop from a setting or the cache, or else ask for it."""
    a.label(Task.RESOLVE.name)
    a.move(_TARGET, _setting(Setting.NEXT_HOP), _ADDRESS)
    a.jump("static", Condition.STATIC)
    a.act(Action.FIRST)
    a.label("look up")
    a.jump("look on", Condition.VALID, hold=False)
    a.same(_TARGET, _in_entry(0), _ADDRESS)
    a.jump("look on", Condition.GOOD, hold=False)
    a.jump("hit", Condition.FIXED)
    a.load(_setting(Setting.NOW))
    a.act(Action.CARRY)
    a.total(_in_entry(_ENTRY_TIME))
    a.jump("hit", Condition.FRESH)
    a.act(Action.EMPTY)
    a.label("look on")
    a.jump("miss", Condition.LAST)
    a.act(Action.NEXT)
    a.jump("look up")
    a.label("static")
    a.move(0, _setting(Setting.STATIC_MAC), _MAC, Target.PEER)
    a.jump("known")
    a.label("hit")
    a.move(0, _in_entry(_ENTRY_MAC), _MAC, Target.PEER)
    a.label("known")
    a.act(Action.KNOWN)
    a.act(Action.END)
    a.label("miss")
    a.act(Action.ASKED)
    a.put(_DESTINATION, 0xFFFF, 0xFFFF, 0xFFFF)
    a.put(_PROTOCOL, EtherType.IPV4, _ADDRESS_SIZES, ArpOperation.REQUEST)
    a.move(_SENDER_MAC, _setting(Setting.LOCAL_MAC), _MAC + _ADDRESS)
    a.put(_TARGET_MAC, 0, 0, 0)
    a.jump("send arp")


_VERSION = _half(_IP, IPV4, "version_ihl")
_TOTAL = _half(_IP, IPV4, "total_length")
_TTL_PROTOCOL = _half(_IP, IPV4, "time_to_live")
_HEADER_SUM = _half(_IP, IPV4, "header_checksum")
_FROM = _half(_IP, IPV4, "source_address")
_TO = _half(_IP, IPV4, "destination_address")


def _echo(a: _Assembler) -> None:
    """Answer an ICMP message for us, its IPv4 header good, if it is an echo request."""
    icmp = MAC.size + IPV4.size
    kind, checksum = _half(icmp, ICMP_ECHO, "type"), _half(icmp, ICMP_ECHO, "checksum")
    request, reply = IcmpType.ECHO << 8, IcmpType.ECHO_REPLY << 8
    time_protocol = _TIME_TO_LIVE << 8 | IpProtocol.ICMP
    a.label(Task.ECHO.name)
    a.same(_DESTINATION, _setting(Setting.LOCAL_MAC), _MAC)
    a.same_constant(kind, request)
    a.jump("end", Condition.GOOD, hold=False)
    a.load(_in_frame(_TOTAL))
    a.total(a.constant(MAC.size))
    a.act(Action.LENGTH_SUM)
    a.jump("refused", Condition.GOOD, hold=False)
    # RFC 1624 with the complement on the other side: no sum here is of zeros alone.
    a.load(_in_frame(_HEADER_SUM))
    a.total(_in_frame(_TTL_PROTOCOL))
    a.total(a.constant(0xFFFF ^ time_protocol))
    a.carry_round()
    a.move(_HEADER_SUM, _SUM)
    a.put(_TTL_PROTOCOL, time_protocol)
    a.load(_in_frame(checksum))
    a.total(a.constant(request - reply))
    a.carry_round()
    a.move(checksum, _SUM)
    a.put(kind, reply)
    a.move(_TO, _in_frame(_FROM), _ADDRESS)
    a.move(_FROM, _setting(Setting.LOCAL_ADDRESS), _ADDRESS)
    a.move(_DESTINATION, _in_frame(_SOURCE), _MAC)
    a.move(_SOURCE, _setting(Setting.LOCAL_MAC), _MAC)
    a.label("send")
    a.move(_TYPE, _in_frame(_TYPE), _VERSION + 1 - _TYPE)
    a.act(Action.SEND)
    a.label("refused")
    a.act(Action.REFUSED)


def _membership(a: _Assembler) -> None:
    """Make the report or the leave that is due, of version 2 or 3."""
    alert, igmp = MAC.size + IPV4.size, MAC.size + IPV4.size + ROUTER_ALERT.size
    kind = _half(igmp, IGMP, "type")
    checksum = _half(igmp, IGMP, "checksum")
    group = _half(igmp, IGMP, "group_address")
    count = _half(igmp, IGMP_REPORT, "record_count")
    record = igmp + IGMP_REPORT.size
    record_kind = _half(record, IGMP_RECORD, "type")
    record_group = _half(record, IGMP_RECORD, "group_address")
    header = IPV4.size + ROUTER_ALERT.size
    a.label(Task.MEMBERSHIP.name)
    a.put(_DESTINATION, _GROUP_PREFIX[0])
    a.move(_SOURCE, _setting(Setting.FEED_MAC), _MAC)
    a.put(_TYPE, EtherType.IPV4, 0x40 << 8 | header // 4 << 8 | _MEMBERSHIP_TYPE_OF_SERVICE)
    a.put(_half(_IP, IPV4, "identification"), 0, Ipv4Flag.DONT_FRAGMENT, 1 << 8 | IpProtocol.IGMP,
          0)
    a.move(_FROM, _setting(Setting.FEED_ADDRESS), _ADDRESS)
    a.put(_half(alert, ROUTER_ALERT, "type"), 148 << 8 | ROUTER_ALERT.size, 0)
    a.jump("version 3", Condition.VERSION_3)
    a.put(_TOTAL, header + IGMP.size)
    a.act(Action.LENGTH, igmp + IGMP.size)
    a.move(group, _setting(Setting.GROUP), _ADDRESS)
    a.jump("leave", Condition.LEAVE)
    a.move(_DESTINATION + 1, _setting(Setting.GROUP_MAC), _MAC - 1)
    a.move(_TO, _setting(Setting.GROUP), _ADDRESS)
    a.put(kind, IgmpType.REPORT_V2 << 8)
    a.jump("sum of version 2")
    a.label("leave")
    a.put(_DESTINATION + 1, _GROUP_PREFIX[1], _ROUTERS[1])
    a.put(_TO, *_ROUTERS)
    a.put(kind, IgmpType.LEAVE_V2 << 8)
    a.label("sum of version 2")
    a.load(_in_frame(kind))
    a.total(_in_frame(group), _ADDRESS)
    a.jump("sums")
    a.label("version 3")
    a.put(_TOTAL, header + IGMP_REPORT.size + IGMP_RECORD.size)
    a.act(Action.LENGTH, record + IGMP_RECORD.size)
    a.put(_DESTINATION + 1, _GROUP_PREFIX[1], _ROUTERS_V3[1])
    a.put(_TO, *_ROUTERS_V3)
    a.put(kind, IgmpType.REPORT_V3 << 8)
    a.put(count - 1, 0, 1, IgmpRecordType.IS_EXCLUDE << 8, 0)
    a.move(record_group, _setting(Setting.GROUP), _ADDRESS)
    a.jump("record", Condition.CHANGE, hold=False)
    a.put(record_kind, IgmpRecordType.TO_EXCLUDE << 8)
    a.jump("record", Condition.LEAVE, hold=False)
    a.put(record_kind, IgmpRecordType.TO_INCLUDE << 8)
    a.label("record")
    a.load(_in_frame(kind))
    a.total(_in_frame(count - 1), record_group + _ADDRESS - count + 1)
    a.label("sums")
    a.carry_round()
    a.move(checksum, _CHECKSUM)
    a.load(_in_frame(_VERSION))
    a.total(_in_frame(_TOTAL), 8)
    a.total(_in_frame(_TOTAL + 8), igmp // 2 - _TOTAL - 8)
    a.carry_round()
    a.move(_HEADER_SUM, _CHECKSUM)
    a.jump("send")


def service_program() -> Program:
    """Return the program."""
    assembler = _Assembler()
    _arp(assembler)
    _resolve(assembler)
    _echo(assembler)
    _membership(assembler)
    return assembler.program()
