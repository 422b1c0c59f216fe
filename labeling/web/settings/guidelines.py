"""The pages of guidelines: the text, its preview, its versions, and its images."""

import copy
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy

from labeling.kinds.wording import too_large
from labeling.models import Ability, Membership, Project, User
from labeling.projects.classes import guidelines, guidelines_images
from labeling.projects.classes.guidelines import GuidelinesError, answers_by_version
from labeling.projects.people import access
from labeling.web.shared.forms import ErrorsInForm, FileForm, number_in
from labeling.web.shared.pages import action, for_members, for_people, render_page
from labeling.web.shared.words import number

LISTED = 100


class GuidelinesForm(forms.ModelForm):
    """The text that tells annotators how to decide."""

    class Meta:
        model = Project
        fields = ("guidelines",)
        labels = {"guidelines": gettext_lazy("Guidelines")}
        help_texts = {
            "guidelines": gettext_lazy("How to decide in doubtful cases. Annotators open them by pressing G.")
        }
        widgets = {"guidelines": forms.Textarea(attrs={"rows": 20, "dir": "auto"})}


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def edit(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form with the text. A saved text holds at once."""
    project = membership.project
    data = request.POST if request.method == "POST" else None
    form = GuidelinesForm(data, instance=copy.copy(project))
    if form.is_valid():
        with ErrorsInForm(form, ValidationError):
            guidelines.save(project=project, user=membership.user, text=form.cleaned_data["guidelines"])
            messages.success(request, gettext("Saved. Annotators who label now see what changed."))
            return redirect("project-guidelines-edit", project.slug)
    context = {"form": form, "missing": ", ".join(guidelines.missing_images(project, project.guidelines))}
    return render_page(request, membership, "guidelines/edit.html", context, section="project-guidelines-edit")


@for_people("POST")
def preview(request: HttpRequest, user: User) -> HttpResponse:
    """Render the text in the form's `guidelines` as annotators see it, with the images of the address's `project`.

    Stores nothing.
    """
    slug = request.GET.get("project")
    project = access.membership_of(user, slug).project if slug else None
    text = request.POST.get("guidelines", "").strip()
    return render(request, "guidelines/preview.html", {"text": text, "project": project})


@for_members(reading=Ability.LABELS_READ)
def history(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the newest versions with their answers, and the changes in `version`, by default the newest."""
    project = membership.project
    answers = answers_by_version(project)
    rows = list(project.guidelines_versions.select_related("user").order_by("-number").defer("text")[:LISTED])
    context = {
        "versions": [{"row": row, "at": row.created_at, "answers": number(answers.get(row.number, 0))} for row in rows],
        "more": bool(rows) and rows[-1].number > 1,
        "listed": LISTED,
        "without": number(answers.get(0, 0)) if answers.get(0) else "",
    }
    if rows:
        chosen = number_in(request.GET.get("version", ""), default=rows[0].number)
        version = get_object_or_404(project.guidelines_versions, number=chosen)
        before = guidelines.text_of(project, chosen - 1)
        context |= {"chosen": version, "passages": guidelines.compare(before, version.text), "before": chosen - 1}
    return render_page(request, membership, "guidelines/history.html", context, section="project-guidelines-edit")


@action(Ability.SETTINGS_CHANGE, "project-guidelines", refused=(GuidelinesError,))
def restore(request: HttpRequest, membership: Membership, number: int) -> str:
    """Restore an earlier version of the guidelines."""
    get_object_or_404(membership.project.guidelines_versions, number=number)
    made = guidelines.go_back(project=membership.project, user=membership.user, number=number)
    text = gettext("The guidelines have the text of version %(number)s again, as version %(made)s.")
    return text % {"number": number, "made": made}


class ImageForm(FileForm):
    """An image with its alternative text."""

    file = forms.FileField(
        label=gettext_lazy("Image"),
        help_text=gettext_lazy("PNG, JPEG, GIF, WEBP, BMP or TIFF of at most 5 MB."),
        error_messages={
            "required": gettext_lazy("Choose an image."),
            "empty": gettext_lazy("This file is empty."),
            "missing": gettext_lazy("Choose an image."),
        },
    )
    alt_text = forms.CharField(
        label=gettext_lazy("What it shows"),
        max_length=guidelines_images.MOST_ALT_TEXT,
        help_text=gettext_lazy("Read out to people who cannot see it: “A stop sign, half hidden by a tree”."),
        error_messages={"required": gettext_lazy("Describe the image for people who cannot see it.")},
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > guidelines_images.MOST_BYTES:
            raise ValidationError(
                gettext("The image: %(problem)s.") % {"problem": too_large(guidelines_images.MOST_BYTES)}
            )
        return file


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE, takes_files=True)
def images(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the images, or add one."""
    project = membership.project
    form = ImageForm(request)
    if form.is_valid():
        file, alt_text = form.cleaned_data["file"], form.cleaned_data["alt_text"]
        image = {"file_name": file.name, "content": file.read(), "alt_text": alt_text}
        with ErrorsInForm(form, ValidationError):
            name = guidelines_images.add(project=project, user=membership.user, **image).name
            text = gettext("%(name)s is stored. Write ![](%(name)s) in the guidelines where it is to be shown.")
            messages.success(request, text % {"name": name})
            return redirect("project-guidelines-images", project.slug)
    context = {"form": form, "images": _rows(project)}
    return render_page(request, membership, "guidelines/images.html", context, section="project-guidelines-edit")


@action(Ability.SETTINGS_CHANGE, "project-guidelines-images", refused=(GuidelinesError,))
def remove_image(request: HttpRequest, membership: Membership, image: str) -> str:
    """Remove an image that no version of the guidelines shows."""
    stored_image = get_object_or_404(membership.project.guidelines_images, name=image)
    guidelines_images.remove_image(image=stored_image)
    return gettext("%(image)s is removed.") % {"image": image}


def _rows(project: Project) -> list[dict[str, Any]]:
    """Return each image with its Markdown, and whether the guidelines or an earlier version show it."""
    texts = list(project.guidelines_versions.values_list("text", flat=True))
    return [
        {
            "row": each,
            "code": f"![]({each.name})",
            "shown": each.name in project.guidelines,
            "kept": any(each.name in text for text in texts),
        }
        for each in project.guidelines_images.all()
    ]
