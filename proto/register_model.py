"""What a register map consists of: blocks of 32-bit words, and fields of bits in them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from proto.errors import ProtoError

__all__ = [
    "ADDRESS_BITS", "WORD_BYTES", "Access", "BitField", "Block", "Location", "Register",
    "RegisterError", "RegisterMap",
]

#: Bytes of a register, and bits of a byte address on the bus.
WORD_BYTES = 4
ADDRESS_BITS = 20


class RegisterError(ProtoError):
    """The map is inconsistent, or a register or field asked for does not exist."""


class Access(Enum):
    """What software can do with a field."""

    R = "r"
    RW = "rw"
    W1C = "w1c"
    PULSE = "pulse"

    @property
    def meaning(self) -> str:
        """What the access means, for people."""
        return {
            Access.R: "read; hardware sets it",
            Access.RW: "read and write; hardware only uses it",
            Access.W1C: "read; hardware sets bits, writing 1 clears them",
            Access.PULSE: "writing 1 raises it for one cycle; it reads 0",
        }[self]


@dataclass(frozen=True, kw_only=True)
class BitField:
    """Bits of a register.

    Attributes
    ----------
    name : str
        Name, unique in the register.
    width : int
        Bits.
    access : Access
        What software can do.
    description : str
        One sentence.
    reset : int
        Value after reset.
    unit : str
        Unit and scale of a number; empty for none.
    lsb : int
        Position of the lowest bit.
    """

    name: str
    width: int
    access: Access
    description: str
    reset: int = 0
    unit: str = ""
    lsb: int = 0

    @property
    def mask(self) -> int:
        """The field's bits in its register."""
        return ((1 << self.width) - 1) << self.lsb

    def extract(self, word: int) -> int:
        """Return the value of the field in `word`."""
        return (word & self.mask) >> self.lsb


@dataclass(frozen=True, kw_only=True)
class Register:
    """A 32-bit word.

    Attributes
    ----------
    name : str
        Name, unique in the block.
    description : str
        One sentence.
    fields : tuple of BitField
        Its fields, from bit 0 upwards.

    Raises
    ------
    RegisterError
        If fields overlap, leave the word, have a reset that does not fit or the same name.
    """

    name: str
    description: str
    fields: tuple[BitField, ...]

    def __post_init__(self) -> None:
        """Check the fields."""
        free = 0
        for field in self.fields:
            where = f"{self.name}.{field.name}"
            if field.width < 1 or field.lsb < free or field.lsb + field.width > 8 * WORD_BYTES:
                raise RegisterError(f"{where} must have its own bits of the 32, "
                                    f"was {field.width} bits at {field.lsb}")
            if not 0 <= field.reset < 1 << field.width:
                raise RegisterError(f"{where} must have a reset of {field.width} bits, "
                                    f"was {field.reset}")
            free = field.lsb + field.width
        if len({field.name for field in self.fields}) != len(self.fields):
            raise RegisterError(f"{self.name} has two fields of the same name")

    @property
    def reset(self) -> int:
        """The word after reset."""
        return sum(field.reset << field.lsb for field in self.fields)

    def field(self, name: str) -> BitField:
        """Return the field `name`.

        Raises
        ------
        RegisterError
            If there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise RegisterError(f"register {self.name} has no field {name}")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Registers that belong together, once or as an array.

    Attributes
    ----------
    name : str
        Name, unique in the map.
    base : int
        Byte address of the first register of the first element.
    description : str
        One sentence.
    registers : tuple of Register
        Registers in the order of their addresses, one a word.
    count : int, optional
        Elements of an array; None for a block that stands once.
    """

    name: str
    base: int
    description: str
    registers: tuple[Register, ...]
    count: int | None = None

    @property
    def stride(self) -> int:
        """Bytes from one element of an array to the next: a power of two."""
        size = WORD_BYTES * len(self.registers)
        return 1 << (size - 1).bit_length()

    def lower_half(self, register: Register) -> Register | None:
        """Return the register whose reading keeps what `register` shows from then on.

        There is one for the upper half of a number that hardware sets, ``<name>_hi``; else None.
        """
        name = register.name.removesuffix("_hi")
        if name == register.name or register.fields[0].access is not Access.R:
            return None
        return next((other for other in self.registers if other.name == f"{name}_lo"), None)

    @property
    def end(self) -> int:
        """Byte address after the block."""
        return self.base + self.stride * (1 if self.count is None else self.count)


