"""Short forms of the registers that most of the map consists of."""

from proto.register_model import Access, BitField, Register

__all__ = ["codes", "flags", "text", "wide", "word"]

_WORD_BITS = 32
_CHARACTERS = 4


def word(name: str, access: Access, description: str, *, width: int = _WORD_BITS, reset: int = 0,
         unit: str = "") -> Register:
    """Return a register of one field, ``value``."""
    field = BitField(name="value", width=width, access=access, description=description,
                     reset=reset, unit=unit)
    return Register(name=name, description=description, fields=(field,))


def flags(name: str, access: Access, description: str, **sentences: str) -> Register:
    """Return a register of one-bit fields, from bit 0 upwards."""
    return Register(name=name, description=description, fields=tuple(
        BitField(name=flag, width=1, access=access, description=sentence, lsb=bit)
        for bit, (flag, sentence) in enumerate(sentences.items())))


def codes(name: str, description: str, **fields: tuple[str, str]) -> Register:
    """Return a register of up to four ASCII codes that software sets, each (reset, sentence)."""
    return Register(name=name, description=description, fields=tuple(
        BitField(name=field, width=8, access=Access.RW, description=sentence, lsb=8 * number,
                 reset=ord(reset))
        for number, (field, (reset, sentence)) in enumerate(fields.items())))


def wide(name: str, access: Access, description: str, *, width: int, reset: int = 0,
         unit: str = "") -> tuple[Register, Register]:
    """Return the registers ``<name>_lo`` and ``<name>_hi`` of a number of more than 32 bits.

    Where hardware sets the number, reading the lower half keeps the upper one for the next read.
    """
    kept = ", as the lower half was read" if access is Access.R else ""
    return (
        word(f"{name}_lo", access, f"Bits 31 to 0: {description}", unit=unit,
             reset=reset & 0xFFFFFFFF),
        word(f"{name}_hi", access, f"Bits {width - 1} to 32{kept}: {description}", unit=unit,
             width=width - _WORD_BITS, reset=reset >> _WORD_BITS),
    )


def text(name: str, access: Access, description: str, *, size: int,
         reset: str | None = None) -> tuple[Register, ...]:
    """Return the registers ``<name>_0`` and up of a text of `size` characters.

    The first character of each word is in its bits 7:0. A text that software sets is spaces after
    reset unless `reset` says otherwise; one that hardware sets is zero.
    """
    content = b"" if access is Access.R else (reset or "").ljust(size).encode("ascii")
    registers: list[Register] = []
    for number, start in enumerate(range(0, size, _CHARACTERS)):
        end = min(start + _CHARACTERS, size)
        registers.append(word(
            f"{name}_{number}", access, f"Characters {start + 1} to {end}: {description}",
            width=8 * (end - start), reset=int.from_bytes(content[start:end], "little")))
    return tuple(registers)
