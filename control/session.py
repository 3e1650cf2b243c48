"""Settings and state of the order session, and the registers that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.errors import wrong_field
from control.units import format_ipv4, format_mac, parse_ipv4, parse_mac
from proto.session_states import CloseReason, SessionState, TcpState

__all__ = ["SessionSettings", "SessionView", "state_name"]

_USERNAME, _PASSWORD, _REQUESTED, _SEQUENCE = 6, 10, 10, 20


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """What the order session needs to know.

    Attributes
    ----------
    local_mac, local_ip, local_port : str, str, int
        Own addresses.
    peer_ip, peer_port : str, int
        The venue's.
    gateway_ip : str
        Gateway to it; empty if it is on the same network.
    next_hop_mac : str
        MAC address of the next hop; empty asks by ARP.
    username, password : str
        The login.
    requested_session : str
        Session asked for; empty for the active one.
    sequence : int
        Sequence number asked for.
    user_ref_num : int
        Of the next order; 0 leaves it.
    """

    local_mac: str
    local_ip: str
    local_port: int
    peer_ip: str
    peer_port: int
    gateway_ip: str = ""
    next_hop_mac: str = ""
    username: str = ""
    password: str = ""
    requested_session: str = ""
    sequence: int = 1
    user_ref_num: int = 0

    def registers(self) -> dict[str, int]:
        """Return the registers of the block ``session``, by their names in it.

        Raises
        ------
        ControlError
            If a value is wrong.
        """
        for field in ("local_port", "peer_port"):
            if not 0 <= getattr(self, field) <= 0xFFFF:
                raise wrong_field(field, "1 to 65535", getattr(self, field))
        if not 0 <= self.sequence < 2**64:
            raise wrong_field("sequence", "0 to 2**64 - 1", self.sequence)
        if not 0 <= self.user_ref_num < 2**32:
            raise wrong_field("user_ref_num", "0 to 2**32 - 1", self.user_ref_num)
        local_mac = parse_mac(self.local_mac, "local_mac")
        static_mac = parse_mac(self.next_hop_mac, "next_hop_mac") if self.next_hop_mac else 0
        peer = parse_ipv4(self.peer_ip, "peer_ip")
        gateway = parse_ipv4(self.gateway_ip, "gateway_ip") if self.gateway_ip else peer
        return {
            "local_mac_lo": local_mac & 0xFFFFFFFF, "local_mac_hi": local_mac >> 32,
            "local_address": parse_ipv4(self.local_ip, "local_ip"),
            "local_port": self.local_port,
            "peer_address": peer, "peer_port": self.peer_port, "next_hop": gateway,
            "static": int(bool(self.next_hop_mac)),
            "static_mac_lo": static_mac & 0xFFFFFFFF, "static_mac_hi": static_mac >> 32,
            **_text("username", self.username, _USERNAME),
            **_text("password", self.password, _PASSWORD),
            **_text("requested", self.requested_session, _REQUESTED, right=True),
            **_text("sequence", str(self.sequence), _SEQUENCE, right=True),
            **({"user_ref_num": self.user_ref_num} if self.user_ref_num else {}),
        }

    def missing(self) -> list[str]:
        """Return the settings without which there can be no connection."""
        nothing = {"local_mac": format_mac(0), "local_ip": format_ipv4(0), "local_port": 0,
                   "peer_ip": format_ipv4(0), "peer_port": 0}
        return [field for field, value in nothing.items() if getattr(self, field) == value]

    @classmethod
    def from_registers(cls, registers: Mapping[str, int]) -> "SessionSettings":
        """Return what the block ``session`` holds, password and user_ref_num included."""
        peer = registers["peer_address"]
        sequence = _read_text(registers, "sequence").strip()
        return cls(
            local_mac=format_mac(registers["local_mac_hi"] << 32 | registers["local_mac_lo"]),
            local_ip=format_ipv4(registers["local_address"]), local_port=registers["local_port"],
            peer_ip=format_ipv4(peer), peer_port=registers["peer_port"],
            gateway_ip=("" if registers["next_hop"] == peer
                        else format_ipv4(registers["next_hop"])),
            next_hop_mac=(format_mac(registers["static_mac_hi"] << 32 | registers["static_mac_lo"])
                          if registers["static"] else ""),
            username=_read_text(registers, "username").rstrip(),
            password=_read_text(registers, "password").rstrip(),
            requested_session=_read_text(registers, "requested").strip(),
            sequence=int(sequence) if sequence.isdigit() else 0)


@dataclass(frozen=True, kw_only=True)
class SessionView:
    """State of the order session."""

    up: bool
    day_ended: bool
    tcp: str
    session: str
    close_reason: str
    reject_reason: str
    joined: str
    next_sequence: int
    next_user_ref_num: int

    @classmethod
    def from_registers(cls, state: Mapping[str, int],
                       registers: Mapping[str, int]) -> "SessionView":
        """Return what the fields of ``session.state`` and the block ``session`` say."""
        letter = registers["reject_reason"]
        return cls(
            up=bool(state["up"]), day_ended=bool(state["day_ended"]),
            tcp=state_name(TcpState, state["tcp"]),
            session=state_name(SessionState, state["session"]),
            close_reason=state_name(CloseReason, state["close_reason"]),
            reject_reason=chr(letter) if 0x20 < letter < 0x7F else "",
            joined=_read_text(registers, "joined").strip(" \0"),
            next_sequence=registers["next_sequence_hi"] << 32 | registers["next_sequence_lo"],
            next_user_ref_num=registers["next_user_ref_num"])


def state_name(states: type[TcpState] | type[CloseReason] | type[SessionState],
               value: int) -> str:
    """Return a state in words, its number if it is unknown."""
    for state in states:
        if state == value:
            return state.name.lower().replace("_", "-")
    return str(value)


def _text(name: str, value: str, size: int, *, right: bool = False) -> dict[str, int]:
    """Return the registers of a text; the first character of each is in bits 7:0."""
    if len(value) > size or not value.isascii() or not (value.isprintable() or not value):
        raise wrong_field(name, f"at most {size} ASCII characters", value)
    raw = (value.rjust(size) if right else value.ljust(size)).encode("ascii")
    return {f"{name}_{number}": int.from_bytes(raw[start:start + 4], "little")
            for number, start in enumerate(range(0, size, 4))}


def _read_text(registers: Mapping[str, int], name: str) -> str:
    words: list[bytes] = []
    while (register := f"{name}_{len(words)}") in registers:
        words.append(registers[register].to_bytes(4, "little"))
    return b"".join(words).rstrip(b"\0").decode("latin-1")
