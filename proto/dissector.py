"""A Wireshark dissector in Lua, printed from the tables of OUCH 5.0 and TotalView-ITCH 5.0.

Ref: Wireshark's Lua API, 4.0. Wireshark itself dissects SoupBinTCP and MoldUDP64 below them.
"""

import re
from collections.abc import Iterable, Iterator

from proto.wire import itch50, ouch50, ouch50_codes
from proto.wire.message import Code, Field, Kind, Message

__all__ = ["wireshark_dissector"]

_INDENT = "    "

#: Table of the reasons of a rejection, which are numbers and no codes.
_REASONS = "reject_reason"

_CODE = r"""
-- Fields are registered once for each message.
local function register(proto, messages)
    local fields = {}
    for _, message in pairs(messages) do
        for _, field in ipairs(message.fields) do
            local abbreviation = proto.name:lower() .. "." .. message.id .. "." .. field.name
            local kind = field.kind
            local make = ProtoField.string
            if kind == "uint" then
                make = field.size > 4 and ProtoField.uint64 or ProtoField.uint32
            elseif kind == "sint" then
                make = ProtoField.int32
            elseif kind == "octets" then
                make = ProtoField.bytes
            end
            field.proto = make(abbreviation, field.title)
            fields[#fields + 1] = field.proto
        end
    end
    return fields
end

local function clock(ns)
    local second = math.floor(ns / 1e9)
    return string.format("%02d:%02d:%02d.%09d", math.floor(second / 3600),
        math.floor(second / 60) % 60, second % 60, ns - second * 1e9)
end

-- Add a field to the tree; return it as people read it.
local function add_field(tree, field, range)
    local kind = field.kind
    if kind == "octets" then
        tree:add(field.proto, range)
        return ""
    end
    if kind == "text" then
        local value = range:string():gsub("^%s+", ""):gsub("%s+$", "")
        local item = tree:add(field.proto, range, value)
        local name = field.names and field.names[value]
        if name then item:append_text(" (" .. name .. ")") end
        return name or value
    end
    local number, item
    if kind == "sint" then
        number = range:int()
        item = tree:add(field.proto, range, number)
    elseif field.size > 4 then
        number = range:uint64():tonumber()
        item = tree:add(field.proto, range, range:uint64())
    else
        number = range:uint()
        item = tree:add(field.proto, range, number)
    end
    local shown
    if field.decimals then
        shown = string.format("%." .. field.decimals .. "f", number / 10 ^ field.decimals)
        item:append_text(" (" .. shown .. " USD)")
    elseif field.clock then
        shown = clock(number)
        item:append_text(" (" .. shown .. ")")
    elseif field.names and field.names[number] then
        shown = field.names[number]
        item:append_text(" (" .. shown .. ")")
    end
    return shown or tostring(number)
end

local function add_message(proto, message, tvb, pinfo, tree)
    local subtree = tree:add(proto, tvb())
    local told = { message.title }
    for _, field in ipairs(message.fields) do
        local shown = add_field(subtree, field, tvb(field.offset, field.size))
        if TOLD[field.name] and shown ~= "" then
            told[#told + 1] = shown
        end
    end
    local text = table.concat(told, " ")
    subtree:append_text(", " .. text)
    pinfo.cols.protocol = proto.description:match("^%S+ (.*)$")
    pinfo.cols.info:append(" [" .. text .. "] ")
    pinfo.cols.info:fence()
    return subtree
end

-- OUCH 5.0: the options that follow the fixed part.
local function add_options(tvb, tree, at)
    local options = tree:add(ouch, tvb(at), "Options")
    options:add(appendage_length, tvb(at, 2))
    at = at + 2
    while at + 2 <= tvb:len() do
        local size, tag = tvb(at, 1):uint(), tvb(at + 1, 1):uint()
        if size < 1 or at + 1 + size > tvb:len() then return end
        local option = OPTIONS[tag]
        if option and option.fields[1].size == size - 1 then
            add_field(options, option.fields[1], tvb(at + 2, size - 1))
        else
            options:add(tvb(at, 1 + size), "Option " .. tag)
        end
        at = at + 1 + size
    end
end

local function ouch_length(message, tvb)
    local size, length = message.size, tvb:len()
    if message.appendage ~= "required" and length == size then return true end
    return message.appendage ~= "none" and length >= size + 2
        and length == size + 2 + tvb(size, 2):uint()
end

local packet_type = Field.new("soupbintcp.packet_type")

local function dissect_ouch(tvb, pinfo, tree)
    local packets = { packet_type() }
    local last = packets[#packets]
    if not last or tvb:len() == 0 then return false end
    local kind = type(last.value) == "number" and string.char(last.value) or tostring(last.value)
    local message = (kind == "S" and OUTBOUND or INBOUND)[tvb(0, 1):uint()]
    if not message or not ouch_length(message, tvb) then return false end
    local subtree = add_message(ouch, message, tvb, pinfo, tree)
    if tvb:len() > message.size then add_options(tvb, subtree, message.size) end
    return true
end

function ouch.dissector(tvb, pinfo, tree)
    return dissect_ouch(tvb, pinfo, tree) and tvb:len() or 0
end

function itch.dissector(tvb, pinfo, tree)
    local message = tvb:len() > 0 and ITCH[tvb(0, 1):uint()]
    if not message or tvb:len() ~= message.size then return 0 end
    add_message(itch, message, tvb, pinfo, tree)
    return tvb:len()
end

local ouch_fields = register(ouch, INBOUND)
for _, messages in ipairs({ OUTBOUND, OPTIONS }) do
    for _, field in ipairs(register(ouch, messages)) do ouch_fields[#ouch_fields + 1] = field end
end
appendage_length = ProtoField.uint16("tickwire_ouch50.appendage_length", "Appendage Length")
ouch_fields[#ouch_fields + 1] = appendage_length
ouch.fields = ouch_fields
itch.fields = register(itch, ITCH)

ouch:register_heuristic("soupbintcp", dissect_ouch)
DissectorTable.get("moldudp64.payload"):add_for_decode_as(itch)
"""


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _field(field: Field, *, name: str | None = None) -> str:
    kinds = {Kind.UINT: "uint", Kind.SINT: "sint", Kind.OCTETS: "octets"}
    name = name or field.name
    parts = [f'name = "{name}"', f'title = "{_title(name)}"', f"offset = {field.offset}",
             f"size = {field.size}", f'kind = "{kinds.get(field.kind, "text")}"']
    if scale := re.fullmatch(r"1e-(\d+) USD", field.unit):
        parts.append(f"decimals = {scale[1]}")
    elif field.unit == "ns since midnight":
        parts.append("clock = true")
    if field.codes is not None:
        parts.append(f"names = NAMES.{_table_name(field.codes)}")
    elif field.name == "reason" and field.kind is Kind.UINT:
        parts.append(f"names = NAMES.{_REASONS}")
    return f"{{ {', '.join(parts)} }}"


