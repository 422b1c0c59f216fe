"""The page that creates a project, from a file or from nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.csrf import csrf_exempt

from labeling import kinds
from labeling.intake import parked, starting
from labeling.intake.looking import LabelCounts
from labeling.intake.readers import Layout, UnreadableFile
from labeling.intake.readers.layout import LayoutError
from labeling.kinds import KINDS, FileKind, Kind
from labeling.models import ItemImport, Project, User
from labeling.models.project_settings import MAX_CLASSES
from labeling.models.projects import MAX_GUIDELINES
from labeling.projects.create import TooManyProjects, check_classes, class_lines, create_project, slug_for
from labeling.projects.encoders.encoder_settings import default_choice
from labeling.projects.people import access
from labeling.projects.people.invisible import isolated
from labeling.questions import QUESTIONS
from labeling.web.imports import parked_page
from labeling.web.imports.views import files_of
from labeling.web.shared.forms import ErrorsInForm, FileForm, apply_bounds
from labeling.web.shared.pages import for_people, with_files
from labeling.web.shared.words import number

# 20,000 names of 200 characters.
MAX_CLASSES_BYTES = 2 << 20
USUAL_QUESTION = "single"


class NewProjectForm(forms.Form):
    """The values of a new project. `names` holds the class names once the form is valid."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        error_messages={"required": gettext_lazy("Enter a name for the project.")},
    )
    slug = forms.CharField(
        label=gettext_lazy("Short name"),
        max_length=60,
        required=False,
        help_text=gettext_lazy(
            "Names the project in URLs and commands, for example “street-signs”. It cannot be changed later."
        ),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What is to be labeled?"),
        choices=lambda: [(kind.name, gettext(kind.sentence)) for kind in kinds.KINDS.values()],
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what is to be labeled.")},
    )
    question = forms.ChoiceField(
        label=gettext_lazy("What is asked?"),
        choices=lambda: [(each.name, gettext(each.offer)) for each in QUESTIONS.values()],
        widget=forms.RadioSelect,
        initial=USUAL_QUESTION,
    )
    classes = forms.CharField(
        label=gettext_lazy("Classes"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "dir": "auto"}),
        help_text=gettext_lazy(
            "One class a line, in the order in which annotators see them: the first ten get the digit keys. "
            "More can be added later, except points of a scale."
        ),
    )
    classes_file = forms.FileField(
        label=gettext_lazy("Classes from a file"),
        required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".txt,.csv,text/plain"}),
    )
    prompt = forms.CharField(
        label=gettext_lazy("Prompt"),
        required=False,
        max_length=300,
        help_text=gettext_lazy("What annotators read above each item, for example “Which sign is this?”."),
    )
    guidelines = forms.CharField(
        label=gettext_lazy("Guidelines"),
        required=False,
        max_length=MAX_GUIDELINES,
        widget=forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
        help_text=gettext_lazy("How to decide in doubtful cases. Annotators open them by pressing G."),
    )
    batch_size = forms.IntegerField(
        label=gettext_lazy("Batch size"),
        initial=100,
        help_text=gettext_lazy(
            "The model is retrained after this many answers. Small batches teach it sooner, large ones keep "
            "people busy longer between trainings. Can be changed at any time."
        ),
    )

    start = forms.CharField(required=False, widget=forms.HiddenInput)
    proposed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.names: list[str] = []
        apply_bounds(self, Project._meta.get_field)
        lacks = [text for kind in kinds.KINDS.values() if (text := kind.missing())]
        self.fields["classes_file"].help_text = gettext(
            "For long lists: a text file in UTF-8, one class a line, at most %(most)s."
        ) % {"most": number(MAX_CLASSES)}
        self.fields["kind"].help_text = " ".join(f"{capfirst(text)}." for text in lacks)
        if not access.is_operator(user):
            self.fields["slug"].help_text = gettext(
                "Names the project in URLs and commands. It gets a short ending: “street-signs” becomes, for "
                "example, “street-signs-k7f3”. It cannot be changed later."
            )

    def clean_slug(self) -> str:
        """Return the typed slug, or one made from the name; with a random ending, except for operators."""
        slug = str(self.cleaned_data["slug"]) or slugify(self.cleaned_data.get("name", ""))[:60].strip("-")
        if not slug and self.cleaned_data.get("name"):
            raise ValidationError(
                gettext("The name has no Latin letters to make a short name from: enter a short name.")
            )
        slug = slug_for(self.user, slug) if slug else ""
        if Project.objects.filter(slug=slug).exists():
            raise ValidationError(gettext("“%(slug)s” is taken. Choose another short name.") % {"slug": slug})
        return slug

    def clean_classes_file(self) -> str:
        """Return the file's text, and put it into the field `classes`, so that a form with an error keeps it."""
        file = self.cleaned_data["classes_file"]
        if file is None:
            return ""
        if file.size > MAX_CLASSES_BYTES:
            raise ValidationError(
                gettext("The file is larger than %(most)s MB: it cannot be a list of classes.")
                % {"most": MAX_CLASSES_BYTES >> 20}
            )
        try:
            text = str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValidationError(gettext("The file is not UTF-8 text. Save it as plain text in UTF-8.")) from error
        self.data = {**self.data.dict(), "classes": text}  # type: ignore[attr-defined]  # a QueryDict
        return text

    def clean(self) -> None:
        text = self.cleaned_data.get("classes_file") or self.cleaned_data.get("classes", "")
        names = class_lines(text)
        if self.has_error("classes") or self.has_error("classes_file"):
            return
        if not names:
            self.add_error("classes", gettext("Enter the classes, one a line, or choose a file."))
            return
        with ErrorsInForm(self, ValidationError):
            self.names = check_classes(names, self.cleaned_data.get("question", ""))

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `create_project` besides slug, kind and classes."""
        return {name: self.cleaned_data[name] for name in ("name", "question", "prompt", "guidelines", "batch_size")}


@for_people("GET", "HEAD", "POST")
def new_project(request: HttpRequest, user: User) -> HttpResponse:
    """Show the form, with what the file proposes that the project starts with; or create the project and redirect to
    its import page.
    """
    _check_may_create(user)
    values = request.POST if request.method == "POST" else request.GET
    file = starting.kept(user, values["start"]) if values.get("start") else None
    if values.get("start") and file is None:
        messages.error(request, gettext("The file is gone: choose it again."))
        return redirect("project-new")
    if file and "picture" in request.GET:
        kind = KINDS.get(request.GET.get("kind", ""), KINDS["image"])
        return parked_page.picture(kind, request.GET["picture"], partial(starting.item_at, file, kind.name))
    proposal = _proposal(file, values) if file else None
    if request.method != "POST" or request.POST.get("do") == "show":
        form = NewProjectForm(user, initial=proposal.initial(values) if proposal else {})
        return _page(request, form, proposal)
    form = NewProjectForm(user, request.POST, request.FILES)
    if form.is_valid() and (received := _create(form, user, proposal)):
        project = received.project if isinstance(received, ItemImport) else received
        text = gettext("%(name)s is created, with the short name %(slug)s. You are its manager.")
        text %= {"name": isolated(project.name), "slug": project.slug}
        if isinstance(received, ItemImport):
            messages.success(request, text)
            return parked_page.answer(request, received)
        messages.success(request, f"{text} {gettext('Now bring in its items.')}")
        return redirect("project-import", project.slug)
    if problem := getattr(request, "upload_problem", ""):  # set by `labeling.web.gate.spool`, which kept no file
        form.add_error("classes_file", problem)
    return _page(request, form, proposal)


@csrf_exempt
@for_people("POST")
def new_project_file(request: HttpRequest, user: User) -> HttpResponse:
    """Keep the file that a project is to start with, and show what it proposes."""
    try:
        _check_may_create(user)
    except PermissionDenied:
        request.csrf_processing_done = True  # type: ignore[attr-defined]  # as for members: no byte is read
        raise
    return with_files(request, None, partial(_keep, user=user))


def _keep(request: HttpRequest, user: User) -> HttpResponse:
    upload = FileForm(request)
    if upload.is_valid():
        with ErrorsInForm(upload, ValidationError, field="file"):
            file = starting.keep(user=user, **upload.upload)
            return redirect(f"{reverse('project-new')}?{urlencode({'start': file.token})}")
    return _page(request, NewProjectForm(user), None, upload=upload)


def _check_may_create(user: User) -> None:
    if not access.may_create_projects(user):
        raise PermissionDenied(gettext("Only staff and people who manage a project may create one."))


def _page(
    request: HttpRequest, form: NewProjectForm, proposal: Proposal | None, upload: FileForm | None = None
) -> HttpResponse:
    upload = upload or FileForm()
    context: dict[str, Any] = {
        "form": form,
        "upload": upload,
        "suffixes": _suffixes(),
        "files": files_of(*KINDS.values()),
        "max_bytes": settings.MAX_UPLOAD_MB << 20,
        "start": proposal,
    }
    if proposal:
        context |= {**proposal.preview, "kind": proposal.kind, "picture": proposal.picture}
    return render(request, "project/new.html", context, status=400 if form.errors or upload.errors else 200)


def _suffixes() -> str:
    """Return the suffixes of all files that can be items, for the script that recognises folders of such files."""
    return " ".join(suffix for kind in KINDS.values() if isinstance(kind, FileKind) for suffix in sorted(kind.suffixes))


@dataclass(frozen=True)
class Proposal:
    """What the file that a project starts with proposes; `preview`: as `project/first_rows.html` shows it."""

    file: starting.StartFile
    kind: Kind
    question: str
    look: parked.Look
    preview: dict[str, Any]

    @property
    def picture(self) -> str:
        """The beginning of the addresses of pictures, which end with a place."""
        return f"?{urlencode({'start': self.file.token, 'kind': self.kind.name})}&picture="

    def initial(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of the form: those of a person, and the file's classes unless a person changed them."""
        classes = "\n".join(starting.class_names(self.look))
        typed = values.get("classes", "").replace("\r\n", "\n")
        name = PurePath(self.file.name).stem.split(".")[0].replace("_", " ").replace("-", " ").strip()
        return {
            "name": capfirst(name),
            **{key: value for key, value in values.items() if key in NewProjectForm.base_fields},
            "kind": self.kind.name,
            "question": self.question,
            "classes": classes if typed == values.get("proposed", "").replace("\r\n", "\n") else typed,
            "proposed": classes,
            "start": self.file.token,
        }

    def layout(self, names: Collection[str]) -> Layout:
        """Return the layout to import it in, into a project with these classes: a class of the file that a person has
        removed is not added again.
        """
        is_kept = all(name in names for name in self.look.counts.unknown)
        return replace(self.look.layout, unknown_labels="add" if is_kept else "unlabeled")


