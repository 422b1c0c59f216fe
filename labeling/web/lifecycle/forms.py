"""Forms that copy, delete and transfer a project."""

from __future__ import annotations

from typing import Any

from django import forms

from labeling.models import Ability, Project, Role
from labeling.models.projects import MAX_SLUG, slug_validator
from labeling.models.roles import offered, roles_without


class DuplicateForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(max_length=200, label="Name of the copy", error_messages={"required": "Give it a name."})
    slug = forms.CharField(
        max_length=MAX_SLUG,
        label="Its place in addresses",
        validators=[slug_validator],
        help_text="Lower-case letters, digits and hyphens. It cannot be changed later.",
        error_messages={"required": "Give it a place in addresses."},
    )
    items = forms.BooleanField(
        required=False,
        label="With its items",
        help_text="The items are copied in the background, without excluded ones, and encoded again. All classes "
        "are copied, including archived ones. Models are not copied.",
    )
    labels = forms.BooleanField(
        required=False,
        label="With its labels",
        help_text="The labels are copied as imported labels with their answers. The copy's first model trains on "
        "them; they do not measure accuracy there.",
    )
    members = forms.BooleanField(
        required=False,
        label="With its members",
        help_text="The members see the copy at once, with the same roles, groups, limits and pauses.",
    )

    def __init__(self, project: Project, data: Any = None) -> None:
        ends = {"name": f"{project.name[:190]} (copy)", "slug": f"{project.slug[: MAX_SLUG - 5].rstrip('-')}-copy"}
        super().__init__(data, initial=ends, prefix="copy")


class DeleteForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(max_length=200, label="Name of the project", strip=True, required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, prefix="delete")
        self.fields["name"].widget.attrs["autocomplete"] = "off"


class TransferForm(forms.Form):
    """The new role of a manager who transfers the project."""

    role = forms.ChoiceField(
        label="You become", choices=offered(roles_without(Ability.MEMBERS_CHANGE)), initial=Role.ANNOTATOR
    )
