"""The slow services of the order port: ARP, ICMP echo, and IGMP for the feed port.

Ref: RFC 792, 826, 2236, 3376; the program is :mod:`hdl.net.service_program`.
"""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.net.service_program import (
    Action,
    Condition,
    Operation,
    Setting,
    Source,
    Target,
    Task,
    service_program,
)
from hdl.net.tcp_layouts import ServiceFrame
from hdl.net.tcp_receiver import DECISION_CYCLES
from hdl.net.udp_checksum import network_words
from hdl.net.xgmii_receiver import FrameVerdict
from hdl.net.xgmii_transmitter import HEAD_BYTES
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import ICMP_ECHO, IPV4, MAC, EtherType, IpProtocol

__all__ = ["CACHE_ENTRIES", "FRAME_BYTES", "PortServices"]

#: Longest frame of a service, without FCS: an order that meets one waits no longer for it.
FRAME_BYTES = 124
#: Entries of the address cache.
CACHE_ENTRIES = 4

_WORDS = -(-FRAME_BYTES // BEAT_BYTES)
_HALVES = BEAT_BYTES // 2
_SHORTEST = MAC.size + IPV4.size + ICMP_ECHO.size
#: Pace of echo replies: one for each change of these bits of the clock, about a millisecond.
_PACE = slice(20, 22)


class _Instruction(data.Struct):
    """One word of the program; see :class:`hdl.net.service_program.Instruction`."""

    operation: 3
    source: 3
    target: 2
    count: 3
    write: 6
    frame: 7
    index: 6


class PortServices(wiring.Component):
    """Answer ARP and ICMP echo requests, find the next hop's address, send IGMP messages.

    Latency: below 250 cycles, last beat of a request to `frames.valid`; three cycles an
    instruction, two for each further halfword, two more for a jump that is taken.

    One frame is dealt with at a time: while it is, or waits to be sent, what else comes is not
    looked at, and repeated by who sent it. A received frame is stored as it comes, and rewritten
    in place to be the reply.

    While `resolve` is high the next hop's address is looked for: in `cfg_static_mac`, then in the
    cache of four entries, then by a request every `cfg_retry_ns`, the first at once. Only the
    reply to a request of ours is believed: for the address asked for, to our MAC and IPv4 address,
    while it is awaited. All else, gratuitous ARP among it, changes nothing. What is learnt stays in
    the cache for 2**40 ns (18 minutes), or until `forget`; entries that software wrote stay until
    it takes them out, and are never replaced.

    Echo requests are answered that have our MAC address, a good IPv4 header without options and
    at most 82 bytes of data; one reply a millisecond at most. What is wrong with the checksum of
    the request is as wrong in the reply.

    Members
    -------
    beats, index, verdicts : inputs
        Received frames, the number of each beat, the verdicts.
    datagram_good : ``In(1)``
        DECISION_CYCLES after a verdict: the frame has a good IPv4 header for us, and is as long as
        that says.
    frames : ``Out(stream.Signature(ServiceFrame))``
        Frames to send; a transfer means that the frame starts.
    head : ``Out(128)``
        The first sixteen bytes of the frame at `frames`.
    word_index, word : ``In(4)``, ``Out(64)``
        Any eight bytes of it, in the same cycle.
    sent : ``In(1)``
        The last beat of the frame has been read.
    resolve, known, peer_mac : ``In(1)``, ``Out(1)``, ``Out(48)``
        The next hop's address is wanted; it is there, and stays until `resolve` falls.
    forget : ``In(1)``
        Pulse: what was learnt is forgotten.
    membership, membership_taken : ``In(1)``, ``Out(1)``
        An IGMP message is due; its pulse when it has left.
    version_3, leave, change : ``In(1)``
        Which one; steady while `membership`.
    group, feed_mac, feed_address : ``In(32)``, ``In(48)``, ``In(32)``
        Group it is about, and whom it comes from.
    now_ns : ``In(64)``
        The nanosecond clock.
    cfg_local_mac, cfg_local_address, cfg_next_hop : ``In(48)``, ``In(32)``, ``In(32)``
        Addresses of us, and of the peer or the gateway to it.
    cfg_static, cfg_static_mac : ``In(1)``, ``In(48)``
        Use this address, ask nobody.
    cfg_retry_ns : ``In(32)``
        Time between requests.
    cfg_entry, cfg_entry_half, cfg_entry_data : ``In(2)``, ``In(3)``, ``In(16)``
        Place in the cache, and what is written there.
    entry_write, entry_set, entry_clear : ``In(1)``
        Pulses: write the halfword, halves 0 and 1 the address, 2 to 4 the MAC address; the entry is
        in use from now on, and fixed; the entry is not in use.
    entry_data, entries_used, entries_fixed : ``Out(16)``, ``Out(4)``, ``Out(4)``
        The halfword, while nothing else is looked up; entries in use, and written by software.
    stat_arp_requests, stat_arp_replies, stat_arp_unanswered, stat_arp_unsolicited,
    stat_icmp_replies, stat_icmp_refused, stat_igmp_sent : ``Out(1)``
        Pulse per request sent; reply sent; request without an answer in time; reply that nobody
        asked for; echo reply sent; echo request not answered, for its length or the pace; IGMP
        message sent.
    """

    beats: In(FrameStream(always_ready=True))
    index: In(8)
    verdicts: In(stream.Signature(FrameVerdict, always_ready=True))
    datagram_good: In(1)
    frames: Out(stream.Signature(ServiceFrame))
    head: Out(8 * HEAD_BYTES)
    word_index: In(ceil_log2(_WORDS))
    word: Out(8 * BEAT_BYTES)
    sent: In(1)
    resolve: In(1)
    known: Out(1)
    peer_mac: Out(48)
    forget: In(1)
    membership: In(1)
    membership_taken: Out(1)
    version_3: In(1)
    leave: In(1)
    change: In(1)
    group: In(32)
    feed_mac: In(48)
    feed_address: In(32)
    now_ns: In(64)
    cfg_local_mac: In(48)
    cfg_local_address: In(32)
    cfg_next_hop: In(32)
    cfg_static: In(1)
    cfg_static_mac: In(48)
    cfg_retry_ns: In(32, init=1_000_000_000)
    cfg_entry: In(2)
    cfg_entry_half: In(3)
    cfg_entry_data: In(16)
    entry_write: In(1)
    entry_set: In(1)
    entry_clear: In(1)
    entry_data: Out(16)
    entries_used: Out(CACHE_ENTRIES)
    entries_fixed: Out(CACHE_ENTRIES)
    stat_arp_requests: Out(1)
    stat_arp_replies: Out(1)
    stat_arp_unanswered: Out(1)
    stat_arp_unsolicited: Out(1)
    stat_icmp_replies: Out(1)
    stat_icmp_refused: Out(1)
    stat_igmp_sent: Out(1)

    def elaborate(self, platform):
        m = Module()
        self._program = service_program()

        self._task = Signal(Task)
        self._busy = Signal()           # a task runs: nothing is received
        self._sending = Signal()
        self._awaited = Signal()        # a request is out
        self._entry = Signal(range(CACHE_ENTRIES))
        self._setting = Signal(16, reset_less=True)
        self._other = Signal(16, reset_less=True)
        self._operand = Signal(16)
        self._from_frame = Signal(16, reset_less=True)
        self._sum = Signal(16, reset_less=True)
        self._instruction = Signal(_Instruction, reset_less=True)
        self._execute = Signal()        # last cycle of an instruction's halfword
        self._value = Signal(16)

        took = self._memory(m)
        self._cache(m)
        self._dispatch(m, took)
        self._operands(m)
        self._run(m)
        return m

    def _memory(self, m):
        """Store frames as they come; return whether the one whose verdict is here is a task."""
        write = self._execute & (self._instruction.operation == Operation.MOVE) & (
            self._instruction.target == Target.FRAME)
        to = self._instruction.write
        beat = self.beats.p
        lanes = network_words(beat.data)
        storing = Signal()
        halves = []
        for half in range(_HALVES):
            block = memory.Memory(shape=16, depth=_WORDS, init=[],
                                  attrs={"ram_style": "distributed"})
            m.submodules[f"halves_{half}"] = block
            writer, reader = block.write_port(), block.read_port(domain="comb")
            m.d.comb += [
                writer.en.eq(storing | (write & (to[:2] == half))),
                writer.addr.eq(Mux(storing, self.index[:4], to[2:])),
                writer.data.eq(Mux(storing, lanes[half], self._value)),
                reader.addr.eq(Mux(self._sending, self.word_index,
                                   self._instruction.frame[2:6])),
            ]
            halves.append(reader.data)
        m.d.comb += self.word.eq(Cat(Cat(half[8:], half[:8]) for half in halves))
        m.d.sync += self._from_frame.eq(Array(halves)[self._instruction.frame[:2]])
        with m.If(write):
            for number in range(HEAD_BYTES // 2):
                with m.If(to == number):
                    octets = self.head.word_select(number, 16)
                    m.d.sync += octets.eq(Cat(self._value[8:], self._value[:8]))

        # What a frame is, from its bytes as they pass; only one stored from its beginning counts.
        def passing(base, message, name):
            at = base + message.field(name).offset
            size = message.field(name).size
            taken = beat.data[8 * (at % 8):8 * (at % 8 + size)]
            value = Cat(taken[8 * n:8 * n + 8] for n in reversed(range(size)))
            return self.beats.valid & (self.index == at // 8), value

        whole, is_arp, is_ipv4, is_icmp = Signal(), Signal(), Signal(), Signal()
        at_type, ethertype = passing(0, MAC, "ethertype")
        at_protocol, protocol = passing(MAC.size, IPV4, "protocol")
        with m.If(at_type):
            m.d.sync += [is_arp.eq(ethertype == int(EtherType.ARP)),
                         is_ipv4.eq(ethertype == int(EtherType.IPV4))]
        with m.If(at_protocol):
            m.d.sync += is_icmp.eq(is_ipv4 & (protocol == int(IpProtocol.ICMP)))
        took = Signal()
        m.d.comb += [
            took.eq(self.verdicts.valid & self.verdicts.p.good & whole & (is_arp | is_icmp)
                    & ~self._busy),
            storing.eq(self.beats.valid & ~self._busy & ~took & (self.index < _WORDS)),
        ]
        with m.If(self._busy | took):
            m.d.sync += whole.eq(0)
        with m.Elif(self.beats.valid & beat.first):
            m.d.sync += whole.eq(1)
        self._is_arp = is_arp
        return took

    def _dispatch(self, m, took):
        """Choose what to do next."""
        age, asked_ns = Signal(32, reset_less=True), Signal(32, reset_less=True)
        fresh_age = Signal(2)           # `age` is of the present `asked_ns`
        wanted, due = Signal(), Signal()
        m.d.comb += wanted.eq(self.resolve & ~self.known)
        m.d.sync += [
            age.eq(self.now_ns[:32] - asked_ns), fresh_age.eq(Cat(1, fresh_age)),
            due.eq(wanted & (~self._awaited | (fresh_age.all() & (age >= self.cfg_retry_ns)))),
            self.stat_arp_unanswered.eq(0),
        ]
        with m.If(~self.resolve):
            m.d.sync += [self._awaited.eq(0), self.known.eq(0)]

        # An ICMP message waits for the verdict on its header.
        self._begin = Signal()
        check = Signal(range(DECISION_CYCLES + 1))
        m.d.sync += check.eq(Mux(check == 0, 0, check - 1))
        self._end = Signal()            # the task is over
        with m.If(took):
            m.d.sync += [self._busy.eq(1), check.eq(DECISION_CYCLES),
                         self._task.eq(Mux(self._is_arp, Task.ARP, Task.ECHO))]
        with m.Elif(check == 1):
            with m.If((self._task == Task.ECHO) & ~self.datagram_good):
                m.d.sync += self._busy.eq(0)
            with m.Else():
                m.d.comb += self._begin.eq(1)
        with m.Elif(~self._busy & self.membership & ~self.membership_taken):
            m.d.sync += [self._busy.eq(1), self._task.eq(Task.MEMBERSHIP), check.eq(1)]
        with m.Elif(~self._busy & due & wanted):
            m.d.sync += [self._busy.eq(1), self._task.eq(Task.RESOLVE), check.eq(1)]
        with m.Elif(self._end):
            m.d.sync += self._busy.eq(0)
        with m.If(self._acts(Action.ASKED)):
            m.d.sync += [asked_ns.eq(self.now_ns[:32]), fresh_age.eq(0), due.eq(0),
                         self._awaited.eq(1), self.stat_arp_unanswered.eq(self._awaited)]
        with m.If(self._acts(Action.KNOWN) & self.resolve & self._untouched):
            m.d.sync += [self.known.eq(1), self._awaited.eq(0)]

    def _acts(self, action: Action) -> Value:
        """Return whether `action` is done in this cycle."""
        return (self._execute & (self._instruction.operation == Operation.ACT)
                & (self._instruction.index[:4] == action))

    def _cache(self, m):
        """Keep the entries: their halfwords in a memory, what they are in registers."""
        m.submodules.entries = entries = memory.Memory(
            shape=16, depth=8 * CACHE_ENTRIES, init=[], attrs={"ram_style": "distributed"})
        writer, reader = entries.write_port(), entries.read_port(domain="comb")
        # What software has changed meanwhile, a task neither writes nor believes.
        touched = Signal()
        with m.If(self.entry_write | self.entry_set | self.entry_clear):
            m.d.sync += touched.eq(self._busy)
        with m.Elif(~self._busy):
            m.d.sync += touched.eq(0)
        self._untouched = ~touched
        write = self._execute & (self._instruction.operation == Operation.MOVE) & (
            self._instruction.target == Target.ENTRY) & ~touched
        used, fixed = self.entries_used, self.entries_fixed
        m.d.comb += [
            writer.en.eq(write | self.entry_write),
            writer.addr.eq(Mux(self.entry_write, Cat(self.cfg_entry_half, self.cfg_entry),
                               Cat(self._instruction.write[:3], self._entry))),
            writer.data.eq(Mux(self.entry_write, self.cfg_entry_data, self._value)),
            reader.addr.eq(Mux(self._busy, Cat(self._instruction.index[:3], self._entry),
                               Cat(self.cfg_entry_half, self.cfg_entry))),
        ]
        self._from_entry = reader.data
        with m.If(~self._busy):
            m.d.sync += self.entry_data.eq(reader.data)

        oldest = Signal.like(self._entry)
        self._left = Signal.like(self._entry)
        with m.If(self._acts(Action.FIRST)):
            m.d.sync += [self._entry.eq(0), self._left.eq(CACHE_ENTRIES - 1)]
        with m.If(self._acts(Action.OLDEST)):
            m.d.sync += [self._entry.eq(oldest), self._left.eq(CACHE_ENTRIES - 1)]
        with m.If(self._acts(Action.NEXT)):
            m.d.sync += [self._entry.eq(self._entry + 1), self._left.eq(self._left - 1)]
        chosen = Signal(CACHE_ENTRIES)
        m.d.comb += chosen.eq(1 << self._entry)
        with m.If(self._acts(Action.FILL) & ~touched):
            m.d.sync += [used.eq(used | chosen), oldest.eq(self._entry + 1)]
        with m.If(self._acts(Action.EMPTY)):
            m.d.sync += used.eq(used & ~chosen)
        with m.If(self.forget):
            m.d.sync += used.eq(used & fixed)
        by_software = Signal(CACHE_ENTRIES)
        m.d.comb += by_software.eq(1 << self.cfg_entry)
        with m.If(self.entry_set):
            m.d.sync += [used.eq(used | by_software), fixed.eq(fixed | by_software)]
        with m.If(self.entry_clear | self.entry_write):
            m.d.sync += [used.eq(used & ~by_software), fixed.eq(fixed & ~by_software)]

    def _operands(self, m):
        """Read what an instruction works on."""
        group = self.group
        settings = {
            Setting.LOCAL_MAC: self.cfg_local_mac, Setting.LOCAL_ADDRESS: self.cfg_local_address,
            Setting.NEXT_HOP: self.cfg_next_hop, Setting.STATIC_MAC: self.cfg_static_mac,
            Setting.NOW: self.now_ns[32:48], Setting.FEED_MAC: self.feed_mac,
            Setting.FEED_ADDRESS: self.feed_address, Setting.GROUP: group,
            Setting.GROUP_MAC: Cat(group[:23], C(0x5E << 1, 9)),
        }
        halves = [C(0, 16)] * (Setting.GROUP_MAC + 2)
        for first, value in settings.items():
            size = len(value) // 16
            for place in range(size):
                halves[first + place] = value[16 * (size - 1 - place):16 * (size - place)]
        constants = [C(value, 16) for value in self._program.constants]
        instruction = self._instruction
        m.d.sync += self._setting.eq(Array(halves)[instruction.index[:5]])
        with m.Switch(instruction.source):
            with m.Case(Source.ENTRY):
                m.d.sync += self._other.eq(self._from_entry)
            with m.Case(Source.CONSTANT):
                m.d.sync += self._other.eq(Array(constants)[instruction.index])
            with m.Case(Source.SUM):
                m.d.sync += self._other.eq(self._sum)
            with m.Case(Source.CHECKSUM):
                m.d.sync += self._other.eq(~self._sum)
        is_setting, is_frame = Signal(), Signal()
        m.d.sync += [is_setting.eq(instruction.source == Source.SETTING),
                     is_frame.eq(instruction.source == Source.FRAME)]
        m.d.comb += [self._operand.eq(Mux(is_setting, self._setting, self._other)),
                     self._value.eq(Mux(is_frame, self._from_frame, self._operand))]

    def _fetched(self, m, at):
        """Return the instruction two cycles after its number, from a block RAM."""
        words = [_Instruction.const({
            "operation": line.operation, "source": line.source, "target": line.target,
            "count": line.count - 1, "write": line.write, "frame": line.frame,
            "index": line.index}) for line in self._program.instructions]
        m.submodules.program = program = memory.Memory(
            shape=_Instruction, depth=1 << len(at), init=words, attrs={"ram_style": "block"})
        reader = program.read_port()
        fetched = Signal(_Instruction, reset_less=True)
        m.d.comb += [reader.addr.eq(at), reader.en.eq(1)]
        m.d.sync += Value.cast(fetched).eq(Value.cast(reader.data))
        return fetched

    def _run(self, m):
        """Fetch, read, execute; halfwords of one instruction are read and executed in turn.

        The next instruction is read from its memory meanwhile; only what is jumped to is waited
        for.
        """
        program = self._program
        instruction = self._instruction
        at = Signal(range(len(program.instructions)), reset_less=True)
        fetched = self._fetched(m, at)
        good = Signal()
        carry = Signal()
        octets = Signal(7, reset_less=True)
        m.d.comb += [self.frames.p.length.eq(octets),
                     self.frames.p.aside.eq(self._task == Task.MEMBERSHIP)]

        added = Signal(17)
        m.d.comb += added.eq(self._sum + self._value + carry)
        fits = ((self._sum[7:] == 0) & (self._sum[:7] >= _SHORTEST)
                & (self._sum[:7] <= FRAME_BYTES))
        conditions = {
            Condition.ALWAYS: C(1), Condition.GOOD: good, Condition.STATIC: self.cfg_static,
            Condition.AWAITED: self._awaited,
            Condition.VALID: self.entries_used.bit_select(self._entry, 1),
            Condition.FIXED: self.entries_fixed.bit_select(self._entry, 1),
            Condition.LAST: self._left == 0, Condition.FRESH: self._sum[8:] == 0,
            Condition.VERSION_3: self.version_3, Condition.LEAVE: self.leave,
            Condition.CHANGE: self.change,
        }
        holds = Signal()                # found out as operands are read
        m.d.sync += holds.eq(Array(conditions[number] for number in Condition)[
            instruction.write[:4]] == instruction.index[0])

        paced = Signal()                # an echo reply may leave
        pace = Signal(2)
        m.d.sync += pace.eq(self.now_ns[_PACE])
        with m.If(pace != self.now_ns[_PACE]):
            m.d.sync += paced.eq(1)

        m.d.sync += [self.stat_arp_requests.eq(0), self.stat_arp_replies.eq(0),
                     self.stat_icmp_replies.eq(0), self.stat_icmp_refused.eq(0),
                     self.stat_igmp_sent.eq(0), self.stat_arp_unsolicited.eq(0)]
        with m.FSM(name="phase"):
            with m.State("IDLE"):
                m.d.sync += [at.eq(Array(program.starts)[self._task]), good.eq(1)]
                with m.If(self._begin):
                    m.next = "TURN"
            with m.State("TURN"):       # to the memory
                m.next = "FOLLOW"
            with m.State("FOLLOW"):     # to the register behind it
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += [Value.cast(instruction).eq(fetched), at.eq(at + 1)]
                m.next = "READ"
            with m.State("READ"):
                m.next = "EXECUTE"
            with m.State("EXECUTE"):
                m.d.comb += self._execute.eq(1)
                m.d.sync += [instruction.write.eq(instruction.write + 1),
                             instruction.frame.eq(instruction.frame + 1),
                             instruction.index.eq(instruction.index + 1),
                             instruction.count.eq(instruction.count - 1)]
                m.next = "READ"
                with m.If(instruction.count == 0):
                    m.next = "FETCH"
                with m.Switch(instruction.operation):
                    with m.Case(Operation.MOVE):
                        with m.If(instruction.target == Target.SUM):
                            m.d.sync += [self._sum.eq(self._value), carry.eq(0)]
                        with m.If(instruction.target == Target.PEER):
                            for place in range(3):
                                with m.If(instruction.write[:2] == place):
                                    m.d.sync += self.peer_mac.word_select(2 - place, 16).eq(
                                        self._value)
                    with m.Case(Operation.SAME):
                        m.d.sync += good.eq(good & (self._from_frame == self._operand))
                    with m.Case(Operation.ADD):
                        m.d.sync += Cat(self._sum, carry).eq(added)
                    with m.Case(Operation.JUMP):
                        m.d.sync += good.eq(1)
                        with m.If(holds):
                            m.d.sync += at.eq(instruction.frame)
                            m.next = "TURN"
                    with m.Case(Operation.ACT):
                        with m.Switch(instruction.index[:4]):
                            with m.Case(Action.END, Action.UNSOLICITED, Action.REFUSED):
                                m.d.comb += self._end.eq(1)
                                m.next = "IDLE"
                            with m.Case(Action.SEND):
                                m.next = "SEND"
                            with m.Case(Action.LENGTH):
                                m.d.sync += octets.eq(instruction.frame)
                            with m.Case(Action.LENGTH_SUM):
                                m.d.sync += [octets.eq(self._sum), good.eq(fits & paced)]
                            with m.Case(Action.CARRY):
                                m.d.sync += carry.eq(1)
                        m.d.sync += [
                            self.stat_arp_unsolicited.eq(self._acts(Action.UNSOLICITED)),
                            self.stat_icmp_refused.eq(self._acts(Action.REFUSED))]
            with m.State("SEND"):
                m.d.comb += [self.frames.valid.eq(1), self._sending.eq(1)]
                with m.If(self.frames.ready):
                    m.d.sync += [
                        self.stat_arp_requests.eq(self._task == Task.RESOLVE),
                        self.stat_arp_replies.eq(self._task == Task.ARP),
                        self.stat_icmp_replies.eq(self._task == Task.ECHO),
                        self.stat_igmp_sent.eq(self._task == Task.MEMBERSHIP)]
                    with m.If(self._task == Task.ECHO):
                        m.d.sync += paced.eq(0)
                    m.next = "SENDING"
            with m.State("SENDING"):
                m.d.comb += self._sending.eq(1)
                with m.If(self.sent):
                    m.d.comb += self._end.eq(1)
                    m.next = "IDLE"
        m.d.sync += self.membership_taken.eq(self._end & (self._task == Task.MEMBERSHIP))
