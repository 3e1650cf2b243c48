"""Load a model into the idle bank and make it score."""

from dataclasses import dataclass

from control.appliance import Appliance, ChangeOptions, LoadedModel
from control.device import Operation
from control.errors import ControlError, Reason
from control.models import LinearModel, ModelError, parse_model
from control.units import signed
from proto.features import FEATURES

__all__ = ["ActiveModel", "active_model", "load"]

_EPOCHS = 1 << 16
_MAXIMUM_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ActiveModel:
    """The model that scores, as read from the appliance.

    Attributes
    ----------
    epoch, bank : int
        What its scores carry; where it is.
    loaded : bool
        Whether there is one.
    weights, bias : tuple of int, int
        Its parameters.
    origin : LoadedModel or None
        Its file, if it was loaded here.
    """

    epoch: int
    bank: int
    loaded: bool
    weights: tuple[int, ...]
    bias: int
    origin: LoadedModel | None


async def active_model(appliance: Appliance) -> ActiveModel:
    """Return the model that scores."""
    state = await appliance.device.read_flags("model.state")
    epoch = await appliance.device.read("model.epoch")
    words = await _read_bank(appliance, state["active_bank"])
    return ActiveModel(epoch=epoch, bank=state["active_bank"], loaded=bool(state["loaded"]),
                       weights=tuple(map(signed, words[:-1])), bias=signed(words[-1]),
                       origin=appliance.models.get(epoch))


async def load(appliance: Appliance, text: str, options: ChangeOptions) -> ActiveModel:
    """Check a model file, write it to the idle bank, read that back, and swap.

    Raises
    ------
    ControlError
        INVALID_MODEL, READBACK_DIFFERS, SWAP_REFUSED.
    """
    if len(text) > _MAXIMUM_BYTES:
        raise ControlError(Reason.INVALID_MODEL, f"a model file must be at most {_MAXIMUM_BYTES} "
                                                 f"bytes, was {len(text)}")
    try:
        model = parse_model(text)
    except ModelError as error:
        raise ControlError(Reason.INVALID_MODEL, str(error)) from error
    async with appliance.change(options) as apply:
        if apply:
            await _load(appliance, model)
    return await active_model(appliance)


async def _load(appliance: Appliance, model: LinearModel) -> None:
    device = appliance.device
    state = await device.read_flags("model.state")
    epoch = await device.read("model.epoch")
    bank = 1 - state["active_bank"] if state["loaded"] else 0
    words = model.bank_words()
    for address, word in enumerate(words):
        await device.write_many({"model.bank": bank, "model.address": address, "model.data": word,
                                 "model.write": 1})
    found = await _read_bank(appliance, bank)
    if tuple(found) != words:
        raise ControlError(Reason.READBACK_DIFFERS,
                           f"bank {bank} of the model must read {words}, was {tuple(found)}: the "
                           f"old model goes on")
    following = epoch % (_EPOCHS - 1) + 1    # never 0
    await device.write_many({"model.swap_bank": bank, "model.swap_epoch": following,
                             "model.expected_epoch": epoch, "model.swap": 1})
    after = await device.read_flags("model.state")
    if (await device.read("model.epoch"), after["active_bank"], after["loaded"]) != (
            following, bank, 1):
        raise ControlError(Reason.SWAP_REFUSED, "the appliance refused the swap: another model was "
                                                "loaded meanwhile")
    appliance.models[following] = LoadedModel(model.name, model.sha256)


async def _read_bank(appliance: Appliance, bank: int) -> list[int]:
    """Return the words of a bank: weights, then the bias."""
    device = appliance.device
    words: list[int] = []
    for address in range(len(FEATURES) + 1):
        values = await device.batch([
            Operation(device.map["model.read_bank"].address, bank),
            Operation(device.map["model.read_address"].address, address),
            Operation(device.map["model.read_data"].address)])
        words.append(values[-1])
    return words
