"""The card of a dataset version: a text in Markdown that says what its rows are."""

from typing import Any

from labeling import kinds
from labeling.models import DatasetVersion
from labeling.outgoing.exports.card import plain
from labeling.outgoing.exports.frozen_rows import manifest_of


def card_of(dataset: DatasetVersion) -> str:
    """Return the card of a whole version."""
    manifest = manifest_of(dataset)
    project = dataset.project
    picked = sum(batch["items"] - batch["control_items"] for batch in manifest["batches"])
    control = sum(batch["control_items"] for batch in manifest["batches"])
    return f"""# {plain(project.name)}, {dataset.name}

{dataset.rows:,} {kinds.of(project).plural} with labels, as they were on {dataset.created_at:%Y-%m-%d %H:%M} UTC.
{plain(dataset.note)}

SHA-256 of the manifest: `{dataset.digest}`. SHA-256 of all rows: `{manifest["rows_sha256"]}`.

## Labels

| label | rows |
| --- | ---: |
{_table(manifest["by_label"])}

| origin | rows |
| --- | ---: |
{_table(manifest["by_origin"])}

## How the items were picked

{len(manifest["batches"])} batches: {picked:,} items that the strategy picked, and {control:,} control items, a
random sample of the pool. Use `control_weight` to estimate a share of the pool from these.

Filters: {_filters(manifest["filters"])}.

## Models

{_models(dataset)}
{_removed(manifest["removed"])}"""


def _table(counts: dict[str, int]) -> str:
    return "\n".join(f"| {plain(name)} | {n} |" for name, n in sorted(counts.items()))


def _filters(filters: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {plain(text)}" for name, text in sorted(filters.items())) or "none, all labeled items"


def _models(dataset: DatasetVersion) -> str:
    numbers = sorted(dataset.versions.values_list("number", flat=True))
    if not numbers:
        return "No model version learned from it.\n"
    return f"Model version {', '.join(map(str, numbers))} learned from it, without its control items.\n"


def _removed(removed: list[dict[str, Any]]) -> str:
    if not removed:
        return ""
    lines = "\n".join(f"- {each['removed_at'][:10]}: {len(each['items'])}, {plain(each['reason'])}" for each in removed)
    return f"\n## Removed for good\n\n{lines}\n"
