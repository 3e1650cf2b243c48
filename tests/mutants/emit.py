"""Print a hash of the RTLIL of everything in a folder: ``python -m tests.mutants.emit hdl/book``.

A mutant with the RTLIL of the original is the original.
"""

import gc
import hashlib
import sys

from amaranth.back import rtlil
from amaranth.hdl import Signal, Value
from amaranth.lib.wiring import Component

from hdl.profile import PROFILES, Profile

#: Small, so that no time goes into memories; every structure has more than one of each part.
SMALL = Profile(name="test", symbols=4, window_ticks=4096, orders=64, frame_buffer_bytes=1024,
                tcp_ring_bytes=1024, event_ring_bytes=1024)


def components(folder: str) -> list[Component]:
    """Return components that contain every part of a folder."""
    from hdl.book.book import Book
    from hdl.feed.feed_handler import FeedHandler
    from hdl.feed.feed_health import FeedHealth
    from hdl.order.exposure_words import ExposureWords
    from hdl.order.order_session import OrderSession
    from hdl.order.own_orders import OwnOrders
    bench = PROFILES["bench"]
    return {
        "hdl/feed": lambda: [FeedHandler(bench), FeedHealth()],
        "hdl/book": lambda: [Book(SMALL)],
        "hdl/order": lambda: [OrderSession(bench), OwnOrders(bench), ExposureWords()],
    }[folder]()


def text_of(component: Component) -> str:
    """Return the RTLIL of a component."""
    values = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    ports = [value for value in values if isinstance(value, Signal)]
    return rtlil.convert(component, ports=ports, emit_src=False)


def main() -> None:
    """Print the hash."""
    gc.disable()    # as in hdl/__main__.py
    total = hashlib.sha256()
    for component in components(sys.argv[1]):
        total.update(text_of(component).encode())
    sys.stdout.write(total.hexdigest() + "\n")


if __name__ == "__main__":
    main()
