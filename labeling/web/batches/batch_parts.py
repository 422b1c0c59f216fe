"""Views that reserve a part of a batch for a member or a group, and that remove a part."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, ngettext

from labeling.models import Ability, Batch, Membership, User
from labeling.projects.people.invisible import isolated
from labeling.queue import parts
from labeling.queue.parts import parts_of
from labeling.web.shared.permissions import for_members
from labeling.web.shared.words import count
from labeling.web.shared.words import number as number_of

GROUP = "group:"


class PartForm(forms.Form):
    """A share of the batch, and the member or group (`group:` and its name) to reserve it for."""

    whom = forms.CharField()
    share = forms.FloatField(min_value=0.01, max_value=100)


def assigned(batch: Batch) -> dict[str, Any]:
    """Return the context for the parts on the batch's page: the parts, and the members and groups to choose from."""
    people = Membership.objects.annotators().filter(project=batch.project_id)
    return {
        "parts": [
            {
                "row": each.part,
                "tasks": count(each.part.stop - each.part.start, "task"),
                "unanswered": each.unanswered,
                "waits": each.unanswered and not each.people,
            }
            for each in parts_of(batch)
        ],
        "assignable": batch.state in (Batch.State.OPEN, Batch.State.READY),
        "groups": [(f"{GROUP}{name}", name) for name in sorted({each.group for each in people if each.group})],
        "annotators": people.order_by("user__username").values_list("user__username", flat=True),
    }


@for_members(changing=Ability.BATCHES_CHANGE)
def keep_part(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Reserve a share of the batch for one member or a group."""
    batch = get_object_or_404(membership.project.batches, number=number)
    form = PartForm(request.POST)
    try:
        if not form.is_valid():
            raise parts.PartError(gettext("Choose a person or a group, and a share from 0.01 to 100 percent."))
        whom, group, user = form.cleaned_data["whom"], "", None
        if whom.startswith(GROUP):
            group = whom.removeprefix(GROUP)
        else:
            user = User.objects.filter(memberships__project=membership.project, username=whom).first()
        part = parts.assign_part(batch=batch, share=form.cleaned_data["share"] / 100, user=user, group=group)
    except parts.PartError as error:
        messages.error(request, str(error))
    else:
        n = part.stop - part.start
        text = ngettext("%(n)s task is for %(name)s alone.", "%(n)s tasks are for %(name)s alone.", n)
        messages.success(request, text % {"n": number_of(n), "name": isolated(part.name)})
    return redirect("project-batch", membership.project.slug, number)


@for_members(changing=Ability.BATCHES_CHANGE)
def lift_part(request: HttpRequest, membership: Membership, number: int, part_id: int) -> HttpResponse:
    """Remove a part, so that every annotator can claim its tasks."""
    batch = get_object_or_404(membership.project.batches, number=number)
    part = get_object_or_404(batch.parts.select_related("user"), pk=part_id)
    parts.unassign_part(batch=batch, part_id=part_id)
    messages.success(request, gettext("The tasks of %(name)s are for everybody.") % {"name": isolated(part.name)})
    return redirect("project-batch", membership.project.slug, number)
