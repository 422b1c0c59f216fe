"""Items and labels as samples of WebDataset: the files of each row, by suffix."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from labeling.intake.row_labels import FACTS
from labeling.outgoing.exports.card import Counts, card_of
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.exports.files import with_contents
from labeling.outgoing.formats import Layout, Page, Row
from labeling.outgoing.formats.base import JSON_OPTIONS, Shard, splits_of
from labeling.questions import Question

LOADING = """from glob import glob

from webdataset import WebDataset

samples = WebDataset(glob("{folder}/train-*.tar"), shardshuffle=True).decode()"""


def samples_layout(facts: Facts) -> Layout:
    """Return the samples, the list of classes and the card."""
    counts = Counts(facts.question)
    indices = {name: index for index, name in enumerate(facts.classes)}
    kept = ("label", *(["proposed"] if facts.question.proposes else []), *FACTS)

    def samples(page: Page) -> Iterator[tuple[str, Mapping[str, bytes]]]:
        for row, content in with_contents(page, facts.kind):
            counts.add(row)
            data = {name: value for name, value in orjson.loads(row["data"]).items() if name not in facts.kind.columns}
            about = orjson.dumps({**{name: row[name] for name in kept}, "data": data}, option=JSON_OPTIONS)
            label = _class(facts.question, row["label"], indices)
            yield row["split"], {**_content(row, content), **label, "json": about}

    def closing(shards: Sequence[Shard]) -> Iterator[tuple[str, bytes]]:
        yield card_of(facts, counts, splits_of(shards), "{split}-*.tar", LOADING)

    classes = ("classes.json", orjson.dumps(facts.classes))
    return Layout(pa.schema([]), as_samples=samples, opening=[classes], closing=closing)


def _content(row: Row, content: Any) -> dict[str, bytes]:
    if isinstance(content, bytes):
        return {PurePosixPath(row["media"]).suffix.removeprefix("."): content}
    if isinstance(content, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, content, allow_pickle=False)
        return {"npy": buffer.getvalue()}
    return {"txt": content.encode("utf-8", "replace")} if isinstance(content, str) else {}


def _class(question: Question, label: Any, indices: Mapping[str, int]) -> dict[str, bytes]:
    """Return a label that is one number: the index of its class, a score, or 1 for yes."""
    number = None if label is None or question.several else question.encoded(label, indices)
    return {} if number is None else {"cls": str(int(number)).encode()}
