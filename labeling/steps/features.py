"""Features of a project's items: its encoder, loaded or fitted, and what the encoder computes of items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labeling import kinds
from labeling.loop.step import Step, StepFailed
from labeling.models import Project
from labeling.models.items import ItemQuerySet
from labeling.outside import references
from labeling.steps.compute import compute
from labeling.steps.endpoint import Asking
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, reading
from labeling.storage.shared_files import read_whole
from models_store import encoders
from models_store.encoders import Encoder, EncoderDamagedError, EncoderFileError, EncoderSetupError
from models_store.encoders.endpoint import Endpoint

CHUNK = 512


def load_encoder(project: Project, generation: int | None = None) -> Encoder:
    """Return the project's frozen encoder, or that of another generation of its features.

    Raises `FileDamaged`, or `StepFailed` if this server cannot load the encoder.
    """
    path = ProjectFiles(project).encoder(generation or project.features_generation)
    try:
        encoder = read_whole(path, _read_encoder)
    except EncoderFileError as error:
        raise StepFailed(f"The encoder cannot be loaded: {error}.") from error
    if isinstance(encoder, Endpoint):
        encoder.ask = Asking(project, encoder.address)
    return encoder


def _read_encoder(path: Path) -> Encoder:
    try:
        with reading(path):  # raises `FileDamaged` with the reason if the file cannot be opened
            return encoders.load(path)
    except EncoderDamagedError as error:
        raise FileDamaged(path, str(error).removeprefix(f"{path}: ")) from error


def fit_encoder(step: Step, project: Project, kind: type[Encoder], options: Mapping[str, Any]) -> Encoder:
    """Return an encoder of this class, fitted to a sample of the project's items.

    Raises `StepFailed` if it lacks a library, or is fitted only once, within the privacy budget.
    """
    if kind.is_private:
        raise StepFailed(
            f"The encoder {kind.name!r} learned the pool’s texts within the privacy budget, and nothing repeats that. "
            "Restore its file from a backup, then retry."
        )
    if kind.fit_samples:
        step.progress("fitting the encoder")(0)
    samples = sample_of(project.items.all(), project, kind.fit_samples)
    asking = {"ask": Asking(project, options["address"])} if kind.sends_items else {}
    try:
        return kind.fit(samples, **options, **asking)
    except EncoderSetupError as error:
        raise StepFailed(str(error)) from error


def sample_of(items: ItemQuerySet, project: Project, n: int) -> list[Any]:
    """Return the readable raw contents among at most `n` of the project's items, drawn uniformly."""
    # The front of the permutation is a uniform sample, also of an import that is sorted by class.
    chosen = items.filter(encode_error="").order_by("control_key")[:n]
    raws = raw_contents(project, columns_of(chosen)) if n else []
    return [raw for raw in raws if not isinstance(raw, (OSError, FileDamaged))]


class ItemColumns(NamedTuple):
    """The columns that encoding reads of an item: full instances would take a third of the time of encoding vectors."""

    pk: int
    data: dict[str, Any]
    media: str
    media_offset: int


def columns_of(items: ItemQuerySet) -> list[ItemColumns]:
    """Read these columns of the items, in their order."""
    return [ItemColumns._make(row) for row in items.values_list(*ItemColumns._fields)]


def chunks_of(items: ItemQuerySet) -> list[list[ItemColumns]]:
    """Return the items in chunks of `CHUNK`, on which the last bits of their features depend."""
    every = columns_of(items)
    return [every[start : start + CHUNK] for start in range(0, len(every), CHUNK)]


class Encoded(NamedTuple):
    """Features of the encodable items, their keys, and the reasons by key why the others cannot be encoded."""

    block: np.ndarray
    good: list[int]
    bad: dict[int, str]


