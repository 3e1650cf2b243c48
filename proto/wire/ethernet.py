"""Ethernet, VLAN, ARP, IPv4, ICMP, IGMP, UDP and TCP headers.

Ref: IEEE 802.3 clause 3, IEEE 802.1Q clause 9; RFC 768, 791, 792, 826, 2113, 2236, 3376, 9293.
Addresses are unsigned integers, first byte most significant.
"""

from enum import IntEnum, IntFlag

from proto.wire.message import Message, uint

__all__ = [
    "ARP", "FCS_BYTES", "ICMP_ECHO", "IGMP", "IGMP_RECORD", "IGMP_REPORT", "IPV4", "MAC",
    "MAXIMUM_FRAME_BYTES", "MINIMUM_FRAME_BYTES", "PREAMBLE", "ROUTER_ALERT", "SFD", "TCP", "UDP",
    "VLAN_TAG", "ArpOperation", "EtherType", "IcmpType", "IgmpRecordType", "IgmpType",
    "IpProtocol", "Ipv4Flag", "TcpFlag", "TcpOption",
]

#: A byte of the preamble, and the start-of-frame delimiter that ends it.
PREAMBLE = 0x55
SFD = 0xD5

FCS_BYTES = 4

#: Destination address to FCS, of a frame without errors; the maximum is that with two VLAN tags.
MINIMUM_FRAME_BYTES = 64
MAXIMUM_FRAME_BYTES = 1526


class EtherType(IntEnum):
    """EtherTypes that the appliance knows; a frame of any other is dropped and counted."""

    IPV4 = 0x0800
    ARP = 0x0806
    VLAN = 0x8100
    VLAN_OUTER = 0x88A8


class IpProtocol(IntEnum):
    """IPv4 protocol numbers that the appliance knows."""

    ICMP = 1
    IGMP = 2
    TCP = 6
    UDP = 17


class IcmpType(IntEnum):
    """ICMP types that the appliance knows."""

    ECHO_REPLY = 0
    ECHO = 8


class IgmpType(IntEnum):
    """IGMP types that the appliance knows."""

    QUERY = 0x11
    REPORT_V2 = 0x16
    LEAVE_V2 = 0x17
    REPORT_V3 = 0x22


class IgmpRecordType(IntEnum):
    """Types of group records that the appliance sends."""

    IS_EXCLUDE = 2
    TO_INCLUDE = 3
    TO_EXCLUDE = 4


class Ipv4Flag(IntFlag):
    """Parts of the IPv4 field ``flags_fragment_offset``."""

    DONT_FRAGMENT = 0x4000
    MORE_FRAGMENTS = 0x2000
    OFFSET_MASK = 0x1FFF


class TcpFlag(IntFlag):
    """Bits of the TCP field ``flags``."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80


class TcpOption(IntEnum):
    """Kinds of TCP options; others are skipped by their length."""

    END = 0
    NO_OPERATION = 1
    MAXIMUM_SEGMENT_SIZE = 2
    WINDOW_SCALE = 3
    SACK_PERMITTED = 4
    SACK = 5
    TIMESTAMPS = 8


class ArpOperation(IntEnum):
    """ARP operations."""

    REQUEST = 1
    REPLY = 2


MAC = Message("mac_header", size=14, source="IEEE 802.3, 3.1.1", fields=(
    uint("destination", 6), uint("source", 6),
    uint("ethertype", 2, description="EtherType, or a length below 0x0600"),
))

VLAN_TAG = Message("vlan_tag", size=4, source="IEEE 802.1Q, 9.3", fields=(
    uint("tpid", 2, description="0x8100, of an outer tag 0x88A8; it stands where the EtherType "
                                "of an untagged frame stands"),
    uint("tci", 2, description="priority 3 bits, drop eligible 1 bit, VLAN identifier 12 bits"),
))

ARP = Message("arp", size=28, source="RFC 826", fields=(
    uint("hardware_type", 2, description="1 = Ethernet"),
    uint("protocol_type", 2, description="0x0800 = IPv4"),
    uint("hardware_length", 1, unit="bytes"), uint("protocol_length", 1, unit="bytes"),
    uint("operation", 2, description="1 request, 2 reply"),
    uint("sender_hardware_address", 6), uint("sender_protocol_address", 4),
    uint("target_hardware_address", 6), uint("target_protocol_address", 4),
))

IPV4 = Message("ipv4_header", size=20, source="RFC 791, 3.1 (without options)", fields=(
    uint("version_ihl", 1, description="version in the upper half, header length in 4-byte words "
                                       "in the lower; 0x45 without options"),
    uint("type_of_service", 1), uint("total_length", 2, unit="bytes"),
    uint("identification", 2),
    uint("flags_fragment_offset", 2, description="flags 3 bits, offset 13 bits in 8 bytes"),
    uint("time_to_live", 1), uint("protocol", 1), uint("header_checksum", 2),
    uint("source_address", 4), uint("destination_address", 4),
))

ROUTER_ALERT = Message("router_alert_option", size=4, source="RFC 2113", fields=(
    uint("type", 1, description="148"), uint("length", 1, unit="bytes"), uint("value", 2),
))

ICMP_ECHO = Message("icmp_echo_header", size=8, source="RFC 792", fields=(
    uint("type", 1, description="8 request, 0 reply"), uint("code", 1), uint("checksum", 2),
    uint("identifier", 2), uint("sequence_number", 2),
))

IGMP = Message("igmp_message", size=8, source="RFC 2236, 2", fields=(
    uint("type", 1), uint("maximum_response_time", 1, unit="0.1 s",
                          description="of a query; in version 3 a code from 128 on"),
    uint("checksum", 2), uint("group_address", 4, description="0 in a general query"),
))

IGMP_REPORT = Message("igmp_v3_report", size=8, source="RFC 3376, 4.2", fields=(
    uint("type", 1), uint("reserved", 1), uint("checksum", 2), uint("reserved_2", 2),
    uint("record_count", 2),
))

IGMP_RECORD = Message("igmp_v3_group_record", size=8, source="RFC 3376, 4.2", fields=(
    uint("type", 1), uint("auxiliary_length", 1, unit="4 bytes"), uint("source_count", 2),
    uint("group_address", 4),
))

UDP = Message("udp_header", size=8, source="RFC 768", fields=(
    uint("source_port", 2), uint("destination_port", 2),
    uint("length", 2, unit="bytes", description="header and payload"),
    uint("checksum", 2, description="0 = not computed"),
))

TCP = Message("tcp_header", size=20, source="RFC 9293, 3.1 (without options)", fields=(
    uint("source_port", 2), uint("destination_port", 2),
    uint("sequence_number", 4), uint("acknowledgment_number", 4),
    uint("data_offset", 1, description="header length in 4-byte words in the upper half, lower "
                                       "half reserved"),
    uint("flags", 1), uint("window", 2, unit="bytes"), uint("checksum", 2),
    uint("urgent_pointer", 2),
))
