"""Find and show invisible characters, which can make two different names look the same."""

import re
import unicodedata

from django.utils.translation import get_language_bidi

# Control characters, line separators, direction marks, Unicode's default-ignorable characters (zero-width spaces and
# joiners, fillers, soft hyphens, variation selectors, tags), and surrogates.
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Direction marks, and the scripts that are written from right to left.
TURNING = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
NON_JOINER, JOINER, EMOJI_STYLE, TEXT_STYLE, KEYCAP = "\u200c", "\u200d", "\ufe0f", "\ufe0e", "\u20e3"
VIRAMA = 9  # its combining class, in all the scripts of India and around


def first_invisible(text: str) -> int | None:
    """Return the index of the first invisible character that its neighbours do not need; None without such a
    character.
    """
    return next((match.start() for match in INVISIBLE.finditer(text) if not _belongs(text, match.start())), None)


def named(character: str) -> str:
    """Return the code and name of a character: U+202E (RIGHT-TO-LEFT OVERRIDE)."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def shown(text: str) -> str:
    """Return the text with its invisible characters written out: do<U+202E>g."""
    return INVISIBLE.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def isolated(text: str) -> str:
    """Return the name in direction marks that keep text of another direction in it from reordering its sentence.

    For sentences that are composed as plain text. Templates use a `<bdi>` element instead.
    """
    turns = get_language_bidi() or TURNING.search(text)
    return f"\u2068{DIRECTIONS.sub('', text)}\u2069" if turns else text


def _belongs(text: str, at: int) -> bool:
    """Return whether the invisible character at index `at` has an effect: a joiner that shapes letters of some scripts
    or combines several emoji into one, or a variation selector behind a picture.
    """
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if not before or not after:
        return text[at] in (EMOJI_STYLE, TEXT_STYLE) and _is_picture(before)
    if text[at] in (EMOJI_STYLE, TEXT_STYLE):
        return _is_picture(before) or after == KEYCAP
    if text[at] == JOINER and (_is_picture(before) or before == EMOJI_STYLE):
        return _is_picture(after)
    return text[at] in (NON_JOINER, JOINER) and _shapes(before, after)


def _shapes(before: str, after: str) -> bool:
    """Return whether a joiner between these two characters changes their look."""
    # Persian and related scripts: between two letters, the first perhaps with a vowel sign.
    if unicodedata.bidirectional(before) in ("AL", "NSM") and unicodedata.bidirectional(after) == "AL":
        return True
    # Hindi and related scripts: beside a virama, the sign that removes a consonant's vowel.
    letters = unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] in "LM"
    return letters and VIRAMA in (unicodedata.combining(before), unicodedata.combining(after))


def _is_picture(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in ("So", "Sm", "Sk")
