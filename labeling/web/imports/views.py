"""The pages that import items and show the result of each file."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache

from labeling import kinds
from labeling.insight.progress import is_stalled
from labeling.intake import examples, new_classes, parked, uploads
from labeling.intake.looking import NO_CLASS
from labeling.intake.readers.layout import LABELS_AS, NOTHING_LEFT, UNKNOWN_LABELS, Layout
from labeling.intake.rejecting import KEPT, by_number, most_kept
from labeling.kinds import FileKind, Kind
from labeling.models import Ability, ItemImport, Membership, Project
from labeling.projects import quota
from labeling.projects.encoders.encoder_settings import encoders_for, reason_for_encoder
from labeling.projects.limits import ITEMS
from labeling.projects.people import access
from labeling.web.imports import parked_page
from labeling.web.imports.import_rows import as_json, encoding_row, fingerprint, import_rows, label_notice, next_step
from labeling.web.shared.forms import ErrorsInForm, FileForm
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.shared.words import count, number

ROWS_A_PAGE = 100
# The most class names sent to the page, which shows the classes of a folder's subfolders.
CLASSES_TOLD = 1000


class UploadForm(FileForm):
    """A file of items to import."""

    strict = forms.BooleanField(
        required=False,
        label=gettext_lazy("Refuse the whole file if one row is bad"),
        help_text=gettext_lazy("Otherwise bad rows are listed with the reason, and the rest is imported."),
    )
    labels_as = forms.ChoiceField(required=False, choices=[(name, use.title) for name, use in LABELS_AS.items()])
    unknown_labels = forms.ChoiceField(required=False, choices=[(name, name) for name in UNKNOWN_LABELS])


class PasteForm(forms.Form):
    """Texts to import, one a line."""

    texts = forms.CharField(
        label=gettext_lazy("Paste texts, one a line"),
        max_length=1 << 20,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={"required": gettext_lazy("Paste at least one text.")},
    )


@for_members(reading=Ability.IMPORTS_READ, changing=Ability.ITEMS_CHANGE, takes_files=True)
def imports(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form and the imports, or import a file, texts or examples: few items at once, many by the worker."""
    pasted = PasteForm(request.POST if "texts" in request.POST else None)
    is_file = request.method == "POST" and not pasted.is_bound
    form = UploadForm(request if is_file else None)
    if "examples" in request.POST:
        return parked_page.answer(request, examples.import_examples(project=membership.project, user=membership.user))
    received = _pasted(membership, pasted) if pasted.is_bound else _received(membership, form)
    if received is not None:
        return parked_page.answer(request, received)
    project = membership.project
    context = {
        "form": form,
        "paste": pasted,
        "n_examples": examples.N_EXAMPLES,
        "uses": [
            (name, use._replace(title=gettext(use.title), consequence=gettext(use.consequence)))
            for name, use in LABELS_AS.items()
        ],
        "nothing_left": lambda: "" if project.items.to_label().exists() else gettext(NOTHING_LEFT),
        "next_step": lambda: next_step(project),
        "in_pool": project.encoded_rows and count(project.encoded_rows, "item"),
        "max_mb": settings.MAX_UPLOAD_MB,
        "max_bytes": settings.MAX_UPLOAD_MB << 20,
        "storage": _storage(project),
        "files": files_of(kinds.of(project)),
        "can_add": new_classes.can_add(project.asks),
        "has_encoders": _has_choice(project),
        "why_encoder": reason_for_encoder(project.kind, project.encoder),
        **_class_names(project),
        **_under_way(project),
    }
    return render_page(request, membership, "project/import.html", context, section="project-import")


