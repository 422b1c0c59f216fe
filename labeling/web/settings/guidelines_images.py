"""The page of the images in a project's guidelines."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy

from labeling.kinds.wording import too_large
from labeling.models import Ability, Membership, Project
from labeling.projects.classes import guidelines_images
from labeling.projects.classes.guidelines import GuidelinesError
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members


class ImageForm(forms.Form):
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
        error_messages={"required": gettext_lazy("Say what the image shows, for people who cannot see it.")},
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
    form = ImageForm(request.POST, request.FILES) if request.method == "POST" else ImageForm()
    if form.is_bound and form.is_valid() and _add(request, membership, form):
        return redirect("project-guidelines-images", project.slug)
    if problem := getattr(request, "upload_problem", ""):  # set by `labeling.web.gate.spool`, which kept no file
        form.errors.pop("file", None)
        form.add_error("file", problem)
    context = {"form": form, "images": _rows(project)}
    status = 400 if form.errors else 200
    return render_page(
        request, membership, "guidelines/images.html", context, section="project-guidelines-edit", status=status
    )


@for_members(changing=Ability.SETTINGS_CHANGE)
def remove_image(request: HttpRequest, membership: Membership, image: str) -> HttpResponse:
    """Remove an image that no version of the guidelines shows."""
    stored_image = get_object_or_404(membership.project.guidelines_images, name=image)
    try:
        guidelines_images.remove_image(image=stored_image)
    except GuidelinesError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("%(image)s is removed.") % {"image": image})
    return redirect("project-guidelines-images", membership.project.slug)


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


def _add(request: HttpRequest, membership: Membership, form: ImageForm) -> bool:
    """Store the image. Return False, with the reason in the form, if it is refused."""
    file = form.cleaned_data["file"]
    try:
        image = guidelines_images.add(
            project=membership.project,
            user=membership.user,
            file_name=file.name,
            content=file.read(),
            alt_text=form.cleaned_data["alt_text"],
        )
    except ValidationError as error:
        form.add_error(None, error)
        return False
    text = gettext("%(name)s is stored. Write ![](%(name)s) in the guidelines where it is to be shown.") % {
        "name": image.name
    }
    messages.success(request, text)
    return True
