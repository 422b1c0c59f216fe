"""Endpoints for the classes that annotators propose; a manager accepts or dismisses them."""

from __future__ import annotations

from django.http import Http404

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.models import Ability
from labeling.models.classes import MAX_PROPOSAL
from labeling.projects.classes import proposals
from labeling.questions.base import MAX_NAME


class Proposal(fields.Shape):
    """A class that annotators proposed when they skipped an item."""

    key = fields.Text("The key of the proposal, for all spellings of the name.")
    name = fields.Text("Its most frequent spelling.")
    people = fields.Integer("How many proposed it.")
    items = fields.Computed("Ids of the items that it was proposed for.")

    def get_items(self, group: proposals.Group) -> list[int]:
        return [item.pk for item in group.items]


class DismissRequest(fields.Shape):
    key = fields.Text(max_length=3 * MAX_PROPOSAL)


class AcceptRequest(DismissRequest):
    """A proposal to accept: `into` is the index of an existing class, `name` names a new one, by default the proposed
    name.
    """

    name = fields.Text(max_length=MAX_NAME, required=False)
    into = fields.Integer("Index of the class.", min_value=0, max_value=fields.MAX_INT, required=False)


class AcceptResponse(fields.Shape):
    """The result of accepting a proposal."""

    index = fields.Integer("Of the class that the items got.", source="label_class.index")
    labeled = fields.Integer("How many items got it.")
    waiting = fields.Integer("The number of items that still lack answers: accept again later.")
    left = fields.Integer("The number of items left: accept again.")


class DismissResponse(fields.Shape):
    dismissed = fields.Integer("How many proposals there were: their items stay skipped.")


class _Proposals(ProjectView):
    def group(self, key: str) -> proposals.Group:
        group = next((each for each in proposals.groups(self.project) if each.key == key), None)
        if group is None:
            raise Http404("Nothing is proposed under this key.")
        return group


class ProposalList(_Proposals):
    """List the open proposals, those with the most items first."""

    @answers(Proposal, needs=Ability.SETTINGS_READ, many=True)
    def get(self) -> list[proposals.Group]:
        return proposals.groups(self.project)


class ProposalAccept(_Proposals):
    """Accept a proposed class, new or existing: correct the labels of its items to the class."""

    @answers(AcceptResponse, needs=Ability.SETTINGS_CHANGE, takes=AcceptRequest)
    def post(self) -> proposals.Accepted:
        values = self.body
        group = self.group(values["key"])
        return proposals.accept(
            project=self.project,
            user=self.user,
            key=group.key,
            name=values.get("name", group.name),
            into=values.get("into"),
        )


class ProposalDismiss(_Proposals):
    """Dismiss a proposed class. Its items stay skipped."""

    @answers(DismissResponse, needs=Ability.SETTINGS_CHANGE, takes=DismissRequest)
    def post(self) -> dict[str, int]:
        group = self.group(self.body["key"])
        return {"dismissed": proposals.dismiss(project=self.project, user=self.user, key=group.key)}
