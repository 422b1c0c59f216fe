"""The page that creates a project."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from labeling.kinds import KINDS, FileKind
from labeling.models import Project, User
from labeling.projects.create import TooManyProjects, create_project
from labeling.projects.encoders.encoder_settings import default_choice
from labeling.projects.people import access
from labeling.projects.people.invisible import isolated
from labeling.web.settings.create_form import NewProjectForm


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_project(request: HttpRequest) -> HttpResponse:
    """Show the form, or create the project and redirect to its import page."""
    assert isinstance(request.user, User)
    if not access.may_create_projects(request.user):
        raise PermissionDenied(gettext("Only staff and people who manage a project may create one."))
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = NewProjectForm(request.user, *sent)
    if form.is_bound and form.is_valid():
        project = _create(form, request.user)
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
    try:
        return create_project(
            slug=values["slug"],
            kind=values["kind"],
            classes=form.names,
            manager=manager,
            creator=manager,
            settings={**form.settings(), "encoder": default_choice(values["kind"])},
        )
    except ValidationError as error:
        form.add_error(None, error)
    except TooManyProjects as error:
        form.add_error(None, str(error))
    return None
