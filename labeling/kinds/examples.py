"""Example items, to try a project without files of one's own: made here, so there is no data set to ship or to license.

Each function takes the number of an example and returns its content, always the same. The numbers say nothing about the
classes: what an example shows is drawn at random.
"""

import io
import struct
import wave
import zlib
from base64 import b64encode
from functools import cache

import numpy as np

SIDE = 48  # pixels
RATE, SECONDS = 8000, 0.4

_THINGS = ("lamp", "kettle", "blue chair", "rucksack", "keyboard", "tent", "bread knife", "radio")
_MESSAGES = (
    "Where is my {}? It was due on Monday.", "The {} has not arrived, and nobody answers the phone.",
    "Your driver left the {} with a neighbour I do not know.", "How long does the delivery of the {} take?",
    "Tracking says delivered, but there is no {} here.",
    "The {} came with a crack in it.", "A part of the {} is missing from the box.",
    "After two days the {} stopped working.",
    "The {} smells of smoke and is scratched.", "I opened the box, and the {} was in pieces.",
    "You charged me twice for the {}.", "Please send the invoice for the {} again.",
    "The price of the {} on the bill is wrong.", "My discount is not on the receipt for the {}.",
    "I paid for the {}, and now I get a reminder.",
    "How do I send the {} back?", "I want my money back for the {}.", "The {} is too big: can I exchange it?",
    "I sent the {} back two weeks ago. Where is my refund?", "Please cancel my order of the {}.",
    "The {} is lovely, thank you!", "Best {} I have ever had.", "The {} came a day early. Great service!",
    "I gave the {} to my sister, and she loves it.", "Five stars for the {} and for your friendly staff.",
    "Does the {} come in green?", "Is the {} waterproof?", "How heavy is the {}?", "When is the {} in stock again?",
    "Can I get the {} with a longer guarantee?",
)  # fmt: skip


@cache
def _messages() -> list[str]:
    messages = [message.format(thing) for message in _MESSAGES for thing in _THINGS]
    return [messages[place] for place in np.random.default_rng(0).permutation(len(messages))]


def message(number: int) -> str:
    """Return a message to a shop: about a delivery, damage, a bill, a return, praise or a question."""
    messages = _messages()
    return messages[number % len(messages)]


def shape(number: int) -> str:
    """Return a picture of a circle, a square or a cross, as a data: URL."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE] - rng.uniform(0.4, 0.6, (2, 1, 1)) * SIDE
    size, angle = rng.uniform(0.2, 0.35) * SIDE, rng.uniform(-0.3, 0.3)
    u, v = np.abs(x * np.cos(angle) + y * np.sin(angle)), np.abs(y * np.cos(angle) - x * np.sin(angle))
    inside = (np.hypot(u, v) < size, np.maximum(u, v) < size, (np.minimum(u, v) < size / 4) & (np.maximum(u, v) < size))
    paper, ink = rng.integers(190, 256, 3), rng.integers(0, 120, 3)
    pixels = np.where(inside[rng.integers(3)][..., None], ink, paper) + rng.integers(-8, 9, (SIDE, SIDE, 1))
    return _url("image/png", _png(pixels.clip(0, 255).astype(np.uint8)))


def tone(number: int) -> str:
    """Return a low tone, a high tone or a hiss, as a data: URL of a WAV file."""
    rng = np.random.default_rng(number)
    time = np.arange(int(RATE * SECONDS)) / RATE
    hertz = (rng.uniform(200, 350), rng.uniform(900, 1400))
    sounds = (*(np.sin(2 * np.pi * each * time) for each in hertz), rng.uniform(-1, 1, len(time)))
    samples = sounds[rng.integers(3)] * np.sin(np.pi * time / SECONDS) * rng.uniform(0.4, 0.9)
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((1, 1, RATE, len(time), "NONE", ""))
        recording.writeframes((128 + 120 * samples).astype(np.uint8).tobytes())
    return _url("audio/wav", file.getvalue())


def measurements(number: int) -> dict[str, float]:
    """Return the measurements of a leaf of one of three plants, in centimetres."""
    rng = np.random.default_rng(number)
    length, width, stem = ((5.0, 3.4, 1.5), (6.0, 2.8, 4.3), (6.6, 3.0, 5.6))[rng.integers(3)]
    sizes = {"length": length, "width": width, "stem": stem}
    return {name: round(float(size * rng.normal(1, 0.07)), 2) for name, size in sizes.items()}


def _png(pixels: np.ndarray) -> bytes:
    """Return the pixels, (height, width, 3) uint8, as a PNG file."""
    height, width, _ = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _url(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{b64encode(content).decode()}"
