"""Predictions as rows of a table or of JSON objects."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from labeling.intake.prediction_files.base import Block, Expected, PredictionFile
from labeling.intake.readers import Source, UnreadableFile

ID_COLUMNS = ("external_id", "id")
COLUMN = "p_"
FORMS = (("probabilities",), ("label", "confidence"), ("margin",))


class RowsFile(PredictionFile):
    """A row for each item: `external_id` or `id`, then `probabilities` by class (or columns `p_CLASS`), or `label` with
    `confidence`, or `margin`; and `embedding` if there is one. The first row says which the file has.
    """

    def __init__(self, source: Source, name: str, expected: Expected) -> None:
        super().__init__(name, expected)
        self._source = source
        self._form, self.dim = "", 0
        try:
            first = next(self._fields(), None)
        except BaseException:
            source.close()
            raise
        if first is None:
            raise UnreadableFile(f"{name}: the file is empty.")
        where, fields = first
        fields = self._with_columns(fields)
        self._form = next((form[0] for form in FORMS if all(fields.get(key) is not None for key in form)), "")
        if not self._form:
            raise UnreadableFile(
                f"{name}, {where}: a row needs “probabilities”, or “label” and “confidence”, or “margin”."
            )
        self.margins_only = self._form == "margin"
        self.columns = 2 if self.margins_only else expected.columns
        self.dim = len(self._embedding(fields.get("embedding"), where))
        self.check_dim()

    def _fields(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for record in self._source.records():
            if record.fields is None:
                raise UnreadableFile(f"{self.name}, {record.where}: {record.problem}.")
            yield record.where, record.fields

    def _with_columns(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields with the probabilities of columns such as `p_cat`, one for each class, as one field."""
        if fields.get("probabilities") is not None:
            return fields
        columns = {name.removeprefix(COLUMN): value for name, value in fields.items() if name.startswith(COLUMN)}
        return {**fields, "probabilities": columns} if columns else fields

    def _blocks(self) -> Iterator[Block]:
        width = 4 * (self.columns + self.dim)
        place = 0
        every = self._fields()
        while part := list(islice(every, self.rows_at_once(width))):
            ids = [self._id(fields, where) for where, fields in part]
            scores = np.array([self._scores(self._with_columns(fields), where) for where, fields in part], np.float32)
            embeddings = [self._embedding(fields.get("embedding"), where) for where, fields in part]
            for (where, _), each in zip(part, embeddings, strict=True):
                if len(each) != self.dim:
                    raise UnreadableFile(
                        f"{self.name}, {where}: the embedding has {len(each):,} numbers, and that of the first row has "
                        f"{self.dim:,}."
                    )
            yield Block(place, ids, scores, np.array(embeddings, np.float32).reshape(len(part), self.dim))
            place += len(part)

    def _id(self, fields: Mapping[str, Any], where: str) -> str:
        named = next((fields[column] for column in ID_COLUMNS if fields.get(column) not in (None, "")), None)
        if not isinstance(named, str | int) or isinstance(named, bool):
            raise UnreadableFile(f"{self.name}, {where}: the id of the item is missing: name it in “external_id”.")
        return str(named)

    def _scores(self, fields: Mapping[str, Any], where: str) -> Sequence[float] | np.ndarray:
        if self._form == "margin":
            return [self._number(fields.get("margin"), "margin", where)]
        if self._form == "label":
            return self._around(fields.get("label"), self._number(fields.get("confidence"), "confidence", where), where)
        given = fields.get("probabilities")
        if self.expected.proposes:
            p = given.get("yes") if isinstance(given, Mapping) else given
            return [self._number(p, "probability of yes", where)]
        if not isinstance(given, Mapping):
            raise UnreadableFile(
                f"{self.name}, {where}: “probabilities” must be an object with a number for each class, by name."
            )
        numbers = np.zeros(self.columns, np.float32)
        # Arrow's structs have null for a class that a row lacks.
        named = {str(key): value for key, value in given.items() if value is not None}
        numbers[self._places(list(named))] = [self._number(p, "probability", where) for p in named.values()]
        return numbers

    def _around(self, label: Any, confidence: float, where: str) -> np.ndarray:
        """Return probabilities with this confidence in the label. All other classes share the rest evenly."""
        if self.expected.proposes:
            if label not in (True, False, "yes", "no"):
                raise UnreadableFile(f"{self.name}, {where}: the label must be yes or no.")
            return np.array([confidence if label in (True, "yes") else 1 - confidence], np.float32)
        several = [label] if isinstance(label, str) else label
        if not isinstance(several, list) or (self.expected.adds_up and len(several) != 1):
            raise UnreadableFile(f"{self.name}, {where}: the label must be the name of a class.")
        places = self._places([str(each) for each in several])
        if not self.expected.adds_up:
            numbers = np.full(self.columns, 1 - confidence, np.float32)
            numbers[places] = confidence
            return numbers
        # A label that is less sure than a guess is still the best of the classes.
        sure = max(confidence, min(1.0, 1.001 / self.columns))
        numbers = np.full(self.columns, (1 - sure) / max(1, self.columns - 1), np.float32)
        numbers[places] = sure
        return numbers

    def _number(self, value: Any, word: str, where: str) -> float:
        try:
            if isinstance(value, bool):
                raise ValueError
            return float(value)
        except (TypeError, ValueError):
            raise UnreadableFile(f"{self.name}, {where}: the {word} is missing or no number.") from None

    def _embedding(self, value: Any, where: str) -> np.ndarray:
        if value is None:
            return np.empty(0, np.float32)
        try:
            numbers = np.asarray(value, np.float32)
        except (TypeError, ValueError):
            numbers = None
        if numbers is None or numbers.ndim != 1:
            raise UnreadableFile(f"{self.name}, {where}: the embedding must be a list of numbers.")
        return numbers

    def close(self) -> None:
        self._source.close()
