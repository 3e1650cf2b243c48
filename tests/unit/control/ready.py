"""Settings with which the fake appliance may trade, and records of its orders."""

from proto.events import EVENTS
from proto.features import FEATURES

__all__ = ["LIMITS", "WEIGHTS", "make_ready", "order_event"]

LIMITS = ("--quantity", "500", "--value", "250000", "--collar", "5", "--collar-minimum", "0.10",
          "--long", "2000", "--short", "1000", "--open-orders", "4")
WEIGHTS = (-3, 40, 7, -32768, *range(4, len(FEATURES)))


def make_ready(plant, model_file):
    """Everything that arming needs."""
    plant.json("symbols", "set", "AAPL@XNAS", "--tick", "0.01", "--locate", "14")
    plant.json("limits", "set", "AAPL", *LIMITS)
    plant.json("limits", "session", "--message-interval-ns", "1000", "--message-burst-ns", "5000",
               "--hold-ns", "100", "--watchdog-ns", "2000000000")
    plant.json("model", "load", str(model_file))
    plant.json("strategy", "set", "AAPL", "--buy", "5000", "--sell", "4000", "--quantity", "100",
               "--enable")
    plant.json("feed", "set", "--group", "233.54.12.111", "--port", "26477", "--enable")
    plant.json("session", "set", "--local-mac", "02:00:00:00:00:02", "--local-ip", "10.0.0.2",
               "--local-port", "40000", "--peer-ip", "10.0.0.1", "--peer-port", "9000",
               "--username", "TICK", TICKWIRE_PASSWORD="SECRET")
    plant.json("session", "up")


def order_event(kind, **values):
    layout = EVENTS[kind]
    return layout.encode({**dict.fromkeys((field.name for field in layout), 0),
                          "schema_version": 1, "kind": kind, **values})
