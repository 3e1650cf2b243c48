"""What the stages of the order table hand to each other."""

from amaranth import *
from amaranth.lib import data
from amaranth.utils import ceil_log2

from hdl.book.order_store import CAM_ENTRIES, OrderKey, OrderPayload
from hdl.profile import Profile
from hdl.records import TAG_BITS, OperationKind

__all__ = ["RESULTS", "RESULT_SLOTS", "Matches", "OrderResult", "Slot", "SlotKind", "slots_of_row"]

#: Results that are younger than what the memories show, when operations are two cycles apart.
RESULTS = 2

#: Slots in which a result may be younger than what the memories show.
RESULT_SLOTS = 3


def slots_of_row(profile: Profile) -> int:
    """Return the number of slots that one reference may take in the banks."""
    return profile.order_banks * profile.order_ways


#: What a slot of the pipeline does; at most one bit is set, none in a bubble.
SlotKind = data.StructLayout({
    "operation": 1,
    "walk_row": 1,    # re-add the orders of a row of both banks
    "walk_cam": 1,    # re-add the order of a CAM slot
    "walk_end": 1,
    "move": 1,        # put the order of a CAM slot into one of its rows
    "evict": 1,       # the slot after it: put the order that was in its place into the CAM slot
})


def Slot(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of one half of an operation or relocation, or of a step of a walk."""
    return data.StructLayout({
        "kind": OperationKind,
        "insert": 1,          # ADD, or the second half of a REPLACE
        "second": 1,          # second half of a REPLACE
        "fast": 1,            # the update has already left, or there is none
        "key": OrderKey(profile),
        "side": 1,
        "shares": 32,
        "price": 32,
        "execution": 1,
        "tag": TAG_BITS,
        "rows": data.ArrayLayout(ceil_log2(profile.order_rows), profile.order_banks),
        "cam_index": ceil_log2(CAM_ENTRIES),  # walk_cam only
        "victim": ceil_log2(slots_of_row(profile)),  # move, evict: way to swap with
        "watched": 1,         # a walk over this symbol was under way when the slot was filled
    })


def OrderResult(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what one operation made of one order."""
    return data.StructLayout({
        "key": OrderKey(profile),
        "known": 1,      # the order was in the table before
        "present": 1,    # the order is in the table now
        "payload": OrderPayload,
        "rows": data.ArrayLayout(ceil_log2(profile.order_rows), profile.order_banks),
        "ways": slots_of_row(profile),  # slot that was written, bank 0 first; or none
        "cam": 1,        # the CAM slot ``cam_index`` was written
        "cam_index": ceil_log2(CAM_ENTRIES),
        "moved": 1,      # the order was in the CAM slot ``cam_index``, and is not any more
        "evicts": 1,     # the CAM slot is for the order that was in ``ways``: the next result
    })


#: One order that the slot's key may mean, and what a reduction by the slot's shares does to it.
Candidate = data.StructLayout({
    "payload": OrderPayload,
    "remaining": 32,
    "overfill": 1,
    "exact": 1,
})


def Matches(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what the comparison found."""
    ways = slots_of_row(profile)
    return data.StructLayout({
        "hits": ways + 1,                 # one-hot: the ways, then the CAM
        "candidates": data.ArrayLayout(Candidate, ways + 1),
        "forward": RESULTS,               # the key is that of a kept result, youngest first
        "forwarded": data.ArrayLayout(Candidate, RESULTS),
        "used": ways,                     # ways that are taken, kept results counted
        "victim": ways,                   # move: way to swap with
        "victim_stale": 1,                # a kept result has written it
        "cam_index": ceil_log2(CAM_ENTRIES),
        "passed": profile.order_banks,    # the walker has been at the row, a bit a bank
    })
