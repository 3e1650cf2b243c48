"""Frames, packets and the harness that the tests of the feed share."""

import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["BEAT", "OFFSETS", "SESSION", "Frame", "beats", "block_lengths", "drive_frames",
           "packet"]

BEAT = 8

#: Payload offsets behind no, one and two VLAN tags.
OFFSETS = (42, 46, 50)

SESSION = b"000010059B"


def packet(sequence: int, messages: Sequence[bytes], *, session: bytes = SESSION,
           count: int | None = None, tail: bytes = b"") -> bytes:
    """Return a UDP payload, by default a right one."""
    blocks = b"".join(struct.pack(">H", len(message)) + message for message in messages)
    number = len(messages) if count is None else count
    return struct.pack(">10sQH", session, sequence, number) + blocks + tail


def block_lengths(lengths: Iterable[int], rng: random.Random) -> list[bytes]:
    """Return random messages of the lengths."""
    return [rng.randbytes(length) for length in lengths]


@dataclass(frozen=True)
class Frame:
    """One frame for the feed: a payload somewhere in bytes that must not matter."""

    payload: bytes
    offset: int = 42
    accepted: bool = True
    good: bool = True
    payload_length: int | None = None   # what the headers say, if not the truth
    cut_at: int | None = None           # bytes after which the frame ends early
    start_cycles: int = 0

    def content(self, rng: random.Random) -> bytes:
        """Return the bytes of the frame, padding and FCS included."""
        frame = rng.randbytes(self.offset) + self.payload
        frame += rng.randbytes(max(0, 60 - len(frame)) + 4)
        return frame if self.cut_at is None else frame[:self.cut_at]

    def info(self) -> dict[str, int]:
        """Return the annotation of the frame."""
        length = len(self.payload) if self.payload_length is None else self.payload_length
        return {"accepted": int(self.accepted), "payload_offset": self.offset,
                "payload_length": length, "start_cycles": self.start_cycles}


def beats(content: bytes) -> list[dict[str, int]]:
    """Return the beats of a frame; lanes that are not kept hold noise."""
    items = []
    for place in range(0, len(content), BEAT):
        chunk = content[place:place + BEAT]
        items.append({
            "data": int.from_bytes(chunk + b"\xA5" * (BEAT - len(chunk)), "little"),
            "keep": (1 << len(chunk)) - 1,
            "first": int(place == 0),
            "last": int(place + BEAT >= len(content)),
        })
    return items


async def drive_frames(ctx, dut, frames: Sequence[Frame], *, go, seed: int = 1, log=None,
                       gap_cycles: int = 0) -> None:
    """Put frames on `dut`, each with its annotation and its outcome; note transfers in `log`.

    The annotation is noise before beat 7 is offered. The outcome comes in the cycle after the
    last beat's transfer, so the next frame's first beat is not offered before the one after.
    """
    rng = random.Random(seed)
    for number, frame in enumerate(frames):
        noise = {"accepted": 1, "payload_offset": rng.choice(OFFSETS),
                 "payload_length": rng.randrange(1500), "start_cycles": 0}
        ctx.set(dut.datagram, noise)
        items = beats(frame.content(rng))
        for index, item in enumerate(items):
            while not go():
                await ctx.tick()
            if index >= 7:
                ctx.set(dut.datagram, frame.info())
            ctx.set(dut.beats.payload, item)
            ctx.set(dut.beats.valid, 1)
            while True:
                *_, ready = await ctx.tick().sample(dut.beats.ready)
                log_cycle(log, number, index, ready)
                if ready:
                    break
            ctx.set(dut.beats.valid, 0)
        ctx.set(dut.outcomes.payload, {"good": int(frame.good)})
        ctx.set(dut.outcomes.valid, 1)
        await ctx.tick()
        if log is not None:
            log.append((number, None, 0))
        ctx.set(dut.outcomes.valid, 0)
        for _ in range(gap_cycles):
            await ctx.tick()
            if log is not None:
                log.append((number, None, 0))


def log_cycle(log, number: int, index: int, ready: int) -> None:
    """Note one cycle: frame, beat offered, whether it transferred."""
    if log is not None:
        log.append((number, index, int(ready)))