def encoded_chunks(project: Project, encoder: Encoder, chunks: Iterable[Sequence[ItemColumns]]) -> Iterator[Encoded]:
    """Yield the encoded items of each chunk, in order. Raises `StepFailed` if the encoder lacks a library."""
    read: deque[tuple[list[int], dict[int, str]]] = deque()

    def contents() -> Iterator[dict[int, Any]]:
        for items in chunks:
            good: dict[int, Any] = {}
            bad: dict[int, str] = {}
            for item, raw in zip(items, raw_contents(project, items), strict=True):
                if isinstance(raw, FileDamaged):
                    bad[item.pk] = f"Its file cannot be read: {raw.problem}."
                elif isinstance(raw, OSError):
                    bad[item.pk] = f"Its file cannot be read: {raw.strerror or raw}"
                else:
                    good[item.pk] = raw
            read.append((list(good), bad))
            yield good

    for block, wrong in _computed(encoder, contents()):
        good, bad = read.popleft()
        bad |= {good[at]: reason for at, reason in wrong.items()}
        yield Encoded(block, [pk for at, pk in enumerate(good) if at not in wrong], bad)


def encode_items(
    project: Project, encoder: Encoder, items: ItemQuerySet, report: Callable[[float], object]
) -> np.ndarray:
    """Return features (n, dim) of the items, in order. Raises `StepFailed` if one cannot be encoded."""
    chunks, blocks = chunks_of(items), []
    for encoded in encoded_chunks(project, encoder, chunks):
        if encoded.bad:
            raise StepFailed(f"An item cannot be encoded: {next(iter(encoded.bad.values()))}")
        blocks.append(encoded.block)
        report(len(blocks) / len(chunks))
    return np.concatenate(blocks) if blocks else np.empty((0, encoder.dim), encoder.dtype)


def encode_good(encoder: Encoder, raws: Sequence[Any]) -> tuple[np.ndarray, dict[int, str]]:
    """Return features of the encodable raw items, in order, and the reasons by place why the others cannot be encoded.

    Raises `StepFailed` if the encoder lacks a library.
    """
    return next(_computed(encoder, [dict(enumerate(raws))], are_items=False))


def encode_rows(project: Project, encoder: Encoder, start: int, stop: int) -> np.ndarray:
    """Encode the items of these rows again: features (stop - start, dim), zeros for items that were removed for good.
    Raises `StepFailed` if some of them cannot be read any more.
    """
    items = project.items.filter(row__gte=start, row__lt=stop).order_by("row")
    [encoded] = encoded_chunks(project, encoder, [columns_of(items)])
    if encoded.bad:
        reason = next(iter(encoded.bad.values()))
        raise StepFailed(
            f"The rows {start:,} to {stop:,} of the features are damaged, and cannot be encoded again: {reason} "
            "Restore their files from a backup, then retry."
        )
    return in_rows(encoder, encoded.block, items.values_list("row", flat=True), start, stop)


def in_rows(encoder: Encoder, block: np.ndarray, rows: Iterable[int | None], start: int, stop: int) -> np.ndarray:
    """Return features (stop - start, dim) with the `block` of these rows, ascending; zeros for the other rows."""
    whole = np.zeros((stop - start, encoder.dim), encoder.dtype)
    whole[np.array(list(rows), np.int64) - start] = block
    return whole


def _computed(
    encoder: Encoder, chunks: Iterable[Mapping[int, Any]], *, are_items: bool = True
) -> Iterator[tuple[np.ndarray, dict[int, str]]]:
    """Yield the features of each chunk of raw items by key, and the reasons by place for those without."""
    try:
        if isinstance(encoder, Endpoint):  # here, wherever others compute: nodes have no keys
            assert isinstance(encoder.ask, Asking)
            for chunk in chunks:
                yield encoder.ask.embed(encoder, list(chunk.values()), list(chunk) if are_items else ())
        else:
            yield from compute.encode(encoder, (list(chunk.values()) for chunk in chunks))
    except EncoderSetupError as error:
        raise StepFailed(str(error)) from error


def raw_contents(project: Project, items: Sequence[ItemColumns]) -> list[Any]:
    """Return the encoder's input for each item, by its kind; an error object if its file is missing or damaged."""
    kind = kinds.of(project)
    blocks: dict[str, np.ndarray] = {}
    contents: list[Any] = []
    lost = references.bring(item.media for item in items)
    for item in items:
        try:
            if item.media in lost:
                raise lost[item.media]
            contents.append(kind.raw(item.data, references.read_content(item.media, item.media_offset, blocks)))
        except (OSError, FileDamaged) as error:
            contents.append(error)
    return contents
