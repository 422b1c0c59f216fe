"""The pages that archive, copy, delete, restore and transfer projects, each with its consequences."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy

from labeling.insight.affected import contents_of
from labeling.models import Ability, Membership, Project, Role, User
from labeling.models.projects import MAX_SLUG, slug_validator
from labeling.models.roles import offered, roles_without
from labeling.projects import lifecycle
from labeling.projects.classes import guidelines
from labeling.projects.create import TooManyProjects, slug_for
from labeling.projects.duplicating import duplicate
from labeling.projects.people import members as memberships
from labeling.web.shared.forms import ErrorsInForm
from labeling.web.shared.pages import action, for_members, for_people, render_page


class DuplicateForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(
        max_length=200,
        label=gettext_lazy("Name of the copy"),
        error_messages={"required": gettext_lazy("Give it a name.")},
    )
    slug = forms.CharField(
        max_length=MAX_SLUG,
        label=gettext_lazy("Short name"),
        validators=[slug_validator],
        help_text=gettext_lazy(
            "Used in URLs and commands: lower-case letters, digits and hyphens. It cannot be changed later."
        ),
        error_messages={"required": gettext_lazy("Enter a short name.")},
    )
    items = forms.BooleanField(
        required=False,
        label=gettext_lazy("With its items"),
        help_text=gettext_lazy(
            "The items are copied in the background, without excluded ones, and encoded again. All classes "
            "are copied, including archived ones. Models are not copied."
        ),
    )
    labels = forms.BooleanField(
        required=False,
        label=gettext_lazy("With its labels"),
        help_text=gettext_lazy(
            "The labels are copied as imported labels with their answers. The copy's first model trains on "
            "them; they do not measure accuracy there."
        ),
    )
    members = forms.BooleanField(
        required=False,
        label=gettext_lazy("With its members"),
        help_text=gettext_lazy("The members see the copy at once, with the same roles, groups, limits and pauses."),
    )

    def __init__(self, project: Project, data: Any = None) -> None:
        ends = {
            "name": gettext("%(name)s (copy)") % {"name": project.name[:190]},
            "slug": f"{project.slug[: MAX_SLUG - 5].rstrip('-')}-copy",
        }
        super().__init__(data, initial=ends, prefix="copy")


class DeleteForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(max_length=200, label=gettext_lazy("Name of the project"), strip=True, required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, prefix="delete")
        self.fields["name"].widget.attrs["autocomplete"] = "off"


class TransferForm(forms.Form):
    """The new role of a manager who transfers the project."""

    role = forms.ChoiceField(
        label=gettext_lazy("You become"),
        choices=lambda: offered(roles_without(Ability.MEMBERS_CHANGE)),
        initial=Role.ANNOTATOR,
    )


SECTION = "project-manage"


@for_members(reading=Ability.SETTINGS_READ)
def manage(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the contents of the project, with the forms that archive, copy and delete it."""
    return _manage(request, membership)


def _manage(request: HttpRequest, membership: Membership, **sent: forms.Form) -> HttpResponse:
    """Show the page, with the forms that were sent in place of empty ones."""
    project = membership.project
    context = {
        "contents": contents_of(project),
        "copy_form": DuplicateForm(project),
        "delete_form": DeleteForm(),
        **sent,
    }
    return render_page(request, membership, "project/manage.html", context, section=SECTION)


@action(Ability.PROJECT_CHANGE, "project-manage", in_archived=True)
def archive(request: HttpRequest, membership: Membership) -> str:
    """Archive the project, or reopen an archived one."""
    if request.POST.get("archive") == "no":
        lifecycle.unarchive(project=membership.project)
        return gettext("The project is open again: labeling and jobs continue where they were.")
    lifecycle.archive(project=membership.project)
    return gettext("The project is archived: it can be read and exported, not changed.")


@for_members(changing=Ability.PROJECT_CHANGE, in_archived=True)
def copy(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Copy the project's settings and classes to a new project, on request with its items and labels."""
    form = DuplicateForm(membership.project, request.POST)
    made = None
    if form.is_valid():
        values = form.cleaned_data
        slug = slug_for(membership.user, values.pop("slug"))
        with ErrorsInForm(form, ValidationError, TooManyProjects):
            made = duplicate(project=membership.project, user=membership.user, slug=slug, **values)
    if made is None:
        return _manage(request, membership, copy_form=form)
    if missing := guidelines.missing_images(made, made.guidelines):
        text = gettext("The guidelines show images that are missing, here and in the original: %(names)s.")
        messages.warning(request, text % {"names": ", ".join(missing)})
    page, text = "project", gettext("This is %(name)s: its settings and classes are copied, and it has no items yet.")
    if values["items"]:
        page = "project-import"
        text = gettext("This is %(name)s: its settings and classes are copied. Its items follow.")
    messages.success(request, text % {"name": made.name})
    return redirect(page, made.slug)


@for_members(changing=Ability.PROJECT_CHANGE, in_archived=True)
def delete(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Delete the project if the user typed its name."""
    form = DeleteForm(request.POST)
    project = membership.project
    with ErrorsInForm(form, ValidationError):
        lifecycle.delete(project=project, user=membership.user, name=form["name"].value() or "")
        text = gettext("%(name)s is deleted. Its managers can restore it for 30 days.")
        messages.success(request, text % {"name": project.name})
        return redirect("projects-deleted")
    return _manage(request, membership, delete_form=form)


@for_people("GET", "HEAD", "POST")
def deleted(request: HttpRequest, user: User) -> HttpResponse:
    """List the deleted projects that the user manages, each with a button to restore it."""
    projects = lifecycle.restorable(user)
    if request.method == "POST":
        return _restore(request, projects)
    rows = [(each, each.deleted_at and each.deleted_at + lifecycle.KEPT) for each in projects]
    return render(request, "deleted.html", {"rows": rows})


def _restore(request: HttpRequest, projects: list[Project]) -> HttpResponse:
    project = next((each for each in projects if each.slug == request.POST.get("slug")), None)
    if project is None:
        raise Http404(gettext("You cannot restore a project with this short name."))
    try:
        lifecycle.restore(project=project)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("projects-deleted")
    messages.success(request, gettext("%(name)s is restored.") % {"name": project.name})
    return redirect("project", project.slug)


@for_members(reading=Ability.MEMBERS_CHANGE, changing=Ability.MEMBERS_CHANGE)
def transfer(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Ask for confirmation (GET), then make the member the manager and step down (POST)."""
    project = membership.project
    successor = get_object_or_404(project.memberships.select_related("user"), user__username=username)
    form = TransferForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        role = form.cleaned_data["role"]
        with ErrorsInForm(form, ValidationError):
            memberships.transfer(project=project, user=membership.user, successor=successor.user, role=role)
            text = gettext("%(username)s manages %(name)s now, and you are its %(role)s.")
            messages.success(request, text % {"username": username, "name": project.name, "role": gettext(role)})
            return redirect("project", project.slug)
    context = {"successor": successor, "form": form, "contents": contents_of(project)}
    return render_page(request, membership, "project/transfer.html", context, section="project-members")
