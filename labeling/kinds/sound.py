"""Examine a recording by its bytes: accept it, or refuse it with a reason.

Only `child.py` runs this module, in a separate process. The sound is decoded to its end, one block in memory at a time.
"""

import io
from collections.abc import Callable

import soundfile

# Only sample formats that browsers play are accepted.
SUBTYPES = {
    "WAV": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"},
    "WAVEX": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"},
    "FLAC": {"PCM_S8", "PCM_16", "PCM_24"},
    "OGG": {"VORBIS", "OPUS"},
    "MP3": {"MPEG_LAYER_III"},
}
SUFFIXES = {"WAV": ".wav", "WAVEX": ".wav", "FLAC": ".flac", "OGG": ".ogg", "MP3": ".mp3"}
RATES = (4_000, 192_000)
MOST_CHANNELS = 8
_BLOCK = 1 << 16
# The errors of soundfile for damaged or hostile bytes.
_DAMAGE = (soundfile.SoundFileError, RuntimeError, OSError, ValueError, TypeError, ArithmeticError, AssertionError)
_AGAIN = "export it as WAV, FLAC, OGG or MP3"


class Unfit(Exception):
    """The recording is refused. The message ends the sentence "the recording …"."""


def examine(
    data: bytes, most_seconds: int, *, smaller: bool = False, before_large: Callable[[], None] = lambda: None
) -> tuple[str, bytes, bytes, bytes]:
    """Return the suffix of the recording's format, and three empty parts: recordings are stored without conversion.

    The duration is checked by the header first, and then by the decoded frames. Raises `Unfit`.
    """
    try:
        sound = soundfile.SoundFile(io.BytesIO(data))
    except _DAMAGE as error:
        raise Unfit(_what_else(data)) from error
    with sound:
        _check_format(sound, most_seconds)
        try:
            frames = _frames(sound, most_seconds)
        except MemoryError as error:
            raise Unfit("takes too much memory to be opened: make it shorter") from error
        except _DAMAGE as error:
            raise Unfit("is damaged or cut short: export it again") from error
        if not frames:
            raise Unfit("holds no sound")
        if sound.format == "FLAC" and frames < sound.frames:
            raise Unfit("is damaged or cut short: export it again")
        return SUFFIXES[sound.format], b"", b"", b""


def _check_format(sound: soundfile.SoundFile, most_seconds: int) -> None:
    if sound.format not in SUBTYPES:
        raise Unfit(f"is {sound.format}, which not all browsers play: {_AGAIN}")
    if sound.subtype not in SUBTYPES[sound.format]:
        raise Unfit(f"is {sound.format} of the form {sound.subtype}, which not all browsers play: {_AGAIN}")
    if not RATES[0] <= sound.samplerate <= RATES[1]:
        raise Unfit(f"has {sound.samplerate:,} samples a second: {RATES[0]:,} to {RATES[1]:,} are taken")
    if sound.channels > MOST_CHANNELS:
        raise Unfit(f"has {sound.channels} channels, more than the {MOST_CHANNELS} allowed")
    if sound.frames > most_seconds * sound.samplerate:
        raise Unfit(_too_long(most_seconds))


def _frames(sound: soundfile.SoundFile, most_seconds: int) -> int:
    """Return the number of frames that can be decoded. Raises `Unfit` for a recording that is too long."""
    frames, frame_bytes = 0, 4 * sound.channels
    while block := len(sound.buffer_read(_BLOCK, dtype="float32")) // frame_bytes:
        frames += block
        if frames > most_seconds * sound.samplerate:
            raise Unfit(_too_long(most_seconds))
    return frames


def _too_long(most_seconds: int) -> str:
    return f"is longer than {most_seconds / 60:g} minutes: cut it into parts"


def _what_else(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return f"is M4A, AAC or a film: {_AGAIN}"
    if data[:4] == b"\x30\x26\xb2\x75":
        return f"is WMA: {_AGAIN}"
    return "is not a WAV, FLAC, OGG or MP3 file, or is damaged"
