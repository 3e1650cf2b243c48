"""Tables of fixed-layout messages: offsets, checks and the codec between bytes and a dictionary.

A format is written once, as a :class:`Message`; gateware takes offsets and sizes from it, Python
encodes and decodes with it, and ``docs/messages.md`` is printed from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Literal

from proto.errors import ProtoError

__all__ = [
    "Code", "Field", "Kind", "Message", "Value", "WireError", "by_type", "code", "digits", "octets",
    "price", "sint", "text", "type_byte", "uint",
]

#: What a field holds on the Python side; a code of an enumeration is a string as well.
Value = int | str | bytes

#: Bytes of one beat of the core; :attr:`Field.lane` and :attr:`Field.beat` count in it.
BEAT_BYTES = 8


class WireError(ProtoError):
    """A table is inconsistent, a value does not fit, or bytes are not the message asked for."""


class Code(StrEnum):
    """Base of the enumerations of one-character (or longer, ASCII) codes.

    A code that is not listed stays a plain string when it is decoded: it is for the reader to
    decide, and each table says what an unknown code means.
    """

    @property
    def byte(self) -> int:
        """The code as it stands in the message: its characters as one big-endian integer."""
        return int.from_bytes(self.value.encode("latin-1"), "big")


class Kind(Enum):
    """How the bytes of a field are read."""

    UINT = "unsigned"        #: unsigned integer in the byte order of the message
    SINT = "signed"          #: two's complement integer in the byte order of the message
    TEXT = "text"            #: ASCII, left aligned, padded with spaces
    TEXT_RIGHT = "text, right aligned"  #: ASCII, right aligned, padded with spaces
    DIGITS = "digits"        #: ASCII decimal number, right aligned, padded with spaces
    CODE = "code"            #: ASCII code of an enumeration
    TYPE = "type"            #: the constant that tells the message's type
    OCTETS = "octets"        #: bytes as they are


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a message.

    Attributes
    ----------
    name : str
        Name in the specification, in snake_case.
    size : int
        Bytes.
    kind : Kind
        How the bytes are read.
    codes : type of Code, optional
        Enumeration of a :attr:`Kind.CODE` field.
    unit : str
        Unit and scale of a number; empty for none.
    description : str
        What a reader must know besides the name; may be empty.
    offset : int
        Bytes from the start of the message; set by :class:`Message`.
    """

    name: str
    size: int
    kind: Kind
    codes: type[Code] | None = None
    unit: str = ""
    description: str = ""
    offset: int = 0

    @property
    def end(self) -> int:
        """Offset of the byte after the field."""
        return self.offset + self.size

    @property
    def lane(self) -> int:
        """Lane of the first byte in an aligned message of 8-byte beats."""
        return self.offset % BEAT_BYTES

    @property
    def beat(self) -> int:
        """Beat of the first byte in an aligned message of 8-byte beats."""
        return self.offset // BEAT_BYTES

    @property
    def span(self) -> slice:
        """The field's bytes as a slice of the message."""
        return slice(self.offset, self.end)

    @property
    def bits(self) -> int:
        """Width in bits."""
        return 8 * self.size


def uint(name: str, size: int, *, unit: str = "", description: str = "") -> Field:
    """Return an unsigned integer field."""
    return Field(name=name, size=size, kind=Kind.UINT, unit=unit, description=description)


def sint(name: str, size: int, *, unit: str = "", description: str = "") -> Field:
    """Return a two's complement integer field."""
    return Field(name=name, size=size, kind=Kind.SINT, unit=unit, description=description)


def price(name: str, size: int, *, unit: str = "1e-4 USD", description: str = "") -> Field:
    """Return an unsigned price field."""
    return Field(name=name, size=size, kind=Kind.UINT, unit=unit, description=description)


def code(name: str, size: int, codes: type[Code], *, description: str = "") -> Field:
    """Return a field that holds one code of an enumeration."""
    return Field(name=name, size=size, kind=Kind.CODE, codes=codes, description=description)


