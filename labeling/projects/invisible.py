"""Characters that nobody sees: with them one name can be made to look like another."""

from __future__ import annotations

import re
import unicodedata

# Control characters, line separators, direction marks, and what Unicode calls ignorable by default: zero-width spaces
# and joiners, fillers, soft hyphens, variation selectors, tags. Halves of surrogate pairs are no characters at all.
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# With what is written from right to left.
TURNING = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
NON_JOINER, JOINER, EMOJI_STYLE, TEXT_STYLE, KEYCAP = "\u200c", "\u200d", "\ufe0f", "\ufe0e", "\u20e3"
VIRAMA = 9  # its combining class, in all the scripts of India and around


def first_invisible(text: str) -> int | None:
    """Where the first character stands that nobody sees and that does not belong where it is; None if there is none."""
    return next((match.start() for match in INVISIBLE.finditer(text) if not _belongs(text, match.start())), None)


def named(character: str) -> str:
    """U+202E (RIGHT-TO-LEFT OVERRIDE)"""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def shown(text: str) -> str:
    """The text with what nobody sees written out: do<U+202E>g."""
    return INVISIBLE.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def isolated(text: str) -> str:
    """A name for a sentence: whatever is in it, the words beside it stay where they are.

    In HTML an element of its own does that; this is for sentences that are put together before.
    """
    return f"\u2068{DIRECTIONS.sub('', text)}\u2069" if TURNING.search(text) else text


def _belongs(text: str, at: int) -> bool:
    """Whether it does there what it is for: joiners shape letters in some scripts, and make one emoji of several."""
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if not before or not after:
        return text[at] in (EMOJI_STYLE, TEXT_STYLE) and _is_picture(before)
    if text[at] in (EMOJI_STYLE, TEXT_STYLE):
        return _is_picture(before) or after == KEYCAP
    if text[at] == JOINER and (_is_picture(before) or before == EMOJI_STYLE):
        return _is_picture(after)
    return text[at] in (NON_JOINER, JOINER) and _shapes(before, after)


def _shapes(before: str, after: str) -> bool:
    """Whether a joiner between the two makes a difference that readers see."""
    # Persian and its neighbours: between letters, of which the first may have a vowel sign.
    if unicodedata.bidirectional(before) in ("AL", "NSM") and unicodedata.bidirectional(after) == "AL":
        return True
    # Hindi and its neighbours: beside the sign that takes a consonant's vowel away.
    letters = unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] in "LM"
    return letters and VIRAMA in (unicodedata.combining(before), unicodedata.combining(after))


def _is_picture(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in ("So", "Sm", "Sk")