@never_cache
@for_members(reading=Ability.IMPORTS_READ)
def imports_progress(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return the progress of running steps, for the page's script."""
    now = _under_way(membership.project)
    return JsonResponse(as_json(now["rows"], now["encoding"], now["states"]))


@for_members(reading=Ability.IMPORTS_READ, changing=Ability.ITEMS_CHANGE)
def import_detail(request: HttpRequest, membership: Membership, import_id: int) -> HttpResponse:
    """Show the result of one file: its items, the numbers of rejected rows by reason, and the rejected rows.

    A parked file shows its first rows instead, and takes a form that says how to import it.
    """
    imports = membership.project.imports.select_related("created_by", "batch", "project")
    item_import = get_object_or_404(imports, pk=import_id)
    if item_import.state == ItemImport.State.PARKED:
        return parked_page.page(request, membership, item_import)
    if request.method == "POST":
        messages.error(request, gettext("%(name)s has been imported already.") % {"name": item_import.name})
        return redirect("project-import-detail", membership.project.slug, import_id)
    page = Paginator(item_import.rejected_rows.all(), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "import": item_import,
        "labeled": label_notice(item_import),
        "page": page,
        "reasons": by_number(item_import),
        "kept": number(KEPT) if item_import.rejected > most_kept(item_import) else "",
    }
    return render_page(request, membership, "project/import_detail.html", context, section="project-import")


@action(Ability.ITEMS_CHANGE, "project-import", refused=(ValidationError,))
def import_retry(request: HttpRequest, membership: Membership, import_id: int) -> str:
    """Retry a failed import from the last imported record on."""
    item_import = get_object_or_404(membership.project.imports, pk=import_id)
    uploads.retry(item_import=item_import)
    values = {"name": item_import.name, "position": number(item_import.position)}
    return gettext("%(name)s continues after record %(position)s.") % values


def _under_way(project: Project) -> dict[str, Any]:
    now = timezone.now()
    rows = import_rows(project)
    encoding = encoding_row(project, project.items.unencoded().count())
    under_way = bool(encoding) or any(row["step"] for row in rows)
    no_worker = under_way and is_stalled(project, now)
    return {"rows": rows, "encoding": encoding, "stalled": no_worker, "states": fingerprint(rows, encoding, no_worker)}


def _storage(project: Project) -> dict[str, Any]:
    """Return the storage that the project uses, in words; in `files` without those that it has none of."""
    use = quota.use_of(project)
    sizes: dict[str, Any] = {name: quota.shown(size) for name, size in use.by_name().items()}
    sizes |= {"items": use.items, "item_limit": ITEMS.allowed(use.own_item_limit)}
    files = [f"{sizes[noun]} {gettext(noun)}" for noun, size in use.files.items() if size]
    return {**sizes, "files": files}


def _has_choice(project: Project) -> bool:
    """Return whether the project has a choice of encoders or options."""
    known = encoders_for(project.kind)
    return len(known) > 1 or bool(known[0].options)


def files_of(*kinds: Kind) -> str:
    """Return the suffixes of the files of these kinds as JSON, for the script that picks files; "" without any."""
    taken = []
    for kind in kinds:
        if isinstance(kind, FileKind):
            foreign = [
                each._asdict() | {"suffixes": [suffix for suffix in kind.foreign if kind.foreign[suffix] == each]}
                for each in dict.fromkeys(kind.foreign.values())
            ]
            taken.append({"noun": kind.noun, "suffixes": sorted(kind.suffixes), "foreign": foreign})
    return json.dumps(taken) if taken else ""


def _class_names(project: Project) -> dict[str, str]:
    """Return an example and all class names as JSON, "" for too many, and the folders that name no class; nothing for
    kinds without folders.
    """
    if "folder" not in kinds.of(project).forms:
        return {}
    names = list(project.classes.offered().values_list("name", flat=True)[: CLASSES_TOLD + 1])
    classes = json.dumps(names) if len(names) <= CLASSES_TOLD else ""
    return {"example_class": names[0], "classes": classes, "unsorted": " ".join(sorted(NO_CLASS))}


def _received(membership: Membership, form: UploadForm) -> ItemImport | None:
    """Import or park the file of a valid form. Return None, with the reason in the form, if it is refused."""
    if not (form.is_bound and form.is_valid()):
        return None
    strict = form.cleaned_data["strict"]
    layout = Layout(labels_as=form.cleaned_data["labels_as"], unknown_labels=form.cleaned_data["unknown_labels"])
    if layout.adds_classes:
        access.require(membership, Ability.SETTINGS_CHANGE)
    upload = {**form.upload, "project": membership.project, "user": membership.user, "strict": strict}
    with ErrorsInForm(form, ValidationError, field="file"):
        if layout.labels_as and "preview" not in form.data:
            received = uploads.receive(**upload, layout=layout)
        else:
            received = parked.receive(**upload, always="preview" in form.data)
        return _good(received)
    return None


def _pasted(membership: Membership, form: PasteForm) -> ItemImport | None:
    """Import the texts of a form. Return None, with the reason in the form, if they are refused."""
    if not form.is_valid():
        return None
    lines = [line.strip() for line in form.cleaned_data["texts"].splitlines()]
    rows = "\n".join(json.dumps({"text": line}) for line in lines if line)
    # Items without an id get ids by the file's name: no two pastes have the same one.
    name = f"pasted-{timezone.now():%Y%m%d-%H%M%S-%f}.jsonl"
    named: dict[str, Any] = {"project": membership.project, "user": membership.user, "name": name}
    with ErrorsInForm(form, ValidationError, field="texts"):
        return _good(uploads.receive(**named, chunks=[rows.encode()], strict=False))
    return None


def _good(received: ItemImport) -> ItemImport:
    """Return the import. Raises `ValidationError` with its reason if it is refused or failed."""
    if received.state in (ItemImport.State.REFUSED, ItemImport.State.FAILED):
        raise ValidationError(received.reason)
    return received
