"""Forms that copy, delete and transfer a project."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from labeling.models import Ability, Project, Role
from labeling.models.projects import MAX_SLUG, slug_validator
from labeling.models.roles import offered, roles_without


class DuplicateForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(
        max_length=200,
        label=gettext_lazy("Name of the copy"),
        error_messages={"required": gettext_lazy("Give it a name.")},
    )
    slug = forms.CharField(
        max_length=MAX_SLUG,
        label=gettext_lazy("Its place in addresses"),
        validators=[slug_validator],
        help_text=gettext_lazy("Lower-case letters, digits and hyphens. It cannot be changed later."),
        error_messages={"required": gettext_lazy("Give it a place in addresses.")},
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
