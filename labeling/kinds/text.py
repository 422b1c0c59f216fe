"""Texts: the column `text` of a row."""

import unicodedata
from collections.abc import Mapping
from typing import Any, SupportsBytes

import numpy as np

from labeling.kinds import examples
from labeling.kinds.base import ItemContent, Kind, Surroundings
from labeling.kinds.wording import BadValue, type_name

TELLING = 20
"""The least characters of an identity: shorter texts, for example "thank you", may be equal by accident."""


class Text(Kind):
    """An item is its field `text`; it has no file."""

    name = "text"
    in_grids = True
    sentence = "Texts: sentences, reviews, whole letters"
    examples = "messages to a shop, each about a delivery, damage, a bill, a return, praise or a question"
    noun = "text"
    plural = "texts"
    columns = frozenset({"text"})
    can_be_typed = True
    # Rows are small, and most of what a transaction writes does not grow with them.
    chunks_at_once = 16

    def pop_content(self, fields: dict[str, Any], around: Surroundings) -> ItemContent:
        if "text" not in fields:
            raise BadValue('column "text" is missing')
        text = fields.pop("text")
        if text is None or text == "":
            raise BadValue('column "text" is empty')
        if not isinstance(text, str):
            raise BadValue(f'column "text" must hold text, not a {type_name(text)}')
        if not text.strip():
            raise BadValue('column "text" holds nothing but white space')
        return ItemContent(shown={"text": text})

    def example(self, number: int) -> dict[str, Any]:
        return {"text": examples.message(number)}

    def raw(self, data: Mapping[str, Any], stored: SupportsBytes | np.ndarray | None) -> Any:
        return str(data.get("text", ""))

    def identity(self, data: Mapping[str, Any], media: str, vector: np.ndarray | None) -> bytes:
        text = self.raw(data, None)
        if not text.isascii():  # ASCII is in its normal form
            text = unicodedata.normalize("NFKC", text)
        text = " ".join(text.casefold().split())
        return text.encode("utf-8", "surrogatepass") if len(text) >= TELLING else b""

    def is_likely(self, data: Mapping[str, Any]) -> bool:
        """Return whether the text has a letter: numbers alone are rather a vector."""
        return any(letter.isalpha() for letter in self.excerpt(data))

    def excerpt(self, data: Mapping[str, Any]) -> str:
        return str(data.get("text", ""))

    def facts(self, data: Mapping[str, Any]) -> list[tuple[str, str]]:
        return super().facts({name: value for name, value in data.items() if name != "text"})