def _table_name(codes: type[Code]) -> str:
    """Return a name of a table; both protocols have enumerations of the same name."""
    return f"{codes.__module__.rpartition('.')[2]}_{codes.__name__}"


def _names() -> Iterator[str]:
    """Yield the names of codes."""
    fields = [field for message in itch50.MESSAGES.values() for field in message]
    for message in (*ouch50.INBOUND.values(), *ouch50.OUTBOUND.values()):
        fields += message.layout
    fields += ouch50.OPTIONS.values()
    tables = {_table_name(field.codes): [(f'"{code.value}"', code.name) for code in field.codes]
              for field in fields if field.codes is not None}
    tables[_REASONS] = [(str(reason.value), reason.name) for reason in ouch50_codes.RejectReason]
    yield "local NAMES = {"
    for table, names in tables.items():
        yield f"{_INDENT}{table} = {{"
        yield from (f'{2 * _INDENT}[{value}] = "{_words(name)}",' for value, name in names)
        yield f"{_INDENT}}},"
    yield "}"


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


def _message(number: int, identity: str, title: str, size: int, fields: Iterable[str],
             appendage: str = "") -> Iterator[str]:
    more = f', appendage = "{appendage}"' if appendage else ""
    yield f'{_INDENT}[{number}] = {{ id = "{identity}", title = "{title}", size = {size}{more}, ' \
          "fields = {"
    for field in fields:
        yield f"{2 * _INDENT}{field},"
    yield f"{_INDENT}}} }},"


def _fields(message: Message) -> Iterator[str]:
    return (_field(field) for field in message)


def _tables() -> Iterator[str]:
    yield from _names()
    for name, messages in (("INBOUND", ouch50.INBOUND), ("OUTBOUND", ouch50.OUTBOUND)):
        yield f"local {name} = {{"
        for number, message in messages.items():
            yield from _message(number, message.name, _title(message.name), message.layout.size,
                                _fields(message.layout), message.appendage.value)
        yield "}"
    yield "local OPTIONS = {"
    for tag, field in ouch50.OPTIONS.items():
        yield from _message(tag, "option", _title(field.name), field.size, [_field(field)])
    yield "}"
    yield "local ITCH = {"
    for number, message in itch50.MESSAGES.items():
        yield from _message(number, message.name, _title(message.name), message.size,
                            _fields(message))
    yield "}"


#: Fields whose values stand in the list of packets.
_TOLD = ("side", "buy_sell_indicator", "quantity", "shares", "symbol", "stock", "price",
         "user_ref_num", "orig_user_ref_num", "reason", "event_code", "trading_state",
         "order_reference_number", "order_reference", "match_number")


def wireshark_dissector() -> str:
    """Return docs/tickwire.lua."""
    told = "".join(f"{_INDENT}{name} = true,\n" for name in _TOLD)
    head = f"""\
-- generated from proto/wire by `make generate`, do not edit
--
-- Nasdaq OUCH 5.0 over SoupBinTCP and TotalView-ITCH 5.0 over MoldUDP64 for Wireshark 4:
--   wireshark -X lua_script:docs/tickwire.lua -d tcp.port==26400,soupbintcp orders.pcap
-- docs/captures.md says more.

local ouch = Proto("tickwire_ouch50", "Nasdaq OUCH 5.0")
local itch = Proto("tickwire_itch50", "Nasdaq ITCH 5.0")
local appendage_length
local TOLD = {{
{told}}}
"""
    return head + "\n".join(_tables()) + "\n" + _CODE
