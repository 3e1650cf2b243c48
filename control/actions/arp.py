"""The cache of MAC addresses: what ARP has learnt, and what is set and stays."""

from control.appliance import Appliance, ChangeOptions
from control.arp import ArpEntry
from control.device import Device, Operation
from control.errors import ControlError, Reason, wrong_field

__all__ = ["list_entries", "remove_entry", "set_entry"]

#: Looks at the cache, of which two in a row must find the same.
_LOOKS = 8


async def list_entries(appliance: Appliance) -> dict[int, ArpEntry]:
    """Return the entries in use by their numbers.

    Raises
    ------
    ControlError
        READBACK_DIFFERS if no two looks find the same.
    """
    found = await _look(appliance.device)
    for _ in range(_LOOKS):
        before, found = found, await _look(appliance.device)
        if found == before:     # an entry cannot be read while the port is busy with a frame
            return found
    raise ControlError(Reason.READBACK_DIFFERS, "the ARP cache never read the same twice: "
                                                "try again")


async def set_entry(appliance: Appliance, ip: str, mac: str, options: ChangeOptions) -> ArpEntry:
    """Set the MAC address of an IPv4 address; no answer replaces it.

    It takes the entry of that address, else a free one, else one that was learnt.

    Raises
    ------
    ControlError
        INVALID_FIELD; ARP_CACHE_FULL if all entries are set; READBACK_DIFFERS.
    """
    async with appliance.change(options) as apply:
        entry = ArpEntry.checked(ip, mac)
        present = await list_entries(appliance)
        number = _place(present, entry, _size(appliance.device))
        if apply:
            await appliance.device.batch(_writes(appliance.device, number, entry))
            if (found := (await list_entries(appliance)).get(number)) != entry:
                raise ControlError(Reason.READBACK_DIFFERS, f"ARP entry {number} must be {entry}, "
                                                            f"reads {found}")
    return entry


async def remove_entry(appliance: Appliance, ip: str, options: ChangeOptions) -> None:
    """Forget an entry, learnt or set.

    Raises
    ------
    ControlError
        INVALID_FIELD if there is no such entry.
    """
    async with appliance.change(options) as apply:
        present = await list_entries(appliance)
        numbers = {entry.ip: number for number, entry in present.items()}
        if ip not in numbers:
            known = ", ".join(numbers) or "none"
            raise wrong_field("ip", f"an address in the cache (it has {known})", ip)
        if apply:
            await appliance.device.write("arp_cache.entry", numbers[ip])
            await appliance.device.pulse("arp_cache.command", "clear")


def _size(device: Device) -> int:
    return device.map["arp_cache.used"].register.fields[0].width


def _place(present: dict[int, ArpEntry], entry: ArpEntry, size: int) -> int:
    same = [number for number, other in present.items() if other.ip == entry.ip]
    free = [number for number in range(size) if number not in present]
    learnt = [number for number, other in present.items() if not other.fixed]
    if not (chosen := same + free + learnt):
        raise ControlError(Reason.ARP_CACHE_FULL, f"all {size} entries of the ARP cache are set: "
                                                  f"remove one first")
    return chosen[0]


def _writes(device: Device, number: int, entry: ArpEntry) -> list[Operation]:
    def write(name: str, value: int) -> Operation:
        return Operation(device.map[f"arp_cache.{name}"].address, value)

    command = device.map["arp_cache.command"].register
    operations = [write("entry", number)]
    for half, data in enumerate(entry.halves()):
        operations += [write("half", half), write("data", data),
                       write("command", command.field("write").mask)]
    return [*operations, write("command", command.field("set").mask)]


async def _look(device: Device) -> dict[int, ArpEntry]:
    def operation(name: str, value: int | None = None) -> Operation:
        return Operation(device.map[f"arp_cache.{name}"].address, value)

    used, fixed = await device.batch([operation("used"), operation("fixed")])
    found: dict[int, ArpEntry] = {}
    for number in range(_size(device)):
        if used >> number & 1:
            values = await device.batch([operation("entry", number), *(
                part for half in range(ArpEntry.HALVES)
                for part in (operation("half", half), operation("read_data")))])
            found[number] = ArpEntry.from_halves(values[2::2], fixed=bool(fixed >> number & 1))
    return found

