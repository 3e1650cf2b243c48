"""The register map and its checks."""

import json
import tomllib
from pathlib import Path

import pytest

from proto import registers
from proto.counters import COUNTERS
from proto.registers import Access, BitField, Block, Register, RegisterError, register_map

ROOT = Path(__file__).resolve().parents[3]


def field(name="value", width=32, lsb=0, reset=0):
    return BitField(name=name, width=width, access=Access.RW, description="It.", lsb=lsb,
                    reset=reset)


def block(name, base, *, words=1, count=None):
    return Block(name=name, base=base, description="It.", count=count, registers=tuple(
        Register(name=f"r{number}", description="It.", fields=(field(),))
        for number in range(words)))


def test_identity_comes_first_whatever_the_profile():
    for symbols in (1, 16, 1024):
        table = register_map(symbols=symbols)
        names = [location.name for location in table.locations[:4]]
        assert names == ["identity.magic", "identity.version", "identity.map_hash",
                         "identity.profile_symbols"]
        assert [location.address for location in table.locations[:4]] == [0, 4, 8, 12]
        assert table["identity.magic"].register.reset == int.from_bytes(b"TICK", "big")
        assert table["identity.profile_symbols"].register.reset == symbols


def test_addresses_are_words_of_their_own():
    table = register_map(symbols=1024)
    addresses = [location.address for location in table.locations]
    assert addresses == sorted(set(addresses))
    assert all(address % 4 == 0 for address in addresses)
    assert addresses[-1] < 1 << registers.ADDRESS_BITS


def test_array_elements_are_a_stride_apart():
    table = register_map(symbols=16)
    first, fourth = table["symbols[0].enable"], table["symbols[3].enable"]
    assert fourth.address - first.address == 3 * 32
    assert (fourth.index, fourth.block.name) == (3, "symbols")
    with pytest.raises(RegisterError, match=r"no register symbols\[16\]"):
        table["symbols[16].enable"]


def test_every_counter_has_a_register():
    table = register_map(symbols=1)
    names = [counter.name for counter in COUNTERS]
    assert len(set(names)) == len(names)
    assert all(table[f"counters.{counter.register}"].register.reset == 0 for counter in COUNTERS)


def test_hash_covers_what_software_relies_on():
    assert register_map(symbols=16).hash == register_map(symbols=16).hash
    assert register_map(symbols=16).hash != register_map(symbols=8).hash
    one, two = block("a", 0), block("a", 4)
    assert registers.RegisterMap((one,)).hash != registers.RegisterMap((two,)).hash


def test_description_is_plain_data_with_every_field():
    table = register_map(symbols=2)
    described = json.loads(json.dumps(table.describe()))
    assert described["map_hash"] == table.hash
    assert [part["name"] for part in described["layout"]] == [part.name for part in table.blocks]
    prose = described["description"]
    for part in table.blocks:
        for register in part.registers:
            for bits in register.fields:
                assert prose[part.name][register.name][bits.name]["description"].endswith(".")


def test_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == ".".join(map(str, registers.VERSION))


def test_fields_of_a_word():
    status = register_map(symbols=1)["control.status"].register
    assert status.field("upkeep").mask == 2
    assert status.field("upkeep").extract(0b010) == 1
    assert status.field("feed_idle").extract(0b011) == 0
    with pytest.raises(RegisterError, match="register status has no field colour"):
        status.field("colour")


@pytest.mark.parametrize("fields, says", [
    ((field("a", 4), field("b", 4, lsb=3)), "its own bits"),
    ((field("a", 33),), "its own bits"),
    ((field("a", 0),), "its own bits"),
    ((field("a", 16, lsb=17),), "its own bits"),
    ((field("a", 4, reset=16),), "reset of 4 bits"),
    ((field("a", 4), field("a", 4, lsb=4)), "same name"),
])
def test_inconsistent_registers_are_refused(fields, says):
    with pytest.raises(RegisterError, match=says):
        Register(name="r", description="It.", fields=fields)


@pytest.mark.parametrize("blocks", [
    (block("a", 0, words=2), block("b", 4)),
    (block("a", 4, words=2),),
    (block("a", 0xFFFF8, words=1, count=3),),
])
def test_blocks_that_overlap_or_leave_the_bus_are_refused(blocks):
    with pytest.raises(RegisterError, match="must be aligned"):
        registers.RegisterMap(blocks)


def test_registers_of_the_same_name_are_refused():
    with pytest.raises(RegisterError, match="same name"):
        registers.RegisterMap((block("a", 0), block("a", 4)))


@pytest.mark.parametrize("symbols", [0, 1025])
def test_symbols_out_of_range_are_refused(symbols):
    with pytest.raises(RegisterError, match="symbols must be 1 to 1024"):
        register_map(symbols=symbols)
