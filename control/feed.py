"""Settings of the market data stream, and the registers that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.errors import wrong_field
from control.units import format_ipv4, format_mac, parse_ipv4, parse_mac
from proto.feed_records import RECORDED_MESSAGES
from proto.registers import register_map

__all__ = ["IGMP_MODES", "FeedSettings"]

#: Names of the values of the register ``feed.igmp``.
IGMP_MODES = ("off", "auto", "version_2", "version_3")

_MULTICAST_GROUPS = (parse_ipv4("224.0.0.0", "group_ip"), parse_ipv4("239.255.255.255", "group_ip"))
#: Of a MAC address: it is that of a group.
_GROUP_BIT = 1 << 40

_SESSION = 10
_MAP = register_map(symbols=1)
_RECORD = _MAP["feed.record"].register
_DEPTH, _VECTORS = (_MAP["control.details"].register.field(name) for name in ("depth", "vectors"))
_ALL_SYMBOLS = _RECORD.field("all_symbols")

#: Messages that can be recorded, and their bits.
_RECORDABLE = {field.name: field.mask for field in _RECORD.fields if field is not _ALL_SYMBOLS}


@dataclass(frozen=True, kw_only=True)
class FeedSettings:
    """Where market data come from.

    Attributes
    ----------
    enable : bool
        Accept them.
    group_ip, udp_port : str, int
        Where the stream is sent to.
    session : str
        MoldUDP64 session; empty takes that of the first packet.
    next_sequence : int
        Number expected next; 0 takes that of the first packet.
    cut_through : bool
        Messages act before the frame's FCS has proved good.
    timeout_ns : int
        Longest silence before no order leaves; 0 never lets one leave.
    recorded_messages : tuple of str
        Types of messages that become event records, as docs/messages.md names them.
    record_all_symbols : bool
        Not only those of watched symbols and of the whole market.
    record_depth, record_vectors : bool
        After each event of a book the five best levels of its side, and its features and score,
        become event records.
    igmp : str
        One of :data:`IGMP_MODES`: how the network is asked for the stream.
    local_mac, local_ip : str
        Own addresses at the feed port; empty for none.
    """

    enable: bool
    group_ip: str
    udp_port: int
    session: str = ""
    next_sequence: int = 1
    cut_through: bool = False
    timeout_ns: int = 15_000_000_000
    recorded_messages: tuple[str, ...] = tuple(message.name for message in RECORDED_MESSAGES)
    record_all_symbols: bool = False
    record_depth: bool = False
    record_vectors: bool = False
    igmp: str = "off"
    local_mac: str = ""
    local_ip: str = ""

    def __post_init__(self) -> None:
        """Bring the types of messages in the order of the exchange's specification, each once."""
        places = {name: place for place, name in enumerate(_RECORDABLE)}
        ordered = sorted(set(self.recorded_messages),
                         key=lambda name: (places.get(name, len(places)), name))
        object.__setattr__(self, "recorded_messages", tuple(ordered))

    def registers(self) -> dict[str, int]:
        """Return the registers by their names in the map, ``feed.enable`` last.

        Raises
        ------
        ControlError
            If a value is wrong.
        """
        if not 0 <= self.udp_port <= 0xFFFF or (self.enable and not self.udp_port):
            raise wrong_field("udp_port", "1 to 65535", self.udp_port)
        if len(self.session) > _SESSION or not self.session.isascii():
            raise wrong_field("session", f"at most {_SESSION} ASCII characters", self.session)
        if not 0 <= self.next_sequence < 2**64:
            raise wrong_field("next_sequence", "0 to 2**64 - 1", self.next_sequence)
        if not 0 <= self.timeout_ns < 2**40:
            raise wrong_field("timeout_ns", "0 to 2**40 - 1", self.timeout_ns)
        for name in self.recorded_messages:
            if name not in _RECORDABLE:
                raise wrong_field("recorded_messages", f"some of {', '.join(_RECORDABLE)}", name)
        session = self.session.encode("ascii").ljust(_SESSION)
        sequence = self.next_sequence or 1
        group_ip = parse_ipv4(self.group_ip, "group_ip")
        local_mac = self._checked_mac(group_ip)
        return {
            "control.fcs_mode": int(self.cut_through),
            "control.details": (_DEPTH.mask if self.record_depth else 0)
            | (_VECTORS.mask if self.record_vectors else 0),
            "feed.group_ip": group_ip,
            "feed.udp_port": self.udp_port,
            "feed.session_hi": int.from_bytes(session[0:4], "big"),
            "feed.session_mid": int.from_bytes(session[4:8], "big"),
            "feed.session_lo": int.from_bytes(session[8:10], "big"),
            "feed.session_learn": int(not self.session),
            "feed.sequence_learn": int(not self.next_sequence),
            "feed.next_sequence_lo": sequence & 0xFFFFFFFF,
            "feed.next_sequence_hi": sequence >> 32,
            "feed.load_sequence": 1,
            "feed.timeout_lo": self.timeout_ns & 0xFFFFFFFF,
            "feed.timeout_hi": self.timeout_ns >> 32,
            "feed.record": (sum(_RECORDABLE[name] for name in self.recorded_messages)
                            | (_ALL_SYMBOLS.mask if self.record_all_symbols else 0)),
            "feed.igmp": IGMP_MODES.index(self.igmp),
            "feed.local_mac_lo": local_mac & 0xFFFFFFFF, "feed.local_mac_hi": local_mac >> 32,
            "feed.local_address": parse_ipv4(self.local_ip, "local_ip") if self.local_ip else 0,
            "feed.enable": int(self.enable),
        }

    def _checked_mac(self, group_ip: int) -> int:
        """Return the own MAC address, 0 for none; raise if IGMP cannot do with it or the group."""
        if self.igmp not in IGMP_MODES:
            raise wrong_field("igmp", f"one of {', '.join(IGMP_MODES)}", self.igmp)
        local_mac = parse_mac(self.local_mac, "local_mac") if self.local_mac else 0
        if local_mac & _GROUP_BIT:
            raise wrong_field("local_mac", "the address of one station, such as 02:00:00:00:00:01",
                              self.local_mac)
        if self.igmp != "off":
            if not local_mac:
                raise wrong_field("local_mac", "the own MAC address of the feed port, as igmp is "
                                               f"{self.igmp}", self.local_mac)
            if not _MULTICAST_GROUPS[0] <= group_ip <= _MULTICAST_GROUPS[1]:
                raise wrong_field("group_ip", f"an address of 224.0.0.0/4, as igmp is {self.igmp}",
                                  self.group_ip)
        return local_mac

    @classmethod
    def from_registers(cls, registers: Mapping[str, int], fcs_mode: int, details: int
                       ) -> "FeedSettings":
        """Return what the block ``feed`` holds, by the names in it, and two of ``control``."""
        session = (registers["session_hi"].to_bytes(4, "big")
                   + registers["session_mid"].to_bytes(4, "big")
                   + registers["session_lo"].to_bytes(2, "big"))
        sequence = registers["next_sequence_hi"] << 32 | registers["next_sequence_lo"]
        local_mac = registers["local_mac_hi"] << 32 | registers["local_mac_lo"]
        return cls(
            enable=bool(registers["enable"]), group_ip=format_ipv4(registers["group_ip"]),
            udp_port=registers["udp_port"],
            session=("" if registers["session_learn"]
                     else session.rstrip(b"\0 ").decode("latin-1")),
            next_sequence=0 if registers["sequence_learn"] else sequence,
            cut_through=bool(fcs_mode & 1),
            timeout_ns=registers["timeout_hi"] << 32 | registers["timeout_lo"],
            recorded_messages=tuple(name for name, mask in _RECORDABLE.items()
                                    if registers["record"] & mask),
            record_all_symbols=bool(registers["record"] & _ALL_SYMBOLS.mask),
            record_depth=bool(details & _DEPTH.mask),
            record_vectors=bool(details & _VECTORS.mask), igmp=IGMP_MODES[registers["igmp"]],
            local_mac=format_mac(local_mac) if local_mac else "",
            local_ip=format_ipv4(registers["local_address"]) if registers["local_address"] else "")
