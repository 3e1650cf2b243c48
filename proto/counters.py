"""What is counted: one 32-bit counter for each ``stat_*`` pulse of the datapath."""

from dataclasses import dataclass

from proto.checks import Check

__all__ = ["COUNTERS", "Counter"]


@dataclass(frozen=True)
class Counter:
    """A counter.

    Attributes
    ----------
    name : str
        Dotted name: the stage, then what is counted.
    description : str
        One sentence: what one count means.
    """

    name: str
    description: str

    @property
    def register(self) -> str:
        """Name of its register in the block ``counters``."""
        return self.name.replace(".", "_")


#: Every counter, in the order of the registers.
COUNTERS: tuple[Counter, ...] = (
    Counter("net.frames_good", "Frames received without an error."),
    Counter("net.frames_bad_fcs", "Frames whose FCS is wrong."),
    Counter("net.frames_runt", "Frames shorter than 64 bytes."),
    Counter("net.frames_oversize", "Frames longer than max_frame_bytes, cut there."),
    Counter("net.frames_error_char", "Frames with an error or control character inside."),
    Counter("net.frames_dropped_buffer_full", "Frames lost or cut as the receive buffer was full."),
    Counter("ip.not_ipv4", "Frames of another EtherType or IP version."),
    Counter("ip.bad_header_checksum", "IPv4 headers whose checksum is wrong."),
    Counter("ip.fragments", "Fragments of IPv4 datagrams."),
    Counter("ip.options", "IPv4 headers with options."),
    Counter("ip.not_udp", "IPv4 datagrams of another protocol than UDP."),
    Counter("ip.other_destination", "UDP datagrams for another group or port."),
    Counter("ip.bad_length", "Datagrams whose IP, UDP and frame lengths disagree."),
    Counter("ip.bad_udp_checksum", "UDP datagrams whose checksum is wrong."),
    Counter("mold.packets", "MoldUDP64 packets of the session, heartbeats included."),
    Counter("mold.messages", "Messages of the session, duplicates included."),
    Counter("mold.heartbeats", "Packets without a message."),
    Counter("mold.end_of_session", "Packets that end the session."),
    Counter("mold.gaps", "Times that sequence numbers were missing."),
    Counter("mold.gap_messages", "Messages missing in those gaps."),
    Counter("mold.duplicates", "Packets with messages that had been received before."),
    Counter("mold.overlaps", "Packets of which only the first messages had been received before."),
    Counter("mold.duplicate_messages", "Messages that had been received before, skipped."),
    Counter("mold.foreign_session", "Packets of another session."),
    Counter("mold.unnumbered", "Packets with sequence number 0, taken as the next one in lenient "
                               "mode."),
    Counter("mold.malformed", "Packets of the session whose blocks do not fit the count or the "
                              "payload: books are stale; and packets too short for a header."),
    Counter("itch.operations", "Messages that changed the book of a watched symbol."),
    Counter("itch.admin", "Messages that concern the trading state."),
    Counter("itch.unwatched", "Messages of symbols that are not watched."),
    Counter("itch.unknown_type", "Messages of an unknown type, skipped."),
    Counter("itch.bad_length", "Messages of a known type and a wrong length, not acted on: books "
                               "are stale."),
    Counter("itch.recorded", "Messages recorded as events."),
    Counter("itch.records_dropped", "Messages to record that were not, as the host was too slow."),
    Counter("book.unknown_reference", "Operations on an order that is not in the table."),
    Counter("book.duplicate_reference", "Orders added that were in the table already."),
    Counter("book.overfill", "Reductions by more shares than the order had."),
    Counter("book.table_overflow", "Orders that did not fit the order table."),
    Counter("book.off_grid", "Orders whose price is no multiple of the tick size."),
    Counter("book.rebuilds", "Sides of a book rebuilt from the order table."),
    Counter("book.refills", "Level caches refilled from the price levels."),
    Counter("book.events_dropped", "Book events lost as the event ring was full."),
    Counter("details.recorded", "Records of levels and vectors."),
    Counter("details.dropped", "Times that one was lost: they came too fast, or the host was too "
                               "slow."),
    Counter("net.words_inserted", "Words of idles inserted by the elastic buffer of the feed."),
    Counter("net.words_deleted", "Words of idles taken out by it."),
    Counter("net.elastic_overrun", "Frames spoiled as it ran full."),
    Counter("net.elastic_underrun", "Frames spoiled as it ran empty."),
    Counter("decision.dropped", "Book events that came too early for the features."),
    Counter("decision.saturated", "Scores that saturated."),
    Counter("decision.blocked", "Scores that wanted an entry which something else forbade."),
    Counter("model.write_refused", "Words not written, as their bank was active or its swap too "
                                   "young."),
    Counter("model.swaps", "Swaps of the banks."),
    Counter("model.swap_refused", "Swaps refused: another epoch, or the bank was active."),
    Counter("risk.waited", "Intents that were not judged, or could not leave, at once."),
    Counter("risk.reserved_wait_cycles", "Cycles in which an intent waited for the order before it "
                                         "to be part of the position."),
    Counter("risk.command_refused", "Armings and clearings of a kill that were refused."),
    Counter("risk.refused", "Intents refused."),
    *(Counter(f"risk.refused_{check.name.lower()}", f"Intents that failed check {check.value}.")
      for check in Check),
    Counter("order.enters", "Frames begun with an order to enter."),
    Counter("order.cancels", "Frames begun with a cancel."),
    Counter("order.answers", "Answers of the venue that concern an order."),
    Counter("order.executions", "Executions that the venue has told, in part or whole."),
    Counter("order.queries", "Account Queries answered."),
    Counter("order_net.frames_good", "Frames received on the order port without an error."),
    Counter("order_net.frames_bad_fcs", "Frames whose FCS is wrong."),
    Counter("order_net.frames_runt", "Frames shorter than 64 bytes."),
    Counter("order_net.frames_oversize", "Frames longer than max_frame_bytes, cut there."),
    Counter("order_net.frames_error_char", "Frames with an error or control character inside."),
    Counter("order_net.words_inserted", "Words of idles inserted by the elastic buffer."),
    Counter("order_net.words_deleted", "Words of idles taken out by it."),
    Counter("order_net.elastic_overrun", "Frames spoiled as it ran full."),
    Counter("order_net.elastic_underrun", "Frames spoiled as it ran empty."),
    Counter("order_net.frames_sent", "Frames sent on the order port."),
    Counter("order_net.underrun", "Frames cut as their data came too late."),
    Counter("arp.requests", "ARP requests sent."),
    Counter("arp.replies", "ARP replies sent."),
    Counter("arp.unanswered", "ARP requests without an answer until the next one."),
    Counter("arp.unsolicited", "ARP replies to us that were not asked for, and changed nothing."),
    Counter("icmp.replies", "Echo replies sent."),
    Counter("icmp.refused", "Echo requests not answered: over 82 bytes of data, or within a "
                            "millisecond of the last one."),
    Counter("igmp.queries", "Membership queries that concern the group of the feed."),
    Counter("igmp.sent", "Reports and leaves sent at the feed port."),
    Counter("tcp.bad_checksum", "Segments of the connection with a wrong checksum."),
    Counter("tcp.ignored", "Frames on the order port that are no segment of the connection."),
    Counter("tcp.retransmitted", "Segments sent again."),
    Counter("tcp.out_of_order", "Segments received ahead of their turn."),
    Counter("tcp.duplicate", "Segments received again."),
    Counter("tcp.challenged", "RST or SYN segments not taken."),
    Counter("tcp.probed", "Probes of a closed window."),
    Counter("soup.sequenced", "Sequenced messages received."),
    Counter("soup.heartbeats", "Heartbeats of the server received."),
    Counter("soup.protocol_error", "Connections aborted for a packet that breaks the protocol."),
    Counter("soup.peer_timeout", "Connections aborted for silence."),
    Counter("ouch.malformed", "Messages of a known type and a wrong length."),
    Counter("ouch.unknown", "Messages of an unknown type."),
    Counter("events.lost", "Records of class 1 that had no room; each one kills."),
    Counter("management.frames_good", "Frames received on the management port without an error."),
    Counter("management.frames_bad_fcs", "Frames whose FCS is wrong."),
    Counter("management.frames_runt", "Frames shorter than 64 bytes."),
    Counter("management.frames_oversize", "Frames longer than 1526 bytes, cut there."),
    Counter("management.frames_error_char", "Frames with an error or control character inside."),
    Counter("management.words_inserted", "Words of idles inserted by the elastic buffer."),
    Counter("management.words_deleted", "Words of idles taken out by it."),
    Counter("management.elastic_overrun", "Frames spoiled as it ran full."),
    Counter("management.elastic_underrun", "Frames spoiled as it ran empty."),
    Counter("management.not_for_us", "Frames that are no UDP datagrams, ARP among them, or are "
                                     "for another MAC address, IPv4 address or port."),
    Counter("management.bad_headers", "Frames with a VLAN tag, IPv4 options, a fragment, a wrong "
                                      "IPv4 checksum or a wrong length."),
    Counter("management.bad_checksums", "Datagrams with a wrong UDP checksum, or none."),
    Counter("management.buffer_full", "Datagrams lost as earlier ones were still being answered."),
    Counter("management.arp_replies", "ARP replies sent."),
    Counter("management.foreign", "Datagrams too short, of another magic or of an unknown kind."),
    Counter("management.stray", "Heartbeats and acknowledgements of no session that there is."),
    Counter("management.out_of_sequence", "Requests that are neither the next nor the last one."),
    Counter("management.stale_heartbeat", "Heartbeats that are late, repeated or malformed."),
    Counter("management.bad_acknowledge", "Acknowledgements of records that are not kept, or "
                                          "malformed."),
    Counter("management.other_version", "Datagrams refused for their version."),
    Counter("management.busy", "Sessions refused as another one lives."),
    Counter("management.unknown_session", "Requests refused as their session has ended."),
    Counter("management.malformed", "Requests refused for count, length or code."),
    Counter("management.opened", "Sessions begun."),
    Counter("management.requests", "Requests executed."),
    Counter("management.repeated", "Requests answered again from memory, and repeated OPENs."),
    Counter("management.heartbeats", "Heartbeats taken."),
    Counter("management.event_datagrams", "Datagrams with event records sent."),
    Counter("management.sent_again", "Times that the oldest record was gone back to, as nothing "
                                     "had been acknowledged."),
    Counter("management.frames_sent", "Frames sent on the management port."),
    Counter("management.underrun", "Frames cut as their data came too late."),
)