def _proposal(file: starting.StartFile, values: QueryDict) -> Proposal:
    """Return what the file proposes, with what a person has chosen in the form."""
    kind = KINDS.get(values.get("kind", "")) or KINDS[starting.guess_kind(file)]
    question = values.get("question", "")
    options = {name: values.getlist(name) if name == "leave_out" else text for name, text in values.items()}
    content = "media_column" if isinstance(kind, FileKind) else "text_column"
    other = {"media_column", "text_column"} - {content}
    try:
        layout = Layout.read(options) if "kind" in values and other.isdisjoint(values) else None
        seen = starting.look(file, kind.name, question if question in QUESTIONS else USUAL_QUESTION, layout)
    except (LayoutError, UnreadableFile) as error:
        seen = parked.Look(Layout(), (), Layout(), "", [], LabelCounts(), str(error))
    if question not in QUESTIONS:
        question = starting.guess_question(seen)
        if question != USUAL_QUESTION:
            seen = starting.look(file, kind.name, question, seen.layout)
    project = Project(kind=kind.name, question=question)
    return Proposal(file, kind, question, seen, parked_page.preview_of(seen, project))


def _create(form: NewProjectForm, manager: User, proposal: Proposal | None) -> Project | ItemImport | None:
    """Create the project, and import the file that it starts with. Return None, with the errors in the form, if that
    fails.
    """
    values = form.cleaned_data
    with ErrorsInForm(form, ValidationError, TooManyProjects):
        with transaction.atomic():
            project = create_project(
                slug=values["slug"],
                kind=values["kind"],
                classes=form.names,
                manager=manager,
                creator=manager,
                settings={**form.settings(), "encoder": default_choice(values["kind"])},
            )
            if proposal is None:
                return project
            layout = proposal.layout(form.names)
            item_import = starting.park(proposal.file, project=project, user=manager, layout=layout)
        return parked.start(item_import=item_import, layout=layout)
    return None