@dataclass(frozen=True, kw_only=True)
class Location:
    """A register of the map at its place.

    Attributes
    ----------
    name : str
        ``block.register``, in an array ``block[index].register``.
    address : int
        Byte address.
    block : Block
        The block.
    index : int, optional
        Element of an array.
    register : Register
        The register.
    """

    name: str
    address: int
    block: Block
    index: int | None
    register: Register


class RegisterMap:
    """All registers of an appliance.

    Parameters
    ----------
    blocks : tuple of Block
        Blocks in the order of their addresses.

    Attributes
    ----------
    locations : tuple of Location
        Every register with its address, in the order of the addresses.
    hash : int
        First 32 bits of the SHA-256 of the canonical JSON of :meth:`layout`.

    Raises
    ------
    RegisterError
        If blocks overlap, are not aligned, leave the address space, or a name occurs twice.
    """

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        end = 0
        for block in blocks:
            if block.base < end or block.base % block.stride or block.end > 1 << ADDRESS_BITS:
                raise RegisterError(f"block {block.name} must be aligned to {block.stride} bytes, "
                                    f"after {end:#x} and below {1 << ADDRESS_BITS:#x}, "
                                    f"was {block.base:#x} to {block.end:#x}")
            end = block.end
        self.blocks = blocks
        self.locations = tuple(_locations(blocks))
        self._by_name = {location.name: location for location in self.locations}
        if len(self._by_name) != len(self.locations):
            raise RegisterError("two registers have the same name")
        canonical = json.dumps(self.layout(), sort_keys=True, separators=(",", ":"))
        self.hash = int.from_bytes(hashlib.sha256(canonical.encode("ascii")).digest()[:4], "big")

    def __getitem__(self, name: str) -> Location:
        """Return the register `name`, such as ``control.status`` or ``symbols[3].enable``.

        Raises
        ------
        RegisterError
            If there is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise RegisterError(f"there is no register {name}") from None

    def layout(self) -> list[dict[str, object]]:
        """Return what software relies on: names, addresses, access, bits and reset values."""
        return [{
            "name": block.name, "base": block.base, "count": block.count, "stride": block.stride,
            "registers": [{
                "name": register.name, "offset": WORD_BYTES * number,
                "fields": [{"name": field.name, "lsb": field.lsb, "width": field.width,
                            "access": field.access.value, "reset": field.reset}
                           for field in register.fields],
            } for number, register in enumerate(block.registers)],
        } for block in self.blocks]

    def describe(self) -> dict[str, object]:
        """Return the whole map, prose included, as plain data for JSON."""
        return {
            "map_hash": self.hash, "address_bits": ADDRESS_BITS, "word_bytes": WORD_BYTES,
            "layout": self.layout(),
            "description": {
                block.name: {
                    "": block.description,
                    **{register.name: {
                        "": register.description,
                        **{field.name: {"unit": field.unit, "description": field.description}
                           for field in register.fields},
                    } for register in block.registers},
                } for block in self.blocks
            },
        }


def _locations(blocks: tuple[Block, ...]) -> Iterator[Location]:
    for block in blocks:
        for index in [None] if block.count is None else range(block.count):
            prefix = block.name if index is None else f"{block.name}[{index}]"
            for number, register in enumerate(block.registers):
                yield Location(
                    name=f"{prefix}.{register.name}", block=block, index=index, register=register,
                    address=block.base + block.stride * (index or 0) + WORD_BYTES * number)
