"""Where a recording comes from: what a reader must know besides the records."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from proto.events import SCHEMA_VERSION

__all__ = ["FORMAT", "PREFIX", "Origin"]

#: Format of a recording, in its ``recording.json`` and in the metadata of every file.
FORMAT = "tickwire-events/1"
#: What the keys of a file's metadata begin with.
PREFIX = "tickwire."


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The appliance whose records these are.

    Attributes
    ----------
    version : str
        Version of the appliance.
    map_hash : int
        Hash of its register map.
    core_hz : int
        Frequency of its core clock, Hz: what the stamps in cycles mean.
    schema_version : int
        Version of the layouts of the records.
    commit : str
        Commit of its design; empty if it is not known.
    began : str
        Wall time at which the recording began, ISO 8601, UTC; empty if it must not matter.
    """

    version: str
    map_hash: int
    core_hz: int
    schema_version: int = SCHEMA_VERSION
    commit: str = ""
    began: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields; the hash as eight hexadecimal digits."""
        return {**asdict(self), "map_hash": f"{self.map_hash:08x}"}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Origin":
        """Return the origin in an object that may have other keys besides.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing or of another type.
        """
        return cls(version=str(found["version"]), map_hash=int(str(found["map_hash"]), 16),
                   core_hz=int(found["core_hz"]), schema_version=int(found["schema_version"]),
                   commit=str(found.get("commit", "")), began=str(found.get("began", "")))

    def metadata(self, kind: str) -> dict[bytes, bytes]:
        """Return the metadata of a file with records of a kind."""
        return {f"{PREFIX}{name}".encode(): str(value).encode() for name, value in
                {"format": FORMAT, "kind": kind, **self.to_json()}.items()}
