"""The words of an item and of a search, as pure functions, the same for both databases.

Words are runs of letters and digits, in lower case and without accents. In scripts without spaces between words each
letter is a word, so that a search for a part of a sentence is a search for a phrase.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

# Chinese, Japanese, Thai, Lao, Burmese and Khmer.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"(?=[^\W_])[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_PIECE = re.compile(r'(?:(?P<key>[^\s":]+):)?"(?P<phrase>[^"]*)(?:"|$)|(?P<bare>\S+)')

# The name of a field stands before its words, after this private-use character, which occurs in no word of a text.
_MARK = "\ue000"
ID_FIELD, PATH_FIELD = "id", "source"
# Below PostgreSQL's limits on the positions of a text and the bytes of a word.
MAX_WORDS = 10_000
MAX_LENGTH = 60
# A single letter begins too many words for a search by prefix.
SHORTEST_PREFIX = 2


class Term(NamedTuple):
    """A condition that an item contains one of these phrases. With `prefix`, the last word may be longer."""

    phrases: tuple[tuple[str, ...], ...]
    prefix: bool


def words_of(text: str) -> Iterator[str]:
    """Return the words of a text, in order."""
    if text.isascii():
        plain = text.lower()
    else:
        marked = unicodedata.normalize("NFKD", text.casefold())
        plain = "".join(character for character in marked if unicodedata.category(character)[0] != "M")
    return (match[0][:MAX_LENGTH] for match in _WORD.finditer(plain))


def item_words(external_id: str, data: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the words of an item for the index: of each field its marked name, then its words; at most `MAX_WORDS`.
    `path` is the path of the item's file, if it is one.
    """
    named = [(ID_FIELD, external_id), *([(PATH_FIELD, path)] if path else [])]
    fields = ((name, value) for name, value in (*named, *data.items()))
    return list(
        islice((word for name, value in fields for word in (_marked(name), *words_of(_text(value)))), MAX_WORDS)
    )


def read_search(text: str) -> list[Term]:
    """Return the terms of a search, all of which must match.

    A word matches itself, and the last word also longer words; `"quoted words"` match as a phrase; `key:value` and
    `key:"value"` match a field that begins with these words. Every text is a valid search; a text without letters and
    digits has no terms.
    """
    terms = []
    pieces = list(_PIECE.finditer(text))
    for piece in pieces:
        key, value = piece["key"] or "", piece["phrase"] or ""
        if bare := piece["bare"]:
            key, _, value = bare.partition(":") if ":" in bare else ("", "", bare)
        phrase, field = tuple(words_of(value)), tuple(words_of(key))
        prefix = bool(bare) and piece is pieces[-1]
        if phrase:
            prefix = prefix and len(phrase[-1]) >= SHORTEST_PREFIX
            # "12:30" may be text in an item rather than a field with its value.
            phrases = ((_marked(key), *phrase), (*field, *phrase)) if field else (phrase,)
            terms.append(Term(phrases, prefix))
        elif field:
            terms.append(Term((field,), prefix=False))
    return terms


def _marked(name: str) -> str:
    return (_MARK + "".join(words_of(name)))[:MAX_LENGTH]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return "" if value is None else str(value)
