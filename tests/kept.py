"""Items whose files stay in a bucket."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import fsspec
import numpy as np
from buckets import Store
from factories import new_items
from PIL import Image
from s3 import s3_server

from labeling.kinds import KeptAtSource
from labeling.models import Item, Project, Reference, Source
from labeling.outside import references
from labeling.outside.sources import remote_of, seal_secrets


@contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """Run a server of S3's protocol, with its log in this folder."""
    log = folder / "log"
    with s3_server(log) as made:
        yield Store(made.environment["AWS_ENDPOINT_URL"], log, fsspec.filesystem("s3", use_listings_cache=False))


class Kept(NamedTuple):
    """A source, its bucket, and the store of the bucket."""

    source: Source
    bucket: str
    store: Store

    def fill(self, files: dict[str, bytes]) -> None:
        self.store.fill(self.bucket, files)

    def reads(self, key: str = "") -> int:
        """Return the number of reads of a file so far."""
        return self.store.requests(f"GET /{self.bucket}/{key}")

    def items(self, keys: Sequence[str], **fields: Any) -> list[Item]:
        """Make an item of each file; the file is not read."""
        remote, project = remote_of(self.source), self.source.project
        items = new_items(project, len(keys), **{"row": None, **fields})
        kept = []
        for item, key in zip(items, keys, strict=True):
            entry = remote.entry(key)
            file = KeptAtSource(self.source.pk, key, f"{self.source.address}/{key}", entry.size, entry.etag)
            item.media = references.name_of(project.pk, file, item.external_id, PurePosixPath(key).suffix)
            kept.append((item.media, file))
        Item.objects.bulk_create(items)
        Reference.objects.bulk_create(references.rows_for(project, kept))
        return items


def kept_in(store: Store, project: Project, **fields: Any) -> Kept:
    """Make a source of the project: a bucket without files."""
    bucket = store.bucket()
    options = {"endpoint": store.endpoint}
    secrets = {name: store.options[name] for name in ("key", "secret")}
    source = Source.objects.create(
        project=project,
        name="birds",
        address=f"s3://{bucket}",
        options=options,
        sealed_secrets=seal_secrets(secrets),
        content=Source.Content.MEDIA,
        by_reference=True,
        **fields,
    )
    return Kept(source, bucket, store)


def reference_of(item: Item) -> Reference:
    return Reference.objects.get(name=item.media)


def photo(side: int = 64, *, seed: int = 0, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()
