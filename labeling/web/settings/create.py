"""The page that creates a project."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext, gettext_lazy

from labeling import kinds
from labeling.kinds import KINDS, FileKind
from labeling.models import Project, User
from labeling.models.project_settings import MAX_CLASSES
from labeling.models.projects import MAX_GUIDELINES
from labeling.projects.create import TooManyProjects, check_classes, class_lines, create_project, slug_for
from labeling.projects.encoders.encoder_settings import default_choice
from labeling.projects.people import access
from labeling.projects.people.invisible import isolated
from labeling.questions import QUESTIONS
from labeling.web.shared.forms import ErrorsInForm, apply_bounds
from labeling.web.shared.pages import for_people
from labeling.web.shared.words import number

# 20,000 names of 200 characters.
MAX_CLASSES_BYTES = 2 << 20


class NewProjectForm(forms.Form):
    """The values of a new project. `names` holds the class names once the form is valid."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        error_messages={"required": gettext_lazy("Give the project a name.")},
    )
    slug = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=60,
        required=False,
        help_text=gettext_lazy(
            "The project's place in addresses and commands, for example “street-signs”. Cannot be changed later."
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
        initial="single",
    )
    classes = forms.CharField(
        label=gettext_lazy("Classes"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "dir": "auto"}),
        help_text=gettext_lazy(
            "One class a line, in the order in which annotators see them: the first ten get the digit keys. "
            "More can be added later, except points of a scale. An import can add the labels of its file as classes: "
            "enter two to begin."
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
        help_text=gettext_lazy("How to decide in doubtful cases. Annotators open them with a key."),
    )
    batch_size = forms.IntegerField(
        label=gettext_lazy("Batch size"),
        initial=100,
        help_text=gettext_lazy(
            "The model is retrained after this many answers. Small batches teach it sooner, large ones keep "
            "people busy longer between trainings. Can be changed at any time."
        ),
    )

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
                "The project's place in addresses and commands. It gets a short ending: “street-signs” becomes "
                "“street-signs-k7f3” or the like. Cannot be changed later."
            )

    def clean_slug(self) -> str:
        """Return the typed slug, or one made from the name; with a random ending, except for operators."""
        slug = str(self.cleaned_data["slug"]) or slugify(self.cleaned_data.get("name", ""))[:60].strip("-")
        if not slug and self.cleaned_data.get("name"):
            raise ValidationError(gettext("The name has no Latin letters to make an address of: enter one."))
        slug = slug_for(self.user, slug) if slug else ""
        if Project.objects.filter(slug=slug).exists():
            raise ValidationError(gettext("“%(slug)s” is taken. Choose another address.") % {"slug": slug})
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
        try:
            self.names = check_classes(names, self.cleaned_data.get("question", ""))
        except ValidationError as error:
            self.add_error(None, error)

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `create_project` besides slug, kind and classes."""
        return {name: self.cleaned_data[name] for name in ("name", "question", "prompt", "guidelines", "batch_size")}


@for_people("GET", "HEAD", "POST")
def new_project(request: HttpRequest, user: User) -> HttpResponse:
    """Show the form, or create the project and redirect to its import page."""
    if not access.may_create_projects(user):
        raise PermissionDenied(gettext("Only staff and people who manage a project may create one."))
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = NewProjectForm(user, *sent)
    if form.is_bound and form.is_valid():
        project = _create(form, user)
        if project is not None:
            name = isolated(project.name)
            text = gettext(
                "%(name)s is there, at the address %(slug)s, and you are its manager. Now bring in its items."
            )
            messages.success(request, text % {"name": name, "slug": project.slug})
            return redirect("project-import", project.slug)
    if problem := getattr(request, "upload_problem", ""):  # set by `labeling.web.gate.spool`, which kept no file
        form.add_error("classes_file", problem)
    return render(
        request, "project/new.html", {"form": form, "suffixes": _suffixes()}, status=400 if form.is_bound else 200
    )


def _suffixes() -> str:
    """Return the suffixes of all files that can be items, for the script that recognises folders of such files."""
    return " ".join(suffix for kind in KINDS.values() if isinstance(kind, FileKind) for suffix in sorted(kind.suffixes))


def _create(form: NewProjectForm, manager: User) -> Project | None:
    """Create the project. Return None, with the errors in the form, if that fails."""
    values = form.cleaned_data
    with ErrorsInForm(form, ValidationError, TooManyProjects):
        return create_project(
            slug=values["slug"],
            kind=values["kind"],
            classes=form.names,
            manager=manager,
            creator=manager,
            settings={**form.settings(), "encoder": default_choice(values["kind"])},
        )
    return None
