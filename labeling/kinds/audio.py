"""Audio: files of sound that browsers play, recognised by their bytes."""

from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_noop as _

from labeling.kinds import examples
from labeling.kinds.files import FileKind, Foreign
from labeling.kinds.opening import Opener
from labeling.kinds.wording import MIB

MOST_MINUTES = 10

_FOREIGN = Foreign(
    "file",
    "M4A, AAC, WMA, AIFF or AMR",
    "is M4A, AAC, WMA, AIFF or AMR, which not all browsers play: export it as WAV, FLAC, OGG or MP3",
    "export as MP3 or FLAC",
)


class Audio(FileKind):
    """An item is a recording of at most ten minutes, stored without conversion."""

    name = "audio"
    sentence = "Audio: speech, birdsong, the sound of a machine"
    examples = "recordings of a low tone, a high tone or a hiss"
    noun = "recording"
    plural = "recordings"
    columns = frozenset({"audio", "file_name"})
    folder = "audio"
    content_types = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}
    formats = "WAV, FLAC, OGG or MP3"
    suffixes = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
    shown_suffixes = MappingProxyType({".wave": ".wav", ".oga": ".ogg", ".opus": ".ogg"})
    foreign = dict.fromkeys((".m4a", ".aac", ".mp4", ".wma", ".aif", ".aiff", ".amr"), _FOREIGN)
    most_bytes = 64 * MIB
    most_content = MOST_MINUTES * 60  # seconds
    opener = Opener("sound.py")
    bare = "a recording"
    keys = (
        ("P", _("Play, or pause")),
        ("B", _("Back three seconds")),
        ("R", _("Play from the start")),
        ("L", _("Repeat, or play once")),
    )
    signs = (("<", _("Slower")), (">", _("Faster")))
    styles = ("css/kinds/audio.css",)

    def missing(self) -> str:
        if find_spec("soundfile") is not None:
            return ""
        return (
            "audio needs the package soundfile, which is not installed on the server. "
            "Install it with: scripts/setup.sh requirements-audio.txt"
        )

    def example(self, number: int) -> dict[str, Any]:
        return {"audio": examples.tone(number)}
