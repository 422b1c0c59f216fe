"""The rows of the import page: imported files, and running steps."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext

from labeling.models import Batch, ItemImport, Job, Project, Source
from labeling.web.shared.words import count, number, percent, phase_in_words

LISTED = 20
UNFINISHED = (ItemImport.State.WAITING, ItemImport.State.RUNNING)


@dataclass(frozen=True, slots=True)
class StepRow:
    """A running step. `id` is the id of its HTML element; `total` is 0 if it is unknown."""

    id: str
    phase: str
    share: float
    done: int
    total: int

    @property
    def text(self) -> str:
        return f"{self.phase} · {percent(self.share)}" if self.share else self.phase


def import_rows(project: Project, source: Source | None = None) -> list[dict[str, Any]]:
    """List the newest imports, of a source or of all, each with its step."""
    imports = project.imports.filter(source=source) if source else project.imports
    return [_import_row(each) for each in imports.select_related("batch", "job")[:LISTED]]


def encoding_row(project: Project, unencoded: int) -> StepRow | None:
    """Return the progress of encoding the imported items; None if all are encoded."""
    if not unencoded:
        return None
    job = project.jobs.filter(kind=Job.Kind.ENCODE).unfinished().order_by("state").first()
    running = job is not None and job.state == Job.State.RUNNING
    phase = phase_in_words(job.phase or "encoding items") if job and running else gettext("waiting for the encoder")
    total = project.encoded_rows + unencoded
    return StepRow("encoding", phase, project.encoded_rows / total, project.encoded_rows, total)


def fingerprint(rows: list[dict[str, Any]], encoding: StepRow | None, is_stalled: bool) -> str:
    """Return a text that changes whenever the page must render the list again."""
    states = [f"{row['import'].pk}{row['import'].state}" for row in rows]
    return ".".join([*states, "encoding" if encoding else "", "stalled" if is_stalled else ""])


def as_json(rows: list[dict[str, Any]], encoding: StepRow | None, states: str) -> dict[str, Any]:
    """Return the progress as JSON for the page's script."""
    steps = [*(row["step"] for row in rows if row["step"]), *([encoding] if encoding else [])]
    names = ("id", "phase", "share", "done", "total")
    return {"states": states, "steps": [{name: getattr(step, name) for name in names} for step in steps]}


def _import_row(item_import: ItemImport) -> dict[str, Any]:
    """Return an imported file; `step`: if one runs or waits; `advice`: how to proceed after a failure."""
    failed = item_import.state == ItemImport.State.FAILED
    return {
        "import": item_import,
        "advice": _advice(item_import),
        "labeled": label_notice(item_import),
        "can_retry": failed and item_import.job is not None,
        "step": _step(item_import, item_import.job) if item_import.state in UNFINISHED else None,
    }


def label_notice(item_import: ItemImport) -> str:
    """Say whether the model has learned the imported labels; "" for an import without labels."""
    if not item_import.labeled:
        return ""
    labels, batch = {"labels": count(item_import.labeled, "label")}, item_import.batch
    if batch is None or batch.state == Batch.State.DONE:
        return gettext("%(labels)s imported. The model has trained on them.") % labels
    if batch.state == Batch.State.TRAINING:
        text = gettext(
            "%(labels)s imported. The model is training on them, and picks the next batch by what it learns."
        )
        return text % labels
    if batch.state == Batch.State.FAILED:
        text = gettext("%(labels)s imported. Training on them failed: see batch %(n)s.")
        return text % {**labels, "n": batch.number}
    return gettext("%(labels)s imported. The model trains on them once all items are encoded.") % labels


def next_step(project: Project) -> str:
    """Return what to do after an import, as HTML. The page shows it once: in the notice, if that has it."""
    return format_html('<span class="next-step">{}</span>', _next_step(project))


def _next_step(project: Project) -> str:
    if not project.items.to_label().exists():
        labeled = count(project.items.kept().labeled().count(), "item")
        return format_html(
            gettext("All {} are labeled, and the model learns from them. Import more items to label."), labeled
        )
    pages = [reverse(name, args=[project.slug]) for name in ("label", "project-members", "project")]
    return format_html(
        gettext(
            'Next: <a href="{}">label the first batch</a>, <a href="{}">add the people who '
            'label</a>, or <a href="{}">see how the batch goes</a>.'
        ),
        *pages,
    )


def _step(item_import: ItemImport, job: Job | None) -> StepRow:
    phase, share = gettext("waiting for its turn"), 0.0
    if job is not None and job.state == Job.State.RUNNING:
        share = job.share
        # The job's phase ends with the name of the file, which the row shows already.
        phase = phase_in_words(job.phase.removesuffix(item_import.name).strip() or "starting")
    return StepRow(f"import-{item_import.pk}", phase, share, item_import.position, item_import.total or 0)


def _advice(item_import: ItemImport) -> str:
    if item_import.state == ItemImport.State.FAILED:
        retry = gettext("Trying again continues after the last record. Nothing is imported twice.")
        if not item_import.accepted:
            return retry
        return f"{gettext('%(n)s items are in.') % {'n': number(item_import.accepted)}} {retry}"
    if item_import.state == ItemImport.State.PARKED:
        return gettext("Nothing is imported yet: open it, look at the first rows, then import or discard it.")
    if item_import.state == ItemImport.State.REFUSED:
        return gettext("Correct the file as the reason says, then import it again.")
    return ""
