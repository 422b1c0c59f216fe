"""The languages of texts."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

MOST = 1000
"""The characters of a text by which its language is told."""


def share_in(texts: Sequence[Any], languages: Collection[str]) -> float:
    """Return the share of the texts' letters that are in one of these languages (ISO 639-1); 0 without letters.

    Long texts count for more, up to MOST characters: the language of a few words is often told wrong.
    """
    # It takes 60 MB, and only the first items of a project need it.
    from py3langid import classify

    found: Counter[str] = Counter()
    for text in texts:
        part = text[:MOST] if isinstance(text, str) else ""
        if letters := sum(map(str.isalpha, part)):
            found[classify(part)[0]] += letters
    return sum(found[each] for each in languages) / max(1, found.total())