def text(name: str, size: int, *, right: bool = False, description: str = "") -> Field:
    """Return an ASCII field padded with spaces, left aligned unless `right`."""
    kind = Kind.TEXT_RIGHT if right else Kind.TEXT
    return Field(name=name, size=size, kind=kind, description=description)


def digits(name: str, size: int, *, description: str = "") -> Field:
    """Return a field that holds a decimal number in ASCII, padded with spaces on the left."""
    return Field(name=name, size=size, kind=Kind.DIGITS, description=description)


def octets(name: str, size: int, *, description: str = "") -> Field:
    """Return a field of bytes without further meaning."""
    return Field(name=name, size=size, kind=Kind.OCTETS, description=description)


def type_byte(name: str = "message_type") -> Field:
    """Return the field of the message's type; without one a typed message begins with it."""
    return Field(name=name, size=1, kind=Kind.TYPE)


class Message:
    """A message of fixed layout.

    Parameters
    ----------
    name : str
        Name in snake_case.
    fields : tuple of Field
        Fields in the order of the wire.
    size : int
        Bytes of the message, typed from the specification (not computed).
    type : bytes, optional
        Value of the type field. If given, and no field is a :func:`type_byte`, the message begins
        with a field ``message_type``.
    source : str
        Specification and section.
    byteorder : str
        ``big`` (network order) or ``little``.

    Attributes
    ----------
    fields : tuple of Field
        Fields with their offsets.

    Raises
    ------
    WireError
        If the sizes of the fields do not add up to `size`, a name occurs twice, or a type stands
        without a field for it.
    """

    def __init__(self, name: str, *, fields: tuple[Field, ...], size: int, source: str = "",
                 type: bytes | None = None, byteorder: Literal["big", "little"] = "big") -> None:
        if type is not None and not any(field.kind is Kind.TYPE for field in fields):
            fields = (type_byte(), *fields)
        placed: list[Field] = []
        offset = 0
        for field in fields:
            placed.append(replace(field, offset=offset))
            offset += field.size
        if offset != size:
            raise WireError(f"{name}: fields add up to {offset} bytes, "
                            f"the specification has {size}")
        self.name = name
        self.type = type
        self.size = size
        self.source = source
        self.byteorder: Literal["big", "little"] = byteorder
        self.fields = tuple(placed)
        self._by_name = {field.name: field for field in placed}
        if len(self._by_name) != len(placed):
            raise WireError(f"{name}: two fields have the same name")
        typed = [field.size for field in placed if field.kind is Kind.TYPE]
        if typed != ([] if type is None else [len(type)]):
            raise WireError(f"{name}: a type needs exactly one type field of its size")

    def __repr__(self) -> str:
        """Return the name, type and size."""
        return f"<Message {self.name} type={self.type!r} size={self.size}>"

    def __iter__(self) -> Iterator[Field]:
        """Iterate over the fields in the order of the wire."""
        return iter(self.fields)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a field `name`."""
        return name in self._by_name

    def field(self, name: str) -> Field:
        """Return the field `name`.

        Raises
        ------
        KeyError
            If there is no such field.
        """
        return self._by_name[name]

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the message with `values`; the type may be left out.

        Raises
        ------
        WireError
            If a field is missing, unknown, out of range or too long.
        """
        unknown = values.keys() - self._by_name.keys()
        if unknown:
            raise WireError(f"{self.name} has no field {', '.join(sorted(unknown))}")
        return b"".join(self._encode_field(field, values) for field in self.fields)

    def decode(self, data: bytes | bytearray | memoryview) -> dict[str, Value]:
        """Return the fields of `data`, which must be exactly one message.

        Raises
        ------
        WireError
            If the length or the type is not that of the message, or digits are none.
        """
        if len(data) != self.size:
            raise WireError(f"{self.name} must have {self.size} bytes, was {len(data)}")
        return self.decode_from(data)

    def decode_from(self, data: bytes | bytearray | memoryview,
                    offset: int = 0) -> dict[str, Value]:
        """Return the fields of the message that begins at `offset`; more may follow it.

        Raises
        ------
        WireError
            As :meth:`decode`.
        """
        chunk = bytes(data[offset:offset + self.size])
        if len(chunk) != self.size:
            raise WireError(f"{self.name} must have {self.size} bytes, was {len(chunk)}")
        return {field.name: self._decode_field(field, chunk[field.span]) for field in self.fields}

    def _encode_field(self, field: Field, values: Mapping[str, Value]) -> bytes:
        where = f"{self.name}.{field.name}"
        if field.kind is Kind.TYPE:
            assert self.type is not None
            given = values.get(field.name, self.type)
            if given not in (self.type, self.type.decode("latin-1")):
                raise WireError(f"{where} must be {self.type!r}, was {given!r}")
            return self.type
        if field.name not in values:
            raise WireError(f"{where} is missing")
        value = values[field.name]
        if isinstance(value, bytes):
            if field.kind is not Kind.OCTETS:
                raise WireError(f"{where} must be {field.kind.value}, was {value!r}")
            raw = value
        elif isinstance(value, int):
            raw = self._encode_integer(field, value, where)
        else:
            raw = _encode_text(field, value, where)
        if len(raw) != field.size:
            raise WireError(f"{where} must fit {field.size} bytes, was {value!r}")
        return raw

    def _encode_integer(self, field: Field, value: int, where: str) -> bytes:
        if field.kind is Kind.DIGITS and value >= 0:
            return str(value).encode("ascii").rjust(field.size)
        if field.kind not in (Kind.UINT, Kind.SINT, Kind.DIGITS):
            raise WireError(f"{where} must be {field.kind.value}, was the integer {value}")
        try:
            return value.to_bytes(field.size, self.byteorder, signed=field.kind is Kind.SINT)
        except OverflowError as error:
            raise WireError(f"{where} must be {field.kind.value} in {field.size} bytes, "
                            f"was {value}") from error

    def _decode_field(self, field: Field, raw: bytes) -> Value:
        match field.kind:
            case Kind.UINT:
                return int.from_bytes(raw, self.byteorder)
            case Kind.SINT:
                return int.from_bytes(raw, self.byteorder, signed=True)
            case Kind.TYPE:
                if raw != self.type:
                    raise WireError(f"{self.name}.{field.name} must be {self.type!r}, was {raw!r}")
                return raw.decode("latin-1")
            case Kind.TEXT:
                return raw.decode("latin-1").rstrip(" ")
            case Kind.TEXT_RIGHT:
                return raw.decode("latin-1").lstrip(" ")
            case Kind.DIGITS:
                if not raw.strip(b" ").isdigit():
                    raise WireError(f"{self.name}.{field.name} must be digits, was {raw!r}")
                return int(raw)
            case Kind.CODE:
                return _decode_code(field, raw.decode("latin-1"))
            case Kind.OCTETS:
                return raw


def _encode_text(field: Field, value: str, where: str) -> bytes:
    if field.kind not in (Kind.TEXT, Kind.TEXT_RIGHT, Kind.CODE):
        raise WireError(f"{where} must be {field.kind.value}, was the text {value!r}")
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise WireError(f"{where} must be ASCII, was {value!r}") from error
    return raw.rjust(field.size) if field.kind is Kind.TEXT_RIGHT else raw.ljust(field.size)


def _decode_code(field: Field, value: str) -> str:
    assert field.codes is not None
    short = value.rstrip(" ") if field.size > 1 else value
    try:
        return field.codes(short)
    except ValueError:
        return short


def by_type(*messages: Message) -> dict[int, Message]:
    """Return the messages by the value of their type byte.

    Raises
    ------
    WireError
        If a message has no type of one byte, or two have the same.
    """
    table: dict[int, Message] = {}
    for message in messages:
        if message.type is None or len(message.type) != 1:
            raise WireError(f"{message.name} has no type byte")
        if message.type[0] in table:
            raise WireError(f"{message.name} and {table[message.type[0]].name} have the same type")
        table[message.type[0]] = message
    return table
